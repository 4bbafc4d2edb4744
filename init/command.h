/* The one command of `docker run IMAGE COMMAND`, or the shell of run-and-enter: the container's own stdio. */
#pragma once

#include "util.h"

enum command_where { COMMAND_IN_JAIL, COMMAND_IN_IMAGE };

/* argv NULL: a login shell. ended() gets the status as a shell's $?. 0 or -errno. */
int command_start(enum command_where where, const char *const *argv, const char *const *env, void (*ended)(int status));

/* Passes a signal on; false if no command runs or it is not one to pass on. */
bool command_signal(int sig);
