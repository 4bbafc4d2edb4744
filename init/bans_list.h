/* All bans of the kernel at one moment, for the children that show or save them: 500,000 take it seconds. */
#pragma once

#include "../firewall/bans.h"

struct bans_list {
	struct fw_ban *v; /* sorted: IPv4 first, by address; free() it */
	size_t n, room;
	bool changing; /* they changed all the time: nearly all, as they were at slightly different moments */
};

int bans_list_add(struct bans_list *list, const struct fw_ban *ban); /* -ENOMEM */
void bans_list_sort(struct bans_list *list);

/* Of this network namespace. 0 or -errno with err. */
int bans_list_read(struct bans_list *list, struct fw_error *err);
