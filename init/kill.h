/*
 * "Everybody": as PID 1 all processes of the namespace but ourselves; where we are not PID 1 (ZIMBRA_ALLOW_NOT_PID1)
 * only our descendants, since kill(-1) would hit strangers. Workers are nobody: they are not the installation's, and no
 * stop waits for them. (kill(-1) reaches them too, which does no harm: stop.c has ended them before.)
 */
#pragma once

#include "util.h"

void kill_everything(int sig);
/* Somebody who is not a zombie; as PID 1 also what `docker exec` started. A child of ours counts until it is reaped:
 * who forks and ends faster than we look is never seen alive. */
bool kill_anyone_left(void);
void kill_list(char *text, size_t size); /* "nginx(12) java(34)", for the log */
