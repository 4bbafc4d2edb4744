/*
 * The jail: the installation on the volume as the services see it.
 * Root = bind of /data (with its mounts) at JAIL_ROOT with an empty read-only tmpfs over app/.
 */
#pragma once

#include "../stage.h"

#define JAIL_RUN  "/run/zimbra" /* 0700, outside /data: control socket, private mounts */
#define JAIL_ROOT JAIL_RUN "/jail"

/*
 * Stage "jail": mounts, /dev, names, stale pidfiles. The check says TODO unless it must not be tried, since names are
 * brought up to date at every start; mounts that stand and are right are kept.
 */
int jail_check(struct stage_ctx *ctx, struct failure *f);
int jail_make(struct stage_ctx *ctx, struct failure *f);

/* Unmounts all that jail_make mounted, in reverse, lazily where busy; says what was busy. Used at stop. */
void jail_unmake(void);

/*
 * The jail's root as a descriptor (O_PATH) for path.h, or -errno while it does not stand. What the jail wrote
 * (pidfiles, logs) is read below this one and not below /data: from here a planted symlink cannot reach app/.
 * Never crosses into the jail.
 */
int jail_open_root(void);

/*
 * Makes the calling process (a fresh child, single-threaded, about to exec) a process of the jail, in the order of
 * README.md: close_range(3) -> chroot(2) -> chdir -> seccomp deny-list (no NO_NEW_PRIVS: sudo must work) -> bounding
 * set. Refused where the jail's mounts are not as they should be, or 0, 1 or 2 is a directory. 0 or -errno; after an
 * error the caller must _exit. jail_enter_hook is for run_program while the jail's mounts stand.
 */
int jail_enter(void);
int jail_enter_hook(void);

/* A new terminal of the jail's own devpts, so that ttyname(3) works in it: the master, and *slave. Both O_CLOEXEC. */
int jail_open_pty(int *slave);

/*
 * The environment of a command in the jail: PATH, HOME, USER, LANG, TERM if given (and a plain word), container=docker.
 * NULL-terminated, static: valid until the next call.
 */
const char *const *jail_env(const char *term);
