/* One packet as one line; pure. */
#include "packetlog.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static bool valid_class(const char name[static NETLOG_CLASS_SIZE])
{
	size_t n = strnlen(name, NETLOG_CLASS_SIZE);

	if (n == 0 || n == NETLOG_CLASS_SIZE || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != n)
		return false;
	for (size_t i = n; i < NETLOG_CLASS_SIZE; i++)
		if (name[i])
			return false;
	return true;
}

bool packetlog_valid(const struct netlog_packet *p)
{
	const unsigned all = NETLOG_HAS_PORTS | NETLOG_HAS_FLAGS | NETLOG_HAS_ICMP | NETLOG_FRAGMENT | NETLOG_SHORT;

	return valid_class(p->class_name) && (p->family == AF_INET || p->family == AF_INET6) && !(p->has & ~all) &&
	       p->zero == 0;
}

static const char *protocol_name(uint8_t protocol, char buf[static 16])
{
	static const struct {
		uint8_t protocol;
		const char *name;
	} known[] = {
		{IPPROTO_TCP, "tcp"},	{IPPROTO_UDP, "udp"},	{IPPROTO_ICMP, "icmp"},	      {IPPROTO_ICMPV6, "icmp6"},
		{IPPROTO_SCTP, "sctp"}, {IPPROTO_DCCP, "dccp"}, {IPPROTO_UDPLITE, "udplite"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].protocol == protocol)
			return known[i].name;
	(void)snprintf(buf, 16, "protocol-%u", protocol);
	return buf;
}

/* One word for all that are set, so that a line has the same number of words whatever was in the packet. */
static const char *flags_text(uint8_t flags, char buf[static 40])
{
	/* syn before ack, as people say it; RFC 9293, 3168 */
	static const struct {
		uint8_t bit;
		const char *name;
	} known[] = {{0x02, "syn"}, {0x10, "ack"}, {0x01, "fin"}, {0x04, "rst"},
		     {0x08, "psh"}, {0x20, "urg"}, {0x40, "ece"}, {0x80, "cwr"}};
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (flags & known[i].bit)
			used += (size_t)snprintf(buf + used, 40 - used, "%s%s", used ? "," : "", known[i].name);
	return used ? buf : "no-flags";
}

static const char *detail_text(const struct netlog_packet *p, char buf[static 40])
{
	if (p->has & NETLOG_FRAGMENT)
		return "fragment";
	if (p->has & NETLOG_SHORT)
		return "short";
	if (p->has & NETLOG_HAS_FLAGS)
		return flags_text(p->detail[0], buf);
	if (p->has & NETLOG_HAS_ICMP)
		(void)snprintf(buf, 40, "%u/%u", p->detail[0], p->detail[1]);
	else
		(void)snprintf(buf, 40, "%u-bytes", p->length);
	return buf;
}

static const char *end_text(const struct netlog_packet *p, const uint8_t addr[static 16], uint16_t port,
			    char buf[static INET6_ADDRSTRLEN + 8])
{
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(p->family, addr, text, sizeof(text)))
		text[0] = '\0';
	if (!(p->has & NETLOG_HAS_PORTS))
		(void)snprintf(buf, INET6_ADDRSTRLEN + 8, "%s", text);
	else
		(void)snprintf(buf, INET6_ADDRSTRLEN + 8, p->family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
	return buf;
}

const char *packetlog_line(const struct netlog_packet *p, const char *interface, char buf[static PACKETLOG_LINE_MAX])
{
	char from[INET6_ADDRSTRLEN + 8], to[INET6_ADDRSTRLEN + 8], name[16], detail[40], more[48] = "";

	if (p->more)
		(void)snprintf(more, sizeof(more), ", %u more of this class in %d s", p->more,
			       PACKETLOG_WINDOW_MS / 1000);
	(void)snprintf(buf, PACKETLOG_LINE_MAX, "%.*s: %s -> %s %s %s %s%s", NETLOG_CLASS_SIZE - 1, p->class_name,
		       end_text(p, p->source, p->sport, from), end_text(p, p->destination, p->dport, to),
		       protocol_name(p->protocol, name), detail_text(p, detail), interface, more);
	return buf;
}
