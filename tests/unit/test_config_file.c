/* The syntax of zimbra.conf, and that a secret is never part of what is said about it. */
#include "config_fixture.h"

static void syntax(void **state)
{
	(void)state;
	accept("# a comment\n\n   \t\n  ZIMBRA_OS_SUITE=bookworm  \n\tZIMBRA_STOP_TIMEOUT=60\n#ZIMBRA_MIN_DISK=x\n  # "
	       "y\n",
	       none);
	is(CFG_ZIMBRA_OS_SUITE, "bookworm", CONFIG_VOLUME);
	is(CFG_ZIMBRA_STOP_TIMEOUT, "60", CONFIG_VOLUME);
	accept("", none);
	accept("\n\n\n", none);
	accept("ZIMBRA_OS_SUITE=bookworm", none); /* no newline at the end */
	is(CFG_ZIMBRA_OS_SUITE, "bookworm", CONFIG_VOLUME);
	accept("ZIMBRA_OS_SUITE=jammy\nZIMBRA_OS_SUITE=bookworm\n", none); /* as in a shell, the last one counts */
	is(CFG_ZIMBRA_OS_SUITE, "bookworm", CONFIG_VOLUME);
	accept("ZIMBRA_ADMIN_PASSWORD=a=b=c=d", none);
	is(CFG_ZIMBRA_ADMIN_PASSWORD, "a=b=c=d", CONFIG_VOLUME);
}

static void quotes(void **state)
{
	(void)state;
	accept("ZIMBRA_OS_SUITE=\"bookworm\"\nZIMBRA_STOP_TIMEOUT='60'\nFIREWALL_ALLOW_TCP_PORTS_IN=\" 25, 26 \"\n",
	       none);
	is(CFG_ZIMBRA_OS_SUITE, "bookworm", CONFIG_VOLUME);
	is(CFG_ZIMBRA_STOP_TIMEOUT, "60", CONFIG_VOLUME);
	is(CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "25-26", CONFIG_VOLUME);
	accept("ZIMBRA_OS_SUITE=\"\"\nFIREWALL_ALLOW_TCP_PORTS_IN=''", none);
	is(CFG_ZIMBRA_OS_SUITE, "jammy", CONFIG_DEFAULT);
	is(CFG_FIREWALL_ALLOW_TCP_PORTS_IN, "", CONFIG_VOLUME);
	refuse("ZIMBRA_OS_SUITE=\"bookworm", none, ENV("line 1", "\"bookworm"));
	refuse("ZIMBRA_OS_SUITE=\"bookworm'", none, ENV("line 1"));
	refuse("ZIMBRA_OS_SUITE=\"", none, ENV("line 1"));
	refuse("ZIMBRA_OS_SUITE=\"\"bookworm\"\"", none, ENV("line 1"));
	refuse("\"ZIMBRA_OS_SUITE\"=bookworm", none, ENV("line 1"));
	/* In the environment quotes are part of the value: a shell has taken its own off already. */
	refuse(NULL, ENV("ZIMBRA_OS_SUITE=\"bookworm\""), ENV("\"bookworm\""));
}

static void windows_line_ends(void **state)
{
	(void)state;
	accept("# comment\r\n\r\nZIMBRA_OS_SUITE=bookworm\r\nZIMBRA_STOP_TIMEOUT=\"60\"\r\nEXTERNAL_HOST_FQDN=a.b\r\n",
	       none);
	is(CFG_ZIMBRA_OS_SUITE, "bookworm", CONFIG_VOLUME);
	is(CFG_ZIMBRA_STOP_TIMEOUT, "60", CONFIG_VOLUME);
	is(CFG_EXTERNAL_HOST_FQDN, "a.b", CONFIG_VOLUME);
	refuse("ZIMBRA_OS_SUITE=book\rworm\n", none, ENV("line 1"));
}

static void not_a_setting(void **state)
{
	(void)state;
	refuse("\n\nZIMBRA_OS_SUITE\n", none, ENV("zimbra.conf line 3", "NAME=value"));
	refuse("ZIMBRA_OS_SUITE bookworm\n", none, ENV("line 1", "NAME=value"));
	refuse("=x", none, ENV("line 1"));
	refuse("ZIMBRA_OS_SUITE =bookworm", none, ENV("line 1", "ZIMBRA_OS_SUITE"));
	refuse("export ZIMBRA_OS_SUITE=bookworm", none, ENV("line 1", "export ZIMBRA_OS_SUITE"));
	refuse("\xef\xbb\xbfZIMBRA_OS_SUITE=bookworm", none, ENV("line 1", "did you mean ZIMBRA_OS_SUITE?"));
	refuse("PATH=/evil", none, ENV("line 1", "PATH"));
	refuse("ZIMBRA_SERVICE_HOST=10.0.0.1", none, ENV("line 1")); /* nobody but us writes this file */
	refuse("ZIMBRA_OS_SUITE=bookworm # the newest", none, ENV("line 1", "bookworm # the newest"));
	refuse("ZIMBRA_OS_SUITE=bookworm\n\n\nZIMBRA_STOP_TIMEOUT=soon\n", none,
	       ENV("line 4", "ZIMBRA_STOP_TIMEOUT=soon"));
}

static void zero_byte(void **state)
{
	static const char text[] = "ZIMBRA_OS_SUITE=bookworm\0\nZIMBRA_STOP_TIMEOUT=60\n";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		char *exact = malloc(len ? len : 1);
		assert_non_null(exact);
		memcpy(exact, text, len);
		config_free(&cfg);
		int r = config_load(none, exact, len, read_file, &cfg, &err);
		free(exact);
		if (len > 24) {
			assert_int_equal(r, -EINVAL);
			assert_non_null(strstr(err.text, "zero byte"));
		}
	}
}

static void size_of_the_file(void **state)
{
	static char text[CONFIG_FILE_MAX + 2];

	(void)state;
	memset(text, '#', sizeof(text) - 1);
	text[CONFIG_FILE_MAX] = '\0';
	accept(text, none);
	text[CONFIG_FILE_MAX] = '#';
	refuse(text, none, ENV("zimbra.conf", "larger than 65536"));
	/* One line of a value as large as the file. */
	memcpy(text, "ZIMBRA_OS_KEYRING=/", 19);
	memset(text + 19, 'a', CONFIG_FILE_MAX - 19);
	text[CONFIG_FILE_MAX] = '\0';
	refuse(text, none, ENV("line 1", "ZIMBRA_OS_KEYRING=/aaa"));
	memset(text, 'Z', CONFIG_FILE_MAX); /* a name as large as the file */
	memcpy(text + CONFIG_FILE_MAX - 2, "=1", 2);
	refuse(text, none, ENV("line 1", "ZZZ"));
}

/* The text goes to the container's log, which is kept and shipped. */
static void secrets_are_never_said(void **state)
{
	static const char *const files[] = {
		"ZIMBRA_ADMIN_PASSWORD=hunter2 x",	"ZIMBRA_ADMIN_PASSWORD hunter2xx",
		"ZIMBRA_ADMIN_PASSWORD: hunter2xx",	"ZIMBRA_ADMIN_PASSWORT=hunter2xx",
		"ZIMBRA_ADMIN_PASSWORD ='hunter2'",	"\"ZIMBRA_ADMIN_PASSWORD\": \"hunter2xx\"",
		"export ZIMBRA_ADMIN_PASSWORD hunter2", "ZIMBRA_ADMIN_PASSWORD=\n  hunter2xx\n",
		"ZIMBRA_ADMIN_PASSWORD='hunter2\nxx'",
	};
	static const char *const entries[] = {
		"ZIMBRA_ADMIN_PASSWORD=hunter2 x",	   "ZIMBRA_ADMIN_PASWORD=hunter2xx",
		"ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/bad", "ZIMBRA_ADMIN_PASSWORDFILE=hunter2",
		"ZIMBRA_ADMIN_PASSWORD=hunter2\nhunter2",  "ZIMBRA_ADMIN_PASSWORD=\"hunter2\"",
	};
	char two[64] = "ZIMBRA_ADMIN_PASSWORD=hunter2";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		refuse(files[i], none, ENV("zimbra.conf line"));
		if (strstr(err.text, "hunter"))
			fail_msg("it says: %s", err.text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		refuse(NULL, ENV(entries[i]), ENV("environment"));
		if (strstr(err.text, "hunter"))
			fail_msg("it says: %s", err.text);
	}
	refuse(NULL, ENV(two, "ZIMBRA_ADMIN_PASSWORD_FILE=/secrets/plain"), ENV("twice"));
	assert_null(strstr(err.text, "hunter"));
	assert_true(config_secret(CFG_ZIMBRA_ADMIN_PASSWORD));
	assert_false(config_secret(CFG_ZIMBRA_OS_SUITE));
}

/* zctl config and the README are made of this. */
static void every_setting_is_described(void **state)
{
	(void)state;
	for (int i = 0; i < CFG_COUNT; i++) {
		enum config_id id = (enum config_id)i;
		assert_true(strlen(config_name(id)) < CONFIG_NAME_MAX);
		assert_true(strlen(config_help(id)) > 10);
		assert_true(strlen(config_expected(id)) > 5);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(config_name(id), config_name((enum config_id)j));
	}
	assert_string_equal(config_source_name(CONFIG_DEFAULT), "default");
	assert_string_equal(config_source_name(CONFIG_ENV), "environment");
	assert_string_equal(config_source_name(CONFIG_ENV_FILE), "file");
	assert_string_equal(config_source_name(CONFIG_VOLUME), "zimbra.conf");
	/* What a reload can apply without a restart. */
	assert_true(config_reloadable(CFG_FIREWALL_ADMIN_FROM));
	assert_false(config_reloadable(CFG_ZIMBRA_OS_SUITE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(syntax),
		cmocka_unit_test(quotes),
		cmocka_unit_test(windows_line_ends),
		cmocka_unit_test(not_a_setting),
		cmocka_unit_test(zero_byte),
		cmocka_unit_test(size_of_the_file),
		cmocka_unit_test(secrets_are_never_said),
		cmocka_unit_test(every_setting_is_described),
	};

	return cmocka_run_group_tests_name("config file", tests, NULL, NULL);
}
