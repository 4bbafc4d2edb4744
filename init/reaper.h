/*
 * Reaps everything that dies below PID 1: its own children, daemons that forked away, orphans of `docker exec`.
 * Only pids that were registered are anybody's business; the others are reaped in silence and kept in a short ring.
 */
#pragma once

#include "loop.h"

#include <sys/types.h>

enum { REAPER_RING = 16, REAPER_COMM = 16 };

struct reaper_death {
	pid_t pid;
	char name[REAPER_COMM]; /* /proc/PID/comm; "" when many died at once and nobody looked */
	int status;		/* as a shell's $?: 0-255, 128+n for a signal */
	int64_t at;		/* now_ms() */
};

/* Told about one registered pid, once; several may register the same (Zimbra's webapps share one JVM). */
typedef void reaper_told(void *arg, pid_t pid, int status);

int reaper_watch(pid_t pid, reaper_told *told, void *arg); /* -ENOSPC: 64 at once */
void reaper_forget(pid_t pid, const void *arg);

/* At every wake-up by SIGCHLD: until nothing is left to reap (SIGCHLD coalesces), or 4096 were: call again if it was
 * anything at all. Returns how many. */
unsigned reaper_run(void);
/* Called after a round that reaped at least one process that nobody had registered. */
void reaper_on_orphan(void (*told)(void));

/* The last deaths, newest first; returns how many. */
size_t reaper_ring(struct reaper_death out[static REAPER_RING]);
uint64_t reaper_count(void);
