/* path_remove_tree: the jail may have made the tree as wide, deep and strange as it liked. */
#include "path.h"
#include "path_private.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Folders open at a time. A deeper one is moved up beside the top's children and comes again from there. */
enum { LEVELS = 64 };

struct level {
	DIR *dir;
	char name[NAME_MAX + 1];
};

/* One folder, never through a symlink or onto another mount: NO_XDEV sees bind mounts of the same device too. */
static int open_level(int parent, const char *name, struct level *out)
{
	_cleanup_close_ int fd =
		path_openat2(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
			     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);

	if (fd < 0)
		return fd;
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	out->dir = fdopendir(fd);
	if (!out->dir)
		return -errno;
	(void)steal_fd(&fd);
	return 0;
}

static void keep_first(int *first, int r)
{
	if (*first == 0)
		*first = r;
}

/* Moves a folder that is too deep to the top; 0 when it is there. */
static int move_up(int from, const char *name, int top, unsigned *counter)
{
	char up[NAME_MAX + 1];

	(void)snprintf(up, sizeof(up), ".zimbra-init-deep-%u", (*counter)++);
	return renameat(from, name, top, up) < 0 ? -errno : 0;
}

/* What is in the folder `top`, emptied; the first error, after everything else was tried. */
static int empty_tree(struct level *stack)
{
	size_t depth = 1;
	unsigned counter = 0;
	bool moved = false;
	int first = 0;

	while (depth > 0) {
		struct level *at = &stack[depth - 1];
		struct dirent *e;
		int r;

		errno = 0;
		e = readdir(at->dir);
		if (!e) {
			if (errno)
				keep_first(&first, -errno);
			/* readdir(3) need not show what was moved in behind it. */
			if (depth == 1 && moved) {
				moved = false;
				rewinddir(at->dir);
				continue;
			}
			if (depth == 1)
				return first;
			(void)closedir(at->dir);
			depth--;
			if (unlinkat(dirfd(stack[depth - 1].dir), at->name, AT_REMOVEDIR) < 0 && errno != ENOENT)
				keep_first(&first, -errno);
			continue;
		}
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(at->dir), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM) {
			keep_first(&first, -errno);
			continue;
		}
		if (depth == LEVELS) {
			r = move_up(dirfd(at->dir), e->d_name, dirfd(stack[0].dir), &counter);
			moved = moved || r == 0;
		} else {
			r = open_level(dirfd(at->dir), e->d_name, &stack[depth]);
			if (r == 0)
				depth++;
		}
		if (r < 0 && r != -ENOENT)
			keep_first(&first, r);
	}
	return first;
}

int path_remove_tree(int root, const char *path)
{
	_cleanup_free_ struct level *stack = calloc(LEVELS, sizeof(*stack));
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char parent[PATH_MAX] = ".";
	_cleanup_close_ int dir = -1;
	int r;

	if (!stack)
		return -ENOMEM;
	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strlen(path) >= sizeof(parent))
		return -EINVAL;
	if (slash && slash != path) {
		memcpy(parent, path, (size_t)(slash - path));
		parent[slash - path] = '\0';
	}
	dir = path_open_dir(root, parent);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	/* unlink(2) of a folder is EISDIR on Linux, EPERM where the file system follows POSIX. */
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	r = open_level(dir, name, &stack[0]);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = empty_tree(stack);
	(void)closedir(stack[0].dir);
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT && r == 0)
		r = -errno;
	return r;
}
