#include "control_long.h"
#include "bans_list.h"
#include "child.h"
#include "view.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	JOBS = 4,		 /* each reads as much as there is */
	PATIENCE_MS = 30 * 1000, /* with a client that does not read */
	PACKET_MAX = 48 * 1024,	 /* well below CONTROL_REPLY_MAX, and below the usual send buffer */
	BAN_JSON_MAX = 128	 /* of one ban */
};

struct job {
	struct child child;
	void (*ended)(void *arg, bool answered);
	void *arg;
};

static struct job jobs[JOBS];

/* --- in the child ---------------------------------------------------------------------------------------------- */

enum { CLIENT_FD = 3 };

struct reply {
	size_t used;
	char text[PACKET_MAX];
};

/* The socket is PID 1's, which never waits, so it does not block here either. */
static int send_packet(int code, unsigned flags, const char *text, size_t len)
{
	struct control_reply head = {.magic = CONTROL_MAGIC,
				     .version = CONTROL_VERSION,
				     .flags = (uint16_t)flags,
				     .code = code,
				     .len = (uint32_t)len};
	struct iovec iov[2] = {{&head, sizeof(head)}, {(void *)(uintptr_t)text, len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	while (sendmsg(CLIENT_FD, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		struct pollfd p = {.fd = CLIENT_FD, .events = POLLOUT};

		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (errno == EAGAIN && poll(&p, 1, PATIENCE_MS) == 0)
			return -ETIMEDOUT;
	}
	return 0;
}

static int send_error(int code, const struct fw_error *err)
{
	char text[256];
	json_t *o = json_pack("{s:i, s:o}", "schema", VIEW_SCHEMA, "error",
			      view_text(fw_error_text(err, text, sizeof(text))));
	_cleanup_free_ char *said = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return send_packet(code, 0, said ? said : "", said ? strlen(said) : 0);
}

static int flush_reply(struct reply *r)
{
	int done = r->used ? send_packet(0, CONTROL_MORE, r->text, r->used) : 0;

	r->used = 0;
	return done;
}

static void put_ban(struct reply *r, const struct fw_ban *ban, bool first)
{
	char who[FW_PREFIX_STRLEN], left[24] = "null";
	int n;

	/* Rounded up: what is still banned has not 0 seconds left. */
	if (ban->left_ms)
		(void)snprintf(left, sizeof(left), "%llu", ((unsigned long long)ban->left_ms + 999) / 1000);
	n = snprintf(r->text + r->used, sizeof(r->text) - r->used, "%s{\"address\":\"%s\",\"seconds_left\":%s}",
		     first ? "" : ",", fw_prefix_format(&ban->who, who, sizeof(who)), left);
	r->used += n > 0 ? (size_t)n : 0;
}

static int answer_bans(struct reply *r)
{
	struct bans_list list;
	struct fw_error err = {0};
	int done = bans_list_read(&list, &err);

	if (done < 0)
		return send_error(done, &err);
	r->used = (size_t)snprintf(r->text, sizeof(r->text), "{\"schema\":%d,\"complete\":%s,\"bans\":[", VIEW_SCHEMA,
				   list.changing ? "false" : "true");
	for (size_t i = 0; i < list.n && done == 0; i++) {
		put_ban(r, &list.v[i], i == 0);
		if (sizeof(r->text) - r->used < BAN_JSON_MAX)
			done = flush_reply(r);
	}
	free(list.v);
	if (done == 0)
		done = flush_reply(r);
	return done == 0 ? send_packet(0, 0, "]}", 2) : done;
}

static int answer_rules(void)
{
	_cleanup_free_ char *text = NULL;
	struct fw_error err = {0};
	int done = fw_rules_text(&text, &err);

	if (done < 0)
		return send_error(done, &err);
	size_t len = strlen(text), at = 0;
	for (; len - at > PACKET_MAX && done == 0; at += PACKET_MAX)
		done = send_packet(0, CONTROL_MORE, text + at, PACKET_MAX);
	return done == 0 ? send_packet(0, 0, text + at, len - at) : done;
}

static int body(void *arg)
{
	static struct reply reply; /* large */
	const enum control_op *op = arg;

	return (*op == CONTROL_BANS ? answer_bans(&reply) : answer_rules()) < 0;
}

/* --- in PID 1 -------------------------------------------------------------------------------------------------- */

static void child_ended(struct child *c, int status)
{
	struct job *j = c->arg;
	void (*told)(void *arg, bool answered) = j->ended;

	j->ended = NULL;
	if (told)
		told(j->arg, status == 0);
}

int control_long_start(enum control_op op, int fd, void (*ended)(void *arg, bool answered), void *arg)
{
	for (size_t i = 0; i < JOBS; i++) {
		struct job *j = &jobs[i];

		if (j->child.pid)
			continue;
		*j = (struct job){.child = {.tag = "zctl", .ended = child_ended, .arg = j, .output = {.fd = -1}},
				  .ended = ended,
				  .arg = arg};
		return child_run(&j->child, body, &op, fd);
	}
	return -EBUSY;
}

void control_long_forget(const void *arg)
{
	for (size_t i = 0; i < JOBS; i++) {
		if (!jobs[i].child.pid || jobs[i].arg != arg)
			continue;
		jobs[i].ended = NULL;
		child_kill(&jobs[i].child, SIGKILL);
	}
}
