#include "merge.h"
#include "volume.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A folder below dir for reading, not through a symlink. */
static int enter(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* rename(2) that replaces nothing, also where the file system has no RENAME_NOREPLACE: nobody else is at work here. */
static int rename_new(int from, int to, const char *name)
{
	struct stat st;

	if (renameat2(from, name, to, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	if (fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(from, name, to, name) < 0 ? -errno : 0;
}

static int merge_dir(int from, int to, const char *name, const struct stat *st, char *where, size_t size)
{
	_cleanup_close_ int src = enter(from, name), dst = enter(to, name);
	int err;

	if (src < 0 || dst < 0)
		return src < 0 ? src : dst;
	if (fchown(dst, st->st_uid, st->st_gid) < 0 || fchmod(dst, st->st_mode & 07777) < 0)
		return -errno;
	err = merge_into(src, dst, where, size);
	return err == 0 && unlinkat(from, name, AT_REMOVEDIR) < 0 ? -errno : err;
}

static int merge_entry(int from, int to, const char *name, char *where, size_t size)
{
	int err = rename_new(from, to, name);
	struct stat have, new;

	if (err != -EEXIST)
		return err;
	if (fstatat(from, name, &new, AT_SYMLINK_NOFOLLOW) < 0 || fstatat(to, name, &have, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	/* Somebody mounted something there: it covers ours, which must then be empty to lose nothing. */
	if (volume_mounted_at(to, name)) {
		if (!S_ISDIR(new.st_mode))
			return unlinkat(from, name, 0) < 0 ? -errno : 0;
		if (unlinkat(from, name, AT_REMOVEDIR) < 0)
			return errno == ENOTEMPTY ? -EXDEV : -errno;
		return 0;
	}
	if (S_ISDIR(have.st_mode) && S_ISDIR(new.st_mode))
		return merge_dir(from, to, name, &new, where, size);
	/* An empty folder where we have a link (bin -> usr/bin). */
	if (S_ISDIR(have.st_mode) && unlinkat(to, name, AT_REMOVEDIR) == 0)
		return rename_new(from, to, name);
	return -EEXIST;
}

/* One pass; how many entries there were, or -errno. */
static int merge_pass(int from, int to, char *where, size_t size)
{
	_cleanup_close_ int again = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = again < 0 ? NULL : fdopendir(again);
	struct dirent *e;
	int err = 0, n = 0;

	if (!d)
		return -errno;
	(void)steal_fd(&again);
	while (err == 0 && (errno = 0, e = readdir(d)) != NULL) {
		char deeper[256] = "";
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		err = merge_entry(from, to, e->d_name, deeper, sizeof(deeper));
		if (err < 0)
			(void)snprintf(where, size, "%.120s%s%.120s", e->d_name, deeper[0] ? "/" : "", deeper);
	}
	if (err == 0 && errno)
		err = -errno;
	(void)closedir(d);
	return err < 0 ? err : n;
}

int merge_into(int from, int to, char *where, size_t size)
{
	int n;

	/* readdir(3) may miss what it passes while names go away: only an empty folder is a moved one. */
	do
		n = merge_pass(from, to, where, size);
	while (n > 0);
	return n;
}
