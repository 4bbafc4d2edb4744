/* Between a command in the jail and whoever started it: bytes of the terminal both ways, signals, the exit code. */
#pragma once

#include "pty.h"

#include <signal.h>
#include <sys/types.h>

struct relay {
	pid_t child;	      /* leader of a session of its own */
	int signals;	      /* signalfd of relay_signals() */
	struct pty pty;	      /* PTY_NONE: the command has our stdin, stdout and stderr, and only signals pass */
	int in;		      /* our terminal, to read from; -1: the command's stdin is not a terminal */
	int out;	      /* our terminal, to write to */
	struct raw_mode *raw; /* of `in` */
};

/* What has to be blocked from before the fork on: everything but faults and what stops a background job. */
void relay_signals(sigset_t *set);

/* Until the command has ended and all that it wrote is out. Closes the pty. The exit code as a shell's. */
int relay_run(struct relay *r);
