/* `docker run IMAGE COMMAND`: the exit code is the command's own, and signals reach it. */
#include "../../init/command.h"
#include "../../init/session.h"

#include "pid1_fixture.h"

/* --- a jail, which is just the root of the case ---------------------------------------------------------------- */

static int jail = 0;

int jail_open_root(void)
{
	return jail < 0 ? jail : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int jail_open_pty(int *slave)
{
	*slave = -1;
	return -ENOTTY;
}

/* --- a command ------------------------------------------------------------------------------------------------- */

enum { NOT_ENDED = -1 };
static int ended_with = NOT_ENDED;
static unsigned ends;

static void ended(int status)
{
	ended_with = status;
	ends++;
}

/* Its 0, 1 and 2 are the container's own, which are not the test's. */
static void redirect(const char *in)
{
	put("/tmp/in", in);
	(void)dup2(open("/tmp/in", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	(void)dup2(open("/tmp/out", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600), STDOUT_FILENO);
	(void)dup2(STDOUT_FILENO, STDERR_FILENO);
}

static const char *const env[] = {"PATH=/usr/bin:/bin", "COLOUR=blue", "HOME=/root", NULL};

static void start(enum command_where where, const char *const *argv)
{
	ended_with = NOT_ENDED;
	ends = 0;
	CHECK_EQ(command_start(where, argv, env, ended), 0);
}

static int finish(void)
{
	RUN_UNTIL(ended_with != NOT_ENDED);
	settle_down();
	CHECK_EQ(ends, 1);
	return ended_with;
}

static int run(enum command_where where, const char *script)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};

	start(where, argv);
	return finish();
}

static const enum command_where wheres[] = {COMMAND_IN_IMAGE, COMMAND_IN_JAIL};

/* --- the end --------------------------------------------------------------------------------------------------- */

TEST(exit_codes)
{
	static const int codes[] = {0, 1, 2, 42, 70, 75, 78, 125, 126, 127, 128, 143, 200, 254, 255};
	char script[32];

	redirect("");
	for (size_t w = 0; w < ARRAY_SIZE(wheres); w++)
		for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
			(void)snprintf(script, sizeof(script), "exit %d", codes[i]);
			CHECK_EQ(run(wheres[w], script), codes[i]);
		}
	CHECK_STR(text_of("/tmp/out"), "");
}

TEST(a_death_by_signal_is_128_and_its_number)
{
	const int signals[] = {SIGHUP, SIGINT, SIGKILL, SIGSEGV, SIGPIPE, SIGALRM, SIGTERM, SIGUSR1, SIGRTMIN};
	char script[32];

	redirect("");
	for (size_t w = 0; w < ARRAY_SIZE(wheres); w++)
		for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
			(void)snprintf(script, sizeof(script), "kill -%d $$", signals[i]);
			CHECK_EQ(run(wheres[w], script), 128 + signals[i]);
		}
}

TEST(what_cannot_be_run)
{
	static const char *const missing[] = {"/nonexistent/program", NULL}, *const denied[] = {"/etc/passwd", NULL};

	redirect("");
	start(COMMAND_IN_IMAGE, missing);
	CHECK_EQ(finish(), 127);
	start(COMMAND_IN_IMAGE, denied);
	CHECK_EQ(finish(), 126);
	CHECK_STR(text_of("/tmp/out"), "command: error: /nonexistent/program: No such file or directory\n"
				       "command: error: /etc/passwd: Permission denied\n");
	redirect("");
	start(COMMAND_IN_JAIL, missing);
	CHECK_EQ(finish(), 127);
	start(COMMAND_IN_JAIL, denied);
	CHECK_EQ(finish(), 126);
	CHECK_STR(text_of("/tmp/out"), "zimbra-init: /nonexistent/program: not found in the jail\n"
				       "zimbra-init: /etc/passwd: Permission denied\n");
}

TEST(no_jail)
{
	redirect("");
	jail = -ENOENT;
	CHECK_EQ(run(COMMAND_IN_JAIL, "exit 0"), SESSION_NO_JAIL);
	CHECK(strstr(text_of("/tmp/out"), "the jail is not mounted yet") != NULL);
}

/* --- what it is given ------------------------------------------------------------------------------------------ */

TEST(the_containers_own_stdio_and_environment)
{
	static const char show[] = "cat; echo $COLOUR $(ls /proc/self/fd); sed -n '/^Sig[BIC][lg]/p' /proc/self/status;"
				   "echo error >&2; exit 3";
	static const char want[] = "from outside\nblue 0 1 2 3\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
				   "SigCgt:\t0000000000000000\nerror\n";

	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* PID 1 as bad as it can be */
	for (int fd = 40; fd < 50; fd++)
		CHECK_EQ(dup2(STDERR_FILENO, fd), fd);
	for (size_t w = 0; w < ARRAY_SIZE(wheres); w++) {
		redirect("from outside\n");
		CHECK_EQ(run(wheres[w], show), 3);
		CHECK_STR(text_of("/tmp/out"), want);
	}
	CHECK_EQ(logged("error"), 0); /* it is not the log's */
}

/* run-and-enter: without a command it is a login shell, and the container ends with it. */
TEST(a_shell)
{
	redirect("shopt -q login_shell && echo login\nexit 9\n");
	start(COMMAND_IN_IMAGE, NULL);
	CHECK_EQ(finish(), 9);
	CHECK_STR(text_of("/tmp/out"), "login\n");
}

/* --- signals --------------------------------------------------------------------------------------------------- */

TEST(signals_are_passed_on)
{
	const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGTERM, SIGWINCH, SIGRTMIN + 3};
	static const char *const traps[] = {"/bin/bash", "-c",
					    "for s in 1 2 3 10 15 28 37; do trap \"echo $s\" $s; done; trap 'exit 7' "
					    "USR2; echo ready; while :; do sleep 0.01; done",
					    NULL};
	char want[64];

	CHECK_EQ(SIGRTMIN + 3, 37);
	for (size_t w = 0; w < ARRAY_SIZE(wheres); w++) {
		redirect("");
		start(wheres[w], traps);
		RUN_UNTIL(strstr(text_of("/tmp/out"), "ready"));
		for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
			CHECK(command_signal(signals[i]));
			(void)snprintf(want, sizeof(want), "\n%d\n", signals[i]);
			RUN_UNTIL(strstr(text_of("/tmp/out"), want));
		}
		CHECK(command_signal(SIGUSR2));
		CHECK_EQ(finish(), 7);
	}
}

TEST(some_signals_are_ours)
{
	static const int ours[] = {SIGCHLD, SIGTTIN, SIGTTOU, SIGTSTP};
	static const char *const argv[] = {"/usr/bin/sleep", "1000", NULL};

	redirect("");
	CHECK(!command_signal(SIGTERM)); /* before there is one: that is for the daemon */
	start(COMMAND_IN_IMAGE, argv);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		CHECK(!command_signal(ours[i]));
	CHECK(command_signal(SIGTERM));
	CHECK_EQ(finish(), 128 + SIGTERM);
	CHECK(!command_signal(SIGTERM)); /* its pid may be another's by now */
}

/* Right after the start, while the child is still on its way to exec: not lost. */
TEST(an_early_term)
{
	static const char *const argv[] = {"/usr/bin/sleep", "1000", NULL};

	redirect("");
	for (int i = 0; i < count_of(20, 1000); i++) {
		start(wheres[i % 2], argv);
		CHECK(command_signal(SIGTERM));
		CHECK_EQ(finish(), 128 + SIGTERM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes),
		cmocka_unit_test(a_death_by_signal_is_128_and_its_number),
		cmocka_unit_test(what_cannot_be_run),
		cmocka_unit_test(no_jail),
		cmocka_unit_test(the_containers_own_stdio_and_environment),
		cmocka_unit_test(a_shell),
		cmocka_unit_test(signals_are_passed_on),
		cmocka_unit_test(some_signals_are_ours),
		cmocka_unit_test(an_early_term),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
