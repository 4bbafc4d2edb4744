/* A policy that breaks its own contract is refused by name before anything is sent: no socket, no privilege. */
#include "../../firewall/firewall.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants its friends first. */
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void refused(const struct fw_policy *p, const char *what)
{
	struct fw_error e = {0};
	char line[256];

	assert_int_equal(fw_open(NULL, p, &e), -EINVAL);
	assert_int_equal(e.err, -EINVAL);
	assert_string_equal(e.what, what);
	assert_string_not_equal(e.detail, "");
	assert_non_null(strstr(fw_error_text(&e, line, sizeof(line)), what));
	/* Nobody has to want to know. */
	assert_int_equal(fw_open(NULL, p, NULL), -EINVAL);
}

static void test_none(void **state)
{
	(void)state;
	refused(NULL, "policy");
}

static void test_ranges(void **state)
{
	static const struct fw_ranges bad[] = {
		{.n = 1, .v = {{0, 10}}},
		{.n = 1, .v = {{20, 10}}},
		{.n = 2, .v = {{10, 20}, {15, 30}}},
		{.n = 2, .v = {{10, 20}, {21, 30}}},
		{.n = 2, .v = {{30, 40}, {10, 20}}},
		{.n = 2, .v = {{30, 65535}, {1, 2}}},
		{.n = FW_RANGES_MAX + FW_ADMIN_COUNT + 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused(&(struct fw_policy){.public_tcp = bad[i]}, "set public_tcp");
		refused(&(struct fw_policy){.public_udp = bad[i]}, "set public_udp");
	}
}

static void test_prefixes(void **state)
{
	static const struct fw_prefixes bad[] = {
		{.n = 1, .v = {{.family = AF_INET, .len = 24, .addr = {192, 0, 2, 1}}}},
		{.n = 1, .v = {{.family = AF_INET, .len = 33, .addr = {192, 0, 2, 0}}}},
		{.n = 1, .v = {{.family = AF_INET6, .len = 129}}},
		{.n = 1, .v = {{.family = AF_INET6, .len = 255}}},
		{.n = 1, .v = {{.family = AF_UNSPEC}}},
		{.n = FW_PREFIXES_MAX + 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(&(struct fw_policy){.admin_from = bad[i]}, "sets admin4, admin6");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused(&(struct fw_policy){.peers = bad[i]}, "sets peer4, peer6");
		refused(&(struct fw_policy){.local_from = bad[i]}, "sets local4, local6");
		refused(&(struct fw_policy){.trusted = bad[i]}, "sets exempt4, exempt6");
		refused(&(struct fw_policy){.never_ban = bad[i]}, "sets never4, never6");
	}
}

static void test_rest(void **state)
{
	(void)state;
	refused(&(struct fw_policy){.egress.uids = FW_UIDS_MAX + 1}, "policy");
	refused(&(struct fw_policy){.reverse_path = 3}, "policy");
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(fw_mode_name(FW_ABSENT), "absent");
	assert_string_equal(fw_mode_name(FW_CLOSED), "closed");
	assert_string_equal(fw_mode_name(FW_OPEN), "open");
	assert_string_equal(fw_mode_name(FW_ALTERED), "altered");
	assert_string_equal(fw_mode_name(FW_MONITOR), "monitor");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none), cmocka_unit_test(test_ranges), cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_rest), cmocka_unit_test(test_names),
	};

	/* What is wrongly accepted gets installed: not in the network of whoever runs this. Without root it cannot be.
	 */
	if (unshare(CLONE_NEWNET) < 0 && geteuid() == 0) {
		perror("test_fw_policy: unshare");
		return 1;
	}
	return cmocka_run_group_tests_name("firewall: policy", tests, NULL, NULL);
}
