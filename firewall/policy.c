/* From a policy to sets. A policy is checked here again: it may not have come from our parsers. */
#include "internal.h"

#include <errno.h>
#include <sys/socket.h>

static const uint16_t admin_ports[FW_ADMIN_COUNT] = FW_ADMIN_PORTS;

enum { INTERVALS_MAX = FW_RANGES_MAX + 2 * FW_ADMIN_COUNT };

/* The range without the admin ports: they stay shut whatever a list says, also if nobody cut it before. */
static size_t without_admin(struct fw_range r, struct fw_interval *iv)
{
	uint32_t from = r.first;
	size_t n = 0;

	for (size_t i = 0; i < FW_ADMIN_COUNT; i++) {
		uint16_t port = admin_ports[i];

		if (port < from || port > r.last)
			continue;
		if (port > from)
			iv[n++] = fw_interval_of_range((struct fw_range){(uint16_t)from, (uint16_t)(port - 1)});
		from = port + 1u;
	}
	if (from <= r.last)
		iv[n++] = fw_interval_of_range((struct fw_range){(uint16_t)from, r.last});
	return n;
}

static bool is_valid(const struct fw_ranges *list)
{
	if (list->n > sizeof(list->v) / sizeof(list->v[0]))
		return false;
	for (size_t i = 0; i < list->n; i++) {
		const struct fw_range *r = &list->v[i];

		if (r->first == 0 || r->last < r->first || (i > 0 && r->first <= r[-1].last + 1))
			return false;
	}
	return true;
}

static bool port_set(struct fw_txn *t, const char *name, const struct fw_ranges *list, bool cut)
{
	struct fw_interval iv[INTERVALS_MAX];
	size_t n = 0;

	if (!is_valid(list))
		return false;
	for (size_t i = 0; i < list->n; i++) {
		if (cut)
			n += without_admin(list->v[i], &iv[n]);
		else
			iv[n++] = fw_interval_of_range(list->v[i]);
	}
	fw_set_intervals(t, name, FW_KEY_PORT, iv, n);
	return true;
}

static bool is_network(const struct fw_prefix *p)
{
	if (p->family != AF_INET && p->family != AF_INET6)
		return false;
	return p->len <= (p->family == AF_INET ? 32 : 128) && fw_prefix_is_network(p);
}

static bool prefix_set(struct fw_txn *t, const char *name, uint8_t family, const struct fw_prefixes *list)
{
	enum fw_key key = family == AF_INET ? FW_KEY_IPV4 : FW_KEY_IPV6;
	struct fw_interval iv[FW_PREFIXES_MAX];
	size_t n = 0;

	if (list->n > FW_PREFIXES_MAX)
		return false;
	for (size_t i = 0; i < list->n; i++) {
		const struct fw_prefix *p = &list->v[i];

		if (!is_network(p))
			return false;
		if (p->family == family)
			iv[n++] = fw_interval_of_prefix(p);
	}
	fw_set_intervals(t, name, key, iv, fw_intervals_merge(iv, n, fw_key_width(key)));
	return true;
}

int fw_policy_add_sets(struct fw_txn *t, const struct fw_policy *policy, struct fw_error *e)
{
	if (!port_set(t, "public_tcp", &policy->public_tcp, true))
		return fw_fail(e, -EINVAL, "set public_tcp", "public_tcp is not a sorted list of ranges");
	if (!port_set(t, "public_udp", &policy->public_udp, false))
		return fw_fail(e, -EINVAL, "set public_udp", "public_udp is not a sorted list of ranges");
	if (!prefix_set(t, "admin4", AF_INET, &policy->admin_from) ||
	    !prefix_set(t, "admin6", AF_INET6, &policy->admin_from))
		return fw_fail(e, -EINVAL, "sets admin4, admin6", "admin_from is not a list of networks");
	return 0;
}
