/*
 * What the kernel's NFLOG says of a packet: nfnetlink(7)-shaped messages, linux/netfilter/nfnetlink_log.h. The packet
 * in it was written by a stranger. Pure: (buffer, length) -> struct, no I/O, no memory.
 */
#pragma once

#include "../worker/messages.h"

#include <stdbool.h>
#include <stddef.h>

struct nflog_packet {
	struct netlog_packet packet;
	bool has_seq;
	uint32_t seq; /* of the group's messages; a gap is what was lost */
};

/*
 * The first message of what one recv(2) gave: 1 and *out for a packet; 0 for anything else that is whole (the end of a
 * batch). *used: where the next one begins. -EBADMSG: not a message; the rest of the buffer is worthless.
 */
int nflog_message(const void *buf, size_t len, size_t *used, struct nflog_packet *out);

/* Addresses, ports and the like of an IPv4 or IPv6 packet that may be cut off anywhere. 0, or -EBADMSG: it is neither.
 */
int nflog_ip(const void *buf, size_t len, struct netlog_packet *out);
