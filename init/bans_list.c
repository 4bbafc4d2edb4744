#include "bans_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int bans_list_add(struct bans_list *list, const struct fw_ban *ban)
{
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 256;
		struct fw_ban *more = reallocarray(list->v, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		list->v = more;
		list->room = room;
	}
	list->v[list->n++] = *ban;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct fw_ban *x = a, *y = b;

	if (x->who.family != y->who.family)
		return x->who.family < y->who.family ? -1 : 1;
	int r = memcmp(x->who.addr, y->who.addr, sizeof(x->who.addr));
	return r ? r : x->who.len - y->who.len;
}

void bans_list_sort(struct bans_list *list)
{
	if (list->n)
		qsort(list->v, list->n, sizeof(list->v[0]), compare);
}

static int take(const struct fw_ban *ban, void *data)
{
	struct bans_list *list = data;

	if (ban)
		return bans_list_add(list, ban);
	list->n = 0; /* it begins again */
	return 0;
}

int bans_list_read(struct bans_list *list, struct fw_error *err)
{
	int r;

	*list = (struct bans_list){0};
	r = fw_ban_list(NULL, take, list, err);
	list->changing = r == -EAGAIN;
	if (r < 0 && !list->changing) {
		free(list->v);
		*list = (struct bans_list){0};
		return r;
	}
	bans_list_sort(list);
	return 0;
}
