/*
 * Attaching mounts to open places: mount(8) by name on a volume whose owner plants symlinks lands elsewhere.
 * A tree gets its flags before anybody can see it, where the kernel can (mount_setattr(2), Linux 5.12).
 */
#include "mounts.h"

#include "path_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static uint64_t attr_bits(unsigned flags)
{
	return (flags & GRAFT_RDONLY ? MOUNT_ATTR_RDONLY : 0) | (flags & GRAFT_NOSUID ? MOUNT_ATTR_NOSUID : 0) |
	       (flags & GRAFT_NODEV ? MOUNT_ATTR_NODEV : 0) | (flags & GRAFT_NOEXEC ? MOUNT_ATTR_NOEXEC : 0);
}

int graft_new(const char *fstype, const char *source, const struct graft_option *options, unsigned flags)
{
	_cleanup_close_ int fs = fsopen(fstype, FSOPEN_CLOEXEC);
	int tree;

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return -errno;
	for (; options && options->key; options++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, options->key, options->value, 0) < 0)
			return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	tree = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attr_bits(flags));
	return tree < 0 ? -errno : tree;
}

int graft_copy(int from, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? (unsigned)AT_RECURSIVE : 0);
	struct mount_attr private = {.propagation = MS_PRIVATE};
	_cleanup_close_ int tree = open_tree(from, "", flags);

	if (tree < 0)
		return -errno;
	/*
	 * A copy joins the peer group of a shared original: what we mount on it would show there too. Where
	 * mount_setattr is missing graft_attach does it, right after attaching.
	 */
	if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &private, sizeof(private)) < 0 && errno != ENOSYS &&
	    errno != EPERM)
		return -errno;
	return steal_fd(&tree);
}

int graft_attrs(int tree, unsigned flags)
{
	struct mount_attr attr = {.attr_set = attr_bits(flags)};

	return mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* mount(2) through the descriptor of a place. /proc is the container's own here, not the jail's. */
static int remount(int fd, unsigned long flags)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return mount(NULL, name, NULL, flags, NULL) < 0 ? -errno : 0;
}

int graft_attrs_slow(const char *point, unsigned flags)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ struct mount_entry *e = malloc(sizeof(*e));
	ssize_t len = mounts_read(&text);
	size_t pos = 0;
	int r;

	if (len < 0)
		return (int)len;
	if (!e)
		return -ENOMEM;
	while ((r = mounts_next(text, (size_t)len, &pos, e)) != 0) {
		_cleanup_close_ int fd = -1;
		unsigned long ms = MS_REMOUNT | MS_BIND;

		if (r < 0 || !mounts_below(e->point, point))
			continue;
		/* A bind remount replaces all flags: keep the ones that are set already. */
		ms |= e->read_only || (flags & GRAFT_RDONLY) ? MS_RDONLY : 0;
		ms |= e->nosuid || (flags & GRAFT_NOSUID) ? MS_NOSUID : 0;
		ms |= e->nodev || (flags & GRAFT_NODEV) ? MS_NODEV : 0;
		ms |= e->noexec || (flags & GRAFT_NOEXEC) ? MS_NOEXEC : 0;
		/* Used for /proc, /sys and /dev only, where the jail makes no names; links are refused all the same. */
		fd = path_openat2(AT_FDCWD, e->point, O_PATH, RESOLVE_NO_SYMLINKS);
		if (fd < 0)
			return fd;
		r = remount(fd, ms);
		/* EINVAL: another mount lies on top of this one, so nobody reaches it. */
		if (r < 0 && r != -EINVAL)
			return r;
	}
	return 0;
}

bool graft_same(int a, int b)
{
	struct statx x, y;

	if (statx(a, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &x) < 0 ||
	    statx(b, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &y) < 0)
		return false;
	if (x.stx_dev_major != y.stx_dev_major || x.stx_dev_minor != y.stx_dev_minor || x.stx_ino != y.stx_ino)
		return false;
	return !(x.stx_mask & y.stx_mask & STATX_MNT_ID) || x.stx_mnt_id == y.stx_mnt_id;
}

int graft_attach(int tree, int onto)
{
	int r;

	if (move_mount(tree, "", onto, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	/* Harmless where graft_copy did it already; the descriptor is the mount's root, so this cannot miss. */
	r = remount(tree, MS_PRIVATE | MS_REC);
	return r;
}

int graft_make_slave(int dir)
{
	return remount(dir, MS_SLAVE | MS_REC);
}
