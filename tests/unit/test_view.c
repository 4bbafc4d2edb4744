/* What zctl shows: every view in every state is complete JSON, whatever bytes the installation put into its names. */
#include "../../init/daemon.h"
#include "../../init/reaper.h"
#include "../../init/sequence.h"
#include "../../init/stop.h"
#include "../../init/supervise.h"
#include "../../init/view.h"
#include "../../init/workers.h"

#include "support.h"

/* --- PID 1 as the views see it --------------------------------------------------------------------------------- */

static struct {
	enum daemon_state state;
	struct failure failure;
	bool failed, opened, essential;
	int64_t retry;
	struct sequence_stage stage[2];
	struct service service[2];
	const char *stop_doing;
	struct reaper_death death[REAPER_RING];
	size_t deaths;
	struct worker_view worker[2];
	int fw_result;
	struct fw_state fw;
} pid1;
static struct config cfg;

const struct stage stages[] = {{"close", "Closing the network", NULL, NULL}, {"volume", "Installing", NULL, NULL}};
const size_t stage_count = ARRAY_SIZE(stages);

enum daemon_state daemon_state(void)
{
	return pid1.state;
}

const char *daemon_state_name(enum daemon_state s)
{
	return s == DAEMON_FAILED     ? "failed"
	       : s == DAEMON_STOPPING ? "stopping"
	       : s == DAEMON_RUNNING  ? "running"
				      : "booting";
}

const struct config *daemon_config(void)
{
	return &cfg;
}

const struct failure *daemon_failure(void)
{
	return pid1.failed ? &pid1.failure : NULL;
}

int64_t daemon_retry_in(void)
{
	return pid1.retry;
}

int64_t daemon_uptime(void)
{
	return 61500;
}

bool daemon_opened(void)
{
	return pid1.opened;
}

const char *daemon_hostname(void)
{
	return "mail.example.org";
}

size_t daemon_warnings(const char *out[static DAEMON_WARNINGS])
{
	out[0] = "be careful";
	return 1;
}

size_t sequence_index(void)
{
	return 1;
}

size_t sequence_count(void)
{
	return 2;
}

const struct sequence_stage *sequence_stage(size_t i)
{
	return &pid1.stage[i];
}

const char *sequence_suite(void)
{
	return "bookworm";
}

const char *sequence_release(void)
{
	return "";
}

const char *stop_doing(void)
{
	return pid1.stop_doing;
}

size_t supervise_count(void)
{
	return 2;
}

const struct service *supervise_service(size_t i)
{
	return &pid1.service[i];
}

const char *service_state_name(enum service_state s)
{
	return s == SERVICE_RUNNING ? "running" : "stopped";
}

bool supervise_essential_running(void)
{
	return pid1.essential;
}

bool workers_view(size_t i, struct worker_view *out)
{
	if (i < 2)
		*out = pid1.worker[i];
	return i < 2;
}

size_t reaper_ring(struct reaper_death out[static REAPER_RING])
{
	memcpy(out, pid1.death, sizeof(pid1.death));
	return pid1.deaths;
}

int fw_read(struct fw_state *state, struct fw_error *err)
{
	err->err = pid1.fw_result;
	(void)snprintf(err->what, sizeof(err->what), "table");
	*state = pid1.fw;
	return pid1.fw_result;
}

static int reset(void **state)
{
	struct config_error err;
	static const char *const env[] = {"ZIMBRA_ADMIN_PASSWORD=hunter2", "TZ=Europe/Berlin", NULL};

	(void)state;
	memset(&pid1, 0, sizeof(pid1));
	pid1.retry = -1;
	pid1.stop_doing = "zmcontrol stop";
	pid1.stage[0] = (struct sequence_stage){.state = STAGE_DONE, .percent = 100, .started = 1, .ended = 1501};
	pid1.stage[1] = (struct sequence_stage){.state = STAGE_RUNNING, .percent = -1, .started = now_ms()};
	pid1.service[0] =
		(struct service){.name = "mta", .state = SERVICE_RUNNING, .pid = 42, .restarts = 1, .enabled = true};
	pid1.service[1] = (struct service){.name = "spell", .state = SERVICE_STOPPED};
	pid1.fw.mode = FW_OPEN;
	config_free(&cfg);
	return config_load(env, NULL, 0, NULL, &cfg, &err);
}

/* --- JSON ------------------------------------------------------------------------------------------------------ */

static json_t *whole(json_t *view)
{
	assert_non_null(view);
	char *text = json_dumps(view, JSON_COMPACT); /* fails where a string is not UTF-8 */
	assert_non_null(text);
	free(text);
	assert_int_equal(json_integer_value(json_object_get(view, "schema")), VIEW_SCHEMA);
	return view;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	assert_non_null(text);
	return text;
}

static void status_has_all_keys(void **state)
{
	static const char *const keys[] = {"schema",  "version",  "state",    "hostname", "suite",
					   "release", "uptime",	  "stage",    "failure",  "services",
					   "workers", "firewall", "warnings", "deaths"};
	static const char *const stage_keys[] = {"name", "number", "of", "title", "doing", "percent", "seconds"};

	(void)state;
	for (int s = DAEMON_BOOTING; s <= DAEMON_FAILED; s++) {
		pid1.state = (enum daemon_state)s;
		pid1.failed = s == DAEMON_FAILED;
		(void)failure_set(&pid1.failure, FAILURE_RETRY, "do this", "it broke");
		pid1.retry = pid1.failed ? 9900 : -1;
		json_t *view = whole(view_status());
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			assert_non_null(json_object_get(view, keys[i]));
		for (size_t i = 0; i < ARRAY_SIZE(stage_keys); i++)
			assert_non_null(json_object_get(json_object_get(view, "stage"), stage_keys[i]));
		assert_string_equal(text_of(view, "state"), daemon_state_name((enum daemon_state)s));
		assert_int_equal(json_integer_value(json_object_get(view, "uptime")), 61);
		assert_int_equal(json_is_object(json_object_get(view, "failure")), s == DAEMON_FAILED);
		if (s == DAEMON_FAILED)
			assert_int_equal(
				json_integer_value(json_object_get(json_object_get(view, "failure"), "retry_in")), 9);
		/* Services: name, state, pid and restarts are promised to scripts; what is not enabled is not shown. */
		const json_t *services = json_object_get(view, "services");
		assert_int_equal(json_array_size(services), 1);
		assert_string_equal(text_of(json_array_get(services, 0), "name"), "mta");
		assert_string_equal(text_of(json_array_get(services, 0), "state"), "running");
		assert_int_equal(json_integer_value(json_object_get(json_array_get(services, 0), "pid")), 42);
		assert_int_equal(json_integer_value(json_object_get(json_array_get(services, 0), "restarts")), 1);
		assert_true(json_is_true(json_object_get(json_object_get(view, "firewall"), "active")));
		json_decref(view);
	}
}

/* Bytes of a process name, a package's progress text, a line of zmcontrol: nobody promised that they are UTF-8. */
static void bytes_that_are_not_utf8(void **state)
{
	static const char *const bad[] = {
		"\xff", "a\xc3", "\xe2\x82", "\xc0\xaf", "\xed\xa0\x80", "x\x80y", "\xf8\x88\x80\x80\x80"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		(void)reset(NULL);
		(void)snprintf(pid1.stage[1].doing, sizeof(pid1.stage[1].doing), "unpacking %s", bad[i]);
		(void)snprintf(pid1.service[0].name, sizeof(pid1.service[0].name), "s%s", bad[i]);
		(void)snprintf(pid1.death[0].name, sizeof(pid1.death[0].name), "p%s", bad[i]);
		pid1.deaths = 1;
		pid1.failed = true;
		(void)failure_set(&pid1.failure, FAILURE_RETRY, bad[i], "file %s", bad[i]);
		pid1.stop_doing = bad[i];
		for (int s = DAEMON_BOOTING; s <= DAEMON_FAILED; s++) {
			pid1.state = (enum daemon_state)s;
			json_t *view = whole(view_status());
			assert_int_equal(json_array_size(json_object_get(view, "services")), 1);
			assert_int_equal(json_array_size(json_object_get(view, "deaths")), 1);
			const char *doing = text_of(json_object_get(view, "stage"), "doing");
			if (s != DAEMON_STOPPING)
				assert_memory_equal(doing, "unpacking ", 10);
			json_decref(view);
		}
		json_t *view = whole(view_stages());
		assert_int_equal(json_array_size(json_object_get(view, "stages")), 2);
		json_decref(view);
	}
	/* What is UTF-8 stays as it is. */
	(void)reset(NULL);
	(void)snprintf(pid1.stage[1].doing, sizeof(pid1.stage[1].doing),
		       "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa7");
	json_t *view = whole(view_status());
	assert_string_equal(text_of(json_object_get(view, "stage"), "doing"),
			    "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xa7");
	json_decref(view);
}

/* Only those that the settings want. */
static void workers(void **state)
{
	(void)state;
	pid1.worker[0].name = "gate";
	pid1.worker[1] = (struct worker_view){.name = "netlog", .state = "running", .pid = 77, .restarts = 3};
	json_t *view = whole(view_status());
	const json_t *list = json_object_get(view, "workers");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text_of(json_array_get(list, 0), "name"), "netlog");
	assert_string_equal(text_of(json_array_get(list, 0), "state"), "running");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "pid")), 77);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "restarts")), 3);
	json_decref(view);
	pid1.worker[1].state = "waiting";
	pid1.worker[1].pid = 0;
	view = whole(view_status());
	list = json_object_get(view, "workers");
	assert_true(json_is_null(json_object_get(json_array_get(list, 0), "pid")));
	json_decref(view);
}

static void deaths(void **state)
{
	(void)state;
	pid1.deaths = REAPER_RING;
	for (int i = 0; i < REAPER_RING; i++)
		pid1.death[i] = (struct reaper_death){
			.pid = 100 + i, .name = "nginx", .status = i ? 128 + i : 255, .at = now_ms()};
	pid1.death[3].status = 0;
	json_t *view = whole(view_status());
	const json_t *list = json_object_get(view, "deaths");
	assert_int_equal(json_array_size(list), REAPER_RING);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "pid")), 100);
	assert_string_equal(text_of(json_array_get(list, 3), "status"), "exit 0");
	assert_string_equal(text_of(json_array_get(list, 9), "status"), "signal 9 KILL");
	assert_string_equal(text_of(json_array_get(list, 15), "status"), "signal 15 TERM");
	json_decref(view);
}

static void config_never_shows_a_secret(void **state)
{
	(void)state;
	json_t *view = whole(view_config());
	const json_t *list = json_object_get(view, "settings");
	assert_int_equal(json_array_size(list), CFG_COUNT);
	char *text = json_dumps(view, JSON_COMPACT);
	assert_null(strstr(text, "hunter2"));
	free(text);
	for (size_t i = 0; i < CFG_COUNT; i++) {
		const json_t *o = json_array_get(list, i);
		enum config_id id = (enum config_id)i;
		assert_string_equal(text_of(o, "name"), config_name(id));
		assert_true(json_is_boolean(json_object_get(o, "reload")));
		if (id == CFG_ZIMBRA_ADMIN_PASSWORD) {
			assert_true(json_is_null(json_object_get(o, "value")));
			assert_true(json_is_true(json_object_get(o, "set")));
			assert_string_equal(text_of(o, "source"), "environment");
		} else {
			assert_string_equal(text_of(o, "value"), config_str(&cfg, id));
		}
	}
	json_decref(view);
}

static void firewall(void **state)
{
	static const char *const keys[] = {"active", "mode",	    "error",	  "tcp",
					   "udp",    "admin_ports", "admin_from", "counters"};

	(void)state;
	for (int turn = 0; turn < 3; turn++) {
		pid1.fw_result = turn == 1 ? -EPERM : 0;
		cfg.number[CFG_ZIMBRA_FIREWALL] = turn != 2;
		pid1.fw.policy.public_tcp = (struct fw_ranges){.n = 2, .v = {{25, 25}, {80, 90}}};
		pid1.fw.counters = 1;
		pid1.fw.counter[0] = (struct fw_counter){.name = "drop", .packets = 7, .bytes = 420};
		json_t *view = whole(view_firewall());
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			assert_non_null(json_object_get(view, keys[i]));
		assert_int_equal(json_is_true(json_object_get(view, "active")), turn == 0);
		assert_int_equal(json_is_string(json_object_get(view, "error")), turn == 1);
		assert_int_equal(json_array_size(json_object_get(view, "counters")), turn == 0);
		assert_int_equal(json_array_size(json_object_get(view, "tcp")), turn == 0 ? 2 : 0);
		json_decref(view);
		view = whole(view_status());
		assert_int_equal(json_is_true(json_object_get(json_object_get(view, "firewall"), "active")), turn == 0);
		json_decref(view);
	}
}

static void health(void **state)
{
	static const struct {
		enum daemon_state state;
		bool opened, essential, live, ready, startup;
	} cases[] = {
		{DAEMON_BOOTING, false, false, true, false, false}, {DAEMON_RUNNING, true, true, true, true, true},
		{DAEMON_DEGRADED, true, true, true, true, true},    {DAEMON_DEGRADED, true, false, true, false, true},
		{DAEMON_STOPPING, true, true, true, false, true},   {DAEMON_FAILED, false, false, false, false, false},
	};
	static const char *const levels[] = {"live", "ready", "startup"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t l = 0; l < ARRAY_SIZE(levels); l++) {
			bool healthy, want = l == 0 ? cases[i].live : l == 1 ? cases[i].ready : cases[i].startup;
			pid1.state = cases[i].state;
			pid1.opened = cases[i].opened;
			pid1.essential = cases[i].essential;
			json_t *view = whole(view_health(levels[l], &healthy));
			assert_int_equal(healthy, want);
			assert_int_equal(json_is_true(json_object_get(view, "healthy")), want);
			assert_string_equal(text_of(view, "level"), levels[l]);
			json_decref(view);
		}
	bool healthy;
	assert_null(view_health("", &healthy));
	assert_null(view_health("dead", &healthy));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(status_has_all_keys, reset),
		cmocka_unit_test_setup(bytes_that_are_not_utf8, reset),
		cmocka_unit_test_setup(workers, reset),
		cmocka_unit_test_setup(deaths, reset),
		cmocka_unit_test_setup(config_never_shows_a_secret, reset),
		cmocka_unit_test_setup(firewall, reset),
		cmocka_unit_test_setup(health, reset),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
