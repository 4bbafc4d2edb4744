#include "nflog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <string.h>

static uint32_t be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return ntohl(v);
}

/* Class names are of our own rules; what is not one, or is too long, is cut at the first byte that cannot be. */
static void take_class(const uint8_t *p, size_t n, char name[static NETLOG_CLASS_SIZE])
{
	size_t i = 0;

	for (; i < n && i < NETLOG_CLASS_SIZE - 1; i++) {
		char c = (char)p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			break;
		name[i] = c;
	}
	if (i == 0)
		memcpy(name, "none", sizeof("none"));
}

static void take(unsigned type, const uint8_t *p, size_t n, struct nflog_packet *out)
{
	switch (type) {
	case NFULA_PREFIX:
		memset(out->packet.class_name, 0, sizeof(out->packet.class_name));
		take_class(p, n, out->packet.class_name);
		break;
	case NFULA_IFINDEX_INDEV:
		out->packet.ifindex = n == 4 ? be32(p) : 0;
		break;
	case NFULA_SEQ:
		out->has_seq = n == 4;
		out->seq = n == 4 ? be32(p) : 0;
		break;
	default:
		break;
	}
}

/* The attributes: type and length, padded to four. The payload's place is kept until the end. 0 or -EBADMSG. */
static int attributes(const uint8_t *at, size_t left, struct nflog_packet *out)
{
	const uint8_t *payload = NULL;
	size_t length = 0;

	memcpy(out->packet.class_name, "none", sizeof("none"));
	while (left >= sizeof(struct nlattr)) {
		struct nlattr a;
		memcpy(&a, at, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > left)
			return -EBADMSG;
		unsigned type = a.nla_type & NLA_TYPE_MASK;
		if (type == NFULA_PAYLOAD) {
			payload = at + sizeof(a);
			length = a.nla_len - sizeof(a);
		} else {
			take(type, at + sizeof(a), a.nla_len - sizeof(a), out);
		}
		size_t step = NLA_ALIGN(a.nla_len);
		step = step < left ? step : left;
		at += step;
		left -= step;
	}
	return payload ? nflog_ip(payload, length, &out->packet) : -EBADMSG;
}

int nflog_message(const void *buf, size_t len, size_t *used, struct nflog_packet *out)
{
	const size_t head = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nfgenmsg));
	struct nlmsghdr h;

	if (len < sizeof(h))
		return -EBADMSG;
	memcpy(&h, buf, sizeof(h));
	if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len)
		return -EBADMSG;
	*used = NLMSG_ALIGN(h.nlmsg_len) < len ? NLMSG_ALIGN(h.nlmsg_len) : len;
	if (h.nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) || h.nlmsg_len < head)
		return 0;
	memset(out, 0, sizeof(*out));
	/* A packet that is no IP (a rule in another family) is none that anybody waits for. */
	return attributes((const uint8_t *)buf + head, h.nlmsg_len - head, out) < 0 ? 0 : 1;
}
