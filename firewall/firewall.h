/*
 * The packet filter: one nftables table of our own, `inet zimbra`, each change of it one transaction.
 * Other tables are neither read nor written.
 *
 * Needs CAP_NET_ADMIN in the network namespace, also for reading (nfnetlink asks for it with every message), and
 * Linux 5.10. Keeps nothing between calls but what is in a session (session.h; NULL: a fresh socket for each call),
 * logs nothing, waits for at most one second for an answer. New rules are in force some 0.2 ms after the call began;
 * the kernel frees the old ones while a socket is closed, which takes an RCU grace period (13 ms on an idle machine).
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
	FW_COUNTERS_MAX = 64,
	FW_FILLS_MAX = 16,
	FW_UIDS_MAX = 8,
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

/* What this kernel and this namespace can do; fw_policy_init() leaves all out, which every kernel takes. */
struct fw_features {
	bool socket;	      /* the expression "socket", and no address translation that hides sockets from it */
	bool socket_wildcard; /* Linux 5.11; without it "socket" is of no use here */
	bool fib;
	bool dynset_expr; /* a limit per element of a set */
	bool connlimit;
	bool notrack;
	bool log;
	bool exthdr;
	bool tcp_loose; /* nf_conntrack_tcp_loose=1: connections are picked up in the middle */
};

/* 0: no limit. */
struct fw_limits {
	uint32_t rate, burst; /* new connections of one source (IPv6: of one /64) per second, and at once */
	uint32_t connections; /* of one source at the same time */
	uint32_t handshakes;  /* ends of handshakes per second, of all sources: each may cost a SYN cookie's check */
	uint32_t echo, echo_burst; /* per second and family */
	uint32_t fragments;	   /* per second and family */
};

enum fw_reverse_path {
	FW_REVERSE_OFF,
	FW_REVERSE_LOOSE, /* a source has to have a route back */
	FW_REVERSE_STRICT /* through the interface that it came from */
};

/* What may go out; all false: everything. */
struct fw_egress {
	bool no_metadata; /* the cloud's metadata services */
	bool no_smtp;	  /* port 25 only for these users */
	uint32_t uids, uid[FW_UIDS_MAX];
};

struct fw_log {
	uint32_t rate;	/* packets per second and class; 0: none */
	uint16_t group; /* NFLOG */
};

/* Lists of networks may overlap. */
struct fw_policy {
	struct fw_ranges public_tcp, public_udp;
	struct fw_prefixes admin_from; /* who may start a connection to FW_ADMIN_PORTS */
	bool admin_public;	       /* everybody may: the user said so in so many words */
	bool monitor;		       /* count and log what would be dropped, and let it pass */
	struct fw_prefixes local_from; /* the services of a local network (ports.h) */
	struct fw_prefixes peers;      /* the other servers of this Zimbra */
	struct fw_prefixes trusted;    /* no limits per source, never banned */
	struct fw_prefixes never_ban;
	struct fw_prefixes exempt; /* gateway or node, behind which all clients may be: as trusted */
	enum fw_reverse_path reverse_path;
	struct fw_limits limits;
	struct fw_egress egress;
	struct fw_log log;
	struct fw_features features;
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
	FW_MONITOR, /* as fw_open leaves it with policy.monitor */
};

struct fw_counter {
	char name[32];
	uint64_t packets, bytes;
};

/* How full a set is that packets or bans fill. */
struct fw_fill {
	char name[32];
	uint32_t size;
	uint32_t used; /* UINT32_MAX: a kernel that does not say (before 6.17), and too many to count */
};

struct fw_state {
	enum fw_mode mode;
	char reason[96];     /* what is not as it was written, if FW_ALTERED */
	uint32_t owner;	     /* netlink port id of the socket that owns the table (Linux 5.12), 0: nobody */
	uint32_t generation; /* of all rules in the namespace: differs = somebody changed something */
	/* From the table. trusted is part of exempt, and both are part of never_ban. */
	struct fw_policy policy;
	size_t counters;
	struct fw_counter counter[FW_COUNTERS_MAX]; /* in the order of the rules' definition */
	size_t fills;
	struct fw_fill fill[FW_FILLS_MAX];
	bool truncated; /* there was more (ranges, prefixes, counters) than fits */
};

/* --- table.c, read.c: session and err may be NULL --- */

struct fw_session;

/*
 * Default drop for what comes in: only loopback, needed ICMP and ICMPv6, and answers to what was started here.
 * -EPERM: no CAP_NET_ADMIN, or the table belongs to somebody's socket (err->detail says which).
 */
int fw_close(struct fw_session *session, struct fw_error *err);

/* Limits and checks as they should be on a mail server behind offices; no port, no source, no feature. */
void fw_policy_init(struct fw_policy *policy);

/*
 * The full set of rules. Admin ports in public_tcp are cut out here as well. A table of this release is changed where
 * it stands: bans, open doors, meters and counters survive; any other is replaced as a whole. Then it is read back and
 * compared. -EINVAL: the policy breaks its own contract. -EUCLEAN: in force, but not what
 * was meant, or it could not be read back (err says which); of fw_close() too.
 */
int fw_open(struct fw_session *session, const struct fw_policy *policy, struct fw_error *err);

/* Removes our table; 0 also if there is none. For ZIMBRA_FIREWALL=off after a run with it, and for tests. */
int fw_remove(struct fw_session *session, struct fw_error *err);

/* What the kernel has now. -EAGAIN: it changed faster than it could be read, for a second. */
int fw_read(struct fw_state *state, struct fw_error *err);

/* Our table as the kernel has it, in nft's language ("" if there is none). *text: free() it. -EAGAIN as above. */
int fw_rules_text(char **text, struct fw_error *err);

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
