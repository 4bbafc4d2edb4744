#include "workers.h"
#include "child.h"
#include "logring.h"
#include "proc.h"
#include "signals.h"

#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	READY_MS = 10 * 1000,
	FIRST_MS = 1000,
	LONGEST_MS = 60 * 1000,
	LASTED_MS = 300 * 1000, /* whoever ran for so long begins with FIRST_MS again */
	A_TURN = 32,		/* messages; then the others get theirs */
	/* Of the worker's end: what can wait here while PID 1 is busy must not look like too many in one second. */
	QUEUE_BYTES = 16384,
	COMMON = 2 /* permits of everybody */
};

enum state { OFF, STARTING, RUNNING, ENDING, WAITING };

struct worker {
	const struct worker_role *role;
	enum state state;
	bool wanted;
	struct child child;
	struct loop_watch socket;
	struct loop_timer timer; /* in STARTING: it is late; in WAITING: the next start */
	int given;		 /* what it reads; -1 before the first start */
	unsigned failures, restarts;
	int64_t started;
	int64_t second; /* the counters are of this one */
	unsigned count[COMMON + WORKER_PERMITS_MAX];
};

static struct worker workers[WORKER_ROLES_MAX];
static bool stopping;

static void start(struct worker *w);
static int take_ready(const void *bytes);
static int take_log(const void *bytes);

/* Whose message is being handled. */
static struct worker *speaker;

/* What every worker may send. */
static const struct worker_permit common[COMMON] = {
	{WORKER_READY, 0, 1, take_ready},
	{WORKER_LOG, sizeof(struct worker_log), 4 * WORKER_LOGS_A_SECOND, take_log},
};

/* --- pure ------------------------------------------------------------------------------------------------------ */

const struct worker_permit *workers_permit(const struct worker_role *role, const void *packet, size_t len, int flags,
					   const char **why)
{
	struct worker_header h;
	const struct worker_permit *p = NULL;

	*why = NULL;
	if (flags & MSG_CTRUNC)
		*why = "a descriptor";
	else if (flags & MSG_TRUNC || len < sizeof(h))
		*why = "a message of a wrong size";
	if (*why)
		return NULL;
	memcpy(&h, packet, sizeof(h));
	if (h.version != WORKER_VERSION) {
		*why = "a message of another version";
		return NULL;
	}
	for (size_t i = 0; i < COMMON && !p; i++)
		if (common[i].type == h.type)
			p = &common[i];
	for (size_t i = 0; i < WORKER_PERMITS_MAX && role->permit[i].size && !p; i++)
		if (role->permit[i].type == h.type)
			p = &role->permit[i];
	if (!p) {
		*why = "a message that it may not send";
		return NULL;
	}
	if (h.length != p->size || len != sizeof(h) + p->size) {
		*why = "a message of a wrong size";
		return NULL;
	}
	return p;
}

int64_t workers_backoff(unsigned *failures, int64_t ran_ms)
{
	int64_t ms = FIRST_MS;

	if (ran_ms >= LASTED_MS)
		*failures = 0;
	for (unsigned i = 0; i < *failures && ms < LONGEST_MS; i++)
		ms *= 2;
	++*failures;
	return ms < LONGEST_MS ? ms : LONGEST_MS;
}

/* --- the end of a worker --------------------------------------------------------------------------------------- */

static void close_socket(struct worker *w)
{
	int fd = w->socket.fd;

	loop_remove(&w->socket);
	if (fd >= 0)
		(void)close(fd);
}

static void end(struct worker *w)
{
	loop_timer_stop(&w->timer);
	close_socket(w);
	w->state = w->child.pid ? ENDING : OFF;
	child_kill(&w->child, SIGKILL);
}

static void condemn(struct worker *w, const char *fmt, ...) PRINTF(2, 3);
static void condemn(struct worker *w, const char *fmt, ...)
{
	char why[160];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_error("worker", "%s is killed: %s", w->role->name, why);
	end(w);
}

static void not_ready(struct loop_timer *t)
{
	condemn(t->arg, "it was not ready after %d s", READY_MS / 1000);
}

static void start_again(struct loop_timer *t)
{
	struct worker *w = t->arg;

	w->restarts++;
	start(w);
}

static void wait_for_next(struct worker *w, int64_t ran_ms, const char *what)
{
	int64_t ms = workers_backoff(&w->failures, ran_ms);

	log_warn("worker", "%s %s; it is started again in %lld s", w->role->name, what, (long long)(ms / 1000));
	w->state = WAITING;
	w->timer.fire = start_again;
	loop_timer_set(&w->timer, ms);
}

/* --- messages -------------------------------------------------------------------------------------------------- */

static int take_ready(const void *bytes)
{
	struct worker *w = speaker;
	struct proc_info info;

	(void)bytes;
	if (w->state != STARTING)
		return -EALREADY;
	/* Its own word is not enough; a worker that forgot to give up root must not run. */
	if (proc_read(w->child.pid, &info) < 0 || info.uid != w->role->uid)
		return -EPERM;
	loop_timer_stop(&w->timer);
	w->state = RUNNING;
	log_info("worker", "%s runs as process %d", w->role->name, (int)w->child.pid);
	return 0;
}

_Static_assert((int)WORKER_ERROR == LOG_LEVEL_ERROR && (int)WORKER_INFO == LOG_LEVEL_INFO, "levels are the log's");

static int take_log(const void *bytes)
{
	const struct worker_log *m = bytes;

	if (m->level >= WORKER_LEVELS || m->length > sizeof(m->text))
		return -EINVAL;
	log_line((enum log_level)m->level, speaker->role->name, "%.*s", (int)m->length, m->text);
	return 0;
}

static bool too_many(struct worker *w, const struct worker_permit *p)
{
	bool shared = p >= common && p < common + COMMON;
	size_t i = shared ? (size_t)(p - common) : COMMON + (size_t)(p - w->role->permit);
	int64_t second = now_ms() / 1000;

	if (w->second != second) {
		w->second = second;
		memset(w->count, 0, sizeof(w->count));
	}
	return ++w->count[i] > p->a_second;
}

/* One message; false: there is none, or the socket is closed. */
static bool take_one(struct worker *w)
{
	_Alignas(8) char packet[WORKER_PACKET_MAX];
	struct iovec iov = {packet, sizeof(packet)};
	/* No room for descriptors: the kernel drops them at the door, and says so with MSG_CTRUNC. */
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	const char *why;

	if (w->socket.fd < 0)
		return false;
	ssize_t n = recvmsg(w->socket.fd, &msg, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) { /* it has closed its end, or dies just now */
		end(w);
		return false;
	}
	const struct worker_permit *p = workers_permit(w->role, packet, (size_t)n, msg.msg_flags, &why);
	if (!p) {
		condemn(w, "it sent %s", why);
		return false;
	}
	if (too_many(w, p)) {
		condemn(w, "it sent more than %u messages of type %u in a second", p->a_second, p->type);
		return false;
	}
	speaker = w;
	int r = p->handle(packet + sizeof(struct worker_header));
	speaker = NULL;
	if (r < 0)
		condemn(w, "its message of type %u cannot be: %s", p->type, strerror(-r));
	return r == 0;
}

static void socket_ready(struct loop_watch *s, uint32_t ev)
{
	struct worker *w = s->arg;

	(void)ev;
	for (int i = 0; i < A_TURN && take_one(w); i++)
		;
}

/* --- start ----------------------------------------------------------------------------------------------------- */

static void ended(struct child *c, int status)
{
	struct worker *w = c->arg;
	char what[64];

	/* Its last words; the queue is small. */
	while (take_one(w))
		;
	end(w);
	if (!w->wanted || stopping)
		return;
	if (status == 128 + SIGSYS)
		(void)snprintf(what, sizeof(what), "was ended by its system call filter");
	else if (status > 128)
		(void)snprintf(what, sizeof(what), "was ended by signal %s", signals_name(status - 128));
	else
		(void)snprintf(what, sizeof(what), "ended with status %d", status);
	wait_for_next(w, now_ms() - w->started, what);
}

static int program_path(const struct worker_role *role, char *path, size_t size)
{
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (role->program[0] == '/')
		return snprintf(path, size, "%s", role->program) < (int)size ? 0 : -ENAMETOOLONG;
	if (n < 0)
		return -errno;
	own[n] = '\0';
	char *slash = strrchr(own, '/');
	if (slash)
		*slash = '\0';
	return snprintf(path, size, "%s/" WORKERS_FOLDER "/%s", own, role->program) < (int)size ? 0 : -ENAMETOOLONG;
}

static int try_start(struct worker *w)
{
	const int queue = QUEUE_BYTES;
	char path[PATH_MAX];
	int pair[2];

	if (w->given < 0 && w->role->open)
		w->given = w->role->open();
	if (w->given < 0 && w->role->open)
		return w->given;
	int r = program_path(w->role, path, sizeof(path));
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_close_ int ours = pair[0];
	_cleanup_close_ int theirs = pair[1];
	const int keep[] = {theirs, w->given};
	if (setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &queue, sizeof(queue)) < 0)
		return -errno;
	r = loop_add(&w->socket, ours, EPOLLIN);
	if (r < 0)
		return r;
	(void)steal_fd(&ours);
	r = child_exec(&w->child, path, w->role->name, keep, w->given < 0 ? 1 : 2);
	if (r < 0)
		close_socket(w);
	return r;
}

static void start(struct worker *w)
{
	char what[96];

	w->started = now_ms();
	int r = try_start(w);
	if (r < 0) {
		(void)snprintf(what, sizeof(what), "cannot be started: %s", strerror(-r));
		wait_for_next(w, 0, what);
		return;
	}
	w->state = STARTING;
	w->timer.fire = not_ready;
	loop_timer_set(&w->timer, READY_MS);
}

static void set_up(struct worker *w, const struct worker_role *role)
{
	w->role = role;
	w->given = -1;
	w->child = (struct child){.tag = role->name, .ended = ended, .arg = w, .output = {.fd = -1}};
	w->socket = (struct loop_watch){.fd = -1, .ready = socket_ready, .arg = w};
	w->timer.arg = w;
}

/* Not the bindings of what it reads: they end here, unlike at a restart. */
static void turn_off(struct worker *w)
{
	w->wanted = false;
	end(w);
	if (w->given >= 0)
		(void)close(steal_fd(&w->given));
}

void workers_update(const struct config *c)
{
	for (size_t i = 0; i < worker_role_count && !stopping; i++) {
		struct worker *w = &workers[i];
		bool wanted = worker_roles[i].wanted(c);
		if (!w->role)
			set_up(w, &worker_roles[i]);
		if (w->wanted && !wanted)
			turn_off(w);
		w->wanted = wanted;
		if (wanted && w->state == OFF)
			start(w);
	}
}

void workers_stop(void)
{
	stopping = true;
	for (size_t i = 0; i < worker_role_count; i++)
		if (workers[i].role)
			turn_off(&workers[i]);
}

bool workers_has(pid_t pid)
{
	for (size_t i = 0; i < worker_role_count; i++)
		if (pid > 0 && workers[i].child.pid == pid)
			return true;
	return false;
}

bool workers_view(size_t i, struct worker_view *out)
{
	static const char *const name[] = {
		[STARTING] = "starting", [RUNNING] = "running", [ENDING] = "stopping", [WAITING] = "waiting"};

	if (i >= worker_role_count)
		return false;
	const struct worker *w = &workers[i];
	*out = (struct worker_view){.name = worker_roles[i].name, .pid = w->child.pid, .restarts = w->restarts};
	if (w->wanted)
		out->state = name[w->state];
	return true;
}
