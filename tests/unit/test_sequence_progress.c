/* What a stage's child says of its progress is read like a stranger's: only what is whole and means something counts.
 */
#include "message_fixture.h"

/* --- progress -------------------------------------------------------------------------------------------------- */

static int says_percent(struct stage_ctx *ctx)
{
	stage_doing(ctx, 42, "unpacking %s", "nginx");
	return 0;
}

TEST(progress_is_shown)
{
	play(says_percent);
	CHECK_STR(sequence_stage(1)->doing, "unpacking nginx");
	CHECK_EQ(sequence_stage(1)->percent, 42);
	CHECK_EQ(sequence_stage(1)->state, STAGE_RUNNING);
	finish();
	CHECK_EQ(sequence_stage(1)->percent, 100);
}

static int percent;

static int says_that_percent(struct stage_ctx *ctx)
{
	struct message m = doing(percent, "x");

	send_bytes(ctx, &m, sizeof(m));
	return 0;
}

static void shows_percent(int sent, int shown)
{
	percent = sent;
	play(says_that_percent);
	CHECK_STR(sequence_stage(1)->doing, "x");
	CHECK_EQ(sequence_stage(1)->percent, shown);
}

TEST(percent_0)
{
	shows_percent(0, 0);
}

TEST(percent_100)
{
	shows_percent(100, 100);
}

TEST(percent_101)
{
	shows_percent(101, -1);
}

TEST(percent_negative)
{
	shows_percent(-2, -1);
}

TEST(percent_huge)
{
	shows_percent(INT32_MIN, -1);
}

/* Nobody reads while PID 1 is busy: the stage goes on, and at the end the last word is the failure. */
static int floods(struct stage_ctx *ctx)
{
	for (int i = 0; i < 20000; i++)
		stage_doing(ctx, i % 100, "number %d", i);
	return 0;
}

TEST(a_flood_of_progress_holds_nobody_up)
{
	play(floods);
	CHECK_EQ(strncmp(sequence_stage(1)->doing, "number ", 7), 0);
	finish();
	CHECK_EQ(times_in(told, "finished"), 1);
}

static int floods_and_fails(struct stage_ctx *ctx, struct failure *f)
{
	(void)floods(ctx);
	return fails_hold(ctx, f);
}

/* News may get lost where the socket is full; why it failed may not. */
TEST(the_failure_comes_after_any_flood)
{
	plan[1].act = floods_and_fails;
	run_stages(2);
	CHECK_STR(told, "begin|done alpha|begin|failed 3 600 beta: not ours|");
}

static int floods_for_ever(struct stage_ctx *ctx)
{
	(void)fork(); /* two of them: the socket is never empty */
	while (ctx->report >= 0)
		stage_doing(ctx, 1, "more");
	return 0;
}

static int64_t fired;

static void note_time(struct loop_timer *t)
{
	(void)t;
	fired = real_ms();
}

TEST(a_flood_of_progress_starves_nobody)
{
	static struct loop_timer timer = {.fire = note_time};

	scene = floods_for_ever;
	plan[1].act = act;
	start_stages(2);
	RUN_UNTIL(strcmp(sequence_stage(1)->doing, "more") == 0);
	int64_t begin = real_ms();
	loop_timer_set(&timer, 50);
	RUN_UNTIL(fired);
	CHECK(fired - begin < 1000);
	sequence_abort(10000, told_aborted);
	RUN_UNTIL(times_in(told, "aborted"));
}

/* --- what is no message ---------------------------------------------------------------------------------------- */

static int sends_garbage(struct stage_ctx *ctx)
{
	struct message good = doing(7, "the truth"), bad;
	struct {
		struct message m;
		char more[64];
	} longer = {.m = doing(8, "too long")};

	send_bytes(ctx, &good, sizeof(good));
	bad = doing(9, "too short");
	for (size_t len = 1; len < sizeof(bad); len += 97)
		send_bytes(ctx, &bad, len);
	send_bytes(ctx, &bad, sizeof(bad) - 1);
	send_bytes(ctx, &longer, sizeof(bad) + 1);
	send_bytes(ctx, &longer, sizeof(longer));
	bad.type = 0;
	send_bytes(ctx, &bad, sizeof(bad));
	bad.type = 4;
	send_bytes(ctx, &bad, sizeof(bad));
	bad.type = UINT32_MAX;
	send_bytes(ctx, &bad, sizeof(bad));
	return 0;
}

TEST(what_has_not_the_right_size_or_type_is_refused)
{
	play(sends_garbage);
	CHECK_STR(sequence_stage(1)->doing, "the truth");
	CHECK_EQ(sequence_stage(1)->percent, 7);
	finish();
	CHECK_STR(told, "begin|done alpha|begin|done beta|finished|");
}

static int sends_bytes(struct stage_ctx *ctx)
{
	struct message m = {.type = DOING, .value = 1};

	memset(m.text, 'A', sizeof(m.text)); /* without an end */
	memset(m.remedy, 'B', sizeof(m.remedy));
	memcpy(m.text, "a\x1b[31m\tb\rc\x7f\n\xc3\xa4", 14);
	send_bytes(ctx, &m, sizeof(m));
	return 0;
}

TEST(texts_end_and_hold_no_control_bytes)
{
	play(sends_bytes);
	CHECK_EQ(strlen(sequence_stage(1)->doing), sizeof(sequence_stage(1)->doing) - 1);
	CHECK_EQ(strncmp(sequence_stage(1)->doing,
			 "a?[31m?b?c?\n\xc3\xa4"
			 "AAAA",
			 17),
		 0);
	CHECK(strchr(sequence_stage(1)->doing, 'B') == NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(progress_is_shown),
		cmocka_unit_test(percent_0),
		cmocka_unit_test(percent_100),
		cmocka_unit_test(percent_101),
		cmocka_unit_test(percent_negative),
		cmocka_unit_test(percent_huge),
		cmocka_unit_test(a_flood_of_progress_holds_nobody_up),
		cmocka_unit_test(the_failure_comes_after_any_flood),
		cmocka_unit_test(a_flood_of_progress_starves_nobody),
		cmocka_unit_test(what_has_not_the_right_size_or_type_is_refused),
		cmocka_unit_test(texts_end_and_hold_no_control_bytes),
	};

	return cmocka_run_group_tests_name("sequence progress", tests, NULL, NULL);
}
