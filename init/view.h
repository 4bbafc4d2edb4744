/* What zctl shows, as JSON from the state of PID 1. The README documents the schema; keys are only ever added. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

enum { VIEW_SCHEMA = 1 };

/*
 * A string of JSON is UTF-8; names and texts from the installation are bytes: where they are not UTF-8, all that is not
 * ASCII becomes '?'. NULL becomes null.
 */
json_t *view_text(const char *s);

/* Each returns a new reference, NULL without memory. */
json_t *view_status(void);
json_t *view_stages(void);
json_t *view_config(void);
json_t *view_firewall(void);
/* level: "live", "ready", "startup"; NULL for any other. */
json_t *view_health(const char *level, bool *healthy);
