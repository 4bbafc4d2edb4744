/*
 * Stage "jail". On /data itself proc, sys, dev and run, so that `docker exec` and `chroot /data` show them as the
 * ancestor's users know it; then JAIL_ROOT, a copy of all that, where app/ is covered.
 */
#include "jail.h"
#include "jail_private.h"
#include "path.h"
#include "path_private.h"

#include "../log.h"
#include "boot.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

/* No `..`, no links: for places that must be exactly where they are said to be. */
static int open_exact(int at, const char *path)
{
	return path_openat2(at, path, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

int jail_place(struct failure *f, const char *what, int tree, unsigned flags, int at, const char *name,
	       const char *where)
{
	_cleanup_close_ int onto = open_exact(at, name);
	_cleanup_close_ int landed = -1;
	int r = onto < 0 ? onto : flags ? graft_attrs(tree, flags) : 0;
	bool late = r == -ENOSYS || r == -EPERM;

	if (late)
		r = 0;
	if (onto < 0 || r < 0 || (r = graft_attach(tree, onto)) < 0)
		return mount_failed(f, onto < 0 ? onto : r, what, where);
	if (late && (r = graft_attrs_slow(where, flags)) < 0)
		return mount_failed(f, r, what, where);
	landed = open_exact(at, name);
	if (landed < 0 || !graft_same(tree, landed))
		return failure_set(f, FAILURE_RETRY, "Start the container again.",
				   "%s was mounted, but not on %s: something was renamed meanwhile", what, where);
	return 0;
}

static bool app_masked(int jail)
{
	_cleanup_close_ int app = open_exact(jail, "app");
	struct statfs fs;

	return app >= 0 && fstatfs(app, &fs) == 0 && fs.f_type == TMPFS_MAGIC && fs.f_flags & ST_RDONLY;
}

static bool proc_is_proc(int jail)
{
	_cleanup_close_ int proc = open_exact(jail, "proc");
	struct statfs fs;

	return proc >= 0 && fstatfs(proc, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* A container without sysfs has a jail without; what must not be is one that can be written. */
static bool sys_read_only(int jail)
{
	_cleanup_close_ int sys = open_exact(jail, "sys");
	struct statfs fs;

	return sys < 0 || fstatfs(sys, &fs) < 0 || fs.f_type != SYSFS_MAGIC || fs.f_flags & ST_RDONLY;
}

int jail_sound(int jail, const char **why)
{
	*why = NULL;
	if (!app_masked(jail))
		*why = "app is not masked";
	else if (!proc_is_proc(jail))
		*why = "proc is not mounted";
	else if (!sys_read_only(jail))
		*why = "sys can be written";
	else if (!(*why = kernelfs_exposed(jail)))
		*why = dev_missing(jail);
	return *why ? -ENXIO : 0;
}

int jail_open_root(void)
{
	_cleanup_close_ int jail = open(JAIL_ROOT, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	const char *why;
	int r = jail < 0 ? -errno : jail_sound(jail, &why);

	return r < 0 ? r : steal_fd(&jail);
}

/* JAIL_ROOT is in the image, where nobody plants anything. */
static int open_private(void)
{
	_cleanup_close_ int run = -1;

	if ((mkdir(JAIL_RUN, 0700) < 0 && errno != EEXIST) || chmod(JAIL_RUN, 0700) < 0)
		return -errno;
	run = open(JAIL_RUN, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return run < 0 ? -errno : path_claim_dir(run, "jail", 0755);
}

static int cover_app(int data, int jail, struct failure *f)
{
	static const struct graft_option options[] = {
		{"size", "4k"}, {"nr_inodes", "2"}, {"mode", "0555"}, {NULL, NULL}};
	_cleanup_close_ int tree = -1;
	_cleanup_close_ int theirs = -1;
	_cleanup_close_ int ours = -1;

	if (mkdirat(data, "app", 0755) < 0 && errno != EEXIST)
		return failure_set(f, FAILURE_RETRY, "Make room on the volume.", "cannot make " DATA_DIR "/app: %s",
				   strerror(errno));
	/* Not the jail's to make: whatever else is there is a person's, and is not moved. */
	ours = path_openat2(data, "app", O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (ours < 0)
		return failure_set(f, FAILURE_HOLD, "Make it a folder (mount points below it are fine).",
				   DATA_DIR "/app is not a folder: %s", strerror(-ours));
	tree = graft_new("tmpfs", "zimbra-app", options, GRAFT_RDONLY | GRAFT_NOSUID | GRAFT_NODEV | GRAFT_NOEXEC);
	if (tree < 0)
		return mount_failed(f, tree, "a mask", JAIL_ROOT "/app");
	if (jail_place(f, "a mask", tree, 0, jail, "app", JAIL_ROOT "/app") < 0)
		return -1;
	theirs = path_openat2(data, "app", O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (theirs < 0 || !graft_same(ours, theirs))
		return failure_set(f, FAILURE_FATAL, "Mount the volume with private propagation (the default).",
				   "the mask over " JAIL_ROOT "/app also appeared over " DATA_DIR "/app");
	return 0;
}

static int make_root(int data, struct failure *f)
{
	_cleanup_close_ int onto = open_private();
	_cleanup_close_ int tree = -1;
	int r;

	if (onto < 0)
		return failure_set(f, FAILURE_FATAL,
				   "Give the container a writable /run (--tmpfs /run with --read-only).",
				   "cannot make " JAIL_ROOT ": %s", strerror(-onto));
	tree = graft_copy(data, true);
	if (tree < 0)
		return mount_failed(f, tree, "a copy of " DATA_DIR, JAIL_ROOT);
	r = graft_attach(tree, onto);
	if (r < 0)
		return mount_failed(f, r, "a copy of " DATA_DIR, JAIL_ROOT);
	return cover_app(data, tree, f);
}

static int make_mounts(struct stage_ctx *ctx, struct failure *f)
{
	int r;

	/*
	 * On a volume that is shared with the host (bind-propagation=rshared) our mounts would appear there. EINVAL:
	 * /data is no mount point of its own (which stage "volume" judges), so there is nothing to cut.
	 */
	r = graft_make_slave(ctx->data);
	if (r < 0 && r != -EINVAL)
		return mount_failed(f, r, "with propagation rslave (nothing new)", DATA_DIR);
	if (kernelfs_proc(ctx->data, f) < 0 || kernelfs_sys(ctx->data, f) < 0 || dev_make(ctx->data, f) < 0 ||
	    run_make(ctx->data, f) < 0)
		return -1;
	return make_root(ctx->data, f);
}

/*
 * A program file that wants a capability which the jail's bounding set lacks is not run at all (EPERM,
 * capabilities(7)). ping needs none: net.ipv4.ping_group_range gives it its socket.
 */
static void drop_file_caps(int jail)
{
	static const char *const files[] = {"usr/bin/ping", "bin/ping", "usr/bin/arping", "usr/bin/mtr-packet",
					    "usr/bin/fping"};
	static const char hook[] =
		"// Written by zimbra-init: the jail has no NET_RAW, so a ping that asks for it would not start.\n"
		"DPkg::Post-Invoke { \"setcap -q -r /usr/bin/ping 2>/dev/null || true\"; };\n";

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_close_ int fd = path_open_read(jail, files[i]);

		if (fd >= 0 && fremovexattr(fd, "security.capability") < 0 && errno != ENODATA && errno != EOPNOTSUPP)
			log_warn("jail", "cannot take the file capability from /%s: %s", files[i], strerror(errno));
	}
	/* Kept removed: an upgrade of the package sets it again. No apt, no upgrade. */
	(void)path_write(jail, "etc/apt/apt.conf.d/99zimbra-init", hook, sizeof(hook) - 1, 0644);
}

int jail_check(struct stage_ctx *ctx, struct failure *f)
{
	(void)ctx;
	(void)f;
	return STAGE_TODO;
}

int jail_make(struct stage_ctx *ctx, struct failure *f)
{
	_cleanup_close_ int jail = jail_open_root();
	const char *why;

	if (jail < 0) {
		/* What a try that failed half-way left in this container. */
		jail_unmake();
		stage_doing(ctx, -1, "mounting proc, sys, dev and run");
		if (make_mounts(ctx, f) < 0)
			return -1;
		jail = open(JAIL_ROOT, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (jail < 0 || jail_sound(jail, &why) < 0)
			return failure_set(f, FAILURE_FATAL,
					   "Please report this with the output of `cat /proc/self/mountinfo`.",
					   "the jail was mounted but is not as it should be: %s",
					   jail < 0 ? strerror(errno) : why);
	}
	stage_doing(ctx, -1, "host name, name server, stale pidfiles");
	if (names_apply(ctx, jail, f) < 0)
		return -1;
	drop_file_caps(jail);
	stale_sweep(jail);
	return 0;
}

/* One mount point of ours, and whatever was stacked on it. */
static void take_down(const char *point, bool with_children)
{
	_cleanup_free_ struct mount_entry *e = malloc(sizeof(*e));

	for (int i = 0; e && i < 8 && mounts_find(point, e) == 1; i++) {
		/*
		 * A plain umount tells busy from idle; neither waits for anything, since another mount of the same file
		 * system stays. What has mounts of its own below is always busy, and goes in one piece.
		 */
		if (!with_children && umount2(point, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (!with_children && errno == EBUSY)
			log_info("jail", "%s was still in use; detached", point);
		if (umount2(point, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
			return;
	}
}

/* Our mounts on one of the two tops. A mount point can be neither renamed nor replaced: the jail cannot move these
 * names. */
static void take_down_all(const char *top)
{
	static const struct {
		const char *name;
		bool with_children;
	} points[] = {
		{"run", false},		{"dev/shm", false},    {"dev/pts", false},  {"dev/tty", false},
		{"dev/urandom", false}, {"dev/random", false}, {"dev/full", false}, {"dev/zero", false},
		{"dev/null", false},	{"dev", false},	       {"sys", true},	    {"proc", true},
	};
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", top, points[i].name);
		take_down(path, points[i].with_children);
	}
}

/* Mounts at or below a path; those of the volume's owner (a folder on a disk of its own) were copied to the jail too.
 */
static size_t count_below(const char *top)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ struct mount_entry *e = malloc(sizeof(*e));
	ssize_t len = mounts_read(&text);
	size_t pos = 0, n = 0;
	int r;

	while (e && len > 0 && (r = mounts_next(text, (size_t)len, &pos, e)) != 0)
		n += r > 0 && mounts_below(e->point, top);
	return n;
}

void jail_unmake(void)
{
	take_down_all(JAIL_ROOT);
	/* Last in the jail, so that app/ is never bare while somebody may still look. */
	take_down(JAIL_ROOT, count_below(JAIL_ROOT) > 1);
	take_down_all(DATA_DIR);
}
