/* What is decided with conntrack's help. */
#include "build.h"

#include "internal.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <string.h>

/* Version 2 listener reports; the header of libc knows only version 1 (RFC 3810 5.2). */
enum { MLD2_REPORT = 143 };

static const uint32_t loopback = 1;

static void needed_icmp(struct fw_build *b)
{
	/* Unreachable carries "fragmentation needed": without it large transfers hang (RFC 1191). */
	static const uint8_t error4[] = {ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED, ICMP_PARAMETERPROB};
	/* RFC 4890 4.3.1: must not be dropped, and "packet too big" never be limited. */
	static const uint8_t error6[] = {ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED,
					 ICMP6_PARAM_PROB};
	/* RFC 4890 4.4.1. Hop limit 255: it crossed no router (RFC 4861 7.1). Duplicate detection comes from "::". */
	static const uint8_t nd[] = {ND_ROUTER_SOLICIT, ND_ROUTER_ADVERT, ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT};
	static const uint8_t mld[] = {MLD_LISTENER_QUERY, MLD_LISTENER_REPORT, MLD_LISTENER_REDUCTION, MLD2_REPORT};
	static const uint8_t link_local[16] = {0xfe, 0x80}, bits[16] = {0xff, 0xc0}; /* fe80::/10 */

	/* Before anything that asks conntrack: errors about a flow that it does not know are invalid to it. */
	fw_on(b, "input");
	fw_is_one(b, FW_ICMP_TYPE, error4, sizeof(error4));
	fw_accept(b, "icmp_error");
	/* Conntrack calls a redirect that quotes a known flow "related": it has to go before that is accepted. */
	fw_on(b, "input");
	fw_is_number(b, FW_ICMP_TYPE, ICMP_REDIRECT);
	fw_drop(b, "icmp_redirect");
	fw_on(b, "input");
	fw_is_number(b, FW_ICMPV6_TYPE, ND_REDIRECT);
	fw_drop(b, "icmp_redirect");
	fw_on(b, "input");
	fw_is_one(b, FW_ICMPV6_TYPE, error6, sizeof(error6));
	fw_accept(b, "icmpv6_error");
	fw_on(b, "input");
	fw_is_number(b, FW_IP6_HOPLIMIT, 255);
	fw_is_one(b, FW_ICMPV6_TYPE, nd, sizeof(nd));
	fw_accept(b, "neighbour");
	fw_on(b, "input");
	fw_bits(b, FW_IP6_SADDR, bits, link_local, true);
	fw_is_one(b, FW_ICMPV6_TYPE, mld, sizeof(mld));
	fw_accept(b, "multicast");
	fw_on(b, "input");
	/* RFC 3810 5.2.13: a report before there is an address. */
	fw_is(b, FW_IP6_SADDR, &in6addr_any);
	fw_is_number(b, FW_ICMPV6_TYPE, MLD2_REPORT);
	fw_accept(b, "multicast");
}

static void echo(struct fw_build *b, enum fw_field f, uint8_t type)
{
	const struct fw_limits *l = &b->policy->limits;

	fw_on(b, "input");
	fw_is_number(b, f, type);
	if (l->echo)
		fw_limit(b, l->echo, l->echo_burst, false);
	fw_accept(b, "echo");
	if (!l->echo)
		return;
	fw_on(b, "input");
	fw_is_number(b, f, type);
	fw_drop(b, "echo_over");
}

void fw_build_established(struct fw_build *b, const char *chain)
{
	fw_on(b, chain);
	fw_state_is(b, FW_CT_ESTABLISHED | FW_CT_RELATED);
	fw_accept(b, "established");
}

/*
 * Not left to the chain's policy: when a chain is new, the kernel sets a policy of drop after its rules take effect,
 * and accepts until then (nf_tables_commit(), nft_chain_commit_drop_policy()). Without this rule 33 to 94 SYNs to
 * closed ports were answered during 200 replacements.
 */
void fw_build_rest(struct fw_build *b, const char *chain)
{
	fw_on(b, chain);
	fw_drop(b, "dropped");
}

void fw_build_closed(struct fw_build *b)
{
	fw_base_chain(b, "input", NF_INET_LOCAL_IN, FW_PRIORITY, true);
	fw_on(b, "input");
	fw_is(b, FW_IIF, &loopback);
	fw_accept(b, "loopback");
	needed_icmp(b);
	fw_build_established(b, "input");
	fw_build_rest(b, "input");
}

/* Answers to what was never asked: who sends the questions in our name picks servers that answer much. */
static void reflectors(struct fw_build *b)
{
	static const uint16_t known[] = {17,  19,   53,	  69,	111,  123,  137,   161,	  389,	 427,
					 520, 1434, 1900, 3283, 3702, 5353, 10001, 11211, 27015, 37810};
	uint16_t ports[sizeof(known) / sizeof(known[0])];
	size_t n = 0;

	/* Servers of one protocol speak to each other from its port. */
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!fw_ranges_has(&b->policy->public_udp, known[i]))
			ports[n++] = known[i];
	if (n == 0)
		return;
	fw_on(b, "input");
	fw_is_port_of(b, FW_UDP_SPORT, ports, n);
	fw_drop(b, "amplification");
}

void fw_build_input(struct fw_build *b)
{
	fw_base_chain(b, "input", NF_INET_LOCAL_IN, FW_PRIORITY, !b->policy->monitor);
	fw_on(b, "input");
	fw_is(b, FW_IIF, &loopback);
	fw_accept(b, "loopback");
	fw_on(b, "input");
	fw_is_number(b, FW_L4PROTO, IPPROTO_TCP);
	fw_goto(b, "in_tcp");
	needed_icmp(b);
	/* Before established: the second echo of a series belongs to a known flow, and would escape the limit. */
	echo(b, FW_ICMP_TYPE, ICMP_ECHO);
	echo(b, FW_ICMPV6_TYPE, ICMP6_ECHO_REQUEST);
	fw_build_established(b, "input");
	fw_on(b, "input");
	fw_state_is(b, FW_CT_INVALID);
	fw_drop(b, "invalid");
	reflectors(b);
	fw_on(b, "input");
	fw_in(b, FW_UDP_DPORT, "public_udp");
	fw_accept(b, "public_udp");
	fw_build_rest(b, "input");
	fw_build_tcp(b);
}

/* Per second. */
enum { REFUSALS = 50 };

static void resets(struct fw_build *b)
{
	fw_on(b, "output");
	fw_flags(b, TH_RST, TH_RST);
	fw_in(b, FW_TCP_SPORT, "public_tcp");
	fw_goto(b, "reset_out");
	fw_chain(b, "reset_out");
	fw_on(b, "reset_out");
	fw_is_number(b, FW_SOCKET_WILDCARD, 0);
	fw_accept(b, NULL);
	/* One to a stale client is untracked, one of a limit is related. */
	fw_on(b, "reset_out");
	fw_state_is(b, FW_CT_ESTABLISHED | FW_CT_RELATED | FW_CT_UNTRACKED);
	fw_accept(b, NULL);
	/*
	 * With ACK it answers a SYN (RFC 9293, 3.10.7.1): the port is public and its service is down, which a client
	 * may know at once. A flood is not answered in full.
	 */
	fw_on(b, "reset_out");
	fw_flags(b, TH_RST | TH_ACK, TH_RST | TH_ACK);
	fw_limit(b, REFUSALS, 2 * REFUSALS, false);
	fw_accept(b, "refused");
	fw_on(b, "reset_out");
	fw_drop(b, "reset_quiet");
}

void fw_build_output(struct fw_build *b)
{
	static const uint8_t ec2[] = {169, 254, 169, 254}, ec2_v6[16] = {0xfd, 0, 0x0e, 0xc2, [14] = 0x02, 0x54};
	static const uint8_t smtp[] = {0, 25};
	const struct fw_egress *e = &b->policy->egress;

	fw_base_chain(b, "output", NF_INET_LOCAL_OUT, FW_PRIORITY, false);
	fw_on(b, "output");
	fw_is(b, FW_OIF, &loopback);
	fw_accept(b, NULL);
	if (fw_has_socket(b->policy))
		resets(b);
	if (e->no_metadata) {
		fw_on(b, "output");
		fw_is(b, FW_IP_DADDR, ec2);
		fw_drop(b, "metadata");
		fw_on(b, "output");
		fw_is(b, FW_IP6_DADDR, ec2_v6);
		fw_drop(b, "metadata");
	}
	if (!e->no_smtp)
		return;
	if (e->uids) {
		fw_on(b, "output");
		fw_is(b, FW_TCP_DPORT, smtp);
		fw_is_one(b, FW_SKUID, e->uid, e->uids);
		fw_accept(b, NULL);
	}
	/* The first packet only: a later one may have lost its user with its socket. */
	fw_on(b, "output");
	fw_flags(b, TH_FIN | TH_SYN | TH_RST | TH_ACK, TH_SYN);
	fw_is(b, FW_TCP_DPORT, smtp);
	fw_drop(b, "smtp_out");
}
