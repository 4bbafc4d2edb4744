/*
 * The event loop of PID 1: epoll(7) for descriptors, one timerfd for all timers. One loop a process.
 * Nothing in it wakes up by itself: without a timer set and without an event, the process sleeps for ever.
 */
#pragma once

#include "util.h"

#include <sys/epoll.h>

struct loop_watch {
	int fd;
	void (*ready)(struct loop_watch *w, uint32_t events);
	void *arg;
};

struct loop_timer {
	void (*fire)(struct loop_timer *t);
	void *arg;
	int64_t at; /* now_ms() */
	bool armed;
	struct loop_timer *next;
};

int loop_open(void); /* 0 or -errno */

/* events as epoll_ctl(2). The watch must stay where it is until loop_remove; 0 or -errno. */
int loop_add(struct loop_watch *w, int fd, uint32_t events);
int loop_change(struct loop_watch *w, uint32_t events);
void loop_remove(struct loop_watch *w); /* does not close the descriptor; harmless if it is not watched */

void loop_timer_set(struct loop_timer *t, int64_t in_ms); /* again: moves it */
void loop_timer_stop(struct loop_timer *t);

/* Runs until loop_quit, which may have come before. */
void loop_run(void);
void loop_quit(void);
