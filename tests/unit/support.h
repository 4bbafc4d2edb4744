/*
 * For unit tests of PID 1's core, whose modules keep state: each case runs in a forked process of its own, where CHECK
 * replaces cmocka's asserts (they cannot jump out of a fork).
 */
#pragma once

#include "../../init/util.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* cmocka wants its friends first. */
#include <cmocka.h>

enum { CHECK_FAILED = 99, CHECK_SKIPPED = 77, IN_CHILD_SECONDS = 60 };

/* Where CHECK complains: a copy of stderr, because some tests put something else there. */
static int check_fd = STDERR_FILENO;

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			(void)dprintf(check_fd, "# %s:%d: not true: %s\n", __FILE__, __LINE__, #cond);                 \
			_exit(CHECK_FAILED);                                                                           \
		}                                                                                                      \
	} while (0)

#define CHECK_EQ(a, b)                                                                                                 \
	do {                                                                                                           \
		long long check_a = (long long)(a), check_b = (long long)(b);                                          \
		if (check_a != check_b) {                                                                              \
			(void)dprintf(check_fd, "# %s:%d: %s is %lld, not %s = %lld\n", __FILE__, __LINE__, #a,        \
				      check_a, #b, check_b);                                                           \
			_exit(CHECK_FAILED);                                                                           \
		}                                                                                                      \
	} while (0)

#define CHECK_STR(a, b)                                                                                                \
	do {                                                                                                           \
		const char *check_a = (a), *check_b = (b);                                                             \
		if (strcmp(check_a, check_b) != 0) {                                                                   \
			(void)dprintf(check_fd, "# %s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__, #a,         \
				      check_a, check_b);                                                               \
			_exit(CHECK_FAILED);                                                                           \
		}                                                                                                      \
	} while (0)

/* run.sh lists skipped tests with this line's text. */
#define skip_because(...)                                                                                              \
	do {                                                                                                           \
		(void)printf("# SKIP-REASON: " __VA_ARGS__);                                                           \
		(void)printf("\n");                                                                                    \
		skip();                                                                                                \
	} while (0)

/* SOAK=1 means the big count. */
static inline int count_of(int usual, int soak)
{
	const char *s = getenv("SOAK");

	return s && s[0] ? soak : usual;
}

static inline void begin_child(void)
{
	check_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 200);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Status as a shell's $?. A child that hangs is killed (128 + SIGKILL): alarm(2) would not help, its signals are
 * blocked. */
static inline int wait_status(pid_t pid)
{
	int status = -1;
	struct pollfd p = {.fd = pidfd_open(pid, 0), .events = POLLIN};

	while (poll(&p, 1, IN_CHILD_SECONDS * 1000) < 0 && errno == EINTR)
		;
	if (!(p.revents & POLLIN))
		(void)kill(pid, SIGKILL);
	(void)close(p.fd);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs body in a child; fails the test unless it returns. */
static inline void in_child(void (*body)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		begin_child();
		body();
		_exit(0);
	}
	assert_int_equal(wait_status(pid), 0);
}

static inline void become_pid1(void (*body)(void))
{
	begin_child();
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("proc", "/proc", "proc", 0, NULL) < 0)
		_exit(CHECK_SKIPPED);
	body();
	_exit(0);
}

/*
 * Runs body as PID 1 of a new PID namespace with a /proc of its own; meanwhile outside() runs in a process of the outer
 * namespace, with PID 1's pid there. Skips the test where namespaces are not permitted.
 */
static inline void as_pid1(void (*body)(void), void (*outside)(pid_t pid1))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		begin_child();
		if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
			_exit(CHECK_SKIPPED);
		pid_t pid1 = fork();
		if (pid1 == 0)
			become_pid1(body);
		if (outside)
			outside(pid1);
		_exit(wait_status(pid1));
	}
	int status = wait_status(pid);
	if (status == CHECK_SKIPPED)
		skip_because("no PID namespace of our own here (unshare, mount: CAP_SYS_ADMIN)");
	assert_int_equal(status, 0);
}

/* How often a process went to sleep so far; -1: no such process. */
static inline long sleeps_of(pid_t pid)
{
	char path[40], text[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *at = strstr(text, "\nvoluntary_ctxt_switches:");
	return at ? strtol(strchr(at, ':') + 1, NULL, 10) : -1;
}

/* CPU that this process has used, in milliseconds. */
static inline int64_t cpu_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static inline void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}
