#include "command.h"
#include "log.h"
#include "reaper.h"
#include "session.h"
#include "signals.h"

#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <termios.h>

static pid_t pid;
static void (*on_end)(int status);

/* Of `docker run -t`: the command talks to the terminal, not PID 1. TTOU is blocked here, so this does not stop us. */
static void take_terminal(void)
{
	(void)setpgid(0, 0);
	if (isatty(STDIN_FILENO))
		(void)tcsetpgrp(STDIN_FILENO, getpid());
}

static int image_shell(const char *const *argv, const char *const *env)
{
	static const char *const shell[] = {"/bin/bash", "-l", NULL};

	signals_reset_in_child();
	if (!argv)
		argv = shell;
	(void)execve(argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)env);
	log_error("command", "%s: %s", argv[0], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}

static void ended(void *arg, pid_t who, int status)
{
	(void)arg;
	(void)who;
	pid = 0;
	on_end(status);
}

int command_start(enum command_where where, const char *const *argv, const char *const *env, void (*told)(int status))
{
	on_end = told;
	pid_t child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		log_set_sink(NULL);
		take_terminal();
		(void)close_range(3, ~0U, 0); /* of what is PID 1's own, this process needs nothing while it waits */
		if (where == COMMAND_IN_IMAGE)
			_exit(image_shell(argv, env));
		struct session s = {.who = "zimbra-init", .argv = argv, .env = env};
		/* The mask stays as it is: session_main reads its signals from a descriptor, and must not miss one. */
		_exit(session_main(&s));
	}
	pid = child;
	return reaper_watch(child, ended, NULL);
}

bool command_signal(int sig)
{
	if (pid <= 0 || sig == SIGCHLD || sig == SIGTTIN || sig == SIGTTOU || sig == SIGTSTP)
		return false;
	(void)kill(pid, sig);
	return true;
}
