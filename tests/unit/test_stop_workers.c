/* A stop and the workers: they are not the installation's, nobody waits for them, and none is left. */
#include "../../init/boot/jail.h"
#include "../../init/kill.h"
#include "../../init/logring.h"
#include "../../init/reaper.h"
#include "../../init/signals.h"
#include "../../init/stop.h"
#include "../../init/worker/worker.h"
#include "../../init/workers.h"

#include "support.h"

/* The worker is this program once more. */
static bool wanted(const struct config *c)
{
	(void)c;
	return true;
}

const struct worker_role worker_roles[] = {
	{.name = "fake", .program = "/proc/self/exe", .uid = WORKER_UID_LAST, .wanted = wanted}};
const size_t worker_role_count = 1;

static int fake(void)
{
	if (setresuid(WORKER_UID_LAST, WORKER_UID_LAST, WORKER_UID_LAST) < 0)
		_exit(9);
	(void)signal(SIGTERM, SIG_IGN); /* one that does not want to go */
	(void)signal(SIGHUP, SIG_IGN);
	(void)worker_send(WORKER_READY, NULL, 0);
	for (;;)
		(void)pause();
}

/* --- PID 1 ----------------------------------------------------------------------------------------------------- */

static struct config cfg;
static struct loop_timer timer;
static pid_t worker, other;
static bool with_other, stopped_worker, done_said, done_killed;
static int64_t began;

static void done(bool killed)
{
	done_said = true;
	done_killed = killed;
	loop_quit();
}

static unsigned died(void)
{
	unsigned n = reaper_run();

	stop_child_died();
	return n;
}

static void no_signal(const struct signalfd_siginfo *si)
{
	(void)si;
}

static void begin_stop(struct loop_timer *t)
{
	struct worker_view v;
	char list[256], name[64];

	CHECK(workers_view(0, &v));
	if (!v.state || strcmp(v.state, "running") != 0) {
		loop_timer_set(t, 10);
		return;
	}
	worker = v.pid;
	if (stopped_worker)
		CHECK_EQ(kill(worker, SIGSTOP), 0);
	CHECK(!kill_anyone_left());
	kill_list(list, sizeof(list));
	CHECK_STR(list, "");
	if (with_other) {
		other = fork();
		if (other == 0) {
			signals_reset_in_child();
			for (;;)
				(void)pause();
		}
		CHECK(kill_anyone_left());
		kill_list(list, sizeof(list));
		(void)snprintf(name, sizeof(name), "(%d)", (int)other);
		CHECK(strstr(list, name) != NULL);
		(void)snprintf(name, sizeof(name), "(%d)", (int)worker);
		CHECK(strstr(list, name) == NULL);
	}
	began = now_ms();
	stop_begin(&cfg, false, done);
}

static void stop_body(void)
{
	static const char *const env[] = {NULL};
	struct config_error err;

	signals_block();
	CHECK_EQ(config_load(env, NULL, 0, NULL, &cfg, &err), 0);
	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(signals_open(no_signal, died), 0);
	CHECK_EQ(logring_open(false), 0);
	timer.fire = begin_stop;
	workers_update(&cfg);
	loop_timer_set(&timer, 10);
	loop_run();
	CHECK(done_said && !done_killed);
	CHECK(now_ms() - began < 3000); /* far less than the grace that anybody else gets */
	while (waitpid(-1, NULL, 0) > 0)
		;
	CHECK_EQ(kill(worker, 0), -1);
	CHECK_EQ(errno, ESRCH);
	config_free(&cfg);
}

static void nobody_waits_for_a_worker(void **state)
{
	(void)state;
	as_pid1(stop_body, NULL);
}

static void nor_for_one_that_is_stopped(void **state)
{
	(void)state;
	stopped_worker = true;
	as_pid1(stop_body, NULL);
	stopped_worker = false;
}

static void the_others_are_told_to_go(void **state)
{
	(void)state;
	with_other = true;
	as_pid1(stop_body, NULL);
	with_other = false;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_waits_for_a_worker),
		cmocka_unit_test(nor_for_one_that_is_stopped),
		cmocka_unit_test(the_others_are_told_to_go),
	};

	if (argc == 1 && strcmp(argv[0], "fake") == 0)
		return fake();
	return cmocka_run_group_tests_name("stop workers", tests, NULL, NULL);
}
