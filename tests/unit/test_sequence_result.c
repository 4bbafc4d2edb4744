/* How a stage's child says that it failed, what it says of the volume, and that its end counts, not its socket. */
#include "message_fixture.h"

/* --- failures -------------------------------------------------------------------------------------------------- */

static int32_t kind;
static int code;

static int fails_with_kind(struct stage_ctx *ctx)
{
	struct message m = {.type = FAILED, .value = kind};

	memset(m.text, 'x', sizeof(m.text));
	memset(m.remedy, 'z', sizeof(m.remedy));
	send_bytes(ctx, &m, sizeof(m));
	return code;
}

static void failed_as(int32_t sent, const char *want, size_t text)
{
	kind = sent;
	code = 1;
	play(fails_with_kind);
	finish();
	CHECK_EQ(times_in(told, want), 1);
	CHECK_EQ(times_in(told, "x"), text);
	CHECK_EQ(times_in(told, "z"), 0);
}

TEST(kind_fatal)
{
	failed_as(FAILURE_FATAL, "failed 2 0 xxx", 1199);
}

TEST(kind_hold)
{
	failed_as(FAILURE_HOLD, "failed 3 600 xxx", 1199);
}

TEST(kind_none)
{
	failed_as(FAILURE_NONE, "failed 1 10 stage beta ended with status 1 without saying why|", 0);
}

TEST(kind_unknown)
{
	failed_as(FAILURE_HOLD + 1, "failed 1 10 stage beta ended with status 1 without saying why|", 0);
}

TEST(kind_negative)
{
	failed_as(-1, "failed 1 10 stage beta ended with status 1 without saying why|", 0);
}

/* What counts is how it ended. */
TEST(a_complaint_of_one_that_succeeds)
{
	kind = FAILURE_FATAL;
	code = 0;
	play(fails_with_kind);
	finish();
	CHECK_STR(told, "begin|done alpha|begin|done beta|finished|");
}

static void wait_until_dead(pid_t pid)
{
	siginfo_t info;

	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

/* Another one's death made PID 1 reap, and this child goes with it before its socket was looked at. */
TEST(last_words_of_one_that_is_reaped_first)
{
	pid_t other = fork();

	if (other == 0)
		_exit(0);
	wait_until_dead(other);
	plan[1].act = fails_hold;
	start_stages(2);
	wait_until_dead(other + 1); /* pids of a namespace of one's own */
	settle_down();
	CHECK_STR(told, "begin|done alpha|begin|failed 3 600 beta: not ours|");
}

/* --- the socket ------------------------------------------------------------------------------------------------ */

static int closes(struct stage_ctx *ctx)
{
	stage_doing(ctx, 3, "last words");
	CHECK_EQ(close(ctx->report), 0);
	return 0;
}

TEST(a_child_that_closes_its_report)
{
	play(closes);
	CHECK_STR(sequence_stage(1)->doing, "last words");
	unsigned before = wakeups;
	for (int i = 0; i < 5; i++)
		(void)turn(5);
	CHECK_EQ(wakeups, before); /* the end of file is no reason to spin */
	finish();
	CHECK_STR(told, "begin|done alpha|begin|done beta|finished|");
}

/* Whoever holds the other end for ever (a daemon that was started) does not hold up the boot. */
static int leaves_a_daemon(struct stage_ctx *ctx)
{
	(void)ctx;
	if (fork() == 0) {
		(void)setsid();
		for (;;)
			(void)pause();
	}
	return 0;
}

TEST(a_grandchild_that_keeps_the_report)
{
	play(leaves_a_daemon);
	put("/tmp/go", "");
	RUN_UNTIL(times_in(told, "finished|"));
	CHECK_EQ(processes(true), 1);
}

/* --- facts ----------------------------------------------------------------------------------------------------- */

static int sends_facts(struct stage_ctx *ctx)
{
	struct message m = {.type = FACT};

	memset(m.remedy, 'r', sizeof(m.remedy));
	m.remedy[3] = '\x1b';
	memset(m.text, 's', sizeof(m.text));
	send_bytes(ctx, &m, sizeof(m)); /* no key at all */
	(void)snprintf(m.text, sizeof(m.text), "suite of armour");
	send_bytes(ctx, &m, sizeof(m));
	(void)snprintf(m.text, sizeof(m.text), "suit");
	send_bytes(ctx, &m, sizeof(m));
	(void)snprintf(m.text, sizeof(m.text), "suite");
	send_bytes(ctx, &m, sizeof(m));
	return 0;
}

TEST(facts_are_cut_and_cleaned)
{
	play(sends_facts);
	CHECK_STR(sequence_suite(), "rrr?rrrrrrrrrrrrrrrrrrrrrrrrrrr");
	CHECK_STR(sequence_release(), "");
}

TEST(what_the_volume_holds_is_told_by_its_journal)
{
	put("/data/app/.state/journal", "zimbra-init journal 1\nsuite jammy\nrelease zcs-10.1.0_GA_4655\n");
	run_stages(1);
	CHECK_STR(sequence_suite(), ""); /* PID 1 itself reads no file */
	run_stages(2);
	CHECK_STR(sequence_suite(), "jammy");
	CHECK_STR(sequence_release(), "zcs-10.1.0_GA_4655");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kind_fatal),
		cmocka_unit_test(kind_hold),
		cmocka_unit_test(kind_none),
		cmocka_unit_test(kind_unknown),
		cmocka_unit_test(kind_negative),
		cmocka_unit_test(a_complaint_of_one_that_succeeds),
		cmocka_unit_test(last_words_of_one_that_is_reaped_first),
		cmocka_unit_test(a_child_that_closes_its_report),
		cmocka_unit_test(a_grandchild_that_keeps_the_report),
		cmocka_unit_test(facts_are_cut_and_cleaned),
		cmocka_unit_test(what_the_volume_holds_is_told_by_its_journal),
	};

	return cmocka_run_group_tests_name("sequence result", tests, NULL, NULL);
}
