/*
 * The state of the whole: boots, runs, stops; what signals and zctl ask for ends up here.
 */
#pragma once

#include "config.h"
#include "failure.h"

enum daemon_state { DAEMON_BOOTING, DAEMON_RUNNING, DAEMON_DEGRADED, DAEMON_STOPPING, DAEMON_FAILED };

enum daemon_mode {
	DAEMON_RUN,	     /* run: boot, supervise, until told to stop */
	DAEMON_ENTER,	     /* run-and-enter: the same, and a shell in the image */
	DAEMON_ENTER_ZIMBRA, /* run-and-enter-zimbra: the same, and a shell in the jail */
	DAEMON_COMMAND	     /* anything else: that command in the jail, Zimbra is not started */
};

struct daemon_env {
	const char *const *settings; /* NAME=value entries for config_load, kept for a reload */
	const char *const *command;  /* environment of one-shot commands: the container's without secrets */
};

/* Takes over cfg (kept for ever). argv: the command of DAEMON_COMMAND. Returns the exit code of the container. */
int daemon_run(struct config *cfg, enum daemon_mode mode, const char *const *argv, const struct daemon_env *env,
	       int64_t exec_ms);

enum daemon_state daemon_state(void);
const char *daemon_state_name(enum daemon_state s);
const struct config *daemon_config(void);
const struct failure *daemon_failure(void); /* of state failed, else NULL */
int64_t daemon_retry_in(void);		    /* ms until the next try, -1: none planned */
int64_t daemon_uptime(void);		    /* ms */
bool daemon_opened(void);		    /* the last stage was reached */
const char *daemon_hostname(void);

/* Warnings that stay true until something changes; for zctl status. */
enum { DAEMON_WARNINGS = 8 };
size_t daemon_warnings(const char *out[static DAEMON_WARNINGS]);

/* Somebody was answered: what that mapped is given back when it has been quiet for a while. */
void daemon_touched(void);

/* zctl stop, TERM, INT, PWR. */
void daemon_stop(const char *who);

/* zctl reload, HUP: told() hears of each changed setting, then finished(error or NULL). */
struct daemon_reload {
	void (*changed)(void *arg, enum config_id id, bool applied);
	void (*finished)(void *arg, const char *error);
	void *arg;
};
/* -EBUSY: one is under way. */
int daemon_reload(const struct daemon_reload *r);
