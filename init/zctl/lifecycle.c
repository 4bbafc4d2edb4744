/* zctl health, stop and version: for probes, hooks and scripts more than for people. */
#include "ask.h"
#include "commands.h"
#include "help.h"
#include "text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { HEALTH_TIMEOUT_MS = 2000, STOP_MARGIN_S = 30 };

static int print_health(const char *level, bool healthy, const char *reason)
{
	_cleanup_free_ char *clean = text_clean(reason, strlen(reason));

	if (!healthy || isatty(STDOUT_FILENO))
		(void)printf("%s%s%s (%s)%s%s\n", text_colour(healthy ? GREEN : RED), healthy ? "healthy" : "unhealthy",
			     text_plain(), level, *clean ? ": " : "", clean);
	return healthy ? EXIT_YES : EXIT_NO;
}

int cmd_health(int argc, char **argv)
{
	bool json = false, live = false, ready = false, startup = false;
	const struct arg_option option[] = {{"json", 0, &json, NULL},
					    {"live", 0, &live, NULL},
					    {"ready", 0, &ready, NULL},
					    {"startup", 0, &startup, NULL}};
	struct args args = {.option = option, .options = ARRAY_SIZE(option)};
	_cleanup_answer_ struct answer a = {0};
	int exit_code;

	if (!args_read(&args, "health", argc, argv, &exit_code))
		return exit_code;
	if (live + ready + startup > 1) {
		(void)fputs("zctl: health: one of --live, --ready and --startup at a time\n", stderr);
		return EXIT_USAGE;
	}
	const char *level = ready ? "ready" : startup ? "startup" : "live";
	/* A probe has two answers: who cannot ask PID 1 has not found it healthy. */
	int r = ask(CONTROL_HEALTH, level, HEALTH_TIMEOUT_MS, &a);
	if (r < 0 && json)
		(void)client_complain(r);
	if (r < 0)
		return json ? EXIT_NO
			    : print_health(level, false, r == -ETIMEDOUT ? "PID 1 does not answer" : strerror(-r));
	bool healthy = a.code == 0 && (!json_object_get(a.json, "healthy") || get_bool(a.json, "healthy"));
	if (!json)
		return print_health(level, healthy,
				    *get_text(a.json, "reason") ? get_text(a.json, "reason")
								: get_text(a.json, "error"));
	(void)printf("%s\n", a.text);
	return healthy ? EXIT_YES : EXIT_NO;
}

/*
 * At the end of a stop PID 1 sends TERM and HUP to all that is left in the container, us included: Zimbra is down by
 * then, and what was asked for has happened. The KILL that follows when PID 1 itself ends could not be answered at all.
 */
static void ended(int sig, siginfo_t *si, void *context)
{
	(void)context;
	/* 0: after kill(-1) has met a process of an inner namespace, Linux tells the rest that it came from outside. */
	_exit(si->si_code == SI_USER && si->si_pid <= 1 ? EXIT_YES : 128 + sig);
}

static int wait_for_end(const sigset_t *signals, int64_t timeout)
{
	struct sigaction sa = {.sa_sigaction = ended, .sa_flags = SA_SIGINFO};

	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGHUP, &sa, NULL);
	(void)sigprocmask(SIG_UNBLOCK, signals, NULL);
	if (timeout < 0 || timeout > 86400)
		timeout = 86400;
	if (client_wait_gone((int)(timeout + STOP_MARGIN_S) * 1000) == 0)
		return EXIT_YES;
	(void)fputs("zctl: PID 1 still runs; see `zctl status' and `zctl log'\n", stderr);
	return EXIT_NO;
}

int cmd_stop(int argc, char **argv)
{
	bool json = false, wait = false;
	const struct arg_option option[] = {{"json", 0, &json, NULL}, {"wait", 0, &wait, NULL}};
	struct args args = {.option = option, .options = ARRAY_SIZE(option)};
	_cleanup_answer_ struct answer a = {0};
	char within[DURATION_MAX];
	int exit_code;

	sigset_t signals;

	if (!args_read(&args, "stop", argc, argv, &exit_code))
		return exit_code;
	/* They may come before its answer has been printed. */
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	bool show = ask_and_print(CONTROL_STOP, NULL, json, &a, &exit_code);
	if (exit_code != EXIT_YES)
		return exit_code;
	int64_t timeout = get_number(a.json, "timeout", 300);
	if (show)
		(void)printf("Stopping, within %s at the most.\n", text_duration(within, timeout));
	(void)fflush(stdout);
	return wait ? wait_for_end(&signals, timeout) : EXIT_YES;
}

int cmd_version(int argc, char **argv)
{
	bool json = false;
	const struct arg_option option[] = {{"json", 0, &json, NULL}};
	struct args args = {.option = option, .options = ARRAY_SIZE(option)};
	_cleanup_answer_ struct answer a = {0};
	int exit_code;

	if (!args_read(&args, "version", argc, argv, &exit_code))
		return exit_code;
	if (!json) {
		(void)puts("zctl " VERSION);
		(void)fflush(stdout); /* before what stderr may have to say */
	}
	if (!ask_and_print(CONTROL_PING, NULL, json, &a, &exit_code))
		return exit_code;
	_cleanup_free_ char *server = text_clean(get_text(a.json, "version"), strlen(get_text(a.json, "version")));
	(void)printf("zimbra-init %s (pid %lld)\n", server, (long long)get_number(a.json, "pid", 1));
	(void)fflush(stdout);
	ask_compare_version(get_text(a.json, "version"));
	return EXIT_YES;
}
