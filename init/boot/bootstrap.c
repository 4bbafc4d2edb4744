/*
 * Stage "volume", the doing part: an empty volume gets a minimal system.
 *
 *   1. mmdebstrap builds it in .bootstrap.partial, on the volume itself, so that nothing has to be copied later.
 *   2. Everything is on the disk (syncfs); .bootstrap.partial is renamed to .bootstrap.ready.
 *   3. Every entry of it is renamed to the top of the volume.
 *   4. Everything is on the disk; the journal gets its marker; the empty folder goes.
 *
 * Killed before 2: begun anew. Killed later: gone on with. Nothing else of the volume is touched at any time.
 */
#include "../log.h"
#include "../run.h"
#include "aptlog.h"
#include "confine.h"
#include "keyring.h"
#include "merge.h"
#include "mirrors.h"
#include "mounts.h"
#include "path.h"
#include "settings.h"
#include "volume.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BOOTSTRAP_TIMEOUT = 2 * 3600 }; /* seconds: a slow line is no failure, a hanging mirror is */

#define WHAT "cannot install the base system"

static int broken(struct failure *f, const char *doing, const char *name, int err)
{
	return failure_set(f, FAILURE_RETRY,
			   err == -ENOSPC ? "free space on the volume's disk, or give it a larger one"
					  : "look at the volume's health and at the kernel log of the host",
			   WHAT ": %s %s/%s: %s", doing, DATA_DIR, name, strerror(-err));
}

static int journal_full(struct failure *f)
{
	return failure_set(f, FAILURE_HOLD, "restore " DATA_DIR "/" STATE_DIR " from a backup",
			   WHAT ": the journal is full");
}

struct follower {
	struct stage_ctx *ctx;
	struct apt_progress progress;
	struct apt_cause cause;
};

static void follow(void *arg, const char *line)
{
	struct follower *fo = arg;

	apt_cause_note(&fo->cause, line);
	if (apt_progress_line(&fo->progress, line))
		stage_doing(fo->ctx, fo->progress.percent, "%s %s", apt_progress_doing(&fo->progress),
			    fo->progress.package);
	/* Two thousand lines of dpkg would push everything else out of the log. */
	if (strncmp(line, "I: ", 3) == 0 || strncmp(line, "E: ", 3) == 0 || strncmp(line, "W: ", 3) == 0 ||
	    strncmp(line, "Err:", 4) == 0 || strncmp(line, "dpkg: error", 11) == 0)
		log_info(fo->ctx->name, "%s", line);
}

/* /bin is /usr/bin from the first file on, as both distributions install themselves; mmdebstrap leaves it to packages.
 */
static const char merge_usr[] = "--setup-hook=for d in bin sbin lib lib32 lib64 libx32; do mkdir -p \"$1/usr/$d\" && "
				"ln -s \"usr/$d\" \"$1/$d\" || exit; done";

/* Must be there before the package's postinst, which would turn /etc/resolv.conf into a link. */
static const char answer_resolvconf[] =
	"--essential-hook=echo resolvconf resolvconf/linkify-resolvconf boolean false | "
	"chroot \"$1\" debconf-set-selections";

/*
 * root mode: chroot(2) and mounts, for which we have SYS_ADMIN. check/qemu and check/signed-by guess what we know.
 * force-unsafe-io: one syncfs in the end instead of one fsync per file; a crash in between begins anew anyway.
 */
static int run_mmdebstrap(struct stage_ctx *ctx, const struct os_suite *suite, const char *target, const char *sources,
			  const struct os_keyring *keys, struct failure *f)
{
	char include[1024], keyring[160];
	const char *const argv[] = {"/usr/bin/mmdebstrap",
				    "--mode=root",
				    "--verbose",
				    "--format=directory",
				    "--variant=apt",
				    "--architectures=amd64",
				    "--skip=check/qemu,check/signed-by",
				    "--dpkgopt=force-unsafe-io",
				    merge_usr,
				    answer_resolvconf,
				    include,
				    keyring,
				    suite->name,
				    target,
				    "-",
				    NULL};
	struct follower fo = {.ctx = ctx};
	struct run r = {.argv = argv,
			.env = mirrors_env(),
			.tag = ctx->name,
			.input = sources,
			.timeout_s = BOOTSTRAP_TIMEOUT,
			.line = follow,
			.arg = &fo,
			.before_exec = confine_bootstrap};
	int status = 0, err;

	(void)snprintf(include, sizeof(include), "--include=%s", suite->packages);
	(void)snprintf(keyring, sizeof(keyring), "--keyring=%s", keys->outside);
	apt_progress_start(&fo.progress, true);
	err = run_program(&r, &status);
	if (err == 0 && status == 0)
		return 0;
	if (err == -EPERM || err == -EACCES || err == -ENOSYS) /* of confine_bootstrap */
		return mount_failed(f, err, "a private view of the mounts", "/");
	if (err == -ETIMEDOUT)
		return failure_set(f, FAILURE_RETRY,
				   "look at the network and the mirror, or name a nearer one: "
				   "ZIMBRA_OS_MIRROR",
				   WHAT ": it took longer than %d minutes", BOOTSTRAP_TIMEOUT / 60);
	if (err < 0 && fo.cause.trouble == APT_NO_TROUBLE)
		return failure_set(f, FAILURE_RETRY, "the image needs mmdebstrap", WHAT ": cannot start %s: %s",
				   argv[0], strerror(-err));
	return apt_cause_explain(&fo.cause, WHAT, f);
}

/* What mmdebstrap leaves for itself, or takes from the image and the jail makes anew at every start. */
static int tidy(int root, const struct config *cfg, const struct os_keyring *keys, const char *sources)
{
	static const char *const gone[] = {"etc/dpkg/dpkg.cfg.d/99mmdebstrap", "etc/hostname", "etc/resolv.conf",
					   "var/cache/debconf/config.dat-old", "var/cache/debconf/templates.dat-old"};
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(gone) && err == 0; i++)
		err = path_unlink(root, gone[i]);
	if (err == 0)
		err = path_write(root, "etc/apt/sources.list", sources, strlen(sources), 0644);
	return err == 0 ? keyring_copy(cfg, keys, root) : err;
}

/* Step 1 and 2. */
static int build(struct stage_ctx *ctx, const struct os_suite *suite, const char *target, struct failure *f)
{
	__attribute__((cleanup(keyring_drop))) struct os_keyring keys = {0};
	_cleanup_close_ int root = -1, top = openat(ctx->data, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char during[2048], final[2048];
	struct os_mirrors mirrors;
	struct journal j;
	int err;

	if (top < 0)
		return broken(f, "cannot open", "", -errno);
	if (mirrors_find(ctx->cfg, suite, &mirrors, f) < 0)
		return -1;
	log_info(ctx->name, "installing %s from %s, security updates from %s", suite->name, mirrors.main,
		 mirrors.security);
	stage_doing(ctx, 0, "preparing the keys of the archive");
	if (keyring_prepare(ctx->cfg, suite, &mirrors, &keys, f) < 0)
		return -1;
	if (sources_render(suite, &mirrors, keys.outside, during, sizeof(during)) < 0 ||
	    sources_render(suite, &mirrors, keyring_inside(ctx->cfg, suite), final, sizeof(final)) < 0)
		return failure_set(f, FAILURE_FATAL, "http://HOST/PATH, without blanks and brackets",
				   "ZIMBRA_OS_MIRROR=%s or ZIMBRA_OS_SECURITY_MIRROR=%s is not a URL", mirrors.main,
				   mirrors.security);
	if (run_mmdebstrap(ctx, suite, target, during, &keys, f) < 0)
		return -1;
	stage_doing(ctx, 99, "writing it to the disk");
	root = path_open_dir(ctx->data, BOOTSTRAP_PARTIAL);
	err = root < 0 ? root : tidy(root, ctx->cfg, &keys, final);
	if (err < 0)
		return broken(f, "cannot write in", BOOTSTRAP_PARTIAL, err);
	/* No marker: what READY holds, should another ZIMBRA_OS_SUITE be set when it is gone on with. */
	if (journal_load(ctx->data, &j, f) < 0)
		return -1;
	if (journal_set(&j, "suite", suite->name) < 0)
		return journal_full(f);
	if (journal_store(ctx->data, &j, f) < 0)
		return -1;
	if (syncfs(top) < 0 || renameat(top, BOOTSTRAP_PARTIAL, top, BOOTSTRAP_READY) < 0 || fsync(top) < 0)
		return broken(f, "cannot finish", BOOTSTRAP_PARTIAL, -errno);
	return 0;
}

/* Steps 3 and 4; also where an earlier try was stopped in them. */
static int put_in_place(struct stage_ctx *ctx, int ready, struct failure *f)
{
	_cleanup_close_ int top = openat(ctx->data, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct os_suite *suite;
	struct journal j;
	char where[256] = "", now[32];
	int err = top < 0 ? -errno : merge_into(ready, top, where, sizeof(where));

	if (err == -EXDEV)
		return failure_set(f, FAILURE_HOLD,
				   "mount nothing below " DATA_DIR " but app/ and opt/zimbra, and start again",
				   WHAT ": a mount at " DATA_DIR "/%s covers what belongs there", where);
	if (err == -EEXIST)
		return failure_set(f, FAILURE_HOLD, "move it away and start again",
				   WHAT ": " DATA_DIR "/%s appeared meanwhile and is in the way", where);
	if (err < 0)
		return broken(f, "cannot move into place", where, err);
	if (syncfs(top) < 0)
		return broken(f, "cannot sync", "", -errno);
	if (journal_load(ctx->data, &j, f) < 0)
		return -1;
	settings_now(now, sizeof(now));
	suite = os_suite_find(journal_get(&j, "suite") ? journal_get(&j, "suite") : "");
	if ((suite && settings_note(&j, "packages", suite->packages) < 0) || journal_set(&j, "stage.volume", now) < 0)
		return journal_full(f);
	return journal_store(ctx->data, &j, f);
}

/* Kubernetes' fsGroup leaves the volume's root setgid and writable for a group: the new system would inherit both. */
static int claim_root(const struct stage_ctx *ctx, struct failure *f)
{
	_cleanup_close_ int top = openat(ctx->data, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (top < 0 || fchown(top, 0, 0) < 0 || fchmod(top, 0755) < 0)
		return broken(f, "cannot take over", "", -errno);
	return 0;
}

/* As mmdebstrap has to be told it: the volume's path and the folder. */
static int target_path(const struct stage_ctx *ctx, char *buf, size_t size)
{
	char self[64], path[512];
	ssize_t n;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", ctx->data);
	n = readlink(self, path, sizeof(path));
	if (n < 0 || n == sizeof(path))
		return n < 0 ? -errno : -ENAMETOOLONG;
	return (size_t)snprintf(buf, size, "%.*s/" BOOTSTRAP_PARTIAL, (int)n, path) < size ? 0 : -ENAMETOOLONG;
}

static int remove_leftover(const struct stage_ctx *ctx, const char *name, struct failure *f)
{
	int err = path_remove_tree(ctx->data, name);

	return err < 0 ? broken(f, "cannot remove", name, err) : 0;
}

static int open_ready(const struct stage_ctx *ctx)
{
	int fd = openat(ctx->data, BOOTSTRAP_READY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int volume_bootstrap(struct stage_ctx *ctx, struct failure *f)
{
	const char *name = config_str(ctx->cfg, CFG_ZIMBRA_OS_SUITE);
	const struct os_suite *suite = os_suite_find(name);
	_cleanup_close_ int ready = -1;
	struct journal j;
	char target[600];

	if (!suite)
		return failure_set(f, FAILURE_FATAL, "ZIMBRA_OS_SUITE=jammy", "ZIMBRA_OS_SUITE=%s is not known", name);
	if (journal_load(ctx->data, &j, f) < 0)
		return -1;
	/* Done before, and stopped between the marker and this. Or the jail made these names: the marker counts. */
	if (journal_get(&j, "stage.volume"))
		return remove_leftover(ctx, BOOTSTRAP_READY, f) < 0 ? -1 : remove_leftover(ctx, BOOTSTRAP_PARTIAL, f);

	ready = open_ready(ctx);
	if (ready >= 0) {
		log_info(ctx->name, "going on with an interrupted installation: moving it into place");
	} else {
		stage_doing(ctx, 0, "removing what an interrupted installation left");
		if (claim_root(ctx, f) < 0 || remove_leftover(ctx, BOOTSTRAP_PARTIAL, f) < 0 ||
		    volume_check_disk(ctx->cfg, ctx->data, f) < 0)
			return -1;
		int err = target_path(ctx, target, sizeof(target));
		if (err < 0)
			return broken(f, "cannot find the path of", "", err);
		if (build(ctx, suite, target, f) < 0) {
			struct failure ignored;
			(void)remove_leftover(ctx, BOOTSTRAP_PARTIAL, &ignored);
			return -1;
		}
		ready = open_ready(ctx);
		if (ready < 0)
			return broken(f, "cannot open", BOOTSTRAP_READY, ready);
	}
	if (put_in_place(ctx, ready, f) < 0)
		return -1;
	return remove_leftover(ctx, BOOTSTRAP_READY, f);
}
