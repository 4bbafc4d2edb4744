/* Thinning out: what passes, what is held, and that nothing is lost between the two. */
#include "../../init/worker/tally.h"

#include "support.h"

static struct netlog_packet packet(const char *name, uint32_t more)
{
	struct netlog_packet p = {.family = 2, .more = more};

	(void)snprintf(p.class_name, sizeof(p.class_name), "%s", name);
	return p;
}

static bool add(struct tally *t, const char *name, int64_t now)
{
	struct netlog_packet p = packet(name, 0);

	return tally_add(t, &p, now);
}

static void first_ones_pass(void **state)
{
	struct tally t = {.window = 1000, .burst = 3};
	struct netlog_packet out;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(add(&t, "closed", 5000 + i));
	assert_int_equal(tally_next(&t), -1);
	for (int i = 0; i < 38; i++)
		assert_false(add(&t, "closed", 5100 + i));
	assert_true(add(&t, "invalid", 5200)); /* each class has its own */
	assert_int_equal(tally_next(&t), 6000);
	assert_false(tally_take(&t, 5999, &out));
	assert_true(tally_take(&t, 6000, &out));
	assert_int_equal(out.more, 37);
	assert_string_equal(out.class_name, "closed");
	assert_false(tally_take(&t, 6000, &out));
	assert_int_equal(tally_next(&t), -1);
	/* The next window begins there. */
	assert_true(add(&t, "closed", 6001));
	/* And after a quiet time another one. */
	for (int i = 0; i < 3; i++)
		assert_true(add(&t, "closed", 60000));
	assert_false(add(&t, "closed", 60000));
}

/* What was not taken in time is not forgotten, and keeps its turn. */
static void held_longer_than_a_window(void **state)
{
	struct tally t = {.window = 1000, .burst = 1};
	struct netlog_packet out;

	(void)state;
	assert_true(add(&t, "a", 1000));
	assert_false(add(&t, "a", 1001));
	assert_false(add(&t, "a", 9000));
	assert_true(tally_take(&t, 9000, &out));
	assert_int_equal(out.more, 1);
	assert_true(add(&t, "a", 9001));
}

static void counts_add_up(void **state)
{
	struct tally worker = {.window = 1000, .burst = 5}, log = {.window = 10000, .burst = 5};
	struct netlog_packet out;
	uint64_t told = 0;
	const int all = 100000;

	(void)state;
	for (int i = 0; i < all; i++) {
		int64_t now = i; /* a packet each ms */
		struct netlog_packet p = packet("closed", 0);
		if (tally_add(&worker, &p, now) && tally_add(&log, &p, now))
			told += p.more + 1;
		while (tally_take(&worker, now, &out))
			if (tally_add(&log, &out, now))
				told += out.more + 1;
		while (tally_take(&log, now, &out))
			told += out.more + 1;
	}
	while (tally_take(&worker, all + 20000, &out))
		if (tally_add(&log, &out, all + 20000))
			told += out.more + 1;
	while (tally_take(&log, all + 40000, &out))
		told += out.more + 1;
	assert_int_equal(told, all);
}

/* A line that speaks of others tells of a whole window: it never passes alone. */
static void counted_ones_are_held(void **state)
{
	struct tally t = {.window = 1000, .burst = 5};
	struct netlog_packet p = packet("a", 6), out;

	(void)state;
	assert_false(tally_add(&t, &p, 100));
	p = packet("a", UINT32_MAX);
	assert_false(tally_add(&t, &p, 200));
	assert_true(tally_take(&t, 5000, &out));
	assert_int_equal(out.more, UINT32_MAX - 1); /* and does not wrap */
}

static void too_many_classes(void **state)
{
	struct tally t = {.window = 1000, .burst = 2};
	struct netlog_packet out;
	char name[NETLOG_CLASS_SIZE];

	(void)state;
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "class-%d", i);
		struct netlog_packet p = packet(name, 0);
		bool passed = tally_add(&t, &p, 10);
		assert_int_equal(passed, i < NETLOG_CLASSES + 1); /* 15 of their own, and two of the others */
		assert_string_equal(p.class_name, i < NETLOG_CLASSES - 1 ? name : "other");
	}
	assert_true(tally_take(&t, 5000, &out));
	assert_string_equal(out.class_name, "other");
	assert_int_equal(out.more, 40 - NETLOG_CLASSES - 1 - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_ones_pass),  cmocka_unit_test(held_longer_than_a_window),
		cmocka_unit_test(counts_add_up),    cmocka_unit_test(counted_ones_are_held),
		cmocka_unit_test(too_many_classes),
	};

	return cmocka_run_group_tests_name("worker_tally", tests, NULL, NULL);
}
