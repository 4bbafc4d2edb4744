/* The blocking runner: what a program gets, what comes back, and that nothing it does can hold us. */
#include "../../init/log.h"
#include "../../init/run.h"
#include "support.h"

#define SH(text)                                                                                                       \
	(const char *const[])                                                                                          \
	{                                                                                                              \
		"/bin/sh", "-c", text, NULL                                                                            \
	}

static char out[65536];
static unsigned lines;

static void take(void *arg, const char *line)
{
	(void)arg;
	(void)snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s\n", line);
	lines++;
}

static int run(const struct run *r, int *status)
{
	struct run with = *r;

	out[0] = '\0';
	lines = 0;
	with.line = take;
	return run_program(&with, status);
}

/* Ended, though its new parent may not have asked for it yet. */
static bool gone(pid_t pid)
{
	char path[40], text[256] = "";
	const char *after;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	(void)close(fd);
	after = strrchr(text, ')');
	return !after || after[1] != ' ' || after[2] == 'Z' || after[2] == 'X';
}

static void test_exit_codes(void **state)
{
	int status;

	(void)state;
	for (int code = 0; code < 256; code += count_of(5, 1)) {
		char text[32];
		(void)snprintf(text, sizeof(text), "exit %d", code);
		assert_int_equal(run(&(struct run){.argv = SH(text)}, &status), 0);
		assert_int_equal(status, code);
	}
	assert_int_equal(run(&(struct run){.argv = SH("kill -KILL $$")}, &status), 0);
	assert_int_equal(status, 128 + SIGKILL);
	assert_int_equal(run(&(struct run){.argv = (const char *const[]){"/no/such/program", NULL}}, &status), 0);
	assert_int_equal(status, 127);
	assert_string_equal(out, "/no/such/program: No such file or directory\n");
	assert_int_equal(run(&(struct run){.argv = (const char *const[]){"/etc/passwd", NULL}}, &status), 0);
	assert_int_equal(status, 126);
	assert_int_equal(run_simple("test", 5, SH("exit 3"), &status), 0);
	assert_int_equal(status, 3);
}

static void test_lines(void **state)
{
	int status;

	(void)state;
	assert_int_equal(
		run(&(struct run){.argv = SH("echo one; echo two >&2; echo; printf 'three\\r\\nfour'")}, &status), 0);
	assert_string_equal(out, "one\ntwo\n\nthree\nfour\n");
	/* One too long is cut, not split; a zero byte ends nothing. */
	assert_int_equal(
		run(&(struct run){.argv = SH("head -c 5000 /dev/zero | tr '\\0' x; echo; printf 'a\\0b\\n'")}, &status),
		0);
	assert_int_equal(lines, 2);
	assert_int_equal(strcspn(out, "\n"), LOG_LINE_MAX);
	assert_string_equal(strchr(out, '\n') + 1, "a?b\n");
	/* More than the pipe holds. */
	assert_int_equal(run(&(struct run){.argv = SH("i=0; while [ $i -lt 4000 ]; do echo line-$i; i=$((i+1)); done")},
			     &status),
			 0);
	assert_int_equal(lines, 4000);
}

static void test_environment(void **state)
{
	static const char *const env[] = {"ONLY=this", NULL};
	int status;

	(void)state;
	(void)setenv("ZIMBRA_ADMIN_PASSWORD", "secret", 1);
	assert_int_equal(run(&(struct run){.argv = (const char *const[]){"/usr/bin/env", NULL}}, &status), 0);
	assert_null(strstr(out, "secret"));
	assert_non_null(strstr(out, "PATH=/usr/local/sbin:"));
	assert_non_null(strstr(out, "LANG=C.UTF-8\n"));
	assert_non_null(strstr(out, "DEBIAN_FRONTEND=noninteractive\n"));
	assert_int_equal(run(&(struct run){.argv = (const char *const[]){"/usr/bin/env", NULL}, .env = env}, &status),
			 0);
	assert_string_equal(out, "ONLY=this\n");
	assert_int_equal(run(&(struct run){.argv = SH("pwd")}, &status), 0);
	assert_string_equal(out, "/\n");
	assert_int_equal(run(&(struct run){.argv = SH("pwd"), .cwd = "/usr"}, &status), 0);
	assert_string_equal(out, "/usr\n");
	assert_int_equal(run(&(struct run){.argv = SH("pwd"), .cwd = "/no/such"}, &status), -ENOENT);
}

static void test_input(void **state)
{
	static char big[200000];
	int status;

	(void)state;
	assert_int_equal(run(&(struct run){.argv = SH("cat"), .input = "one\ntwo\n"}, &status), 0);
	assert_string_equal(out, "one\ntwo\n");
	assert_int_equal(run(&(struct run){.argv = SH("cat; echo end")}, &status), 0);
	assert_string_equal(out, "end\n");
	/* More than a pipe holds, to somebody who does not read it. */
	memset(big, 'x', sizeof(big) - 1);
	assert_int_equal(run(&(struct run){.argv = SH("exit 4"), .input = big}, &status), 0);
	assert_int_equal(status, 4);
	assert_int_equal(run(&(struct run){.argv = SH("wc -c"), .input = big}, &status), 0);
	assert_string_equal(out, "199999\n");
}

static void body_clean_child(void)
{
	sigset_t all;
	int status;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	CHECK(dup2(STDERR_FILENO, 50) == 50); /* without CLOEXEC */
	CHECK_EQ(
		run(
			&(struct run){
				.argv = SH(
					"grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; echo fds $(ls /proc/self/fd)")},
			&status),
		0);
	CHECK(strstr(out, "SigBlk:\t0000000000000000") && strstr(out, "SigIgn:\t0000000000000000"));
	CHECK(strstr(out, "fds 0 1 2 3\n")); /* 3 is that of ls */
	/* A session and group of its own. */
	CHECK_EQ(run(&(struct run){.argv = SH("cut -d' ' -f5,6 /proc/$$/stat; echo $$")}, &status), 0);
	int pgrp, sid, pid;
	CHECK(sscanf(out, "%d %d %d", &pgrp, &sid, &pid) == 3);
	CHECK(pgrp == pid && sid == pid);
}

static void test_clean_child(void **state)
{
	(void)state;
	in_child(body_clean_child);
}

static int refuse(void)
{
	return -EACCES;
}

static int close_all_and_refuse(void)
{
	(void)close_range(3, ~0U, 0);
	return -EPERM;
}

static int say_hello(void)
{
	return write(STDOUT_FILENO, "hello\n", 6) == 6 ? 0 : -EIO;
}

static void test_before_exec(void **state)
{
	int status;

	(void)state;
	assert_int_equal(run(&(struct run){.argv = SH("echo not reached"), .before_exec = refuse}, &status), -EACCES);
	assert_int_equal(lines, 0);
	assert_int_equal(
		run(&(struct run){.argv = SH("echo not reached"), .before_exec = close_all_and_refuse}, &status),
		-EPERM);
	assert_int_equal(run(&(struct run){.argv = SH("echo world"), .before_exec = say_hello}, &status), 0);
	assert_string_equal(out, "hello\nworld\n");
}

static void test_grandchild_holds_pipe(void **state)
{
	int64_t start = now_ms();
	int status;

	(void)state;
	/* It says nothing for a minute, and holds the pipe. */
	assert_int_equal(run(&(struct run){.argv = SH("sleep 60 & echo pid $!; exit 5")}, &status), 0);
	assert_int_equal(status, 5);
	assert_true(now_ms() - start < 10000);
	int pid = 0;
	assert_int_equal(sscanf(out, "pid %d", &pid), 1);
	assert_false(gone(pid)); /* a daemon is left alone */
	(void)kill(pid, SIGKILL);
	/* It writes without end: until the shell is gone, its lines are read; then not for ever. */
	start = now_ms();
	assert_int_equal(run(&(struct run){.argv = SH("trap '' HUP; timeout 20 yes & echo bye; exit 6")}, &status), 0);
	assert_int_equal(status, 6);
	assert_true(now_ms() - start < 10000);
}

static void test_closed_pipe(void **state)
{
	int status;

	(void)state;
	/* The pipe ends long before the program: still its exit code is waited for. */
	assert_int_equal(run(&(struct run){.argv = SH("exec >&- 2>&-; sleep 0.3; exit 9")}, &status), 0);
	assert_int_equal(status, 9);
}

static void test_deadline(void **state)
{
	int64_t start = now_ms();
	int status;

	(void)state;
	assert_int_equal(run(&(struct run){.argv = SH("echo begun; sleep 60"), .timeout_s = 1}, &status), -ETIMEDOUT);
	assert_string_equal(out, "begun\n");
	assert_in_range(now_ms() - start, 900, 4000);
	/* One that answers TERM in an orderly way. */
	assert_int_equal(run(&(struct run){.argv = SH("trap 'echo ending; exit 0' TERM; while :; do sleep 0.1; done"),
					   .timeout_s = 1},
			     &status),
			 -ETIMEDOUT);
	assert_non_null(strstr(out, "ending\n"));
	/* One that does not, with a child: KILL to both after five more seconds. */
	start = now_ms();
	assert_int_equal(run(&(struct run){.argv = SH("trap '' TERM; sleep 61 & echo $!; while :; do sleep 0.1; done"),
					   .timeout_s = 1},
			     &status),
			 -ETIMEDOUT);
	assert_int_equal(status, 128 + SIGKILL);
	assert_in_range(now_ms() - start, 5500, 12000);
	sleep_ms(200);
	assert_true(gone(atoi(out)));
	/* Its child outlives it after TERM: the group goes all the same. */
	assert_int_equal(run(&(struct run){.argv = SH("(trap '' TERM; exec sleep 62) & echo $!; wait"), .timeout_s = 1},
			     &status),
			 -ETIMEDOUT);
	sleep_ms(200);
	assert_true(gone(atoi(out)));
}

/* Whoever runs a program and is killed does not leave it behind. */
static void test_parent_dies(void **state)
{
	static char path[] = "/tmp/zimbra-test-run-XXXXXX";
	char text[128];
	pid_t pid;
	int fd, program = 0;

	(void)state;
	fd = mkstemp(path);
	assert_true(fd >= 0);
	(void)snprintf(text, sizeof(text), "echo $$ >%s; exec sleep 63", path);
	pid = fork();
	if (pid == 0) {
		int status;
		(void)run_program(&(struct run){.argv = SH(text)}, &status);
		_exit(0);
	}
	for (int i = 0; i < 100 && program == 0; i++) {
		char buf[32] = "";
		sleep_ms(50);
		if (pread(fd, buf, sizeof(buf) - 1, 0) > 0 && strchr(buf, '\n'))
			program = atoi(buf);
	}
	assert_true(program > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	(void)wait_status(pid);
	for (int i = 0; i < 100 && !gone(program); i++)
		sleep_ms(50);
	assert_true(gone(program));
	(void)close(fd);
	(void)unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_clean_child),
		cmocka_unit_test(test_before_exec),
		cmocka_unit_test(test_grandchild_holds_pipe),
		cmocka_unit_test(test_closed_pipe),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_parent_dies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
