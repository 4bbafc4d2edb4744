/* When to repair, and what a host's namespace looks like: the decisions about others, without a kernel. */
#include "../../firewall/probe.h"
#include "../../firewall/watch.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants its friends first. */
#include <cmocka.h>

#include <string.h>

static void test_repair_backs_off(void **state)
{
	static const int64_t waits[] = {0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
	struct fw_repair r = {0};
	int64_t now = 77;

	(void)state;
	/* The other answers each repair at once. */
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		int64_t at = fw_repair_at(&r, now);

		assert_int_equal(at, now + waits[i]);
		/* More of it while one is planned changes nothing. */
		if (at > now) {
			assert_int_equal(fw_repair_at(&r, now), at);
			assert_int_equal(fw_repair_at(&r, at - 1), at);
		}
		now = at;
	}
}

static void test_repair_forgets(void **state)
{
	struct fw_repair r = {0};

	(void)state;
	assert_int_equal(fw_repair_at(&r, 1000), 1000);
	assert_int_equal(fw_repair_at(&r, 1500), 2000);
	/* It is counted from the last repair, so waiting was not in vain. */
	assert_int_equal(fw_repair_at(&r, 10000), 10000);
	assert_int_equal(fw_repair_at(&r, 10001), 14000);
	/* Quiet for long enough: as if it had never been. */
	assert_int_equal(fw_repair_at(&r, 14000 + FW_REPAIR_QUIET_MS - 1), 14000 + FW_REPAIR_QUIET_MS - 1);
	assert_int_equal(fw_repair_at(&r, 14000 + 2 * FW_REPAIR_QUIET_MS), 14000 + 2 * FW_REPAIR_QUIET_MS);
	assert_int_equal(fw_repair_at(&r, 14001 + 2 * FW_REPAIR_QUIET_MS), 15000 + 2 * FW_REPAIR_QUIET_MS);
}

static void test_repair_at_time_zero(void **state)
{
	struct fw_repair r = {0};

	(void)state;
	assert_int_equal(fw_repair_at(&r, 0), 0);
	assert_int_equal(fw_repair_at(&r, 0), 1000);
}

static void test_host(void **state)
{
	static const struct {
		const char *names[14];
		const char *why; /* NULL: a container's */
	} cases[] = {
		{{NULL}, NULL},
		{{"lo"}, NULL},
		{{"lo", "eth0"}, NULL},
		{{"lo", "eth0", "eth1", "net1", "net2", "wg0"}, NULL},
		/* What modules of the kernel put into every namespace. */
		{{"lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0",
		  "eth0"},
		 NULL},
		{{"lo", "eth0", "docker0"}, "it has the network interface docker0"},
		{{"lo", "eth0", "veth12ab34c"}, "it has the network interface veth12ab34c"},
		{{"lo", "ens3", "cali0123456789a"}, "it has the network interface cali0123456789a"},
		{{"lo", "ens3", "kube-ipvs0"}, "it has the network interface kube-ipvs0"},
		{{"lo", "br-0123456789ab"}, "it has the network interface br-0123456789ab"},
		{{"a", "b", "c", "d", "e", "f", "g"}, NULL},
		{{"lo", "a", "b", "c", "d", "e", "f", "g", "h"}, "it has 8 network interfaces"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char why[96] = "";
		size_t n = 0;

		while (cases[i].names[n])
			n++;
		assert_int_equal(fw_is_host(cases[i].names, n, why, sizeof(why)), cases[i].why != NULL);
		assert_string_equal(why, cases[i].why ? cases[i].why : "");
	}
}

static void test_every_feature_has_a_name(void **state)
{
	(void)state;
	for (int f = 0; f < FW_FEATURES; f++) {
		assert_non_null(fw_feature_name((enum fw_feature)f));
		for (int k = 0; k < f; k++)
			assert_string_not_equal(fw_feature_name((enum fw_feature)f),
						fw_feature_name((enum fw_feature)k));
	}
}

static void test_ports_of_a_session(void **state)
{
	struct fw_session s = {.ports = {0, 17, 4}};

	(void)state;
	assert_true(fw_session_is_port(&s, 17));
	assert_true(fw_session_is_port(&s, 4));
	/* 0 is the kernel, and what is not there yet. */
	assert_false(fw_session_is_port(&s, 0));
	assert_false(fw_session_is_port(&s, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_repair_backs_off),	 cmocka_unit_test(test_repair_forgets),
		cmocka_unit_test(test_repair_at_time_zero),	 cmocka_unit_test(test_host),
		cmocka_unit_test(test_every_feature_has_a_name), cmocka_unit_test(test_ports_of_a_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
