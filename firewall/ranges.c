#include "firewall.h"

#include <errno.h>
#include <string.h>

static const uint16_t admin_ports[FW_ADMIN_COUNT] = FW_ADMIN_PORTS;

int fw_ranges_add(struct fw_ranges *list, struct fw_range range)
{
	size_t at = 0, end;

	if (range.first == 0 || range.last < range.first)
		return -ERANGE;
	/* Adjacent ones melt as well: the list is then the shortest there is, and reading it back gives the same. */
	while (at < list->n && list->v[at].last + 1 < range.first)
		at++;
	for (end = at; end < list->n && list->v[end].first <= range.last + 1; end++) {
		if (list->v[end].first < range.first)
			range.first = list->v[end].first;
		if (list->v[end].last > range.last)
			range.last = list->v[end].last;
	}
	if (end == at && list->n >= FW_RANGES_MAX)
		return -E2BIG;
	memmove(&list->v[at + 1], &list->v[end], (list->n - end) * sizeof(list->v[0]));
	list->v[at] = range;
	list->n = list->n - (end - at) + 1;
	return 0;
}

bool fw_ranges_has(const struct fw_ranges *list, uint16_t port)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].first <= port && port <= list->v[i].last)
			return true;
	return false;
}

/*
 * Each cut makes at most one range more: that is what the room beyond FW_RANGES_MAX is for. Without room (a list that
 * fw_ranges_add did not make) the part behind the port is lost: too much shut, never too much open.
 */
static bool cut_port(struct fw_ranges *list, uint16_t port)
{
	for (size_t i = 0; i < list->n; i++) {
		struct fw_range *r = &list->v[i];
		size_t after = list->n - i - 1;

		if (port < r->first || r->last < port)
			continue;
		if (r->first == port && r->last == port) {
			memmove(r, r + 1, after * sizeof(*r));
			list->n--;
		} else if (r->first == port) {
			r->first++;
		} else if (r->last == port) {
			r->last--;
		} else {
			struct fw_range behind = {.first = (uint16_t)(port + 1), .last = r->last};

			r->last = (uint16_t)(port - 1);
			if (list->n == sizeof(list->v) / sizeof(list->v[0]))
				return true;
			memmove(r + 2, r + 1, after * sizeof(*r));
			r[1] = behind;
			list->n++;
		}
		return true;
	}
	return false;
}

size_t fw_ranges_cut(struct fw_ranges *list, uint16_t cut[static FW_ADMIN_COUNT])
{
	size_t n = 0;

	for (size_t i = 0; i < FW_ADMIN_COUNT; i++)
		if (cut_port(list, admin_ports[i]))
			cut[n++] = admin_ports[i];
	return n;
}
