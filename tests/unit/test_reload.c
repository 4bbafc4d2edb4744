/* HUP: what changed in zimbra.conf is applied or named, and a file that is not understood changes nothing. */
#include "../../init/config_table.h"
#include "../../init/reload.h"
#include "../../init/wall.h"

#include "pid1_fixture.h"

#define CONF "/data/app/zimbra.conf"

/* --- the packet filter: what it was given last ----------------------------------------------------------------- */

static struct fw_policy filter;
static unsigned filtered;
static int filter_result;

int wall_open(const struct fw_policy *policy, struct fw_error *err)
{
	if (filter_result < 0) {
		*err = (struct fw_error){.err = filter_result};
		return filter_result;
	}
	filter = *policy;
	filtered++;
	return 0;
}

static unsigned removed;

int wall_remove(struct fw_error *err)
{
	(void)err;
	removed++;
	return 0;
}

/* --- a reload -------------------------------------------------------------------------------------------------- */

static struct config cfg;
static const char *env[8];

/* What was told: "+NAME " applied, "!NAME " needs a restart, then "done" or the error; each reload ends with '|'. */
static char told[2048];

static void tell_changed(void *arg, enum config_id id, bool applied)
{
	CHECK(arg == &cfg);
	size_t used = strlen(told);
	(void)snprintf(told + used, sizeof(told) - used, "%c%s ", applied ? '+' : '!', config_name(id));
}

static void tell_finished(void *arg, const char *error)
{
	CHECK(arg == &cfg);
	size_t used = strlen(told);
	(void)snprintf(told + used, sizeof(told) - used, "%s|", error ? error : "done");
}

static const struct daemon_reload teller = {tell_changed, tell_finished, &cfg};

static void begin(const char *conf)
{
	struct config_error err;

	if (conf)
		put(CONF, conf);
	CHECK_EQ(config_load(env, conf, conf ? strlen(conf) : 0, reload_read_secret, &cfg, &err), 0);
}

static const char *reload(void)
{
	told[0] = '\0';
	CHECK_EQ(reload_start(&cfg, env, true, &teller), 0);
	RUN_UNTIL(strchr(told, '|'));
	settle_down();
	return told;
}

static const char *reload_with(const char *conf)
{
	put(CONF, conf);
	return reload();
}

/* --- what changed ---------------------------------------------------------------------------------------------- */

TEST(a_change_is_applied)
{
	begin("ZIMBRA_STOP_TIMEOUT=100\n");
	CHECK_STR(reload(), "done|");
	CHECK_STR(reload_with("ZIMBRA_STOP_TIMEOUT=60\n"), "+ZIMBRA_STOP_TIMEOUT done|");
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 60);
	CHECK_STR(config_str(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), "60");
	CHECK_EQ(cfg.source[CFG_ZIMBRA_STOP_TIMEOUT], CONFIG_VOLUME);
	CHECK_STR(reload(), "done|"); /* it is what is in force now */
	CHECK_STR(reload_with("# nothing\n"), "+ZIMBRA_STOP_TIMEOUT done|");
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 300);
	CHECK_EQ(cfg.source[CFG_ZIMBRA_STOP_TIMEOUT], CONFIG_DEFAULT);
	CHECK_EQ(logged("error"), 0);
}

TEST(what_needs_a_restart_is_named_and_kept)
{
	begin("ZIMBRA_LOCALE=en_US.UTF-8\n");
	put(CONF, "ZIMBRA_LOCALE=C.UTF-8\nZIMBRA_ADMIN_PASSWORD=secret-one\nZIMBRA_START_TIMEOUT=20\n");
	CHECK_STR(reload(), "!ZIMBRA_LOCALE !ZIMBRA_ADMIN_PASSWORD +ZIMBRA_START_TIMEOUT done|");
	CHECK_STR(reload(), "!ZIMBRA_LOCALE !ZIMBRA_ADMIN_PASSWORD done|"); /* they are still not in force */
	CHECK_STR(config_str(&cfg, CFG_ZIMBRA_LOCALE), "en_US.UTF-8");
	CHECK_STR(config_str(&cfg, CFG_ZIMBRA_ADMIN_PASSWORD), "");
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_START_TIMEOUT), 20);
	CHECK_STR(reload_with("ZIMBRA_START_TIMEOUT=20\n"), "done|"); /* as it was */
}

TEST(the_environment_wins)
{
	env[0] = "ZIMBRA_STOP_TIMEOUT=111";
	begin("");
	CHECK_STR(reload_with("ZIMBRA_STOP_TIMEOUT=60\n"), "done|");
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 111);
	CHECK_EQ(cfg.source[CFG_ZIMBRA_STOP_TIMEOUT], CONFIG_ENV);
}

/* A secret that an orchestrator has replaced. */
TEST(the_file_that_a_variable_names_is_read_again)
{
	env[0] = "ZIMBRA_STOP_TIMEOUT_FILE=/run/timeout";
	put("/run/timeout", "70\n");
	begin("");
	put("/run/timeout", "80\n");
	CHECK_STR(reload(), "+ZIMBRA_STOP_TIMEOUT done|");
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 80);
	CHECK_EQ(unlink("/run/timeout"), 0);
	CHECK(strstr(reload(), "ZIMBRA_STOP_TIMEOUT_FILE") != NULL);
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 80);
}

/* --- the packet filter ----------------------------------------------------------------------------------------- */

TEST(ports_are_opened_and_shut)
{
	begin("");
	CHECK_STR(reload_with("FIREWALL_ALLOW_TCP_PORTS_IN=25,7071\n"), "+FIREWALL_ALLOW_TCP_PORTS_IN done|");
	CHECK_EQ(filter.public_tcp.n, 1);
	CHECK(filter.public_tcp.v[0].first == 25 && filter.public_tcp.v[0].last == 25);
	CHECK_EQ(cfg.policy.public_tcp.n, 1);
	CHECK(cfg.admin_port_cut); /* which `zctl status` warns about */
	CHECK_STR(reload_with("FIREWALL_ADMIN_FROM=192.0.2.0/24\n"),
		  "+FIREWALL_ALLOW_TCP_PORTS_IN +FIREWALL_ADMIN_FROM done|");
	CHECK(filter.public_tcp.n > 1 && filter.admin_from.n == 1 && !cfg.admin_port_cut);
}

TEST(a_filter_that_refuses_changes_nothing)
{
	begin("ZIMBRA_STOP_TIMEOUT=100\nFIREWALL_ALLOW_TCP_PORTS_IN=25\n");
	filter_result = -EPERM;
	const char *said = reload_with("ZIMBRA_STOP_TIMEOUT=60\nFIREWALL_ALLOW_TCP_PORTS_IN=80\n");
	CHECK(strchr(said, '+') == NULL && strstr(said, "done") == NULL && strlen(said) > 1);
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 100);
	CHECK_STR(config_str(&cfg, CFG_FIREWALL_ALLOW_TCP_PORTS_IN), "25");
	CHECK_EQ(cfg.policy.public_tcp.v[0].first, 25);
	filter_result = 0;
	CHECK_STR(reload(), "+FIREWALL_ALLOW_TCP_PORTS_IN +ZIMBRA_STOP_TIMEOUT done|");
}

/* Before the last stage all ports are shut. */
TEST(the_filter_becomes_a_monitor_goes_and_comes_back)
{
	begin("");
	CHECK_STR(reload_with("ZIMBRA_FIREWALL=monitor\n"), "+ZIMBRA_FIREWALL done|");
	CHECK_EQ(filtered, 1);
	CHECK(filter.monitor && cfg.policy.monitor);
	CHECK_STR(reload_with("ZIMBRA_FIREWALL=off\n"), "+ZIMBRA_FIREWALL done|");
	CHECK_EQ(filtered, 1);
	CHECK_EQ(removed, 1);
	CHECK_STR(reload_with("ZIMBRA_FIREWALL=off\nZIMBRA_STOP_TIMEOUT=60\n"), "+ZIMBRA_STOP_TIMEOUT done|");
	CHECK_EQ(removed, 1); /* somebody else may have a table of that name by now */
	CHECK_STR(reload_with("ZIMBRA_FIREWALL=on\n"), "+ZIMBRA_FIREWALL +ZIMBRA_STOP_TIMEOUT done|");
	CHECK_EQ(filtered, 2);
	CHECK(!filter.monitor);
}

TEST(the_filter_is_only_renewed_where_it_is_open)
{
	begin("");
	put(CONF, "FIREWALL_ALLOW_TCP_PORTS_IN=25\n");
	CHECK_EQ(reload_start(&cfg, env, false, &teller), 0);
	RUN_UNTIL(strchr(told, '|'));
	CHECK_STR(told, "+FIREWALL_ALLOW_TCP_PORTS_IN done|");
	CHECK_EQ(filtered, 0);
	CHECK_EQ(cfg.policy.public_tcp.n, 1); /* what it will be opened with */
	told[0] = '\0';
	put(CONF, "ZIMBRA_FIREWALL=off\n");
	CHECK_EQ(reload_start(&cfg, env, false, &teller), 0);
	RUN_UNTIL(strchr(told, '|'));
	CHECK_EQ(removed, 0); /* the last stage does that */
}

/* --- files that are none --------------------------------------------------------------------------------------- */

static void refused(const char *conf, const char *says)
{
	const char *said = reload_with(conf);

	CHECK(strstr(said, says) != NULL);
	CHECK(strchr(said, '+') == NULL && strchr(said, '!') == NULL && strstr(said, "done") == NULL);
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 100);
	CHECK_EQ(filtered, 0);
}

TEST(a_bad_file_changes_nothing)
{
	begin("ZIMBRA_STOP_TIMEOUT=100\n");
	refused("ZIMBRA_STOP_TIMEOUT=60\nZIMBRA_STOP_TIMOUT=61\n", "ZIMBRA_STOP_TIMEOUT");
	refused("ZIMBRA_STOP_TIMEOUT=soon\n", "soon");
	refused("ZIMBRA_STOP_TIMEOUT=60\nFIREWALL_ALLOW_TCP_PORTS_IN=25,65536\n", "65536");
	refused("ZIMBRA_STOP_TIMEOUT=60\ngarbage\n", "2");
	static char big[CONFIG_FILE_MAX + 2];
	memset(big, '#', sizeof(big) - 1);
	refused(big, "/data/app/zimbra.conf cannot be read: File too large");
	CHECK_STR(reload_with("ZIMBRA_STOP_TIMEOUT=60\n"), "+ZIMBRA_STOP_TIMEOUT done|");
}

/* What somebody planted there, who is root in the jail (which has no app/), or by mistake. */
TEST(what_is_no_file_is_not_waited_for)
{
	begin("ZIMBRA_STOP_TIMEOUT=100\n");
	CHECK_EQ(unlink(CONF), 0);
	CHECK_EQ(mkfifo(CONF, 0600), 0);
	CHECK(strstr(reload(), "cannot be read: ") != NULL);
	CHECK_EQ(unlink(CONF), 0);
	CHECK_EQ(mkdir(CONF, 0700), 0);
	CHECK(strstr(reload(), "cannot be read: ") != NULL);
	CHECK_EQ(rmdir(CONF), 0);
	CHECK_EQ(symlink("zimbra.conf", CONF), 0);
	CHECK(strstr(reload(), "cannot be read: Too many levels of symbolic links|") != NULL);
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 100);
	CHECK_EQ(unlink(CONF), 0);
	CHECK_STR(reload(), "+ZIMBRA_STOP_TIMEOUT done|"); /* none is none */
	CHECK_EQ(rmdir("/data/app"), 0);
	CHECK_STR(reload(), "done|");
}

TEST(a_file_that_fills_all_there_is_room_for)
{
	static char big[CONFIG_FILE_MAX + 1];

	begin("");
	memset(big, '#', CONFIG_FILE_MAX);
	(void)snprintf(big + CONFIG_FILE_MAX - 24, 25, "\nZIMBRA_STOP_TIMEOUT=601");
	CHECK_EQ(strlen(big), CONFIG_FILE_MAX);
	CHECK_STR(reload_with(big), "+ZIMBRA_STOP_TIMEOUT done|");
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 601);
}

/* --- two at once ----------------------------------------------------------------------------------------------- */

static void never_changed(void *arg, enum config_id id, bool applied)
{
	(void)arg;
	(void)id;
	CHECK(!applied && applied);
}

static void never_finished(void *arg, const char *error)
{
	(void)arg;
	CHECK(!error && error);
}

TEST(one_after_the_other)
{
	static const struct daemon_reload second = {never_changed, never_finished, NULL};
	struct config other = {0};

	begin("");
	put(CONF, "ZIMBRA_STOP_TIMEOUT=60\n");
	CHECK_EQ(reload_start(&cfg, env, true, &teller), 0);
	CHECK_EQ(reload_start(&other, env, true, &second), -EBUSY);
	RUN_UNTIL(strchr(told, '|'));
	CHECK_STR(told, "+ZIMBRA_STOP_TIMEOUT done|"); /* the first one hears of it, and nobody else */
	CHECK_STR(reload_with("ZIMBRA_STOP_TIMEOUT=61\n"), "+ZIMBRA_STOP_TIMEOUT done|");
}

/* The child is killed (out of memory, say): nothing is taken from half a file, and the next one works. */
TEST(a_reader_that_dies)
{
	begin("ZIMBRA_STOP_TIMEOUT=100\n");
	CHECK_EQ(reload_start(&cfg, env, true, &teller), 0);
	(void)kill(-1, SIGKILL);
	RUN_UNTIL(strchr(told, '|'));
	if (strcmp(told, "done|") != 0) /* it may have been faster */
		CHECK(strstr(told, "/data/app/zimbra.conf cannot be read: ") != NULL);
	CHECK_EQ(config_num(&cfg, CFG_ZIMBRA_STOP_TIMEOUT), 100);
	CHECK_STR(reload_with("ZIMBRA_STOP_TIMEOUT=61\n"), "+ZIMBRA_STOP_TIMEOUT done|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_is_applied),
		cmocka_unit_test(what_needs_a_restart_is_named_and_kept),
		cmocka_unit_test(the_environment_wins),
		cmocka_unit_test(the_file_that_a_variable_names_is_read_again),
		cmocka_unit_test(ports_are_opened_and_shut),
		cmocka_unit_test(a_filter_that_refuses_changes_nothing),
		cmocka_unit_test(the_filter_becomes_a_monitor_goes_and_comes_back),
		cmocka_unit_test(the_filter_is_only_renewed_where_it_is_open),
		cmocka_unit_test(a_bad_file_changes_nothing),
		cmocka_unit_test(what_is_no_file_is_not_waited_for),
		cmocka_unit_test(a_file_that_fills_all_there_is_room_for),
		cmocka_unit_test(one_after_the_other),
		cmocka_unit_test(a_reader_that_dies),
	};

	return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
