/* What the files behind jail.h share. */
#pragma once

#include "jail.h"
#include "mounts.h"

#include <linux/capability.h>

/* ---- jail.c ---- */

/*
 * Attaches a tree on the folder or file `name` directly below the open folder `at`, which must be ours (no links),
 * and looks whether it landed there. `where`: the same place in words. 0, or -1 with the failure.
 */
int jail_place(struct failure *f, const char *what, int tree, unsigned flags, int at, const char *name,
	       const char *where);

/* 0 when the tree below `jail` is the jail as README.md describes it; else *why names the first thing that is not so.
 */
int jail_sound(int jail, const char **why);

/* ---- kernelfs.c: /proc and /sys ---- */

int kernelfs_proc(int data, struct failure *f);
int kernelfs_sys(int data, struct failure *f);
/* NULL when nothing below /proc and /sys can be written or seen that Docker's own masks forbid; else the path. */
const char *kernelfs_exposed(int root);

/* ---- dev.c: /dev and /run ---- */

int dev_make(int data, struct failure *f);
int run_make(int data, struct failure *f);
const char *dev_missing(int root); /* NULL, or what is wrong */

/* ---- names_apply.c, stale.c: write and remove on the volume, seen from the jail's root (app/ is masked there) ---- */

int names_apply(struct stage_ctx *ctx, int jail, struct failure *f);
void stale_sweep(int jail);

/* ---- filter.c ---- */

/* Loads the deny-list for this process and all it will start; needs SYS_ADMIN, since NO_NEW_PRIVS stays off. 0 or
 * -errno. */
int filter_load(void);
/* The same for tests, which have no privileges: sets NO_NEW_PRIVS. */
int filter_load_unprivileged(void);

/* ---- enter.c ---- */

/* README.md, "The jail": what may be used in it. */
extern const unsigned jail_caps[];
extern const size_t jail_caps_count;
