#include "child.h"
#include "boot/jail.h"
#include "logring.h"
#include "reaper.h"
#include "signals.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>

enum {
	BYTES_A_TURN = 4096, /* up to as many lines: a child that floods us gets its turn, not all of them */
	PIPE_BYTES = 65536   /* pipe(7): its capacity, so what a child wrote before it died is within it */
};

static void hand_out(struct child *c, const char *line, size_t len)
{
	if (c->line)
		c->line(c, line, len);
	else
		logring_relay(c->tag, line, len);
}

/* Reads what there is, at most about `most` bytes. A line longer than the buffer comes in pieces. */
static void read_output(struct child *c, size_t most)
{
	for (size_t taken = 0; taken < most;) {
		ssize_t n = read(c->output.fd, c->buf + c->used, sizeof(c->buf) - c->used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0) { /* end of file: nothing more to wait for here */
				int fd = c->output.fd;
				loop_remove(&c->output);
				(void)close(fd);
			}
			return;
		}
		c->used += (size_t)n;
		taken += (size_t)n;
		char *from = c->buf, *nl;
		size_t left = c->used;
		while ((nl = memchr(from, '\n', left))) {
			hand_out(c, from, (size_t)(nl - from));
			left -= (size_t)(nl - from) + 1;
			from = nl + 1;
		}
		if (left == sizeof(c->buf)) {
			hand_out(c, from, left);
			left = 0;
		}
		memmove(c->buf, from, left);
		c->used = left;
	}
}

static void output_ready(struct loop_watch *w, uint32_t ev)
{
	(void)ev;
	read_output(w->arg, BYTES_A_TURN);
}

static void died(void *arg, pid_t pid, int status)
{
	struct child *c = arg;

	(void)pid;
	if (c->output.fd >= 0)
		read_output(c, PIPE_BYTES);
	if (c->used)
		hand_out(c, c->buf, c->used);
	c->used = 0;
	if (c->output.fd >= 0) {
		int fd = c->output.fd;
		loop_remove(&c->output);
		(void)close(fd);
	}
	c->pid = 0;
	c->ended(c, status);
}

/* keep[i] becomes 3 + i. Out of each other's way first: one of them may have a number that another one shall get. */
static void place(const int *keep, size_t n)
{
	int high[CHILD_KEEP_MAX];

	for (size_t i = 0; i < n; i++)
		high[i] = fcntl(keep[i], F_DUPFD, 3 + CHILD_KEEP_MAX);
	for (size_t i = 0; i < n; i++)
		(void)dup2(high[i], 3 + (int)i);
	(void)close_range(3 + (unsigned)n, ~0U, 0);
}

static void become_child(int out, const int *keep, size_t n)
{
	signals_reset_in_child();
	log_set_sink(NULL);
	(void)setsid();
	int null = open("/dev/null", O_RDWR);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(out, STDOUT_FILENO);
	(void)dup2(out, STDERR_FILENO);
	place(keep, n);
}

static int run(struct child *c, int (*body)(void *arg), void *arg, const int *keep, size_t kept)
{
	int p[2];

	c->output.fd = -1;
	c->used = 0;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int out = p[1];
	_cleanup_close_ int in = p[0];
	if (fcntl(in, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		become_child(out, keep, kept);
		_exit(body(arg));
	}
	c->pid = pid;
	int r = reaper_watch(pid, died, c);
	if (r < 0) { /* 64 children at once: cannot be, but then nobody would hear of this one's end */
		(void)kill(pid, SIGKILL);
		c->pid = 0;
		return r;
	}
	c->output.ready = output_ready;
	c->output.arg = c;
	if (loop_add(&c->output, in, EPOLLIN) == 0)
		(void)steal_fd(&in);
	return 0;
}

int child_run(struct child *c, int (*body)(void *arg), void *arg, int keep)
{
	return run(c, body, arg, &keep, keep >= 0 ? 1 : 0);
}

struct program {
	const char *path, *name;
};

static int exec_program(void *arg)
{
	const struct program *p = arg;
	char *const argv[] = {(char *)(uintptr_t)p->name, NULL}, *const env[] = {NULL};

	(void)execve(p->path, argv, env);
	log_error(p->name, "%s: %s", p->path, strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

int child_exec(struct child *c, const char *path, const char *name, const int *keep, size_t n)
{
	struct program p = {path, name};

	return run(c, exec_program, &p, keep, n);
}

static int exec_jail(void *arg)
{
	const char *const *argv = arg;
	int r = jail_enter();

	if (r < 0) {
		log_error("jail", "cannot enter: %s", strerror(-r));
		return 126;
	}
	(void)execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)jail_env(NULL));
	log_error("jail", "%s: %s", argv[0], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

int child_exec_jail(struct child *c, const char *const argv[])
{
	return child_run(c, exec_jail, (void *)(uintptr_t)argv, -1);
}

void child_kill(struct child *c, int sig)
{
	if (c->pid <= 0)
		return;
	/* It calls setsid() first thing; until then the group does not exist. */
	if (kill(-c->pid, sig) < 0)
		(void)kill(c->pid, sig);
}
