/* What is shown of a service whose pidfile names a process: that it runs, dies, comes back, or was never there. */
#include "supervise_fixture.h"

/* --- a life ---------------------------------------------------------------------------------------------------- */

TEST(a_crash_is_flux_first_and_then_crashed)
{
	pid_t pid = run_service("memcached", true);

	supervise("memcached Running");
	CHECK_EQ(state_of("memcached"), SERVICE_RUNNING);
	CHECK_EQ(service("memcached")->pid, pid);
	CHECK_EQ(service("memcached")->restarts, 0);
	CHECK(service("memcached")->enabled && supervise_all_running());
	end_with(pid, SIGKILL);
	CHECK_EQ(state_of("memcached"), SERVICE_FLUX);
	CHECK_EQ(service("memcached")->pid, 0);
	CHECK(logged("service: memcached: process") == 1 && logged("ended with status 137\n") == 1);
	CHECK(supervise_all_running()); /* a restart is no outage */
	pass(55 * 1000);
	CHECK_EQ(state_of("memcached"), SERVICE_FLUX);
	pass(15 * 1000);
	CHECK_EQ(state_of("memcached"), SERVICE_CRASHED);
	CHECK_EQ(logged("service: error: memcached: flux -> crashed\n"), 1);
	CHECK(!supervise_all_running());
}

TEST(an_orderly_end_is_stopped)
{
	pid_t pid = run_service("memcached", true);

	supervise("memcached Running");
	end_with(pid, SIGUSR1);
	CHECK_EQ(state_of("memcached"), SERVICE_FLUX);
	pass(70 * 1000);
	CHECK_EQ(state_of("memcached"), SERVICE_STOPPED);
	CHECK_EQ(logged("error: memcached"), 0);
}

TEST(another_process_is_a_restart)
{
	pid_t pid = run_service("memcached", true);

	supervise("memcached Running");
	for (unsigned restarts = 1; restarts <= 3; restarts++) {
		int64_t before = service("memcached")->since;
		end_with(pid, SIGUSR2);
		pid = run_service("memcached", restarts % 2 == 0); /* whose child it is makes no difference */
		pass(10 * 1000);
		CHECK_EQ(state_of("memcached"), SERVICE_RUNNING);
		CHECK_EQ(service("memcached")->pid, pid);
		CHECK_EQ(service("memcached")->restarts, restarts);
		CHECK(service("memcached")->since > before);
	}
}

/* Also one that is nobody's child here tells about its end; how it ended, only its parent knows. */
TEST(a_process_with_another_parent_is_watched_too)
{
	pid_t pid = run_service("memcached", false);

	supervise("memcached Running");
	CHECK_EQ(service("memcached")->pid, pid);
	end_with(pid, SIGUSR1);
	RUN_UNTIL(state_of("memcached") == SERVICE_FLUX);
	pass(70 * 1000);
	CHECK_EQ(state_of("memcached"), SERVICE_CRASHED);
}

/* `zctl exec -- memcached` after a crash: its parent lives on, no orphan ends, nobody tells. */
TEST(a_start_by_hand_is_seen_within_the_polling_time)
{
	pid_t pid = run_service("memcached", true);

	supervise("memcached Running");
	end_with(pid, SIGKILL);
	pass(600 * 1000);
	CHECK_EQ(state_of("memcached"), SERVICE_CRASHED);
	uint64_t deaths = reaper_count();
	pid = run_service("memcached", false);
	pass(5100);
	CHECK_EQ(state_of("memcached"), SERVICE_RUNNING);
	CHECK_EQ(service("memcached")->pid, pid);
	CHECK_EQ(service("memcached")->restarts, 1);
	CHECK(reaper_count() - deaths <= 2); /* the children that read the pidfiles, and nothing else */
}

/* Everything runs, so nothing is polled; but a script that put another process in its place ends as an orphan. */
TEST(an_orphans_end_makes_it_look_again)
{
	pid_t first = run_service("memcached", true);

	supervise("memcached Running");
	pass(60 * 1000);
	pid_t second = run_service("memcached", true);
	pass(60 * 1000);
	CHECK_EQ(service("memcached")->pid, first); /* nothing told about it, and the first one is still there */
	end_with(start_daemon(0, true), SIGUSR1);
	pass(1100);
	CHECK_EQ(service("memcached")->pid, second);
	CHECK_EQ(service("memcached")->restarts, 1);
	end_with(first, SIGKILL); /* nobody's business any more */
	pass(70 * 1000);
	CHECK_EQ(state_of("memcached"), SERVICE_RUNNING);
}

TEST(one_process_of_several_services)
{
	static const char *const parts[] = {"mailbox", "service webapp", "zimbra webapp", "zimbraAdmin webapp"};
	pid_t pid = run_service("mailbox", true);

	supervise("mailbox Running|service webapp Running|zimbra webapp Running|zimbraAdmin webapp Running");
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		CHECK_EQ(service(parts[i])->pid, pid);
	end_with(pid, SIGKILL);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		CHECK_EQ(state_of(parts[i]), SERVICE_FLUX);
	pid = run_service("mailbox", true);
	pass(10 * 1000);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		CHECK_EQ(state_of(parts[i]), SERVICE_RUNNING);
		CHECK_EQ(service(parts[i])->restarts, 1);
	}
}

/* --- pidfiles that lie ----------------------------------------------------------------------------------------- */

TEST(a_pidfile_without_a_pid_is_no_process)
{
	static const char *const lies[] = {"1",		 "-1",	"0",	   "4194305",	"99999999999999999999999999",
					   "",		 "\n",	"garbage", "12abc",	"0x10",
					   "2147483648", "+17", " \t\n2",  "4294967297"};
	const char *path = JAIL_ROOT "/opt/zimbra/log/memcached.pid";

	supervise("memcached Stopped");
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		put(path, lies[i]);
		pass(6 * 1000);
		CHECK_EQ(state_of("memcached"), SERVICE_STOPPED);
		CHECK_EQ(service("memcached")->pid, 0);
	}
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(mkfifo(path, 0666), 0); /* whoever opens it waits */
	pass(6 * 1000);
	CHECK_EQ(unlink(path), 0);
	CHECK_EQ(mkdir(path, 0755), 0);
	pass(6 * 1000);
	CHECK_EQ(rmdir(path), 0);
	CHECK_EQ(symlink("/proc/1/stat", path), 0);
	pass(6 * 1000);
	CHECK_EQ(state_of("memcached"), SERVICE_STOPPED);
	CHECK_EQ(logged("takes longer"), 0);
	CHECK_EQ(unlink(path), 0);
	pid_t pid = run_service("memcached", true); /* and after all that it still sees the truth */
	pass(6 * 1000);
	CHECK_EQ(service("memcached")->pid, pid);
}

/* The number of a process that cannot be this service is believed for nothing, and never signalled. */
TEST(a_pidfile_that_names_somebody_else)
{
	pid_t root = start_daemon(0, true), other = start_daemon(1001, true), zombie = start_daemon(ZIMBRA_UID, false);
	const pid_t strangers[] = {root, other, 3000000};

	supervise("memcached Stopped|mta Stopped");
	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
		put_pidfile("memcached", strangers[i]);
		pass(6 * 1000);
		CHECK_EQ(service("memcached")->pid, 0);
		CHECK_EQ(state_of("memcached"), SERVICE_STOPPED);
	}
	put_pidfile("mta", root); /* postfix's master is root's */
	pass(6 * 1000);
	CHECK_EQ(service("mta")->pid, root);
	put_pidfile("mta", other);
	put_pidfile("rsyslog", zombie); /* what the zimbra user runs is no system daemon */
	end_with(root, SIGKILL);
	pass(6 * 1000);
	CHECK_EQ(service("mta")->pid, 0);
	CHECK_EQ(service("rsyslog")->pid, system_daemon("rsyslog"));
	CHECK(exists(other) && exists(zombie));
}

/* A daemon that is dead and not reaped by whoever started it. */
TEST(a_zombie_is_not_running)
{
	pid_t pid = start_daemon(ZIMBRA_UID, false), parent = known[known_count - 2];

	CHECK_EQ(kill(parent, SIGSTOP), 0); /* it cannot reap */
	while (!strstr(text_of(status_file(parent)), "State:\tT"))
		sleep_ms(2);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	while (!strstr(text_of(status_file(pid)), "State:\tZ"))
		sleep_ms(2);
	put_pidfile("memcached", pid);
	supervise("memcached Stopped");
	CHECK_EQ(service("memcached")->pid, 0);
	CHECK_EQ(state_of("memcached"), SERVICE_STOPPED);
}

/* --- rest ------------------------------------------------------------------------------------------------------ */

TEST(nothing_wakes_up_while_everything_runs)
{
	(void)run_service("memcached", true);
	(void)run_service("ldap", false);
	supervise("memcached Running|ldap Running|dnscache Running");
	pass(10 * 1000); /* whatever is still to be asked */
	unsigned before = wakeups, questions = asked("status");
	pass(24 * 3600 * 1000);
	CHECK_EQ(wakeups, before);
	CHECK_EQ(asked("status"), questions);
	CHECK_EQ(alarm_clock.at, 0);
}

/* Neither is it a busy loop while something does not: a look is a timer, a line of output and a death. */
TEST(few_wake_ups_while_something_is_down)
{
	supervise("memcached Stopped");
	pass(10 * 1000);
	unsigned before = wakeups;
	uint64_t deaths = reaper_count();
	pass(600 * 1000);
	CHECK(reaper_count() - deaths >= 600 / 5 - 5); /* pidfiles are looked at all the same */
	CHECK(reaper_count() - deaths <= 600 / 5 + 5 + 20);
	CHECK(wakeups - before <= 4 * (600 / 5 + 20));
}

/* On the way down a death is what was wanted, and nobody is asked any more. */
TEST(a_death_while_stopping_is_stopped)
{
	pid_t pid = run_service("memcached", true), other = run_service("ldap", false);

	supervise("memcached Running|ldap Running");
	unsigned questions = asked("status");
	supervise_stopping();
	end_with(pid, SIGKILL);
	end_with(other, SIGKILL);
	RUN_UNTIL(state_of("ldap") == SERVICE_STOPPED);
	CHECK_EQ(state_of("memcached"), SERVICE_STOPPED);
	CHECK_EQ(logged("crashed"), 0);
	uint64_t deaths = reaper_count();
	pass(600 * 1000);
	CHECK_EQ(asked("status"), questions);
	CHECK_EQ(reaper_count(), deaths); /* no child was made to look at anything */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_is_flux_first_and_then_crashed),
		cmocka_unit_test(an_orderly_end_is_stopped),
		cmocka_unit_test(another_process_is_a_restart),
		cmocka_unit_test(a_process_with_another_parent_is_watched_too),
		cmocka_unit_test(a_start_by_hand_is_seen_within_the_polling_time),
		cmocka_unit_test(an_orphans_end_makes_it_look_again),
		cmocka_unit_test(one_process_of_several_services),
		cmocka_unit_test(a_pidfile_without_a_pid_is_no_process),
		cmocka_unit_test(a_pidfile_that_names_somebody_else),
		cmocka_unit_test(a_zombie_is_not_running),
		cmocka_unit_test(nothing_wakes_up_while_everything_runs),
		cmocka_unit_test(few_wake_ups_while_something_is_down),
		cmocka_unit_test(a_death_while_stopping_is_stopped),
	};

	return cmocka_run_group_tests_name("supervise", tests, NULL, NULL);
}
