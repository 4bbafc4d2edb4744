/*
 * Knows which of Zimbra's services run, by their pidfiles and by their deaths.
 *
 * Zimbra's daemons fork away and become children of PID 1: a pidfile tells which process belongs to which service, the
 * reaper (or a pidfd, for one that has another parent) tells when it died. The pidfile is written by the zimbra user
 * and believed only for showing: nothing is ever signalled because of it.
 * `zmcontrol status` is asked after changes, for the list of enabled services and for those without a pidfile.
 */
#pragma once

#include "util.h"

#include <sys/types.h>

enum service_state { SERVICE_STOPPED, SERVICE_STARTING, SERVICE_RUNNING, SERVICE_FLUX, SERVICE_CRASHED };

struct service {
	char name[32];
	enum service_state state;
	pid_t pid;	   /* 0: none known */
	unsigned restarts; /* times another process took the place of one that ran */
	int64_t since;	   /* now_ms() of the last change of state */
	bool enabled;	   /* it is meant to run */
	bool essential;	   /* without it there is no mail service to speak of */
};

/* changed() after every change that status would show. */
void supervise_open(void (*changed)(void));

/* The services are up (or as far up as they get): take stock, and watch from now on. */
void supervise_start(void);
/* Deaths are wanted from here on; zmcontrol is no longer asked. */
void supervise_stopping(void);

size_t supervise_count(void);
const struct service *supervise_service(size_t i);
const char *service_state_name(enum service_state s);

/* zmcontrol was asked once, and has answered or failed to: before that nothing is known about what should run. */
bool supervise_settled(void);

/* Every enabled service runs / every essential one does. */
bool supervise_all_running(void);
bool supervise_essential_running(void);
