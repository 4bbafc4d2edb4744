/* What a child inherits of PID 1: nothing but what it should. */
#include "child_fixture.h"

#include <dirent.h>
#include <sys/stat.h>

static void show_status(const char *text, const char *key)
{
	const char *at = strstr(text, key);
	const char *end = at ? strchr(at, '\n') : NULL;

	CHECK(end != NULL);
	CHECK_EQ(write(STDOUT_FILENO, at, (size_t)(end - at) + 1), end - at + 1);
}

static int show(void *arg)
{
	char text[8192], link[256];
	struct stat null, in;
	FILE *f = fopen("/proc/self/status", "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	(void)arg;
	if (f)
		(void)fclose(f);
	text[n] = '\0';
	show_status(text, "SigBlk:");
	show_status(text, "SigIgn:");
	show_status(text, "SigCgt:");
	DIR *dir = opendir("/proc/self/fd");
	for (struct dirent *e; dir && (e = readdir(dir));) {
		int fd = (int)strtol(e->d_name, NULL, 10);
		if (e->d_name[0] != '.' && fd != dirfd(dir)) {
			(void)snprintf(link, sizeof(link), "fd %d\n", fd);
			put(link);
		}
	}
	if (stat("/dev/null", &null) == 0 && fstat(STDIN_FILENO, &in) == 0 && null.st_rdev == in.st_rdev)
		put("null\n");
	if (getsid(0) == getpid())
		put("leader\n");
	return 0;
}

static void handler(int sig)
{
	(void)sig;
}

/* The parent as bad as it can be: signals ignored, caught and blocked, descriptors without CLOEXEC. */
static void spoil(void)
{
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR && signal(SIGHUP, SIG_IGN) != SIG_ERR);
	CHECK(signal(SIGTERM, handler) != SIG_ERR && signal(SIGRTMIN + 1, SIG_IGN) != SIG_ERR);
	for (int fd = 20; fd < 40; fd++)
		CHECK_EQ(dup2(STDIN_FILENO, fd), fd);
}

#define CLEAN "SigBlk:\t0000000000000000|SigIgn:\t0000000000000000|SigCgt:\t0000000000000000|fd 0|fd 1|fd 2|"

static void inherit_body(void)
{
	open_loop();
	spoil();
	run(show, NULL, -1);
	CHECK_STR(lines, CLEAN "null|leader|");
}

static void inherit_keep_body(void)
{
	open_loop();
	spoil();
	run(show, NULL, 25);
	CHECK_STR(lines, CLEAN "fd 3|null|leader|");
}

static void inherits_nothing(void **state)
{
	(void)state;
	in_child(inherit_body);
	in_child(inherit_keep_body);
}

/* --- programs of the jail -------------------------------------------------------------------------------------- */

static void run_jailed(const char *const argv[])
{
	open_loop();
	spoil();
	CHECK_EQ(child_exec_jail(&child, argv), 0);
	loop_run();
}

static void exec_body(void)
{
	static const char *const argv[] = {"/bin/sh", "-c", "echo $GREETING $1; exec 2>&-; exit 44", "sh", "a b", NULL};

	run_jailed(argv);
	CHECK_STR(lines, "hello from the jail a b|");
	CHECK_EQ(ended_with, 44);
}

static void exec_signals_body(void)
{
	static const char *const argv[] = {"/bin/sed", "-n", "/^Sig[BIC][lg]/p", "/proc/self/status", NULL};

	run_jailed(argv);
	CHECK_STR(lines, "SigBlk:\t0000000000000000|SigIgn:\t0000000000000000|SigCgt:\t0000000000000000|");
}

static void exec_descriptors_body(void)
{
	static const char *const argv[] = {"/bin/ls", "/proc/self/fd", NULL};

	run_jailed(argv);
	CHECK_STR(lines, "0|1|2|3|"); /* 3 is the folder that it lists */
}

static void exec_missing_body(void)
{
	static const char *const argv[] = {"/nonexistent/program", NULL};

	run_jailed(argv);
	CHECK_STR(lines, "jail: error: /nonexistent/program: No such file or directory|");
	CHECK_EQ(ended_with, 127);
}

static void exec_denied_body(void)
{
	static const char *const argv[] = {"/etc/passwd", NULL};

	run_jailed(argv);
	CHECK_STR(lines, "jail: error: /etc/passwd: Permission denied|");
	CHECK_EQ(ended_with, 126);
}

static void no_jail_body(void)
{
	static const char *const argv[] = {"/bin/echo", "must not run", NULL};

	jail_result = -EPERM;
	run_jailed(argv);
	CHECK_STR(lines, "jail: error: cannot enter: Operation not permitted|");
	CHECK_EQ(ended_with, 126);
}

static void programs_of_the_jail(void **state)
{
	(void)state;
	in_child(exec_body);
	in_child(exec_signals_body);
	in_child(exec_descriptors_body);
	in_child(exec_missing_body);
	in_child(exec_denied_body);
	in_child(no_jail_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inherits_nothing),
		cmocka_unit_test(programs_of_the_jail),
	};

	return cmocka_run_group_tests_name("child inherit", tests, NULL, NULL);
}
