/* zimbra-netlog's parser, and the line that PID 1 makes of what it found. */
#include "../../init/netlog/nflog.h"
#include "../../init/packetlog.h"

#include "support.h"

#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>

static uint8_t buf[4096];
static size_t used_bytes;

static void put(const void *bytes, size_t n)
{
	assert_true(used_bytes + n <= sizeof(buf));
	memcpy(buf + used_bytes, bytes, n);
	used_bytes += n;
}

static void put_attribute(uint16_t type, const void *bytes, size_t n)
{
	static const char zero[4];
	const struct nlattr a = {.nla_len = (uint16_t)(sizeof(a) + n), .nla_type = type};

	put(&a, sizeof(a));
	put(bytes, n);
	put(zero, NLA_ALIGN(n) - n);
}

/* Appends one message with these attributes; NULL: without it. */
static void put_message(const char *prefix, uint32_t ifindex, uint32_t seq, const void *packet, size_t n)
{
	static const uint8_t nfgen[4] = {AF_INET, 0, 0, NETLOG_GROUP};
	struct nlmsghdr h = {.nlmsg_type = 4 << 8};
	size_t begin = used_bytes;
	uint32_t be;

	put(&h, sizeof(h));
	put(nfgen, sizeof(nfgen));
	if (prefix)
		put_attribute(NFULA_PREFIX, prefix, strlen(prefix) + 1);
	be = htonl(ifindex);
	if (ifindex)
		put_attribute(NFULA_IFINDEX_INDEV, &be, sizeof(be));
	be = htonl(seq);
	put_attribute(NFULA_SEQ, &be, sizeof(be));
	if (packet)
		put_attribute(NFULA_PAYLOAD, packet, n);
	h.nlmsg_len = (uint32_t)(used_bytes - begin);
	memcpy(buf + begin, &h, sizeof(h));
}

static const uint8_t tcp4[] = {0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, IPPROTO_TCP, 0, 0, 203, 0, 113, 7, 198, 51, 100, 1,
			       /* TCP: 4711 -> 3306, syn */
			       0x12, 0x67, 0x0c, 0xea, 0, 0, 0, 1, 0, 0, 0, 0, 0xa0, 0x02, 0xff, 0xff};

static struct nflog_packet parse_one(void)
{
	struct nflog_packet p;
	size_t used;

	assert_int_equal(nflog_message(buf, used_bytes, &used, &p), 1);
	assert_int_equal(used, used_bytes);
	return p;
}

static const char *line_of(const struct netlog_packet *p)
{
	static char line[PACKETLOG_LINE_MAX];

	assert_true(packetlog_valid(p));
	return packetlog_line(p, "eth0", line);
}

static int reset(void **state)
{
	(void)state;
	used_bytes = 0;
	return 0;
}

static void whole_message(void **state)
{
	(void)state;
	put_message("closed", 7, 41, tcp4, sizeof(tcp4));
	struct nflog_packet p = parse_one();
	assert_true(p.has_seq);
	assert_int_equal(p.seq, 41);
	assert_int_equal(p.packet.ifindex, 7);
	assert_int_equal(p.packet.length, 60);
	assert_int_equal(p.packet.sport, 4711);
	assert_int_equal(p.packet.dport, 3306);
	assert_string_equal(line_of(&p.packet), "closed: 203.0.113.7:4711 -> 198.51.100.1:3306 tcp syn eth0");
	p.packet.more = 37;
	assert_string_equal(line_of(&p.packet),
			    "closed: 203.0.113.7:4711 -> 198.51.100.1:3306 tcp syn eth0, 37 more of "
			    "this class in 10 s");
}

static void batch(void **state)
{
	struct nlmsghdr done = {.nlmsg_len = sizeof(done), .nlmsg_type = NLMSG_DONE};
	struct nflog_packet p;
	size_t used;
	int packets = 0;

	(void)state;
	put_message("a", 1, 1, tcp4, sizeof(tcp4));
	put_message("b", 1, 2, tcp4, sizeof(tcp4) - 1);
	put_message("c", 1, 3, NULL, 0);	   /* without a packet: nothing to tell */
	put_message("d", 1, 4, "\x01\x02\x03", 3); /* no IP */
	put(&done, sizeof(done));
	for (size_t at = 0; at < used_bytes; at += used) {
		int r = nflog_message(buf + at, used_bytes - at, &used, &p);
		assert_in_range(r, 0, 1);
		packets += r;
	}
	assert_int_equal(packets, 2);
	assert_int_equal(p.seq, 4);
}

static void prefixes(void **state)
{
	static const struct {
		const char *prefix, *name;
	} cases[] = {
		{"closed", "closed"},
		{NULL, "none"},
		{"", "none"},
		{"Closed", "none"},
		{"no space", "no"},
		{"esc\x1b[31m", "esc"},
		{"sixteen-bytes-or-more", "sixteen-bytes-o"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		used_bytes = 0;
		put_message(cases[i].prefix, 0, 0, tcp4, sizeof(tcp4));
		struct nflog_packet p = parse_one();
		assert_string_equal(p.packet.class_name, cases[i].name);
		assert_true(packetlog_valid(&p.packet));
	}
}

static void garbage(void **state)
{
	struct nflog_packet p;
	size_t used;

	(void)state;
	put_message("closed", 7, 1, tcp4, sizeof(tcp4));
	for (size_t n = 0; n < used_bytes; n++)
		assert_int_equal(nflog_message(buf, n, &used, &p), -EBADMSG);
	/* A message that says it is longer, or shorter than itself. */
	struct nlmsghdr h;
	memcpy(&h, buf, sizeof(h));
	for (uint32_t len = 0; len < sizeof(h); len++) {
		h.nlmsg_len = len;
		memcpy(buf, &h, sizeof(h));
		assert_int_equal(nflog_message(buf, used_bytes, &used, &p), -EBADMSG);
	}
	h.nlmsg_len = UINT32_MAX;
	memcpy(buf, &h, sizeof(h));
	assert_int_equal(nflog_message(buf, used_bytes, &used, &p), -EBADMSG);
	/* An attribute that reaches beyond its message: told as nothing, the batch goes on behind it. */
	h.nlmsg_len = (uint32_t)used_bytes;
	memcpy(buf, &h, sizeof(h));
	buf[sizeof(h) + 4] = 0xff;
	assert_int_equal(nflog_message(buf, used_bytes, &used, &p), 0);
	assert_int_equal(used, used_bytes);
}

/* --- packets --------------------------------------------------------------------------------------------------- */

static struct netlog_packet ip(const uint8_t *bytes, size_t n)
{
	struct netlog_packet p = {.class_name = "x"};

	assert_int_equal(nflog_ip(bytes, n, &p), 0);
	return p;
}

/* IPv4 with this protocol, fragment field and header length (in fours), and n bytes behind 20. */
static struct netlog_packet ipv4(uint8_t protocol, uint16_t fragment, uint8_t fours, const void *bytes, size_t n)
{
	uint8_t p[256] = {(uint8_t)(0x40 | fours), 0, 0, (uint8_t)(20 + n)};

	p[6] = (uint8_t)(fragment >> 8);
	p[7] = (uint8_t)fragment;
	p[9] = protocol;
	p[12] = 192;
	p[14] = 2;
	p[15] = 1;
	p[16] = 192;
	p[18] = 2;
	p[19] = 2;
	memcpy(p + 20, bytes, n);
	return ip(p, 20 + n);
}

static struct netlog_packet ipv6(uint8_t next, const void *bytes, size_t n)
{
	uint8_t p[512] = {0x60, 0, 0, 0, 0, (uint8_t)n, next, 64, 0x20, 0x01, 0x0d, 0xb8};

	p[23] = 7;
	p[24] = 0xfe;
	p[25] = 0x80;
	p[39] = 1;
	memcpy(p + 40, bytes, n);
	return ip(p, 40 + n);
}

static void lines_of_ipv4(void **state)
{
	static const uint8_t ports[] = {0, 5, 0, 53, 0, 8, 0, 0};
	static const uint8_t segment[20] = {0, 1, 0, 2, [13] = 0x3f};
	struct netlog_packet p;

	(void)state;
	p = ipv4(IPPROTO_UDP, 0, 5, ports, sizeof(ports));
	assert_string_equal(line_of(&p), "x: 192.0.2.1:5 -> 192.0.2.2:53 udp 28-bytes eth0");
	p = ipv4(IPPROTO_ICMP, 0, 5, "\x08\0\0\0", 4);
	assert_string_equal(line_of(&p), "x: 192.0.2.1 -> 192.0.2.2 icmp 8/0 eth0");
	p = ipv4(IPPROTO_TCP, 0, 5, segment, sizeof(segment));
	assert_string_equal(line_of(&p), "x: 192.0.2.1:1 -> 192.0.2.2:2 tcp syn,ack,fin,rst,psh,urg eth0");
	p = ipv4(IPPROTO_TCP, 0, 6, "\1\1\1\1\0\1\0\2\0\0\0\0\0\0\0\0\0\0", 18); /* options, then flags 0 */
	assert_string_equal(line_of(&p), "x: 192.0.2.1:1 -> 192.0.2.2:2 tcp no-flags eth0");
	p = ipv4(IPPROTO_TCP, 0, 5, segment, 13);
	assert_string_equal(line_of(&p), "x: 192.0.2.1:1 -> 192.0.2.2:2 tcp short eth0");
	p = ipv4(IPPROTO_TCP, 0, 5, segment, 3);
	assert_string_equal(line_of(&p), "x: 192.0.2.1 -> 192.0.2.2 tcp short eth0");
	p = ipv4(IPPROTO_TCP, 0, 15, segment, 20); /* a header that is not all there */
	assert_string_equal(line_of(&p), "x: 192.0.2.1 -> 192.0.2.2 tcp short eth0");
	p = ipv4(IPPROTO_UDP, 185, 5, ports, sizeof(ports));
	assert_string_equal(line_of(&p), "x: 192.0.2.1 -> 192.0.2.2 udp fragment eth0");
	p = ipv4(IPPROTO_UDP, 0x2000, 5, ports, sizeof(ports)); /* the first one of several */
	assert_string_equal(line_of(&p), "x: 192.0.2.1:5 -> 192.0.2.2:53 udp 28-bytes eth0");
	p = ipv4(IPPROTO_GRE, 0, 5, "\0\0\0\0", 4);
	assert_string_equal(line_of(&p), "x: 192.0.2.1 -> 192.0.2.2 protocol-47 24-bytes eth0");
}

static void lines_of_ipv6(void **state)
{
	static const uint8_t udp[] = {0, 9, 0, 10, 0, 8, 0, 0};
	uint8_t chain[256];
	struct netlog_packet p;

	(void)state;
	p = ipv6(IPPROTO_UDP, udp, sizeof(udp));
	assert_string_equal(line_of(&p), "x: [2001:db8::7]:9 -> [fe80::1]:10 udp 48-bytes eth0");
	p = ipv6(IPPROTO_ICMPV6, "\x80\0\0\0", 4);
	assert_string_equal(line_of(&p), "x: 2001:db8::7 -> fe80::1 icmp6 128/0 eth0");

	/* Hop-by-hop (8), routing (16), destination options (8), first fragment (8), authentication (16), UDP. */
	memset(chain, 0, sizeof(chain));
	chain[0] = IPPROTO_ROUTING;
	chain[8] = IPPROTO_DSTOPTS;
	chain[9] = 1;
	chain[24] = IPPROTO_FRAGMENT;
	chain[32] = IPPROTO_AH;
	chain[35] = 1; /* more follow, offset 0 */
	chain[40] = IPPROTO_UDP;
	chain[41] = 2;
	memcpy(chain + 56, udp, sizeof(udp));
	p = ipv6(IPPROTO_HOPOPTS, chain, 64);
	assert_string_equal(line_of(&p), "x: [2001:db8::7]:9 -> [fe80::1]:10 udp 104-bytes eth0");
	for (size_t n = 0; n < 60; n++) { /* cut off anywhere before the ports */
		p = ipv6(IPPROTO_HOPOPTS, chain, n);
		assert_true(p.has == NETLOG_SHORT);
	}
	chain[34] = 1; /* not the first fragment any more */
	p = ipv6(IPPROTO_HOPOPTS, chain, 64);
	assert_int_equal(p.has, NETLOG_FRAGMENT);
	assert_int_equal(p.protocol, IPPROTO_AH);

	/* More headers than anybody honest sends. */
	for (size_t i = 0; i < 20; i++)
		chain[8 * i] = IPPROTO_DSTOPTS, chain[8 * i + 1] = 0;
	p = ipv6(IPPROTO_DSTOPTS, chain, 160);
	assert_int_equal(p.has, NETLOG_SHORT);
	p = ipv6(IPPROTO_NONE, "", 0);
	assert_string_equal(line_of(&p), "x: 2001:db8::7 -> fe80::1 protocol-59 40-bytes eth0");
}

static void no_packets(void **state)
{
	uint8_t bytes[64] = {0x45};
	struct netlog_packet p = {0};

	(void)state;
	for (size_t n = 0; n < 20; n++)
		assert_int_equal(nflog_ip(bytes, n, &p), -EBADMSG);
	bytes[0] = 0x44; /* a header of 16 bytes */
	assert_int_equal(nflog_ip(bytes, sizeof(bytes), &p), -EBADMSG);
	bytes[0] = 0x60;
	for (size_t n = 0; n < 40; n++)
		assert_int_equal(nflog_ip(bytes, n, &p), -EBADMSG);
	for (unsigned version = 0; version < 16; version++) {
		bytes[0] = (uint8_t)(version << 4 | 5);
		assert_int_equal(nflog_ip(bytes, sizeof(bytes), &p), version == 4 || version == 6 ? 0 : -EBADMSG);
	}
}

/* --- what an owned worker might send --------------------------------------------------------------------------- */

static void values_that_cannot_be(void **state)
{
	const struct netlog_packet good = {.class_name = "closed", .family = AF_INET6, .has = NETLOG_HAS_PORTS};
	struct netlog_packet p = good;

	(void)state;
	assert_true(packetlog_valid(&p));
	memset(p.class_name, 'a', sizeof(p.class_name)); /* without an end */
	assert_false(packetlog_valid(&p));
	assert_int_equal(packetlog_packet(&p), -EINVAL);
	static const char *const names[] = {"", "A", "a b", "a\n", "\x1b", "a:", "ä"};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		p = good;
		memset(p.class_name, 0, sizeof(p.class_name));
		(void)snprintf(p.class_name, sizeof(p.class_name), "%s", names[i]);
		assert_false(packetlog_valid(&p));
	}
	p = good;
	p.class_name[NETLOG_CLASS_SIZE - 1] = 'x'; /* behind the end */
	assert_false(packetlog_valid(&p));
	for (unsigned family = 0; family < 256; family++) {
		p = good;
		p.family = (uint8_t)family;
		assert_int_equal(packetlog_valid(&p), family == AF_INET || family == AF_INET6);
	}
	p = good;
	p.has = 32;
	assert_false(packetlog_valid(&p));
	p = good;
	p.zero = 1;
	assert_false(packetlog_valid(&p));
	/* The longest that can be. */
	memset(&p, 0xff, sizeof(p));
	memcpy(p.class_name, "abcdefghijklmno", 16);
	p.family = AF_INET6;
	p.has = NETLOG_HAS_PORTS | NETLOG_HAS_FLAGS;
	p.protocol = IPPROTO_UDPLITE;
	p.zero = 0;
	assert_true(strlen(line_of(&p)) < PACKETLOG_LINE_MAX - 16);
	assert_non_null(strstr(line_of(&p), "4294967295 more of this class in 10 s"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(whole_message, reset),
		cmocka_unit_test_setup(batch, reset),
		cmocka_unit_test_setup(prefixes, reset),
		cmocka_unit_test_setup(garbage, reset),
		cmocka_unit_test(lines_of_ipv4),
		cmocka_unit_test(lines_of_ipv6),
		cmocka_unit_test(no_packets),
		cmocka_unit_test(values_that_cannot_be),
	};

	return cmocka_run_group_tests_name("nflog", tests, NULL, NULL);
}
