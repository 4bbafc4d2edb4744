/*
 * The packet filter: one nftables table of our own, `inet zimbra`, always replaced as a whole in one transaction.
 * Other tables are neither read nor written.
 *
 * Needs CAP_NET_ADMIN in the network namespace, also for reading (nfnetlink asks for it with every message), and
 * Linux 5.10 (table userdata, with which a transaction recognises its own work). Opens a fresh socket per call,
 * keeps nothing between calls, logs nothing, waits for at most one second for an answer. New rules are in force some
 * 0.2 ms after the call began; the kernel frees the old ones while the socket is closed, which takes an RCU grace
 * period (13 ms on an idle machine).
 * Functions return 0 or -errno; on failure outputs are untouched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The admin console and its proxied twin: never opened by a public list, only for policy.admin_from. */
#define FW_ADMIN_PORTS                                                                                                 \
	{                                                                                                              \
		7071, 9071                                                                                             \
	}

enum {
	FW_ADMIN_COUNT = 2,
	FW_RANGES_MAX = 128, /* separate ranges in a list of ports */
	FW_PREFIXES_MAX = 256,
	FW_COUNTERS_MAX = 32,
	FW_PREFIX_STRLEN = 50 /* longest "xxxx:…/nnn" with its '\0' */
};

/* Both ends included; first <= last, never 0. */
struct fw_range {
	uint16_t first, last;
};

/* Sorted, neither overlapping nor adjacent. Cutting an admin port out of a range can make two of it. */
struct fw_ranges {
	size_t n;
	struct fw_range v[FW_RANGES_MAX + FW_ADMIN_COUNT];
};

struct fw_prefix {
	uint8_t family;	  /* AF_INET, AF_INET6 */
	uint8_t len;	  /* bits */
	uint8_t addr[16]; /* network byte order, IPv4 in the first four, all bits after len zero */
};

struct fw_prefixes {
	size_t n;
	struct fw_prefix v[FW_PREFIXES_MAX];
};

struct fw_policy {
	struct fw_ranges public_tcp, public_udp;
	struct fw_prefixes admin_from; /* who may start a connection to FW_ADMIN_PORTS; overlaps are fine */
	bool admin_public;	       /* everybody may: the user said so in so many words */
};

struct fw_error {
	int err;	  /* -errno, as returned; 0: nothing failed */
	char what[64];	  /* the step: "rule icmp_error", "set public_tcp", "socket" */
	char detail[160]; /* what the kernel said of it, or what it means; may be empty */
};

enum fw_mode {
	FW_ABSENT,  /* no table of that name: nothing is filtered */
	FW_CLOSED,  /* as fw_close leaves it */
	FW_OPEN,    /* as fw_open leaves it */
	FW_ALTERED, /* a table of that name that is not as we write it (other release, other hands): install again */
};

struct fw_counter {
	char name[32];
	uint64_t packets, bytes;
};

struct fw_state {
	enum fw_mode mode;
	uint32_t owner;	     /* netlink port id of the socket that owns the table (Linux 5.12), 0: nobody */
	uint32_t generation; /* of all rules in the namespace: differs = somebody changed something */
	struct fw_policy policy;
	size_t counters;
	struct fw_counter counter[FW_COUNTERS_MAX]; /* in the order of the rules' definition */
	bool truncated;				    /* there was more (ranges, prefixes, counters) than fits */
};

/* --- table.c, read.c: err may be NULL --- */

/*
 * Default drop for what comes in: only loopback, needed ICMP and ICMPv6, and answers to what was started here.
 * -EPERM: no CAP_NET_ADMIN, or the table belongs to somebody's socket (err->detail says which).
 */
int fw_close(struct fw_error *err);

/*
 * The same, and the public lists, echo (5/s, burst 10, per family), and the admin ports for their sources.
 * Admin ports in public_tcp are cut out here as well. -EINVAL: the policy breaks its own contract.
 */
int fw_open(const struct fw_policy *policy, struct fw_error *err);

/* Removes our table; 0 also if there is none. For ZIMBRA_FIREWALL=off after a run with it, and for tests. */
int fw_remove(struct fw_error *err);

/* What the kernel has now. -EAGAIN: it changed faster than it could be read, for a second. */
int fw_read(struct fw_state *state, struct fw_error *err);

/* One line for a person: "rule icmp_error: No such file or directory (…)". Returns buf. */
const char *fw_error_text(const struct fw_error *err, char *buf, size_t size);
const char *fw_mode_name(enum fw_mode mode);

/* --- parse.c, ranges.c: pure --- */

/*
 * "192.0.2.0/24", "2001:db8::/32", or a bare address (/32, /128). Nothing around it, no zone, no IPv4-mapped IPv6.
 * Host bits that are set are -EINVAL, not masked: "10.1.2.3/8" is a slip that would let in sixteen million.
 */
int fw_prefix_parse(const char *s, size_t n, struct fw_prefix *out);

/* Without "/len" for a single address. buf: FW_PREFIX_STRLEN or more. Returns buf. */
const char *fw_prefix_format(const struct fw_prefix *p, char *buf, size_t size);

/*
 * Comma list of the above, blanks and one comma at its end tolerated, empty = none.
 * -EINVAL, -E2BIG: more than FW_PREFIXES_MAX.
 */
int fw_prefixes_parse(const char *s, size_t n, struct fw_prefixes *out);

/*
 * "25, 80,110,5000-5010" as in FIREWALL_ALLOW_TCP_PORTS_IN; blanks and one comma at its end tolerated, empty = none;
 * sorted and merged.
 * -EINVAL: not a list of ports; -ERANGE: 0, above 65535, or a range that ends before it begins;
 * -E2BIG: more than FW_RANGES_MAX separate ranges at any point of the list.
 */
int fw_ports_parse(const char *s, size_t n, struct fw_ranges *out);

/* Adds one range and keeps the list sorted and merged. -ERANGE, -E2BIG. */
int fw_ranges_add(struct fw_ranges *list, struct fw_range range);

bool fw_ranges_has(const struct fw_ranges *list, uint16_t port);

/* Takes FW_ADMIN_PORTS out, splitting ranges around them. Returns how many were in it and names them in cut[]. */
size_t fw_ranges_cut(struct fw_ranges *list, uint16_t cut[static FW_ADMIN_COUNT]);
