/* Walking through the stages: in which order, what a failure leads to, and stopping in the middle. */
#include "sequence_fixture.h"

TEST(stages_run_in_order)
{
	run_stages(4);
	CHECK_STR(text_of("/tmp/ran"), "AbBcCdD");
	CHECK_STR(told, "begin|done alpha|begin|done beta|begin|done gamma|begin|done delta|finished|");
	for (size_t i = 0; i < 4; i++) {
		CHECK_EQ(sequence_stage(i)->state, STAGE_DONE);
		CHECK_EQ(sequence_stage(i)->percent, 100);
		CHECK(sequence_stage(i)->ended >= sequence_stage(i)->started && sequence_stage(i)->started > 0);
	}
	CHECK_EQ(sequence_index(), 3);
	CHECK_EQ(logged("beta: Second (stage 2 of 4)\n"), 1);
	CHECK_EQ(logged("gamma: done in "), 1);
	pass(24 * 3600 * 1000);
	CHECK_EQ(times_in(told, "finished"), 1);
}

/* A one-shot command needs the system only. */
TEST(only_as_many_as_are_wanted)
{
	run_stages(2);
	CHECK_STR(text_of("/tmp/ran"), "AbB");
	CHECK_STR(told, "begin|done alpha|begin|done beta|finished|");
	CHECK_EQ(sequence_count(), 2);
	CHECK_EQ(sequence_index(), 1);
	CHECK_EQ(sequence_stage(2)->state, STAGE_PENDING);
}

TEST(what_is_true_already_is_not_done_again)
{
	plan[1].check = plan[3].check = is_true;
	run_stages(4);
	CHECK_STR(text_of("/tmp/ran"), "AbcCd");
	CHECK_EQ(times_in(told, "done"), 4);
	CHECK_EQ(times_in(told, "finished"), 1);
}

TEST(a_check_that_fails_keeps_the_action_from_running)
{
	plan[1].check = fails_fatal;
	run_stages(4);
	CHECK_STR(text_of("/tmp/ran"), "Ab");
	CHECK_STR(told, "begin|done alpha|begin|failed 2 0 beta: no such thing|");
}

/* --- failures -------------------------------------------------------------------------------------------------- */

TEST(tried_again_with_growing_pauses)
{
	static const int pauses[] = {10, 20, 40, 80, 160, 320, 600, 600};
	char want[64];

	plan[1].act = fails_retry;
	start_stages(4);
	for (size_t i = 0; i < ARRAY_SIZE(pauses); i++) {
		settle_down();
		(void)snprintf(want, sizeof(want), "failed 1 %d beta: no network|", pauses[i]);
		CHECK_EQ(times_in(told, "failed"), 1);
		CHECK_EQ(times_in(told, want), 1);
		CHECK_EQ(sequence_stage(1)->state, STAGE_FAILED);
		CHECK_EQ(sequence_index(), 1);
		told[0] = '\0';
		pass(pauses[i] * 1000 - 1500); /* not before it is time */
		CHECK_STR(told, "");
		skip_ms(1500);
		RUN_UNTIL(sequence_stage(1)->state == STAGE_RUNNING || told[0]);
	}
	settle_down();
	CHECK_STR(text_of("/tmp/ran"), "AbBbBbBbBbBbBbBbBbB"); /* the same stage, and none that is done */
	CHECK_EQ(logged("beta: error: beta: no network\n"), 9);
	CHECK(logged("beta: error: remedy: wait\n") == 9 && logged("beta: error: remedy: or pray\n") == 9);
	CHECK_EQ(logged("beta: next try in 600 s\n"), 3);
}

static int fails_twice(struct stage_ctx *ctx, struct failure *f)
{
	if (times_in(text_of("/tmp/ran"), ctx->name[0] == 'b' ? "B" : "C") < 3)
		return fails_retry(ctx, f);
	return 0;
}

/* A success makes the next stage's first pause a short one again. */
TEST(it_goes_on_where_it_failed)
{
	plan[1].act = plan[2].act = fails_twice;
	start_stages(4);
	pass(120 * 1000);
	CHECK_STR(text_of("/tmp/ran"), "AbBbBbBcCcCcCdD");
	CHECK_STR(told, "begin|done alpha|begin|failed 1 10 beta: no network|begin|failed 1 20 beta: no network|begin|"
			"done beta|begin|failed 1 10 gamma: no network|begin|failed 1 20 gamma: no network|begin|"
			"done gamma|begin|done delta|finished|");
}

TEST(fatal_is_the_end)
{
	plan[2].act = fails_fatal;
	start_stages(4);
	pass(24 * 3600 * 1000);
	CHECK_STR(text_of("/tmp/ran"), "AbBcC");
	CHECK_EQ(times_in(told, "failed 2 0 gamma: no such thing|"), 1);
	CHECK_EQ(logged("next try"), 0);
	CHECK_EQ(logged("gamma: error: remedy: start it right\n"), 1);
}

/* A person has to act: seldom looked whether that has happened. */
TEST(hold_is_tried_seldom)
{
	plan[1].act = fails_hold;
	start_stages(4);
	pass(3600 * 1000 - 5000);
	CHECK_EQ(times_in(told, "failed 3 600 beta: not ours|"), 6);
	CHECK_EQ(times_in(text_of("/tmp/ran"), "B"), 6);
}

static int fails_once(struct stage_ctx *ctx, struct failure *f)
{
	return times_in(text_of("/tmp/ran"), "A") < 2 ? fails_retry(ctx, f) : 0;
}

TEST(a_stage_of_pid1_itself_is_tried_again_too)
{
	plan[0].act = fails_once;
	plan[3].act = fails_fatal;
	start_stages(4);
	pass(60 * 1000);
	CHECK_STR(text_of("/tmp/ran"), "AAbBcCdD");
	CHECK_EQ(times_in(told, "failed 1 10 alpha: no network|"), 1);
	CHECK_EQ(times_in(told, "failed 2 0 delta: no such thing|"), 1);
	CHECK_EQ(times_in(told, "finished"), 0);
}

TEST(a_volume_that_is_gone)
{
	CHECK_EQ(rmdir("/data"), 0);
	run_stages(4);
	CHECK_STR(text_of("/tmp/ran"), "A");
	CHECK_EQ(times_in(told, "failed 1 10 /data cannot be opened: No such file or directory|"), 1);
	CHECK_EQ(mkdir("/data", 0755), 0);
	pass(11 * 1000);
	CHECK_EQ(times_in(told, "finished|"), 1);
}

/* --- ends without a word --------------------------------------------------------------------------------------- */

static int dies(struct stage_ctx *ctx, struct failure *f)
{
	(void)ctx;
	(void)f;
	return raise(SIGKILL);
}

TEST(a_child_that_is_killed)
{
	plan[1].act = dies;
	run_stages(4);
	CHECK_EQ(times_in(told, "failed 1 10 stage beta ended with status 137 without saying why|"), 1);
	CHECK_EQ(times_in(text_of("/tmp/ran"), "c"), 0);
	plan[1].act = NULL;
	pass(11 * 1000);
	CHECK_EQ(times_in(told, "finished|"), 1);
}

static int exits(struct stage_ctx *ctx, struct failure *f)
{
	(void)ctx;
	(void)f;
	_exit(7);
}

TEST(a_child_that_exits)
{
	plan[1].act = exits;
	run_stages(4);
	CHECK_EQ(times_in(told, "failed 1 10 stage beta ended with status 7 without saying why|"), 1);
}

TEST(no_child_to_be_had)
{
	static char taken[80];
	size_t n = 0;

	while (reaper_watch(1000000, NULL, &taken[n]) == 0)
		n++;
	run_stages(4);
	CHECK_EQ(times_in(told, "failed 1 10 cannot start stage beta: No space left on device|"), 1);
	for (size_t i = 0; i < n; i++)
		reaper_forget(1000000, &taken[i]);
	pass(11 * 1000);
	CHECK_EQ(times_in(told, "finished|"), 1);
}

/* --- abort ----------------------------------------------------------------------------------------------------- */

TEST(a_running_stage_is_ended)
{
	plan[1].act = waits;
	start_stages(4);
	RUN_UNTIL(strcmp(sequence_stage(1)->doing, "waiting") == 0);
	sequence_abort(10000, told_aborted);
	CHECK_EQ(times_in(told, "aborted"), 0); /* it may clean up */
	RUN_UNTIL(times_in(told, "aborted"));
	pass(24 * 3600 * 1000);
	CHECK_STR(text_of("/tmp/ran"), "AbB!");
	CHECK_STR(told, "begin|done alpha|begin|aborted|");
	CHECK_EQ(sequence_stage(1)->state, STAGE_FAILED);
	CHECK_EQ(logged("killed"), 0);
}

TEST(one_that_does_not_end_is_killed)
{
	plan[1].act = waits_stubborn;
	start_stages(4);
	RUN_UNTIL(strcmp(sequence_stage(1)->doing, "waiting") == 0);
	sequence_abort(10000, told_aborted);
	skip_ms(9000);
	(void)turn(20);
	CHECK_EQ(times_in(told, "aborted"), 0);
	skip_ms(1100);
	RUN_UNTIL(times_in(told, "aborted"));
	CHECK_EQ(logged("beta: warning: did not end in time: killed\n"), 1);
	RUN_UNTIL(processes(true) == 0); /* its child as well */
	CHECK_STR(told, "begin|done alpha|begin|aborted with KILL|");
}

TEST(between_two_tries_nothing_has_to_be_waited_for)
{
	plan[1].act = fails_retry;
	run_stages(4);
	told[0] = '\0';
	sequence_abort(10000, told_aborted);
	CHECK_STR(told, "aborted|");
	pass(24 * 3600 * 1000);
	CHECK_STR(told, "aborted|");
	CHECK_STR(text_of("/tmp/ran"), "AbB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stages_run_in_order),
		cmocka_unit_test(only_as_many_as_are_wanted),
		cmocka_unit_test(what_is_true_already_is_not_done_again),
		cmocka_unit_test(a_check_that_fails_keeps_the_action_from_running),
		cmocka_unit_test(tried_again_with_growing_pauses),
		cmocka_unit_test(it_goes_on_where_it_failed),
		cmocka_unit_test(fatal_is_the_end),
		cmocka_unit_test(hold_is_tried_seldom),
		cmocka_unit_test(a_stage_of_pid1_itself_is_tried_again_too),
		cmocka_unit_test(a_volume_that_is_gone),
		cmocka_unit_test(a_child_that_is_killed),
		cmocka_unit_test(a_child_that_exits),
		cmocka_unit_test(no_child_to_be_had),
		cmocka_unit_test(a_running_stage_is_ended),
		cmocka_unit_test(one_that_does_not_end_is_killed),
		cmocka_unit_test(between_two_tries_nothing_has_to_be_waited_for),
	};

	return cmocka_run_group_tests_name("sequence", tests, NULL, NULL);
}
