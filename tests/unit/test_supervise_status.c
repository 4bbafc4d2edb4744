/* What zmcontrol's text makes of the list of services, whatever it says, and how often it is asked. */
#include "supervise_fixture.h"

/* --- what should run ------------------------------------------------------------------------------------------- */

TEST(the_text_says_what_is_enabled_and_the_pidfile_whether_it_runs)
{
	pid_t pid = run_service("memcached", true);

	supervise("memcached Stopped|ldap Running|dnscache Running|zimlet webapp Stopped");
	CHECK(service("memcached")->enabled && service("ldap")->enabled && service("dnscache")->enabled);
	CHECK(!service("mta")->enabled && !service("mailbox")->enabled);
	CHECK(service("rsyslog")->enabled && service("cron")->enabled); /* not zmcontrol's, and always */
	CHECK_EQ(service("memcached")->pid, pid);			/* it runs, whatever is said */
	CHECK_EQ(state_of("memcached"), SERVICE_RUNNING);
	CHECK_EQ(state_of("ldap"), SERVICE_STOPPED);
	CHECK_EQ(state_of("dnscache"), SERVICE_RUNNING); /* has no pidfile: nothing else tells */
	CHECK(!supervise_all_running() && !supervise_essential_running());
	(void)run_service("ldap", true);
	(void)run_service("mailbox", true); /* zimlet webapp is a part of it */
	pass(6 * 1000);
	CHECK(supervise_all_running() && supervise_essential_running());
}

TEST(nothing_is_known_before_it_has_answered)
{
	(void)run_service("memcached", true);
	make_jail();
	CHECK(!supervise_settled() && !supervise_all_running());
	fake_su("sleep 1000");
	supervise_start();
	RUN_UNTIL(state_of("memcached") == SERVICE_RUNNING && asked("status") == 1);
	CHECK(!supervise_settled());
	CHECK(!supervise_all_running()); /* rsyslog and cron alone are no mail server */
}

/* Its exit code lies in both directions. */
TEST(the_exit_code_does_not_count)
{
	(void)run_service("memcached", true);
	supervise("memcached Running");
	fake_su("cat /tmp/status; exit 1");
	say_status("memcached Running|dnscache Stopped");
	end_with(service("memcached")->pid, SIGKILL);
	pass(6 * 1000);
	CHECK_EQ(asked("status"), 2); /* five seconds after the change */
	CHECK(service("dnscache")->enabled);
	CHECK_EQ(state_of("dnscache"), SERVICE_STOPPED);
}

/* --- no answer ------------------------------------------------------------------------------------------------- */

/* Each says nothing: who was enabled stays it, and it is asked again in a minute. */
static void says_nothing(const char *su)
{
	supervise("memcached Running|dnscache Running");
	CHECK_EQ(state_of("memcached"), SERVICE_STOPPED);
	pass(600 * 1000);
	unsigned before = asked("status");
	fake_su(su);
	(void)run_service("memcached", true);
	pass(15 * 1000);
	CHECK_EQ(asked("status"), before + 1);
	CHECK(service("memcached")->enabled && service("dnscache")->enabled && !service("ldap")->enabled);
	CHECK_EQ(state_of("memcached"), SERVICE_RUNNING);
	CHECK_EQ(state_of("dnscache"), SERVICE_RUNNING);
	CHECK(supervise_all_running());
	pass(600 * 1000);
	CHECK(asked("status") >= before + 9 && asked("status") <= before + 12);
	fake_su("exec cat /tmp/status");
	say_status("memcached Running");
	pass(61 * 1000);
	before = asked("status");
	CHECK(!service("dnscache")->enabled);
	pass(3600 * 1000);
	CHECK_EQ(asked("status"), before);
}

TEST(empty)
{
	says_nothing("exit 0");
}

TEST(cannot_determine)
{
	says_nothing("printf 'Host mail.example.org\\nCannot determine services - exiting\\n'; exit 1");
}

TEST(no_list)
{
	says_nothing("printf 'Connect: Unable to determine enabled services from ldap.\\n"
		     "Unable to determine enabled services. Cache is out of date or does not exist.\\n'");
}

TEST(cut_off)
{
	says_nothing("printf 'Host mail.example.org\\n\\tmemcac'");
}

TEST(cut_off_in_the_state)
{
	says_nothing("printf '\\tdnscache                 Runn'");
}

TEST(binary)
{
	says_nothing("head -c 3000 /dev/urandom | tr '\\t' x");
}

TEST(killed)
{
	says_nothing("kill -9 $$");
}

/* Never heard of anything: booting for ever would be worse than degraded. */
TEST(a_jail_without_su_is_an_answer_too)
{
	make_jail();
	supervise_start();
	settle_down();
	CHECK(supervise_settled());
	CHECK(!supervise_all_running() && service("rsyslog")->enabled);
	CHECK_EQ(state_of("rsyslog"), SERVICE_RUNNING);
}

/* --- too much of an answer ------------------------------------------------------------------------------------- */

TEST(a_text_longer_than_what_is_kept)
{
	make_jail();
	fake_su("printf '\\tdnscache                Running\\n'\n"
		"seq 100000 1 105000\n" /* 35 KB of lines that mean nothing */
		"printf '\\tldap                    Running\\n'");
	supervise_start();
	settle_down();
	CHECK_EQ(state_of("dnscache"), SERVICE_RUNNING);
	CHECK(service("dnscache")->enabled && !service("ldap")->enabled);
	fake_su("head -c 1000000 /dev/zero; printf '\\n\\tdnscache                Running\\n'"); /* one line of it */
	(void)run_service("memcached", true);
	pass(12 * 1000);
	CHECK(asked("status") >= 2);
	CHECK(service("dnscache")->enabled);
	/* From a text with its end cut off nobody is known to be missing, and what stands behind the cut is not read.
	 */
	unsigned before = asked("status");
	fake_su("printf '\\tmemcached               Running\\n'\n"
		"seq -f %015.0f 1 1016\n"	/* 16 bytes each: less than a line is left */
		"printf '%0200d\\n' 0\n"	/* does not fit any more */
		"printf '\\tldap Running\\n'"); /* would */
	end_with(service("memcached")->pid, SIGKILL);
	pass(12 * 1000);
	CHECK(asked("status") > before);
	CHECK(service("dnscache")->enabled && !service("ldap")->enabled);
}

TEST(services_of_a_later_release)
{
	supervise("memcached Stopped|onlyoffice Running|license-daemon Stopped");
	CHECK(service("onlyoffice")->enabled && service("license-daemon")->enabled);
	CHECK_EQ(state_of("onlyoffice"), SERVICE_RUNNING);
	CHECK_EQ(state_of("license-daemon"), SERVICE_STOPPED);
	CHECK_EQ(service("onlyoffice")->pid, 0);
	CHECK(!service("onlyoffice")->essential);
	say_status("memcached Running|onlyoffice Stopped");
	pass(61 * 1000); /* what has no pidfile and is down is asked for once a minute */
	CHECK_EQ(state_of("onlyoffice"), SERVICE_STOPPED);
	CHECK(!service("license-daemon")->enabled);
}

/* Others every time: there is room for some, the rest is not shown, and those that are known stay. */
TEST(more_services_than_there_is_room_for)
{
	char text[2048] = "dnscache Stopped";
	size_t first, last = 0;

	supervise(text);
	first = supervise_count();
	for (int round = 0; round < 6; round++) {
		(void)snprintf(text, sizeof(text), "dnscache Stopped");
		for (int i = 0; i < 30; i++) {
			size_t used = strlen(text);
			(void)snprintf(text + used, sizeof(text) - used, "|new-%d-%d Running", round, i);
		}
		say_status(text);
		pass(61 * 1000);
		CHECK(service("dnscache")->enabled && service("memcached") != NULL);
		CHECK(supervise_count() > first && supervise_count() < first + 60);
		CHECK(last == 0 || supervise_count() == last);
		last = supervise_count();
	}
	CHECK_EQ(state_of("new-0-0"), SERVICE_RUNNING);
	CHECK(!service("new-0-0")->enabled);
	CHECK(asked("status") >= 7 && asked("status") <= 8); /* once a minute, and once more at the start perhaps */
}

/* --- one that does not end ------------------------------------------------------------------------------------- */

/* Time is up after a minute, for it and for what it started; what it said until then counts. */
static void never_ends(const char *su)
{
	make_jail();
	fake_su(su);
	supervise_start();
	RUN_UNTIL(asked("status") == 1 && state_of("rsyslog") == SERVICE_RUNNING && processes(true) > 0);
	RUN_UNTIL(exists_file("/tmp/said"));
	skip_ms(50 * 1000);
	(void)turn(20);
	CHECK(!supervise_settled());
	CHECK_EQ(logged("did not answer"), 0);
	skip_ms(11 * 1000);
	RUN_UNTIL(supervise_settled());
	CHECK_EQ(logged("service: warning: zmcontrol status did not answer in 60 s\n"), 1);
	CHECK(service("dnscache")->enabled);
	fake_su("exec cat /tmp/status");
	say_status("memcached Running|dnscache Running");
	settle_down(); /* nobody of it is left */
}

TEST(it_hangs)
{
	never_ends("printf '\\tdnscache                Running\\n'; sleep 1000 & : >/tmp/said; wait");
}

TEST(it_does_not_listen_to_term)
{
	never_ends("trap '' TERM HUP; printf '\\tdnscache                Running\\n'; : >/tmp/said; sleep 1000");
}

TEST(it_talks_without_end)
{
	never_ends("printf '\\tdnscache                Running\\n'; : >/tmp/said; exec yes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_says_what_is_enabled_and_the_pidfile_whether_it_runs),
		cmocka_unit_test(nothing_is_known_before_it_has_answered),
		cmocka_unit_test(the_exit_code_does_not_count),
		cmocka_unit_test(empty),
		cmocka_unit_test(cannot_determine),
		cmocka_unit_test(no_list),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(cut_off_in_the_state),
		cmocka_unit_test(binary),
		cmocka_unit_test(killed),
		cmocka_unit_test(a_jail_without_su_is_an_answer_too),
		cmocka_unit_test(a_text_longer_than_what_is_kept),
		cmocka_unit_test(services_of_a_later_release),
		cmocka_unit_test(more_services_than_there_is_room_for),
		cmocka_unit_test(it_hangs),
		cmocka_unit_test(it_does_not_listen_to_term),
		cmocka_unit_test(it_talks_without_end),
	};

	return cmocka_run_group_tests_name("supervise status", tests, NULL, NULL);
}
