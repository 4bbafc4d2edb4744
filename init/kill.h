/*
 * "Everybody": as PID 1 all processes of the namespace but ourselves; where we are not PID 1 (ZIMBRA_ALLOW_NOT_PID1)
 * only our descendants, since kill(-1) would hit strangers.
 */
#pragma once

#include "util.h"

void kill_everything(int sig);
bool kill_anyone_left(void);		 /* somebody who is not a zombie; as PID 1 also what `docker exec` started */
void kill_list(char *text, size_t size); /* "nginx(12) java(34)", for the log */
