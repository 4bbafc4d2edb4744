/* zimbra-netlog's parser: a batch of NFLOG messages, and bare packets. What comes out must be what PID 1 takes. */
#include "../../init/netlog/nflog.h"
#include "../../init/packetlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

static void check(const struct netlog_packet *p)
{
	char line[PACKETLOG_LINE_MAX];

	MUST(packetlog_valid(p));
	MUST(p->more == 0);
	MUST(!(p->has & NETLOG_HAS_FLAGS) || p->has & NETLOG_HAS_PORTS);
	MUST(!(p->has & NETLOG_FRAGMENT) || !(p->has & (NETLOG_HAS_PORTS | NETLOG_HAS_ICMP)));
	MUST(packetlog_line(p, "eth0", line) == line);
	size_t n = strlen(line);
	MUST(n > 0 && n < PACKETLOG_LINE_MAX - 1);
	for (size_t i = 0; i < n; i++)
		MUST(line[i] >= 0x20 && line[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nflog_packet p;
	size_t used = 0;

	for (size_t at = 0; at < size; at += used) {
		int r = nflog_message(data + at, size - at, &used, &p);
		MUST(r == 1 || r == 0 || r == -EBADMSG);
		if (r < 0)
			break;
		MUST(used > 0 && used <= size - at);
		if (r == 1)
			check(&p.packet);
	}

	/* The same bytes as a packet: cut off by one it may say less, but never something else about the addresses. */
	struct netlog_packet ip = {.class_name = "x"}, shorter = {.class_name = "x"};
	if (!data || nflog_ip(data, size, &ip) < 0)
		return 0;
	check(&ip);
	uint8_t *cut = malloc(size); /* of exactly that size: one byte beyond it is found */
	MUST(cut);
	memcpy(cut, data, size - 1);
	if (size > 1 && nflog_ip(cut, size - 1, &shorter) == 0)
		MUST(memcmp(ip.source, shorter.source, 16) == 0 && ip.family == shorter.family);
	free(cut);
	return 0;
}
