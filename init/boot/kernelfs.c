/*
 * /proc and /sys of the jail: copies of the container's own mounts, so that what the engine masked stays masked. A
 * fresh proc mount would have a writable /proc/sys/kernel/core_pattern, and the host's kernel runs what stands there.
 * Where the engine masked nothing (--privileged, systempaths=unconfined, procMount: Unmasked) we do it ourselves.
 */
#include "jail_private.h"
#include "path.h"
#include "path_private.h"

#include "../log.h"
#include "boot.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

enum mask { MASK_READ_ONLY, MASK_HIDDEN };

/* Ours; then the lists of the OCI runtimes (moby oci/defaults.go), and debugfs, tracefs and the like for privileged
 * containers. */
static const struct {
	const char *top, *path;
	enum mask mask;
} masks[] = {
	/* PID 1's files belong to uid 0, the jail's too: oom_score_adj would make it the first to be killed. */
	{"proc", "1", MASK_READ_ONLY},
	{"proc", "sys", MASK_READ_ONLY},
	{"proc", "sysrq-trigger", MASK_READ_ONLY},
	{"proc", "irq", MASK_READ_ONLY},
	{"proc", "bus", MASK_READ_ONLY},
	{"proc", "fs", MASK_READ_ONLY},
	{"proc", "asound", MASK_HIDDEN},
	{"proc", "acpi", MASK_HIDDEN},
	{"proc", "kcore", MASK_HIDDEN},
	{"proc", "keys", MASK_HIDDEN},
	{"proc", "latency_stats", MASK_HIDDEN},
	{"proc", "timer_list", MASK_HIDDEN},
	{"proc", "timer_stats", MASK_HIDDEN},
	{"proc", "sched_debug", MASK_HIDDEN},
	{"proc", "scsi", MASK_HIDDEN},
	{"sys", "firmware", MASK_HIDDEN},
	{"sys", "devices/virtual/powercap", MASK_HIDDEN},
	{"sys", "kernel/debug", MASK_HIDDEN},
	{"sys", "kernel/tracing", MASK_HIDDEN},
	{"sys", "kernel/security", MASK_HIDDEN},
	{"sys", "kernel/config", MASK_HIDDEN},
	{"sys", "fs/bpf", MASK_HIDDEN},
	{"sys", "fs/fuse/connections", MASK_HIDDEN},
	{"sys", "fs/pstore", MASK_HIDDEN},
};

/* The file systems of the kernel hold no links that somebody planted; they do hold links, and we want none. */
static int open_plain(int at, const char *path)
{
	return path_openat2(at, path, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

static bool masked(int fd, enum mask mask)
{
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return false;
	if (mask == MASK_READ_ONLY)
		return fs.f_flags & ST_RDONLY;
	/*
	 * The engine hides a file behind its /dev/null, writable as a mount: chmod(2) of /proc/kcore from the jail
	 * would then be one of the container's /dev/null. Ours is read-only.
	 */
	return fs.f_flags & ST_RDONLY && (S_ISDIR(st.st_mode) ? fs.f_type == TMPFS_MAGIC : S_ISCHR(st.st_mode));
}

static int cover(enum mask mask, int fd)
{
	static const struct graft_option small[] = {{"size", "4k"}, {"nr_inodes", "2"}, {"mode", "0555"}, {NULL, NULL}};
	_cleanup_close_ int null = -1;
	struct stat st;

	if (mask == MASK_READ_ONLY)
		return graft_copy(fd, true);
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return graft_new("tmpfs", "zimbra-mask", small,
				 GRAFT_RDONLY | GRAFT_NOSUID | GRAFT_NODEV | GRAFT_NOEXEC);
	null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return null < 0 ? -errno : graft_copy(null, false);
}

static int mask_all(const char *top, int root, struct failure *f)
{
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		char where[128];
		const char *slash, *name = masks[i].path;
		_cleanup_close_ int fd = -1;
		_cleanup_close_ int parent = -1;
		_cleanup_close_ int tree = -1;

		if (strcmp(masks[i].top, top) != 0)
			continue;
		fd = open_plain(root, masks[i].path);
		if (fd < 0 || masked(fd, masks[i].mask))
			continue; /* not on this kernel, or done by the engine */
		(void)snprintf(where, sizeof(where), DATA_DIR "/%s/%s", top, masks[i].path);
		tree = cover(masks[i].mask, fd);
		if (tree < 0)
			return mount_failed(f, tree, "a mask", where);
		slash = strrchr(masks[i].path, '/');
		if (slash) {
			char dir[128];

			(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - masks[i].path), masks[i].path);
			parent = open_plain(root, dir);
			name = slash + 1;
		}
		if (jail_place(f, "a mask", tree, GRAFT_RDONLY, slash ? parent : root, name, where) < 0)
			return -1;
	}
	return 0;
}

const char *kernelfs_exposed(int root)
{
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		_cleanup_close_ int top = open_plain(root, masks[i].top);
		_cleanup_close_ int fd = top < 0 ? -1 : open_plain(top, masks[i].path);

		if (fd >= 0 && !masked(fd, masks[i].mask))
			return masks[i].path;
	}
	return NULL;
}

/* The container's own, checked to be what it should be: on some sandboxes it is not. */
static int copy_own(const char *path, long magic)
{
	_cleanup_close_ int own = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct statfs fs;

	if (own < 0 || fstatfs(own, &fs) < 0)
		return -errno;
	if (fs.f_type != magic)
		return -ENODEV;
	return graft_copy(own, true);
}

static int make(int data, const char *name, int tree, unsigned flags, struct failure *f)
{
	_cleanup_close_ int placed = -1;
	char where[32];

	(void)snprintf(where, sizeof(where), DATA_DIR "/%s", name);
	placed = path_claim_dir(data, name, 0555);
	if (placed < 0)
		return mount_failed(f, placed, name, where);
	if (jail_place(f, name, tree, flags, data, name, where) < 0)
		return -1;
	return mask_all(name, tree, f);
}

int kernelfs_proc(int data, struct failure *f)
{
	_cleanup_close_ int tree = copy_own("/proc", PROC_SUPER_MAGIC);

	return tree < 0 ? mount_failed(f, tree, "a copy of /proc", DATA_DIR "/proc") : make(data, "proc", tree, 0, f);
}

int kernelfs_sys(int data, struct failure *f)
{
	_cleanup_close_ int tree = copy_own("/sys", SYSFS_MAGIC);

	if (tree == -ENOENT || tree == -ENODEV) {
		log_warn("jail", "the container has no sysfs on /sys, so the jail has none");
		return 0;
	}
	/* Recursive, for the cgroup below: Java sizes its heap by what it reads there. */
	return tree < 0 ? mount_failed(f, tree, "a copy of /sys", DATA_DIR "/sys")
			: make(data, "sys", tree, GRAFT_RDONLY | GRAFT_NOSUID | GRAFT_NODEV | GRAFT_NOEXEC, f);
}
