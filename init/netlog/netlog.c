#include "netlog.h"
#include "../worker/tally.h"
#include "nflog.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
	A_TURN = 64, /* batches; then a look whether PID 1 is still there */
	SECOND = 1000,
	BATCH_MAX = 65536 /* the kernel's own: NFULNL_NLBUFSIZ_MAX */
};

static const struct worker_call calls[] = {
	{SCMP_SYS(recvfrom), NETLOG_FD},
	{SCMP_SYS(sendto), WORKER_FD},
	{SCMP_SYS(poll), -1},
	{SCMP_SYS(ppoll), -1}, /* what poll(3) is where there is no poll(2) */
};

const struct worker_self netlog_self = {.name = "netlog",
					.uid = WORKER_UID_NETLOG,
					.fds = NETLOG_FD - WORKER_FD + 1,
					.calls = calls,
					.count = sizeof(calls) / sizeof(calls[0])};

static struct tally tally = {.window = SECOND, .burst = NETLOG_BURST};
static struct netlog_lost lost;
static int64_t lost_since; /* 0: nothing is */
static bool gone;	   /* PID 1 */

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void tell(uint16_t type, const void *bytes, uint32_t length)
{
	if (!worker_send(type, bytes, length))
		gone = true;
}

static void count_gap(const struct nflog_packet *p)
{
	static bool any;
	static uint32_t next;

	if (!p->has_seq)
		return;
	uint32_t gap = p->seq - next;
	if (any && gap)
		lost.packets = lost.packets + gap < gap ? UINT32_MAX : lost.packets + gap;
	any = true;
	next = p->seq + 1;
}

static void read_batch(const char *buf, size_t len, int64_t now)
{
	for (size_t at = 0, used = 0; at < len && !gone; at += used) {
		struct nflog_packet p;
		int r = nflog_message(buf + at, len - at, &used, &p);
		if (r < 0) {
			worker_log(WORKER_WARN, "the kernel said something that is not understood (%zu bytes)",
				   len - at);
			return;
		}
		if (r == 0)
			continue;
		count_gap(&p);
		if (tally_add(&tally, &p.packet, now))
			tell(NETLOG_PACKET, &p.packet, sizeof(p.packet));
	}
}

static void read_socket(int64_t now)
{
	static char buf[BATCH_MAX];

	for (int i = 0; i < A_TURN && !gone; i++) {
		struct sockaddr_nl from = {0};
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(NETLOG_FD, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &size);
		if (n < 0 && errno == ENOBUFS)
			lost.overruns++; /* the error is cleared by being told; what is queued is still there */
		else if (n < 0)
			return;
		else if (from.nl_pid == 0) /* the kernel, and nobody else */
			read_batch(buf, (size_t)n, now);
	}
}

/* When the next window ends, as poll(2) wants it. */
static int time_left(int64_t now)
{
	int64_t next = tally_next(&tally);

	if (lost_since && (next < 0 || lost_since + SECOND < next))
		next = lost_since + SECOND;
	return next < 0 ? -1 : next <= now ? 0 : (int)(next - now);
}

static void tell_what_is_due(int64_t now)
{
	struct netlog_packet p;

	while (!gone && tally_take(&tally, now, &p))
		tell(NETLOG_PACKET, &p, sizeof(p));
	/* How many they were is known from the next packet that was not lost: a second, and not more messages than
	 * that. */
	if (!lost_since && (lost.overruns || lost.packets))
		lost_since = now;
	if (lost_since && now - lost_since >= SECOND && !gone) {
		tell(NETLOG_LOST, &lost, sizeof(lost));
		lost = (struct netlog_lost){0};
		lost_since = 0;
	}
}

void netlog_run(void)
{
	struct pollfd fds[] = {{.fd = NETLOG_FD, .events = POLLIN}, {.fd = WORKER_FD}};

	while (!gone) {
		(void)poll(fds, 2, time_left(now_ms()));
		if (fds[1].revents)
			return;
		read_socket(now_ms());
		tell_what_is_due(now_ms());
	}
}
