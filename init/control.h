/*
 * The control protocol between zctl and PID 1: a SOCK_SEQPACKET unix socket at CONTROL_SOCKET, for uid 0 only
 * (SO_PEERCRED; the folder is 0700 and outside /data). One packet is one message; unix(7).
 *
 * Request: struct control_request, then `len` bytes of arguments, each ended by '\0'.
 * Reply: one or more packets of struct control_reply, then `len` bytes. flags CONTROL_MORE: another one follows.
 * The payload is a JSON text (README, "JSON"), of CONTROL_LOG plain lines, of CONTROL_RULES the rules in nft's
 * language. A text may be cut anywhere between two packets.
 */
#pragma once

#include "../firewall/bans.h"
#include "util.h"

#define CONTROL_SOCKET "/run/zimbra/control"

enum {
	CONTROL_MAGIC = 0x7a63746c, /* "zctl" */
	CONTROL_VERSION = 1,
	CONTROL_REQUEST_MAX = 1024, /* bytes of one request packet */
	CONTROL_REPLY_MAX = 65536,  /* bytes of one reply packet */
	CONTROL_ARGS_MAX = 8
};

enum control_op {
	CONTROL_STATUS = 1,
	CONTROL_STAGES,
	CONTROL_CONFIG,
	CONTROL_FIREWALL,
	CONTROL_LOG,	/* args: "follow" or nothing, then optionally a number of last lines */
	CONTROL_HEALTH, /* args: "live", "ready" or "startup" */
	CONTROL_RELOAD,
	CONTROL_STOP,
	CONTROL_PING,  /* version of the server */
	CONTROL_BAN,   /* args: address or network, then optionally seconds, or "-" for good */
	CONTROL_UNBAN, /* args: address or network */
	CONTROL_BANS,
	CONTROL_RULES,
	CONTROL_OPS /* one more than the last */
};

enum { CONTROL_MORE = 1 };

struct control_request {
	uint32_t magic;
	uint16_t version;
	uint16_t op;
	uint32_t len;
};

struct control_reply {
	uint32_t magic;
	uint16_t version;
	uint16_t flags;
	int32_t code; /* 0, or -errno; of CONTROL_HEALTH: 0 healthy, 1 not */
	uint32_t len;
};

/* Pure. Checks a request packet as it came; 0 and the arguments (pointers into the packet), or -errno. */
struct control_args {
	enum control_op op;
	size_t n;
	const char *arg[CONTROL_ARGS_MAX];
};
int control_parse_request(const void *packet, size_t len, struct control_args *out);

#define CONTROL_BAN_SECONDS_MAX UINT64_C(3153600000) /* a hundred years */
enum { CONTROL_BAN_SECONDS = 3600, CONTROL_WHY = 192 };

/*
 * Pure. The arguments of CONTROL_BAN and CONTROL_UNBAN (which has no time: left_ms is 0). -EINVAL, and why
 * (CONTROL_WHY bytes) names what is wrong; it repeats what was asked, control characters and all.
 */
int control_parse_ban(const struct control_args *args, struct fw_ban *out, char *why, size_t size);
