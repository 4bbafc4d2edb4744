/*
 * Runs a program and waits for it. Blocks: for stage children and one-shot tools, never in PID 1's loop
 * (child.h is for that).
 */
#pragma once

#include "util.h"

struct run {
	const char *const *argv; /* argv[0] is an absolute path */
	const char *const *env;	 /* NULL: run_default_env */
	const char *tag;	 /* tag of its lines in the log */
	const char *input;	 /* given on stdin; NULL: /dev/null */
	int timeout_s;		 /* 0: none. At the end TERM, five seconds later KILL, to the whole group */
	/* Each line of stdout and stderr, cut at LOG_LINE_MAX; NULL: they are logged. */
	void (*line)(void *arg, const char *line);
	/* The beginning of a line that did not go on for half a second ("Starting mailbox..."); NULL: not told. */
	void (*partial)(void *arg, const char *text);
	void *arg;
	/* Runs in the child just before execve, e.g. jail_enter_hook; 0 or -errno. */
	int (*before_exec)(void);
	const char *cwd; /* after before_exec; NULL: "/" */
};

extern const char *const run_default_env[]; /* PATH, LANG=C.UTF-8, HOME=/root, DEBIAN_FRONTEND=noninteractive, ... */

/*
 * 0 and *status as waitid gives it, turned into a shell's number (0-255, 128+n for a signal),
 * or -errno: -ETIMEDOUT when the time was over, else what kept it from starting (exec: 126, 127 as a shell).
 */
int run_program(const struct run *r, int *status);

/* The common case: argv, logged lines, clean environment. */
int run_simple(const char *tag, int timeout_s, const char *const argv[], int *status);
