/* What is filtered. The table below is the whole of it, in the order in which packets meet it. */
#include "internal.h"

/* The libc's before the kernel's, which then leave out what both define. */
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

static const struct fw_field ip_saddr = {NFT_PAYLOAD_NETWORK_HEADER, 12, 4};
static const struct fw_field ip6_hoplimit = {NFT_PAYLOAD_NETWORK_HEADER, 7, 1};
static const struct fw_field ip6_saddr = {NFT_PAYLOAD_NETWORK_HEADER, 8, 16};
static const struct fw_field icmp_type = {NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1};
static const struct fw_field dport = {NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2};

static void loopback(struct fw_rule *r)
{
	fw_rule_loopback(r);
}

static void icmp(struct fw_rule *r)
{
	fw_rule_family(r, NFPROTO_IPV4);
	fw_rule_protocol(r, IPPROTO_ICMP);
}

static void icmpv6(struct fw_rule *r)
{
	fw_rule_family(r, NFPROTO_IPV6);
	fw_rule_protocol(r, IPPROTO_ICMPV6);
}

static void icmp_error(struct fw_rule *r)
{
	/* Unreachable carries "fragmentation needed": without it large transfers hang (RFC 1191). */
	static const uint8_t types[] = {ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB};

	icmp(r);
	fw_rule_field_in_values(r, icmp_type, FW_KEY_ICMP, types, sizeof(types));
}

static void icmp_redirect(struct fw_rule *r)
{
	/* Conntrack calls a redirect that quotes a known flow "related": it has to go before that is accepted. */
	static const uint8_t type = ICMP_REDIRECT;

	icmp(r);
	fw_rule_field_is(r, icmp_type, &type);
}

static void icmpv6_error(struct fw_rule *r)
{
	/* RFC 4890 4.3.1: must not be dropped, and "packet too big" never be limited. */
	static const uint8_t types[] = {ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED, ICMP6_PARAM_PROB};

	icmpv6(r);
	fw_rule_field_in_values(r, icmp_type, FW_KEY_ICMPV6, types, sizeof(types));
}

static void neighbour(struct fw_rule *r)
{
	/* RFC 4890 4.4.1. Hop limit 255: it crossed no router (RFC 4861 7.1). Duplicate detection comes from "::". */
	static const uint8_t types[] = {ND_ROUTER_SOLICIT, ND_ROUTER_ADVERT, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT};
	static const uint8_t hops = 255;

	icmpv6(r);
	fw_rule_field_is(r, ip6_hoplimit, &hops);
	fw_rule_field_in_values(r, icmp_type, FW_KEY_ICMPV6, types, sizeof(types));
}

/* Version 2 listener reports; the header of libc knows only version 1 (RFC 3810 5.2). */
enum { MLD2_REPORT = 143 };

static void multicast(struct fw_rule *r)
{
	static const uint8_t types[] = {MLD_LISTENER_QUERY, MLD_LISTENER_REPORT, MLD_LISTENER_REDUCTION, MLD2_REPORT};
	static const uint8_t link_local[16] = {0xfe, 0x80}, bits[16] = {0xff, 0xc0}; /* fe80::/10 */

	icmpv6(r);
	fw_rule_field_masked(r, ip6_saddr, bits, link_local);
	fw_rule_field_in_values(r, icmp_type, FW_KEY_ICMPV6, types, sizeof(types));
}

static void multicast_start(struct fw_rule *r)
{
	/* RFC 3810 5.2.13: a report before there is an address. */
	static const uint8_t type = MLD2_REPORT, unspecified[16];

	icmpv6(r);
	fw_rule_field_is(r, ip6_saddr, unspecified);
	fw_rule_field_is(r, icmp_type, &type);
}

static void echo4(struct fw_rule *r)
{
	static const uint8_t type = ICMP_ECHO;

	icmp(r);
	fw_rule_field_is(r, icmp_type, &type);
}

static void echo6(struct fw_rule *r)
{
	static const uint8_t type = ICMP6_ECHO_REQUEST;

	icmpv6(r);
	fw_rule_field_is(r, icmp_type, &type);
}

/* As the ancestor's: 5 per second, burst 10. */
static void echo4_slow(struct fw_rule *r)
{
	echo4(r);
	fw_rule_limit(r, 5, 10);
}

static void echo6_slow(struct fw_rule *r)
{
	echo6(r);
	fw_rule_limit(r, 5, 10);
}

static void established(struct fw_rule *r)
{
	fw_rule_ct_state(r, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
}

static void invalid(struct fw_rule *r)
{
	fw_rule_ct_state(r, NF_CT_STATE_INVALID_BIT);
}

static void public_tcp(struct fw_rule *r)
{
	fw_rule_protocol(r, IPPROTO_TCP);
	fw_rule_field_in_named(r, dport, "public_tcp");
}

static void public_udp(struct fw_rule *r)
{
	fw_rule_protocol(r, IPPROTO_UDP);
	fw_rule_field_in_named(r, dport, "public_udp");
}

static void admin_ports(struct fw_rule *r)
{
	static const uint16_t ports[FW_ADMIN_COUNT] = FW_ADMIN_PORTS;
	uint8_t keys[FW_ADMIN_COUNT * 2];

	for (size_t i = 0; i < FW_ADMIN_COUNT; i++) {
		keys[2 * i] = (uint8_t)(ports[i] >> 8);
		keys[2 * i + 1] = (uint8_t)ports[i];
	}
	fw_rule_protocol(r, IPPROTO_TCP);
	fw_rule_field_in_values(r, dport, FW_KEY_PORT, keys, FW_ADMIN_COUNT);
	fw_rule_ct_state(r, NF_CT_STATE_BIT(IP_CT_NEW));
}

static void admin_from4(struct fw_rule *r)
{
	fw_rule_family(r, NFPROTO_IPV4);
	fw_rule_field_in_named(r, ip_saddr, "admin4");
	admin_ports(r);
}

static void admin_from6(struct fw_rule *r)
{
	fw_rule_family(r, NFPROTO_IPV6);
	fw_rule_field_in_named(r, ip6_saddr, "admin6");
	admin_ports(r);
}

static void admin_from_all(struct fw_rule *r)
{
	admin_ports(r);
}

static void rest(struct fw_rule *r)
{
	(void)r;
}

enum { CLOSED = 1, OPEN = 2, EVERYBODY = 4, ALWAYS = CLOSED | OPEN };

/* Rules of one class share its counter, which has the class's name. */
static const struct {
	const char *class;
	void (*match)(struct fw_rule *);
	enum fw_verdict verdict;
	unsigned when;
} rules[] = {
	{"loopback", loopback, FW_ACCEPT, ALWAYS},
	/* Before anything that asks conntrack: errors about a flow that it does not know are invalid to it. */
	{"icmp_error", icmp_error, FW_ACCEPT, ALWAYS},
	{"icmp_redirect", icmp_redirect, FW_DROP, ALWAYS},
	{"icmpv6_error", icmpv6_error, FW_ACCEPT, ALWAYS},
	{"neighbour", neighbour, FW_ACCEPT, ALWAYS},
	{"multicast", multicast, FW_ACCEPT, ALWAYS},
	{"multicast", multicast_start, FW_ACCEPT, ALWAYS},
	/* Before established: the second echo of a series belongs to a known flow, and would escape the limit. */
	{"echo", echo4_slow, FW_ACCEPT, OPEN},
	{"echo", echo6_slow, FW_ACCEPT, OPEN},
	{"echo_over", echo4, FW_DROP, OPEN},
	{"echo_over", echo6, FW_DROP, OPEN},
	{"established", established, FW_ACCEPT, ALWAYS},
	{"invalid", invalid, FW_DROP, OPEN},
	{"public_tcp", public_tcp, FW_ACCEPT, OPEN},
	{"public_udp", public_udp, FW_ACCEPT, OPEN},
	{"admin", admin_from4, FW_ACCEPT, OPEN},
	{"admin", admin_from6, FW_ACCEPT, OPEN},
	{"admin_public", admin_from_all, FW_ACCEPT, EVERYBODY},
	/*
	 * Not left to the chain's policy: when a chain is new, the kernel sets a policy of drop after its rules take
	 * effect, and accepts until then (nf_tables_commit(), nft_chain_commit_drop_policy()). Without this rule 33 to
	 * 94 SYNs to closed ports were answered during 200 replacements.
	 */
	{"dropped", rest, FW_DROP, ALWAYS},
};
enum { RULES = sizeof(rules) / sizeof(rules[0]) };

static unsigned when_of(const struct fw_policy *policy)
{
	if (!policy)
		return CLOSED;
	return policy->admin_public ? OPEN | EVERYBODY : OPEN;
}

uint32_t fw_rules_count(const struct fw_policy *policy)
{
	unsigned when = when_of(policy);
	uint32_t n = 0;

	for (size_t i = 0; i < RULES; i++)
		n += (rules[i].when & when) != 0;
	return n;
}

void fw_rules_add_counters(struct fw_txn *t, const struct fw_policy *policy)
{
	unsigned when = when_of(policy);
	const char *last = "";

	/* Rules of one class stand together, so the last name is all there is to compare with. */
	for (size_t i = 0; i < RULES; i++) {
		if (!(rules[i].when & when) || strcmp(rules[i].class, last) == 0)
			continue;
		last = rules[i].class;
		fw_counter_add(t, last);
	}
}

void fw_rules_add(struct fw_txn *t, const struct fw_policy *policy)
{
	unsigned when = when_of(policy);

	for (size_t i = 0; i < RULES; i++) {
		struct fw_rule r;

		if (!(rules[i].when & when))
			continue;
		fw_rule_begin(&r, t, rules[i].class);
		rules[i].match(&r);
		fw_rule_end(&r, rules[i].class, rules[i].verdict);
	}
}
