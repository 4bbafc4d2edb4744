#include "loop.h"

#include <sys/timerfd.h>

enum { EVENTS = 32 };

static int epoll_fd = -1;
static bool quit;
static struct loop_timer *timers; /* sorted by time */
static struct loop_watch clock_watch = {.fd = -1};
static struct epoll_event events[EVENTS];
static int pending; /* events[0..pending) are being handed out */

static void arm(void)
{
	struct itimerspec when = {0};

	if (timers) {
		int64_t at = timers->at > 0 ? timers->at : 1;
		when.it_value.tv_sec = at / 1000;
		when.it_value.tv_nsec = at % 1000 * 1000000;
	}
	(void)timerfd_settime(clock_watch.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void clock_ready(struct loop_watch *w, uint32_t ev)
{
	uint64_t expirations;

	(void)ev;
	if (read(w->fd, &expirations, sizeof(expirations)) < 0)
		return;
	int64_t now = now_ms();
	while (timers && timers->at <= now) {
		struct loop_timer *t = timers;
		timers = t->next;
		t->armed = false;
		t->fire(t);
	}
	arm();
}

int loop_open(void)
{
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		return -errno;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	clock_watch.ready = clock_ready;
	return loop_add(&clock_watch, fd, EPOLLIN);
}

int loop_add(struct loop_watch *w, int fd, uint32_t ev)
{
	struct epoll_event e = {.events = ev, .data.ptr = w};

	/* A watch that was refused must not look watched: somebody would close its descriptor for it. */
	w->fd = -1;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
		return -errno;
	w->fd = fd;
	return 0;
}

int loop_change(struct loop_watch *w, uint32_t ev)
{
	struct epoll_event e = {.events = ev, .data.ptr = w};

	return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->fd, &e) < 0 ? -errno : 0;
}

void loop_remove(struct loop_watch *w)
{
	if (w->fd < 0)
		return;
	(void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	/* The same round may hold an event for it, and its memory may be reused by then. */
	for (int i = 0; i < pending; i++)
		if (events[i].data.ptr == w)
			events[i].data.ptr = NULL;
	w->fd = -1;
}

void loop_timer_stop(struct loop_timer *t)
{
	if (!t->armed)
		return;
	for (struct loop_timer **p = &timers; *p; p = &(*p)->next)
		if (*p == t) {
			*p = t->next;
			break;
		}
	t->armed = false;
	arm();
}

void loop_timer_set(struct loop_timer *t, int64_t in_ms)
{
	loop_timer_stop(t);
	t->at = now_ms() + in_ms;
	struct loop_timer **p = &timers;
	while (*p && (*p)->at <= t->at)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
	t->armed = true;
	arm();
}

void loop_quit(void)
{
	quit = true;
}

void loop_run(void)
{
	while (!quit) {
		pending = epoll_wait(epoll_fd, events, EVENTS, -1);
		for (int i = 0; i < pending; i++) {
			struct loop_watch *w = events[i].data.ptr;
			if (w)
				w->ready(w, events[i].events);
		}
		pending = 0;
	}
}
