/* The settings: good and bad values of every type. Where values come from: test_config_sources.c. */
#include "config_fixture.h"

static char big[2 * CONFIG_VALUE_MAX];

/* --- types ----------------------------------------------------------------------------------------------------- */

struct good {
	enum config_id id;
	const char *value, *text;
	long number;
};

static const struct good good_values[] = {
	{CFG_ZIMBRA_FIREWALL, "off", "off", 0},
	{CFG_ZIMBRA_FIREWALL, "ON", "on", 1},
	{CFG_ZIMBRA_FIREWALL, "1", "on", 1},
	{CFG_ZIMBRA_FIREWALL, "0", "off", 0},
	{CFG_ZIMBRA_FIREWALL, "Yes", "on", 1},
	{CFG_ZIMBRA_FIREWALL, "no", "off", 0},
	{CFG_ZIMBRA_FIREWALL, "true", "on", 1},
	{CFG_ZIMBRA_FIREWALL, "FALSE", "off", 0},
	{CFG_ZIMBRA_FIREWALL, "monitor", "monitor", FIREWALL_MONITOR},
	{CFG_FIREWALL_REVERSE_PATH, "strict", "strict", FW_REVERSE_STRICT},
	{CFG_FIREWALL_REVERSE_PATH, "off", "off", FW_REVERSE_OFF},
	{CFG_FIREWALL_REVERSE_PATH, "no", "off", FW_REVERSE_OFF},
	{CFG_FIREWALL_LOG, "Yes", "on", 1},
	{CFG_FIREWALL_LOG, "false", "off", 0},
	{CFG_ZIMBRA_STOP_TIMEOUT, "5", "5", 5},
	{CFG_ZIMBRA_STOP_TIMEOUT, "7200", "7200", 7200},
	{CFG_ZIMBRA_STOP_TIMEOUT, "0060", "60", 60},
	{CFG_ZIMBRA_MIN_DISK, "0", "0", 0},
	{CFG_ZIMBRA_OS_SUITE, "jammy", "jammy", 0},
	{CFG_ZIMBRA_OS_SUITE, "bookworm", "bookworm", 1},
	{CFG_EXTERNAL_HOST_FQDN, "Mail.Example.ORG.", "mail.example.org", 0},
	{CFG_EXTERNAL_HOST_FQDN, "a.b", "a.b", 0},
	{CFG_EXTERNAL_HOST_FQDN, "xn--mnchen-3ya.example", "xn--mnchen-3ya.example", 0},
	{CFG_EXTERNAL_HOST_FQDN, "3com.1-2.example", "3com.1-2.example", 0},
	{CFG_EXTERNAL_HOST_FQDN, "012345678901234567890123456789012345678901234567890123456789012.example",
	 "012345678901234567890123456789012345678901234567890123456789012.example", 0},
	{CFG_MAIL_DOMAINS, "Example.org, example.net,,sub.example.com ", "example.org,example.net,sub.example.com", 0},
	{CFG_MAIL_DOMAINS, " , ", "", 0},
	{CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "443, 25,26,80-90", "25-26,80-90,443", 0},
	{CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "", "", 0},
	{CFG_FIREWALL_ADMIN_FROM, "192.0.2.7,198.51.100.0/24,2001:db8::/32", "192.0.2.7,198.51.100.0/24,2001:db8::/32",
	 0},
	{CFG_ZIMBRA_OS_MIRROR, "http://mirror.example/debian/", "http://mirror.example/debian", 0},
	{CFG_ZIMBRA_OS_MIRROR, "https://10.0.0.1:8080/~x/%7e+a//", "https://10.0.0.1:8080/~x/%7e+a", 0},
	{CFG_ZIMBRA_OS_KEYRING, "/usr/share/keyrings/a.gpg", "/usr/share/keyrings/a.gpg", 0},
	{CFG_TLS_CRT_FILE_PATH, "/app/..data/tls..crt", "/app/..data/tls..crt", 0},
	{CFG_ZIMBRA_RELEASE, "/releases/zcs-10.1.0_GA.tgz", "/releases/zcs-10.1.0_GA.tgz", 0},
	{CFG_ZIMBRA_RELEASE_SHA256, "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
	 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0},
	{CFG_ZIMBRA_TIMEZONE, "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires", 0},
	{CFG_ZIMBRA_TIMEZONE, "Etc/GMT+5", "Etc/GMT+5", 0},
	{CFG_ZIMBRA_LOCALE, "C.UTF-8", "C.UTF-8", 0},
	{CFG_ZIMBRA_LOCALE, "de_DE.utf8", "de_DE.utf8", 0},
	{CFG_ZIMBRA_ADMIN_PASSWORD, "six666", "six666", 0},
	{CFG_ZIMBRA_ADMIN_PASSWORD, "aZ0-_.,:@%+=/", "aZ0-_.,:@%+=/", 0},
};

static void good_value_of_every_type(void **state)
{
	static bool seen[TYPE_PASSWORD + 1];
	char entry[CONFIG_VALUE_MAX + 128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good_values); i++) {
		const struct good *g = &good_values[i];
		(void)snprintf(entry, sizeof(entry), "%s=%s", config_name(g->id), g->value);
		accept(NULL, ENV(entry));
		is(g->id, g->text, CONFIG_ENV);
		assert_int_equal(config_num(&cfg, g->id), g->number);
		assert_int_equal(config_on(&cfg, g->id), g->number != 0);
		/* The same from the file. */
		accept(entry, none);
		is(g->id, g->text, CONFIG_VOLUME);
		seen[config_settings[g->id].type] = true;
	}
	for (size_t type = 0; type < ARRAY_SIZE(seen); type++)
		assert_true(seen[type]);
}

static const struct {
	enum config_id id;
	const char *value;
} bad_values[] = {
	{CFG_ZIMBRA_FIREWALL, "maybe"},
	{CFG_ZIMBRA_FIREWALL, "on "},
	{CFG_ZIMBRA_FIREWALL, "2"},
	{CFG_ZIMBRA_STOP_TIMEOUT, "4"},
	{CFG_ZIMBRA_STOP_TIMEOUT, "7201"},
	{CFG_ZIMBRA_STOP_TIMEOUT, "-5"},
	{CFG_ZIMBRA_STOP_TIMEOUT, "+60"},
	{CFG_ZIMBRA_STOP_TIMEOUT, " 60"},
	{CFG_ZIMBRA_STOP_TIMEOUT, "60s"},
	{CFG_ZIMBRA_STOP_TIMEOUT, "0x40"},
	{CFG_ZIMBRA_STOP_TIMEOUT, "1e3"},
	{CFG_ZIMBRA_STOP_TIMEOUT, "99999999999999999999999999"},
	{CFG_ZIMBRA_OS_SUITE, "focal"},
	{CFG_ZIMBRA_OS_SUITE, "jam"},
	{CFG_ZIMBRA_OS_SUITE, "jammyy"},
	{CFG_ZIMBRA_OS_SUITE, "|"},
	{CFG_ZIMBRA_OS_SUITE, "jammy|"},
	{CFG_ZIMBRA_OS_SUITE, "jammy|bookworm"},
	{CFG_EXTERNAL_HOST_FQDN, "mail"},
	{CFG_EXTERNAL_HOST_FQDN, "mail."},
	{CFG_EXTERNAL_HOST_FQDN, "."},
	{CFG_EXTERNAL_HOST_FQDN, ".mail.example"},
	{CFG_EXTERNAL_HOST_FQDN, "mail..example"},
	{CFG_EXTERNAL_HOST_FQDN, "-mail.example"},
	{CFG_EXTERNAL_HOST_FQDN, "mail-.example"},
	{CFG_EXTERNAL_HOST_FQDN, "mail.example-"},
	{CFG_EXTERNAL_HOST_FQDN, "ma_il.example"},
	{CFG_EXTERNAL_HOST_FQDN, "mail.example;id"},
	{CFG_EXTERNAL_HOST_FQDN, "mail.example\nx"},
	{CFG_EXTERNAL_HOST_FQDN, "m\xc3\xa4il.example"},
	{CFG_EXTERNAL_HOST_FQDN, "0123456789012345678901234567890123456789012345678901234567890123.example"},
	{CFG_MAIL_DOMAINS, "example.org;example.net"},
	{CFG_MAIL_DOMAINS, "example.org,localhost"},
	{CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "0"},
	{CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "65536"},
	{CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "90-80"},
	{CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "smtp"},
	{CFG_FIREWALL_ALLOW_UDP_PORTS_IN, "53,,54"},
	{CFG_FIREWALL_ALLOW_UDP_PORTS_IN, "53;54"},
	{CFG_FIREWALL_ADMIN_FROM, "10.1.2.3/8"},
	{CFG_FIREWALL_ADMIN_FROM, "192.0.2.0/33"},
	{CFG_FIREWALL_ADMIN_FROM, "office.example.org"},
	{CFG_FIREWALL_ADMIN_FROM, "fe80::1%eth0"},
	{CFG_ZIMBRA_OS_MIRROR, "mirror.example/debian"},
	{CFG_ZIMBRA_OS_MIRROR, "ftp://mirror.example/debian"},
	{CFG_ZIMBRA_OS_MIRROR, "http://"},
	{CFG_ZIMBRA_OS_MIRROR, "http:///debian"},
	{CFG_ZIMBRA_OS_MIRROR, "http://user:pass@mirror/"},
	{CFG_ZIMBRA_OS_MIRROR, "http://mirror/?a=b"},
	{CFG_ZIMBRA_OS_MIRROR, "http://mirror/#x"},
	{CFG_ZIMBRA_OS_MIRROR, "http://mirror/debian stable main"},
	{CFG_ZIMBRA_OS_MIRROR, "http://mirror/\ndeb http://evil"},
	{CFG_ZIMBRA_OS_MIRROR, "http://mirror/$(id)"},
	{CFG_ZIMBRA_OS_KEYRING, "keyring.gpg"},
	{CFG_ZIMBRA_OS_KEYRING, "/a/../b"},
	{CFG_ZIMBRA_OS_KEYRING, "/a/.."},
	{CFG_ZIMBRA_OS_KEYRING, "/.."},
	{CFG_ZIMBRA_OS_KEYRING, "/a b"},
	{CFG_ZIMBRA_OS_KEYRING, "/a'b"},
	{CFG_ZIMBRA_RELEASE, "https://files.example/zcs.tgz"},
	{CFG_ZIMBRA_RELEASE, "zcs.tgz"},
	{CFG_ZIMBRA_RELEASE_SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85"},
	{CFG_ZIMBRA_RELEASE_SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8555"},
	{CFG_ZIMBRA_RELEASE_SHA256, "g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{CFG_ZIMBRA_TIMEZONE, "../../etc/shadow"},
	{CFG_ZIMBRA_TIMEZONE, "/etc/localtime"},
	{CFG_ZIMBRA_TIMEZONE, ":Europe/Berlin"},
	{CFG_ZIMBRA_TIMEZONE, "Europe//Berlin"},
	{CFG_ZIMBRA_TIMEZONE, "Europe/Berlin\nx"},
	{CFG_ZIMBRA_LOCALE, "de_DE"},
	{CFG_ZIMBRA_LOCALE, "de_DE.UTF-8 UTF-8"},
	{CFG_ZIMBRA_LOCALE, "de_DE.UTF-8\nx"},
	{CFG_ZIMBRA_LOCALE, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.UTF-8"},
	{CFG_ZIMBRA_ADMIN_PASSWORD, "five5"},
	{CFG_ZIMBRA_ADMIN_PASSWORD, "with blank"},
	{CFG_ZIMBRA_ADMIN_PASSWORD, "with'quote"},
	{CFG_ZIMBRA_ADMIN_PASSWORD, "with$(id)x"},
	{CFG_ZIMBRA_ADMIN_PASSWORD, "with\xc3\xa4umlaut"},
	{CFG_ZIMBRA_ALLOW_NOT_PID1, "enabled"},
};

static void bad_value_of_every_type(void **state)
{
	static bool seen[TYPE_PASSWORD + 1];
	char entry[CONFIG_VALUE_MAX + 128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad_values); i++) {
		enum config_id id = bad_values[i].id;
		(void)snprintf(entry, sizeof(entry), "%s=%s", config_name(id), bad_values[i].value);
		refuse(NULL, ENV(entry), ENV("environment: ", config_name(id), config_expected(id)));
		if (!config_secret(id))
			assert_non_null(strstr(err.text, bad_values[i].value));
		if (!strchr(bad_values[i].value, '\n') && bad_values[i].value[strlen(bad_values[i].value) - 1] != ' ')
			refuse(entry, none, ENV("zimbra.conf line 1: ", config_name(id), config_expected(id)));
		seen[config_settings[id].type] = true;
	}
	for (size_t type = 0; type < ARRAY_SIZE(seen); type++)
		assert_true(seen[type]);
}

static void numbers_say_their_bounds(void **state)
{
	(void)state;
	refuse(NULL, ENV("ZIMBRA_STOP_TIMEOUT=4"), ENV("ZIMBRA_STOP_TIMEOUT=4", "a whole number from 5 to 7200"));
}

/* What is canonical stays as it is: zctl config shows it, and somebody will copy it back. */
static void canonical_text_is_stable(void **state)
{
	char once[CONFIG_VALUE_MAX], twice[CONFIG_VALUE_MAX];
	long a, b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good_values); i++) {
		const struct setting *s = &config_settings[good_values[i].id];
		assert_int_equal(config_check(s, good_values[i].value, once, &a), 0);
		assert_int_equal(config_check(s, once, twice, &b), 0);
		assert_string_equal(once, twice);
		assert_int_equal(a, b);
	}
}

static void huge_values(void **state)
{
	char out[CONFIG_VALUE_MAX];
	long number;

	(void)state;
	memset(big, 'a', sizeof(big));
	for (int id = 0; id < CFG_COUNT; id++) {
		big[CONFIG_VALUE_MAX] = '\0';
		assert_int_equal(config_check(&config_settings[id], big, out, &number), -E2BIG);
		big[CONFIG_VALUE_MAX] = 'a';
		(void)snprintf(big, sizeof(big), "%s", config_name((enum config_id)id));
		big[strlen(config_name((enum config_id)id))] = '=';
		big[sizeof(big) - 1] = '\0';
		refuse(NULL, ENV(big), ENV(config_name((enum config_id)id), "expected"));
		memset(big, 'a', sizeof(big));
	}
	/* The longest that is accepted of a type without a limit of its own. */
	memcpy(big, "ZIMBRA_OS_KEYRING=/", 19);
	big[18 + CONFIG_VALUE_MAX - 1] = '\0';
	accept(NULL, ENV(big));
	assert_int_equal(strlen(config_str(&cfg, CFG_ZIMBRA_OS_KEYRING)), CONFIG_VALUE_MAX - 1);
	/* A list of as many ports as there can be. */
	size_t used = (size_t)snprintf(big, sizeof(big), "FIREWALL_ALLOW_UDP_PORTS_IN=1");
	for (int port = 3; port < 3 + 2 * (FW_RANGES_MAX - 1); port += 2)
		used += (size_t)snprintf(big + used, sizeof(big) - used, ",%d", port);
	accept(NULL, ENV(big));
	assert_int_equal(cfg.policy.public_udp.n, FW_RANGES_MAX);
	(void)snprintf(big + used, sizeof(big) - used, ",60000");
	refuse(NULL, ENV(big), ENV("FIREWALL_ALLOW_UDP_PORTS_IN"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_value_of_every_type),
		cmocka_unit_test(bad_value_of_every_type),
		cmocka_unit_test(numbers_say_their_bounds),
		cmocka_unit_test(canonical_text_is_stable),
		cmocka_unit_test(huge_values),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
