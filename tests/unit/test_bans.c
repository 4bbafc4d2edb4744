/* When bans are saved and restored: with real children and a real file, and a wall that is a list in memory. */
#include "../../init/bans.h"
#include "../../init/bans_file.h"

#include "pid1_fixture.h"

#include <sys/socket.h>

#define FILE_PATH "/data/app/.state/bans"

/* --- the kernel's sets, as far as they matter here ------------------------------------------------------------- */

static struct bans_list kernel;
static bool is_open, full;
static size_t most_at_once;
static void (*emptied)(void);

bool wall_has_bans(void)
{
	return is_open;
}

void wall_on_empty(void (*told)(void))
{
	emptied = told;
}

int wall_ban(const struct fw_ban *ban, char *why, size_t size)
{
	(void)snprintf(why, size, "no");
	return is_open ? bans_list_add(&kernel, ban) : -EAGAIN;
}

int wall_unban(const struct fw_prefix *who, char *why, size_t size)
{
	(void)snprintf(why, size, "no");
	for (size_t i = 0; i < kernel.n; i++)
		if (memcmp(&kernel.v[i].who, who, sizeof(*who)) == 0)
			kernel.v[i--] = kernel.v[--kernel.n];
	return 0;
}

void wall_ban_again(const struct fw_ban *bans, size_t n, struct wall_restored *out)
{
	most_at_once = n > most_at_once ? n : most_at_once;
	*out = (struct wall_restored){.failed = full};
	for (size_t i = 0; i < n && !full; i++) {
		if (bans[i].who.addr[0] == 172) {
			out->refused++;
			(void)snprintf(out->why, sizeof(out->why), "the gateway");
		} else {
			out->done++;
			CHECK_EQ(bans_list_add(&kernel, &bans[i]), 0);
		}
	}
}

int bans_list_add(struct bans_list *list, const struct fw_ban *ban)
{
	if (list->n == list->room) {
		list->room = list->room ? 2 * list->room : 64;
		list->v = reallocarray(list->v, list->room, sizeof(*list->v));
		CHECK(list->v != NULL);
	}
	list->v[list->n++] = *ban;
	return 0;
}

/* In the child that saves: its copy of the list. */
int bans_list_read(struct bans_list *list, struct fw_error *err)
{
	(void)err;
	while (exists_file("/tmp/slow"))
		sleep_ms(2);
	*list = kernel;
	kernel.v = NULL;
	return exists_file("/tmp/unreadable") ? -EPERM : 0;
}

/* --- words ----------------------------------------------------------------------------------------------------- */

static struct fw_ban ban_of(const char *who, uint64_t seconds)
{
	struct fw_ban b = {.left_ms = seconds * 1000};

	CHECK_EQ(fw_prefix_parse(who, strlen(who), &b.who), 0);
	return b;
}

static int add(const char *who, uint64_t seconds)
{
	char why[NEVER_WHY];
	struct fw_ban b = ban_of(who, seconds);

	return bans_add(&b, why, sizeof(why));
}

static int take_away(const char *who)
{
	char why[NEVER_WHY];
	struct fw_ban b = ban_of(who, 0);

	return bans_remove(&b.who, why, sizeof(why));
}

static void begin(void)
{
	CHECK_EQ(mkdir("/data/app", 0755), 0);
	CHECK_EQ(mkdir("/data/app/.state", 0700), 0);
	bans_open();
	is_open = true;
	emptied();
	settle_down();
}

/* As a new process on the same volume would find it: nothing in the kernel. */
static void again(void)
{
	kernel.n = 0;
	emptied();
	settle_down();
}

static unsigned finished;

static void told_saved(void)
{
	finished++;
}

static unsigned asides(void)
{
	DIR *dir = opendir("/data/app/.state");
	unsigned n = 0;

	CHECK(dir != NULL);
	for (struct dirent *e; (e = readdir(dir));)
		n += strncmp(e->d_name, ".bans.aside-", 12) == 0;
	(void)closedir(dir);
	return n;
}

static bool in_file(const char *what)
{
	return strstr(text_of(FILE_PATH), what) != NULL;
}

/* --------------------------------------------------------------------------------------------------------------- */

TEST(saved_soon_and_then_rarely)
{
	begin();
	unsigned before = wakeups;
	pass(3600 * 1000);
	CHECK_EQ(wakeups, before); /* nothing changes, nobody wakes up */
	CHECK(!exists_file(FILE_PATH));
	CHECK_EQ(add("192.0.2.7", 3600), 0);
	CHECK(!exists_file(FILE_PATH));
	pass(6 * 1000);
	CHECK(in_file("\n192.0.2.7 3600\n"));
	CHECK_EQ(add("192.0.2.8", 0), 0);
	pass(60 * 1000);
	CHECK(!in_file("192.0.2.8"));
	pass(3 * 60 * 1000);
	CHECK(in_file("\n192.0.2.8 -\n"));
	CHECK_EQ(take_away("192.0.2.7"), 0);
	pass(4 * 60 * 1000);
	CHECK(!in_file("192.0.2.7"));
	before = wakeups;
	pass(3600 * 1000);
	CHECK_EQ(wakeups, before);
	CHECK(!bans_save_last(told_saved)); /* nothing is left to save */
	CHECK_EQ(add("192.0.2.9", 1), -ESHUTDOWN);
}

TEST(saved_at_the_end)
{
	begin();
	CHECK_EQ(add("192.0.2.7", 3600), 0);
	CHECK(bans_save_last(told_saved));
	CHECK_EQ(finished, 0);
	RUN_UNTIL(finished == 1);
	CHECK(in_file("192.0.2.7"));
}

TEST(the_end_comes_while_it_saves)
{
	begin();
	put("/tmp/slow", "");
	CHECK_EQ(add("192.0.2.7", 3600), 0);
	skip_ms(6000);
	RUN_UNTIL(processes(true) == 1);
	CHECK_EQ(add("192.0.2.8", 3600), 0);
	CHECK(bans_save_last(told_saved));
	CHECK_EQ(unlink("/tmp/slow"), 0);
	RUN_UNTIL(finished == 1);
	CHECK(in_file("192.0.2.7") && in_file("192.0.2.8"));
}

TEST(nobody_waits_for_ever)
{
	begin();
	put("/tmp/slow", "");
	CHECK_EQ(add("192.0.2.7", 3600), 0);
	CHECK(bans_save_last(told_saved));
	bans_give_up();
	settle_down();
	CHECK_EQ(finished, 0);
	CHECK(!exists_file(FILE_PATH));
}

TEST(a_failure_is_tried_again)
{
	begin();
	put("/tmp/unreadable", "");
	CHECK_EQ(add("192.0.2.7", 3600), 0);
	pass(6 * 1000);
	CHECK_EQ(logged("the bans cannot be read"), 1);
	CHECK_EQ(unlink("/tmp/unreadable"), 0);
	pass(4 * 60 * 1000);
	CHECK(in_file("192.0.2.7"));
}

TEST(restored_in_pieces)
{
	enum { MANY = 5000 };
	char who[32];

	begin();
	for (unsigned i = 0; i < MANY; i++) {
		(void)snprintf(who, sizeof(who), "10.0.%u.%u", i >> 8, i & 255);
		CHECK_EQ(add(who, 3600), 0);
	}
	CHECK_EQ(add("172.18.0.1", 3600), 0);
	pass(6 * 1000);
	kernel.n = 0;
	emptied();
	emptied(); /* a second repair while it goes on: all once more */
	CHECK_EQ(add("192.0.2.7", 60), -EBUSY);
	CHECK_EQ(take_away("10.0.0.1"), -EBUSY);
	settle_down();
	CHECK_EQ(kernel.n, 2 * MANY);
	CHECK(most_at_once <= 128);
	CHECK_EQ(logged("5000 bans restored"), 2);
	CHECK_EQ(logged("1 bans are not restored: the gateway"), 2);
	CHECK_EQ(add("192.0.2.7", 60), 0);
}

TEST(a_damaged_file_is_kept)
{
	begin();
	put(FILE_PATH, "zimbra-bans 1 1795299999\n192.0.2.7 3600\n");
	again();
	CHECK_EQ(kernel.n, 0);
	CHECK_EQ(logged("are not restored: it is damaged; the file is kept beside it"), 1);
	CHECK(!exists_file(FILE_PATH));
	CHECK_EQ(asides(), 1);
	CHECK_EQ(add("192.0.2.8", 60), 0);
	pass(6 * 1000);
	CHECK(in_file("192.0.2.8"));
	CHECK_EQ(asides(), 1);
}

TEST(what_does_not_fit_is_not_lost)
{
	begin();
	CHECK_EQ(add("192.0.2.7", 3600), 0);
	pass(6 * 1000);
	full = true;
	again();
	CHECK_EQ(logged("not all bans can be restored"), 1);
	CHECK(in_file("192.0.2.7"));
	CHECK_EQ(add("192.0.2.8", 60), 0);
	pass(4 * 60 * 1000);
	CHECK(!in_file("192.0.2.7") && in_file("192.0.2.8"));
	CHECK_EQ(asides(), 1);
}

/* The table is gone, and with it what is not saved; the file must not become as empty as the kernel is. */
TEST(an_empty_kernel_is_not_saved)
{
	begin();
	CHECK_EQ(add("192.0.2.7", 3600), 0);
	pass(6 * 1000);
	CHECK_EQ(add("192.0.2.8", 3600), 0);
	is_open = false;
	kernel.n = 0;
	pass(4 * 60 * 1000);
	CHECK(in_file("192.0.2.7"));
	CHECK(!bans_save_last(told_saved));
	CHECK(in_file("192.0.2.7"));
}

TEST(a_table_that_is_lost_while_it_saves)
{
	begin();
	CHECK_EQ(add("192.0.2.7", 3600), 0);
	pass(6 * 1000);
	put("/tmp/slow", "");
	CHECK_EQ(add("192.0.2.8", 3600), 0);
	kernel.n = 0;
	skip_ms(4 * 60 * 1000);
	RUN_UNTIL(processes(true) == 1);
	emptied(); /* who saves may have seen nothing: it does not get to it */
	settle_down();
	CHECK_EQ(kernel.n, 1);
	CHECK(in_file("192.0.2.7"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(saved_soon_and_then_rarely),	cmocka_unit_test(saved_at_the_end),
		cmocka_unit_test(the_end_comes_while_it_saves), cmocka_unit_test(nobody_waits_for_ever),
		cmocka_unit_test(a_failure_is_tried_again),	cmocka_unit_test(restored_in_pieces),
		cmocka_unit_test(a_damaged_file_is_kept),	cmocka_unit_test(what_does_not_fit_is_not_lost),
		cmocka_unit_test(an_empty_kernel_is_not_saved), cmocka_unit_test(a_table_that_is_lost_while_it_saves),
	};

	return cmocka_run_group_tests_name("bans", tests, NULL, NULL);
}
