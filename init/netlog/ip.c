/* The headers of a packet, as far as they are there: RFC 791, 8200, 9293, 768, 792, 4443. */
#include "nflog.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { EXTENSIONS_MAX = 8 }; /* behind each other; more is nobody's honest packet, and is told as it is */

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void transport(const uint8_t *p, size_t n, struct netlog_packet *out)
{
	switch (out->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
		if (n < 4)
			break;
		out->sport = be16(p);
		out->dport = be16(p + 2);
		out->has |= NETLOG_HAS_PORTS;
		if (out->protocol != IPPROTO_TCP)
			return;
		if (n < 14)
			break;
		out->detail[0] = p[13];
		out->has |= NETLOG_HAS_FLAGS;
		return;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (n < 2)
			break;
		out->detail[0] = p[0];
		out->detail[1] = p[1];
		out->has |= NETLOG_HAS_ICMP;
		return;
	default:
		return; /* one that we do not read is not short */
	}
	out->has |= NETLOG_SHORT;
}

static int ipv4(const uint8_t *p, size_t n, struct netlog_packet *out)
{
	size_t head = (size_t)(p[0] & 15) * 4;

	if (n < 20 || head < 20)
		return -EBADMSG;
	out->family = AF_INET;
	out->length = be16(p + 2);
	out->protocol = p[9];
	memcpy(out->source, p + 12, 4);
	memcpy(out->destination, p + 16, 4);
	if (be16(p + 6) & 0x1fff)
		out->has |= NETLOG_FRAGMENT;
	else if (head > n)
		out->has |= NETLOG_SHORT;
	else
		transport(p + head, n - head, out);
	return 0;
}

/* Bytes of the extension header at p; 0: it is none. n is at least 8. */
static size_t extension(uint8_t type, const uint8_t *p)
{
	switch (type) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
		return (size_t)(p[1] + 1) * 8;
	case IPPROTO_AH: /* counts in fours, RFC 4302 */
		return (size_t)(p[1] + 2) * 4;
	case IPPROTO_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

static bool is_extension(uint8_t type)
{
	static const uint8_t eight[8];

	return extension(type, eight) > 0;
}

static int ipv6(const uint8_t *p, size_t n, struct netlog_packet *out)
{
	if (n < 40)
		return -EBADMSG;
	size_t length = (size_t)be16(p + 4) + 40;
	out->family = AF_INET6;
	out->length = (uint16_t)(length < UINT16_MAX ? length : UINT16_MAX);
	out->protocol = p[6];
	memcpy(out->source, p + 8, 16);
	memcpy(out->destination, p + 24, 16);
	p += 40;
	n -= 40;
	for (int i = 0; is_extension(out->protocol); i++) {
		size_t size = n < 8 ? n + 1 : extension(out->protocol, p);
		if (size > n || i == EXTENSIONS_MAX) {
			out->has |= NETLOG_SHORT;
			return 0;
		}
		bool fragment = out->protocol == IPPROTO_FRAGMENT && be16(p + 2) >> 3;
		out->protocol = p[0];
		p += size;
		n -= size;
		if (fragment) {
			out->has |= NETLOG_FRAGMENT;
			return 0;
		}
	}
	transport(p, n, out);
	return 0;
}

int nflog_ip(const void *buf, size_t len, struct netlog_packet *out)
{
	const uint8_t *p = buf;

	if (len == 0)
		return -EBADMSG;
	switch (p[0] >> 4) {
	case 4:
		return ipv4(p, len, out);
	case 6:
		return ipv6(p, len, out);
	default:
		return -EBADMSG;
	}
}
