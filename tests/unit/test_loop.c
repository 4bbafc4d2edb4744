/* The event loop: order of timers, removal while events are handed out, and silence when there is nothing to do. */
#include "../../init/loop.h"

#include "support.h"

#define TEXT(literal) ((void *)(uintptr_t)(literal))

static char trace[256];

static void note(const char *what)
{
	(void)snprintf(trace + strlen(trace), sizeof(trace) - strlen(trace), "%s ", what);
}

static void quit_now(struct loop_timer *t)
{
	(void)t;
	loop_quit();
}

static void run_for(int64_t ms)
{
	static struct loop_timer end;

	end.fire = quit_now;
	loop_timer_set(&end, ms);
	loop_run();
}

static void note_arg(struct loop_timer *t)
{
	note(t->arg);
}

/* --- timers ---------------------------------------------------------------------------------------------------- */

static void order_body(void)
{
	struct loop_timer a = {.fire = note_arg, .arg = TEXT("a")}, b = {.fire = note_arg, .arg = TEXT("b")};
	struct loop_timer c = {.fire = note_arg, .arg = TEXT("c")}, d = {.fire = note_arg, .arg = TEXT("d")};

	CHECK_EQ(loop_open(), 0);
	loop_timer_set(&c, 30);
	loop_timer_set(&a, 10);
	loop_timer_set(&b, 20);
	loop_timer_set(&d, 10);
	d.at = a.at; /* the same millisecond: first set, first told */
	run_for(60);
	CHECK_STR(trace, "a d b c ");
	CHECK(!a.armed && !b.armed && !c.armed && !d.armed);
}

static void timers_fire_in_order(void **state)
{
	(void)state;
	in_child(order_body);
}

static int64_t fired_at;

static void note_time(struct loop_timer *t)
{
	(void)t;
	fired_at = now_ms();
	loop_quit();
}

static void punctual_body(void)
{
	struct loop_timer t = {.fire = note_time};
	int64_t begin = now_ms();

	CHECK_EQ(loop_open(), 0);
	loop_timer_set(&t, 500);
	loop_timer_set(&t, 80); /* again: moved, not doubled */
	loop_run();
	CHECK(fired_at - begin >= 80);
	CHECK(fired_at - begin < 400);
}

static void timer_is_never_early_and_moves(void **state)
{
	(void)state;
	in_child(punctual_body);
}

static struct loop_timer other;

static void stop_other(struct loop_timer *t)
{
	(void)t;
	note("first");
	loop_timer_stop(&other);
}

static void stop_in_callback_body(void)
{
	struct loop_timer t = {.fire = stop_other};

	CHECK_EQ(loop_open(), 0);
	other = (struct loop_timer){.fire = note_arg, .arg = TEXT("other")};
	loop_timer_set(&t, 10);
	loop_timer_set(&other, 10);
	sleep_ms(30); /* both are due in the same round */
	run_for(50);
	CHECK_STR(trace, "first ");
}

static void timer_stopped_by_another_does_not_fire(void **state)
{
	(void)state;
	in_child(stop_in_callback_body);
}

static unsigned long fired;

static void again_at_once(struct loop_timer *t)
{
	fired++;
	loop_timer_set(t, 0);
}

static void quit_ready(struct loop_watch *w, uint32_t ev)
{
	(void)w;
	(void)ev;
	note("ready");
	loop_quit();
}

static void greedy_body(void)
{
	struct loop_timer t = {.fire = again_at_once};
	struct loop_watch w = {.ready = quit_ready};
	int p[2];

	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(loop_add(&w, p[0], EPOLLIN), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	loop_timer_set(&t, 0);
	int64_t begin = now_ms();
	loop_run();
	CHECK_STR(trace, "ready ");
	CHECK(now_ms() - begin < 1000);
}

static void timer_that_sets_itself_starves_nobody(void **state)
{
	(void)state;
	in_child(greedy_body);
}

static void past_body(void)
{
	struct loop_timer past = {.fire = note_arg, .arg = TEXT("past")},
			  zero = {.fire = note_arg, .arg = TEXT("zero")};

	CHECK_EQ(loop_open(), 0);
	loop_timer_set(&zero, 0);
	loop_timer_set(&past, -now_ms() - 1000); /* before the machine was started */
	run_for(50);
	CHECK_STR(trace, "past zero ");
}

static void timer_in_the_past_fires_at_once(void **state)
{
	(void)state;
	in_child(past_body);
}

static void stop_twice_body(void)
{
	struct loop_timer t = {.fire = note_arg, .arg = TEXT("t")}, never = {.fire = note_arg, .arg = TEXT("never")};

	CHECK_EQ(loop_open(), 0);
	loop_timer_stop(&never);
	loop_timer_set(&t, 10);
	loop_timer_stop(&t);
	loop_timer_stop(&t);
	CHECK(!t.armed);
	run_for(40);
	CHECK_STR(trace, "");
}

static void stopping_is_harmless_when_not_set(void **state)
{
	(void)state;
	in_child(stop_twice_body);
}

/* --- descriptors ----------------------------------------------------------------------------------------------- */

static struct loop_watch *pair[2];

/* Whoever is first takes the other one away, closes its descriptor and reuses its memory. */
static void remove_other(struct loop_watch *w, uint32_t ev)
{
	struct loop_watch *victim = pair[0] == w ? pair[1] : pair[0];

	(void)ev;
	note("once");
	int fd = victim->fd;
	loop_remove(victim);
	CHECK_EQ(victim->fd, -1);
	(void)close(fd);
	memset(victim, 0xee, sizeof(*victim));
	free(victim);
	loop_remove(w);
	loop_quit();
}

static void remove_body(void)
{
	CHECK_EQ(loop_open(), 0);
	for (int i = 0; i < 2; i++) {
		int p[2];
		CHECK_EQ(pipe(p), 0);
		pair[i] = calloc(1, sizeof(*pair[i]));
		pair[i]->ready = remove_other;
		CHECK_EQ(loop_add(pair[i], p[0], EPOLLIN), 0);
		CHECK_EQ(write(p[1], "x", 1), 1);
	}
	loop_run();
	CHECK_STR(trace, "once ");
}

static void removed_in_the_same_round_is_not_called(void **state)
{
	(void)state;
	in_child(remove_body);
}

static void refused_body(void)
{
	struct loop_watch w = {.fd = -1, .ready = quit_ready};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(loop_add(&w, fd, EPOLLIN), -EPERM); /* a regular file cannot be watched */
	CHECK_EQ(w.fd, -1);			     /* so nobody closes or removes what is not there */
	loop_remove(&w);
	CHECK(fcntl(fd, F_GETFD) >= 0);
}

static void refused_watch_is_not_watched(void **state)
{
	(void)state;
	in_child(refused_body);
}

static void change_body(void)
{
	struct loop_watch w = {.ready = quit_ready};
	int p[2];

	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(loop_add(&w, p[1], 0), 0);
	run_for(30);
	CHECK_STR(trace, "");
}

static void change_body2(void)
{
	struct loop_watch w = {.ready = quit_ready};
	int p[2];

	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(loop_add(&w, p[1], 0), 0);
	CHECK_EQ(loop_change(&w, EPOLLOUT), 0);
	run_for(1000);
	CHECK_STR(trace, "ready ");
}

static void events_can_be_changed(void **state)
{
	(void)state;
	in_child(change_body);
	in_child(change_body2);
}

static void quit_before_body(void)
{
	CHECK_EQ(loop_open(), 0);
	loop_quit();
	loop_run();
}

static void quit_may_come_before_run(void **state)
{
	(void)state;
	in_child(quit_before_body);
}

/* --- silence --------------------------------------------------------------------------------------------------- */

static void idle(void **state)
{
	(void)state;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct loop_watch w = {.ready = quit_ready};
		struct loop_timer far = {.fire = quit_now};
		int p[2];
		begin_child();
		CHECK_EQ(loop_open(), 0);
		CHECK_EQ(pipe(p), 0);
		CHECK_EQ(loop_add(&w, p[0], EPOLLIN), 0);
		loop_timer_set(&far, 50 * 1000);
		loop_run();
		_exit(CHECK_FAILED);
	}
	sleep_ms(300);
	long before = sleeps_of(pid);
	sleep_ms(count_of(1500, 30000));
	long after = sleeps_of(pid);
	(void)kill(pid, SIGKILL);
	(void)wait_status(pid);
	assert_true(before > 0);
	assert_int_equal(after - before, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_order),
		cmocka_unit_test(timer_is_never_early_and_moves),
		cmocka_unit_test(timer_stopped_by_another_does_not_fire),
		cmocka_unit_test(timer_that_sets_itself_starves_nobody),
		cmocka_unit_test(timer_in_the_past_fires_at_once),
		cmocka_unit_test(stopping_is_harmless_when_not_set),
		cmocka_unit_test(removed_in_the_same_round_is_not_called),
		cmocka_unit_test(refused_watch_is_not_watched),
		cmocka_unit_test(events_can_be_changed),
		cmocka_unit_test(quit_may_come_before_run),
		cmocka_unit_test(idle),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
