/*
 * The words in which build_*.c say rules. A rule begins with fw_on(), gets what it asks for, and ends with what is
 * done. What has to be known before a header may be looked at (family, protocol) is asked for without being said. The
 * first failure sticks in err; everything after it is harmless.
 */
#pragma once

#include "rule.h"

#include <linux/netfilter/nf_conntrack_common.h>

/* States of conntrack. */
enum {
	FW_CT_INVALID = NF_CT_STATE_INVALID_BIT,
	FW_CT_ESTABLISHED = NF_CT_STATE_BIT(IP_CT_ESTABLISHED),
	FW_CT_RELATED = NF_CT_STATE_BIT(IP_CT_RELATED),
	FW_CT_NEW = NF_CT_STATE_BIT(IP_CT_NEW),
	FW_CT_UNTRACKED = NF_CT_STATE_UNTRACKED_BIT
};

/* policy NULL: closed. */
struct fw_build {
	struct fw_ruleset *rs;
	const struct fw_policy *policy;
	struct fw_rule *rule; /* the one that is being said */
	int err;
	/* What is said after a failure. */
	struct fw_rule no_rule;
	struct fw_stmt no_stmt;
	struct fw_set no_set;
};

void fw_base_chain(struct fw_build *b, const char *name, uint32_t hook, int32_t priority, bool drops);
void fw_chain(struct fw_build *b, const char *name);
struct fw_set *fw_set(struct fw_build *b, const char *name, enum fw_key key, uint32_t flags);
void fw_on(struct fw_build *b, const char *chain);

/* len bytes at value, as they stand in a packet (or, of what is no packet's, in the host's order). */
void fw_is(struct fw_build *b, enum fw_field f, const void *value);
void fw_is_number(struct fw_build *b, enum fw_field f, uint32_t value);
void fw_is_one(struct fw_build *b, enum fw_field f, const void *values, size_t n);
void fw_is_port_of(struct fw_build *b, enum fw_field f, const uint16_t *ports, size_t n);
void fw_is_none(struct fw_build *b, enum fw_field f, const void *values, size_t n);
/* The bits of mask are value, or are not. */
void fw_bits(struct fw_build *b, enum fw_field f, const void *mask, const void *value, bool is);
void fw_flags(struct fw_build *b, uint8_t mask, uint8_t value); /* of TCP */
void fw_state_is(struct fw_build *b, uint32_t any_of);		/* of conntrack */
void fw_in(struct fw_build *b, enum fw_field f, const char *set);
/* The source address, IPv6 by its /64, which belongs to one customer. */
void fw_source_in(struct fw_build *b, enum fw_field saddr, const char *set, bool is);
/* Several fields as one key. */
void fw_in_joined(struct fw_build *b, const enum fw_field *f, size_t n, const char *set);
void fw_limit(struct fw_build *b, uint32_t rate, uint32_t burst, bool over);
void fw_put(struct fw_build *b, const enum fw_field *f, size_t n, const char *set);
void fw_meter_rate(struct fw_build *b, enum fw_field saddr, const char *set, uint32_t rate, uint32_t burst);
void fw_meter_connections(struct fw_build *b, enum fw_field saddr, const char *set, uint32_t over);
void fw_put_source(struct fw_build *b, enum fw_field saddr, const char *set);

void fw_notrack(struct fw_build *b); /* nothing where the kernel cannot */
void fw_set_mark(struct fw_build *b, uint32_t bits);
void fw_count(struct fw_build *b, const char *class);
/* The ends of a rule. class NULL: not counted. */
void fw_accept(struct fw_build *b, const char *class);
void fw_drop(struct fw_build *b, const char *class);
void fw_reset(struct fw_build *b, const char *class);
void fw_return(struct fw_build *b);
void fw_jump(struct fw_build *b, const char *chain);
void fw_goto(struct fw_build *b, const char *chain);

/* build_early.c, build_raw.c, build_input.c, build_tcp.c: the chains */
void fw_build_early(struct fw_build *b);
void fw_build_port_zero(struct fw_build *b, const char *chain, enum fw_field f);
void fw_build_bans(struct fw_build *b);
void fw_build_spoof(struct fw_build *b);
void fw_build_raw(struct fw_build *b);
void fw_build_answers(struct fw_build *b);
void fw_build_closed(struct fw_build *b);
void fw_build_input(struct fw_build *b);
void fw_build_tcp(struct fw_build *b);
void fw_build_established(struct fw_build *b, const char *chain);
void fw_build_rest(struct fw_build *b, const char *chain);
void fw_build_output(struct fw_build *b);
/* What is let in before conntrack and after it: the same sources and ports. Each rule ends with verdict(). */
void fw_build_allowed(struct fw_build *b, const char *chain, void (*verdict)(struct fw_build *, const char *));
void fw_build_gate(struct fw_build *b, const char *chain, void (*verdict)(struct fw_build *, const char *));

/* words.c, for verdicts.c: a statement more; a name as a whole; what a field needs to be known before. */
struct fw_stmt *fw_say(struct fw_build *b, enum fw_stmt_kind kind);
void fw_say_name(struct fw_build *b, char *to, const char *from);
void fw_need(struct fw_build *b, enum fw_field f);

/* policy.c: the sets that a policy is. -EINVAL: it breaks its contract. */
int fw_policy_sets(struct fw_build *b, struct fw_error *e);
/* The features that public ports are left untracked and limited with. */
bool fw_has_socket(const struct fw_policy *p);
bool fw_has_limits(const struct fw_policy *p);
bool fw_has_rate(const struct fw_policy *p);
bool fw_has_connections(const struct fw_policy *p);
