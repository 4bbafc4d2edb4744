/* A request packet of the control socket. */
#include "../../init/control.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

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
	MUST(a.op >= CONTROL_STATUS && a.op <= CONTROL_PING);
	/* The arguments lie in the packet, one behind the other, without a gap, up to its end. */
	const char *next = packet + sizeof(struct control_request);
	for (size_t i = 0; i < a.n; i++) {
		MUST(a.arg[i] == next);
		next += strlen(next) + 1;
	}
	MUST(next == packet + size);
	return 0;
}
