/*
 * Answers that take long or are long: all bans, all rules. A child reads them from the kernel and writes them to the
 * client's socket itself, at the client's pace. Meanwhile the socket is the child's.
 */
#pragma once

#include "control.h"

/*
 * CONTROL_BANS, CONTROL_RULES. ended(arg, answered) comes once, unless it was forgotten; not answered: the client has
 * got nothing or only a part. -EBUSY: there are enough of them already.
 */
int control_long_start(enum control_op op, int fd, void (*ended)(void *arg, bool answered), void *arg);

/* The client is gone: so is the child. */
void control_long_forget(const void *arg);
