#include "daemon.h"
#include "bans.h"
#include "boot/boot.h"
#include "boot/jail.h"
#include "child.h"
#include "command.h"
#include "kill.h"
#include "logring.h"
#include "reaper.h"
#include "reload.h"
#include "sequence.h"
#include "server.h"
#include "signals.h"
#include "stop.h"
#include "supervise.h"
#include "trim.h"
#include "wall.h"
#include "workers.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { TRIM_AFTER_MS = 3000 };

static struct config *cfg;
static enum daemon_mode mode;
static const char *const *argv;
static const struct daemon_env *env;
static enum daemon_state state = DAEMON_BOOTING;
static struct failure failure;
static int64_t started, exec_at, retry_at;
static bool opened, with_zimbra;
static int exit_code;

/* --- state ----------------------------------------------------------------------------------------------------- */

static void set_state(enum daemon_state s)
{
	if (state == s)
		return;
	log_info(NULL, "state %s -> %s", daemon_state_name(state), daemon_state_name(s));
	state = s;
}

static void trim_now(struct loop_timer *t)
{
	(void)t;
	trim_memory();
}

void daemon_touched(void)
{
	static struct loop_timer quiet = {.fire = trim_now};

	if (opened)
		loop_timer_set(&quiet, TRIM_AFTER_MS);
}

static void services_changed(void)
{
	if (!opened || !supervise_settled() || state == DAEMON_STOPPING)
		return;
	if (state == DAEMON_BOOTING)
		log_info(NULL, "ready %.1f s after the start", (double)(now_ms() - started) / 1000);
	set_state(supervise_all_running() ? DAEMON_RUNNING : DAEMON_DEGRADED);
	daemon_touched();
}

enum daemon_state daemon_state(void)
{
	return state;
}

const char *daemon_state_name(enum daemon_state s)
{
	static const char *const name[] = {[DAEMON_BOOTING] = "booting",
					   [DAEMON_RUNNING] = "running",
					   [DAEMON_DEGRADED] = "degraded",
					   [DAEMON_STOPPING] = "stopping",
					   [DAEMON_FAILED] = "failed"};

	return name[s];
}

const struct config *daemon_config(void)
{
	return cfg;
}

const struct failure *daemon_failure(void)
{
	return state == DAEMON_FAILED ? &failure : NULL;
}

int64_t daemon_retry_in(void)
{
	int64_t left = retry_at - now_ms();

	return state == DAEMON_FAILED && retry_at ? (left > 0 ? left : 0) : -1;
}

int64_t daemon_uptime(void)
{
	return now_ms() - started;
}

bool daemon_opened(void)
{
	return opened;
}

const char *daemon_hostname(void)
{
	static char name[256];

	if (gethostname(name, sizeof(name) - 1) < 0)
		name[0] = '\0';
	return name;
}

size_t daemon_warnings(const char *out[static DAEMON_WARNINGS])
{
	size_t n = 0;

	if (cfg->admin_port_cut)
		out[n++] = "FIREWALL_ALLOW_TCP_PORTS_IN names 7071 or 9071: they stay shut; who may reach them is "
			   "FIREWALL_ADMIN_FROM";
	if (!config_on(cfg, CFG_ZIMBRA_FIREWALL))
		out[n++] = "ZIMBRA_FIREWALL=off: this container filters nothing, internal ports included";
	if (getpid() != 1)
		out[n++] = "not PID 1: a process of the installation can kill this supervisor";
	if (cfg->source[CFG_TLS_CRT_FILE_PATH] != CONFIG_DEFAULT ||
	    cfg->source[CFG_TLS_KEY_FILE_PATH] != CONFIG_DEFAULT)
		out[n++] = "TLS_CRT_FILE_PATH, TLS_KEY_FILE_PATH: this version does not deploy certificates yet";
	return n;
}

/* --- the end --------------------------------------------------------------------------------------------------- */

static void stopped(bool killed)
{
	if (killed && exit_code == EXIT_CLEAN)
		exit_code = EXIT_KILLED;
	loop_quit();
}

static void begin_stop(void)
{
	set_state(DAEMON_STOPPING);
	stop_begin(cfg, with_zimbra, stopped);
}

void daemon_stop(const char *who)
{
	log_info(NULL, "%s: stop", who);
	if (state == DAEMON_FAILED && exit_code == EXIT_CLEAN)
		exit_code = EXIT_BOOT_FAILED;
	begin_stop();
}

/* --- boot ------------------------------------------------------------------------------------------------------ */

static void command_ended(int status)
{
	exit_code = mode == DAEMON_COMMAND ? status : EXIT_CLEAN;
	begin_stop();
}

static void run_command(void)
{
	enum command_where where = mode == DAEMON_ENTER ? COMMAND_IN_IMAGE : COMMAND_IN_JAIL;
	int r = command_start(where, argv, env->command, command_ended);

	if (r < 0) {
		log_error(NULL, "cannot start the command: %s", strerror(-r));
		command_ended(126);
	}
}

static void stage_done(const struct stage *s)
{
	if (strcmp(s->name, "close") == 0) {
		log_info(s->name, "the network is closed %lld ms after this program began",
			 (long long)(now_ms() - exec_at));
		wall_prepare();
	}
	/* From the next stage on there may be something of Zimbra's to stop. */
	if (strcmp(s->name, "system") == 0 && mode != DAEMON_COMMAND)
		with_zimbra = true;
	if (strcmp(s->name, "services") == 0) {
		supervise_start();
		workers_update(cfg);
	}
}

static void finished(void)
{
	if (mode == DAEMON_COMMAND) {
		run_command();
		return;
	}
	opened = true;
	workers_update(cfg); /* a reload may have come since they were started; from here on it does this itself */
	services_changed();  /* booting until zmcontrol has said what should run */
	if (mode != DAEMON_RUN)
		run_command();
}

static void boot_failed(const struct failure *f, int64_t retry_in_ms)
{
	failure = *f;
	retry_at = retry_in_ms ? now_ms() + retry_in_ms : 0;
	if (f->kind != FAILURE_FATAL && mode == DAEMON_RUN) {
		set_state(DAEMON_FAILED);
		return;
	}
	/* Nothing that time heals, or somebody waits at a terminal: say it and go. */
	exit_code = f->kind == FAILURE_FATAL ? EXIT_CONFIG : EXIT_BOOT_FAILED;
	if (mode == DAEMON_COMMAND) {
		logring_echo(true);
		failure_log(f, NULL);
	}
	begin_stop();
}

/* A retried stage makes the state booting again. */
static void watch_retry(void)
{
	if (state == DAEMON_FAILED && sequence_stage(sequence_index())->state == STAGE_RUNNING)
		set_state(DAEMON_BOOTING);
}

static const struct sequence_events events = {
	.finished = finished, .failed = boot_failed, .stage_done = stage_done, .stage_begins = watch_retry};

/* --- signals --------------------------------------------------------------------------------------------------- */

static void log_state(void)
{
	char left[400];

	log_info(NULL, "state %s, stage %s, up %lld s, %llu processes reaped", daemon_state_name(state),
		 stages[sequence_index()].name, (long long)(daemon_uptime() / 1000),
		 (unsigned long long)reaper_count());
	for (size_t i = 0; i < supervise_count(); i++) {
		const struct service *s = supervise_service(i);
		if (s->enabled)
			log_info(NULL, "  %-20s %-8s pid %d", s->name, service_state_name(s->state), (int)s->pid);
	}
	kill_list(left, sizeof(left));
	log_info(NULL, "  processes: %s", left);
}

static void reload_told(void *arg, enum config_id id, bool applied)
{
	(void)arg;
	log_info("reload", "%s %s", config_name(id),
		 applied ? "applied" : "has changed: needs a restart of the container");
}

static void reload_done(void *arg, const char *error)
{
	(void)arg;
	if (error)
		log_error("reload", "nothing is changed: %s", error);
	else
		log_info("reload", "done");
}

int daemon_reload(const struct daemon_reload *r)
{
	return reload_start(cfg, env->settings, opened, r);
}

/* One line a second: the log must not be somebody's to fill. */
static void log_refused(int sig, uint32_t pid)
{
	static int64_t last;
	static unsigned long more;

	if (last && now_ms() - last < 1000) {
		more++;
		return;
	}
	log_warn("signal", "SIG%s from process %u of the installation is ignored (and %lu before it)",
		 signals_name(sig), pid, more);
	last = now_ms();
	more = 0;
}

static void signalled(const struct signalfd_siginfo *si)
{
	static const struct daemon_reload log_reload = {reload_told, reload_done, NULL};
	int sig = (int)si->ssi_signo;
	char who[16];

	if (!signals_trusted(si, signals_root_is_ours)) {
		log_refused(sig, si->ssi_pid);
		return;
	}
	/* A one-shot command is what the user talks to; everything that can be forwarded goes there. */
	if (mode == DAEMON_COMMAND && command_signal(sig))
		return;
	(void)snprintf(who, sizeof(who), "SIG%s", signals_name(sig));
	switch (sig) {
	case SIGTERM:
	case SIGINT:
	case SIGPWR:
		daemon_stop(who);
		break;
	case SIGHUP:
		if (daemon_reload(&log_reload) < 0)
			log_warn("reload", "one is under way already");
		break;
	case SIGUSR1:
		log_state();
		break;
	case SIGWINCH:
		(void)command_signal(sig);
		break;
	default:
		break; /* SIGPIPE and the like: not for us */
	}
}

static unsigned children_died(void)
{
	unsigned reaped = reaper_run();

	stop_child_died();
	return reaped;
}

/* --------------------------------------------------------------------------------------------------------------- */

static size_t wanted_stages(void)
{
	if (mode != DAEMON_COMMAND)
		return stage_count;
	for (size_t i = 0; i < stage_count; i++)
		if (strcmp(stages[i].name, "system") == 0)
			return i + 1;
	return stage_count;
}

/* One container a volume: two of them would ruin Zimbra's databases. The lock ends with this process. */
static int lock_volume(void)
{
	int fd = open(DATA_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0) {
		failure_set(&failure, FAILURE_FATAL,
			    "docker run -v zimbra-data:" DATA_DIR " ...; Kubernetes: a volumeMount at " DATA_DIR,
			    "no volume is mounted at " DATA_DIR " (%s): everything would be lost with the container",
			    strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		(void)close(fd);
		failure_set(&failure, FAILURE_FATAL,
			    "stop the other one, or use `docker exec NAME zctl exec -- COMMAND` in it",
			    DATA_DIR ": another container runs on this volume");
		return -1;
	}
	return fd; /* a file system without locks (ENOLCK) is used without */
}

/* The log of a one-shot command is not shown, so that its output is its own; but why it does not run is. */
static int say_failure(void)
{
	logring_echo(true);
	failure_log(&failure, NULL);
	logring_drain(1000);
	return EXIT_CONFIG;
}

/*
 * pam_limits gives a login in the jail the limits of process 1 where limits.conf is silent. 524288 is what Zimbra sets
 * itself; more (1073741816 in some engines) makes servers allocate tables for it.
 */
static void raise_nofile(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max < 524288 ? l.rlim_max : 524288;
	(void)setrlimit(RLIMIT_NOFILE, &l);
}

int daemon_run(struct config *c, enum daemon_mode m, const char *const *command, const struct daemon_env *e,
	       int64_t exec_ms)
{
	cfg = c;
	mode = m;
	argv = command;
	env = e;
	exec_at = exec_ms;
	started = now_ms();

	int r = loop_open();
	if (r == 0)
		r = signals_open(signalled, children_died);
	if (r < 0) {
		log_error(NULL, "cannot make an event loop: %s", strerror(-r));
		return EXIT_CONFIG;
	}
	(void)logring_open(mode == DAEMON_RUN || mode == DAEMON_ENTER || mode == DAEMON_ENTER_ZIMBRA);
	raise_nofile();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* matters only when we are not PID 1 */
	log_info(NULL, "zimbra-init " VERSION " as process %d", (int)getpid());
	if (preflight(cfg, &failure) < 0)
		return say_failure();
	int data = lock_volume();
	if (data < 0)
		return say_failure();
	if ((mkdir(JAIL_RUN, 0700) < 0 && errno != EEXIST) || chmod(JAIL_RUN, 0700) < 0) {
		failure_set(&failure, FAILURE_FATAL, "give the container a writable root or a tmpfs: --tmpfs /run",
			    JAIL_RUN ": %s", strerror(errno));
		return say_failure();
	}
	const char *warning[DAEMON_WARNINGS];
	for (size_t i = 0, n = daemon_warnings(warning); i < n; i++)
		log_warn(NULL, "%s", warning[i]);
	supervise_open(services_changed);
	bans_open();
	sequence_start(cfg, data, wanted_stages(), &events);
	r = control_open();
	if (r < 0)
		log_warn(NULL, "no control socket, zctl will not work: %s", strerror(-r));
	loop_run();
	log_info(NULL, "exit code %d", exit_code);
	logring_drain(2000);
	return exit_code;
}
