/* For the tests of the control socket: PID 1 around it, bans of paper, and a client in the same process. */
#pragma once

#include "../../init/bans.h"
#include "../../init/bans_list.h"
#include "../../init/boot/jail.h"
#include "../../init/control.h"
#include "../../init/daemon.h"
#include "../../init/logring.h"
#include "../../init/reaper.h"
#include "../../init/server.h"
#include "../../init/signals.h"
#include "../../init/view.h"

#include "support.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* --- PID 1 around it ------------------------------------------------------------------------------------------- */

static struct config cfg;
static const struct daemon_reload *reload;
static unsigned stops;

const struct config *daemon_config(void)
{
	return &cfg;
}

void daemon_stop(const char *who)
{
	(void)who;
	stops++;
}

void daemon_touched(void)
{
}

int daemon_reload(const struct daemon_reload *r)
{
	reload = r;
	return 0;
}

#define VIEW(name)                                                                                                     \
	json_t *name(void)                                                                                             \
	{                                                                                                              \
		return json_pack("{s:s}", "view", #name);                                                              \
	}
VIEW(view_status)
VIEW(view_stages)
VIEW(view_config)
VIEW(view_firewall)

json_t *view_health(const char *level, bool *healthy)
{
	*healthy = strcmp(level, "live") == 0;
	return strcmp(level, "dead") == 0 ? NULL : json_pack("{s:s}", "view", level);
}

json_t *view_text(const char *s)
{
	return s ? json_string(s) : json_null();
}

/* Nothing here goes into the jail; without these, all of the boot would be linked. */
int jail_enter(void)
{
	return -ENOSYS;
}

const char *const *jail_env(const char *term)
{
	(void)term;
	return NULL;
}

/* --- bans of paper, and a kernel with a lot to tell ---------------------------------------------------------- */

enum { MANY_BANS = 20000, MUCH_TEXT = 1000000 };

static char banned[64];
static bool kernel_fails;

int bans_add(const struct fw_ban *ban, char *why, size_t size)
{
	if (ban->who.addr[0] == 10) {
		(void)snprintf(why, size, "10.0.0.1 cannot be banned: 10.0.0.1 is the gateway");
		return -EACCES;
	}
	(void)fw_prefix_format(&ban->who, banned, sizeof(banned));
	return 0;
}

int bans_remove(const struct fw_prefix *who, char *why, size_t size)
{
	(void)who;
	(void)why;
	(void)size;
	banned[0] = '\0';
	return 0;
}

int bans_list_read(struct bans_list *list, struct fw_error *err)
{
	if (kernel_fails) {
		(void)snprintf(err->what, sizeof(err->what), "bans");
		return err->err = -EPERM;
	}
	*list = (struct bans_list){.v = calloc(MANY_BANS, sizeof(*list->v)), .n = MANY_BANS};
	for (size_t i = 0; list->v && i < MANY_BANS; i++)
		list->v[i] = (struct fw_ban){.who = {AF_INET, 32, {10, 1, (uint8_t)(i >> 8), (uint8_t)i}},
					     .left_ms = i ? 1000 * i - 999 : 0};
	return 0;
}

int fw_rules_text(char **text, struct fw_error *err)
{
	(void)err;
	*text = malloc(MUCH_TEXT + 1);
	memset(*text, 'r', MUCH_TEXT);
	(*text)[MUCH_TEXT] = '\0';
	return 0;
}

/* --- a client in the same process ------------------------------------------------------------------------------ */

static inline void quit_now(struct loop_timer *t)
{
	(void)t;
	loop_quit();
}

/* loop_run() ends for good with loop_quit(): each case gets all of its work done in one run, from timers. */
static struct loop_timer end, step_timer;
static void (*steps[8])(void);
static int step;

static inline void next_step(struct loop_timer *t)
{
	if (steps[step]) {
		steps[step++]();
		loop_timer_set(t, 50);
	} else {
		loop_quit();
	}
}

static inline void start(void)
{
	signals_block();
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mkdir("/run/zimbra", 0700), 0);
	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(logring_open(false), 0);
	CHECK_EQ(control_open(), 0);
	step_timer.fire = next_step;
	loop_timer_set(&step_timer, 0);
	end.fire = quit_now;
	loop_timer_set(&end, 20 * 1000);
}

static inline int connect_client(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = CONTROL_SOCKET};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static inline void ask(int fd, enum control_op op, const char *args, size_t len)
{
	struct control_request r = {
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = (uint16_t)op, .len = (uint32_t)len};
	char packet[CONTROL_REQUEST_MAX];

	memcpy(packet, &r, sizeof(r));
	memcpy(packet + sizeof(r), args, len);
	CHECK_EQ(send(fd, packet, sizeof(r) + len, MSG_NOSIGNAL), sizeof(r) + len);
}

static char reply_text[CONTROL_REPLY_MAX];

/* The next packet; false if there is none. */
static inline bool get(int fd, struct control_reply *r)
{
	static char packet[CONTROL_REPLY_MAX];
	ssize_t n = recv(fd, packet, sizeof(packet), 0);

	if (n <= 0)
		return false;
	CHECK(n >= (ssize_t)sizeof(*r));
	memcpy(r, packet, sizeof(*r));
	CHECK_EQ(r->magic, CONTROL_MAGIC);
	CHECK_EQ(r->version, CONTROL_VERSION);
	CHECK_EQ(r->len, (size_t)n - sizeof(*r));
	memcpy(reply_text, packet + sizeof(*r), r->len);
	reply_text[r->len] = '\0';
	return true;
}

static inline bool permitted(void)
{
	return geteuid() == 0;
}

static int fd; /* of the client that a case talks with */
