/*
 * The only way to open anything below /data from outside the jail. The jail's root owns those files: every name
 * may be a symlink, a FIFO, a device or a folder that was planted a moment ago.
 *
 * openat2(2) with RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS (Linux 5.6): absolute symlinks stay below the root.
 * All open with O_NONBLOCK | O_CLOEXEC | O_NOCTTY; all return a descriptor or bytes, or -errno.
 * Paths are ours, never the jail's: relative, without a last "/", "." or "..". Only one that itself starts with app/
 * reaches app/: a link that leads there is -ELOOP.
 */
#pragma once

#include "../util.h"

#include <sys/types.h>

int path_open_dir(int root, const char *path);	/* O_PATH | O_DIRECTORY */
int path_open_any(int root, const char *path);	/* O_PATH, whatever it is (not a last symlink: -ELOOP) */
int path_open_read(int root, const char *path); /* regular files only, not of /proc or /sys, else -EINVAL */
int path_make_dirs(int root, const char *path, mode_t mode); /* mkdir -p; returns the last one as O_PATH */

/* Reads a regular file of at most max bytes into buf, which gets a final '\0' (buf holds max + 1). -EFBIG if longer. */
ssize_t path_read(int root, const char *path, char *buf, size_t max);

/*
 * Replaces a file whole: temporary name in the same directory, fsync, rename. Never follows the last name.
 * -EISDIR where a folder was planted, which is left alone.
 */
int path_write(int root, const char *path, const void *bytes, size_t len, mode_t mode);

/* Unlinks one name (not a directory: -EISDIR); a missing one is no error. */
int path_unlink(int root, const char *path);

/* Removes a tree below root without leaving it, following no symlink and crossing no mount (-EXDEV, the rest is gone).
 */
int path_remove_tree(int root, const char *path);

/* Renames what is in the way of a file or folder of ours to ".NAME.aside-<random>" beside it: nothing is lost. */
int path_set_aside(int root, const char *path);

/*
 * A real folder `name` directly below root (O_PATH), reached through no symlink: made if missing; anything else that
 * has the name is set aside. For mount points.
 */
int path_claim_dir(int root, const char *name, mode_t mode);
