/* For the tests of supervise.c: services that are real processes, pidfiles in a jail, and a zmcontrol that says what it
 * is told to. */
#pragma once

#include "../../init/supervise.h"
#include "../../init/zimbra/zimbra.h"

#include "pid1_fixture.h"

static unsigned changes; /* times that status was said to show something else */

static inline void count_change(void)
{
	changes++;
}

/* "memcached Running|service webapp Stopped", in zmcontrol's own words. */
static inline void say_status(const char *services)
{
	char text[8192] = "Host mail.example.org\n", copy[4096], *save = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", services);
	for (char *s = strtok_r(copy, "|", &save); s; s = strtok_r(NULL, "|", &save)) {
		char *state = strrchr(s, ' ');
		size_t used = strlen(text);
		*state++ = '\0';
		(void)snprintf(text + used, sizeof(text) - used, "\t%-20s %10s\n", s, state);
	}
	put("/tmp/status", text);
}

static inline const struct service *service(const char *name)
{
	for (size_t i = 0; i < supervise_count(); i++)
		if (strcmp(supervise_service(i)->name, name) == 0)
			return supervise_service(i);
	return NULL;
}

static inline enum service_state state_of(const char *name)
{
	CHECK(service(name) != NULL);
	return service(name)->state;
}

static inline const char *status_file(pid_t pid)
{
	static char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return path;
}

static inline void put_pidfile(const char *name, pid_t pid)
{
	char path[128], text[16];

	CHECK(zimbra_service_find(name) != NULL);
	(void)snprintf(path, sizeof(path), JAIL_ROOT "%s", zimbra_service_find(name)->pidfile[0]);
	(void)snprintf(text, sizeof(text), "%d\n", (int)pid);
	put(path, text);
}

/* A process of the zimbra user that the pidfile of that service names. */
static inline pid_t run_service(const char *name, bool child_of_ours)
{
	pid_t pid = start_daemon(ZIMBRA_UID, child_of_ours);

	put_pidfile(name, pid);
	return pid;
}

static pid_t rsyslog, cron;

static inline pid_t system_daemon(const char *name)
{
	return strcmp(name, "cron") == 0 ? cron : rsyslog;
}

/* A jail in which rsyslog and cron run, as they do whatever Zimbra's services do. */
static inline void make_jail(void)
{
	put(JAIL_ROOT "/etc/passwd", "root:x:0:0::/root:/bin/sh\nzimbra:x:998:998::/opt/zimbra:/bin/bash\n");
	rsyslog = start_daemon(104, true);
	put_pidfile("rsyslog", rsyslog);
	cron = start_daemon(0, true);
	put_pidfile("cron", cron);
	supervise_open(count_change);
}

/* From the end of the boot until zmcontrol has answered for the first time. */
static inline void supervise(const char *services)
{
	make_jail();
	say_status(services);
	fake_su("exec cat /tmp/status");
	supervise_start();
	settle_down();
	CHECK(supervise_settled());
	CHECK_STR(text_of("/tmp/asked"), "- zimbra -c /opt/zimbra/bin/zmcontrol status\n");
}
