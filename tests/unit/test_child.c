/* Short-lived children: their output as lines, and their end. */
#include "child_fixture.h"

/* --- lines ----------------------------------------------------------------------------------------------------- */

static int talk(void *arg)
{
	(void)arg;
	put("one\ntwo\n\nth");
	sleep_ms(30);
	put("ree\nand no newline");
	(void)!write(STDERR_FILENO, " at the end", 11);
	return 3;
}

static void lines_body(void)
{
	open_loop();
	run(talk, NULL, -1);
	CHECK_STR(lines, "one|two||three|and no newline at the end|");
	CHECK_EQ(ended_with, 3);
}

static void output_comes_as_lines(void **state)
{
	(void)state;
	in_child(lines_body);
}

static int shout(void *arg)
{
	char big[5000];

	(void)arg;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)('a' + i % 26);
	CHECK_EQ(write(STDOUT_FILENO, big, sizeof(big)), sizeof(big));
	put("\nshort\n");
	return 0;
}

static void long_body(void)
{
	open_loop();
	run(shout, NULL, -1);
	CHECK(longest <= LOG_LINE_MAX);
	size_t letters = 0;
	const char *at = lines;
	for (; letters < 5000; at++)
		if (*at != '|')
			CHECK_EQ(*at, 'a' + letters++ % 26); /* in order, nothing lost between the pieces */
	CHECK_STR(at, "|short|");
}

static void long_line_comes_in_pieces(void **state)
{
	(void)state;
	in_child(long_body);
}

static int mutter(void *arg)
{
	(void)arg;
	CHECK_EQ(write(STDOUT_FILENO, "a\0b\x1b[1mc\r\n", 10), 10);
	log_warn("volume", "from log_line");
	return 0;
}

static void log_body(void)
{
	static char text[4096];
	uint64_t pos = 0, lost;

	open_loop();
	child.line = NULL;
	run(mutter, NULL, -1);
	size_t n = logring_read(&pos, text, sizeof(text) - 1, &lost);
	text[n] = '\0';
	CHECK(strstr(text, "Z test: a?b?[1mc?\n") != NULL);
	CHECK(strstr(text, "Z test: volume: warning: from log_line\n") != NULL);
	CHECK(memchr(text, 0x1b, n) == NULL);
}

static void lines_go_to_the_log(void **state)
{
	(void)state;
	in_child(log_body);
}

static int flood(void *arg)
{
	static char block[65536];

	(void)arg;
	memset(block, '\n', sizeof(block));
	(void)fork(); /* two of them: the pipe is never empty */
	for (;;)
		if (write(STDOUT_FILENO, block, sizeof(block)) < 0)
			return 1;
}

static struct loop_timer tick;
static int64_t begin, ticked;

static void stop_flood(struct loop_timer *t)
{
	(void)t;
	ticked = now_ms();
	child_kill(&child, SIGKILL);
}

/* Whoever writes faster than PID 1 reads must not keep it from everything else. */
static void flood_body(void)
{
	open_loop();
	child.line = NULL; /* to the log */
	tick.fire = stop_flood;
	begin = now_ms();
	loop_timer_set(&tick, 100);
	run(flood, NULL, -1);
	CHECK(ticked - begin >= 100);
	CHECK(ticked - begin < 1000);
	CHECK_EQ(ended_with, 128 + SIGKILL);
	CHECK(now_ms() - begin < 2000);
}

static void flood_starves_nobody(void **state)
{
	(void)state;
	in_child(flood_body);
}

/* --- the end --------------------------------------------------------------------------------------------------- */

/* Leaves a process behind that holds the output until descriptor 3 is closed by everybody else. */
static int leave_grandchild(void *arg)
{
	char c;

	(void)arg;
	put("from the child\n");
	if (fork() == 0) {
		(void)!read(3, &c, 1);
		_exit(0);
	}
	return 7;
}

static void holding_body(void)
{
	int p[2];

	open_loop();
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	int64_t start = now_ms();
	run(leave_grandchild, NULL, p[0]);
	CHECK(now_ms() - start < 2000);
	CHECK_EQ(ended_with, 7);
	CHECK_STR(lines, "from the child|");
	(void)close(p[1]);
}

static void grandchild_holding_the_pipe_delays_nothing(void **state)
{
	(void)state;
	in_child(holding_body);
}

static int flooding_grandchild(void *arg)
{
	if (fork() == 0)
		_exit(flood(arg));
	sleep_ms(100);
	return 6;
}

static void flooding_body(void)
{
	open_loop();
	child.line = NULL; /* to the log */
	begin = now_ms();
	run(flooding_grandchild, NULL, -1);
	CHECK_EQ(ended_with, 6);
	CHECK(now_ms() - begin < 2000);
}

static void flooding_grandchild_delays_nothing(void **state)
{
	(void)state;
	in_child(flooding_body);
}

static int family(void *arg)
{
	(void)arg;
	if (fork() == 0)
		(void)fork();
	put("ready\n");
	while (pause() < 0)
		;
	return 0;
}

static void kill_when_ready(struct child *c, const char *line, size_t len)
{
	CHECK(len == 5 && memcmp(line, "ready", 5) == 0);
	child_kill(c, SIGTERM);
}

static void group_body(void)
{
	int p[2];
	char c;

	open_loop();
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	child.line = kill_when_ready;
	run(family, NULL, p[1]);
	CHECK_EQ(ended_with, 128 + SIGTERM);
	(void)close(p[1]);
	CHECK_EQ(read(p[0], &c, 1), 0); /* end of file: all who held the other end are dead */
	child_kill(&child, SIGKILL);	/* not running: nothing, and above all not everybody */
}

static void kill_reaches_the_whole_group(void **state)
{
	(void)state;
	in_child(group_body);
}

static void kill_early_body(void)
{
	open_loop();
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(child_run(&child, family, NULL, -1), 0);
		child_kill(&child, SIGKILL); /* perhaps before its setsid() */
		siginfo_t info;
		CHECK_EQ(waitid(P_PID, (id_t)child.pid, &info, WEXITED | WNOWAIT), 0);
		ended_with = -1;
		lines[0] = '\0';
		reaper_run();
		CHECK_EQ(ended_with, 128 + SIGKILL);
	}
}

static void kill_right_after_the_start(void **state)
{
	(void)state;
	in_child(kill_early_body);
}

static void full_body(void)
{
	struct child c = {.tag = "one too many", .ended = quit_at_end};
	int n = 0;

	open_loop();
	while (reaper_watch(1000000 + n, NULL, &n) == 0)
		n++;
	CHECK_EQ(child_run(&c, talk, NULL, -1), -ENOSPC);
	CHECK_EQ(c.pid, 0);
	siginfo_t info;
	CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0); /* killed, and the reaper's like any orphan */
	reaper_run();
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
	CHECK_EQ(errno, ECHILD);
	CHECK_EQ(ended_with, -1);
}

static void child_that_cannot_be_watched_is_killed(void **state)
{
	(void)state;
	in_child(full_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_comes_as_lines),
		cmocka_unit_test(long_line_comes_in_pieces),
		cmocka_unit_test(lines_go_to_the_log),
		cmocka_unit_test(flood_starves_nobody),
		cmocka_unit_test(grandchild_holding_the_pipe_delays_nothing),
		cmocka_unit_test(flooding_grandchild_delays_nothing),
		cmocka_unit_test(kill_reaches_the_whole_group),
		cmocka_unit_test(kill_right_after_the_start),
		cmocka_unit_test(child_that_cannot_be_watched_is_killed),
	};

	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
