/* What a setting is: config_table.c lists them all; config_check.c knows the types. */
#pragma once

#include "config.h"

enum config_type {
	TYPE_SWITCH, /* on, off, and the usual twins */
	TYPE_NUMBER, /* min..max */
	TYPE_CHOICE, /* one of `choices` */
	TYPE_FQDN,
	TYPE_DOMAINS,  /* comma list */
	TYPE_PORTS,    /* fw_ports_parse */
	TYPE_PREFIXES, /* fw_prefixes_parse */
	TYPE_URL,      /* http or https, without credentials, query and fragment */
	TYPE_PATH,     /* absolute, without ".." */
	TYPE_RELEASE,  /* a path */
	TYPE_SHA256,
	TYPE_TIMEZONE, /* Area/City */
	TYPE_LOCALE,
	TYPE_PASSWORD
};

struct setting {
	const char *name;
	const char *alias; /* an older or a common name with the same meaning, or NULL */
	enum config_type type;
	const char *fallback; /* default */
	const char *choices;  /* TYPE_CHOICE: "a|b" */
	long min, max;	      /* TYPE_NUMBER */
	bool reload;
	const char *help;
};

extern const struct setting config_settings[CFG_COUNT];

/*
 * Pure. Checks one value: 0 with its canonical text in out (CONFIG_VALUE_MAX bytes) and its number,
 * -EINVAL, or -E2BIG when it is too long.
 */
enum { CONFIG_VALUE_MAX = 4096, CONFIG_FILE_MAX = 65536, CONFIG_NAME_MAX = 64 };
int config_check(const struct setting *s, const char *value, char out[static CONFIG_VALUE_MAX], long *number);

/* Pure. The known name that is closest to `name` (edit distance at most a third of it), or NULL. */
const char *config_closest(const char *name);
