#include "keyring.h"
#include "../readall.h"
#include "../run.h"
#include "mirrors.h"
#include "path.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * The fingerprint of an OpenPGP v4 key is a hash over the key itself (RFC 4880, 12.2): who has the right fingerprint
 * has the right key, wherever the bytes came from. Both as in the package ubuntu-keyring 2021.03.26.
 */
static const char *const ubuntu_key[] = {
	"790BC7277767219C42C86F933B4FE6ACC0B21F32", /* Ubuntu Archive Automatic Signing Key (2012) */
	"F6ECB3762474EDA9D21B7022871920D1991BC93C", /* Ubuntu Archive Automatic Signing Key (2018) */
};
enum { UBUNTU_KEY_2018 = 1 << 1 }; /* signs jammy and later alone; the older one may be gone from a newer keyring */

/* In the release pocket of jammy, which never changes. The hash keeps dpkg-deb away from anything else. */
#define UBUNTU_KEYRING_DEB  "pool/main/u/ubuntu-keyring/ubuntu-keyring_2021.03.26_all.deb"
#define UBUNTU_KEYRING_HASH "SHA256:0d0e7ed6b112f5d03eabf3c7eb01ebdacf9c57714b279e90495cfc58c8c4520f"
#define UBUNTU_KEYRING_FILE "/usr/share/keyrings/ubuntu-archive-keyring.gpg"

enum { KEYRING_MAX = 1 << 20 };

void keyring_take_line(struct keyring_listing *l, const char *line)
{
	const char *fpr;
	size_t len;

	/* doc/DETAILS of GnuPG: "pub:", then its "fpr:" with the fingerprint in field 10. */
	if (strncmp(line, "pub:", 4) == 0)
		l->want_fpr = true;
	if (!l->want_fpr || strncmp(line, "fpr:", 4) != 0)
		return;
	l->want_fpr = false;
	fpr = line;
	for (int field = 1; field < 10 && fpr; field++)
		fpr = strchr(fpr + 1, ':');
	fpr = fpr ? fpr + 1 : "";
	len = strcspn(fpr, ":");
	for (size_t i = 0; i < ARRAY_SIZE(ubuntu_key); i++) {
		if (len == strlen(ubuntu_key[i]) && strncmp(fpr, ubuntu_key[i], len) == 0) {
			l->pinned |= 1U << i;
			return;
		}
	}
	if (l->strangers++ == 0)
		(void)snprintf(l->stranger, sizeof(l->stranger), "%.*s", (int)len, fpr);
}

bool keyring_listing_good(const struct keyring_listing *l)
{
	return l->strangers == 0 && !l->want_fpr && (l->pinned & UBUNTU_KEY_2018);
}

static void take_line(void *arg, const char *line)
{
	keyring_take_line(arg, line);
}

/* A whole file, for copies of a keyring; bytes or -errno. */
static ssize_t load(const char *path, char *buf)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t n = read_up_to(fd, buf, KEYRING_MAX);
	return n == KEYRING_MAX ? -EFBIG : n;
}

static int copy_file(const char *from, const char *to)
{
	_cleanup_free_ char *buf = malloc(KEYRING_MAX);
	_cleanup_close_ int fd = -1;
	ssize_t n = buf ? load(from, buf) : -ENOMEM;

	if (n <= 0)
		return n < 0 ? (int)n : -ENODATA;
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	for (ssize_t at = 0, w; at < n; at += w) {
		w = write(fd, buf + at, (size_t)(n - at));
		if (w < 0)
			return -errno;
	}
	return 0;
}

/* gpg with a home of its own: nothing of the image's, no agent, no trust database of anybody. */
static int gpg(const struct os_keyring *k, const char *const extra[], struct keyring_listing *listing, int *status)
{
	char home[128];
	const char *argv[24] = {"/usr/bin/gpg", "--no-options", "--batch", "--no-autostart", "--no-auto-check-trustdb",
				"--quiet",	"--homedir",	home,	   "--trust-model",  "always"};
	size_t n = 10;
	struct run r = {.argv = argv, .tag = "volume", .timeout_s = 60};

	(void)snprintf(home, sizeof(home), "%s/gnupg", k->dir);
	while (*extra && n < ARRAY_SIZE(argv) - 1)
		argv[n++] = *extra++;
	argv[n] = NULL;
	if (listing) {
		r.line = take_line;
		r.arg = listing;
	}
	return run_program(&r, status);
}

/* Downloads and opens the package that has the keys; `into` gets the path of the keyring in it. */
static int fetch_ubuntu(const struct os_keyring *k, const struct os_mirrors *m, char *into, size_t size,
			struct failure *f)
{
	char dir[96], deb[128], url[SOURCES_URL + 80];
	const char *const get[] = {"/usr/lib/apt/apt-helper", "download-file", url, deb, UBUNTU_KEYRING_HASH, NULL};
	const char *const unpack[] = {"/usr/bin/dpkg-deb", "-x", deb, dir, NULL};
	struct run r = {.argv = get, .env = mirrors_env(), .tag = "volume", .timeout_s = 300};
	const struct passwd *apt = getpwnam("_apt");
	int status = 0, err;

	(void)snprintf(url, sizeof(url), "%s/" UBUNTU_KEYRING_DEB, m->main);
	(void)snprintf(dir, sizeof(dir), "%s/deb", k->dir);
	(void)snprintf(deb, sizeof(deb), "%s/ubuntu-keyring.deb", dir);
	(void)snprintf(into, size, "%s" UBUNTU_KEYRING_FILE, dir);
	/* apt downloads as a user without rights, who must be able to write there. */
	if (mkdir(dir, 0755) < 0 || (apt && chown(dir, apt->pw_uid, apt->pw_gid) < 0))
		return failure_set(f, FAILURE_RETRY, "look at the container's /run", "cannot make %s: %s", dir,
				   strerror(errno));
	err = run_program(&r, &status);
	if (err < 0 || status != 0)
		return failure_set(
			f, FAILURE_RETRY,
			"check the network and ZIMBRA_OS_MIRROR; or mount a keyring and name it in ZIMBRA_OS_KEYRING",
			"cannot get the keys of the Ubuntu archive from %s: %s", url,
			err < 0 ? strerror(-err) : "the download failed or is not the expected package");
	err = run_simple("volume", 60, unpack, &status);
	if (err < 0 || status != 0)
		return failure_set(f, FAILURE_RETRY, "look at the lines above (zctl log)", "cannot unpack %s", url);
	return 0;
}

static int prepare_ubuntu(const struct os_mirrors *m, struct os_keyring *k, struct failure *f)
{
	char from[192], copy[128];
	const char *const export[] = {"--no-default-keyring", "--keyring",   copy, "--output", k->outside, "--export",
				      ubuntu_key[0],	      ubuntu_key[1], NULL};
	const char *const show[] = {"--with-colons", "--show-keys", k->outside, NULL};
	struct keyring_listing listing = {0};
	int status = 0, err;

	(void)snprintf(from, sizeof(from), "%s", UBUNTU_KEYRING_FILE);
	if (access(from, R_OK) < 0 && fetch_ubuntu(k, m, from, sizeof(from), f) < 0)
		return -1;
	/* gpg writes its lock beside a keyring. */
	(void)snprintf(copy, sizeof(copy), "%s/all.gpg", k->dir);
	(void)snprintf(k->outside, sizeof(k->outside), "%s/ubuntu-archive.gpg", k->dir);
	err = copy_file(from, copy);
	if (err == 0)
		err = gpg(k, export, NULL, &status);
	if (err == 0 && status == 0)
		err = gpg(k, show, &listing, &status);
	if (err < 0 || status != 0)
		return failure_set(f, FAILURE_RETRY, "look at the lines above (zctl log); the image needs /usr/bin/gpg",
				   "cannot take the keys of the Ubuntu archive out of %s: %s", from,
				   err < 0 ? strerror(-err) : "gpg failed");
	if (!keyring_listing_good(&listing))
		return failure_set(f, FAILURE_FATAL, "use an unmodified image",
				   "%s is not the keyring of the Ubuntu archive: %s%s", from,
				   listing.strangers ? "it gave the unknown key "
						     : "it has no key with the pinned fingerprint ",
				   listing.strangers ? listing.stranger : ubuntu_key[1]);
	return chmod(k->outside, 0644) == 0 ? 0 : failure_set(f, FAILURE_RETRY, "", "chmod: %s", strerror(errno));
}

/* A keyring of the administrator: copied where apt's unprivileged user can read it; armour taken off. */
static int prepare_given(const char *from, struct os_keyring *k, struct failure *f)
{
	char copy[128];
	const char *const dearmor[] = {"--output", k->outside, "--dearmor", copy, NULL};
	const char *const show[] = {"--with-colons", "--show-keys", k->outside, NULL};
	struct keyring_listing listing = {0};
	_cleanup_free_ char *buf = malloc(KEYRING_MAX);
	int status = 0, err;
	ssize_t n;

	(void)snprintf(copy, sizeof(copy), "%s/given", k->dir);
	(void)snprintf(k->outside, sizeof(k->outside), "%s/given.gpg", k->dir);
	n = buf ? load(from, buf) : -ENOMEM;
	if (n > 10 && memcmp(buf, "-----BEGIN", 10) == 0) {
		err = copy_file(from, copy);
		if (err == 0)
			err = gpg(k, dearmor, NULL, &status);
	} else {
		err = n > 0 ? copy_file(from, k->outside) : n < 0 ? (int)n : -ENODATA;
	}
	if (err == 0 && chmod(k->outside, 0644) < 0)
		err = -errno;
	if (err == 0)
		err = gpg(k, show, &listing, &status);
	/* Whose keys they are is the administrator's business, that there are any is ours. */
	if (err == 0 && (status != 0 || listing.strangers + listing.pinned == 0))
		err = -EBADMSG;
	if (err < 0)
		return failure_set(
			f, FAILURE_FATAL,
			"mount the file into the container (docker run -v KEYRING:PATH:ro) or unset the variable",
			"cannot use the keyring ZIMBRA_OS_KEYRING=%s: %s", from,
			err == -EBADMSG ? "there is no OpenPGP public key in it" : strerror(-err));
	return 0;
}

int keyring_prepare(const struct config *cfg, const struct os_suite *suite, const struct os_mirrors *m,
		    struct os_keyring *out, struct failure *f)
{
	const char *given = config_str(cfg, CFG_ZIMBRA_OS_KEYRING);
	char home[128];

	memset(out, 0, sizeof(*out));
	if (!given[0] && suite->family == OS_DEBIAN) {
		(void)snprintf(out->outside, sizeof(out->outside), "%s", suite->keyring);
		if (access(out->outside, R_OK) == 0)
			return 0;
		return failure_set(f, FAILURE_FATAL,
				   "use an image with the package debian-archive-keyring, or name a keyring in "
				   "ZIMBRA_OS_KEYRING",
				   "cannot read %s: %s", suite->keyring, strerror(errno));
	}
	/* 0755: the keys are public, and apt reads them as a user without rights. Nobody but root writes. */
	(void)snprintf(out->dir, sizeof(out->dir), "/run/zimbra-keys-XXXXXX");
	if (!mkdtemp(out->dir) || chmod(out->dir, 0755) < 0) {
		int err = errno;
		out->dir[0] = '\0';
		return failure_set(f, FAILURE_RETRY, "the container's /run must be writable",
				   "cannot make a folder in /run: %s", strerror(err));
	}
	(void)snprintf(home, sizeof(home), "%s/gnupg", out->dir);
	if (mkdir(home, 0700) < 0)
		return failure_set(f, FAILURE_RETRY, "the container's /run must be writable", "cannot make %s: %s",
				   home, strerror(errno));
	return given[0] ? prepare_given(given, out, f) : prepare_ubuntu(m, out, f);
}

void keyring_drop(struct os_keyring *k)
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (k->dir[0])
		(void)path_remove_tree(root, k->dir + 1);
	k->dir[0] = '\0';
}

const char *keyring_inside(const struct config *cfg, const struct os_suite *suite)
{
	return config_str(cfg, CFG_ZIMBRA_OS_KEYRING)[0] ? "/" KEYRING_COPY : suite->keyring;
}

int keyring_copy(const struct config *cfg, const struct os_keyring *k, int root)
{
	_cleanup_free_ char *buf = NULL;
	_cleanup_close_ int dir = -1;
	ssize_t n;

	if (!config_str(cfg, CFG_ZIMBRA_OS_KEYRING)[0])
		return 0;
	buf = malloc(KEYRING_MAX);
	n = buf ? load(k->outside, buf) : -ENOMEM;
	if (n < 0)
		return (int)n;
	dir = path_make_dirs(root, "etc/apt/keyrings", 0755);
	return dir < 0 ? dir : path_write(root, KEYRING_COPY, buf, (size_t)n, 0644);
}
