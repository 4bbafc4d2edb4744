/*
 * A clock that can be put forward, and the real loop one turn at a time: what PID 1 takes for CLOCK_MONOTONIC skips the
 * minutes that nobody wants to wait for, so that a test of ten minutes takes none. Time is never held: a slow machine
 * only makes it later.
 */
#pragma once

#include "../../init/logring.h"
#include "../../init/loop.h"

#include "support.h"

#include <sys/syscall.h>
#include <sys/timerfd.h>

enum { REAL_SECONDS = 20 };

/* --- time ------------------------------------------------------------------------------------------------------ */

static int64_t skipped; /* ms that the clock of PID 1 is ahead */
static struct {
	int fd;
	int64_t at; /* of the loop's next timer; 0: none is set */
} alarm_clock;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	long r = syscall(SYS_clock_gettime, id, ts);

	if (r == 0 && id == CLOCK_MONOTONIC) {
		int64_t ns = ts->tv_nsec + skipped % 1000 * 1000000;
		ts->tv_sec += skipped / 1000 + ns / 1000000000;
		ts->tv_nsec = ns % 1000000000;
	}
	return (int)r;
}

static inline int64_t real_ms(void)
{
	return now_ms() - skipped;
}

static inline int set_alarm(void)
{
	struct itimerspec when = {0};
	int64_t at = alarm_clock.at - skipped;

	if (alarm_clock.at) {
		when.it_value.tv_sec = at > 0 ? at / 1000 : 0;
		when.it_value.tv_nsec = at > 0 ? at % 1000 * 1000000 : 1;
	}
	return (int)syscall(SYS_timerfd_settime, alarm_clock.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* The loop's one timerfd, which is set in absolute time. */
int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	CHECK_EQ(flags, TFD_TIMER_ABSTIME);
	CHECK(old == NULL);
	alarm_clock.fd = fd;
	alarm_clock.at = (int64_t) new->it_value.tv_sec * 1000 + new->it_value.tv_nsec / 1000000;
	return set_alarm();
}

/* From one moment to the next; whoever waits for a time in between is told late. */
static inline void skip_ms(int64_t ms)
{
	skipped += ms;
	(void)set_alarm();
}

static inline bool alarm_is_due(void)
{
	return alarm_clock.at && alarm_clock.at <= now_ms();
}

/* --- the loop, one turn at a time ------------------------------------------------------------------------------ */

static jmp_buf turn_end;
static bool in_turn;
static int turn_wait, turn_events;
static unsigned wakeups; /* how often PID 1 had something to do */

/* loop_run() ends only once in a process, so it is left where it would go to sleep: there it holds no state. */
int epoll_wait(int fd, struct epoll_event *e, int max, int timeout)
{
	CHECK_EQ(timeout, -1);
	if (!in_turn)
		longjmp(turn_end, 1);
	in_turn = false;
	turn_events = (int)syscall(SYS_epoll_wait, fd, e, max, turn_wait);
	wakeups += turn_events > 0;
	return turn_events;
}

/* Handles what there is; how many events that was. */
static inline int turn(int wait_ms)
{
	turn_wait = wait_ms;
	in_turn = true;
	if (setjmp(turn_end) == 0)
		loop_run();
	return turn_events;
}

/* Without skipping time. */
#define RUN_UNTIL(cond)                                                                                                \
	do {                                                                                                           \
		int64_t until_end = real_ms() + REAL_SECONDS * 1000;                                                   \
		while (!(cond)) {                                                                                      \
			(void)turn(5);                                                                                 \
			if (real_ms() > until_end)                                                                     \
				check_log();                                                                           \
			CHECK(real_ms() <= until_end || !"in time: " #cond);                                           \
		}                                                                                                      \
	} while (0)

/* --- the log --------------------------------------------------------------------------------------------------- */

static inline const char *log_text(void)
{
	static char text[LOGRING_SIZE + 1];
	uint64_t pos = logring_last(SIZE_MAX), lost;
	size_t used = 0, n;

	while ((n = logring_read(&pos, text + used, sizeof(text) - 1 - used, &lost)) > 0)
		used += n;
	text[used] = '\0';
	return text;
}

static inline unsigned times_in(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

static inline unsigned logged(const char *what)
{
	return times_in(log_text(), what);
}

/* What PID 1 said so far, where somebody looks for why a test failed. */
static inline void check_log(void)
{
	for (const char *at = log_text(); *at; at += strcspn(at, "\n") + (at[strcspn(at, "\n")] == '\n'))
		(void)dprintf(check_fd, "#   log: %.*s\n", (int)strcspn(at, "\n"), at);
}
