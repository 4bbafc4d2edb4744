/* Bans on the volume: what goes in comes out again, and what is not right in every byte does not. */
#include "../../init/bans_file.h"
#include "../../init/boot/path.h"

#include "support.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { NOW = 1795299999 };

static char top[] = "/tmp/zimbra-test-bans-XXXXXX";
static int data;

static int setup(void **state)
{
	(void)state;
	memcpy(top, "/tmp/zimbra-test-bans-XXXXXX", sizeof(top));
	if (!mkdtemp(top) || chdir(top) < 0 || mkdir("app", 0755) < 0 || mkdir("app/.state", 0700) < 0)
		return -1;
	data = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return data < 0;
}

static int teardown(void **state)
{
	int all = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = chdir("/");

	(void)state;
	(void)close(data);
	r = path_remove_tree(all, strrchr(top, '/') + 1) | r;
	(void)close(all);
	return r;
}

static struct bans_list list, seen;

static int take(const struct fw_ban *ban, void *arg)
{
	(void)arg;
	return bans_list_add(&seen, ban);
}

static int read_back(int64_t now)
{
	seen.n = 0;
	return bans_file_read(data, now, take, NULL);
}

static void put_ban(const char *who, uint64_t left_ms)
{
	struct fw_ban b = {.left_ms = left_ms};

	assert_int_equal(fw_prefix_parse(who, strlen(who), &b.who), 0);
	assert_int_equal(bans_list_add(&list, &b), 0);
}

static void some_bans(void)
{
	list.n = 0;
	put_ban("2001:db8::/32", 0);
	put_ban("192.0.2.7", 3600000);
	put_ban("192.0.0.0/24", 10000);
	put_ban("192.0.2.6", 1);
	bans_list_sort(&list);
}

static unsigned asides(void)
{
	DIR *dir = opendir("app/.state");
	unsigned n = 0;

	assert_non_null(dir);
	for (struct dirent *e; (e = readdir(dir));)
		n += strncmp(e->d_name, ".bans.aside-", 12) == 0;
	(void)closedir(dir);
	return n;
}

static void there_and_back(void **state)
{
	char who[FW_PREFIX_STRLEN];
	struct stat st;

	(void)state;
	assert_int_equal(read_back(NOW), 0); /* no file: no bans */
	assert_int_equal(seen.n, 0);
	some_bans();
	assert_string_equal(fw_prefix_format(&list.v[0].who, who, sizeof(who)), "192.0.0.0/24");
	assert_string_equal(fw_prefix_format(&list.v[3].who, who, sizeof(who)), "2001:db8::/32");
	assert_int_equal(bans_file_write(data, &list, NOW, false), 0);
	assert_int_equal(stat(BANS_FILE, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(read_back(NOW), 0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(read_back(NOW + 60), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.v[0].left_ms, 3540000);
	assert_int_equal(seen.v[1].left_ms, 0);
	list.n = 0;
	assert_int_equal(bans_file_write(data, &list, NOW, false), 0);
	assert_int_equal(read_back(NOW), 0);
	assert_int_equal(seen.n, 0);
	assert_int_equal(asides(), 0);
}

static void what_was_not_restored_is_kept(void **state)
{
	(void)state;
	some_bans();
	assert_int_equal(bans_file_write(data, &list, NOW, true), 0); /* there was none */
	assert_int_equal(asides(), 0);
	assert_int_equal(bans_file_write(data, &list, NOW, true), 0);
	assert_int_equal(asides(), 1);
	assert_int_equal(read_back(NOW), 0);
	assert_int_equal(seen.n, 4);
}

static void damage(void **state)
{
	struct stat st;

	(void)state;
	some_bans();
	assert_int_equal(bans_file_write(data, &list, NOW, false), 0);
	assert_int_equal(stat(BANS_FILE, &st), 0);
	int fd = open(BANS_FILE, O_RDWR | O_CLOEXEC);
	for (off_t at = 0; at < st.st_size; at++) {
		char was, is;
		assert_int_equal(pread(fd, &was, 1, at), 1);
		is = was == '1' ? '2' : '1';
		assert_int_equal(pwrite(fd, &is, 1, at), 1);
		assert_int_equal(read_back(NOW), -EBADMSG);
		assert_int_equal(seen.n, 0);
		assert_int_equal(pwrite(fd, &was, 1, at), 1);
	}
	assert_int_equal(ftruncate(fd, st.st_size - 1), 0);
	assert_int_equal(read_back(NOW), -EBADMSG);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(read_back(NOW), -EBADMSG);
	(void)close(fd);
}

static void planted(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(BANS_FILE, 0600), 0);
	assert_int_equal(read_back(NOW), -EINVAL);
	assert_int_equal(unlink(BANS_FILE), 0);
	assert_int_equal(mkdir(BANS_FILE, 0700), 0);
	assert_int_equal(read_back(NOW), -EINVAL);
	assert_true(bans_file_write(data, &list, NOW, false) < 0);
	assert_int_equal(bans_file_write(data, &list, NOW, true), 0);
}

static void many(void **state)
{
	enum { MANY = 100000 };

	(void)state;
	list.n = 0;
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(bans_list_add(&list, &(struct fw_ban){{AF_INET6,
									128,
									{0x20, 1, [13] = (uint8_t)(i >> 16),
									 (uint8_t)(i >> 8), (uint8_t)i}},
								       1000 * i + 1000}),
				 0);
	assert_int_equal(bans_file_write(data, &list, NOW, false), 0);
	assert_int_equal(read_back(NOW), 0);
	assert_int_equal(seen.n, MANY);
	assert_memory_equal(seen.v, list.v, MANY * sizeof(*list.v));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_not_restored_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(damage, setup, teardown),
		cmocka_unit_test_setup_teardown(planted, setup, teardown),
		cmocka_unit_test_setup_teardown(many, setup, teardown),
	};
	int failed = cmocka_run_group_tests_name("bans file", tests, NULL, NULL);

	free(list.v);
	free(seen.v);
	return failed;
}
