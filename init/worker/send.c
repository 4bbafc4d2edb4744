/* What a worker tells PID 1. send(2) and not sendmsg(2): it cannot carry a descriptor. */
#include "worker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

_Static_assert(sizeof(struct worker_header) + sizeof(struct worker_log) <= WORKER_PACKET_MAX, "worker_log");
_Static_assert(sizeof(struct worker_header) + sizeof(struct netlog_packet) <= WORKER_PACKET_MAX, "netlog_packet");

bool worker_send(uint16_t type, const void *bytes, uint32_t length)
{
	char packet[WORKER_PACKET_MAX];
	const struct worker_header h = {.version = WORKER_VERSION, .type = type, .length = length};

	if (length > sizeof(packet) - sizeof(h))
		return false;
	memcpy(packet, &h, sizeof(h));
	if (length)
		memcpy(packet + sizeof(h), bytes, length);
	while (send(WORKER_FD, packet, sizeof(h) + length, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return false;
	return true;
}

static bool allowed_now(void)
{
	static time_t second;
	static unsigned sent;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec != second) {
		second = now.tv_sec;
		sent = 0;
	}
	return sent++ < WORKER_LOGS_A_SECOND;
}

void worker_log(enum worker_level level, const char *fmt, ...)
{
	struct worker_log m = {.level = (uint8_t)level};
	va_list ap;

	if (!allowed_now())
		return;
	va_start(ap, fmt);
	int n = vsnprintf(m.text, sizeof(m.text), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	m.length = (uint16_t)(n < WORKER_TEXT_MAX ? n : WORKER_TEXT_MAX - 1);
	(void)worker_send(WORKER_LOG, &m, sizeof(m));
}
