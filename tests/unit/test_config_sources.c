/* Where settings come from and who wins: environment, NAME_FILE, zimbra.conf, defaults; and which names are not ours.
 */
#include "config_fixture.h"

/* --- precedence ------------------------------------------------------------------------------------------------ */

static void defaults(void **state)
{
	(void)state;
	accept(NULL, none);
	for (int id = 0; id < CFG_COUNT; id++)
		assert_int_equal(cfg.source[id], CONFIG_DEFAULT);
	is(CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "25,80,110,143,443,465,587,993,995,5222-5223", CONFIG_DEFAULT);
	is(CFG_ZIMBRA_OS_SUITE, "jammy", CONFIG_DEFAULT);
	is(CFG_ZIMBRA_TIMEZONE, "Etc/UTC", CONFIG_DEFAULT);
	assert_true(config_on(&cfg, CFG_ZIMBRA_FIREWALL));
	assert_int_equal(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 300);
	assert_true(fw_ranges_has(&cfg.policy.public_tcp, 5223));
	assert_false(cfg.admin_port_cut);
	assert_false(cfg.policy.admin_public);
}

static void environment_beats_file_beats_default(void **state)
{
	(void)state;
	accept("ZIMBRA_OS_SUITE=bookworm\nZIMBRA_STOP_TIMEOUT=60\n", ENV("ZIMBRA_STOP_TIMEOUT=90"));
	is(CFG_ZIMBRA_OS_SUITE, "bookworm", CONFIG_VOLUME);
	is(CFG_ZIMBRA_STOP_TIMEOUT, "90", CONFIG_ENV);
	is(CFG_ZIMBRA_START_TIMEOUT, "900", CONFIG_DEFAULT);
	accept("ZIMBRA_ADMIN_PASSWORD=from-the-volume", ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/password"));
	is(CFG_ZIMBRA_ADMIN_PASSWORD, "from-a-file", CONFIG_ENV_FILE);
	/* The environment wins, but what it beats is still checked for its name. */
	refuse("ZIMBRA_STOP_TIMEOUTS=60", ENV("ZIMBRA_STOP_TIMEOUT=90"), ENV("ZIMBRA_STOP_TIMEOUTS"));
	/* The policy follows the winner. */
	accept("FIREWALL_ALLOW_TCP_PORTS_IN=1", ENV("FIREWALL_ALLOW_TCP_PORTS_IN=2", "FIREWALL_ADMIN_FROM=192.0.2.1"));
	assert_int_equal(cfg.policy.public_tcp.n, 1);
	assert_int_equal(cfg.policy.public_tcp.v[0].first, 2);
	assert_int_equal(cfg.policy.admin_from.n, 1);
}

static void name_file(void **state)
{
	(void)state;
	accept(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/plain"));
	is(CFG_ZIMBRA_ADMIN_PASSWORD, "from-a-file", CONFIG_ENV_FILE);
	accept(NULL, ENV("EXTERNAL_HOST_FQDN_FILE=/secrets/fqdn"));
	is(CFG_EXTERNAL_HOST_FQDN, "mail.file.example", CONFIG_ENV_FILE);
	accept(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/empty"));
	is(CFG_ZIMBRA_ADMIN_PASSWORD, "", CONFIG_DEFAULT);
	accept("ZIMBRA_ADMIN_PASSWORD=on-the-volume", ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/empty"));
	is(CFG_ZIMBRA_ADMIN_PASSWORD, "on-the-volume", CONFIG_VOLUME);
	accept(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/newlines"));
	is(CFG_ZIMBRA_ADMIN_PASSWORD, "", CONFIG_DEFAULT);
	accept(NULL, ENV("FIREWALL_ALLOW_TCP_PORTS_IN_FILE="));
	is(CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "25,80,110,143,443,465,587,993,995,5222-5223", CONFIG_DEFAULT);
	refuse(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/missing"),
	       ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/missing", "No such file", "mounted?"));
	refuse(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/large"), ENV("/secrets/large", "too large"));
	refuse(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/zero"), ENV("/secrets/zero", "zero byte"));
	refuse(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/two-lines"), ENV("ZIMBRA_ADMIN_PASSWORD"));
	/* No setting of ours ends in _FILE, and the file does not know the suffix. */
	refuse(NULL, ENV("ZIMBRA_FILE=/x"), ENV("ZIMBRA_FILE is not a setting"));
	refuse("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/plain", none, ENV("ZIMBRA_ADMIN_PASSWORD_FILE", "line 1"));
}

static void name_and_name_file(void **state)
{
	(void)state;
	refuse(NULL, ENV("ZIMBRA_ADMIN_PASSWORD=secret-one", "ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/plain"),
	       ENV("ZIMBRA_ADMIN_PASSWORD", "twice"));
	refuse(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/plain", "ZIMBRA_ADMIN_PASSWORD=secret-one"),
	       ENV("ZIMBRA_ADMIN_PASSWORD", "twice"));
	/* Empty is as if it was not set, in either order: compose files pass ${UNSET} on like that. */
	accept(NULL, ENV("ZIMBRA_ADMIN_PASSWORD=", "ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/plain"));
	is(CFG_ZIMBRA_ADMIN_PASSWORD, "from-a-file", CONFIG_ENV_FILE);
	accept(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/plain", "ZIMBRA_ADMIN_PASSWORD="));
	is(CFG_ZIMBRA_ADMIN_PASSWORD, "from-a-file", CONFIG_ENV_FILE);
	accept(NULL, ENV("ZIMBRA_ADMIN_PASSWORD_FILE=", "ZIMBRA_ADMIN_PASSWORD=secret-one"));
	is(CFG_ZIMBRA_ADMIN_PASSWORD, "secret-one", CONFIG_ENV);
}

static void empty_values(void **state)
{
	char entry[128];

	(void)state;
	for (int id = 0; id < CFG_COUNT; id++) {
		bool list = config_settings[id].type == TYPE_PORTS; /* closing all public ports is a wish */
		(void)snprintf(entry, sizeof(entry), "%s=", config_name((enum config_id)id));
		accept(NULL, ENV(entry));
		assert_int_equal(cfg.source[id], list ? CONFIG_ENV : CONFIG_DEFAULT);
		accept(entry, none);
		assert_int_equal(cfg.source[id], list ? CONFIG_VOLUME : CONFIG_DEFAULT);
	}
	accept("ZIMBRA_OS_SUITE=bookworm", ENV("ZIMBRA_OS_SUITE="));
	is(CFG_ZIMBRA_OS_SUITE, "bookworm", CONFIG_VOLUME);
	accept(NULL, ENV("FIREWALL_ALLOW_TCP_PORTS_IN="));
	is(CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "", CONFIG_ENV);
	assert_int_equal(cfg.policy.public_tcp.n, 0);
}

static void admin_ports_are_cut(void **state)
{
	static const struct {
		const char *list;
		bool cut;
	} lists[] = {{"443", false},	  {"7070,7072,9070,9072", false},
		     {"7071", true},	  {"25,9071", true},
		     {"7071,9071", true}, {"1-65535", true},
		     {"7000-7071", true}, {"9071-9080", true}};
	char entry[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		(void)snprintf(entry, sizeof(entry), "FIREWALL_ALLOW_TCP_PORTS_IN=%s", lists[i].list);
		accept(NULL, ENV(entry));
		assert_false(fw_ranges_has(&cfg.policy.public_tcp, 7071));
		assert_false(fw_ranges_has(&cfg.policy.public_tcp, 9071));
		assert_int_equal(cfg.admin_port_cut, lists[i].cut);
	}
	assert_true(fw_ranges_has(&cfg.policy.public_tcp, 9072));
	/* Also from the file; and of the UDP list they are no business. */
	accept("FIREWALL_ALLOW_TCP_PORTS_IN=7071\nFIREWALL_ALLOW_UDP_PORTS_IN=7071", none);
	assert_true(cfg.admin_port_cut);
	assert_int_equal(cfg.policy.public_tcp.n, 0);
	assert_true(fw_ranges_has(&cfg.policy.public_udp, 7071));
}

static void time_zone_has_an_alias(void **state)
{
	(void)state;
	accept(NULL, ENV("TZ=Europe/Berlin"));
	is(CFG_ZIMBRA_TIMEZONE, "Europe/Berlin", CONFIG_ENV);
	accept(NULL, ENV("TZ=Europe/Berlin", "ZIMBRA_TIMEZONE=Asia/Tokyo"));
	is(CFG_ZIMBRA_TIMEZONE, "Asia/Tokyo", CONFIG_ENV);
	accept(NULL, ENV("ZIMBRA_TIMEZONE=Asia/Tokyo", "TZ=Europe/Berlin"));
	is(CFG_ZIMBRA_TIMEZONE, "Asia/Tokyo", CONFIG_ENV);
	/* A fallback is weaker than our own name, wherever that stands. */
	accept("ZIMBRA_TIMEZONE=Asia/Tokyo", ENV("TZ=Europe/Berlin"));
	is(CFG_ZIMBRA_TIMEZONE, "Asia/Tokyo", CONFIG_VOLUME);
	accept("TZ=Asia/Tokyo", ENV("TZ=Europe/Berlin"));
	is(CFG_ZIMBRA_TIMEZONE, "Europe/Berlin", CONFIG_ENV);
	accept(NULL, ENV("ZIMBRA_TIMEZONE=", "TZ=Europe/Berlin"));
	is(CFG_ZIMBRA_TIMEZONE, "Europe/Berlin", CONFIG_ENV);
	accept(NULL, ENV("TZ=Europe/Berlin", "ZIMBRA_TIMEZONE="));
	is(CFG_ZIMBRA_TIMEZONE, "Europe/Berlin", CONFIG_ENV);
	/* Not our variable: what only libc understands is not refused, and TZ_FILE is nobody's. */
	accept(NULL, ENV("TZ=:/etc/localtime"));
	is(CFG_ZIMBRA_TIMEZONE, "Etc/UTC", CONFIG_DEFAULT);
	accept(NULL, ENV("TZ="));
	is(CFG_ZIMBRA_TIMEZONE, "Etc/UTC", CONFIG_DEFAULT);
	accept(NULL, ENV("TZ_FILE=zones"));
	is(CFG_ZIMBRA_TIMEZONE, "Etc/UTC", CONFIG_DEFAULT);
}

/* --- names ----------------------------------------------------------------------------------------------------- */

static void unknown_names(void **state)
{
	static const char *const closest[][2] = {
		{"ZIMBRA_ADMIN_PASSWD", "ZIMBRA_ADMIN_PASSWORD"},
		{"ZIMBRA_ADMIN_PASSWORT", "ZIMBRA_ADMIN_PASSWORD"},
		{"ZIMBRA_STOP_TIMEOUT_SECONDS", "ZIMBRA_STOP_TIMEOUT"},
		{"FIREWALL_ALLOW_TCP_PORT_IN", "FIREWALL_ALLOW_TCP_PORTS_IN"},
		{"TLS_CERT_FILE_PATH", "TLS_CRT_FILE_PATH"},
		{"ZIMBRA_OS_SUIT_FILE", "ZIMBRA_OS_SUITE"},
		{"ZIMBRA_os_suite", NULL},
		{"KNOCK_KNOCK_WHO_IS_THERE", NULL},
		{"NOTIFY_X", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(closest); i++) {
		char entry[128], hint[128];
		(void)snprintf(entry, sizeof(entry), "%s=the-value", closest[i][0]);
		(void)snprintf(hint, sizeof(hint), "(did you mean %s?)", closest[i][1]);
		refuse(NULL, ENV("PATH=/bin", entry),
		       ENV("environment: ", closest[i][0], closest[i][1] ? hint : "setting"));
		assert_null(strstr(err.text, "the-value"));
		if (!closest[i][1])
			assert_null(strstr(err.text, "did you mean"));
		refuse(entry, none, ENV("zimbra.conf line 1: ", closest[i][0], closest[i][1] ? hint : "setting"));
	}
	for (int id = 0; id < CFG_COUNT; id++)
		assert_string_equal(config_closest(config_name((enum config_id)id)), config_name((enum config_id)id));
	assert_null(config_closest(""));
}

static void names_of_others(void **state)
{
	(void)state;
	accept(NULL, ENV("PATH=/bin", "HOME=/root", "HOSTNAME=mail", "container=docker", "ZIMBRA=1", "TLS=x",
			 "FIREWALLS_X=1", "=x", "no equals sign", "", "MY_ZIMBRA_THING=1", "LC_ALL=C", "zimbra_x=1"));
	for (int id = 0; id < CFG_COUNT; id++)
		assert_int_equal(cfg.source[id], CONFIG_DEFAULT);
	char name[300];
	memset(name, 'X', sizeof(name));
	(void)snprintf(name + 250, sizeof(name) - 250, "=1");
	accept(NULL, ENV(name));
	memcpy(name, "ZIMBRA_", 7);
	(void)snprintf(name + 250, sizeof(name) - 250, "=hunter2");
	refuse(NULL, ENV(name), ENV("ZIMBRA_XXX", "not a setting"));
	assert_null(strstr(err.text, "hunter2"));
	assert_null(config_closest(name));
	/* As long as a name may be that the text still shows whole, and one more: never a letter of the value. */
	for (int len = 60; len < 200; len++) {
		memset(name, 'X', sizeof(name));
		memcpy(name, "ZIMBRA_", 7);
		(void)snprintf(name + len, sizeof(name) - (size_t)len, "=hunter2");
		refuse(NULL, ENV(name), ENV("not a setting"));
		assert_null(strstr(err.text, "hun"));
		assert_null(strchr(err.text, '='));
	}
}

/* Kubernetes 1.30, pkg/kubelet/envvars: what it makes of one service with a TCP and a UDP port. */
static void links_of(const char *service, const char *port_name)
{
	char entry[16][256];
	const char *env[17] = {0};
	size_t n = 0;

#define LINK(...) (void)snprintf(entry[n++], sizeof(entry[0]), __VA_ARGS__)
	LINK("%s_SERVICE_HOST=10.0.0.11", service);
	LINK("%s_SERVICE_PORT=25", service);
	LINK("%s_SERVICE_PORT_%s=25", service, port_name);
	LINK("%s_PORT=tcp://10.0.0.11:25", service);
	LINK("%s_PORT_25_TCP=tcp://10.0.0.11:25", service);
	LINK("%s_PORT_25_TCP_PROTO=tcp", service);
	LINK("%s_PORT_25_TCP_PORT=25", service);
	LINK("%s_PORT_25_TCP_ADDR=10.0.0.11", service);
	LINK("%s_PORT_65535_UDP=udp://[fd00::1]:65535", service);
	LINK("%s_PORT_65535_UDP_PROTO=udp", service);
	LINK("%s_PORT_65535_UDP_PORT=65535", service);
	LINK("%s_PORT_65535_UDP_ADDR=fd00::1", service);
	LINK("%s_PORT_7_SCTP=sctp://10.0.0.11:7", service);
	LINK("%s_PORT_7_SCTP_ADDR=10.0.0.11", service);
#undef LINK
	for (size_t i = 0; i < n; i++)
		env[i] = entry[i];
	accept(NULL, env);
	for (int id = 0; id < CFG_COUNT; id++)
		assert_int_equal(cfg.source[id], CONFIG_DEFAULT);
	(void)snprintf(entry[0], sizeof(entry[0]), "%s_PORT=udp://10.0.0.11:53", service);
	accept(NULL, ENV(entry[0]));
}

static void service_links_are_ignored(void **state)
{
	(void)state;
	links_of("ZIMBRA", "SMTP");
	links_of("FIREWALL", "API");
	links_of("TLS", "HTTPS");
	links_of("KNOCK", "UDP");
	links_of("NOTIFY", "HTTP_ALT");
	links_of("ZIMBRA_WEB", "HTTPS");
	/* As long as they get: 63 characters of a service, 15 of a port. */
	links_of("ZIMBRA_A234567890123456789012345678901234567890123456789012345", "FIFTEEN_LETTERS");
	/* Ours although it looks like one. */
	refuse(NULL, ENV("ZIMBRA_PORT=25"), ENV("ZIMBRA_PORT"));
	refuse(NULL, ENV("ZIMBRA_PORTS=tcp://10.0.0.1:25"), ENV("ZIMBRA_PORTS"));
	refuse(NULL, ENV("ZIMBRA_SERVICE=10.0.0.1"), ENV("ZIMBRA_SERVICE"));
	assert_false(config_is_service_link("ZIMBRA_PORT", "25"));
	assert_false(config_is_service_link("ZIMBRA_PORT", ""));
	/* A setting of ours can never be taken for one. */
	for (int id = 0; id < CFG_COUNT; id++)
		assert_false(config_is_service_link(config_name((enum config_id)id), "tcp://10.0.0.1:25"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(environment_beats_file_beats_default),
		cmocka_unit_test(name_file),
		cmocka_unit_test(name_and_name_file),
		cmocka_unit_test(empty_values),
		cmocka_unit_test(admin_ports_are_cut),
		cmocka_unit_test(time_zone_has_an_alias),
		cmocka_unit_test(unknown_names),
		cmocka_unit_test(names_of_others),
		cmocka_unit_test(service_links_are_ignored),
	};

	return cmocka_run_group_tests_name("config sources", tests, NULL, NULL);
}
