/* Why something did not work, for a person: the thing, the value, the remedy. */
#pragma once

#include "util.h"

enum failure_kind {
	FAILURE_NONE,
	FAILURE_RETRY, /* may go away by itself (network, mirror, disk space): PID 1 holds and tries again */
	FAILURE_FATAL, /* this container can never work as it was started: PID 1 ends with EXIT_CONFIG */
	FAILURE_HOLD   /* a person has to act on the volume: PID 1 holds in state failed until then */
};

struct failure {
	enum failure_kind kind;
	char text[1200];   /* what went wrong, with the value; lines separated by '\n' */
	char remedy[1200]; /* what to do about it */
};

/* Fills the failure and returns -1, so that a check can `return failure_set(...)`. */
int failure_set(struct failure *f, enum failure_kind kind, const char *remedy, const char *fmt, ...) PRINTF(4, 5);

/* Both texts to the log, line by line. */
void failure_log(const struct failure *f, const char *tag);

/* Exit codes of the container (README, "Exit codes"); one-shot commands end with their own, 128+n for a signal. */
enum {
	EXIT_CLEAN = 0,
	EXIT_BOOT_FAILED = 70, /* EX_SOFTWARE of sysexits.h: the installation could not be made or started */
	EXIT_KILLED = 75,      /* EX_TEMPFAIL: the stop deadline was over and KILL was needed */
	EXIT_CONFIG = 78       /* EX_CONFIG: variables, capabilities, mounts: nothing that time heals */
};
