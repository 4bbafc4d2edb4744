#include "view.h"
#include "../firewall/ports.h"
#include "daemon.h"
#include "reaper.h"
#include "sequence.h"
#include "signals.h"
#include "stop.h"
#include "supervise.h"
#include "wall.h"
#include "workers.h"

#include <stdio.h>
#include <string.h>

json_t *view_text(const char *s)
{
	if (!s)
		return json_null();
	json_t *text = json_string(s);
	_cleanup_free_ char *copy = text ? NULL : strdup(s);
	for (char *p = copy; p && *p; p++)
		if (*p & 0x80)
			*p = '?';
	return copy ? json_string(copy) : text;
}

static json_t *seconds(int64_t ms)
{
	int64_t tenths = ms / 100;

	return json_real((double)tenths / 10);
}

static json_t *percent(int value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static json_t *current_stage(void)
{
	size_t i = sequence_index();
	const struct sequence_stage *s = sequence_stage(i);
	int64_t until = s->ended ? s->ended : now_ms();

	if (daemon_state() == DAEMON_STOPPING)
		return json_pack("{s:s, s:i, s:i, s:s, s:o, s:n, s:o}", "name", "stop", "number", 0, "of", 0, "title",
				 "Stopping", "doing", view_text(stop_doing()), "percent", "seconds", seconds(0));
	return json_pack("{s:s, s:i, s:i, s:s, s:o, s:o, s:o}", "name", stages[i].name, "number", (int)i + 1, "of",
			 (int)sequence_count(), "title", stages[i].title, "doing", view_text(s->doing), "percent",
			 percent(s->percent), "seconds", seconds(s->started ? until - s->started : 0));
}

static json_t *failure(void)
{
	const struct failure *f = daemon_failure();
	int64_t wait = daemon_retry_in();

	if (!f)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "text", view_text(f->text), "remedy", view_text(f->remedy), "retry_in",
			 wait < 0 ? json_null() : json_integer(wait / 1000));
}

static json_t *services(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < supervise_count(); i++) {
		const struct service *s = supervise_service(i);
		if (!s->enabled)
			continue;
		json_array_append_new(list,
				      json_pack("{s:o, s:s, s:o, s:i, s:I}", "name", view_text(s->name), "state",
						service_state_name(s->state), "pid",
						s->pid ? json_integer(s->pid) : json_null(), "restarts",
						(int)s->restarts, "since", (json_int_t)((now_ms() - s->since) / 1000)));
	}
	return list;
}

static json_t *workers(void)
{
	json_t *list = json_array();
	struct worker_view v;

	for (size_t i = 0; workers_view(i, &v); i++)
		if (v.state)
			json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:I}", "name", v.name, "state", v.state,
							      "pid", v.pid ? json_integer(v.pid) : json_null(),
							      "restarts", (json_int_t)v.restarts));
	return list;
}

static json_t *deaths(void)
{
	struct reaper_death ring[REAPER_RING];
	size_t n = reaper_ring(ring);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		char how[48];
		if (ring[i].status > 128)
			(void)snprintf(how, sizeof(how), "signal %d %s", ring[i].status - 128,
				       signals_name(ring[i].status - 128));
		else
			(void)snprintf(how, sizeof(how), "exit %d", ring[i].status);
		json_array_append_new(list, json_pack("{s:i, s:o, s:s, s:I}", "pid", (int)ring[i].pid, "name",
						      view_text(ring[i].name), "status", how, "ago",
						      (json_int_t)((now_ms() - ring[i].at) / 1000)));
	}
	return list;
}

static json_t *warnings(void)
{
	const char *text[DAEMON_WARNINGS];
	size_t n = daemon_warnings(text);
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(text[i]));
	return list;
}

/* --- the firewall ---------------------------------------------------------------------------------------------- */

static json_t *range_texts(const struct fw_ranges *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(list, r->v[i].first == r->v[i].last
						    ? json_sprintf("%u", r->v[i].first)
						    : json_sprintf("%u-%u", r->v[i].first, r->v[i].last));
	return list;
}

static json_t *ranges(const struct fw_ranges *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++) {
		const struct fw_port *port = r->v[i].first == r->v[i].last ? fw_port_find(r->v[i].first) : NULL;

		json_array_append_new(list, json_pack("{s:i, s:i, s:s}", "first", r->v[i].first, "last", r->v[i].last,
						      "name", port ? port->name : ""));
	}
	return list;
}

static json_t *prefixes(const struct fw_prefixes *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->n; i++) {
		char text[FW_PREFIX_STRLEN];
		json_array_append_new(list, json_string(fw_prefix_format(&p->v[i], text, sizeof(text))));
	}
	return list;
}

/* Read from the kernel each time: what is, not what was once asked for. */
static const struct fw_state *read_firewall(struct fw_error *err)
{
	static struct fw_state state;

	return fw_read(&state, err) < 0 ? NULL : &state;
}

static bool active(const struct fw_state *s)
{
	return s->mode == FW_CLOSED || s->mode == FW_OPEN || s->mode == FW_MONITOR;
}

static json_t *firewall_brief(void)
{
	struct fw_error err = {0};

	if (!config_on(daemon_config(), CFG_ZIMBRA_FIREWALL))
		return json_pack("{s:b, s:s, s:[], s:[], s:[]}", "active", 0, "mode", "off", "tcp", "udp",
				 "admin_from");
	const struct fw_state *s = read_firewall(&err);
	if (!s) {
		char text[256];
		return json_pack("{s:b, s:s, s:s, s:[], s:[], s:[]}", "active", 0, "mode", "unknown", "error",
				 fw_error_text(&err, text, sizeof(text)), "tcp", "udp", "admin_from");
	}
	return json_pack("{s:b, s:s, s:o, s:o, s:o}", "active", active(s), "mode", fw_mode_name(s->mode), "tcp",
			 range_texts(&s->policy.public_tcp), "udp", range_texts(&s->policy.public_udp), "admin_from",
			 prefixes(&s->policy.admin_from));
}

/* What the kernel can do for the rules; none of it as long as nobody has tried. */
static json_t *features(void)
{
	const struct fw_probe *p = wall_probe();
	json_t *o = json_object();

	for (int i = 0; p && i < FW_FEATURES; i++)
		json_object_set_new(o, fw_feature_name((enum fw_feature)i), json_boolean(p->has[i]));
	return o;
}

static json_t *fills(const struct fw_state *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->fills; i++)
		json_array_append_new(list, json_pack("{s:s, s:o, s:I}", "name", s->fill[i].name, "used",
						      s->fill[i].used == UINT32_MAX
							      ? json_null()
							      : json_integer((json_int_t)s->fill[i].used),
						      "size", (json_int_t)s->fill[i].size));
	return list;
}

static json_t *limits(const struct fw_limits *l)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "new_per_source", (json_int_t)l->rate, "new_burst",
			 (json_int_t)l->burst, "connections_per_source", (json_int_t)l->connections, "handshakes",
			 (json_int_t)l->handshakes, "echo", (json_int_t)l->echo);
}

static json_t *tampering(void)
{
	const struct wall_tampering *t = wall_tampering();

	return json_pack("{s:I, s:I, s:o}", "seen", (json_int_t)t->seen, "repaired", (json_int_t)t->repaired, "last",
			 view_text(t->last));
}

json_t *view_firewall(void)
{
	static const int admin[] = FW_ADMIN_PORTS;
	struct fw_error err = {0};
	json_t *counters = json_array(), *ports = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(admin); i++)
		json_array_append_new(ports, json_integer(admin[i]));
	const struct fw_state *s = config_on(daemon_config(), CFG_ZIMBRA_FIREWALL) ? read_firewall(&err) : NULL;
	if (!s) {
		char text[256];
		bool off = !config_on(daemon_config(), CFG_ZIMBRA_FIREWALL);
		return json_pack("{s:i, s:b, s:s, s:s?, s:[], s:[], s:o, s:[], s:o}", "schema", VIEW_SCHEMA, "active",
				 0, "mode", off ? "off" : "unknown", "error",
				 off ? NULL : fw_error_text(&err, text, sizeof(text)), "tcp", "udp", "admin_ports",
				 ports, "admin_from", "counters", counters);
	}
	for (size_t i = 0; i < s->counters; i++)
		json_array_append_new(counters, json_pack("{s:s, s:I, s:I}", "name", s->counter[i].name, "packets",
							  (json_int_t)s->counter[i].packets, "bytes",
							  (json_int_t)s->counter[i].bytes));
	json_t *o = json_pack("{s:i, s:b, s:s, s:o, s:b, s:n, s:o, s:o, s:o, s:o, s:o}", "schema", VIEW_SCHEMA,
			      "active", active(s), "mode", fw_mode_name(s->mode), "reason", view_text(s->reason),
			      "owned", s->owner != 0, "error", "tcp", ranges(&s->policy.public_tcp), "udp",
			      ranges(&s->policy.public_udp), "admin_ports", ports, "admin_from",
			      prefixes(&s->policy.admin_from), "counters", counters);
	json_object_set_new(o, "admin_public", json_boolean(s->policy.admin_public));
	json_object_set_new(o, "local_from", prefixes(&s->policy.local_from));
	json_object_set_new(o, "peers", prefixes(&s->policy.peers));
	json_object_set_new(o, "exempt", prefixes(&s->policy.exempt));
	json_object_set_new(o, "never_ban", prefixes(&s->policy.never_ban));
	json_object_set_new(o, "limits", limits(&s->policy.limits));
	json_object_set_new(o, "sets", fills(s));
	json_object_set_new(o, "features", features());
	json_object_set_new(o, "tampering", tampering());
	return o;
}

/* --------------------------------------------------------------------------------------------------------------- */

json_t *view_status(void)
{
	return json_pack("{s:i, s:s, s:s, s:s, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema",
			 VIEW_SCHEMA, "version", VERSION, "state", daemon_state_name(daemon_state()), "hostname",
			 daemon_hostname(), "suite", view_text(sequence_suite()), "release",
			 view_text(sequence_release()), "uptime", (json_int_t)(daemon_uptime() / 1000), "stage",
			 current_stage(), "failure", failure(), "services", services(), "workers", workers(),
			 "firewall", firewall_brief(), "warnings", warnings(), "deaths", deaths());
}

json_t *view_stages(void)
{
	static const char *const name[] = {[STAGE_PENDING] = "pending",
					   [STAGE_RUNNING] = "running",
					   [STAGE_DONE] = "done",
					   [STAGE_FAILED] = "failed"};
	json_t *list = json_array();

	for (size_t i = 0; i < stage_count; i++) {
		const struct sequence_stage *s = sequence_stage(i);
		int64_t until = s->ended ? s->ended : now_ms();
		const char *state = i < sequence_count() ? name[s->state] : "skipped";
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "name", stages[i].name, "title",
						      stages[i].title, "state", state, "seconds",
						      s->started ? seconds(until - s->started) : json_null(), "doing",
						      view_text(s->doing), "percent", percent(s->percent)));
	}
	return json_pack("{s:i, s:o}", "schema", VIEW_SCHEMA, "stages", list);
}

json_t *view_config(void)
{
	const struct config *c = daemon_config();
	json_t *list = json_array();

	for (int i = 0; i < CFG_COUNT; i++) {
		enum config_id id = (enum config_id)i;
		const char *value = config_str(c, id);
		json_t *o = json_pack("{s:s, s:s?, s:s, s:b, s:s}", "name", config_name(id), "value",
				      config_secret(id) ? NULL : value, "source", config_source_name(c->source[id]),
				      "reload", config_reloadable(id), "help", config_help(id));
		if (config_secret(id))
			json_object_set_new(o, "set", json_boolean(value[0]));
		json_array_append_new(list, o);
	}
	return json_pack("{s:i, s:o}", "schema", VIEW_SCHEMA, "settings", list);
}

json_t *view_health(const char *level, bool *healthy)
{
	enum daemon_state state = daemon_state();
	char reason[160];

	/* live: PID 1 answers, and this container is not beyond help. A long first boot is alive. */
	if (strcmp(level, "live") == 0)
		*healthy = state != DAEMON_FAILED;
	else if (strcmp(level, "startup") == 0)
		*healthy = daemon_opened();
	/* ready: mail can be delivered and read. A side service that is down must not take the mail away with it. */
	else if (strcmp(level, "ready") == 0)
		*healthy = state == DAEMON_RUNNING || (state == DAEMON_DEGRADED && supervise_essential_running());
	else
		return NULL;
	(void)snprintf(reason, sizeof(reason), "state %s, stage %s", daemon_state_name(state),
		       stages[sequence_index()].name);
	return json_pack("{s:i, s:s, s:b, s:s}", "schema", VIEW_SCHEMA, "level", level, "healthy", *healthy, "reason",
			 reason);
}
