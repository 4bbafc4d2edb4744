/* One question to PID 1 over the control socket (init/control.h). */
#pragma once

#include "../control.h"

/* From each packet of the answer: its code and payload. Non-zero ends the conversation and is returned. */
typedef int client_frame(void *arg, int code, const char *bytes, size_t len);

struct client_call {
	enum control_op op;
	const char *arg[CONTROL_ARGS_MAX];
	size_t args;
	int timeout_ms; /* for the whole conversation; of a `follow` call only to reach PID 1 */
	bool follow;	/* packets come until somebody ends it: PID 1, or who reads our stdout */
	client_frame *frame;
	void *frame_arg;
};

/*
 * 0, what frame() returned, or -errno: -ENOENT and -ECONNREFUSED (no PID 1 of ours), -EACCES (not root), -ETIMEDOUT,
 * -ECONNRESET (it closed without an answer), -EPROTO (not our protocol), -EPROTONOSUPPORT (another version of it).
 */
int client_call(const struct client_call *call);

/* Returns when PID 1 has closed the socket (0), or -ETIMEDOUT. */
int client_wait_gone(int timeout_ms);

const char *client_socket(void); /* CONTROL_SOCKET, or ZCTL_SOCKET of the environment (tests) */

/* One line on stderr, and the exit code that goes with it. */
int client_complain(int err);
