/*
 * A short-lived child of PID 1: forked, its output read line by line from the loop, its end told by the reaper.
 * The end counts when the process died, not when its pipe closed (a grandchild may hold that for ever).
 */
#pragma once

#include "log.h"
#include "loop.h"

#include <sys/types.h>

struct child {
	/* Filled by the caller, who keeps the struct alive until `ended`. */
	const char *tag;					     /* of its lines in the log; must stay valid */
	void (*line)(struct child *c, const char *line, size_t len); /* NULL: to the log */
	void (*ended)(struct child *c, int status);		     /* status as a shell's $? */
	void *arg;

	pid_t pid; /* 0: not running */
	struct loop_watch output;
	char buf[LOG_LINE_MAX];
	size_t used;
};

/*
 * Runs body(arg) in a child, which exits with what it returns. The child is a session of its own, has default
 * signals, stdin from /dev/null, stdout and stderr in the log, and of our descriptors only `keep` (as 3; -1: none).
 * 0 or -errno.
 */
int child_run(struct child *c, int (*body)(void *arg), void *arg, int keep);

/* As above with a program of the jail; argv as for execve. */
int child_exec_jail(struct child *c, const char *const argv[]);

/*
 * A program of the image, with `name` as its only argument and no environment; keep[i] becomes its descriptor 3 + i.
 * n <= CHILD_KEEP_MAX.
 */
enum { CHILD_KEEP_MAX = 4 };
int child_exec(struct child *c, const char *path, const char *name, const int *keep, size_t n);

/* To the child's whole group. Nothing if it is not running. */
void child_kill(struct child *c, int sig);
