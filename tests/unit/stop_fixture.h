/* For the tests of stop.c: what it stops are real processes; what they get and how they end is in files. */
#pragma once

#include "../../init/bans.h"
#include "../../init/server.h"
#include "../../init/stop.h"

#include "sequence_fixture.h"

/* --- the rest of PID 1 ----------------------------------------------------------------------------------------- */

void control_close(void)
{
	tell("closed");
}

/* Bans: whether some are to be saved, and who waits for that. */
static bool bans_unsaved;
static void (*bans_saved)(void);

bool bans_save_last(void (*done)(void))
{
	bans_saved = bans_unsaved ? done : NULL;
	return bans_unsaved;
}

void bans_give_up(void)
{
	tell("bans given up");
	bans_saved = NULL;
}

void jail_unmake(void)
{
	append("/tmp/unmake", "begun\n");
	while (exists_file("/tmp/busy"))
		sleep_ms(2);
	if (exists_file("/tmp/broken"))
		_exit(1);
	append("/tmp/unmake", "ended\n");
}

static inline unsigned reap(void)
{
	unsigned reaped = reaper_run();

	stop_child_died();
	return reaped;
}

static struct config stop_config;

static inline void told_stopped(bool killed)
{
	tell(killed ? "stopped with KILL" : "stopped");
}

/* TERM, the first or another one. */
static inline void stop(bool zimbra)
{
	stop_config.number[CFG_ZIMBRA_STOP_TIMEOUT] = 300;
	stop_begin(&stop_config, zimbra, told_stopped);
}

/* The end: once, after the mounts went, and the control socket before them. */
static inline void stopped_as(const char *how)
{
	RUN_UNTIL(times_in(told, "stopped"));
	CHECK_STR(strstr(told, "closed"), how);
	CHECK_EQ(processes(false), 0);
	CHECK_EQ(stop_phase(), STOP_UNMOUNT);
	CHECK_EQ(logged("stop: finished in "), 1);
}
#define CLEANLY	  "closed|stopped|"
#define WITH_KILL "closed|stopped with KILL|"

/* --- processes ------------------------------------------------------------------------------------------------- */

static char got_path[64];

static inline void note_signal(int sig)
{
	append(got_path, (char[]){sig == SIGTERM ? 'T' : sig == SIGHUP ? 'H' : sig == SIGCONT ? 'C' : '?', '\0'});
}

static inline void note_and_end(int sig)
{
	note_signal(sig);
	_exit(0);
}

static inline void note_and_fork(int sig)
{
	note_signal(sig);
	if (fork() == 0) {
		(void)signal(SIGTERM, SIG_IGN);
		(void)signal(SIGHUP, SIG_IGN);
		append(got_path, "F");
		for (;;)
			(void)pause();
	}
	_exit(0);
}

enum manner {
	POLITE,	  /* ends at TERM */
	SHELL,	  /* interactive: ignores TERM, ends at HUP */
	STUBBORN, /* only KILL ends it */
	STOPPED,  /* polite, but stopped */
	FORKING,  /* at TERM it leaves another one, which is stubborn */
	RUNNER	  /* becomes another process all the time; only KILL to all at once ends it */
};

/* One after the other, in the order in which they are taken. */
static inline void handle(int sig, void (*handler)(int))
{
	struct sigaction sa = {.sa_handler = handler};

	(void)sigfillset(&sa.sa_mask);
	(void)sigaction(sig, &sa, NULL);
}

/* The body of such a process; what it gets stands in /tmp/got-NAME. */
static inline _Noreturn void behave(enum manner manner, const char *name)
{
	bool only_kill = manner == STUBBORN || manner == RUNNER;

	signals_reset_in_child();
	log_set_sink(NULL);
	(void)setsid();
	(void)prctl(PR_SET_NAME, name);
	(void)snprintf(got_path, sizeof(got_path), "/tmp/got-%s", name);
	handle(SIGTERM, manner == SHELL	    ? SIG_IGN
			: manner == FORKING ? note_and_fork
			: only_kill	    ? note_signal
					    : note_and_end);
	handle(SIGHUP, only_kill ? note_signal : manner == SHELL ? SIG_DFL : SIG_IGN);
	handle(SIGCONT, note_signal);
	append(got_path, "");
	if (manner == STOPPED)
		(void)raise(SIGSTOP);
	for (;;) {
		if (manner != RUNNER)
			(void)pause();
		else if (fork() > 0)
			_exit(0);
		else
			sleep_ms(1);
	}
}

static inline const char *got_file(const char *name)
{
	static char path[64];

	(void)snprintf(path, sizeof(path), "/tmp/got-%s", name);
	return path;
}

static inline pid_t start_process(enum manner manner, const char *name)
{
	pid_t pid = fork();

	if (pid == 0)
		behave(manner, name);
	while (!exists_file(got_file(name)))
		sleep_ms(1);
	if (manner == STOPPED) {
		siginfo_t info;
		CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
	}
	return know(pid);
}

/* That signal, exactly once. */
static inline bool got(const char *name, const char *sig)
{
	return times_in(text_of(got_file(name)), sig) == 1;
}
