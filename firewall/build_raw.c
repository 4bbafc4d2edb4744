/* What is decided before conntrack sees a packet, and whether it sees it. */
#include "build.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/tcp.h>

enum { PRIORITY_RAW = -300 };
enum { FLAGS = TH_FIN | TH_SYN | TH_RST | TH_PUSH | TH_ACK | TH_URG };
enum { STALE_PER_SECOND = 50, RESETS_PER_SECOND = 1000 };

static const uint32_t loopback = 1;
static const enum fw_field saddr[] = {FW_IP_SADDR, FW_IP6_SADDR}, daddr[] = {FW_IP_DADDR, FW_IP6_DADDR};

static void checked(struct fw_build *b, const char *class)
{
	(void)class;
	fw_goto(b, "checked");
}

/* The first packet of a connection. What nobody would answer ends here: before conntrack that costs half. */
static void syn(struct fw_build *b)
{
	static const char *const slow[] = {"slow4", "slow6"};

	fw_chain(b, "syn");
	fw_chain(b, "syn_public");
	fw_chain(b, "gate");
	fw_chain(b, "checked");
	fw_on(b, "syn");
	fw_in(b, FW_TCP_DPORT, "public_tcp");
	fw_goto(b, "syn_public");
	fw_on(b, "syn");
	fw_is_port_of(b, FW_TCP_DPORT, (const uint16_t[])FW_ADMIN_PORTS, FW_ADMIN_COUNT);
	fw_goto(b, "gate");
	fw_build_allowed(b, "syn", checked);
	fw_on(b, "syn");
	fw_drop(b, "closed");
	fw_build_gate(b, "gate", checked);
	fw_on(b, "gate");
	fw_drop(b, "gated");
	fw_on(b, "checked");
	fw_jump(b, "spoof");
	fw_on(b, "checked");
	fw_accept(b, NULL);
	fw_on(b, "syn_public");
	fw_jump(b, "spoof");
	for (size_t i = 0; i < 2 && fw_ruleset_set(b->rs, slow[i]); i++) {
		fw_on(b, "syn_public");
		fw_source_in(b, saddr[i], slow[i], true);
		fw_drop(b, "source_slow");
	}
	fw_on(b, "syn_public");
	fw_notrack(b);
	fw_accept(b, NULL);
}

/* A segment for a port on which only a listener waits: the end of a handshake that a SYN cookie stands for, or nothing.
 */
static void listener(struct fw_build *b)
{
	static const char *const stale[] = {"stale4", "stale6"};
	const uint32_t rate = b->policy->limits.handshakes;

	fw_chain(b, "listener");
	fw_on(b, "listener");
	fw_bits(b, FW_TCP_FLAGS, &(uint8_t){TH_FIN | TH_SYN | TH_RST | TH_ACK}, &(uint8_t){TH_ACK}, false);
	fw_drop(b, "no_socket");
	/* With data it may be a client of before our restart, that waits for a reset: a few may get one. */
	for (size_t i = 0; i < 2; i++) {
		const enum fw_field key[] = {saddr[i], FW_TCP_SPORT, FW_TCP_DPORT};

		fw_on(b, "listener");
		fw_is_number(b, FW_NFPROTO, i ? NFPROTO_IPV6 : NFPROTO_IPV4); /* before the limit counts it */
		fw_flags(b, TH_PUSH, TH_PUSH);
		fw_limit(b, STALE_PER_SECOND, 0, false);
		fw_put(b, key, 3, stale[i]);
	}
	fw_on(b, "listener");
	if (rate)
		fw_limit(b, rate, 0, false);
	fw_notrack(b);
	fw_accept(b, "handshake");
	if (rate) {
		fw_on(b, "listener");
		fw_drop(b, "ack_over");
	}
	/* Reached only if nothing was dropped. */
	if (b->policy->monitor) {
		fw_on(b, "listener");
		fw_notrack(b);
		fw_accept(b, NULL);
	}
}

/* TCP that begins nothing. Without a socket for it there is no answer but a reset, which nobody shall get. */
static void tcp(struct fw_build *b)
{
	fw_on(b, "raw_tcp");
	fw_in(b, FW_TCP_DPORT, "public_tcp");
	if (!fw_has_socket(b->policy)) {
		fw_notrack(b);
		fw_accept(b, NULL);
		return;
	}
	fw_goto(b, "public");
	fw_on(b, "raw_tcp");
	fw_is_number(b, FW_SOCKET_TRANSPARENT, 0);
	fw_accept(b, NULL);
	fw_on(b, "raw_tcp");
	fw_drop(b, "no_socket");

	fw_chain(b, "public");
	/* "wildcard" is asked of whole sockets only: an accepted connection has its address, a listener mostly none. */
	fw_on(b, "public");
	fw_is_number(b, FW_SOCKET_WILDCARD, 0);
	if (!fw_has_limits(b->policy))
		fw_notrack(b);
	fw_accept(b, NULL);
	fw_on(b, "public");
	fw_is_number(b, FW_SOCKET_WILDCARD, 1);
	fw_goto(b, "listener");
	/* A handshake that is not complete, or a connection that is over. */
	fw_on(b, "public");
	fw_is_number(b, FW_SOCKET_TRANSPARENT, 0);
	fw_notrack(b);
	fw_accept(b, NULL);
	fw_on(b, "public");
	fw_drop(b, "no_socket");
	listener(b);
}

void fw_build_raw(struct fw_build *b)
{
	static const uint8_t valid[] = {
		TH_SYN,
		TH_SYN | TH_ACK,
		TH_ACK,
		TH_ACK | TH_PUSH,
		TH_ACK | TH_URG,
		TH_ACK | TH_PUSH | TH_URG,
		TH_ACK | TH_FIN,
		TH_ACK | TH_FIN | TH_PUSH,
		TH_ACK | TH_FIN | TH_URG,
		TH_ACK | TH_FIN | TH_PUSH | TH_URG,
		TH_RST,
		TH_RST | TH_ACK,
		TH_RST | TH_ACK | TH_PUSH,
	};

	fw_base_chain(b, "raw", NF_INET_PRE_ROUTING, PRIORITY_RAW, false);
	fw_chain(b, "raw_tcp");
	fw_on(b, "raw");
	fw_is(b, FW_IIF, &loopback);
	fw_accept(b, NULL);
	fw_on(b, "raw");
	fw_is_none(b, FW_TCP_FLAGS, valid, sizeof(valid));
	b->rule->stmt[b->rule->n - 1].masked = true;
	b->rule->stmt[b->rule->n - 1].mask[0] = FLAGS;
	fw_drop(b, "bogus_flags");
	fw_build_bans(b);
	fw_on(b, "raw");
	fw_is_number(b, FW_L4PROTO, IPPROTO_TCP);
	fw_goto(b, "raw_tcp");
	fw_build_port_zero(b, "raw", FW_UDP_SPORT);
	fw_build_port_zero(b, "raw", FW_UDP_DPORT);
	fw_on(b, "raw");
	fw_jump(b, "spoof");
	fw_on(b, "raw");
	fw_in(b, FW_UDP_DPORT, "public_udp");
	fw_notrack(b);
	fw_accept(b, NULL);
	fw_build_spoof(b);
	fw_build_port_zero(b, "raw_tcp", FW_TCP_SPORT);
	fw_build_port_zero(b, "raw_tcp", FW_TCP_DPORT);
	fw_on(b, "raw_tcp");
	fw_flags(b, TH_FIN | TH_SYN | TH_RST | TH_ACK, TH_SYN);
	fw_goto(b, "syn");
	syn(b);
	tcp(b);
}

/* What public ports send is not tracked until conntrack has seen the connection from outside: see fw_build_raw(). */
void fw_build_answers(struct fw_build *b)
{
	const struct fw_policy *p = b->policy;
	static const char *const stale[] = {"stale4", "stale6"};

	fw_base_chain(b, "rawout", NF_INET_LOCAL_OUT, PRIORITY_RAW, false);
	fw_on(b, "rawout");
	fw_is(b, FW_OIF, &loopback);
	fw_accept(b, NULL);
	if (!p->features.notrack)
		return;
	fw_on(b, "rawout");
	fw_in(b, FW_TCP_SPORT, "public_tcp");
	fw_goto(b, "answer");
	fw_on(b, "rawout");
	fw_in(b, FW_UDP_SPORT, "public_udp");
	fw_notrack(b);
	fw_accept(b, NULL);

	fw_chain(b, "answer");
	fw_chain(b, "answer_flags");
	fw_on(b, "answer");
	fw_bits(b, FW_TCP_FLAGS, &(uint8_t){TH_SYN | TH_RST}, &(uint8_t){0}, false);
	fw_goto(b, "answer_flags");
	if (fw_has_limits(p)) {
		fw_on(b, "answer");
		fw_is_number(b, FW_SOCKET_WILDCARD, 0);
		fw_accept(b, NULL);
	}
	fw_on(b, "answer");
	fw_notrack(b);
	fw_accept(b, NULL);

	fw_on(b, "answer_flags");
	fw_flags(b, TH_SYN, TH_SYN);
	fw_notrack(b);
	fw_accept(b, NULL);
	if (!fw_has_socket(p)) {
		/* Nobody can say which resets belong to a connection: some, for all. */
		fw_on(b, "answer_flags");
		fw_limit(b, RESETS_PER_SECOND, 0, false);
		fw_notrack(b);
		fw_accept(b, NULL);
		fw_on(b, "answer_flags");
		fw_drop(b, "reset_quiet");
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		const enum fw_field key[] = {daddr[i], FW_TCP_DPORT, FW_TCP_SPORT};

		fw_on(b, "answer_flags");
		fw_in_joined(b, key, 3, stale[i]);
		fw_notrack(b);
		fw_accept(b, NULL);
	}
	/* Whether it ends a connection is conntrack's knowledge: fw_build_output(). */
}
