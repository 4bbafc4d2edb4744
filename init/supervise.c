#include "supervise.h"
#include "boot/jail.h"
#include "child.h"
#include "log.h"
#include "proc.h"
#include "reaper.h"
#include "zimbra/zimbra.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

enum {
	SERVICES_MAX = ZIMBRA_SERVICES_MAX + 8,
	FLUX_MS = 60 * 1000,	/* how long a service may be between two processes: mailboxd's own stop takes as long */
	ORPHAN_MS = 1000,	/* after an orphan's end: somebody may have started or stopped something by hand */
	DOWN_MS = 5 * 1000,	/* while something is down: who starts it by hand need not make an orphan that ends */
	STATUS_DELAY_MS = 5000, /* zmcontrol is heavy: asked when things have settled */
	STATUS_DOWN_MS = 60 * 1000, /* while it said that something without a pidfile is down, or said nothing */
	STATUS_DEADLINE_MS = 60 * 1000,
	LOOK_DEADLINE_MS = 30 * 1000,
	STATUS_TEXT_MAX = 16384
};

/* What the child that reads the pidfiles writes: one pid a row of zimbra_services, 0 = none. */
struct look {
	int32_t pid[ZIMBRA_SERVICES_MAX];
};

struct tracked {
	struct service s;
	const struct zimbra_service *def; /* NULL: known only from zmcontrol's text */
	uint64_t start_time;
	struct loop_watch pidfd; /* of a process that is not our child */
	int last_status;	 /* how the last process ended; -1 unknown */
	int64_t flux_until;
};

static struct tracked list[SERVICES_MAX];
static size_t count;
static void (*on_change)(void);
static bool stopping, started;
static bool listed;  /* zmcontrol has said which services are enabled */
static bool settled; /* it was asked at least once */
static struct child look_child = {.output = {.fd = -1}}, status_child = {.output = {.fd = -1}};
static int look_pipe = -1;
static struct loop_timer look_timer, status_timer, look_deadline, status_deadline;
static int64_t look_pause;
static bool look_again; /* something happened while one was under way, which may have come too early to see it */
static char status_text[STATUS_TEXT_MAX];
static size_t status_used;
static bool status_full;

static void look_now(struct loop_timer *t);

static void sooner(struct loop_timer *t, int64_t ms)
{
	if (!t->armed || t->at > now_ms() + ms)
		loop_timer_set(t, ms);
}

static void look_soon(int64_t ms)
{
	look_timer.fire = look_now;
	sooner(&look_timer, ms);
}

static bool has_pidfile(const struct tracked *t)
{
	return t->def && t->def->pidfile[0];
}

static void set_state(struct tracked *t, enum service_state state)
{
	if (t->s.state == state)
		return;
	if (started)
		log_line(state == SERVICE_CRASHED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "service", "%s: %s -> %s",
			 t->s.name, service_state_name(t->s.state), service_state_name(state));
	t->s.state = state;
	t->s.since = now_ms();
	if (settled && !stopping && has_pidfile(t))
		sooner(&status_timer, STATUS_DELAY_MS);
	on_change();
}

static void untrack(struct tracked *t)
{
	if (t->pidfd.fd >= 0) {
		int fd = t->pidfd.fd;
		loop_remove(&t->pidfd);
		(void)close(fd);
	}
	if (t->s.pid)
		reaper_forget(t->s.pid, t);
	t->s.pid = 0;
}

static void process_gone(struct tracked *t, int status)
{
	t->s.pid = 0;
	untrack(t);
	t->last_status = status;
	if (stopping) {
		set_state(t, SERVICE_STOPPED);
		return;
	}
	t->flux_until = now_ms() + FLUX_MS;
	set_state(t, SERVICE_FLUX);
	look_pause = 500;
	look_soon(look_pause);
}

static void reaped(void *arg, pid_t pid, int status)
{
	struct tracked *t = arg;

	(void)pid;
	log_info("service", "%s: process %d ended with status %d", t->s.name, (int)pid, status);
	process_gone(t, status);
}

static void pidfd_ready(struct loop_watch *w, uint32_t ev)
{
	(void)ev;
	process_gone(w->arg, -1);
}

/* Takes a pid that a pidfile named: only a live process of the right owner, and the same one before and after. */
static void track(struct tracked *t, pid_t pid)
{
	struct proc_info a, b;

	if (proc_read(pid, &a) < 0 || a.zombie || (a.uid == 0 && !t->def->root_owned))
		return;
	if (t->s.pid == pid && t->start_time == a.start_time)
		return;
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	if (fd < 0 || proc_read(pid, &b) < 0 || b.start_time != a.start_time)
		return;
	bool again = t->s.pid || t->last_status != -2;
	untrack(t);
	if (a.parent == getpid()) {
		if (reaper_watch(pid, reaped, t) < 0)
			return;
	} else {
		t->pidfd.ready = pidfd_ready;
		t->pidfd.arg = t;
		if (loop_add(&t->pidfd, fd, EPOLLIN) < 0)
			return;
		(void)steal_fd(&fd);
	}
	t->s.pid = pid;
	t->start_time = a.start_time;
	t->last_status = -1;
	t->s.restarts += again;
	if (t->s.state == SERVICE_RUNNING)
		on_change(); /* another process, same state */
	set_state(t, SERVICE_RUNNING);
}

/* Something that is meant to run does not; or it is not known what is meant to. Nobody tells about its start. */
static bool is_down(const struct tracked *t)
{
	return (t->s.enabled || !listed) && t->s.state != SERVICE_RUNNING;
}

static void settle(const struct look *look)
{
	bool wait = false, down = false;

	for (size_t i = 0; i < count; i++) {
		struct tracked *t = &list[i];
		if (!t->def)
			continue;
		pid_t pid = look->pid[t->def - zimbra_services];
		if (pid > 1 && pid != t->s.pid)
			track(t, pid);
		if (t->s.pid)
			continue;
		down |= is_down(t);
		if (t->s.state == SERVICE_FLUX && now_ms() < t->flux_until)
			wait = true;
		else if (t->s.state == SERVICE_FLUX)
			set_state(t, t->last_status == 0 ? SERVICE_STOPPED : SERVICE_CRASHED);
		else if (t->s.state == SERVICE_STARTING)
			set_state(t, SERVICE_STOPPED);
	}
	if (wait) {
		look_pause = look_pause * 2 > 8000 ? 8000 : look_pause * 2;
		look_soon(look_pause);
	} else if (down) {
		look_soon(DOWN_MS);
	}
}

/* --- the child that reads pidfiles: a volume may be slow or gone ----------------------------------------------- */

static int look_body(void *arg)
{
	struct look look = {0};
	uid_t zimbra = 0;

	(void)arg;
	_cleanup_close_ int root = open(JAIL_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 || zimbra_user(root, &zimbra) < 0)
		return 1;
	for (size_t i = 0; i < zimbra_service_count; i++) {
		pid_t pid;
		if (zimbra_service_pid(root, &zimbra_services[i], zimbra, &pid) == 0)
			look.pid[i] = pid;
	}
	return write(3, &look, sizeof(look)) == (ssize_t)sizeof(look) ? 0 : 1;
}

static void look_ended(struct child *c, int status)
{
	struct look look;

	(void)c;
	loop_timer_stop(&look_deadline);
	ssize_t n = read(look_pipe, &look, sizeof(look));
	(void)close(look_pipe);
	look_pipe = -1;
	if (stopping)
		return;
	if (status == 0 && n == (ssize_t)sizeof(look))
		settle(&look);
	else
		look_soon(DOWN_MS);
	if (look_again)
		look_soon(0);
	look_again = false;
}

static void look_late(struct loop_timer *t)
{
	(void)t;
	log_warn("service", "reading the pidfiles takes longer than %d s: is the volume's disk there?",
		 LOOK_DEADLINE_MS / 1000);
	child_kill(&look_child, SIGKILL);
}

static void look_now(struct loop_timer *t)
{
	int p[2];

	(void)t;
	look_again = look_child.pid != 0;
	if (look_child.pid || stopping)
		return;
	if (pipe2(p, O_CLOEXEC | O_NONBLOCK) < 0) {
		look_soon(DOWN_MS);
		return;
	}
	look_child.tag = "service";
	look_child.ended = look_ended;
	if (child_run(&look_child, look_body, NULL, p[1]) < 0) {
		(void)close(p[0]);
		look_soon(DOWN_MS);
	} else {
		look_pipe = p[0];
		look_deadline.fire = look_late;
		loop_timer_set(&look_deadline, LOOK_DEADLINE_MS);
	}
	(void)close(p[1]);
}

static void orphan_reaped(void)
{
	if (started && !stopping)
		look_soon(ORPHAN_MS);
}

/* --- zmcontrol status ------------------------------------------------------------------------------------------ */

static struct tracked *find(const char *name, bool add)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].s.name, name) == 0)
			return &list[i];
	if (!add || count == SERVICES_MAX)
		return NULL;
	struct tracked *t = &list[count++];
	*t = (struct tracked){.pidfd = {.fd = -1}, .last_status = -2, .s.since = now_ms()};
	(void)snprintf(t->s.name, sizeof(t->s.name), "%s", name);
	return t;
}

static void status_line(struct child *c, const char *line, size_t len)
{
	(void)c;
	/* Full is full: a short line behind a gap would be taken for the next one. */
	if (status_full || status_used + len + 1 > sizeof(status_text)) {
		status_full = true;
		return;
	}
	memcpy(status_text + status_used, line, len);
	status_text[status_used + len] = '\n';
	status_used += len + 1;
}

static void status_ended(struct child *c, int status)
{
	struct zmcontrol_status said = {0};

	(void)c;
	(void)status; /* it lies: the text is what counts */
	loop_timer_stop(&status_deadline);
	if (stopping)
		return;
	settled = true;
	if (zmcontrol_parse_status(status_text, status_used, &said) < 0 || said.n == 0) {
		/* ldap is down, say: what was enabled before still is */
		loop_timer_set(&status_timer, STATUS_DOWN_MS);
		on_change();
		return;
	}
	listed = true;
	/* From a text that was cut it is not known who is missing. */
	for (size_t i = 0; i < count && !status_full; i++)
		list[i].s.enabled = list[i].def && list[i].def->system;
	for (size_t i = 0; i < said.n; i++) {
		struct tracked *t = find(said.service[i].name, true);
		if (!t)
			break;
		t->s.enabled = true;
		if (has_pidfile(t))
			continue;
		/* Nothing but this text tells about it: a webapp may need minutes. */
		set_state(t, said.service[i].running ? SERVICE_RUNNING : SERVICE_STOPPED);
		if (!said.service[i].running)
			loop_timer_set(&status_timer, STATUS_DOWN_MS);
	}
	on_change();
}

static void status_late(struct loop_timer *t)
{
	(void)t;
	log_warn("service", "zmcontrol status did not answer in %d s", STATUS_DEADLINE_MS / 1000);
	child_kill(&status_child, SIGKILL);
}

static void status_now(struct loop_timer *t)
{
	(void)t;
	if (stopping)
		return;
	if (status_child.pid) { /* what it says may be older than the change that asks */
		loop_timer_set(&status_timer, STATUS_DELAY_MS);
		return;
	}
	status_used = 0;
	status_full = false;
	status_child.line = status_line;
	status_child.ended = status_ended;
	status_deadline.fire = status_late;
	if (child_exec_jail(&status_child, zimbra_cmd_status) == 0) {
		loop_timer_set(&status_deadline, STATUS_DEADLINE_MS);
	} else {
		settled = true;
		loop_timer_set(&status_timer, STATUS_DOWN_MS);
	}
}

/* --- public ---------------------------------------------------------------------------------------------------- */

void supervise_open(void (*changed)(void))
{
	on_change = changed;
	for (size_t i = 0; i < zimbra_service_count && i < ZIMBRA_SERVICES_MAX; i++) {
		struct tracked *t = find(zimbra_services[i].name, true);
		t->def = &zimbra_services[i];
		t->s.essential = zimbra_services[i].essential;
		t->s.enabled = zimbra_services[i].system;
	}
	reaper_on_orphan(orphan_reaped);
}

void supervise_start(void)
{
	started = true;
	look_soon(0);
	status_timer.fire = status_now;
	loop_timer_set(&status_timer, 0);
}

void supervise_stopping(void)
{
	stopping = true;
	loop_timer_stop(&look_timer);
	loop_timer_stop(&status_timer);
	child_kill(&status_child, SIGKILL);
	child_kill(&look_child, SIGKILL);
}

size_t supervise_count(void)
{
	return count;
}

const struct service *supervise_service(size_t i)
{
	return &list[i].s;
}

const char *service_state_name(enum service_state s)
{
	static const char *const name[] = {[SERVICE_STOPPED] = "stopped",
					   [SERVICE_STARTING] = "starting",
					   [SERVICE_RUNNING] = "running",
					   [SERVICE_FLUX] = "flux",
					   [SERVICE_CRASHED] = "crashed"};

	return name[s];
}

static bool all_running(bool only_essential)
{
	size_t seen = 0;

	for (size_t i = 0; i < count; i++) {
		const struct service *s = &list[i].s;
		if (!s->enabled || (only_essential && !s->essential))
			continue;
		seen++;
		if (s->state != SERVICE_RUNNING && s->state != SERVICE_FLUX)
			return false;
	}
	return listed && seen > 0;
}

bool supervise_settled(void)
{
	return settled;
}

bool supervise_all_running(void)
{
	return all_running(false);
}

bool supervise_essential_running(void)
{
	return all_running(true);
}
