#include "path.h"
#include "../readall.h"

#include "path_private.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

/* openat2(2) says EAGAIN when a rename or mount raced a "..": the jail could race for ever, so only so often. */
enum { RACE_TRIES = 64 };

int path_openat2(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};

	/* The kernel refuses flags that mean nothing together with O_PATH. */
	if (!(flags & O_PATH))
		how.flags |= O_NONBLOCK | O_NOCTTY;
	for (int i = 0; i < RACE_TRIES; i++) {
		int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));

		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		/* O_NONBLOCK and a lease that somebody holds are EAGAIN too (fcntl(2)): not worth more tries. */
	}
	return -EAGAIN;
}

/* What an open descriptor is called from here; the kernel's own name for it, whatever links led there. */
static int real_name(int fd, char *out, size_t size)
{
	char link[32];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, out, size - 1);
	if (n < 0 || (size_t)n >= size - 1)
		return n < 0 ? -errno : -ENAMETOOLONG;
	out[n] = '\0';
	return 0;
}

/*
 * RESOLVE_IN_ROOT keeps links below the root, but app/, which the jail must not reach, is there too: a path of the
 * jail's that leads into it is -ELOOP. (Seen from the jail's own root app/ is covered, but not every caller has that.)
 */
static int not_in_app(int root, const char *path, int fd)
{
	char top[PATH_MAX] = "", real[PATH_MAX] = "";
	size_t len;
	int r;

	if (strcmp(path, "app") == 0 || strncmp(path, "app/", 4) == 0)
		return 0;
	r = real_name(root, top, sizeof(top));
	if (r == 0)
		r = real_name(fd, real, sizeof(real));
	if (r < 0)
		return r;
	len = strcmp(top, "/") == 0 ? 0 : strlen(top);
	if (strncmp(real, top, len) != 0 || strncmp(real + len, "/app", 4) != 0)
		return 0;
	return real[len + 4] == '/' || real[len + 4] == '\0' ? -ELOOP : 0;
}

static int open_below(int root, const char *path, uint64_t flags)
{
	_cleanup_close_ int fd = path_openat2(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	int r = fd < 0 ? fd : not_in_app(root, path, fd);

	return r < 0 ? r : steal_fd(&fd);
}

/* Splits a path of ours; the parent is opened (links in it stay below root), the last name is never followed. */
static int open_parent(int root, const char *path, const char **last)
{
	char parent[PATH_MAX];
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = slash ? (size_t)(slash - path) : 0;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || len >= sizeof(parent))
		return -EINVAL;
	*last = name;
	if (len == 0)
		return open_below(root, ".", O_PATH | O_DIRECTORY);
	memcpy(parent, path, len);
	parent[len] = '\0';
	return open_below(root, parent, O_PATH | O_DIRECTORY);
}

int path_open_dir(int root, const char *path)
{
	return open_below(root, path, O_PATH | O_DIRECTORY);
}

int path_open_any(int root, const char *path)
{
	_cleanup_close_ int fd = open_below(root, path, O_PATH | O_NOFOLLOW);
	struct stat st;

	if (fd < 0)
		return fd;
	/* O_PATH | O_NOFOLLOW opens the symlink itself, open(2). */
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return -ELOOP;
	return steal_fd(&fd);
}

int path_open_read(int root, const char *path)
{
	_cleanup_close_ int fd = open_below(root, path, O_RDONLY);
	struct statfs fs;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return -errno;
	/*
	 * The files of /data/proc and /data/sys are regular ones too: a symlink planted there would make us read
	 * what our privileges may read and the jail's may not.
	 */
	if (!S_ISREG(st.st_mode) || fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC)
		return -EINVAL;
	return steal_fd(&fd);
}

/* A folder just made by us: its mode without the umask, through a descriptor, for the name may be another's by now. */
static int set_mode(int parent, const char *name, mode_t mode)
{
	_cleanup_close_ int fd = path_openat2(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, RESOLVE_BENEATH);

	if (fd < 0)
		return fd;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

int path_make_dirs(int root, const char *path, mode_t mode)
{
	char prefix[PATH_MAX];
	size_t len = strlen(path);
	_cleanup_close_ int at = open_below(root, ".", O_PATH | O_DIRECTORY);

	if (at < 0)
		return at;
	if (len == 0 || len >= sizeof(prefix) || path[len - 1] == '/')
		return -EINVAL;
	for (size_t start = 0, end; start < len; start = end + 1) {
		const char *slash = strchr(path + start, '/');
		int next;

		end = slash ? (size_t)(slash - path) : len;
		memcpy(prefix, path, end);
		prefix[end] = '\0';
		if (start == end)
			continue;
		next = open_below(root, prefix, O_PATH | O_DIRECTORY);
		if (next == -ENOENT) {
			int r = 0;

			if (mkdirat(at, prefix + start, mode) == 0)
				r = set_mode(at, prefix + start, mode);
			else if (errno != EEXIST)
				r = -errno;
			if (r < 0)
				return r;
			next = open_below(root, prefix, O_PATH | O_DIRECTORY);
		}
		if (next < 0)
			return next;
		(void)close(at);
		at = next;
	}
	return steal_fd(&at);
}

ssize_t path_read(int root, const char *path, char *buf, size_t max)
{
	_cleanup_close_ int fd = path_open_read(root, path);
	/* One byte more than allowed tells "too long" from "just fits". */
	ssize_t n = fd < 0 ? fd : read_up_to(fd, buf, max + 1);

	if (n < 0)
		return n;
	if ((size_t)n > max)
		return -EFBIG;
	buf[n] = '\0';
	return n;
}

static int random_name(char *out, size_t size, const char *name, const char *word)
{
	uint64_t r;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != (ssize_t)sizeof(r))
		r = (uint64_t)now_ms() << 20 ^ (uint64_t)getpid();
	if ((size_t)snprintf(out, size, ".%s.%s-%016llx", name, word, (unsigned long long)r) >= size)
		return -ENAMETOOLONG;
	return 0;
}

/*
 * The temporary name is always the same, so that what a kill left behind is gone with the next write; only where
 * something that cannot be unlinked (a folder) has that name is another one taken.
 */
static int create_beside(int dir, const char *name, char *tmp, size_t size)
{
	if ((size_t)snprintf(tmp, size, ".%s.zimbra-init", name) >= size)
		return -ENAMETOOLONG;
	(void)unlinkat(dir, tmp, 0);
	for (int i = 0; i < 8; i++) {
		int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
		int r;

		if (fd >= 0)
			return fd;
		if (errno != EEXIST)
			return -errno;
		r = random_name(tmp, size, name, "zimbra-init");
		if (r < 0)
			return r;
	}
	return -EEXIST;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* rename(2) is on the disk only when its folder is; some file systems cannot sync a folder, which is no failure. */
static void sync_dir(int dir)
{
	_cleanup_close_ int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		(void)fsync(fd);
}

int path_write(int root, const char *path, const void *bytes, size_t len, mode_t mode)
{
	char tmp[NAME_MAX + 1];
	const char *name;
	_cleanup_close_ int dir = open_parent(root, path, &name);
	_cleanup_close_ int fd = -1;
	int r;

	if (dir < 0)
		return dir;
	fd = create_beside(dir, name, tmp, sizeof(tmp));
	if (fd < 0)
		return fd;
	r = write_all(fd, bytes, len);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || renameat(dir, tmp, dir, name) < 0))
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dir, tmp, 0);
		return r;
	}
	sync_dir(dir);
	return 0;
}

int path_unlink(int root, const char *path)
{
	const char *name;
	_cleanup_close_ int dir = open_parent(root, path, &name);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

int path_set_aside(int root, const char *path)
{
	char aside[NAME_MAX + 1];
	const char *name;
	_cleanup_close_ int dir = open_parent(root, path, &name);
	int r;

	if (dir < 0)
		return dir;
	r = random_name(aside, sizeof(aside), name, "aside");
	if (r < 0)
		return r;
	/* The random name is new, so plain renameat(2) replaces nothing (NOREPLACE is missing on some file systems). */
	return renameat(dir, name, dir, aside) < 0 ? -errno : 0;
}

int path_claim_dir(int root, const char *name, mode_t mode)
{
	int r = -EAGAIN;

	if (*name == '\0' || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	for (int i = 0; i < RACE_TRIES; i++) {
		r = path_openat2(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		if (r >= 0)
			return r;
		if (r == -ENOENT) {
			if (mkdirat(root, name, mode) == 0)
				r = set_mode(root, name, mode);
			else
				r = errno == EEXIST ? 0 : -errno;
		} else if (r == -ELOOP || r == -ENOTDIR) {
			r = path_set_aside(root, name);
			if (r == -ENOENT)
				r = 0;
		}
		if (r < 0)
			return r;
	}
	return -EAGAIN;
}
