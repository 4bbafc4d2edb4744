/* The child that reads the pidfiles: a volume may be slow or gone, and something may happen while it reads. */
#include "supervise_fixture.h"

/* --- process.c's part, which does what the case wants ---------------------------------------------------------- */

int zimbra_user(int root, uid_t *uid)
{
	(void)root;
	*uid = ZIMBRA_UID;
	return 0;
}

static const char *look_mode(void)
{
	append("/tmp/looks", "look\n");
	return text_of("/tmp/mode");
}

/* Asked once a row; the disk of the first row is the slow one. */
int zimbra_service_pid(int root, const struct zimbra_service *s, uid_t zimbra, pid_t *pid)
{
	char path[128];

	(void)root;
	(void)zimbra;
	if (s == &zimbra_services[0]) {
		const char *mode = look_mode();
		if (strcmp(mode, "hang") == 0)
			for (;;)
				(void)pause();
		else if (strcmp(mode, "die") == 0)
			(void)raise(SIGKILL);
		else if (strcmp(mode, "fail") == 0)
			_exit(1);
		else if (strcmp(mode, "short") == 0 && write(3, path, 7) == 7)
			_exit(0);
		else if (strcmp(mode, "silent") == 0)
			_exit(0);
	}
	if (!s->pidfile[0])
		return -ENOENT;
	(void)snprintf(path, sizeof(path), JAIL_ROOT "%s", s->pidfile[0]);
	*pid = (pid_t)strtol(text_of(path), NULL, 10);
	/* The last row: what has been read by now is old when this goes on. */
	if (s == &zimbra_services[zimbra_service_count - 1])
		while (strcmp(text_of("/tmp/mode"), "wait") == 0)
			sleep_ms(2);
	return *pid > 1 ? 0 : -ENOENT;
}

static unsigned looks(void)
{
	return times_in(text_of("/tmp/looks"), "look\n");
}

/* --------------------------------------------------------------------------------------------------------------- */

TEST(a_disk_that_does_not_answer)
{
	pid_t pid = run_service("memcached", true);

	supervise("memcached Running|ldap Running");
	pass(60 * 1000);
	put("/tmp/mode", "hang");
	for (unsigned i = 1; i <= 3; i++) {
		unsigned before = looks();
		skip_ms(6 * 1000);
		RUN_UNTIL(looks() == before + 1);
		skip_ms(25 * 1000);
		(void)turn(20);
		CHECK_EQ(logged("takes longer than 30 s: is the volume's disk there?"), i - 1);
		skip_ms(6 * 1000);
		RUN_UNTIL(logged("takes longer than 30 s: is the volume's disk there?") == i);
		RUN_UNTIL(processes(true) == 0); /* they do not pile up */
		CHECK_EQ(state_of("memcached"), SERVICE_RUNNING);
		CHECK_EQ(service("memcached")->pid, pid);
	}
	end_with(pid, SIGKILL); /* that is known without the disk */
	CHECK_EQ(state_of("memcached"), SERVICE_FLUX);
	put("/tmp/mode", "");
	pid = run_service("memcached", true);
	pass(6 * 1000);
	CHECK_EQ(service("memcached")->pid, pid);
}

/* Nothing is concluded from half an answer, and it is looked again. */
static void without_answer(const char *mode)
{
	pid_t pid = run_service("memcached", true);

	supervise("memcached Running|ldap Running");
	put("/tmp/mode", mode);
	pass(60 * 1000);
	CHECK_EQ(service("memcached")->pid, pid);
	pid_t ldap = run_service("ldap", true);
	pass(60 * 1000);
	CHECK_EQ(service("ldap")->pid, 0);
	CHECK(looks() > 120 / 5 - 3 && looks() < 120 / 5 + 25);
	put("/tmp/mode", "");
	pass(5100);
	CHECK_EQ(service("ldap")->pid, ldap);
	CHECK_EQ(service("memcached")->pid, pid);
}

TEST(it_is_killed)
{
	without_answer("die");
}

TEST(it_fails)
{
	without_answer("fail");
}

TEST(it_writes_half)
{
	without_answer("short");
}

TEST(it_writes_nothing)
{
	without_answer("silent");
}

/* Everything ran when it began to look; then a start by hand ended, whose pidfile it had read before. */
TEST(what_happens_meanwhile_is_seen_at_once)
{
	pid_t first = run_service("memcached", true);

	supervise("memcached Running");
	pass(60 * 1000);
	put("/tmp/mode", "wait");
	unsigned before = looks();
	end_with(start_daemon(0, true), SIGUSR1);
	skip_ms(1100);
	RUN_UNTIL(looks() == before + 1);
	sleep_ms(100); /* it has read the first pid */
	pid_t second = run_service("memcached", true);
	end_with(start_daemon(0, true), SIGUSR1);
	skip_ms(1100);
	RUN_UNTIL(!alarm_is_due());
	CHECK_EQ(looks(), before + 1); /* one at a time */
	put("/tmp/mode", "");
	settle_down();
	CHECK_EQ(looks(), before + 2);
	CHECK_EQ(service("memcached")->pid, second);
	CHECK(exists(first));
}

/* A container with a limit on processes: it cannot look now, but it will. */
TEST(no_child_to_be_had)
{
	static char taken[80];
	size_t n = 0;

	supervise("memcached Stopped");
	pid_t pid = run_service("memcached", true);
	while (reaper_watch(1000000, NULL, &taken[n]) == 0)
		n++;
	pass(30 * 1000);
	CHECK_EQ(service("memcached")->pid, 0);
	for (size_t i = 0; i < n; i++)
		reaper_forget(1000000, &taken[i]);
	pass(5100);
	CHECK_EQ(service("memcached")->pid, pid);
}

TEST(stopping_ends_what_hangs)
{
	put("/tmp/mode", "hang");
	make_jail();
	fake_su("sleep 1000");
	supervise_start();
	RUN_UNTIL(looks() == 1 && asked("status") == 1);
	supervise_stopping();
	RUN_UNTIL(processes(true) == 0);
	pass(600 * 1000);
	CHECK_EQ(looks(), 1);
	CHECK_EQ(asked("status"), 1);
	CHECK_EQ(logged("warning"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_that_does_not_answer),
		cmocka_unit_test(it_is_killed),
		cmocka_unit_test(it_fails),
		cmocka_unit_test(it_writes_half),
		cmocka_unit_test(it_writes_nothing),
		cmocka_unit_test(what_happens_meanwhile_is_seen_at_once),
		cmocka_unit_test(no_child_to_be_had),
		cmocka_unit_test(stopping_ends_what_hangs),
	};

	return cmocka_run_group_tests_name("supervise look", tests, NULL, NULL);
}
