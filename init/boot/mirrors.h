/* Where the packages come from. */
#pragma once

#include "../config.h"
#include "../failure.h"
#include "sources.h"

/*
 * ZIMBRA_OS_MIRROR and ZIMBRA_OS_SECURITY_MIRROR, else the suite's default, else what the image's own apt is set up
 * with for that suite. 0, or -1 with what is missing.
 */
int mirrors_find(const struct config *cfg, const struct os_suite *suite, struct os_mirrors *out, struct failure *f);

/* The default environment and the proxies of the container (http_proxy, https_proxy, no_proxy). Static. */
const char *const *mirrors_env(void);
