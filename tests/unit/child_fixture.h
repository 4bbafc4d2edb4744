/* For the tests of child.c: a loop with a reaper, a child whose lines are kept, and no jail to enter. */
#pragma once

#include "../../init/boot/jail.h"
#include "../../init/child.h"
#include "../../init/logring.h"
#include "../../init/reaper.h"
#include "../../init/signals.h"

#include "support.h"

/* The jail is somebody else's test. */
static int jail_result;

int jail_enter(void)
{
	return jail_result;
}

const char *const *jail_env(const char *term)
{
	static const char *const env[] = {"GREETING=hello from the jail", NULL};

	(void)term;
	return env;
}

static inline void no_signal(const struct signalfd_siginfo *si)
{
	(void)si;
}

static inline void late(struct loop_timer *t)
{
	(void)t;
	CHECK(!"nothing came in 30 seconds");
}

static inline void open_loop(void)
{
	static struct loop_timer end = {.fire = late};

	signals_block();
	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(signals_open(no_signal, reaper_run), 0);
	CHECK_EQ(logring_open(false), 0);
	loop_timer_set(&end, 30 * 1000);
}

static char lines[65536]; /* each ended by '|' */
static size_t longest;
static int ended_with = -1;

static inline void keep_line(struct child *c, const char *line, size_t len)
{
	(void)c;
	CHECK_EQ(ended_with, -1); /* no line after the end */
	if (len > longest)
		longest = len;
	size_t used = strlen(lines);
	CHECK(used + len + 2 < sizeof(lines));
	memcpy(lines + used, line, len);
	lines[used + len] = '|';
}

static inline void quit_at_end(struct child *c, int status)
{
	CHECK_EQ(c->pid, 0);
	ended_with = status;
	loop_quit();
}

static struct child child = {.tag = "test", .line = keep_line, .ended = quit_at_end};

static inline void run(int (*body)(void *), void *arg, int keep)
{
	CHECK_EQ(child_run(&child, body, arg, keep), 0);
	CHECK(child.pid > 0);
	loop_run();
	CHECK_EQ(child.output.fd, -1);
}

static inline void put(const char *text)
{
	CHECK_EQ(write(STDOUT_FILENO, text, strlen(text)), strlen(text));
}
