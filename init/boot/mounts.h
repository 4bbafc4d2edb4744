/* Mounts: reading /proc/self/mountinfo, and attaching file systems to places that are open already, never to names. */
#pragma once

#include "../failure.h"

#include <limits.h>

/* One line of mountinfo, proc(5). Escapes (\040) are undone. */
struct mount_entry {
	unsigned id, parent;
	unsigned major, minor;
	char root[PATH_MAX];  /* of the mounted file system */
	char point[PATH_MAX]; /* relative to our own root */
	char fstype[32];
	char source[256]; /* cut if longer */
	bool read_only;	  /* the mount's own flag or the file system's */
	bool nosuid, nodev, noexec;
	bool shared; /* in a peer group: what is mounted below it shows elsewhere */
};

/*
 * Pure. Reads the line at text[*pos], moves *pos behind it. 1: an entry; 0: the end; -EPROTO: not a line of
 * mountinfo (skipped, so that the caller may go on).
 */
int mounts_next(const char *text, size_t len, size_t *pos, struct mount_entry *out);

/* Pure. True when `point` is `top` or below it. */
bool mounts_below(const char *point, const char *top);

/* The whole of /proc/self/mountinfo, at most 4 MiB; bytes or -errno. Freed by the caller. */
ssize_t mounts_read(char **text);

/* The mount on top of exactly this path of ours: 1 found, 0 none, or -errno. */
int mounts_find(const char *point, struct mount_entry *out);

/* ---- attaching: fsopen(2), open_tree(2), move_mount(2), all Linux 5.2 and so older than openat2 ---- */

enum graft_flags { GRAFT_RDONLY = 1, GRAFT_NOSUID = 2, GRAFT_NODEV = 4, GRAFT_NOEXEC = 8 };

struct graft_option {
	const char *key, *value;
};

/* A new file system, not attached anywhere yet; a descriptor or -errno. options end with {NULL}. */
int graft_new(const char *fstype, const char *source, const struct graft_option *options, unsigned flags);

/* A copy of the mount tree at the open place `from`, private (no event passes either way). */
int graft_copy(int from, bool recursive);

/* Sets flags on a whole tree before it is attached: mount_setattr(2), Linux 5.12. -ENOSYS or -EPERM: use
 * graft_attrs_slow. */
int graft_attrs(int tree, unsigned flags);

/* The same for a tree that is attached at `point`, one mount after the other, on older kernels and seccomp profiles. */
int graft_attrs_slow(const char *point, unsigned flags);

/* Attaches the tree on the open folder or file `onto`. */
int graft_attach(int tree, int onto);

/* True when both are the same mount (or, before Linux 5.8, the same root of a file system). */
bool graft_same(int a, int b);

/* Mounts below this mount point stop travelling to whoever it is shared with; what others mount still arrives. */
int graft_make_slave(int dir);

/* ---- who refused ---- */

struct refusal {
	int error;	 /* errno */
	bool sys_admin;	 /* in our effective set */
	bool seccomp;	 /* a filter is loaded */
	char label[256]; /* /proc/self/attr/current: AppArmor profile or SELinux context; "" none */
};

/* Pure. Names who most likely refused, and what to do. */
void refusal_explain(const struct refusal *r, char *who, size_t who_size, const char **remedy);

void refusal_look(int error, struct refusal *out);

/* failure_set for a mount: "cannot mount WHAT on WHERE: error (who refused)". Retries where time may help. */
int mount_failed(struct failure *f, int r, const char *what, const char *where);
