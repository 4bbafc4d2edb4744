/* Reaping as PID 1: nobody stays a zombie, everybody who asked is told once and the truth. */
#include "../../init/reaper.h"
#include "../../init/signals.h"

#include "support.h"

#include <dirent.h>
#include <sys/resource.h>

static void no_signal(const struct signalfd_siginfo *si)
{
	(void)si;
}

static unsigned no_child(void)
{
	return 0;
}

static void late(struct loop_timer *t)
{
	(void)t;
	CHECK(!"nothing came in 50 seconds");
}

static void open_loop(unsigned (*chld)(void))
{
	static struct loop_timer end = {.fire = late};

	signals_block();
	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(signals_open(no_signal, chld), 0);
	loop_timer_set(&end, 50 * 1000);
}

/* Processes of this PID namespace but us. */
static int others(void)
{
	DIR *dir = opendir("/proc");
	int n = 0;

	CHECK(dir != NULL);
	for (struct dirent *e; (e = readdir(dir));)
		n += strtol(e->d_name, NULL, 10) > 1;
	(void)closedir(dir);
	return n;
}

/* A child with default signals. */
static pid_t spawn(void (*body)(int), int arg)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		signals_reset_in_child();
		body(arg);
		_exit(0);
	}
	return pid;
}

static void wait_until_dead(pid_t pid)
{
	siginfo_t info;

	while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0)
		CHECK_EQ(errno, EINTR);
}

static void exit_with(int code)
{
	_exit(code);
}

/* --- orphans --------------------------------------------------------------------------------------------------- */

static int orphans;
static unsigned orphan_rounds;

/* Makes children that make children, and dies before them: they become PID 1's. */
static void make_orphans(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			if (i % 4 == 0)
				sleep_ms(i % 7 * 5L);
			_exit(i & 0xff);
		}
		if (pid < 0) { /* a limit on processes: let some of them end */
			sleep_ms(5);
			i--;
		}
	}
}

static unsigned reap_orphans(void)
{
	unsigned reaped = reaper_run();

	if (reaper_count() == (uint64_t)orphans + 4)
		loop_quit();
	return reaped;
}

static void orphan_round(void)
{
	orphan_rounds++;
}

static void orphans_body(void)
{
	open_loop(reap_orphans);
	reaper_on_orphan(orphan_round);
	for (int i = 0; i < 4; i++)
		(void)spawn(make_orphans, orphans / 4);
	loop_run();
	CHECK_EQ(others(), 0);
	CHECK_EQ(reaper_count(), orphans + 4);
	CHECK(orphan_rounds > 0);
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
	CHECK_EQ(errno, ECHILD);
}

static void no_zombie_of_many_orphans(void **state)
{
	(void)state;
	orphans = count_of(2000, 20000);
	as_pid1(orphans_body, NULL);
}

/* SIGCHLD is pending once, however many died. */
static void coalesced_body(void)
{
	static pid_t pid[500];

	open_loop(no_child);
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++)
		pid[i] = spawn(exit_with, 3);
	for (size_t i = 0; i < ARRAY_SIZE(pid); i++)
		wait_until_dead(pid[i]);
	CHECK_EQ(others(), 500);
	reaper_run();
	CHECK_EQ(reaper_count(), 500);
	CHECK_EQ(others(), 0);
}

static void one_signal_for_many_deaths(void **state)
{
	(void)state;
	as_pid1(coalesced_body, NULL);
}

/* --- who is told what ------------------------------------------------------------------------------------------ */

struct heard {
	unsigned times;
	pid_t pid;
	int status;
};

static void hear(void *arg, pid_t pid, int status)
{
	struct heard *h = arg;

	h->times++;
	h->pid = pid;
	h->status = status;
}

static void codes_body(void)
{
	open_loop(no_child);
	for (int code = 0; code < 256; code++) {
		struct heard h = {0};
		pid_t pid = spawn(exit_with, code);
		CHECK_EQ(reaper_watch(pid, hear, &h), 0);
		wait_until_dead(pid);
		reaper_run();
		CHECK_EQ(h.times, 1);
		CHECK_EQ(h.pid, pid);
		CHECK_EQ(h.status, code);
	}
}

static void every_exit_code(void **state)
{
	(void)state;
	in_child(codes_body);
}

static void die_of(int sig)
{
	struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)kill(getpid(), sig);
	_exit(0);
}

static bool deadly(int sig)
{
	static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, 32, 33};

	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (harmless[i] == sig)
			return false;
	return true;
}

static void signals_body(void)
{
	open_loop(no_child);
	for (int sig = 1; sig < NSIG; sig++) {
		struct heard h = {0};
		if (!deadly(sig))
			continue;
		pid_t pid = spawn(die_of, sig);
		CHECK_EQ(reaper_watch(pid, hear, &h), 0);
		wait_until_dead(pid);
		reaper_run();
		CHECK_EQ(h.times, 1);
		CHECK_EQ(h.status, 128 + sig);
	}
}

static void every_deadly_signal(void **state)
{
	(void)state;
	in_child(signals_body);
}

static void two_body(void)
{
	struct heard a = {0}, b = {0}, forgotten = {0}, other = {0};

	open_loop(no_child);
	reaper_on_orphan(orphan_round);
	pid_t pid = spawn(exit_with, 5);
	CHECK_EQ(reaper_watch(pid, hear, &a), 0);
	CHECK_EQ(reaper_watch(pid, hear, &forgotten), 0);
	CHECK_EQ(reaper_watch(pid, hear, &b), 0);
	CHECK_EQ(reaper_watch(pid + 100000, hear, &other), 0);
	reaper_forget(pid, &forgotten);
	reaper_forget(pid, &other); /* not registered together: nothing happens */
	wait_until_dead(pid);
	reaper_run();
	reaper_run();
	CHECK_EQ(a.times, 1);
	CHECK_EQ(b.times, 1);
	CHECK_EQ(b.status, 5);
	CHECK_EQ(forgotten.times, 0);
	CHECK_EQ(other.times, 0);
	CHECK_EQ(orphan_rounds, 0); /* somebody had asked for it */
	pid = spawn(exit_with, 5);
	wait_until_dead(pid);
	reaper_run();
	CHECK_EQ(orphan_rounds, 1);
	CHECK_EQ(a.times + b.times, 2);
}

static void two_may_ask_for_one_pid(void **state)
{
	(void)state;
	in_child(two_body);
}

static struct heard second;
static pid_t second_pid;

static void hear_and_start(void *arg, pid_t pid, int status)
{
	hear(arg, pid, status);
	second_pid = spawn(exit_with, 9);
	CHECK_EQ(reaper_watch(second_pid, hear, &second), 0);
}

static void chain_body(void)
{
	struct heard h = {0};

	open_loop(no_child);
	pid_t pid = spawn(exit_with, 8);
	CHECK_EQ(reaper_watch(pid, hear_and_start, &h), 0);
	wait_until_dead(pid);
	reaper_run();
	CHECK_EQ(h.times, 1);
	while (second.times == 0) {
		sleep_ms(1);
		reaper_run();
	}
	CHECK_EQ(second.pid, second_pid);
	CHECK_EQ(second.status, 9);
}

static void next_child_started_while_told(void **state)
{
	(void)state;
	in_child(chain_body);
}

static void full_body(void)
{
	struct heard h = {0};
	int n = 0;

	while (reaper_watch(1000000 + n, hear, &h) == 0)
		n++;
	CHECK_EQ(n, 64);
	CHECK_EQ(reaper_watch(42, hear, &h), -ENOSPC);
	reaper_forget(1000063, &h);
	CHECK_EQ(reaper_watch(42, hear, &h), 0);
}

static void no_more_than_64(void **state)
{
	(void)state;
	in_child(full_body);
}

/* --- the ring of the last deaths ------------------------------------------------------------------------------- */

static void named(int number)
{
	char name[REAPER_COMM];

	(void)snprintf(name, sizeof(name), "a) Z 1 (%d", number);
	(void)prctl(PR_SET_NAME, name);
	_exit(number);
}

static void ring_body(void)
{
	struct reaper_death ring[REAPER_RING];

	open_loop(no_child);
	CHECK_EQ(reaper_ring(ring), 0);
	int64_t begin = now_ms();
	for (int i = 1; i <= 20; i++) {
		pid_t pid = spawn(named, i);
		wait_until_dead(pid);
		reaper_run();
		size_t n = reaper_ring(ring);
		CHECK_EQ(n, i < REAPER_RING ? i : REAPER_RING);
		CHECK_EQ(ring[0].pid, pid);
		CHECK_EQ(ring[0].status, i);
	}
	for (int i = 0; i < REAPER_RING; i++) {
		char name[REAPER_COMM];
		(void)snprintf(name, sizeof(name), "a) Z 1 (%d", 20 - i);
		CHECK_STR(ring[i].name, name);
		CHECK_EQ(ring[i].status, 20 - i);
		CHECK(ring[i].at >= begin && ring[i].at <= now_ms());
	}
	CHECK_EQ(reaper_count(), 20);
}

static void last_deaths(void **state)
{
	(void)state;
	as_pid1(ring_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_zombie_of_many_orphans), cmocka_unit_test(one_signal_for_many_deaths),
		cmocka_unit_test(every_exit_code),	     cmocka_unit_test(every_deadly_signal),
		cmocka_unit_test(two_may_ask_for_one_pid),   cmocka_unit_test(next_child_started_while_told),
		cmocka_unit_test(no_more_than_64),	     cmocka_unit_test(last_deaths),
	};

	return cmocka_run_group_tests_name("reaper", tests, NULL, NULL);
}
