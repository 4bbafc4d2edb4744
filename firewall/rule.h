/*
 * Rules as data. build.c makes a rule set from a policy, encode.c writes it to the kernel, decode.c reads the kernel's
 * back, verify.c compares the two, render.c prints either as nft would. Not for anybody outside of firewall/ and its
 * tests.
 */
#pragma once

#include "interval.h"

/* The libc's before the kernel's, which then leave out what both define. */
#include <netinet/in.h>
#include <stdio.h>

enum {
	FW_NAME_MAX = 32, /* chains, sets and counters, with '\0' */
	FW_STMTS_MAX = 12,
	FW_RULES_MAX = 192,
	FW_CHAINS_MAX = 64,
	FW_SETS_MAX = 48,
	FW_VALUES_MAX = 48, /* bytes of all values of a comparison */
	FW_CONCAT_MAX = 3
};

/* What can be asked of a packet. The table that says how: field.c. */
enum fw_field {
	FW_IIF,
	FW_OIF,
	FW_NFPROTO,
	FW_L4PROTO,
	FW_SKUID,
	FW_IP_SADDR,
	FW_IP_DADDR,
	FW_IP_FRAG,
	FW_IP6_SADDR,
	FW_IP6_DADDR,
	FW_IP6_HOPLIMIT,
	FW_ICMP_TYPE,
	FW_ICMPV6_TYPE,
	FW_TCP_SPORT,
	FW_TCP_DPORT,
	FW_TCP_FLAGS,
	FW_UDP_SPORT,
	FW_UDP_DPORT,
	FW_RT_TYPE,
	FW_FRAG,
	FW_CT_STATE,
	FW_CT_MARK,
	FW_SOCKET_WILDCARD,
	FW_SOCKET_TRANSPARENT,
	FW_FIB_TYPE,	/* of the source address */
	FW_FIB_OIF,	/* is there a route back to it */
	FW_FIB_IIF_OIF, /* by the way it came */
	FW_FIELDS
};

enum fw_source { FW_FROM_META, FW_FROM_PAYLOAD, FW_FROM_EXTHDR, FW_FROM_CT, FW_FROM_SOCKET, FW_FROM_FIB };

/* How values are printed. The kernel's order of bytes is the packet's, but for what it made itself. */
enum fw_look {
	FW_LOOK_INTERFACE,
	FW_LOOK_FAMILY,
	FW_LOOK_PROTOCOL,
	FW_LOOK_HOST32, /* a number in the host's order */
	FW_LOOK_NUMBER, /* in the packet's */
	FW_LOOK_IPV4,
	FW_LOOK_IPV6,
	FW_LOOK_PORT,
	FW_LOOK_ICMP,
	FW_LOOK_ICMPV6,
	FW_LOOK_FLAGS,
	FW_LOOK_STATE,
	FW_LOOK_ROUTE,
	FW_LOOK_EXISTS
};

struct fw_field_info {
	const char *name; /* nft's */
	enum fw_source source;
	uint32_t key, offset, flags; /* meaning depends on source */
	uint8_t len;
	enum fw_look look;
	int family, protocol; /* has to be known before it may be asked for; -1: nothing */
};
extern const struct fw_field_info fw_fields[FW_FIELDS];

enum fw_key { FW_KEY_NONE, FW_KEY_PORT, FW_KEY_IPV4, FW_KEY_IPV6, FW_KEYS };
/* The number by which nft knows the type: nothing to the kernel. */
uint32_t fw_key_type(const enum fw_key *keys);
/* Bytes of a key, each part padded to four if there is more than one. */
size_t fw_key_width(const enum fw_key *keys);
const char *fw_key_name(enum fw_key key);

enum fw_stmt_kind {
	FW_MATCH, /* field [& mask] is value, is one of values, or is in the set `name`; invert: is not */
	FW_LIMIT, /* invert: over */
	FW_COUNT, /* into the counter `name` */
	FW_METER, /* the field into the set `name`, with a limit or a number of connections over which it goes on */
	FW_NOTRACK,
	FW_SET_MARK, /* of the connection: bits of mark */
	FW_LOG,
	FW_REJECT, /* with a TCP reset */
	FW_ACCEPT,
	FW_DROP,
	FW_RETURN,
	FW_JUMP,
	FW_GOTO,
	FW_UNKNOWN /* only read: an expression that none of our rules has; `name` is the kernel's name of it */
};

/* Without holes and zero where unused: statements are compared as memory. */
struct fw_stmt {
	uint32_t rate, burst; /* packets per second; of a meter: 0, if it counts connections */
	uint32_t connections; /* of a meter: more than these */
	uint32_t mark;
	uint16_t group;
	uint8_t kind;			 /* enum fw_stmt_kind */
	uint8_t invert, masked, refresh; /* refresh: a meter's element lives on (update) */
	uint8_t fields, field[FW_CONCAT_MAX];
	uint8_t count, len; /* of values: 1 is compared, more are a nameless set, sorted; 0 is the set `name` */
	uint8_t mask[FW_KEY_MAX];
	uint8_t value[FW_VALUES_MAX];
	char name[FW_NAME_MAX];
};
_Static_assert(sizeof(struct fw_stmt) == 4 * 4 + 2 + 10 + FW_KEY_MAX + FW_VALUES_MAX + FW_NAME_MAX, "no holes");

struct fw_rule {
	char chain[FW_NAME_MAX], class[FW_NAME_MAX]; /* class: of the counter; not read back */
	size_t n;
	struct fw_stmt stmt[FW_STMTS_MAX];
	bool too_long; /* only read: there was more */
};

struct fw_chain {
	char name[FW_NAME_MAX];
	bool base;
	uint32_t hook;
	int32_t priority;
	uint32_t policy;
	char type[16];
};

struct fw_set {
	char name[FW_NAME_MAX];
	enum fw_key key[FW_CONCAT_MAX + 1]; /* ended by FW_KEY_NONE */
	uint32_t flags, size;
	uint32_t timeout; /* seconds */
	bool state;	  /* filled by packets, doors and bans: survives an update, is not compared */
	uint32_t width;	  /* only read: of a key */
	bool known_used;
	uint32_t used;
	struct fw_interval *iv; /* elements; ours: free() */
	size_t n;
};

struct fw_object {
	char name[FW_NAME_MAX];
	uint64_t packets, bytes;
};

struct fw_ruleset {
	size_t chains, sets, counters, rules;
	struct fw_chain chain[FW_CHAINS_MAX];
	struct fw_set set[FW_SETS_MAX];
	struct fw_object counter[FW_COUNTERS_MAX];
	struct fw_rule rule[FW_RULES_MAX];
};

/* The order in which the kernel keeps a set is not ours. */
void fw_sort_values(struct fw_stmt *s);

struct fw_ruleset *fw_ruleset_new(void);
void fw_ruleset_free(struct fw_ruleset **rs);
const struct fw_chain *fw_ruleset_chain(const struct fw_ruleset *rs, const char *name);
struct fw_set *fw_ruleset_set(struct fw_ruleset *rs, const char *name);

/* --- build.c, policy.c; pure --- */

/* policy NULL: closed. *out only on success. -EINVAL: the policy breaks its contract; -ENOMEM, -E2BIG. */
int fw_build(const struct fw_policy *policy, struct fw_ruleset **out, struct fw_error *e);

/* --- render.c; pure --- */

/* values.c */
void fw_render_value(FILE *f, enum fw_field field, const uint8_t *v, bool mask);
void fw_render_interval(FILE *f, enum fw_key key, const struct fw_interval *iv);

/* NULL: no memory. */
char *fw_render(const struct fw_ruleset *rs);
/* One rule without its chain, for messages. Returns buf. */
const char *fw_render_rule(const struct fw_rule *rule, char *buf, size_t size);

/* --- verify.c; pure --- */

/* Elements of state sets and values of counters aside. False: why says the first difference in a line. */
bool fw_same(const struct fw_ruleset *meant, const struct fw_ruleset *found, char *why, size_t size);
/* The definitions, not the elements. */
bool fw_set_same(const struct fw_set *meant, const struct fw_set *found);
/* Of the elements of all sets that are not state: the order of the sets does not matter. */
uint64_t fw_ruleset_digest(const struct fw_ruleset *rs);
