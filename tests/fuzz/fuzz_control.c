/* A request packet of the control socket. */
#include "../../init/control.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

/* Who is banned can be written, and is read the same; a refusal has words. */
static void ban(const struct control_args *a)
{
	char why[CONTROL_WHY] = "", text[FW_PREFIX_STRLEN];
	struct fw_prefix again;
	struct fw_ban b;
	int r = control_parse_ban(a, &b, why, sizeof(why));

	MUST(r == 0 || (r == -EINVAL && why[0]));
	if (r < 0)
		return;
	MUST(a->n >= 1 && a->n <= (a->op == CONTROL_BAN ? 2 : 1));
	MUST(b.left_ms % 1000 == 0 && b.left_ms <= CONTROL_BAN_SECONDS_MAX * 1000);
	(void)fw_prefix_format(&b.who, text, sizeof(text));
	MUST(fw_prefix_parse(text, strlen(text), &again) == 0 && memcmp(&again, &b.who, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nothing[1];
	struct control_args a;
	const char *packet = (const char *)(data ? data : nothing);
	int r = control_parse_request(packet, size, &a);

	MUST(r == 0 || r == -EBADMSG || r == -EPROTO || r == -EOPNOTSUPP || r == -E2BIG);
	MUST(a.n <= CONTROL_ARGS_MAX);
	if (r < 0)
		return 0;
	MUST(size >= sizeof(struct control_request) && size <= CONTROL_REQUEST_MAX);
	MUST(a.op >= CONTROL_STATUS && a.op < CONTROL_OPS);
	/* The arguments lie in the packet, one behind the other, without a gap, up to its end. */
	const char *next = packet + sizeof(struct control_request);
	for (size_t i = 0; i < a.n; i++) {
		MUST(a.arg[i] == next);
		next += strlen(next) + 1;
	}
	MUST(next == packet + size);
	if (a.op == CONTROL_BAN || a.op == CONTROL_UNBAN)
		ban(&a);
	return 0;
}
