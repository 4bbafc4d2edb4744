/*
 * Which keys the package lists may be signed with. A signature is always checked, and only against the keyring that
 * is prepared here: no other key of the image counts, however it got there.
 */
#pragma once

#include "../config.h"
#include "../failure.h"
#include "sources.h"

struct os_keyring {
	char dir[64];	   /* our own folder in /run; readable for apt's unprivileged user; "" when there is none */
	char outside[128]; /* the keyring as the image sees it */
};

/*
 * Ubuntu: the archive's keys, pinned by fingerprint, taken out of the image's ubuntu-archive-keyring or of the
 * archive's own ubuntu-keyring package, and compared again. Debian: the image's debian-archive-keyring.
 * ZIMBRA_OS_KEYRING replaces both.
 */
int keyring_prepare(const struct config *cfg, const struct os_suite *suite, const struct os_mirrors *m,
		    struct os_keyring *out, struct failure *f);
void keyring_drop(struct os_keyring *k);

/* Where the installed system has the keyring: its own package's, or a copy of ZIMBRA_OS_KEYRING. */
#define KEYRING_COPY "etc/apt/keyrings/zimbra-os.gpg"
const char *keyring_inside(const struct config *cfg, const struct os_suite *suite);

/* Writes KEYRING_COPY below root when ZIMBRA_OS_KEYRING is set; 0 or -errno. */
int keyring_copy(const struct config *cfg, const struct os_keyring *k, int root);

/* Pure. The lines of `gpg --show-keys --with-colons`, one by one. */
struct keyring_listing {
	bool want_fpr;	 /* the next fpr line is a primary key's */
	unsigned pinned; /* bits of the pinned keys that were seen */
	unsigned strangers;
	char stranger[48]; /* the first one's fingerprint */
};
void keyring_take_line(struct keyring_listing *l, const char *line);
bool keyring_listing_good(const struct keyring_listing *l); /* no stranger, and the key that signs today's suites */
