/*
 * The workers of PID 1: programs outside the jail that read what strangers wrote (worker/README.md). A table says what
 * each may send; whoever sends anything else is killed. One that ends is started again, later and later while it does
 * not last; what it read from stays open here meanwhile.
 */
#pragma once

#include "config.h"
#include "worker/messages.h"

#include <sys/types.h>

enum { WORKER_PERMITS_MAX = 4 };

struct worker_permit {
	uint16_t type;
	uint32_t size;	   /* of the struct: exactly */
	unsigned a_second; /* in any second of the clock */
	/* Checks every value again. 0, or -errno: no such thing can have come from a sound worker. */
	int (*handle)(const void *bytes);
};

struct worker_role {
	const char *name;    /* "netlog" */
	const char *program; /* a file in WORKERS_FOLDER, or an absolute path */
	uid_t uid;	     /* what it has to have become when it says that it is ready */
	bool (*wanted)(const struct config *c);
	int (*open)(void); /* what it reads, as its descriptor 4; or -errno. NULL: nothing */
	struct worker_permit permit[WORKER_PERMITS_MAX]; /* beside WORKER_READY and WORKER_LOG; size 0 ends them */
};

/* worker_roles.c */
extern const struct worker_role worker_roles[];
extern const size_t worker_role_count;
enum { WORKER_ROLES_MAX = 8 };

/* Seen from the folder of zimbra-init itself. */
#define WORKERS_FOLDER "../libexec/zimbra-init"

/* Starts those that the settings want, ends those that they do not want any more. */
void workers_update(const struct config *c);

/* Ends all of them for good. Nobody waits for that: see kill.h. */
void workers_stop(void);

bool workers_has(pid_t pid);

/* The i-th of the table for zctl; state NULL: it is not wanted. False: there is no i-th. */
struct worker_view {
	const char *name, *state;
	pid_t pid; /* 0: none now */
	unsigned restarts;
};
bool workers_view(size_t i, struct worker_view *out);

/*
 * Pure. Which permit this packet uses, or NULL and why there is none. flags: of recvmsg(2).
 */
const struct worker_permit *workers_permit(const struct worker_role *role, const void *packet, size_t len, int flags,
					   const char **why);

/* Pure. ms until the next start of a worker that ran for so long; *failures counts those that did not last. */
int64_t workers_backoff(unsigned *failures, int64_t ran_ms);
