/*
 * A command in the jail, started by somebody outside: `zctl shell`, `zctl exec`, and the one-shot commands of PID 1
 * (which calls session_main in a child, since this waits, and makes that child's process group the terminal's own).
 *
 * Each gets a session of its own, so that /dev/tty is never docker's terminal, and on each of 0, 1, 2 that is a
 * terminal a new one of the jail. What is not a terminal is handed on as it is; a directory is refused.
 */
#pragma once

#include "util.h"

struct session {
	const char *who;	 /* before its messages: "zctl" */
	const char *user;	 /* with this user's login environment; NULL: root, and the plain one of jail_env() */
	const char *const *argv; /* NULL: the login shell of the user, or of root */
	/*
	 * More variables ("NAME=value", NULL-terminated, without secrets), or NULL. They win over those of jail_env(),
	 * except for PATH, HOME, SHELL, USER and LOGNAME, which speak of the image's files and users.
	 */
	const char *const *env;
};

enum {
	SESSION_NO_JAIL = 1,  /* not mounted yet */
	SESSION_FAILED = 125, /* the jail could not be entered, no such user, ... */
	SESSION_CANNOT_EXECUTE = 126,
	SESSION_NOT_FOUND = 127
};

/* The command's exit code, 128+n for a signal, or one of the above, which has been explained on stderr.
 * Single-threaded. */
int session_main(const struct session *s);
