#include "run.h"
#include "log.h"
#include "signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum {
	GRACE_MS = 5000, /* between TERM and KILL */
	PARTIAL_MS = 500,
	DRAIN_MAX = 256 * 1024, /* bytes read after the child's death: a grandchild may write for ever */
};

const char *const run_default_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"LANG=C.UTF-8", /* what we read from their output is English */
	"DEBIAN_FRONTEND=noninteractive",
	"DEBCONF_NONINTERACTIVE_SEEN=true",
	NULL,
};

/* Cuts the stream into lines. */
struct splitter {
	const struct run *r;
	size_t len;
	bool told; /* to partial, since the last byte */
	char buf[LOG_LINE_MAX + 1];
};

static void emit(struct splitter *s)
{
	if (s->len > 0 && s->buf[s->len - 1] == '\r')
		s->len--;
	s->buf[s->len] = '\0';
	if (s->r->line)
		s->r->line(s->r->arg, s->buf);
	else if (s->len > 0)
		log_info(s->r->tag, "%s", s->buf);
	s->len = 0;
}

static void split(struct splitter *s, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			emit(s);
		else if (s->len < LOG_LINE_MAX)
			s->buf[s->len++] = bytes[i] ? bytes[i] : '?';
	}
}

/* One read; bytes, 0 at the end of the pipe, -EAGAIN when there is nothing now. */
static ssize_t pump(int fd, struct splitter *s)
{
	char buf[8192];
	ssize_t n;

	do
		n = read(fd, buf, sizeof(buf));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	split(s, buf, (size_t)n);
	s->told = s->told && n == 0;
	return n;
}

/* stdin of the child: a sealed-off copy in memory, so that nobody has to feed a pipe while reading another. */
static int open_input(const char *text)
{
	_cleanup_close_ int fd = -1;
	size_t len;

	if (!text) {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		return fd < 0 ? -errno : steal_fd(&fd);
	}
	fd = memfd_create("stdin", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (len = strlen(text); len > 0;) {
		ssize_t n = write(fd, text, len);
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return steal_fd(&fd);
}

/*
 * *fault is shared with the parent and not a pipe, because before_exec may close every descriptor (jail_enter does).
 */
static _Noreturn void child(const struct run *r, int in, int out, pid_t parent, int *fault)
{
	int err;

	(void)setsid();
	/* Whoever waits for this program died: nobody wants the result, and the next try must not meet it. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(126);
	signals_reset_in_child();
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0 ||
	    close_range(3, ~0U, 0) < 0) {
		*fault = errno;
		_exit(126);
	}
	err = r->before_exec ? r->before_exec() : 0;
	if (err == 0 && chdir(r->cwd ? r->cwd : "/") < 0)
		err = -errno;
	if (err < 0) {
		*fault = -err;
		_exit(126);
	}
	(void)execve(r->argv[0], (char *const *)r->argv, (char *const *)(r->env ? r->env : run_default_env));
	err = errno;
	/* A shell's convention: 127 when there is no such program, 126 when it cannot be run. */
	dprintf(STDERR_FILENO, "%s: %s\n", r->argv[0], strerror(err));
	_exit(err == ENOENT ? 127 : 126);
}

static bool waits_for_rest(const struct splitter *s)
{
	return s->r->partial && s->len > 0 && !s->told;
}

static void tell_partial(struct splitter *s)
{
	s->buf[s->len] = '\0';
	s->told = true;
	s->r->partial(s->r->arg, s->buf);
}

/* Reads until the child is dead or the pipe and the child are; true when the deadline had to end it. */
static bool attend(const struct run *r, pid_t pid, int pidfd, int out, struct splitter *s)
{
	int64_t deadline = r->timeout_s > 0 ? now_ms() + (int64_t)r->timeout_s * 1000 : -1;
	bool late = false;
	struct pollfd pfd[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = out, .events = POLLIN}};

	for (;;) {
		int64_t wait = -1;
		if (deadline >= 0) {
			wait = deadline - now_ms();
			if (wait <= 0) {
				(void)kill(-pid, late ? SIGKILL : SIGTERM);
				deadline = late ? -1 : now_ms() + GRACE_MS;
				late = true;
				continue;
			}
		}
		if (waits_for_rest(s) && (wait < 0 || wait > PARTIAL_MS))
			wait = PARTIAL_MS;
		int n = poll(pfd, ARRAY_SIZE(pfd), wait > INT32_MAX ? INT32_MAX : (int)wait);
		if (n < 0 && errno != EINTR)
			return late;
		if (n == 0 && waits_for_rest(s))
			tell_partial(s);
		if (pfd[1].revents && pump(out, s) <= 0 && pfd[1].revents & (POLLHUP | POLLERR))
			pfd[1].fd = -1; /* nobody writes any more; the child may live on */
		if (pfd[0].revents)
			return late;
	}
}

static int exit_number(const siginfo_t *si)
{
	return si->si_code == CLD_EXITED ? si->si_status : 128 + si->si_status;
}

int run_program(const struct run *r, int *status)
{
	_cleanup_close_ int in = -1, out = -1, in_child = -1, pidfd = -1;
	struct splitter s = {.r = r};
	siginfo_t si = {0};
	pid_t pid, self = getpid();
	int pipefd[2], *fault, err;
	bool late;

	*status = 127;
	in = open_input(r->input);
	if (in < 0)
		return in;
	if (pipe2(pipefd, O_CLOEXEC) < 0)
		return -errno;
	out = pipefd[0];
	in_child = pipefd[1];
	if (fcntl(out, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	fault = mmap(NULL, sizeof(*fault), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fault == MAP_FAILED)
		return -errno;

	pid = fork();
	if (pid == 0)
		child(r, in, in_child, self, fault);
	if (pid < 0) {
		err = errno;
		(void)munmap(fault, sizeof(*fault));
		return -err;
	}
	(void)close(steal_fd(&in_child));
	pidfd = pidfd_open(pid, 0);
	if (pidfd < 0) {
		err = errno;
		(void)kill(pid, SIGKILL);
		(void)waitid(P_PID, (id_t)pid, &si, WEXITED);
		(void)munmap(fault, sizeof(*fault));
		return -err;
	}

	late = attend(r, pid, pidfd, out, &s);
	if (late)
		(void)kill(-pid, SIGKILL); /* the group outlives its leader; the number is ours until we reap it */
	while (waitid(P_PID, (id_t)pid, &si, WEXITED) < 0 && errno == EINTR)
		;
	for (size_t drained = 0; drained < DRAIN_MAX;) {
		ssize_t n = pump(out, &s);
		if (n <= 0)
			break;
		drained += (size_t)n;
	}
	if (s.len > 0)
		emit(&s);

	*status = exit_number(&si);
	err = *fault;
	(void)munmap(fault, sizeof(*fault));
	if (late)
		return -ETIMEDOUT;
	return -err;
}

int run_simple(const char *tag, int timeout_s, const char *const argv[], int *status)
{
	struct run r = {.argv = argv, .tag = tag, .timeout_s = timeout_s};

	return run_program(&r, status);
}
