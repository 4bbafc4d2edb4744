/* zmcontrol stop: it works, hangs, lies, or starts something new; who is left afterwards counts. */
#include "stop_fixture.h"

/* A service whose pid the script can read. */
static pid_t start_service(enum manner manner, const char *name)
{
	char path[64], text[16];
	pid_t pid = start_process(manner, name);

	(void)snprintf(path, sizeof(path), "/tmp/pid-%s", name);
	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	put(path, text);
	return pid;
}

TEST(it_works)
{
	pid_t mta = start_service(STUBBORN, "mta");

	fake_su("printf '\\tStopping mta...'; kill -9 $(cat /tmp/pid-mta); printf 'Done.\\n'\n"
		"while ! test -e /tmp/go; do sleep 0.01; done");
	stop(true);
	RUN_UNTIL(!exists(mta) && strcmp(stop_doing(), "zmcontrol stop: mta") == 0);
	CHECK_EQ(stop_phase(), STOP_ZIMBRA);
	put("/tmp/go", "");
	stopped_as(CLEANLY);
	CHECK_STR(text_of("/tmp/asked"), "- zimbra -c /opt/zimbra/bin/zmcontrol stop\n");
	CHECK_EQ(logged("zimbra:  Stopping mta...Done.\n"), 1);
	CHECK_STR(text_of("/tmp/got-mta"), ""); /* no signal but the script's */
	CHECK_EQ(logged("warning"), 0);
}

/* Exit 0, and something is left: it is ended as anything else. */
TEST(it_lies)
{
	(void)start_service(POLITE, "mailbox");
	pid_t stubborn = start_service(STUBBORN, "mta");

	fake_su("exit 0");
	stop(true);
	RUN_UNTIL(got("mta", "C"));
	CHECK(got("mta", "T") && got("mta", "H"));
	RUN_UNTIL(got("mailbox", "T"));
	CHECK(exists(stubborn));
	skip_ms(10100);
	stopped_as(WITH_KILL);
	CHECK_EQ(asked("stop"), 1);
}

TEST(it_fails_but_nothing_is_left)
{
	(void)start_service(STUBBORN, "mta");
	fake_su("kill -9 $(cat /tmp/pid-mta); exit 3");
	stop(true);
	stopped_as(CLEANLY);
	CHECK_EQ(logged("stop: warning: zmcontrol stop ended with status 3\n"), 1);
}

TEST(it_cannot_be_run)
{
	(void)start_service(POLITE, "mta");
	stop(true);
	stopped_as(CLEANLY);
	CHECK(got("mta", "T"));
	CHECK_EQ(logged("zmcontrol stop ended with status 127\n"), 1);
}

TEST(it_starts_something_while_it_stops)
{
	(void)start_service(POLITE, "mta");
	fake_su("(exec >/dev/null 2>&1; trap 'echo late >/tmp/late; exit' TERM; trap '' HUP; : >/tmp/started; while :; "
		"do sleep 0.01; done) "
		"&\n"
		"while ! test -e /tmp/started; do sleep 0.01; done");
	stop(true);
	stopped_as(CLEANLY);
	CHECK_STR(text_of("/tmp/late"), "late\n");
}

/* --- time is up ------------------------------------------------------------------------------------------------ */

TEST(it_hangs)
{
	pid_t mta = start_service(POLITE, "mta");

	fake_su(": >/tmp/hangs; sleep 1000");
	stop(true);
	RUN_UNTIL(exists_file("/tmp/hangs"));
	skip_ms(290 * 1000);
	(void)turn(20);
	CHECK(exists(mta));
	CHECK_EQ(stop_phase(), STOP_ZIMBRA);
	skip_ms(11 * 1000);
	stopped_as(CLEANLY);
	CHECK_EQ(logged("stop: warning: zmcontrol stop has not ended after 30"), 1);
	CHECK_EQ(logged("; ZIMBRA_STOP_TIMEOUT is 300 s, give the container's --stop-timeout 60 s more than that\n"),
		 1);
	CHECK(got("mta", "T"));
}

/* The script must not go on (and start things again) while its services are ended. */
TEST(it_hangs_and_does_not_listen)
{
	pid_t mta = start_service(STUBBORN, "mta");

	fake_su("trap '' TERM HUP; : >/tmp/hangs; sleep 1000");
	stop(true);
	RUN_UNTIL(exists_file("/tmp/hangs"));
	skip_ms(301 * 1000);
	RUN_UNTIL(got("mta", "C"));
	CHECK(processes(true) > 0);
	skip_ms(2100);
	RUN_UNTIL(processes(true) == 0); /* KILL, to it and what it started */
	CHECK(exists(mta));		 /* to nobody else yet */
	CHECK_EQ(stop_phase(), STOP_TERM);
	skip_ms(8000);
	stopped_as(WITH_KILL);
}

TEST(killing_only_the_script_is_killing_too)
{
	(void)start_service(POLITE, "mta");
	fake_su("trap '' TERM HUP; : >/tmp/hangs; sleep 1000");
	stop(true);
	RUN_UNTIL(exists_file("/tmp/hangs"));
	skip_ms(301 * 1000);
	RUN_UNTIL(got("mta", "T"));
	skip_ms(2100);
	stopped_as(WITH_KILL);
}

/* `docker stop` twice: somebody is in a hurry. */
TEST(a_second_term_shortens_it)
{
	(void)start_service(POLITE, "mta");
	fake_su(": >/tmp/hangs; sleep 1000");
	stop(true);
	RUN_UNTIL(exists_file("/tmp/hangs"));
	stop(true);
	skip_ms(4000);
	(void)turn(20);
	CHECK_EQ(stop_phase(), STOP_ZIMBRA);
	skip_ms(1100);
	stopped_as(CLEANLY);
	CHECK_EQ(asked("stop"), 1);
}

TEST(also_in_the_middle_of_a_boot)
{
	plan[1].act = waits;
	start_stages(4);
	RUN_UNTIL(strcmp(sequence_stage(1)->doing, "waiting") == 0);
	(void)start_service(STUBBORN, "mta");
	fake_su("cat /tmp/ran >/tmp/before; kill -9 $(cat /tmp/pid-mta)");
	stop(true);
	stopped_as(CLEANLY);
	CHECK_STR(text_of("/tmp/before"), "AbB!"); /* the stage was over when the script began */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_works),
		cmocka_unit_test(it_lies),
		cmocka_unit_test(it_fails_but_nothing_is_left),
		cmocka_unit_test(it_cannot_be_run),
		cmocka_unit_test(it_starts_something_while_it_stops),
		cmocka_unit_test(it_hangs),
		cmocka_unit_test(it_hangs_and_does_not_listen),
		cmocka_unit_test(killing_only_the_script_is_killing_too),
		cmocka_unit_test(a_second_term_shortens_it),
		cmocka_unit_test(also_in_the_middle_of_a_boot),
	};

	children_died = reap;
	return cmocka_run_group_tests_name("stop zimbra", tests, NULL, NULL);
}
