/*
 * What this kernel, in this network namespace, can do. Every expression and kind of set that the rules use is tried: in
 * a batch without an end, which the kernel works off, validates and undoes, so that nobody notices.
 */
#pragma once

#include "session.h"

enum fw_feature {
	FW_HAS_CT, /* conntrack: state, mark */
	FW_HAS_NOTRACK,
	FW_HAS_SOCKET,	  /* the socket of a packet: does it only listen? */
	FW_HAS_FIB,	  /* the route back, and whether an address is ours */
	FW_HAS_EXTENSION, /* IPv6 routing and fragment headers */
	FW_HAS_LIMIT,
	FW_HAS_REJECT,	       /* with a TCP reset */
	FW_HAS_LOG,	       /* to a netlink group */
	FW_HAS_SKUID,	       /* which user sends */
	FW_HAS_SET_TIMEOUT,    /* a hash set with timeouts */
	FW_HAS_NET_TIMEOUT,    /* an interval set with timeouts */
	FW_HAS_CONCATENATION,  /* address and port as one key */
	FW_HAS_SOURCE_RATE,    /* a limit for each source, in a set that packets fill */
	FW_HAS_SOURCE_COUNT,   /* connections of each source */
	FW_HAS_OWNER,	       /* tables with owner and persist (6.9) */
	FW_HAS_ELEMENT_UPDATE, /* adding an element again changes its timeout (6.12) */
	FW_FEATURES
};

struct fw_probe {
	bool has[FW_FEATURES];
	char said[FW_FEATURES][96]; /* of what is missing: what the kernel said */
	char kernel[65];
	int tcp_loose;	   /* nf_conntrack_tcp_loose; -1: not known */
	bool nat;	   /* somebody redirects what comes in: to other ports than it asked for */
	char nat_what[96]; /* "table ip nat, chain PREROUTING" */
	bool host;	   /* the namespace looks like a host's, not a container's */
	char host_why[96];
};

const char *fw_feature_name(enum fw_feature feature);
/* Pure. What of it the rules can use. */
void fw_probe_features(const struct fw_probe *p, struct fw_features *out);

/*
 * 0 also if nearly all is missing; -errno: the questions themselves failed (-EPERM: no CAP_NET_ADMIN). Tells the
 * session what it needs to know of it. FW_HAS_ELEMENT_UPDATE is tried in a table inet zimbra-try that is made and
 * removed, the only thing of this that leaves traces (two generations).
 */
int fw_probe(struct fw_session *s, struct fw_probe *out, struct fw_error *err);

/* Pure: do these network interfaces look like a host's? why says so in words. */
bool fw_is_host(const char *const *names, size_t n, char *why, size_t size);
