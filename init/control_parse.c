/* The request packet of the control protocol. Pure; fuzzed by tests/fuzz/fuzz_control.c. */
#include "control.h"

#include <string.h>

int control_parse_request(const void *packet, size_t len, struct control_args *out)
{
	struct control_request r;
	const char *text = (const char *)packet + sizeof(r);

	memset(out, 0, sizeof(*out));
	if (len < sizeof(r) || len > CONTROL_REQUEST_MAX)
		return -EBADMSG;
	memcpy(&r, packet, sizeof(r));
	if (r.magic != CONTROL_MAGIC)
		return -EBADMSG;
	if (r.version != CONTROL_VERSION)
		return -EPROTO;
	if (r.len != len - sizeof(r))
		return -EBADMSG;
	if (r.op < CONTROL_STATUS || r.op > CONTROL_PING)
		return -EOPNOTSUPP;
	out->op = (enum control_op)r.op;
	for (size_t at = 0; at < r.len;) {
		const char *end = memchr(text + at, '\0', r.len - at);
		if (!end)
			return -EBADMSG;
		if (out->n == CONTROL_ARGS_MAX)
			return -E2BIG;
		out->arg[out->n++] = text + at;
		at = (size_t)(end - text) + 1;
	}
	return 0;
}
