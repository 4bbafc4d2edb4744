#include "stop.h"
#include "bans.h"
#include "boot/jail.h"
#include "child.h"
#include "kill.h"
#include "logring.h"
#include "sequence.h"
#include "server.h"
#include "supervise.h"
#include "workers.h"
#include "zimbra/zimbra.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
	SCRIPT_GRACE_MS = 3 * 1000, /* su(1) itself gives its child two seconds */
	STAGE_GRACE_MS = 10 * 1000, /* mmdebstrap and apt clean up after themselves */
	SAVE_GRACE_MS = 10 * 1000,  /* half a million bans need three of them */
	TERM_GRACE_MS = 10 * 1000,
	KILL_GRACE_MS = 5 * 1000, /* a process in uninterruptible sleep does not die; we go all the same */
	UNMOUNT_MS = 10 * 1000,
	LOOK_MS = 100,
	HURRY_MS = 5 * 1000 /* what a second TERM leaves to each phase */
};

static enum stop_phase phase;
static const struct config *cfg;
static bool zimbra, killed;
static void (*on_done)(bool killed);
static struct child script = {.output = {.fd = -1}}, unmounter = {.output = {.fd = -1}};
static struct loop_timer deadline, escalate, look;
static int64_t began;
static char doing[160];

static void terminate(void);

static void say(const char *what)
{
	(void)snprintf(doing, sizeof(doing), "%s", what);
	log_info("stop", "%s", what);
}

static void unmounted(struct child *c, int status)
{
	(void)c;
	loop_timer_stop(&deadline);
	if (status)
		log_warn("stop", "not everything was unmounted; the kernel does it with the container's end");
	log_info("stop", "finished in %.1f s", (double)(now_ms() - began) / 1000);
	on_done(killed);
}

static int unmount_body(void *arg)
{
	(void)arg;
	jail_unmake();
	return 0;
}

static void unmount_late(struct loop_timer *t)
{
	(void)t;
	child_kill(&unmounter, SIGKILL);
	unmounted(&unmounter, 1);
}

static void unmount(void)
{
	phase = STOP_UNMOUNT;
	control_close();
	loop_timer_stop(&deadline);
	unmounter.tag = NULL;
	unmounter.ended = unmounted;
	if (child_run(&unmounter, unmount_body, NULL, -1) < 0) {
		unmounted(&unmounter, 1);
		return;
	}
	deadline.fire = unmount_late;
	loop_timer_set(&deadline, UNMOUNT_MS);
}

static void kill_late(struct loop_timer *t)
{
	(void)t;
	log_error("stop", "some processes do not die (uninterruptible sleep?); leaving them to the kernel");
	unmount();
}

static void kill_now(struct loop_timer *t)
{
	(void)t;
	char left[256];

	phase = STOP_KILL;
	killed = true;
	kill_list(left, sizeof(left));
	log_warn("stop", "still there after TERM: %s", left);
	say("killing what is left");
	kill_everything(SIGKILL);
	deadline.fire = kill_late;
	loop_timer_set(&deadline, KILL_GRACE_MS);
}

/* What `docker exec` started is not our child: nobody tells when it ends. */
static void look_again(struct loop_timer *t)
{
	stop_child_died();
	if (phase == STOP_TERM || phase == STOP_KILL)
		loop_timer_set(t, LOOK_MS);
}

static void end_all(void)
{
	loop_timer_stop(&deadline);
	phase = STOP_TERM;
	workers_stop();
	if (!kill_anyone_left()) {
		unmount();
		return;
	}
	say("ending what is left");
	/* A stopped process handles nothing until it is continued; an interactive shell ignores TERM but not HUP. */
	kill_everything(SIGTERM);
	kill_everything(SIGHUP);
	kill_everything(SIGCONT);
	deadline.fire = kill_now;
	loop_timer_set(&deadline, TERM_GRACE_MS);
	look.fire = look_again;
	loop_timer_set(&look, LOOK_MS);
}

static void save_late(struct loop_timer *t)
{
	(void)t;
	log_warn("stop", "the bans could not be saved in time; the last ones are lost");
	bans_give_up();
	end_all();
}

/* Before the rest is ended, because who saves would be, too. */
static void terminate(void)
{
	phase = STOP_SAVE;
	loop_timer_stop(&deadline);
	if (!bans_save_last(end_all)) {
		end_all();
		return;
	}
	say("saving the bans");
	deadline.fire = save_late;
	loop_timer_set(&deadline, SAVE_GRACE_MS);
}

void stop_child_died(void)
{
	if ((phase == STOP_TERM || phase == STOP_KILL) && !kill_anyone_left())
		unmount();
}

/* --- zmcontrol stop -------------------------------------------------------------------------------------------- */

static void script_line(struct child *c, const char *line, size_t len)
{
	char text[LOG_LINE_MAX + 1], service[ZIMBRA_SERVICE_NAME];
	bool starting;

	logring_relay(c->tag, line, len);
	(void)snprintf(text, sizeof(text), "%.*s", (int)len, line);
	if (zmcontrol_parse_progress(text, service, &starting) && !starting)
		(void)snprintf(doing, sizeof(doing), "zmcontrol stop: %s", service);
}

static void script_ended(struct child *c, int status)
{
	(void)c;
	loop_timer_stop(&escalate);
	if (phase != STOP_ZIMBRA)
		return;
	if (status) /* it lies both ways: what counts is who is left */
		log_warn("stop", "zmcontrol stop ended with status %d", status);
	loop_timer_stop(&deadline);
	terminate();
}

static void script_kill(struct loop_timer *t)
{
	(void)t;
	killed = true;
	child_kill(&script, SIGKILL);
}

static void script_late(struct loop_timer *t)
{
	(void)t;
	log_warn("stop",
		 "zmcontrol stop has not ended after %.0f s; ZIMBRA_STOP_TIMEOUT is %ld s, give the container's "
		 "--stop-timeout 60 s more than that",
		 (double)(now_ms() - began) / 1000, config_num(cfg, CFG_ZIMBRA_STOP_TIMEOUT));
	child_kill(&script, SIGTERM);
	escalate.fire = script_kill;
	loop_timer_set(&escalate, SCRIPT_GRACE_MS);
	terminate();
}

static void stop_zimbra(void)
{
	phase = STOP_ZIMBRA;
	supervise_stopping();
	if (!zimbra || !kill_anyone_left()) {
		terminate();
		return;
	}
	say("zmcontrol stop");
	script.tag = "zimbra";
	script.line = script_line;
	script.ended = script_ended;
	if (child_exec_jail(&script, zimbra_cmd_stop) < 0) {
		terminate();
		return;
	}
	deadline.fire = script_late;
	loop_timer_set(&deadline, config_num(cfg, CFG_ZIMBRA_STOP_TIMEOUT) * 1000);
}

/* --------------------------------------------------------------------------------------------------------------- */

static void stage_ended(bool stage_killed)
{
	killed = stage_killed;
	stop_zimbra();
}

static void hurry(void)
{
	if (phase == STOP_STAGE) {
		if (sequence_hurry(HURRY_MS))
			log_warn("stop", "asked again: %d s more for the running stage", HURRY_MS / 1000);
		return;
	}
	if (!deadline.armed || deadline.at - now_ms() <= HURRY_MS)
		return;
	log_warn("stop", "asked again: %d s more for this step", HURRY_MS / 1000);
	loop_timer_set(&deadline, HURRY_MS);
}

void stop_begin(const struct config *c, bool with_zimbra, void (*done)(bool killed))
{
	if (phase != STOP_NONE) {
		hurry();
		return;
	}
	cfg = c;
	zimbra = with_zimbra;
	on_done = done;
	began = now_ms();
	phase = STOP_STAGE;
	log_info("stop",
		 "stopping; at most %ld s for Zimbra and 25 s for the rest (Docker's own limit is 10 s unless "
		 "--stop-timeout says more)",
		 config_num(cfg, CFG_ZIMBRA_STOP_TIMEOUT));
	(void)snprintf(doing, sizeof(doing), "ending the running stage");
	sequence_abort(STAGE_GRACE_MS, stage_ended);
}

enum stop_phase stop_phase(void)
{
	return phase;
}

const char *stop_doing(void)
{
	return doing;
}
