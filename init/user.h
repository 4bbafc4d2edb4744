/*
 * Users of the jail, for a child that has already entered it.
 *
 * getpwnam(3) and initgroups(3) would load the jail's NSS modules into our process, made for another C library perhaps,
 * and written by whoever owns the jail. So the two files are read with fgetpwent(3) and fgetgrent(3), which load
 * nothing.
 */
#pragma once

#include "util.h"

#include <sys/types.h>

struct user {
	uid_t uid;
	gid_t gid;
	char name[33], home[256], shell[256];
};

/* Looks into /etc/passwd of the current root. 0, -ENOENT (no such user), -ENAMETOOLONG, -errno. */
int user_find(const char *name, struct user *u);

/* Groups of /etc/group, then gid, then uid: for good. 0 or -errno. */
int user_become(const struct user *u);
