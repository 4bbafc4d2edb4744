/*
 * The stage "release": once per volume. Order: file and its hash, unpack beside and rename, journal that it begins,
 * Zimbra's installers, what they leave to us, journal that it is done. Each step looks first whether it is true
 * already.
 */
#include "../boot/boot.h"
#include "../boot/mounts.h"
#include "../boot/path.h"
#include "../log.h"
#include "internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define ADMIN_PASSWORD "admin-password"
#define MAILBOX_SUFFIX "mailbox-suffix"

enum { PASSWORD_LEN = 20, SUFFIX_LEN = 10 };

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What the journal calls done is never undone here, whatever it looks like: people's mail is in it. */
static int installed_check(struct stage_ctx *ctx, const struct journal *j, struct failure *f)
{
	const char *had = journal_get(j, "release"), *name = journal_get(j, "fqdn");
	const char *path = config_str(ctx->cfg, CFG_ZIMBRA_RELEASE);
	char fqdn[ZI_FQDN];
	_cleanup_close_ int zmcontrol = path_open_read(ctx->data, "opt/zimbra/bin/zmcontrol");
	struct zi_history h;

	if (zmcontrol < 0)
		return failure_set(f, FAILURE_HOLD, "restore the volume from a backup, or start with an empty one",
				   "Zimbra was installed on this volume (%s), but /data/opt/zimbra/bin/zmcontrol "
				   "cannot be read: %s",
				   had ? had : "release unknown", strerror(-zmcontrol));
	zi_history_read(ctx->data, &h);
	if (h.state != ZI_CONFIGURED)
		log_warn(ctx->name,
			 "the last installation or upgrade by hand was not finished (.install_history has no "
			 "\"CONFIGURED END\" behind it): zctl shell, then /opt/zimbra/libexec/zmsetup.pl");
	if (path[0] && had && strcmp(file_name(path), file_name(had)) != 0)
		log_warn(ctx->name,
			 "ZIMBRA_RELEASE=%s is not what is installed (%s): an installed release is never touched", path,
			 had);
	if (name && zi_fqdn(ctx->data, fqdn) == 0 && strcmp(name, fqdn) != 0)
		log_warn(ctx->name,
			 "this container is called %s, but Zimbra was installed as %s: start it with --hostname %s, "
			 "or change the name with Zimbra's own tools (zmsetservername)",
			 fqdn, name, name);
	return STAGE_TRUE;
}

int release_check(struct stage_ctx *ctx, struct failure *f)
{
	struct journal j;
	struct zi_history h;

	if (journal_load(ctx->data, &j, f) < 0)
		return -1;
	if (journal_get(&j, "stage.release"))
		return installed_check(ctx, &j, f);
	if (!journal_get(&j, "release_begun")) {
		zi_history_read(ctx->data, &h);
		if (h.state != ZI_NOTHING)
			return failure_set(f, FAILURE_HOLD,
					   "give this container an empty volume; the one here was not changed",
					   "/data/opt/zimbra holds a Zimbra %sthat this program did not install",
					   h.state == ZI_CONFIGURED ? "" : "(half installed) ");
	} else if (zimbra_installed(ctx->data)) {
		return STAGE_TODO; /* only its end is missing: the file is not needed any more */
	}
	return release_setting_check(ctx->cfg, f) < 0 ? -1 : STAGE_TODO;
}

/* REMOVE="yes" empties every file system mounted below /opt/zimbra (utilfunc.sh, removeExistingInstall). */
static int no_mounts(struct failure *f)
{
	static const char top[] = DATA_DIR "/opt/zimbra";
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ struct mount_entry *m = malloc(sizeof(*m));
	ssize_t len = mounts_read(&text);
	size_t pos = 0;

	if (len < 0 || !m)
		return failure_set(f, FAILURE_RETRY, "look at the container's /proc",
				   "cannot read /proc/self/mountinfo");
	for (int r; (r = mounts_next(text, (size_t)len, &pos, m)) != 0;) {
		if (r == 1 && mounts_below(m->point, top) && strcmp(m->point, top) != 0)
			return failure_set(f, FAILURE_HOLD,
					   "install without this mount, then stop, move the folder's contents to it, "
					   "and start with it",
					   "%s is a mount: Zimbra's installer may empty it", m->point);
	}
	return 0;
}

static int note(struct stage_ctx *ctx, const char *key, const char *value, struct failure *f)
{
	struct journal j;

	if (journal_load(ctx->data, &j, f) < 0)
		return -1;
	if (journal_set(&j, key, value) < 0)
		return failure_set(f, FAILURE_RETRY, "this is a bug: please report it",
				   "the journal has no room for %s", key);
	return journal_store(ctx->data, &j, f);
}

/* Before an end of this installation another file was given: nothing of the first one may stay. */
static int changed_release(struct stage_ctx *ctx, struct failure *f)
{
	int r = zi_history_void(ctx->data);

	if (r < 0)
		return failure_set(f, FAILURE_RETRY, "look at /data/opt/zimbra",
				   "cannot start over with another release: %s", strerror(-r));
	log_warn(ctx->name, "ZIMBRA_RELEASE is another file than the one whose installation was interrupted");
	return 0;
}

static int unpack_from(struct stage_ctx *ctx, struct zi_file *file, char top[static ZI_TOP], struct failure *f)
{
	struct journal j;
	const char *done;

	if (zi_release_hash(ctx, file, f) < 0 || journal_load(ctx->data, &j, f) < 0)
		return -1;
	done = journal_get(&j, "release_unpacked");
	if (done && strcmp(done, file->sha256) == 0 && zi_release_top(ctx->data, ZI_RELEASE, top) == 0) {
		log_info(ctx->name, "%s is unpacked already", top);
		return 0;
	}
	if (done && strcmp(done, file->sha256) != 0 && changed_release(ctx, f) < 0)
		return -1;
	if (zi_release_unpack(ctx, file, top, f) < 0)
		return -1;
	return note(ctx, "release_unpacked", file->sha256, f);
}

static int unpack(struct stage_ctx *ctx, char top[static ZI_TOP], struct failure *f)
{
	struct zi_file file;
	int r = zi_release_open(ctx, &file, f);

	if (r < 0)
		return -1;
	r = unpack_from(ctx, &file, top, f);
	(void)close(file.fd);
	return r;
}

static int secrets(struct stage_ctx *ctx, char password[static ZI_PASSWORD], char suffix[static ZI_PASSWORD],
		   struct failure *f)
{
	const char *given = config_str(ctx->cfg, CFG_ZIMBRA_ADMIN_PASSWORD);
	int r;

	if (given[0] && !zi_password_ok(given))
		return failure_set(
			f, FAILURE_FATAL, "choose another one: it can be changed to any other after the installation",
			"ZIMBRA_ADMIN_PASSWORD is not %s: Zimbra's installer would execute the rest", ZI_PASSWORD_RULE);
	r = zi_secret(ctx->data, MAILBOX_SUFFIX, SUFFIX_LEN, suffix, ZI_PASSWORD);
	if (r == 0 && !given[0])
		r = zi_secret(ctx->data, ADMIN_PASSWORD, PASSWORD_LEN, password, ZI_PASSWORD);
	else if (r == 0)
		(void)snprintf(password, ZI_PASSWORD, "%s", given);
	if (r < 0)
		return failure_set(f, FAILURE_RETRY, "look at the volume: is it full or read-only?",
				   "cannot keep a secret in /data/" STATE_DIR ": %s", strerror(-r));
	for (char *c = suffix; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
	if (!given[0])
		log_info(ctx->name, "the admin account's password is in /data/" STATE_DIR "/" ADMIN_PASSWORD);
	return 0;
}

static int install(struct stage_ctx *ctx, const char *top, const char *fqdn, struct failure *f)
{
	char domain[ZI_FQDN], networks[ZI_NETWORKS], password[ZI_PASSWORD], suffix[ZI_PASSWORD];
	struct zi_answers a = {.fqdn = fqdn,
			       .domain = domain,
			       .admin_password = password,
			       .networks = networks,
			       .timezone = config_str(ctx->cfg, CFG_ZIMBRA_TIMEZONE),
			       .suffix = suffix};
	int r;

	if (zi_first_domain(config_str(ctx->cfg, CFG_MAIL_DOMAINS), fqdn, domain) < 0)
		return failure_set(f, FAILURE_FATAL, "set MAIL_DOMAINS=example.com", "no mail domain can be made of %s",
				   fqdn);
	if (zi_networks(networks, sizeof(networks), &a.ip_mode) < 0)
		return failure_set(f, FAILURE_RETRY, "give the container fewer addresses",
				   "cannot list the container's addresses");
	if (secrets(ctx, password, suffix, f) < 0)
		return -1;
	zi_memory(&a.limit_mb, &a.host_mb);
	log_info(ctx->name, "installing %s as %s, first mail domain %s, admin@%s", top, fqdn, domain, domain);
	r = zi_install(ctx, top, &a, f);
	explicit_bzero(password, sizeof(password));
	return r;
}

/* What the installation left is on the disk before the journal says so. */
static int flush(int data, struct failure *f)
{
	_cleanup_close_ int fd = openat(data, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		return failure_set(f, FAILURE_RETRY, "look at the volume and at the kernel log of the host",
				   "the volume cannot be written: %s", strerror(errno));
	return 0;
}

static void rename_key(struct journal *j, const char *from, const char *to)
{
	const char *value = journal_get(j, from);

	if (value)
		(void)journal_set(j, to, value);
	journal_drop(j, from);
}

static int finish(struct stage_ctx *ctx, const char *fqdn, struct failure *f)
{
	struct zi_history h;
	struct journal j;
	char when[32];
	time_t now = time(NULL);
	struct tm tm;

	(void)path_unlink(ctx->data, ZI_ANSWERS);
	if (zi_jail_sh(ctx->name, 300, "rm -rf /" ZI_RELEASE " /" ZI_PARTIAL) != 0)
		log_warn(ctx->name, "cannot remove /data/" ZI_RELEASE ": it is not needed any more");
	zi_history_read(ctx->data, &h);
	if (flush(ctx->data, f) < 0 || journal_load(ctx->data, &j, f) < 0)
		return -1;
	if (h.version[0])
		(void)journal_set(&j, "release_version", h.version);
	rename_key(&j, "release_begun", "release");
	rename_key(&j, "release_unpacked", "release_sha256");
	(void)journal_set(&j, "fqdn", fqdn);
	(void)gmtime_r(&now, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (journal_set(&j, "stage.release", when) < 0)
		return failure_set(f, FAILURE_RETRY, "this is a bug: please report it", "the journal is full");
	return journal_store(ctx->data, &j, f);
}

int release_install(struct stage_ctx *ctx, struct failure *f)
{
	char fqdn[ZI_FQDN], top[ZI_TOP];

	if (zi_fqdn(ctx->data, fqdn) < 0)
		return failure_set(f, FAILURE_FATAL,
				   "docker run --hostname mail.example.com, or EXTERNAL_HOST_FQDN=mail.example.com",
				   "/etc/hostname on the volume (\"%s\") is no full host name: Zimbra wants one", fqdn);
	if (!zimbra_installed(ctx->data)) {
		if (no_mounts(f) < 0 || unpack(ctx, top, f) < 0)
			return -1;
		if (note(ctx, "release_begun", file_name(config_str(ctx->cfg, CFG_ZIMBRA_RELEASE)), f) < 0 ||
		    install(ctx, top, fqdn, f) < 0)
			return -1;
	}
	zi_create_domains(ctx, fqdn);
	return finish(ctx, fqdn, f);
}
