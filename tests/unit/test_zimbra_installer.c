/* What the installers leave and print: .install_history, progress lines, log tails; and rsyslog's configuration. */
#include "../../init/zimbra/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START	 "1700000000: INSTALL SESSION START\n"
#define CORE	 "1700000100: INSTALLED zimbra-core_10.1.17.GA.4200002.UBUNTU24.64-1_amd64.deb\n"
#define COMPLETE "1700000100: INSTALL SESSION COMPLETE\n"
#define CONFIG	 "1700000200: CONFIG SESSION START\n1700000200: CONFIGURED BEGIN\n"
#define END	 "1700000900: CONFIGURED END\n1700000900: CONFIG SESSION COMPLETE\n"

static void history(void **state)
{
	static const struct {
		const char *text;
		enum zi_progress_of want;
	} t[] = {
		{"", ZI_NOTHING},
		{"garbage\n", ZI_NOTHING},
		{START, ZI_STARTED},
		{START "1700000100: INSTALLED zimbra-ldap_10.1_amd64.deb\n" COMPLETE, ZI_STARTED},
		{START CORE, ZI_PACKAGES},
		{START CORE COMPLETE, ZI_PACKAGES},
		{START CORE COMPLETE CONFIG, ZI_CONFIGURING},
		{START CORE COMPLETE CONFIG "1700000300: CONFIGURED configLCValues\n", ZI_CONFIGURING},
		{START CORE COMPLETE CONFIG "1700000900: CONFIGURED END",
		 ZI_CONFIGURING}, /* killed before the newline */
		{START CORE COMPLETE CONFIG "1700000900: CONFIGURED ENDING\n", ZI_CONFIGURING},
		{START CORE COMPLETE CONFIG END, ZI_CONFIGURED},
		{START CORE COMPLETE CONFIG END START, ZI_STARTED}, /* an upgrade by hand that stopped */
		{START CORE COMPLETE CONFIG END START "1: UPGRADED zimbra-core-10.1.18\n" CONFIG, ZI_CONFIGURING},
		{START CORE COMPLETE CONFIG END START "1: UPGRADED zimbra-core-10.1.18\n" CONFIG END, ZI_CONFIGURED},
		{END, ZI_NOTHING}, /* an end of nothing */
		{START END, ZI_STARTED},
	};
	struct zi_history h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		zi_history_parse(t[i].text, strlen(t[i].text), &h);
		assert_int_equal(h.state, t[i].want);
	}
	zi_history_parse(START CORE COMPLETE, strlen(START CORE COMPLETE), &h);
	assert_string_equal(h.version, "10.1.17.GA.4200002.UBUNTU24.64");
	static const char lab[] = START "1: INSTALLED zimbra-core_10.1.0.GA.1001_all.deb\n";
	zi_history_parse(lab, strlen(lab), &h);
	assert_string_equal(h.version, "10.1.0.GA.1001");
	static const char old[] = START "1: INSTALLED zimbra-core-8.8.15_GA_3869.UBUNTU18_64-20190918\n";
	static const char colour[] = START "1: INSTALLED zimbra-core-\x1b[0m\n";
	zi_history_parse(old, strlen(old), &h);
	assert_string_equal(h.version, "8.8.15_GA_3869.UBUNTU18_64");
	zi_history_parse(colour, strlen(colour), &h);
	assert_string_equal(h.version, "");
}

static void lines(void **state)
{
	struct zi_doing d;

	(void)state;
	zi_installer_line("Setting local config values...done.", &d);
	assert_string_equal(d.text, "Setting local config values");
	assert_true(d.percent >= 0 && d.percent < 20);
	int before = d.percent;
	zi_installer_line("Starting servers...", &d);
	assert_string_equal(d.text, "Starting servers");
	assert_true(d.percent > before && d.percent < 100);
	zi_installer_line("Installing repo packages (12):", &d);
	assert_string_equal(d.text, "Installing repo packages (12)");
	assert_int_equal(d.percent, -1);
	zi_installer_line("                                     zimbra-core will be installed.", &d);
	assert_string_equal(d.text, "zimbra-core will be installed.");
	zi_installer_line("    zimbra-ldap...NOT FOUND", &d);
	assert_string_equal(d.text, "");
	assert_false(d.trouble);
	zi_installer_line("Creating domain example.com...failed.", &d);
	assert_true(d.trouble);
	assert_string_equal(d.text, "Creating domain example.com");
	zi_installer_line("  ERROR: Installation can not proceeed.  Please fix your /etc/hosts file", &d);
	assert_true(d.trouble);
	zi_installer_line("of the Licensed Software, and you agree", &d);
	assert_string_equal(d.text, "");
	zi_installer_line("zimbra-\x1b[31m\x07 \xff", &d);
	for (const char *c = d.text; *c; c++)
		assert_in_range(*c, 0x20, 0x7e);
	char line[1000];
	memset(line, 'a', sizeof(line));
	memcpy(line, "Creating user ", 14);
	line[sizeof(line) - 1] = '\0';
	zi_installer_line(line, &d);
	assert_int_equal(strlen(d.text), sizeof(d.text) - 1);
	zi_installer_line("", &d);
	assert_string_equal(d.text, "");
}

static void tails(void **state)
{
	static const char text[] = "one\ntwo\nthree\nfour\n";
	char secret[] = "pw=hunter22 hunter22; hunter2";

	(void)state;
	assert_string_equal(text + zi_last_lines(text, strlen(text), 2), "three\nfour\n");
	assert_string_equal(text + zi_last_lines(text, strlen(text), 1), "four\n");
	assert_int_equal(zi_last_lines(text, strlen(text), 99), 0);
	assert_int_equal(zi_last_lines("", 0, 3), 0);
	assert_int_equal(zi_last_lines("\n", 1, 3), 0);
	zi_blank_secret(secret, "hunter22");
	assert_string_equal(secret, "pw=******** ********; hunter2");
	zi_blank_secret(secret, "");
}

static void recent(void **state)
{
	struct zi_recent r = {0};
	char line[16];

	(void)state;
	for (int i = 0; i < ZI_LAST_LINES + 3; i++) {
		(void)snprintf(line, sizeof(line), "%d", i);
		zi_recent_add(&r, line);
	}
	assert_int_equal(r.n, ZI_LAST_LINES + 3);
	assert_string_equal(r.line[2], "32");
	assert_string_equal(r.line[3], "3");
}

static void rsyslog(void **state)
{
	static const char debian[] = "module(load=\"imuxsock\") # local\nmodule(load=\"imklog\")   # kernel\n*.* /x\n";
	static const char ubuntu[] =
		"module(load=\"imklog\" permitnonkernelfacility=\"on\")\n#module(load=\"imklog\")\n";
	char out[512], again[512];
	ssize_t n;

	(void)state;
	n = zi_rsyslog_conf(debian, strlen(debian), out, sizeof(out) - 1);
	assert_true(n > 0);
	out[n] = '\0';
	assert_string_equal(out,
			    "module(load=\"imuxsock\") # local\n"
			    "# a container cannot read the kernel's log: module(load=\"imklog\")   # kernel\n*.* /x\n");
	assert_int_equal(zi_rsyslog_conf(out, (size_t)n, again, sizeof(again)), 0); /* once */
	n = zi_rsyslog_conf(ubuntu, strlen(ubuntu), out, sizeof(out) - 1);
	assert_true(n > 0);
	out[n] = '\0';
	assert_non_null(strstr(out, "log: module(load=\"imklog\" permit"));
	assert_non_null(strstr(out, "\n#module(load=\"imklog\")\n"));
	assert_int_equal(zi_rsyslog_conf("$ModLoad imklog", 15, out, 20), -E2BIG);
	n = zi_rsyslog_conf("$ModLoad imklog", 15, out, sizeof(out));
	assert_int_equal(out[0], '#');
	assert_int_equal(zi_rsyslog_conf("", 0, out, sizeof(out)), 0);
	assert_int_equal(zi_rsyslog_conf("   ", 3, out, sizeof(out)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(history), cmocka_unit_test(lines),   cmocka_unit_test(tails),
		cmocka_unit_test(recent),  cmocka_unit_test(rsyslog),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
