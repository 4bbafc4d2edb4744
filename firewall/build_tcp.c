/* TCP with conntrack's help: public ports and their limits, then everything that is open to some. */
#include "build.h"

#include <netinet/tcp.h>

enum { SEEN = 1 /* in the mark of a connection: it was counted against the limits of its source */ };

static const enum fw_field saddr[] = {FW_IP_SADDR, FW_IP6_SADDR};

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
	fw_state_is(b, FW_CT_INVALID);
	fw_drop(b, "invalid");
	fw_on(b, chain);
	fw_state_is(b, FW_CT_NEW);
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
		fw_state_is(b, FW_CT_ESTABLISHED | FW_CT_RELATED | FW_CT_NEW);
		fw_bits(b, FW_CT_MARK, &(uint32_t){SEEN}, &(uint32_t){0}, true);
		fw_goto(b, "first");
		first(b);
	}
	if (rated) {
		fw_on(b, "public_in");
		fw_state_is(b, FW_CT_INVALID);
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

void fw_build_tcp(struct fw_build *b)
{
	fw_chain(b, "in_tcp");
	public(b);
	fw_build_established(b, "in_tcp");
	sane(b, "in_tcp");
	fw_on(b, "in_tcp");
	fw_is_port_of(b, FW_TCP_DPORT, (const uint16_t[])FW_ADMIN_PORTS, FW_ADMIN_COUNT);
	fw_goto(b, "gate_in");
	fw_build_allowed(b, "in_tcp", fw_accept);
	fw_build_rest(b, "in_tcp");
	fw_chain(b, "gate_in");
	fw_build_gate(b, "gate_in", fw_accept);
	fw_build_rest(b, "gate_in");
}
