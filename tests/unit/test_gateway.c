/* The gateways in the kernel's route tables: /proc/net/route and /proc/net/ipv6_route. */
#include "../../init/gateway.h"

#include "support.h"

#define HEAD4 "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define ZERO  "00000000000000000000000000000000"

/* Which are found, as text with commas. The addresses of /proc/net/route are in the machine's byte order: little. */
static const char *gateways(const char *route, const char *route6)
{
	static char text[256];
	struct fw_prefixes found = {0};

	assert_int_equal(gateway_parse(route, route6, &found), 0);
	text[0] = '\0';
	for (size_t i = 0; i < found.n; i++) {
		char one[FW_PREFIX_STRLEN];
		size_t used = strlen(text);

		(void)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "," : "",
			       fw_prefix_format(&found.v[i], one, sizeof(one)));
	}
	return text;
}

static void what_the_kernel_prints(void **state)
{
	(void)state;
	assert_string_equal(
		gateways(HEAD4 "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
			       "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
			 ZERO " 00 " ZERO
			      " 00 fd650003000062fd0000000000000001 00000400 00000001 00000000 00000003     eth0\n" ZERO
			      " 00 " ZERO " 00 " ZERO " ffffffff 00000001 00000000 00200200       lo\n"),
		"172.17.0.1,fd65:3:0:62fd::1");
	/* Two ways out; the same router twice. */
	assert_string_equal(gateways(HEAD4 "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
					   "eth1\t00000000\tFE02A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
					   "eth2\t00000000\t010011AC\t0003\t0\t0\t200\t00000000\t0\t0\t0\n",
				     ""),
			    "172.17.0.1,192.168.2.254");
}

static void what_is_no_gateway(void **state)
{
	static const char *const line[] = {
		"eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n", /* on the link */
		"eth0\t000011AC\t010011AC\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n", /* not the default route */
		"eth0\t00000000\t010011AC\t0001\t0\t0\t0\t00000000\t0\t0\t0\n", /* no RTF_GATEWAY */
		"eth0\t00000000\t010011AC\t0003\n",
		"\n\n\n",
		"eth0",
		"\t\t\t\t\t\t\t\t\t\t\t",
		"eth0\tzzzzzzzz\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"};
	static const char *const line6[] = {
		ZERO " 00 " ZERO " 00 " ZERO " 00000400 00000001 00000000 00000003 eth0\n",
		ZERO " 40 " ZERO " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n",
		ZERO " 00 " ZERO " 00 fe80 00000400 00000001 00000000 00000003 eth0\n", "0 0 0 0 0 0 0 0 0 0\n", "\n"};
	char many[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(line) / sizeof(line[0]); i++)
		assert_string_equal(gateways(line[i], ""), "");
	for (size_t i = 0; i < sizeof(line6) / sizeof(line6[0]); i++)
		assert_string_equal(gateways("", line6[i]), "");
	memset(many, '0', sizeof(many));
	many[sizeof(many) - 1] = '\0';
	assert_string_equal(gateways(many, many), "");
}

static void there_may_be_others_already(void **state)
{
	struct fw_prefixes list = {.n = FW_PREFIXES_MAX};

	(void)state;
	assert_int_equal(gateway_parse("eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", "", &list),
			 -E2BIG);
	assert_int_equal(list.n, FW_PREFIXES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_kernel_prints),
		cmocka_unit_test(what_is_no_gateway),
		cmocka_unit_test(there_may_be_others_already),
	};

	return cmocka_run_group_tests_name("gateway", tests, NULL, NULL);
}
