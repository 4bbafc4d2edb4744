/* What we know about each operating system release that can be installed on a volume. Static facts. */
#pragma once

#include "../util.h"

enum os_family { OS_UBUNTU, OS_DEBIAN };

struct os_suite {
	const char *name; /* ZIMBRA_OS_SUITE */
	enum os_family family;
	const char *components;
	/* Defaults; NULL: taken from the image's own apt, which knows a mirror that works here. */
	const char *mirror, *security_mirror;
	const char *keyring; /* of the installed system, kept up to date by its own packages */
	/* Everything that Zimbra and its installer expect (os-requirements of its packages) and that our stages use;
	 * names that exist in this suite. Joined by commas. */
	const char *packages;
};

const struct os_suite *os_suite_find(const char *name); /* NULL: unknown */
