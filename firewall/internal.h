/* What the files of this library share. Not for anybody outside of firewall/ and its tests. */
#pragma once

#include "firewall.h"
#include "interval.h"

#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <sys/types.h>

#define FW_TABLE "zimbra"
#define FW_CHAIN "input"

enum {
	FW_PRIORITY = -5, /* before other agents' filter chains at 0: a drop is final, an accept is not */
	FW_DEADLINE_MS = 1000,
	FW_TXN_MSGS = 96,
	FW_WHAT_MAX = 48,
	FW_BATCH_MAX = 128 * 1024,	     /* below the default net.core.wmem_default, 212992 */
	FW_BATCH_OVERRUN = 64 * 1024 + 4096, /* libnftnl does not check room: a message fits, then we look */
	FW_REPLY_MAX = 32 * 1024	     /* what the kernel fills at most per dump message */
};

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void fw_free(void *p)
{
	free(*(void **)p);
}

/* --- error.c --- */

/* Fills the error (NULL is fine) and returns err, so that a step can `return fw_fail(...)`. err: -errno. */
int fw_fail(struct fw_error *e, int err, const char *what, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* --- nl.c: one netlink socket, one deadline --- */

struct fw_nl {
	struct mnl_socket *sock;
	int64_t deadline; /* CLOCK_MONOTONIC, ms */
	uint32_t seq;	  /* of the next request; starts at random, so that nothing stale can match */
};

/* What a NLMSG_ERROR said. */
struct fw_ack {
	int err;	 /* 0 or -errno */
	uint32_t offset; /* NLMSGERR_ATTR_OFFS: of the attribute that it did not like, from the start of the message; 0
			  */
	char text[96];	 /* NLMSGERR_ATTR_MSG, or "" */
};

int64_t fw_now_ms(void);
int fw_nl_open(struct fw_nl *nl, int64_t deadline, struct fw_error *e);
void fw_nl_close(struct fw_nl *nl);
int fw_nl_send(struct fw_nl *nl, const void *buf, size_t len);
/* Bytes of one datagram of the kernel's, or -errno: -ETIMEDOUT at the deadline, -ENOBUFS if some were lost. */
ssize_t fw_nl_recv(struct fw_nl *nl, void *buf, size_t size);
void fw_nl_ack(const struct nlmsghdr *nlh, struct fw_ack *out);

/*
 * Sends a request (seq and NLM_F_REQUEST are set here), gives every message of the answer to each(), returns at its
 * end. -EINTR: a dump was interrupted by a change and has to be repeated. A negative value of each() ends it too.
 */
typedef int fw_nl_each(const struct nlmsghdr *nlh, void *data);
int fw_nl_ask(struct fw_nl *nl, struct nlmsghdr *request, fw_nl_each *each, void *data);

/* --- mark.c: how a table says which transaction made it --- */

/* Kept in the table's userdata (Linux 5.10). */
struct fw_mark {
	uint64_t tag;	/* of the transaction, random */
	uint8_t mode;	/* enum fw_mode */
	uint32_t rules; /* in the chain */
};

struct nftnl_table;
struct nftnl_udata_buf;
int fw_mark_put(const struct fw_mark *mark, struct nftnl_table *t);
bool fw_mark_get(const struct nftnl_table *t, struct fw_mark *out);

/* GETTABLE for our table into buf. */
struct nlmsghdr *fw_table_question(char *buf, uint32_t seq);

/* --- txn.c: one batch, all or nothing --- */

/* The first failure sticks in err; everything after it is harmless. */
struct fw_txn {
	char *buf;
	size_t len;
	int err;
	uint32_t seq_first;
	unsigned n;    /* messages so far, BATCH_BEGIN included */
	unsigned sets; /* ids given to sets of this batch */
	uint64_t tag;
	bool removes; /* afterwards there shall be no table, instead of one with our tag */
	char what[FW_TXN_MSGS][FW_WHAT_MAX];
};

int fw_txn_begin(struct fw_txn *t);
void fw_txn_fail(struct fw_txn *t, int err);
void fw_txn_free(struct fw_txn *t);
/* Starts a message (never NULL); its payload is built onto it, then fw_txn_add() takes it. what: for errors. */
struct nlmsghdr *fw_txn_msg(struct fw_txn *t, uint16_t type, uint16_t flags, const char *kind, const char *name);
void fw_txn_add(struct fw_txn *t, const struct nlmsghdr *nlh);
int fw_txn_commit(struct fw_txn *t, struct fw_error *e);

/* --- sets.c --- */

enum fw_key { FW_KEY_PORT, FW_KEY_IPV4, FW_KEY_IPV6, FW_KEY_ICMP, FW_KEY_ICMPV6 };

size_t fw_key_width(enum fw_key key);
/* iv: merged. */
void fw_set_intervals(struct fw_txn *t, const char *name, enum fw_key key, const struct fw_interval *iv, size_t n);
/*
 * A constant, nameless set of single values, printed inside of its rule. values: n keys one after the other.
 * Returns its id: rules of this batch find it by that, as its name is the kernel's choice.
 */
uint32_t fw_set_constant(struct fw_txn *t, const char *what, enum fw_key key, const uint8_t *values, size_t n);

/* --- rules.c: one rule, expression by expression --- */

struct nftnl_rule;
struct nftnl_expr;
struct fw_rule {
	struct fw_txn *txn;
	struct nftnl_rule *nlr;
	const char *name;
};

enum fw_verdict { FW_ACCEPT, FW_DROP };

void fw_rule_begin(struct fw_rule *r, struct fw_txn *t, const char *name);
void fw_rule_loopback(struct fw_rule *r);
/* In the inet family a header may only be loaded after these said which header it is. */
void fw_rule_family(struct fw_rule *r, uint8_t nfproto);
void fw_rule_protocol(struct fw_rule *r, uint8_t l4proto);
struct fw_field {
	uint32_t base, offset, len; /* enum nft_payload_bases */
};
void fw_rule_field_is(struct fw_rule *r, struct fw_field f, const void *value);
void fw_rule_field_in_named(struct fw_rule *r, struct fw_field f, const char *set);
void fw_rule_field_in_values(struct fw_rule *r, struct fw_field f, enum fw_key key, const uint8_t *values, size_t n);
void fw_rule_field_masked(struct fw_rule *r, struct fw_field f, const void *mask, const void *value);
void fw_rule_ct_state(struct fw_rule *r, uint32_t any_of);
void fw_rule_limit(struct fw_rule *r, uint64_t per_second, uint32_t burst);
/* Counts into the object of that name and decides; sends the rule. */
void fw_rule_end(struct fw_rule *r, const char *counter, enum fw_verdict verdict);

/* --- ruleset.c: the rules. policy NULL: closed --- */

uint32_t fw_rules_count(const struct fw_policy *policy);
void fw_rules_add_counters(struct fw_txn *t, const struct fw_policy *policy);
void fw_rules_add(struct fw_txn *t, const struct fw_policy *policy);

/* --- policy.c --- */

int fw_policy_add_sets(struct fw_txn *t, const struct fw_policy *policy, struct fw_error *e);

/* --- table.c --- */

void fw_counter_add(struct fw_txn *t, const char *name);
/* Everything that makes the table, in place of the one that is there. */
int fw_table_build(struct fw_txn *t, const struct fw_policy *policy, struct fw_error *e);
