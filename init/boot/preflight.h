/* The looks of preflight.c, split into facts, which need a kernel, and the decision, which does not. */
#pragma once

#include "boot.h"

struct preflight_facts {
	char machine[65]; /* uname(2) */
	unsigned uid;
	uint64_t caps; /* effective and bounding, capabilities(7) numbers as bits */
	bool no_new_privs;
	uint64_t nofile_hard;		  /* UINT64_MAX: unlimited */
	uint64_t machine_mib, cgroup_mib; /* memory; cgroup: UINT64_MAX without a limit */
	bool host_pid_ns, host_net_ns, not_pid1;
	bool root_read_only;
	char lsm[128]; /* /proc/self/attr/current, "" if there is none */
};

struct preflight_want {
	bool firewall;	     /* ZIMBRA_FIREWALL */
	bool allow_not_pid1; /* ZIMBRA_ALLOW_NOT_PID1 */
	uint64_t min_nofile, min_memory_mib;
};

/* Pure. 0, or -1 with every finding: a line in the text, and the same line's remedy in the remedy. */
int preflight_decide(const struct preflight_facts *have, const struct preflight_want *want, struct failure *f);

/* Pure. Takes Uid, CapEff & CapBnd and NoNewPrivs from the text of /proc/self/status; -EPROTO if one is missing. */
int preflight_parse_status(const char *text, struct preflight_facts *out);
