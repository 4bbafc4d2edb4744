/* Who cannot be banned, and what is said of it. */
#include "../../init/never.h"

#include "support.h"

#include <sys/socket.h>

static struct fw_policy policy;
static struct fw_prefixes own;

static void set(struct fw_prefixes *to, const char *list)
{
	assert_int_equal(fw_prefixes_parse(list, strlen(list), to), 0);
}

static int check(const char *who, char why[NEVER_WHY])
{
	struct fw_prefix p;

	assert_int_equal(fw_prefix_parse(who, strlen(who), &p), 0);
	memset(why, 0, NEVER_WHY);
	int r = never_check(&p, &policy, &own, why, NEVER_WHY);
	assert_int_equal(never_check(&p, &policy, &own, NULL, 0), r);
	return r;
}

static void prepare(void)
{
	set(&own, "172.18.0.2,fe80::2");
	set(&policy.exempt, "172.18.0.1,2001:db8:1::1");
	set(&policy.trusted, "192.0.2.0/24");
	set(&policy.never_ban, "198.51.100.0/24,2001:db8:ffff::/48");
}

static void refused(void **state)
{
	static const struct {
		const char *who;
		int r;
		const char *says;
	} is[] = {
		{"172.18.0.2", -EACCES, "172.18.0.2 is an address of this container"},
		{"172.18.0.1", -EACCES, "(FIREWALL_NODE)"},
		/* its own address comes first: no setting helps there */
		{"172.18.0.0/16", -EACCES, "172.18.0.0/16 cannot be banned: 172.18.0.2 is an address of this"},
		{"2001:db8:1::/64", -EACCES, "2001:db8:1::1 is the gateway"},
		{"192.0.2.9", -EACCES,
		 "192.0.2.9 cannot be banned: 192.0.2.0/24 is trusted: take it out of FIREWALL_TRUSTED"},
		{"198.51.0.0/16", -EACCES, "198.51.100.0/24 is never banned: take it out of FIREWALL_NEVER_BAN"},
		{"2001:db8:ffff::7", -EACCES, "FIREWALL_NEVER_BAN"},
		{"127.0.0.1", -EINVAL, "127.0.0.1 cannot be banned: loopback"},
		{"128.0.0.0/1", -EINVAL, "mistake"},
		{"ff02::1", -EINVAL, "multicast"},
	};
	char why[NEVER_WHY];

	(void)state;
	prepare();
	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		assert_int_equal(check(is[i].who, why), is[i].r);
		if (!strstr(why, is[i].says))
			print_error("%s: %s\n", is[i].who, why);
		assert_non_null(strstr(why, is[i].says));
	}
}

static void others_may_be(void **state)
{
	static const char *const who[] = {"172.18.0.3", "203.0.113.0/24", "2001:db8:2::/48", "198.51.101.0/24"};
	char why[NEVER_WHY];

	(void)state;
	prepare();
	for (size_t i = 0; i < ARRAY_SIZE(who); i++)
		assert_int_equal(check(who[i], why), 0);
}

static void full_lists(void **state)
{
	char why[NEVER_WHY];

	(void)state;
	prepare();
	policy.never_ban.n = FW_PREFIXES_MAX;
	for (size_t i = 0; i < FW_PREFIXES_MAX; i++)
		policy.never_ban.v[i] = (struct fw_prefix){AF_INET, 32, {10, 0, 0, (uint8_t)i}};
	assert_int_equal(check("10.0.0.255", why), -EACCES);
	assert_int_equal(check("10.0.1.0", why), 0);
	own.n = FW_PREFIXES_MAX; /* no room: left as it is */
	never_own(&own);
	assert_int_equal(own.n, FW_PREFIXES_MAX);
}

static void own_addresses(void **state)
{
	struct fw_prefixes list = {0};
	bool loopback = false;

	(void)state;
	never_own(&list);
	for (size_t i = 0; i < list.n; i++) {
		assert_int_equal(list.v[i].len, list.v[i].family == AF_INET ? 32 : 128);
		loopback |= list.v[i].family == AF_INET && list.v[i].addr[0] == 127;
	}
	if (list.n)
		assert_true(loopback);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused),
		cmocka_unit_test(others_may_be),
		cmocka_unit_test(full_lists),
		cmocka_unit_test(own_addresses),
	};

	return cmocka_run_group_tests_name("never", tests, NULL, NULL);
}
