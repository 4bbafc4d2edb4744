/* The way down: which signals reach what is left and when, and that it always comes to an end. */
#include "stop_fixture.h"

/* --- nothing is left ------------------------------------------------------------------------------------------- */

TEST(over_at_once_when_nothing_is_left)
{
	fake_su("exit 0");
	int64_t begin = real_ms();
	stop(true);
	stopped_as(CLEANLY);
	CHECK(real_ms() - begin < 5000);
	CHECK_EQ(asked("stop"), 0);
	CHECK_STR(text_of("/tmp/unmake"), "begun\nended\n");
	CHECK_EQ(logged("warning"), 0);
}

TEST(before_the_first_stage)
{
	CHECK_EQ(stop_phase(), STOP_NONE);
	stop(false);
	stopped_as(CLEANLY);
}

/* --- TERM, HUP, CONT, KILL ------------------------------------------------------------------------------------- */

TEST(what_ends_by_itself_is_not_killed)
{
	(void)start_process(POLITE, "polite");
	(void)start_process(SHELL, "shell");	 /* HUP */
	(void)start_process(STOPPED, "stopped"); /* CONT, and then it handles TERM */
	fake_su("exit 0");
	stop(false);
	stopped_as(CLEANLY);
	CHECK(got("polite", "T") && got("stopped", "T"));
	CHECK_EQ(asked("stop"), 0); /* no Zimbra was started */
	CHECK_EQ(logged("warning"), 0);
}

TEST(what_does_not_end_is_killed_after_ten_seconds)
{
	char want[64];
	pid_t pid = start_process(STUBBORN, "stubborn");

	(void)start_process(POLITE, "polite");
	stop(false);
	RUN_UNTIL(got("stubborn", "C"));
	CHECK(got("stubborn", "T") && got("stubborn", "H"));
	CHECK_EQ(text_of(got_file("stubborn"))[2], 'C'); /* last: what is stopped has all of them before it wakes */
	RUN_UNTIL(got("polite", "T"));
	CHECK_EQ(stop_phase(), STOP_TERM);
	CHECK_STR(stop_doing(), "ending what is left");
	skip_ms(9000);
	(void)turn(20);
	CHECK(exists(pid));
	CHECK_EQ(stop_phase(), STOP_TERM);
	skip_ms(1100);
	stopped_as(WITH_KILL);
	CHECK(got("stubborn", "T") && got("stubborn", "H") && got("stubborn", "C"));
	(void)snprintf(want, sizeof(want), "stop: warning: still there after TERM: stubborn(%d)", (int)pid);
	CHECK_EQ(logged(want), 1);
}

TEST(one_that_forks_at_term)
{
	(void)start_process(FORKING, "forking");
	stop(false);
	RUN_UNTIL(got("forking", "F"));
	(void)turn(20);
	CHECK_EQ(stop_phase(), STOP_TERM); /* its child is there, whom nobody knew */
	skip_ms(10100);
	stopped_as(WITH_KILL);
}

/* A look at all processes takes longer than one of its lives. */
TEST(one_that_is_always_another_one)
{
	(void)start_process(RUNNER, "runner");
	stop(false);
	for (int i = 0; i < 30; i++) {
		(void)turn(5);
		skip_ms(100);
		CHECK_EQ(stop_phase(), STOP_TERM); /* it is there, although every pid that is seen is gone */
	}
	skip_ms(8000);
	stopped_as(WITH_KILL);
}

/* --- docker exec ----------------------------------------------------------------------------------------------- */

/* Nobody here is told when it ends; it writes its last words first. */
static void exec_polite(pid_t pid1)
{
	(void)pid1;
	pid_t pid = fork();
	if (pid == 0)
		behave(POLITE, "exec");
	(void)wait_status(pid);
}

static void exec_body(void)
{
	/* It was started in the root of the outside. */
	RUN_UNTIL(processes(false) == 1);
	stop(false);
	stopped_as(CLEANLY);
	CHECK_EQ(reaper_count(), 1); /* of the child that unmounts; that one was not ours */
}

static void what_docker_exec_started_is_waited_for(void **state)
{
	(void)state;
	in_container(exec_body, exec_polite);
}

/* --- the running stage ----------------------------------------------------------------------------------------- */

TEST(a_stage_may_clean_up)
{
	plan[1].act = waits;
	start_stages(4);
	RUN_UNTIL(strcmp(sequence_stage(1)->doing, "waiting") == 0);
	stop(false);
	CHECK_EQ(stop_phase(), STOP_STAGE);
	CHECK_STR(stop_doing(), "ending the running stage");
	stopped_as(CLEANLY);
	CHECK_STR(text_of("/tmp/ran"), "AbB!"); /* and no stage after it */
}

TEST(a_stage_that_does_not_end)
{
	plan[1].act = waits_stubborn;
	start_stages(4);
	RUN_UNTIL(strcmp(sequence_stage(1)->doing, "waiting") == 0);
	pid_t pid = start_process(POLITE, "polite");
	stop(false);
	skip_ms(9000);
	(void)turn(20);
	CHECK(exists(pid)); /* one after the other */
	CHECK_EQ(stop_phase(), STOP_STAGE);
	skip_ms(1100);
	stopped_as(WITH_KILL);
	CHECK(got("polite", "T"));
}

TEST(a_second_term_shortens_a_stage)
{
	plan[1].act = waits_stubborn;
	start_stages(4);
	RUN_UNTIL(strcmp(sequence_stage(1)->doing, "waiting") == 0);
	stop(false);
	skip_ms(1000);
	(void)turn(20);
	stop(false);
	skip_ms(4000);
	(void)turn(20);
	CHECK_EQ(stop_phase(), STOP_STAGE);
	stop(false); /* a third one does not give it more */
	CHECK_EQ(logged("stop: warning: asked again: 5 s more for the running stage\n"), 1);
	skip_ms(1100);
	stopped_as(WITH_KILL);
}

TEST(between_two_tries_of_a_stage)
{
	plan[1].act = fails_retry;
	run_stages(4);
	stop(false);
	stopped_as(CLEANLY);
	pass(3600 * 1000);
	CHECK_STR(text_of("/tmp/ran"), "AbB");
}

/* --- asked again ----------------------------------------------------------------------------------------------- */

TEST(a_second_term_shortens)
{
	pid_t pid = start_process(STUBBORN, "stubborn");

	stop(false);
	RUN_UNTIL(got("stubborn", "C"));
	stop(false);
	CHECK_EQ(logged("stop: warning: asked again: 5 s more for this step\n"), 1);
	skip_ms(4000);
	(void)turn(20);
	CHECK(exists(pid));
	stop(false); /* a third one does not give it more */
	CHECK_EQ(logged("asked again"), 1);
	skip_ms(1100);
	stopped_as(WITH_KILL);
	stop(true); /* and at the end it does not begin anew */
	pass(3600 * 1000);
	CHECK_EQ(times_in(told, "stopped"), 1);
	CHECK_EQ(asked("stop"), 0);
}

/* --- unmounting ------------------------------------------------------------------------------------------------ */

TEST(an_unmount_that_fails_is_told)
{
	put("/tmp/broken", "");
	stop(false);
	stopped_as(CLEANLY);
	CHECK_EQ(logged("stop: warning: not everything was unmounted"), 1);
}

TEST(an_unmount_that_hangs_is_not_waited_for)
{
	put("/tmp/busy", "");
	stop(false);
	RUN_UNTIL(exists_file("/tmp/unmake"));
	skip_ms(9000);
	(void)turn(20);
	CHECK_EQ(times_in(told, "stopped"), 0);
	skip_ms(1100);
	RUN_UNTIL(times_in(told, "stopped"));
	CHECK_EQ(logged("stop: warning: not everything was unmounted"), 1);
}

/* --- bans ------------------------------------------------------------------------------------------------------ */

/* Who saves them is a child: it must be over before all that is left gets TERM. */
TEST(bans_are_saved_first)
{
	(void)start_process(POLITE, "polite");
	bans_unsaved = true;
	stop(false);
	RUN_UNTIL(bans_saved != NULL);
	CHECK_EQ(stop_phase(), STOP_SAVE);
	CHECK_STR(stop_doing(), "saving the bans");
	skip_ms(9000);
	(void)turn(20);
	CHECK_EQ(stop_phase(), STOP_SAVE);
	CHECK(!got("polite", "T"));
	bans_saved();
	stopped_as(CLEANLY);
	CHECK(got("polite", "T"));
	CHECK_EQ(logged("warning"), 0);
}

TEST(bans_are_not_waited_for_longer_than_ten_seconds)
{
	(void)start_process(POLITE, "polite");
	bans_unsaved = true;
	stop(false);
	RUN_UNTIL(bans_saved != NULL);
	skip_ms(10100);
	RUN_UNTIL(times_in(told, "stopped"));
	CHECK_STR(told, "bans given up|" CLEANLY);
	CHECK_EQ(logged("the bans could not be saved in time"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(over_at_once_when_nothing_is_left),
		cmocka_unit_test(before_the_first_stage),
		cmocka_unit_test(what_ends_by_itself_is_not_killed),
		cmocka_unit_test(what_does_not_end_is_killed_after_ten_seconds),
		cmocka_unit_test(one_that_forks_at_term),
		cmocka_unit_test(one_that_is_always_another_one),
		cmocka_unit_test(what_docker_exec_started_is_waited_for),
		cmocka_unit_test(a_stage_may_clean_up),
		cmocka_unit_test(a_stage_that_does_not_end),
		cmocka_unit_test(between_two_tries_of_a_stage),
		cmocka_unit_test(a_second_term_shortens),
		cmocka_unit_test(a_second_term_shortens_a_stage),
		cmocka_unit_test(an_unmount_that_fails_is_told),
		cmocka_unit_test(an_unmount_that_hangs_is_not_waited_for),
		cmocka_unit_test(bans_are_saved_first),
		cmocka_unit_test(bans_are_not_waited_for_longer_than_ten_seconds),
	};

	children_died = reap;
	return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
