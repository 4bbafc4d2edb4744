/*
 * The control socket of PID 1: see control.h. Every request is answered from what PID 1 knows already, or by a child
 * (control_long.h).
 */
#include "control.h"
#include "bans.h"
#include "control_long.h"
#include "daemon.h"
#include "logring.h"
#include "server.h"
#include "view.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { CLIENTS = 16, LOG_CHUNK = 16384 };

struct client {
	struct loop_watch watch;
	bool used;
	bool logging; /* between the first and the last packet of a log */
	bool follow;
	bool lent; /* to a child, which answers */
	uint64_t pos;
};

static struct client clients[CLIENTS];
static struct loop_watch listener = {.fd = -1};
static struct {
	struct client *client; /* NULL: nobody waits any more */
	json_t *changed;
} reload;

static void drop(struct client *c)
{
	int fd = c->watch.fd;

	if (reload.client == c)
		reload.client = NULL;
	if (c->lent)
		control_long_forget(c);
	loop_remove(&c->watch);
	if (fd >= 0)
		(void)close(fd);
	c->used = false;
}

/* One packet; false if the client does not take it now (EAGAIN), or is gone and dropped. */
static bool send_packet(struct client *c, int code, unsigned flags, const char *text, size_t len)
{
	struct control_reply r = {.magic = CONTROL_MAGIC,
				  .version = CONTROL_VERSION,
				  .flags = (uint16_t)flags,
				  .code = code,
				  .len = (uint32_t)len};
	struct iovec iov[2] = {{&r, sizeof(r)}, {(void *)(uintptr_t)text, len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (sendmsg(c->watch.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno == EAGAIN)
		return false;
	drop(c);
	return false;
}

/* One packet, or the client goes: it asks without reading. */
static void reply(struct client *c, int code, const char *text, size_t len)
{
	if (!send_packet(c, code, 0, text, len) && c->used)
		drop(c);
}

static void answer(struct client *c, int code, json_t *json)
{
	_cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(json);
	if (!text)
		reply(c, -ENOMEM, "", 0);
	else if (len + sizeof(struct control_reply) > CONTROL_REPLY_MAX)
		reply(c, -EMSGSIZE, "", 0);
	else
		reply(c, code, text, len);
}

/* --- the log --------------------------------------------------------------------------------------------------- */

static void log_on(struct client *c)
{
	static char chunk[LOG_CHUNK];

	while (c->used && c->logging) {
		uint64_t pos = c->pos, lost;
		size_t n = logring_read(&pos, chunk, sizeof(chunk), &lost);
		if (n == 0) {
			/* The end of the log, unless it is followed; a client that does not take it yet is told later.
			 */
			bool told = c->follow || send_packet(c, 0, 0, "", 0);
			if (!c->used)
				return;
			c->logging = c->follow || !told;
			(void)loop_change(&c->watch, told ? EPOLLIN : EPOLLIN | EPOLLOUT);
			return;
		}
		if (!send_packet(c, 0, CONTROL_MORE, chunk, n)) {
			if (c->used)
				(void)loop_change(&c->watch, EPOLLIN | EPOLLOUT);
			return;
		}
		c->pos = pos;
	}
}

static void line_added(void)
{
	for (size_t i = 0; i < CLIENTS; i++)
		if (clients[i].used && clients[i].logging && clients[i].follow)
			log_on(&clients[i]);
}

static void start_log(struct client *c, const struct control_args *a)
{
	size_t lines = SIZE_MAX;

	for (size_t i = 0; i < a->n; i++) {
		if (strcmp(a->arg[i], "follow") == 0)
			c->follow = true;
		else
			lines = (size_t)strtoul(a->arg[i], NULL, 10);
	}
	c->pos = logring_last(lines);
	c->logging = true;
	log_on(c);
}

/* --- reload ---------------------------------------------------------------------------------------------------- */

static void reload_changed(void *arg, enum config_id id, bool applied)
{
	(void)arg;
	json_array_append_new(reload.changed,
			      json_pack("{s:s, s:b, s:s}", "name", config_name(id), "applied", applied, "note",
					applied ? "applied" : "needs a restart of the container"));
}

static void reload_finished(void *arg, const char *error)
{
	json_t *json = json_pack("{s:i, s:o, s:o}", "schema", VIEW_SCHEMA, "changed", reload.changed, "error",
				 view_text(error));

	(void)arg;
	reload.changed = NULL;
	if (reload.client)
		answer(reload.client, error ? -EINVAL : 0, json);
	else
		json_decref(json);
	reload.client = NULL;
}

static void start_reload(struct client *c)
{
	static const struct daemon_reload told = {reload_changed, reload_finished, NULL};

	if (reload.changed) {
		reply(c, -EBUSY, "", 0);
		return;
	}
	reload.changed = json_array();
	reload.client = c;
	int r = daemon_reload(&told);
	if (r == 0)
		return;
	json_decref(reload.changed);
	reload.changed = NULL;
	reload.client = NULL;
	reply(c, r, "", 0);
}

/* --- bans ------------------------------------------------------------------------------------------------------ */

static void refuse(struct client *c, int code, const char *why)
{
	answer(c, code, json_pack("{s:i, s:o}", "schema", VIEW_SCHEMA, "error", view_text(why)));
}

/* Each is in the log, whoever asked was root: that is the trail of who was shut out, and when. */
static void change_ban(struct client *c, const struct control_args *a)
{
	char why[NEVER_WHY], who[FW_PREFIX_STRLEN];
	struct fw_ban ban;
	int r = control_parse_ban(a, &ban, why, sizeof(why));

	if (r == 0)
		r = a->op == CONTROL_BAN ? bans_add(&ban, why, sizeof(why)) : bans_remove(&ban.who, why, sizeof(why));
	if (r < 0) {
		log_warn("firewall", "zctl %s: %s", a->op == CONTROL_BAN ? "ban" : "unban", why);
		refuse(c, r, why);
		return;
	}
	(void)fw_prefix_format(&ban.who, who, sizeof(who));
	json_int_t seconds = (json_int_t)(ban.left_ms / 1000);
	if (a->op == CONTROL_UNBAN)
		log_info("firewall", "zctl unban: %s", who);
	else if (ban.left_ms)
		log_info("firewall", "zctl ban: %s for %lld s", who, (long long)seconds);
	else
		log_info("firewall", "zctl ban: %s for good", who);
	json_t *o = json_pack("{s:i, s:s}", "schema", VIEW_SCHEMA, "address", who);
	if (a->op == CONTROL_BAN)
		json_object_set_new(o, "seconds_left", ban.left_ms ? json_integer(seconds) : json_null());
	answer(c, 0, o);
}

static void given_back(void *arg, bool answered)
{
	struct client *c = arg;

	c->lent = false;
	if (!answered || loop_change(&c->watch, EPOLLIN) < 0)
		drop(c);
	daemon_touched();
}

static void lend(struct client *c, enum control_op op)
{
	int r = control_long_start(op, c->watch.fd, given_back, c);

	if (r < 0) {
		refuse(c, r, r == -EBUSY ? "too many such questions at once" : strerror(-r));
		return;
	}
	c->lent = true;
	(void)loop_change(&c->watch, 0); /* only its end: what is asked meanwhile is read afterwards */
}

/* --------------------------------------------------------------------------------------------------------------- */

static void serve(struct client *c, const struct control_args *a)
{
	bool healthy;
	json_t *json;

	switch (a->op) {
	case CONTROL_STATUS:
		answer(c, 0, view_status());
		break;
	case CONTROL_STAGES:
		answer(c, 0, view_stages());
		break;
	case CONTROL_CONFIG:
		answer(c, 0, view_config());
		break;
	case CONTROL_FIREWALL:
		answer(c, 0, view_firewall());
		break;
	case CONTROL_HEALTH:
		json = view_health(a->n ? a->arg[0] : "live", &healthy);
		if (json)
			answer(c, healthy ? 0 : 1, json);
		else
			reply(c, -EINVAL, "", 0);
		break;
	case CONTROL_LOG:
		start_log(c, a);
		break;
	case CONTROL_RELOAD:
		start_reload(c);
		break;
	case CONTROL_STOP:
		answer(c, 0,
		       json_pack("{s:i, s:b, s:I}", "schema", VIEW_SCHEMA, "stopping", 1, "timeout",
				 (json_int_t)config_num(daemon_config(), CFG_ZIMBRA_STOP_TIMEOUT)));
		daemon_stop("zctl stop");
		break;
	case CONTROL_BAN:
	case CONTROL_UNBAN:
		change_ban(c, a);
		break;
	case CONTROL_BANS:
	case CONTROL_RULES:
		lend(c, a->op);
		break;
	case CONTROL_PING:
		answer(c, 0,
		       json_pack("{s:i, s:s, s:i}", "schema", VIEW_SCHEMA, "version", VERSION, "pid", (int)getpid()));
		break;
	case CONTROL_OPS:
	default:
		reply(c, -EOPNOTSUPP, "", 0);
		break;
	}
}

static void client_ready(struct loop_watch *w, uint32_t ev)
{
	struct client *c = w->arg;
	char packet[CONTROL_REQUEST_MAX];
	struct control_args args;

	if (c->lent) {
		drop(c); /* EPOLLHUP */
		return;
	}
	if (ev & EPOLLOUT)
		log_on(c);
	if (!c->used || !(ev & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	ssize_t n = recv(w->fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	int r = (size_t)n > sizeof(packet) ? -EMSGSIZE : control_parse_request(packet, (size_t)n, &args);
	if (r < 0)
		reply(c, r, "", 0);
	else
		serve(c, &args);
	daemon_touched();
}

static void accept_ready(struct loop_watch *w, uint32_t ev)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	(void)ev;
	_cleanup_close_ int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	/* The folder lets only root in; this is the second lock on the same door. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid != 0)
		return;
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &clients[i];
		if (c->used)
			continue;
		*c = (struct client){.used = true, .watch = {.fd = -1, .ready = client_ready, .arg = c}};
		if (loop_add(&c->watch, fd, EPOLLIN) == 0)
			(void)steal_fd(&fd);
		else
			c->used = false;
		return;
	}
}

int control_open(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = CONTROL_SOCKET};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)unlink(CONTROL_SOCKET); /* of an earlier start of the same container */
	mode_t mask = umask(0177);
	int r = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	(void)umask(mask);
	if (r < 0 || listen(fd, CLIENTS) < 0)
		return -errno;
	logring_on_line(line_added);
	listener.ready = accept_ready;
	r = loop_add(&listener, fd, EPOLLIN);
	if (r == 0)
		(void)steal_fd(&fd);
	return r;
}

void control_close(void)
{
	int fd = listener.fd;

	for (size_t i = 0; i < CLIENTS; i++)
		if (clients[i].used)
			drop(&clients[i]);
	loop_remove(&listener);
	if (fd >= 0)
		(void)close(fd);
}
