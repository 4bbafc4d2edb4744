/* The request packet of the control protocol. Pure; fuzzed by tests/fuzz/fuzz_control.c. */
#include "control.h"

#include <stdio.h>
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
	if (r.op < CONTROL_STATUS || r.op >= CONTROL_OPS)
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

static bool seconds(const char *s, uint64_t *ms)
{
	uint64_t n = 0;

	if (strcmp(s, "-") == 0 || strcmp(s, "forever") == 0) {
		*ms = 0;
		return true;
	}
	for (const char *at = s; *at; at++) {
		if (*at < '0' || *at > '9')
			return false;
		n = n * 10 + (uint64_t)(*at - '0');
		if (n > CONTROL_BAN_SECONDS_MAX)
			return false;
	}
	/* 0 would be for good, which nobody says by it. */
	*ms = n * 1000;
	return n > 0;
}

int control_parse_ban(const struct control_args *args, struct fw_ban *out, char *why, size_t size)
{
	size_t most = args->op == CONTROL_BAN ? 2 : 1;
	const char *who = args->n ? args->arg[0] : "";

	*out = (struct fw_ban){.left_ms = args->op == CONTROL_BAN ? UINT64_C(1000) * CONTROL_BAN_SECONDS : 0};
	if (args->n == 0 || args->n > most) {
		(void)snprintf(why, size, "an address or network is needed%s",
			       most == 2 ? ", and then at most a number of seconds" : ", and nothing else");
		return -EINVAL;
	}
	if (fw_prefix_parse(who, strlen(who), &out->who) < 0) {
		(void)snprintf(why, size,
			       "`%.64s' is not an IPv4 or IPv6 address, nor a network (all bits after its prefix zero)",
			       who);
		return -EINVAL;
	}
	if (args->n == 2 && !seconds(args->arg[1], &out->left_ms)) {
		(void)snprintf(why, size, "`%.32s' is not a number of seconds from 1 to %lld (or `-', for good)",
			       args->arg[1], (long long)CONTROL_BAN_SECONDS_MAX);
		return -EINVAL;
	}
	return 0;
}
