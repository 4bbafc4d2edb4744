/*
 * One reading of a file for several programs: what tar unpacked is what sha256sum saw, even if somebody with the
 * volume in his hands changes the file meanwhile.
 */
#include "internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { PIECE = 256 * 1024, PATIENCE_MS = 120 * 1000 };

static _Noreturn void child(const struct zi_sink *s, int in, int out, pid_t parent)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	(void)sigaction(SIGPIPE, &dfl, NULL);
	/* stderr stays what it is: the log. */
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out >= 0 ? out : null, STDOUT_FILENO) < 0 || close_range(3, ~0U, 0) < 0)
		_exit(126);
	if (s->before_exec && s->before_exec() < 0)
		_exit(126);
	(void)execve(s->argv[0], (char *const *)s->argv, (char *const *)zimbra_env);
	_exit(errno == ENOENT ? 127 : 126);
}

static int start(struct zi_sink *s)
{
	int in[2], out[2] = {-1, -1};
	pid_t self = getpid();

	s->pid = -1;
	s->in = s->out = -1;
	s->status = 127;
	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (s->output && pipe2(out, O_CLOEXEC) < 0) {
		int err = errno;
		(void)close(in[0]);
		(void)close(in[1]);
		return -err;
	}
	s->pid = fork();
	if (s->pid == 0)
		child(s, in[0], out[1], self);
	int err = s->pid < 0 ? -errno : 0;
	(void)close(in[0]);
	if (out[1] >= 0)
		(void)close(out[1]);
	s->in = in[1];
	s->out = out[0];
	(void)fcntl(s->in, F_SETFL, O_NONBLOCK);
	(void)fcntl(s->in, F_SETPIPE_SZ, PIECE);
	return err;
}

/* All of the bytes, unless the program reads no more: then its pipe is closed and its status will tell. */
static int give(struct zi_sink *s, const char *bytes, size_t n)
{
	while (n > 0 && s->in >= 0) {
		ssize_t w = write(s->in, bytes, n);

		if (w >= 0) {
			bytes += w;
			n -= (size_t)w;
		} else if (errno == EAGAIN) {
			struct pollfd p = {.fd = s->in, .events = POLLOUT};
			int r = poll(&p, 1, PATIENCE_MS);
			if (r == 0)
				return -ETIMEDOUT;
			if (r < 0 && errno != EINTR)
				return -errno;
		} else if (errno != EINTR) {
			(void)close(steal_fd(&s->in));
		}
	}
	return 0;
}

static void finish(struct zi_sink *s, bool killed)
{
	int status = 0;
	size_t used = 0;

	if (s->in >= 0)
		(void)close(steal_fd(&s->in));
	if (s->pid > 0 && killed)
		(void)kill(s->pid, SIGKILL);
	while (s->out >= 0) {
		ssize_t n = used + 1 < s->output_size ? read(s->out, s->output + used, s->output_size - 1 - used) : 0;
		if (n > 0)
			used += (size_t)n;
		else if (n == 0 || errno != EINTR)
			(void)close(steal_fd(&s->out));
	}
	if (s->output)
		s->output[used] = '\0';
	if (s->pid <= 0)
		return;
	while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
		;
	s->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int copy(int fd, struct zi_sink *sinks, size_t n, char *buf, void (*progress)(void *, int64_t), void *arg)
{
	for (int64_t at = 0;;) {
		ssize_t got = pread(fd, buf, PIECE, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		for (size_t i = 0; i < n; i++) {
			int r = give(&sinks[i], buf, (size_t)got);
			if (r < 0)
				return r;
		}
		at += got;
		if (progress)
			progress(arg, at);
	}
}

int zi_feed(int fd, struct zi_sink *sinks, size_t n, void (*progress)(void *arg, int64_t bytes), void *arg)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
	_cleanup_free_ char *buf = malloc(PIECE);
	size_t started = 0;
	int r = buf ? 0 : -ENOMEM;

	(void)sigaction(SIGPIPE, &ignore, &old);
	while (r == 0 && started < n)
		r = start(&sinks[started++]);
	if (r == 0)
		r = copy(fd, sinks, n, buf, progress, arg);
	for (size_t i = 0; i < started; i++)
		finish(&sinks[i], r < 0);
	(void)sigaction(SIGPIPE, &old, NULL);
	return r;
}
