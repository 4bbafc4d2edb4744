/*
 * The stage "services": rsyslog and cron, then `zmcontrol start` as the zimbra user.
 *
 * zmcontrol's status is only logged: it is 1 when spell could not start and 0 when a daemon died right after. What
 * counts is what `zmcontrol status` says afterwards, and whether the processes named by the pidfiles are there.
 */
#include "../boot/boot.h"
#include "../boot/jail.h"
#include "../boot/path.h"
#include "../log.h"
#include "../run.h"
#include "internal.h"

#include <stdio.h>
#include <string.h>

#define RSYSLOG_CONF  "etc/rsyslog.conf"
#define ENABLED_CACHE "opt/zimbra/log/.zmcontrol.cache"

enum { RSYSLOG_CONF_MAX = 64 * 1024, STATUS_TIMEOUT_S = 240, STATUS_MAX = 32 * 1024 };

int services_check(struct stage_ctx *ctx, struct failure *f)
{
	(void)ctx;
	(void)f;
	return STAGE_TODO; /* a new container: nothing runs. zmcontrol start leaves alone what zmsetup.pl started */
}

/* imklog finds no /proc/kmsg in a container and complains at every start; once, in the file that has the line. */
static void quiet_kernel_log(struct stage_ctx *ctx)
{
	_cleanup_free_ char *text = malloc(RSYSLOG_CONF_MAX + 1), *changed = malloc(2 * RSYSLOG_CONF_MAX);
	ssize_t n = text && changed ? path_read(ctx->data, RSYSLOG_CONF, text, RSYSLOG_CONF_MAX) : -ENOMEM;

	if (n > 0)
		n = zi_rsyslog_conf(text, (size_t)n, changed, 2 * RSYSLOG_CONF_MAX);
	if (n > 0)
		n = path_write(ctx->data, RSYSLOG_CONF, changed, (size_t)n, 0644);
	if (n < 0 && n != -ENOENT)
		log_warn(ctx->name, "cannot take imklog out of /etc/rsyslog.conf: %s", strerror((int)-n));
}

/* A daemon that forks away by itself; missing ones are no error: the release decides what it needs. */
static void start_system(struct stage_ctx *ctx, int root, uid_t zimbra, const char *name, const char *program)
{
	const struct zimbra_service *s = zimbra_service_find(name);
	const char *const argv[] = {program, NULL};
	const struct run r = {
		.argv = argv, .env = zimbra_env, .tag = ctx->name, .timeout_s = 60, .before_exec = jail_enter_hook};
	_cleanup_close_ int there = path_open_any(root, program + 1);
	int status, err;
	pid_t pid;

	if (there < 0) {
		log_warn(ctx->name, "%s is not installed: not started", name);
		return;
	}
	err = zimbra_service_pid(root, s, zimbra, &pid);
	if (err == 0)
		return;
	if (err != -ENOENT)
		(void)path_unlink(root, s->pidfile[0] + 1);
	stage_doing(ctx, -1, "starting %s", name);
	err = run_program(&r, &status);
	if (err < 0 || status != 0)
		log_warn(ctx->name, "%s did not start: %s, status %d", name, err < 0 ? strerror(-err) : "it ended",
			 status);
}

struct progress {
	struct stage_ctx *ctx;
	unsigned enabled, over; /* services: of the last start, and of this one so far */
};

static void tell(struct progress *p, unsigned done, const char *service, const char *what)
{
	int percent = p->enabled ? (int)(100 * done / p->enabled) : -1;

	stage_doing(p->ctx, percent > 99 ? 99 : percent, "%s %s", service, what);
}

/* "\tStarting mailbox..." without its end: what zmcontrol is waiting for now. */
static void begun(void *arg, const char *text)
{
	struct progress *p = arg;
	char service[ZIMBRA_SERVICE_NAME];
	bool starting;

	if (zmcontrol_parse_progress(text, service, &starting) && starting)
		tell(p, p->over, service, "is starting");
}

static void heard(void *arg, const char *line)
{
	struct progress *p = arg;
	char service[ZIMBRA_SERVICE_NAME];
	const char *text = line + strspn(line, " \t");
	bool starting;

	if (!*text)
		return;
	if (!zmcontrol_parse_progress(line, service, &starting)) {
		log_info(p->ctx->name, "%s", text);
		return;
	}
	p->over++;
	if (strstr(line, "Failed.") || strstr(line, "skipped.")) {
		tell(p, p->over, service, "did not start");
		log_warn(p->ctx->name, "%s", text);
	} else {
		tell(p, p->over, service, "started");
		log_info(p->ctx->name, "%s", text);
	}
}

/* How many services zmcontrol started last: the names it keeps one per line. */
static unsigned count_enabled(int root)
{
	char text[4096];
	ssize_t n = path_read(root, ENABLED_CACHE, text, sizeof(text) - 1);
	unsigned lines = 0;

	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines <= ZIMBRA_SERVICES_MAX ? lines : 0;
}

static void zmcontrol_start(struct stage_ctx *ctx, int root)
{
	struct progress p = {.ctx = ctx, .enabled = count_enabled(root)};
	const struct run r = {.argv = zimbra_cmd_start,
			      .env = zimbra_env,
			      .tag = ctx->name,
			      .timeout_s = (int)config_num(ctx->cfg, CFG_ZIMBRA_START_TIMEOUT),
			      .line = heard,
			      .partial = begun,
			      .arg = &p,
			      .before_exec = jail_enter_hook};
	int status, err;

	stage_doing(ctx, -1, "zmcontrol start");
	err = run_program(&r, &status);
	if (err == -ETIMEDOUT)
		log_error(ctx->name, "zmcontrol start was ended after %d s (ZIMBRA_START_TIMEOUT)", r.timeout_s);
	else if (err < 0)
		log_error(ctx->name, "cannot run zmcontrol: %s", strerror(-err));
	else
		log_info(ctx->name, "zmcontrol start ended with status %d", status);
}

struct capture {
	size_t used;
	char text[STATUS_MAX];
};

static void catch_line(void *arg, const char *line)
{
	struct capture *c = arg;
	size_t len = strlen(line);

	if (len + 1 >= sizeof(c->text) - c->used)
		return;
	memcpy(c->text + c->used, line, len);
	c->used += len;
	c->text[c->used++] = '\n';
}

struct verdict {
	unsigned up;
	bool ldap_down;
	char down[600]; /* names, with commas */
};

static void down(struct verdict *v, const char *name)
{
	size_t used = strlen(v->down);

	(void)snprintf(v->down + used, sizeof(v->down) - used, "%s%s", used ? ", " : "", name);
	v->ldap_down = v->ldap_down || strcmp(name, "ldap") == 0;
}

/* A pidfile that is there but names nobody overrules "Running"; where it is unknown the text stands. */
static void judge_text(const struct zmcontrol_status *st, int root, uid_t zimbra, struct verdict *v)
{
	for (size_t i = 0; i < st->n; i++) {
		const struct zimbra_service *s = zimbra_service_find(st->service[i].name);
		pid_t pid;
		int r = s ? zimbra_service_pid(root, s, zimbra, &pid) : -ENOENT;

		if (st->service[i].running && (r == 0 || r == -ENOENT))
			v->up++;
		else
			down(v, st->service[i].name);
	}
}

/* zmcontrol could not say: the pidfiles alone. Without slapd it never can. */
static void judge_pidfiles(int root, uid_t zimbra, struct verdict *v)
{
	for (size_t i = 0; i < zimbra_service_count; i++) {
		const struct zimbra_service *s = &zimbra_services[i];
		pid_t pid;
		int r;

		if (s->system)
			continue;
		r = zimbra_service_pid(root, s, zimbra, &pid);
		if (r == 0)
			v->up++;
		else if (r != -ENOENT || strcmp(s->name, "ldap") == 0)
			down(v, s->name);
	}
}

static void judge(struct stage_ctx *ctx, int root, uid_t zimbra, struct verdict *v)
{
	_cleanup_free_ struct capture *c = calloc(1, sizeof(*c));
	struct zmcontrol_status st = {0};
	const struct run r = {.argv = zimbra_cmd_status,
			      .env = zimbra_env,
			      .tag = ctx->name,
			      .timeout_s = STATUS_TIMEOUT_S,
			      .line = catch_line,
			      .arg = c,
			      .before_exec = jail_enter_hook};
	int status, err;

	if (!c)
		return;
	stage_doing(ctx, -1, "looking at what runs");
	err = run_program(&r, &status);
	(void)zmcontrol_parse_status(c->text, c->used, &st);
	if (err < 0)
		log_warn(ctx->name, "zmcontrol status: %s", strerror(-err));
	if (st.from_cache)
		log_warn(ctx->name,
			 "zmcontrol status could not ask the directory server: it lists yesterday's services");
	if (st.n == 0 || st.no_services) {
		log_warn(ctx->name, "zmcontrol status does not say what runs: %.*s", (int)strcspn(c->text, "\n"),
			 c->text);
		judge_pidfiles(root, zimbra, v);
	} else {
		judge_text(&st, root, zimbra, v);
	}
}

int services_start(struct stage_ctx *ctx, struct failure *f)
{
	static const char remedy[] = "zctl log; then zctl shell, su - zimbra, zmcontrol status";
	_cleanup_close_ int root = zi_jail_root(ctx);
	struct verdict v = {0};
	uid_t zimbra;

	if (root < 0 || zimbra_user(root, &zimbra) < 0)
		return failure_set(f, FAILURE_HOLD, "restore /data/etc/passwd from a backup",
				   "the installation on the volume has no user zimbra");
	quiet_kernel_log(ctx);
	start_system(ctx, root, zimbra, "rsyslog", "/usr/sbin/rsyslogd");
	start_system(ctx, root, zimbra, "cron", "/usr/sbin/cron");
	zmcontrol_start(ctx, root);

	judge(ctx, root, zimbra, &v);
	if (v.up == 0)
		return failure_set(f, FAILURE_RETRY, remedy, "none of Zimbra's services runs");
	if (v.ldap_down)
		return failure_set(f, FAILURE_RETRY, remedy,
				   "Zimbra's directory server (slapd) does not run: nothing else can");
	if (v.down[0])
		log_warn(ctx->name, "%u services run; not running: %s", v.up, v.down);
	else
		log_info(ctx->name, "all %u services run", v.up);
	return 0;
}
