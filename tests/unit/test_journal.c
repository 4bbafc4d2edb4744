/* The journal: what it takes, what it refuses, and that it comes back from the disk as it went. */
#include "../../init/boot/boot.h"
#include "../../init/boot/path.h"
#include "support.h"

#include <sys/stat.h>

static struct journal j;

static int parse(const char *text)
{
	return journal_parse(text, strlen(text), &j);
}

static void test_parse(void **state)
{
	(void)state;
	assert_int_equal(parse("zimbra-init journal 1\n"), 0);
	assert_int_equal(j.n, 0);
	assert_int_equal(parse("zimbra-init journal 1\nsuite jammy\nstage.volume 2026-11-21T18:00:00Z\nsystem a=1 "
			       "b=2\nempty \n"),
			 0);
	assert_int_equal(j.n, 4);
	assert_string_equal(journal_get(&j, "suite"), "jammy");
	assert_string_equal(journal_get(&j, "system"), "a=1 b=2");
	assert_string_equal(journal_get(&j, "empty"), "");
	assert_null(journal_get(&j, "stage.release"));
}

static void test_refuse(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"zimbra-init journal",
		"zimbra-init journal ",
		"zimbra-init journal 1",
		"zimbra-init journal 0\n",
		"zimbra-init journal 1 \n",
		"zimbra-init journal x\n",
		"zimbra-init journal -1\n",
		"zimbra-init Journal 1\n",
		"zimbra-init journal 1\n\n",
		"zimbra-init journal 1\nsuite\n",
		"zimbra-init journal 1\nsuite jammy",
		"zimbra-init journal 1\n value\n",
		"zimbra-init journal 1\nSuite jammy\n",
		"zimbra-init journal 1\n.a b\n",
		"zimbra-init journal 1\nsuite jam\tmy\n",
		"zimbra-init journal 1\na 1\na 2\n",
		"zimbra-init journal 1\na/b 1\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(parse(bad[i]), -EPROTO);
		assert_int_equal(j.n, 0);
	}
	assert_int_equal(parse("zimbra-init journal 2\nwhatever this is\n"), -EOPNOTSUPP);
	assert_int_equal(parse("zimbra-init journal 99999999999999999999\n"), -EPROTO);
	/* A zero byte ends nothing. */
	assert_int_equal(journal_parse("zimbra-init journal 1\na b\0c\n", 28, &j), -EPROTO);
}

static void test_limits(void **state)
{
	char text[4096] = "zimbra-init journal 1\n", key[JOURNAL_KEY + 8], value[JOURNAL_VALUE + 8];

	(void)state;
	for (int i = 0; i < JOURNAL_ENTRIES; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "k%d v\n", i);
	assert_int_equal(parse(text), 0);
	assert_int_equal(j.n, JOURNAL_ENTRIES);
	assert_int_equal(journal_set(&j, "one_more", "x"), -ENOSPC);
	assert_int_equal(journal_set(&j, "k3", "other"), 0);
	journal_drop(&j, "k0");
	journal_drop(&j, "not there");
	assert_int_equal(j.n, JOURNAL_ENTRIES - 1);
	assert_null(journal_get(&j, "k0"));
	assert_string_equal(journal_get(&j, "k3"), "other");
	assert_string_equal(journal_get(&j, "k31"), "v");
	assert_int_equal(journal_set(&j, "one_more", "x"), 0);
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "more v\n");
	assert_int_equal(parse(text), -EPROTO);

	memset(&j, 0, sizeof(j));
	memset(key, 'k', sizeof(key));
	memset(value, 'v', sizeof(value));
	key[JOURNAL_KEY] = value[JOURNAL_VALUE] = '\0';
	assert_int_equal(journal_set(&j, key, "x"), -EINVAL);
	assert_int_equal(journal_set(&j, "x", value), -EINVAL);
	key[JOURNAL_KEY - 1] = value[JOURNAL_VALUE - 1] = '\0';
	assert_int_equal(journal_set(&j, key, value), 0);
	assert_string_equal(journal_get(&j, key), value);
	assert_int_equal(journal_set(&j, "x", "a\nb"), -EINVAL);
	assert_int_equal(journal_set(&j, "a b", "x"), -EINVAL);
	assert_int_equal(journal_set(&j, "", "x"), -EINVAL);
}

static char top[] = "/tmp/zimbra-test-journal-XXXXXX";

static void test_disk(void **state)
{
	struct failure f;
	struct stat st;
	int tmp, data;

	(void)state;
	memcpy(top, "/tmp/zimbra-test-journal-XXXXXX", sizeof(top));
	assert_non_null(mkdtemp(top));
	tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	data = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(data >= 0);

	assert_int_equal(journal_load(data, &j, &f), 0);
	assert_int_equal(j.n, 0);
	/* The largest one goes through. */
	for (int i = 0; i < JOURNAL_ENTRIES; i++) {
		char key[JOURNAL_KEY], value[JOURNAL_VALUE];
		memset(key, 'k', sizeof(key));
		(void)snprintf(key + sizeof(key) - 4, 4, "%03d", i);
		memset(value, 'v', sizeof(value) - 1);
		value[sizeof(value) - 1] = '\0';
		assert_int_equal(journal_set(&j, key, value), 0);
	}
	assert_int_equal(journal_store(data, &j, &f), 0);
	struct journal back;
	assert_int_equal(journal_load(data, &back, &f), 0);
	assert_memory_equal(&back, &j, sizeof(j));
	assert_int_equal(fstatat(data, "app/.state", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(data, "app", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);

	/* Newer and broken ones hold, and stay as they are. */
	static const char newer[] = "zimbra-init journal 2\nx\n", broken[] = "something else\n";
	assert_int_equal(path_write(data, "app/.state/journal", newer, strlen(newer), 0600), 0);
	assert_int_equal(journal_load(data, &j, &f), -1);
	assert_int_equal(f.kind, FAILURE_HOLD);
	assert_non_null(strstr(f.text, "newer version"));
	assert_int_equal(path_write(data, "app/.state/journal", broken, strlen(broken), 0600), 0);
	assert_int_equal(journal_load(data, &j, &f), -1);
	assert_int_equal(f.kind, FAILURE_HOLD);
	assert_int_equal(path_unlink(data, "app/.state/journal"), 0);
	assert_int_equal(mkdirat(data, "app/.state/journal", 0700), 0);
	assert_int_equal(journal_load(data, &j, &f), -1);
	assert_int_equal(journal_store(data, &back, &f), -1);

	(void)close(data);
	assert_int_equal(path_remove_tree(tmp, strrchr(top, '/') + 1), 0);
	(void)close(tmp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_refuse),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
