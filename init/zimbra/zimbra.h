/*
 * All that this program knows about Zimbra: its files, its commands, what they print. Facts with sources are in the
 * comments of each file. Everything that runs Zimbra's own scripts runs in the jail.
 */
#pragma once

#include "../stage.h"

#include <sys/types.h>

/* A service as zmcontrol names it, with the pidfiles that tell which processes are its own. */
enum { ZIMBRA_PIDFILES = 3, ZIMBRA_SERVICE_NAME = 32, ZIMBRA_SERVICES_MAX = 40 };

struct zimbra_service {
	const char *name;		      /* as zmcontrol prints it: "ldap", "mailbox", "service webapp", ... */
	const char *pidfile[ZIMBRA_PIDFILES]; /* paths in the jail; the first that exists counts. NULL: none is known */
	bool root_owned;		      /* the main process may run as root (postfix master, zmmailboxdmgr) */
	bool essential; /* without it there is no mail service to speak of (zctl health --ready) */
	bool system;	/* not Zimbra's: rsyslog, cron */
};

extern const struct zimbra_service zimbra_services[]; /* in start order; system daemons first: rsyslog, cron */
extern const size_t zimbra_service_count;
const struct zimbra_service *zimbra_service_find(const char *name);

/*
 * The process that a service's pidfile names, if it can be that service's: alive, no zombie, of the right user.
 * root: the jail's root as it is mounted (JAIL_ROOT), for the pidfile; zimbra: the user's uid there.
 * 0 and *pid; -ENOENT (no pidfile is known or there), -EINVAL (no pid in it), -ESRCH (no such process, or another's).
 * A pidfile is written by the zimbra user: good for showing, never for signalling as root.
 */
int zimbra_service_pid(int root, const struct zimbra_service *s, uid_t zimbra, pid_t *pid);

/* The zimbra user's uid from the jail's /etc/passwd; 0 and *uid, -ENOENT (no such user), -errno. Never answers uid 0.
 */
int zimbra_user(int root, uid_t *uid);

/* Pure. A pidfile: optional blanks, digits, then end, newline or blank (postfix pads its own). 2..4194304, else
 * -EINVAL. */
int zimbra_pidfile_parse(const char *text, size_t len, pid_t *pid);

/* Pure. What `zmcontrol status` said, e.g. "\tmailbox                 Running". Unknown lines are skipped. */
struct zmcontrol_status {
	size_t n;
	struct {
		char name[ZIMBRA_SERVICE_NAME]; /* "service webapp" stays as it is */
		bool running;
	} service[ZIMBRA_SERVICES_MAX];
	bool from_cache;  /* "Enabled services read from cache." */
	bool timed_out;	  /* "Timeout after 180 seconds" */
	bool no_services; /* "Cannot determine services - exiting" and its sisters */
};
/* 0; -ENODATA: it says nothing about services at all; -E2BIG: more than fit (the first ZIMBRA_SERVICES_MAX are there).
 */
int zmcontrol_parse_status(const char *text, size_t len, struct zmcontrol_status *out);

/* Pure. One line of `zmcontrol start|stop`: true and the service when it says that one is being started or stopped. */
bool zmcontrol_parse_progress(const char *line, char service[static ZIMBRA_SERVICE_NAME], bool *starting);

/* Commands, run as root in the jail (`su - zimbra -c ...`), best with zimbra_env. NULL-terminated. */
extern const char *const zimbra_env[];
extern const char *const zimbra_cmd_start[];
extern const char *const zimbra_cmd_stop[];
extern const char *const zimbra_cmd_status[];

/*
 * What is wrong with ZIMBRA_RELEASE itself (missing, an URL, not absolute), without looking at any file: for an early
 * word before a base system is made for nothing. 0, or -1 with FAILURE_FATAL. Only for a volume without an
 * installation.
 */
int release_setting_check(const struct config *cfg, struct failure *f);

/* Stage "release": unpack, install.sh -s FILE, zmsetup.pl -c FILE; once per volume. */
int release_check(struct stage_ctx *ctx, struct failure *f);
int release_install(struct stage_ctx *ctx, struct failure *f);

/* Stage "services": rsyslog, cron, then zmcontrol start, judged by what runs afterwards and not by exit codes. */
int services_check(struct stage_ctx *ctx, struct failure *f);
int services_start(struct stage_ctx *ctx, struct failure *f);

/* True when /opt/zimbra is installed and configured (.install_history ends a CONFIGURED END), asked through `data`. */
bool zimbra_installed(int data);
