/* The file of bans: what is accepted is a list of networks with sane times, and is the same after it was written again.
 */
#include "../../firewall/bans.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

enum { NOW = 1795300000, BANS_MAX = 64 };

struct list {
	struct fw_ban v[BANS_MAX];
	size_t n;
};

static int take(const struct fw_ban *ban, void *data)
{
	struct list *to = data;

	MUST(ban->who.family == AF_INET ? ban->who.len <= 32 : ban->who.family == AF_INET6 && ban->who.len <= 128);
	MUST(ban->left_ms <= UINT64_C(3153600000) * 1000);
	if (to->n == BANS_MAX)
		return -E2BIG;
	to->v[to->n++] = *ban;
	return 0;
}

/* Nearly nothing random has the right checksum: here every list of lines gets one. */
static size_t signed_text(const char *text, size_t size, char *out, size_t room)
{
	struct fw_ban_writer w;
	size_t n = fw_bans_write_begin(&w, NOW, out, room);

	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size;
		struct fw_ban ban = {.left_ms = len ? (uint64_t)(uint8_t)text[len - 1] << (len % 50) : 0};

		if (n + 2 * FW_BAN_LINE < room && fw_prefix_parse(text, len, &ban.who) == 0)
			n += fw_bans_write(&w, &ban, out + n, room - n);
		text += len + (end != NULL);
		size -= len + (end != NULL);
	}
	return n + fw_bans_write_end(&w, out + n, room - n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nothing[1];
	static char text[BANS_MAX * FW_BAN_LINE];
	static struct list list, again;
	const char *given = (const char *)(data ? data : nothing);
	int r;

	list.n = again.n = 0;
	r = fw_bans_parse(given, size, NOW, take, &list);
	MUST(r == 0 || r == -EBADMSG || r == -E2BIG);
	MUST(r != -EBADMSG || list.n == 0);

	size = signed_text(given, size, text, sizeof(text));
	list.n = 0;
	r = fw_bans_parse(text, size, NOW, take, &list);
	MUST(r == 0 || r == -E2BIG);
	/* Later there are fewer of them, so perhaps no longer too many for this list. */
	r = fw_bans_parse(text, size, NOW + 1000, take, &again);
	MUST(r == 0 || r == -E2BIG);
	MUST(again.n <= list.n);
	return 0;
}
