/* What is decided with conntrack's help. */
#include "build.h"

#include "internal.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <string.h>

enum { SEEN = 1 /* in the mark of a connection: it was counted against the limits of its source */ };
/* Version 2 listener reports; the header of libc knows only version 1 (RFC 3810 5.2). */
enum { MLD2_REPORT = 143 };
enum {
	ESTABLISHED = NF_CT_STATE_BIT(IP_CT_ESTABLISHED),
	RELATED = NF_CT_STATE_BIT(IP_CT_RELATED),
	NEW = NF_CT_STATE_BIT(IP_CT_NEW)
};

static const uint32_t loopback = 1;
static const enum fw_field saddr[] = {FW_IP_SADDR, FW_IP6_SADDR};

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

static void established(struct fw_build *b, const char *chain)
{
	fw_on(b, chain);
	fw_state_is(b, ESTABLISHED | RELATED);
	fw_accept(b, "established");
}

/*
 * Not left to the chain's policy: when a chain is new, the kernel sets a policy of drop after its rules take effect,
 * and accepts until then (nf_tables_commit(), nft_chain_commit_drop_policy()). Without this rule 33 to 94 SYNs to
 * closed ports were answered during 200 replacements.
 */
static void rest(struct fw_build *b, const char *chain)
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
	established(b, "input");
	rest(b, "input");
}

void fw_build_gate(struct fw_build *b, const char *chain, void (*verdict)(struct fw_build *, const char *))
{
	static const char *const admin[] = {"admin4", "admin6"}, *const open[] = {"open4", "open6"},
				 *const peer[] = {"peer4", "peer6"};

	for (size_t i = 0; i < 2; i++) {
		const enum fw_field door[] = {saddr[i], FW_TCP_DPORT};

		fw_on(b, chain);
		fw_in(b, saddr[i], admin[i]);
		verdict(b, "admin");
		fw_on(b, chain);
		fw_in_joined(b, door, 2, open[i]);
		verdict(b, "door");
		if (!fw_ruleset_set(b->rs, peer[i]))
			continue;
		fw_on(b, chain);
		fw_in(b, saddr[i], peer[i]);
		verdict(b, "peer");
	}
	if (b->policy->admin_public) {
		fw_on(b, chain);
		verdict(b, "admin_public");
	}
}

void fw_build_allowed(struct fw_build *b, const char *chain, void (*verdict)(struct fw_build *, const char *))
{
	static const struct {
		const char *class, *set[2], *ports;
	} from[] = {{"local", {"local4", "local6"}, "local_tcp"}, {"peer", {"peer4", "peer6"}, "peer_tcp"}};
	static const char *const open[] = {"open4", "open6"};

	for (size_t i = 0; i < 2; i++) {
		const enum fw_field door[] = {saddr[i], FW_TCP_DPORT};

		for (size_t k = 0; k < 2; k++) {
			if (!fw_ruleset_set(b->rs, from[k].set[i]))
				continue;
			fw_on(b, chain);
			fw_in(b, FW_TCP_DPORT, from[k].ports);
			fw_in(b, saddr[i], from[k].set[i]);
			verdict(b, from[k].class);
		}
		fw_on(b, chain);
		fw_in_joined(b, door, 2, open[i]);
		verdict(b, "door");
	}
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

/* More of one source than its limits. The set is full: who is not in it shares one limit with all who are not. */
static void rate(struct fw_build *b)
{
	static const char *const sets[] = {"rate4", "rate6"}, *const slow[] = {"slow4", "slow6"};
	const struct fw_limits *l = &b->policy->limits;

	fw_chain(b, "rate_in");
	for (size_t i = 0; i < 2; i++) {
		fw_on(b, "rate_in");
		fw_is_number(b, FW_L4PROTO, IPPROTO_TCP); /* a reset is its */
		fw_meter_rate(b, saddr[i], sets[i], l->rate, l->burst);
		fw_put_source(b, saddr[i], slow[i]);
		fw_reset(b, "rate_over");
		fw_on(b, "rate_in");
		fw_is_number(b, FW_L4PROTO, IPPROTO_TCP); /* a reset is its */
		fw_source_in(b, saddr[i], sets[i], false);
		fw_limit(b, l->rate, l->burst, true);
		fw_reset(b, "set_full");
	}
}

/* The first packet of a connection that conntrack sees: its handshake is complete, its source is not forged. */
static void first(struct fw_build *b)
{
	static const char *const exempt[] = {"exempt4", "exempt6"}, *const sets[] = {"conns4", "conns6"};
	const struct fw_limits *l = &b->policy->limits;

	fw_chain(b, "first");
	fw_chain(b, "counted");
	for (size_t i = 0; i < 2; i++) {
		fw_on(b, "first");
		fw_in(b, saddr[i], exempt[i]);
		fw_goto(b, "counted");
	}
	for (size_t i = 0; i < 2 && fw_has_connections(b->policy); i++) {
		fw_on(b, "first");
		fw_is_number(b, FW_L4PROTO, IPPROTO_TCP); /* a reset is its */
		fw_meter_connections(b, saddr[i], sets[i], l->connections);
		fw_reset(b, "connections_over");
		fw_on(b, "first");
		fw_is_number(b, FW_L4PROTO, IPPROTO_TCP); /* a reset is its */
		fw_source_in(b, saddr[i], sets[i], false);
		fw_limit(b, l->rate ? l->rate : 100, l->burst, true);
		fw_reset(b, "set_full");
	}
	if (fw_has_rate(b->policy)) {
		fw_on(b, "first");
		fw_jump(b, "rate_in");
	}
	fw_on(b, "first");
	fw_goto(b, "counted");
	fw_on(b, "counted");
	fw_set_mark(b, SEEN);
	fw_accept(b, "connections");
}

static void sane(struct fw_build *b, const char *chain)
{
	fw_on(b, chain);
	fw_state_is(b, NF_CT_STATE_INVALID_BIT);
	fw_drop(b, "invalid");
	fw_on(b, chain);
	fw_state_is(b, NEW);
	fw_bits(b, FW_TCP_FLAGS, &(uint8_t){TH_FIN | TH_SYN | TH_RST | TH_ACK}, &(uint8_t){TH_SYN}, false);
	fw_drop(b, "nonsyn");
}

/*
 * Untracked is what belongs to no established connection yet, or to none any more: the stack knows. Invalid is not
 * dropped here: a connection that is closed before anything was said ends with a FIN, and conntrack sees that first.
 */
static void public(struct fw_build *b)
{
	bool rated = fw_has_rate(b->policy);

	fw_chain(b, "public_in");
	fw_on(b, "in_tcp");
	fw_in(b, FW_TCP_DPORT, "public_tcp");
	fw_goto(b, "public_in");
	if (rated || fw_has_connections(b->policy)) {
		/* What was refused here lives on in the server until the client's reset comes through. */
		fw_on(b, "public_in");
		fw_flags(b, TH_RST, TH_RST);
		fw_accept(b, "public_tcp");
		fw_on(b, "public_in");
		fw_state_is(b, ESTABLISHED | RELATED | NEW);
		fw_bits(b, FW_CT_MARK, &(uint32_t){SEEN}, &(uint32_t){0}, true);
		fw_goto(b, "first");
		first(b);
	}
	if (rated) {
		fw_on(b, "public_in");
		fw_state_is(b, NF_CT_STATE_INVALID_BIT);
		fw_flags(b, TH_FIN, TH_FIN);
		fw_jump(b, "rate_in");
		rate(b);
	}
	/* Without knowledge of sockets some of it may be tracked, and conntrack is all there is. */
	if (!fw_has_socket(b->policy))
		sane(b, "public_in");
	fw_on(b, "public_in");
	fw_accept(b, "public_tcp");
}

static void tcp(struct fw_build *b)
{
	fw_chain(b, "in_tcp");
	public(b);
	established(b, "in_tcp");
	sane(b, "in_tcp");
	fw_on(b, "in_tcp");
	fw_is_port_of(b, FW_TCP_DPORT, (const uint16_t[])FW_ADMIN_PORTS, FW_ADMIN_COUNT);
	fw_goto(b, "gate_in");
	fw_build_allowed(b, "in_tcp", fw_accept);
	rest(b, "in_tcp");
	fw_chain(b, "gate_in");
	fw_build_gate(b, "gate_in", fw_accept);
	rest(b, "gate_in");
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
	established(b, "input");
	fw_on(b, "input");
	fw_state_is(b, NF_CT_STATE_INVALID_BIT);
	fw_drop(b, "invalid");
	reflectors(b);
	fw_on(b, "input");
	fw_in(b, FW_UDP_DPORT, "public_udp");
	fw_accept(b, "public_udp");
	rest(b, "input");
	tcp(b);
}

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
	fw_state_is(b, ESTABLISHED | RELATED | NF_CT_STATE_UNTRACKED_BIT);
	fw_accept(b, NULL);
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
