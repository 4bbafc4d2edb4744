/*
 * The contract of a worker: a program of its own that PID 1 starts with fork and exec, with one socket (WORKER_FD) and
 * the descriptors that it needs, all opened by PID 1. It calls worker_start(), which leaves it nothing else, and only
 * then looks at what a stranger wrote. Linked by every worker; README.md says the order and the reasons.
 */
#pragma once

#include "messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A system call that it needs. fd: its first argument must be this one; -1: any. */
struct worker_call {
	int call;
	int fd;
};

struct worker_self {
	const char *name; /* "netlog" */
	uid_t uid;	  /* of user and group */
	int fds;	  /* how many descriptors it was given from WORKER_FD on */
	const struct worker_call *calls;
	size_t count;
};

/* Returns when everything is dropped, the filter is in force and PID 1 has been told; or ends the process and says why.
 */
void worker_start(const struct worker_self *self);

/* As above without a word to PID 1, for tests. 0, or -errno and the step that failed; then the caller must _exit. */
int worker_confine(const struct worker_self *self, const char **step);

/*
 * One message; waits while PID 1 is busy. False: PID 1 is gone, and the worker should go too. type, bytes: as in
 * messages.h.
 */
bool worker_send(uint16_t type, const void *bytes, uint32_t length);

/* A line for the log. More than WORKER_LOGS_A_SECOND are dropped: PID 1 kills whoever sends more. */
void worker_log(enum worker_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
