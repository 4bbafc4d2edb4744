/*
 * The texts that tell apt where packages come from and which of them it may install by itself.
 * All pure; every text ends with a newline; the length without '\0', or -ENOSPC, -EINVAL (a mirror with blanks or
 * brackets, which would become options of apt).
 */
#pragma once

#include "suite.h"

#include <sys/types.h>

enum { SOURCES_URL = 256, SOURCES_TEXT = 8192 };

struct os_mirrors {
	char main[SOURCES_URL];	    /* SUITE and SUITE-updates; no slash at the end; "": not known */
	char security[SOURCES_URL]; /* SUITE-security */
};

/* signed_by: absolute path of the only keyring that these sources may be signed with. */
ssize_t sources_render(const struct os_suite *suite, const struct os_mirrors *m, const char *signed_by, char *buf,
		       size_t size);

/* /etc/apt/apt.conf.d/50unattended-upgrades and 20auto-upgrades. */
ssize_t sources_render_origins(const struct os_suite *suite, char *buf, size_t size);
ssize_t sources_render_auto(bool on, char *buf, size_t size);

/* A line of `apt-get indextargets --format "$(RELEASE) $(REPO_URI)"`: fills what of m is still empty. */
void sources_parse_target(const char *line, const struct os_suite *suite, struct os_mirrors *m);

/* Text of locale.gen with an active line for that locale ("de_DE.UTF-8 UTF-8"), added at the end if there is none. */
ssize_t sources_add_locale(const char *text, const char *line, char *buf, size_t size);
