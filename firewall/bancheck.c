/* Who can be banned. Pure. */
#include "bans.h"
#include "interval.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* The shortest prefixes that somebody can mean. */
enum { SHORTEST4 = 8, SHORTEST6 = 16 };

static const struct {
	struct fw_prefix what;
	const char *name;
} reserved[] = {
	{{AF_INET, 8, {127}}, "loopback"},
	{{AF_INET, 8, {0}}, "unspecified"},
	{{AF_INET, 4, {224}}, "multicast"},
	{{AF_INET, 32, {255, 255, 255, 255}}, "broadcast"},
	{{AF_INET6, 127, {0}}, "unspecified or loopback"},
	{{AF_INET6, 8, {0xff}}, "multicast"},
	{{AF_INET6, 96, {[10] = 0xff, [11] = 0xff}}, "IPv4 in IPv6, which never arrives"},
};

static bool overlap(const struct fw_prefix *a, const struct fw_prefix *b)
{
	struct fw_interval x, y;

	if (a->family != b->family)
		return false;
	x = fw_interval_of_prefix(a);
	y = fw_interval_of_prefix(b);
	return memcmp(x.first, y.last, FW_KEY_MAX) <= 0 && memcmp(y.first, x.last, FW_KEY_MAX) <= 0;
}

static bool is_network(const struct fw_prefix *p)
{
	if (p->family != AF_INET && p->family != AF_INET6)
		return false;
	return p->len <= (p->family == AF_INET ? 32 : 128) && fw_prefix_is_network(p);
}

static int say(int err, char *why, size_t size, const char *text, const char *which)
{
	if (why)
		(void)snprintf(why, size, "%s%s", text, which);
	return err;
}

int fw_ban_check(const struct fw_prefix *who, const struct fw_prefixes *never, char *why, size_t size)
{
	char text[FW_PREFIX_STRLEN];

	if (!is_network(who))
		return say(-EINVAL, why, size, "not a network", "");
	if (who->len < (who->family == AF_INET ? SHORTEST4 : SHORTEST6))
		return say(-EINVAL, why, size, "so large that it must be a mistake", "");
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (overlap(who, &reserved[i].what))
			return say(-EINVAL, why, size, reserved[i].name, "");
	for (size_t i = 0; never && i < never->n; i++)
		if (overlap(who, &never->v[i]))
			return say(-EACCES, why, size,
				   "never to be banned: ", fw_prefix_format(&never->v[i], text, sizeof(text)));
	return 0;
}
