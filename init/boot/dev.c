/*
 * /dev of the jail: our own tmpfs with a short list of nodes, a devpts instance of its own (its terminals are not
 * the container's) and its own /dev/shm. /run: a tmpfs, empty at every start as after a real boot.
 *
 * The nodes are bind mounts of the container's: that needs no MKNOD, which hardened pods do not give, and works on a
 * user namespace. They are read-only mounts: a device can be written through one, but its mode and owner, which are
 * the container's too, cannot be changed.
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
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static const struct node {
	const char *name;
	unsigned major, minor; /* Documentation/admin-guide/devices.txt */
} nodes[] = {
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
};

static bool is_node(int fd, const struct node *n)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(n->major, n->minor);
}

/* The names in the new tmpfs, while nobody else can reach it. */
static int fill(int tree)
{
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		_cleanup_close_ int fd =
			openat(tree, nodes[i].name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0);

		if (fd < 0)
			return -errno;
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		if (symlinkat(links[i].target, tree, links[i].name) < 0)
			return -errno;
	if (mkdirat(tree, "pts", 0755) < 0 || mkdirat(tree, "shm", 0755) < 0)
		return -errno;
	return 0;
}

static int add_node(int dev, const struct node *n, struct failure *f)
{
	char where[64], own[32];
	_cleanup_close_ int from = -1;
	_cleanup_close_ int tree = -1;

	(void)snprintf(own, sizeof(own), "/dev/%s", n->name);
	(void)snprintf(where, sizeof(where), DATA_DIR "/dev/%s", n->name);
	from = open(own, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (from < 0 || !is_node(from, n))
		return failure_set(f, FAILURE_FATAL, "Use a container engine that provides the standard devices.",
				   "the container's %s is missing or not the device %u:%u", own, n->major, n->minor);
	tree = graft_copy(from, false);
	if (tree < 0)
		return mount_failed(f, tree, own, where);
	return jail_place(f, own, tree, GRAFT_RDONLY | GRAFT_NOSUID, dev, n->name, where);
}

/* As large as the container's own, which is what --shm-size set. */
static void shm_size(char *out, size_t size)
{
	struct statfs fs;

	if (statfs("/dev/shm", &fs) < 0 || fs.f_type != TMPFS_MAGIC || fs.f_blocks == 0)
		(void)snprintf(out, size, "64m"); /* Docker's default */
	else
		(void)snprintf(out, size, "%llu", (unsigned long long)fs.f_blocks * (unsigned long long)fs.f_bsize);
}

static int new_devpts(void)
{
	/* Since Linux 4.7 every mount is an instance of its own. Group 5 is tty on Debian and Ubuntu. */
	static const struct graft_option with_group[] = {
		{"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}, {NULL, NULL}};
	static const struct graft_option without[] = {{"ptmxmode", "0666"}, {"mode", "0620"}, {NULL, NULL}};
	int tree = graft_new("devpts", "zimbra-pts", with_group, GRAFT_NOSUID | GRAFT_NOEXEC);

	/* A user namespace that does not map group 5. */
	return tree == -EINVAL ? graft_new("devpts", "zimbra-pts", without, GRAFT_NOSUID | GRAFT_NOEXEC) : tree;
}

int dev_make(int data, struct failure *f)
{
	static const struct graft_option options[] = {
		{"mode", "0755"}, {"size", "1m"}, {"nr_inodes", "4096"}, {NULL, NULL}};
	char size[32];
	const struct graft_option shm_options[] = {{"mode", "1777"}, {"size", size}, {NULL, NULL}};
	_cleanup_close_ int tree = graft_new("tmpfs", "zimbra-dev", options, GRAFT_NOSUID | GRAFT_NOEXEC);
	_cleanup_close_ int claimed = -1;
	_cleanup_close_ int pts = -1;
	_cleanup_close_ int shm = -1;
	int r;

	if (tree < 0)
		return mount_failed(f, tree, "a tmpfs", DATA_DIR "/dev");
	r = fill(tree);
	claimed = r < 0 ? r : path_claim_dir(data, "dev", 0755);
	if (claimed < 0)
		return mount_failed(f, claimed, "a tmpfs", DATA_DIR "/dev");
	if (jail_place(f, "a tmpfs", tree, 0, data, "dev", DATA_DIR "/dev") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (add_node(tree, &nodes[i], f) < 0)
			return -1;
	pts = new_devpts();
	if (pts < 0)
		return mount_failed(f, pts, "devpts", DATA_DIR "/dev/pts");
	if (jail_place(f, "devpts", pts, 0, tree, "pts", DATA_DIR "/dev/pts") < 0)
		return -1;
	shm_size(size, sizeof(size));
	shm = graft_new("tmpfs", "zimbra-shm", shm_options, GRAFT_NOSUID | GRAFT_NODEV | GRAFT_NOEXEC);
	if (shm < 0)
		return mount_failed(f, shm, "a tmpfs", DATA_DIR "/dev/shm");
	return jail_place(f, "a tmpfs", shm, 0, tree, "shm", DATA_DIR "/dev/shm");
}

int run_make(int data, struct failure *f)
{
	static const struct graft_option options[] = {{"mode", "0755"}, {"size", "64m"}, {NULL, NULL}};
	_cleanup_close_ int tree = graft_new("tmpfs", "zimbra-run", options, GRAFT_NOSUID | GRAFT_NODEV | GRAFT_NOEXEC);
	_cleanup_close_ int claimed = -1;

	if (tree < 0)
		return mount_failed(f, tree, "a tmpfs", DATA_DIR "/run");
	/* /var/lock points here, and every user may lock. */
	if (mkdirat(tree, "lock", 0755) < 0 || fchmodat(tree, "lock", 01777, 0) < 0)
		return mount_failed(f, -errno, "a tmpfs", DATA_DIR "/run");
	claimed = path_claim_dir(data, "run", 0755);
	if (claimed < 0)
		return mount_failed(f, claimed, "a tmpfs", DATA_DIR "/run");
	return jail_place(f, "a tmpfs", tree, 0, data, "run", DATA_DIR "/run");
}

static bool is_fs(int root, const char *path, long magic)
{
	_cleanup_close_ int fd = path_openat2(root, path, O_PATH | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	struct statfs fs;

	return fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == magic;
}

const char *dev_missing(int root)
{
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		char path[32];
		_cleanup_close_ int fd = -1;

		(void)snprintf(path, sizeof(path), "dev/%s", nodes[i].name);
		fd = path_openat2(root, path, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		if (fd < 0 || !is_node(fd, &nodes[i]))
			return nodes[i].name;
	}
	if (!is_fs(root, "dev", TMPFS_MAGIC))
		return "dev";
	if (!is_fs(root, "dev/pts", DEVPTS_SUPER_MAGIC))
		return "dev/pts";
	if (!is_fs(root, "dev/shm", TMPFS_MAGIC))
		return "dev/shm";
	return is_fs(root, "run", TMPFS_MAGIC) ? NULL : "run";
}
