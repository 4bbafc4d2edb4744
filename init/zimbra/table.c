/*
 * Zimbra's services and the pidfiles of their daemons, in zmcontrol's start order (zm-core-utils src/bin/zmcontrol,
 * %startorder), and the commands that drive them.
 *
 * Who writes which pidfile: the ctl script of each service in zm-core-utils src/bin. Of a service with several
 * daemons the row holds the one whose death means that the service is gone.
 */
#include "zimbra.h"

#include <string.h>

#define LOG_DIR	 "/opt/zimbra/log/"
#define STAT_DIR "/opt/zimbra/zmstat/pid/"

/* The webapps are mailboxd's: zmcontrol asks zmstorectl for each of them. */
#define MAILBOXD LOG_DIR "zmmailboxd_manager.pid", LOG_DIR "zmmailboxd_java.pid", LOG_DIR "zmmailboxd.pid"

const struct zimbra_service zimbra_services[] = {
	{"rsyslog", {"/run/rsyslogd.pid"}, .root_owned = true, .system = true},
	{"cron", {"/run/crond.pid"}, .root_owned = true, .system = true},

	{"ldap", {"/opt/zimbra/data/ldap/state/run/slapd.pid"}, .root_owned = false, .essential = true},
	{"zmconfigd", {LOG_DIR "zmconfigd.pid"}, .root_owned = false},
	/* unbound is started by sudo and then becomes zimbra; zmdnscachectl looks for it with pgrep. */
	{"dnscache", {NULL}, .root_owned = true},
	{"logger", {LOG_DIR "logswatch.pid"}, .root_owned = false},
	{"convertd", {LOG_DIR "convertd.pid"}, .root_owned = false},
	/* zmmailboxdmgr starts as root by sudo and stays it; the JVM under it becomes zimbra. */
	{"mailbox", {MAILBOXD}, .root_owned = true, .essential = true},
	{"memcached", {LOG_DIR "memcached.pid"}, .root_owned = false},
	{"proxy", {LOG_DIR "nginx.pid"}, .root_owned = false, .essential = true},
	/* amavis-mc and amavisd are found by scanning ps (zmamavisdctl); the pidfile is only there in some releases. */
	{"amavis", {LOG_DIR "amavisd.pid", LOG_DIR "amavis-mc.pid"}, .root_owned = true},
	/* zmantispamctl = amavisd again, and a database that is off by default. */
	{"antispam", {LOG_DIR "amavisd.pid", LOG_DIR "amavis-mc.pid"}, .root_owned = true},
	{"antivirus", {LOG_DIR "clamd.pid"}, .root_owned = false},
	{"opendkim", {LOG_DIR "opendkim.pid"}, .root_owned = false},
	{"archiving", {LOG_DIR "amavisd.pid", LOG_DIR "amavis-mc.pid"}, .root_owned = true},
	{"cbpolicyd", {LOG_DIR "cbpolicyd.pid"}, .root_owned = false},
	{"snmp", {LOG_DIR "swatch.pid"}, .root_owned = false},
	{"spell", {LOG_DIR "httpd.pid"}, .root_owned = false},
	{"mta", {"/opt/zimbra/data/postfix/spool/pid/master.pid"}, .root_owned = true, .essential = true},
	/* zmstat-fd runs as root by sudo; the others as zimbra. zmstatctl counts the service as stopped when one is. */
	{"stats",
	 {STAT_DIR "zmstat-proc.pid", STAT_DIR "zmstat-cpu.pid", STAT_DIR "zmstat-vm.pid"},
	 .root_owned = false},
	{"service webapp", {MAILBOXD}, .root_owned = true},
	{"zimbra webapp", {MAILBOXD}, .root_owned = true},
	{"zimbraAdmin webapp", {MAILBOXD}, .root_owned = true},
	{"zimlet webapp", {MAILBOXD}, .root_owned = true},
	{"imapd", {LOG_DIR "imapd.pid"}, .root_owned = false},
};

const size_t zimbra_service_count = ARRAY_SIZE(zimbra_services);

_Static_assert(ARRAY_SIZE(zimbra_services) <= ZIMBRA_SERVICES_MAX, "zmcontrol's services must fit what is parsed");

const struct zimbra_service *zimbra_service_find(const char *name)
{
	for (size_t i = 0; i < zimbra_service_count; i++)
		if (strcmp(zimbra_services[i].name, name) == 0)
			return &zimbra_services[i];
	return NULL;
}

/*
 * /bin/su: where util-linux's package puts it in both suites; with a merged /usr it is /usr/bin/su as well.
 * No pty: nothing here may ask. "-": the login shell's environment, which Zimbra's scripts count on.
 */
#define AS_ZIMBRA(command)                                                                                             \
	{                                                                                                              \
		"/bin/su", "-", "zimbra", "-c", command, NULL                                                          \
	}

const char *const zimbra_cmd_start[] = AS_ZIMBRA("/opt/zimbra/bin/zmcontrol start");
const char *const zimbra_cmd_stop[] = AS_ZIMBRA("/opt/zimbra/bin/zmcontrol stop");
const char *const zimbra_cmd_status[] = AS_ZIMBRA("/opt/zimbra/bin/zmcontrol status");

/* TERM: zmsetup.pl and some ctl scripts call tput or clear. No DISPLAY, no LC_ALL: su keeps only TERM anyway. */
const char *const zimbra_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"USER=root",
	"LOGNAME=root",
	"SHELL=/bin/bash",
	"TERM=dumb",
	"LANG=C.UTF-8",
	"DEBIAN_FRONTEND=noninteractive",
	"DEBCONF_NONINTERACTIVE_SEEN=true",
	"NEEDRESTART_MODE=l", /* jammy: needrestart would restart services in the middle of an installation */
	NULL};
