/* The facts about a volume. It may be a stranger's, or the jail's: everything is opened as path.h says, or by a single
 * name without following it. */
#include "kernel.h"
#include "path.h"
#include "volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

enum {
	LOOK_DEPTH = 8,	    /* folders inside folders that may still be only the way to a mount point */
	LOOK_ENTRIES = 200, /* of them at all: more is somebody's data */
};

static void close_dir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

/* dir/name as a stream; not through a symlink. */
static DIR *open_stream(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d)
		(void)close(fd);
	return d;
}

/* STATX_ATTR_MOUNT_ROOT: Linux 5.8. Sees bind mounts of the same device too. */
static bool is_mount_root(int dir, const char *name, int flags)
{
	struct statx sx;

	return statx(dir, name, flags | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &sx) == 0 &&
	       (sx.stx_attributes_mask & sx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

bool volume_mounted_at(int dir, const char *name)
{
	return is_mount_root(dir, name, 0);
}

/* False for a folder in which there are only folders and mount points: the engine made it for a mount below /data. */
static bool holds_something(int dir, const char *name, unsigned depth, unsigned *budget)
{
	__attribute__((cleanup(close_dir))) DIR *d = NULL;
	struct dirent *e;

	if (volume_mounted_at(dir, name))
		return false;
	d = open_stream(dir, name);
	if (!d || depth == 0)
		return true; /* a file, a link, unreadable, too deep: something */
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (*budget == 0 || holds_something(dirfd(d), e->d_name, depth - 1, budget))
			return true;
		(*budget)--;
	}
	return false;
}

static bool exists(int data, const char *path)
{
	_cleanup_close_ int fd = path_open_any(data, path);

	return fd >= 0 || fd == -ELOOP;
}

static bool is_file(int data, const char *path)
{
	_cleanup_close_ int fd = path_open_read(data, path);

	return fd >= 0;
}

static bool is_dir(int data, const char *path)
{
	_cleanup_close_ int fd = path_open_dir(data, path);

	return fd >= 0;
}

static bool look_like_ancestor(int data)
{
	static const char *const mark[] = {".dont_start_zimbra", "app/control-zimbra.sh", "app/tls-cert-updater.py",
					   "app/install-zimbra.sh"};

	for (size_t i = 0; i < ARRAY_SIZE(mark); i++)
		if (exists(data, mark[i]))
			return true;
	return exists(data, "etc/hosts") && exists(data, "opt/zimbra");
}

/* Without one of these nothing can be started in the jail. */
static const char *look_for_missing(int data)
{
	static const char *const dir[] = {"usr", "etc", "var", "usr/lib"};
	static const char *const file[] = {"bin/sh", "etc/passwd", "usr/bin/dpkg", "var/lib/dpkg/status"};

	for (size_t i = 0; i < ARRAY_SIZE(dir); i++)
		if (!is_dir(data, dir[i]))
			return dir[i];
	for (size_t i = 0; i < ARRAY_SIZE(file); i++)
		if (!is_file(data, file[i]))
			return file[i];
	return NULL;
}

int volume_look(int data, struct volume_facts *out)
{
	__attribute__((cleanup(close_dir))) DIR *d = open_stream(data, ".");
	struct dirent *e;

	memset(out, 0, sizeof(*out));
	if (!d)
		return -errno;
	while (errno = 0, (e = readdir(d)) != NULL) {
		unsigned budget = LOOK_ENTRIES;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (strcmp(e->d_name, BOOTSTRAP_PARTIAL) == 0)
			out->partial = true;
		else if (strcmp(e->d_name, BOOTSTRAP_READY) == 0)
			out->ready = true;
		else if (!holds_something(data, e->d_name, LOOK_DEPTH, &budget))
			continue;
		if (out->n == VOLUME_NAMES)
			out->more = true;
		else
			(void)snprintf(out->name[out->n++], sizeof(out->name[0]), "%s", e->d_name);
	}
	if (errno)
		return -errno;
	out->ancestor = look_like_ancestor(data);
	out->missing = look_for_missing(data);
	return 0;
}

int volume_look_mount(int data, struct volume_mount *out)
{
	_cleanup_free_ char *mountinfo = malloc(1 << 20);
	char self[64], path[512];
	struct statvfs vfs;
	struct statfs fs;
	ssize_t n;

	memset(out, 0, sizeof(*out));
	if (!mountinfo)
		return -ENOMEM;
	if (fstatvfs(data, &vfs) < 0 || fstatfs(data, &fs) < 0)
		return -errno;
	out->is_mount = is_mount_root(data, "", AT_EMPTY_PATH);
	out->read_only = vfs.f_flag & ST_RDONLY;
	out->nosuid = vfs.f_flag & ST_NOSUID;
	out->nodev = vfs.f_flag & ST_NODEV;
	out->noexec = vfs.f_flag & ST_NOEXEC;
	out->in_memory = fs.f_type == TMPFS_MAGIC;
	out->free_mib = (uint64_t)vfs.f_bavail * vfs.f_frsize >> 20;

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", data);
	n = readlink(self, path, sizeof(path) - 1);
	if (n > 0) {
		path[n] = '\0';
		kernel_read("/proc/self/mountinfo", mountinfo, 1 << 20);
		out->anonymous = volume_is_anonymous(mountinfo, path);
	}
	return 0;
}
