/* Pidfiles and zmcontrol's text, in the shapes that zm-core-utils src/bin/zmcontrol gives. */
#include "../../init/zimbra/zimbra.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void pidfile(void **state)
{
	static const struct {
		const char *text;
		int r;
		pid_t pid;
	} t[] = {
		{"1234\n", 0, 1234},
		{"1234", 0, 1234},
		{"            4711\n", 0, 4711}, /* postfix master */
		{"\t77 \n", 0, 77},
		{"99\n/usr/sbin/x -d\n", 0, 99},
		{"4194304\n", 0, 4194304},
		{"2", 0, 2},
		{"4194305\n", -EINVAL, 0},
		{"99999999999999999999\n", -EINVAL, 0},
		{"1\n", -EINVAL, 0}, /* us */
		{"0\n", -EINVAL, 0},
		{"-5\n", -EINVAL, 0},
		{"+5\n", -EINVAL, 0},
		{"007\n", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"\n12\n", -EINVAL, 0},
		{"   ", -EINVAL, 0},
		{"12abc\n", -EINVAL, 0},
		{"12\r\n", -EINVAL, 0},
		{"0x10\n", -EINVAL, 0},
		{"mysqld", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		/* A copy without room behind it: the sanitizer sees a read past the end. */
		size_t len = strlen(t[i].text);
		char *text = malloc(len ? len : 1);
		pid_t pid = 0;
		assert_non_null(text);
		memcpy(text, t[i].text, len);
		assert_int_equal(zimbra_pidfile_parse(text, len, &pid), t[i].r);
		assert_int_equal(pid, t[i].pid);
		free(text);
	}
	pid_t pid;
	assert_int_equal(zimbra_pidfile_parse("12\0\n", 4, &pid), -EINVAL);
}

static void status_all(void **state)
{
	static const char text[] = "Host mail.example.com\n"
				   "\tamavis                  Running\n"
				   "\tservice webapp          Running\n"
				   "\tmailbox                 Stopped\n"
				   "\t\tzmmailboxdctl is not running.\n"
				   "\tzimbraAdmin webapp      Running\n"
				   "\tlicense-daemon          Running\n"
				   "\tzmconfigd               Stopped\n"
				   "\t\tzmconfigd is not running.\n"
				   "\t\tmta                 Running\n" /* a script's own line */
				   "mta                     Running\n" /* not zmcontrol's */
				   "\tbad;name                Running\n"
				   "\tlong                    Running!\n"
				   "\tnothing\n";
	struct zmcontrol_status st;

	(void)state;
	assert_int_equal(zmcontrol_parse_status(text, sizeof(text) - 1, &st), 0);
	assert_int_equal(st.n, 6);
	assert_string_equal(st.service[0].name, "amavis");
	assert_true(st.service[0].running);
	assert_string_equal(st.service[1].name, "service webapp");
	assert_string_equal(st.service[2].name, "mailbox");
	assert_false(st.service[2].running);
	assert_string_equal(st.service[3].name, "zimbraAdmin webapp");
	assert_string_equal(st.service[4].name, "license-daemon");
	assert_string_equal(st.service[5].name, "zmconfigd");
	assert_false(st.service[5].running);
	assert_false(st.from_cache || st.timed_out || st.no_services);
}

static void status_sentences(void **state)
{
	struct zmcontrol_status st;
	static const char cached[] = "Connect: Unable to determine enabled services from ldap.\n"
				     "Enabled services read from cache. Service list may be inaccurate.\n"
				     "Host h\n\tldap                    Stopped\nTimeout after 180 seconds\n";
	static const char old[] = "Unable to determine enabled services. Cache is out of date or doesn't exist.\n";
	static const char none[] = "Cannot determine services - exiting\n";

	(void)state;
	assert_int_equal(zmcontrol_parse_status(cached, strlen(cached), &st), 0);
	assert_true(st.from_cache && st.timed_out && !st.no_services);
	assert_int_equal(st.n, 1);
	assert_int_equal(zmcontrol_parse_status(old, strlen(old), &st), 0);
	assert_true(st.no_services);
	assert_int_equal(zmcontrol_parse_status(none, strlen(none), &st), 0);
	assert_true(st.no_services);
	assert_int_equal(zmcontrol_parse_status("Run as the zimbra user!\n", 24, &st), -ENODATA);
	assert_int_equal(zmcontrol_parse_status("", 0, &st), -ENODATA);
}

static void status_bounds(void **state)
{
	char text[64 * (ZIMBRA_SERVICES_MAX + 5)];
	struct zmcontrol_status st;
	size_t used = 0;

	(void)state;
	for (int i = 0; i < ZIMBRA_SERVICES_MAX + 5; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "\ts%d Running\n", i);
	assert_int_equal(zmcontrol_parse_status(text, used, &st), -E2BIG);
	assert_int_equal(st.n, ZIMBRA_SERVICES_MAX);

	/* Names up to 31 bytes; the same name again is the same service. */
	static const char names[] = "\tabcdefghijklmnopqrstuvwxyzabcde Running\n"
				    "\tabcdefghijklmnopqrstuvwxyzabcdef Running\n"
				    "\tabcdefghijklmnopqrstuvwxyzabcde Stopped";
	assert_int_equal(zmcontrol_parse_status(names, sizeof(names) - 1, &st), 0);
	assert_int_equal(st.n, 1);
	assert_false(st.service[0].running);
}

static void progress(void **state)
{
	char name[ZIMBRA_SERVICE_NAME];
	bool starting = false;

	(void)state;
	assert_true(zmcontrol_parse_progress("\tStarting ldap...Done.", name, &starting));
	assert_string_equal(name, "ldap");
	assert_true(starting);
	assert_true(zmcontrol_parse_progress("\tStopping zimbraAdmin webapp...", name, &starting));
	assert_string_equal(name, "zimbraAdmin webapp");
	assert_false(starting);
	assert_true(zmcontrol_parse_progress("\tStarting foo...skipped.", name, &starting));
	static const char *const no[] = {"Starting ldap...",
					 "\tStarting ...",
					 "\tStarting ldap",
					 "\tStarting a b...",
					 "\tRestarting ldap...",
					 "",
					 "\t",
					 "\tStarting \x01...",
					 "\tStarting abcdefghijklmnopqrstuvwxyzabcdefgh..."};
	for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
		assert_false(zmcontrol_parse_progress(no[i], name, &starting));
		assert_string_equal(name, "");
	}
}

/* Every name that zmcontrol can print has a row, and no row is there twice. */
static void table(void **state)
{
	static const char *const names[] = {"ldap",	      "zmconfigd",     "dnscache",
					    "logger",	      "convertd",      "mailbox",
					    "memcached",      "proxy",	       "amavis",
					    "antispam",	      "antivirus",     "opendkim",
					    "archiving",      "cbpolicyd",     "snmp",
					    "spell",	      "mta",	       "stats",
					    "service webapp", "zimbra webapp", "zimbraAdmin webapp",
					    "zimlet webapp",  "imapd"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_non_null(zimbra_service_find(names[i]));
	assert_null(zimbra_service_find("auditswatch"));
	assert_string_equal(zimbra_services[0].name, "rsyslog");
	assert_string_equal(zimbra_services[1].name, "cron");
	for (size_t i = 0; i < zimbra_service_count; i++) {
		assert_ptr_equal(zimbra_service_find(zimbra_services[i].name), &zimbra_services[i]);
		assert_true(strlen(zimbra_services[i].name) < ZIMBRA_SERVICE_NAME);
		for (size_t k = 0; k < ZIMBRA_PIDFILES && zimbra_services[i].pidfile[k]; k++)
			assert_int_equal(zimbra_services[i].pidfile[k][0], '/');
	}
	assert_string_equal(zimbra_service_find("mailbox")->pidfile[0], "/opt/zimbra/log/zmmailboxd_manager.pid");
	assert_string_equal(zimbra_cmd_stop[4], "/opt/zimbra/bin/zmcontrol stop");
	assert_null(zimbra_cmd_stop[5]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pidfile),	 cmocka_unit_test(status_all), cmocka_unit_test(status_sentences),
		cmocka_unit_test(status_bounds), cmocka_unit_test(progress),   cmocka_unit_test(table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
