#include "session.h"

#include "boot/jail.h"
#include "relay.h"
#include "signals.h"
#include "user.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

enum { ENV_MAX = 512 };

static bool jail_stands(const struct session *s)
{
	_cleanup_close_ int jail = jail_open_root();

	if (jail >= 0)
		return true;
	(void)dprintf(STDERR_FILENO, "%s: the jail is not mounted%s%s: see `zctl stages'\n", s->who,
		      jail == -ENOENT || jail == -ENXIO ? " yet" : ": ",
		      jail == -ENOENT || jail == -ENXIO ? "" : strerror(-jail));
	return false;
}

static bool no_directories(const struct session *s)
{
	struct stat st;

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
			(void)dprintf(STDERR_FILENO,
				      "%s: descriptor %d is a directory, which must not get into the jail\n", s->who,
				      fd);
			return false;
		}
	return true;
}

/* The last thing of a child that cannot go on. */
static _Noreturn void fail(const struct session *s, int code, const char *what, int err)
{
	(void)dprintf(STDERR_FILENO, "%s: %s: %s\n", s->who, what, strerror(err < 0 ? -err : err));
	_exit(code);
}

static bool is_name(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

static bool is_any(const char *entry, const char *const *names)
{
	while (*names && !is_name(entry, *names))
		names++;
	return *names != NULL;
}

/* Replaces a variable of environ or adds it, where there is room. */
static void set_variable(char **env, const char *entry)
{
	size_t name = strcspn(entry, "="), i = 0;

	while (env[i] && strncmp(env[i], entry, name + 1) != 0)
		i++;
	if (i + 1 < ENV_MAX && entry[name])
		env[i] = (char *)entry;
}

/*
 * environ: jail_env(), the session's own variables, then what login(1) sets for the user, if there is one. Nothing of
 * ours, which may hold secrets. In environ, since execvp(3) looks there for PATH. Lives until exec.
 */
static void set_environment(const struct session *s, const char *const *base, const struct user *u)
{
	static const char *const of_the_image[] = {"PATH", "HOME", "SHELL", "USER", "LOGNAME", NULL};
	static char *env[ENV_MAX];
	static char login[4][sizeof(u->home) + 16];

	for (; *base; base++)
		set_variable(env, *base);
	for (const char *const *e = s->env; e && *e; e++)
		if (!is_any(*e, of_the_image))
			set_variable(env, *e);
	if (u) {
		(void)snprintf(login[0], sizeof(login[0]), "HOME=%s", u->home);
		(void)snprintf(login[1], sizeof(login[1]), "SHELL=%s", u->shell);
		(void)snprintf(login[2], sizeof(login[2]), "USER=%s", u->name);
		(void)snprintf(login[3], sizeof(login[3]), "LOGNAME=%s", u->name);
		for (size_t i = 0; i < ARRAY_SIZE(login); i++)
			set_variable(env, login[i]);
	}
	environ = env;
}

/* A shell that knows -c and "$@": everything else (nologin, false, csh) is no way to run a command. */
static bool is_bourne(const char *shell)
{
	static const char *const known[] = {"sh", "bash", "dash", "ksh", "zsh"};
	const char *slash = strrchr(shell, '/');

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(slash ? slash + 1 : shell, known[i]) == 0)
			return true;
	return false;
}

/*
 * The login shell, which then becomes the command: Zimbra's need what its profile sets. "$@" hands the words on as
 * they are, so nothing has to be quoted. Not su(1): its -c starts yet another session, which has no terminal (Ctrl-C
 * and window sizes get lost), and pam_limits fails where it would have to raise a hard limit.
 */
static _Noreturn void exec_login(const struct session *s, const struct user *u)
{
	static const char become[] = "exec \"$@\"";
	const char *slash = strrchr(u->shell, '/');
	char dashed[sizeof(u->shell) + 1];
	size_t words = 0, n = 0;

	(void)snprintf(dashed, sizeof(dashed), "-%s", slash ? slash + 1 : u->shell);
	while (s->argv && s->argv[words])
		words++;
	const char **argv = calloc(words + 5, sizeof(*argv)); /* lives until exec */
	if (!argv)
		fail(s, SESSION_FAILED, u->shell, ENOMEM);
	/* cppcheck-suppress nullPointerRedundantCheck ; fail() does not return */
	argv[n++] = dashed;
	if (s->argv) {
		argv[n++] = "-c";
		argv[n++] = become;
		argv[n++] = s->who;
		(void)memcpy(argv + n, s->argv, words * sizeof(*argv));
	}
	(void)execv(u->shell, (char *const *)argv);
	fail(s, errno == ENOENT ? SESSION_NOT_FOUND : SESSION_CANNOT_EXECUTE, u->shell, errno);
}

static void become(const struct session *s, const char *name, struct user *u)
{
	int r = user_find(name, u);

	if (r == -ENOENT) {
		(void)dprintf(STDERR_FILENO, "%s: there is no user `%s' in the jail's /etc/passwd\n", s->who, name);
		_exit(SESSION_FAILED);
	}
	if (r < 0)
		fail(s, SESSION_FAILED, "/etc/passwd of the jail", r);
	r = user_become(u);
	if (r < 0)
		fail(s, SESSION_FAILED, name, r);
	if (chdir(u->home) < 0 && chdir("/") < 0)
		fail(s, SESSION_FAILED, "/", errno);
}

static _Noreturn void child(const struct session *s, const struct pty *pty, const bool *terminal)
{
	const char *name = s->user ? s->user : s->argv ? NULL : "root";
	struct user u;

	(void)setsid();
	if (terminal[STDIN_FILENO])
		(void)ioctl(pty->slave, TIOCSCTTY, 0);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (terminal[fd] && dup2(pty->slave, fd) < 0)
			_exit(SESSION_FAILED);
	signals_reset_in_child();
	const char *const *env = jail_env(terminal[0] || terminal[1] || terminal[2] ? getenv("TERM") : NULL);
	int r = jail_enter();
	if (r < 0)
		fail(s, SESSION_FAILED, "cannot enter the jail", r);
	if (name)
		become(s, name, &u);
	set_environment(s, env, name ? &u : NULL);
	if (name && (!s->argv || is_bourne(u.shell)))
		exec_login(s, &u);
	(void)execvp(s->argv[0], (char *const *)s->argv);
	if (errno == ENOENT || errno == ENOTDIR) {
		(void)dprintf(STDERR_FILENO, "%s: %s: not found in the jail\n", s->who, s->argv[0]);
		_exit(SESSION_NOT_FOUND);
	}
	fail(s, SESSION_CANNOT_EXECUTE, s->argv[0], errno);
}

/* The new terminal, and our side of it. 0 or -errno. */
static int set_up_terminal(struct relay *r, struct raw_mode *raw, const bool *terminal)
{
	int ours = terminal[STDOUT_FILENO] ? STDOUT_FILENO : terminal[STDERR_FILENO] ? STDERR_FILENO : STDIN_FILENO;

	r->pty.master = jail_open_pty(&r->pty.slave);
	if (r->pty.master < 0)
		return r->pty.master;
	r->out = terminal_reopen(ours);
	if (r->out < 0)
		return r->out;
	pty_copy_modes(&r->pty, ours, !terminal[STDIN_FILENO]);
	if (!terminal[STDIN_FILENO])
		return 0;
	r->in = terminal_reopen(STDIN_FILENO);
	return r->in < 0 ? r->in : raw_enter(raw, STDIN_FILENO);
}

int session_main(const struct session *s)
{
	_cleanup_raw_ struct raw_mode raw = {.fd = -1};
	_cleanup_close_ int signals = -1;
	struct relay r = {.pty = PTY_NONE, .in = -1, .out = -1, .raw = &raw};
	bool terminal[3];
	sigset_t set, before;
	int e = 0;

	if (!jail_stands(s))
		return SESSION_NO_JAIL;
	if (!no_directories(s))
		return SESSION_FAILED;
	/* From here on a signal waits until it can be passed on, and until the terminal's modes are back. */
	relay_signals(&set);
	(void)sigprocmask(SIG_BLOCK, &set, &before);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		terminal[fd] = isatty(fd);
	if (terminal[0] || terminal[1] || terminal[2])
		e = set_up_terminal(&r, &raw, terminal);
	r.signals = signals = e < 0 ? -1 : signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	r.child = signals < 0 ? -1 : fork();
	if (r.child == 0)
		child(s, &r.pty, terminal);
	int code = SESSION_FAILED;
	if (r.child > 0) {
		code = relay_run(&r);
	} else {
		int why = e < 0 ? -e : errno;
		raw_leave(&raw);
		(void)dprintf(STDERR_FILENO, "%s: cannot start a command in the jail: %s\n", s->who, strerror(why));
		pty_close(&r.pty);
	}
	raw_leave(&raw);
	cleanup_close(&r.in);
	cleanup_close(&r.out);
	(void)sigprocmask(SIG_SETMASK, &before, NULL);
	return code;
}
