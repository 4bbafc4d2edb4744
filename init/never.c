#include "never.h"
#include "../firewall/bans.h"
#include "util.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* The one of the list that overlaps with who. */
static const struct fw_prefix *hit(const struct fw_prefix *who, const struct fw_prefixes *list)
{
	static struct fw_prefixes one = {.n = 1}; /* large */

	if (fw_ban_check(who, list, NULL, 0) != -EACCES)
		return NULL;
	for (size_t i = 0; i < list->n; i++) {
		one.v[0] = list->v[i];
		if (fw_ban_check(who, &one, NULL, 0) == -EACCES)
			return &list->v[i];
	}
	return NULL;
}

int never_check(const struct fw_prefix *who, const struct fw_policy *in_force, const struct fw_prefixes *own, char *why,
		size_t size)
{
	const struct {
		const struct fw_prefixes *list;
		const char *is;
	} lists[] = {
		{own, "is an address of this container"},
		{&in_force->exempt, "is the gateway or node, behind which all clients may be (FIREWALL_NODE)"},
		{&in_force->trusted, "is trusted: take it out of FIREWALL_TRUSTED first"},
		{&in_force->never_ban, "is never banned: take it out of FIREWALL_NEVER_BAN first"},
	};
	char text[FW_PREFIX_STRLEN], reason[FW_BAN_WHY];
	int r = fw_ban_check(who, NULL, reason, sizeof(reason));

	if (r < 0) {
		if (why)
			(void)snprintf(why, size, "%s cannot be banned: %s", fw_prefix_format(who, text, sizeof(text)),
				       reason);
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		const struct fw_prefix *p = hit(who, lists[i].list);
		char which[FW_PREFIX_STRLEN];

		if (!p)
			continue;
		if (why)
			(void)snprintf(why, size, "%s cannot be banned: %s %s",
				       fw_prefix_format(who, text, sizeof(text)),
				       fw_prefix_format(p, which, sizeof(which)), lists[i].is);
		return -EACCES;
	}
	return 0;
}

void never_own(struct fw_prefixes *out)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a && out->n < FW_PREFIXES_MAX; a = a->ifa_next) {
		struct fw_prefix p = {0};

		if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET) {
			struct sockaddr_in sin;
			memcpy(&sin, a->ifa_addr, sizeof(sin));
			p = (struct fw_prefix){.family = AF_INET, .len = 32};
			memcpy(p.addr, &sin.sin_addr, sizeof(sin.sin_addr));
		} else if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6) {
			struct sockaddr_in6 sin6;
			memcpy(&sin6, a->ifa_addr, sizeof(sin6));
			p = (struct fw_prefix){.family = AF_INET6, .len = 128};
			memcpy(p.addr, &sin6.sin6_addr, sizeof(sin6.sin6_addr));
		} else {
			continue;
		}
		out->v[out->n++] = p;
	}
	freeifaddrs(all);
}
