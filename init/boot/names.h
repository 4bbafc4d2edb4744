/* The names of this machine: pure functions from facts to the texts of /etc/hosts and its like. */
#pragma once

#include "../util.h"

enum { NAMES_FQDN = 254, NAMES_ADDRESS = 46, NAMES_ADDRESSES = 16, NAMES_HOSTS_MAX = 65536 };

struct names_facts {
	char fqdn[NAMES_FQDN]; /* lower case, at least one dot, no final one */
	char label[64];	       /* up to the first dot */
	size_t n;
	char address[NAMES_ADDRESSES][NAMES_ADDRESS]; /* ours, IPv4 first; no loopback, no link-local */
};

/* A host name of at least `labels` labels (RFC 1123: letters, digits, hyphens inside; at most 253 bytes). */
bool names_valid(const char *name, size_t labels);

/*
 * Fills fqdn and label: the first that is set of `external` and `ours`, else `kernel` (gethostname) when it has a dot,
 * else what the container's hosts file says about one of our addresses. 0; -ENOENT: nothing has a dot; -EINVAL: the
 * setting that was taken is no host name. addresses must be filled.
 */
int names_choose(struct names_facts *facts, const char *external, const char *ours, const char *kernel,
		 const char *hosts, size_t hosts_len);

/* Adds an address as text; false: not one to use (loopback, link-local, unspecified, unknown, twice, no room). */
bool names_add_address(struct names_facts *facts, const char *address);

/*
 * The jail's /etc/hosts in the layout that Zimbra's installer insists on (util/utilfunc.sh, checkRequired), with the
 * extra entries of the container's own. Bytes, or -ENOSPC. `out` is a string then.
 */
ssize_t names_make_hosts(const struct names_facts *facts, const char *hosts, size_t hosts_len, char *out, size_t size);
