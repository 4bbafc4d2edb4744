/*
 * Runs Zimbra's own installers, in the jail, as root: `install.sh -s ANSWERS`, then `zmsetup.pl -c ANSWERS`.
 *
 * Neither's exit status counts: zmsetup.pl ends with 0 when half of its steps failed, a cut pipe makes 141 of a good
 * install.sh. What counts is /opt/zimbra/.install_history, which both append to (installer.c).
 *
 * What an interruption leaves is never continued: half unpacked packages, or a directory server and databases with
 * half of their contents. zmsetup.pl would skip what it finds begun (a database folder counts as a database, and with
 * an LDAP database there the default domain is never set; getSystemStatus, configCreateDomain), so it would end
 * elsewhere than an undisturbed run. Therefore dpkg is put in order and install.sh told REMOVE="yes": it purges the
 * packages, empties /opt/zimbra and begins anew. Only ever for an installation that this volume's journal says we began
 * and never finished: nobody's mail can be in it. Between the two installers nothing is half done, and install.sh is
 * not repeated.
 */
#include "../boot/boot.h"
#include "../boot/jail.h"
#include "../boot/packages.h"
#include "../boot/path.h"
#include "../log.h"
#include "../run.h"
#include "internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { INSTALL_TIMEOUT_S = 45 * 60, SETUP_TIMEOUT_S = 45 * 60, TRIES = 3, PAUSE_S = 20 };

#define HISTORY "opt/zimbra/.install_history"
/*
 * dpkg after a kill. A package in state "reinst-required" blocks apt until it is reinstalled, but install.sh's own
 * packages are in no archive: those are forced out. The rest apt repairs.
 */
static const char repair[] = "dpkg --configure -a --force-confold\n"
			     "for p in $(dpkg-query -W -f='${db:Status-Eflag} ${Package}\\n' 2>/dev/null |"
			     " sed -n 's/^reinstreq \\(zimbra-[a-z0-9.+-]*\\)$/\\1/p'); do\n"
			     "  dpkg --purge --force-remove-reinstreq --force-depends \"$p\"\n"
			     "done\n"
			     "apt-get -y -f -o Dpkg::Options::=--force-confold install\n";

int zi_jail_sh(const char *tag, int timeout_s, const char *script)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	const struct run r = {
		.argv = argv, .env = zimbra_env, .tag = tag, .timeout_s = timeout_s, .before_exec = jail_enter_hook};
	int status, err = run_program(&r, &status);

	return err < 0 ? err : status;
}

int zi_jail_root(struct stage_ctx *ctx)
{
	int fd = jail_open_root();

	return fd >= 0 ? fd : fcntl(ctx->data, F_DUPFD_CLOEXEC, 3);
}

void zi_history_read(int data, struct zi_history *out)
{
	_cleanup_free_ char *text = malloc(ZI_HISTORY_MAX + 1);
	ssize_t n = text ? path_read(data, HISTORY, text, ZI_HISTORY_MAX) : -ENOMEM;

	*out = (struct zi_history){0};
	if (n > 0)
		zi_history_parse(text, (size_t)n, out);
}

int zi_history_void(int data)
{
	static const char line[] = "0: INSTALL SESSION START\n";
	_cleanup_free_ char *text = malloc(ZI_HISTORY_MAX + sizeof(line));
	ssize_t n = text ? path_read(data, HISTORY, text, ZI_HISTORY_MAX) : -ENOMEM;

	if (n == -ENOENT || n == -ENOTDIR)
		return 0;
	if (n < 0)
		return (int)n;
	memcpy(text + n, line, sizeof(line) - 1);
	return path_write(data, HISTORY, text, (size_t)n + sizeof(line) - 1, 0644);
}

bool zimbra_installed(int data)
{
	struct zi_history h;

	zi_history_read(data, &h);
	return h.state == ZI_CONFIGURED;
}

struct listener {
	struct stage_ctx *ctx;
	const char *secret;
	struct zi_recent recent;
	int percent;
};

static void tell(struct listener *l, const struct zi_doing *d)
{
	if (!d->text[0])
		return;
	if (d->percent > l->percent)
		l->percent = d->percent; /* steps are repeated (three users): never backwards */
	stage_doing(l->ctx, l->percent, "%s", d->text);
}

/* "Starting servers..." for minutes, and only then "done." */
static void hear_beginning(void *arg, const char *text)
{
	struct zi_doing d;

	zi_installer_line(text, &d);
	tell(arg, &d);
}

static void hear(void *arg, const char *line)
{
	struct listener *l = arg;
	struct zi_doing d;
	char text[LOG_LINE_MAX + 1];

	line += strspn(line, " \t");
	if (!*line)
		return;
	zi_recent_add(&l->recent, line);
	zi_installer_line(line, &d);
	tell(l, &d);
	if (d.text[0] || d.trouble) {
		(void)snprintf(text, sizeof(text), "%s", line);
		zi_blank_secret(text, l->secret);
		if (d.trouble)
			log_warn(l->ctx->name, "%s", text);
		else
			log_info(l->ctx->name, "%s", text);
	}
}

struct job {
	struct stage_ctx *ctx;
	struct zi_answers answers;
	struct listener listener;
	char folder[ZI_TOP + 64]; /* of install.sh, in the jail */
};

static int write_answers(struct job *j, struct failure *f)
{
	char text[ZI_ANSWERS_MAX];
	const char *bad;
	ssize_t n = zi_answers_render(&j->answers, text, sizeof(text), &bad);
	int r;

	if (n < 0)
		return failure_set(f, FAILURE_FATAL, "correct the variable that the value comes from",
				   bad ? "the answer %s would hold a character that the installer acts on"
				       : "the answers for the installer are too long (%s)",
				   bad ? bad : strerror((int)-n));
	r = path_write(j->ctx->data, ZI_ANSWERS, text, (size_t)n, 0600);
	explicit_bzero(text, sizeof(text));
	if (r < 0)
		return failure_set(f, FAILURE_RETRY, "look at /data/opt: is the volume full?",
				   "cannot write /data/" ZI_ANSWERS ": %s", strerror(-r));
	return 0;
}

static void run_installer(struct job *j, const char *const argv[], const char *cwd, int timeout_s)
{
	const struct run r = {.argv = argv,
			      .env = zimbra_env,
			      .tag = j->ctx->name,
			      .timeout_s = timeout_s,
			      .line = hear,
			      .partial = hear_beginning,
			      .arg = &j->listener,
			      .before_exec = jail_enter_hook,
			      .cwd = cwd};
	int status, err = run_program(&r, &status);

	if (err == -ETIMEDOUT)
		log_error(j->ctx->name, "%s was ended: it took longer than %d minutes", argv[0], timeout_s / 60);
	else if (err < 0)
		log_error(j->ctx->name, "cannot run %s in the jail: %s", argv[0], strerror(-err));
	else if (status != 0)
		log_info(j->ctx->name, "%s ended with status %d%s", argv[0], status,
			 status == 141 ? " (SIGPIPE: a pipe of its own was closed early)" : "");
}

static int packages(struct job *j, struct zi_history *h, struct failure *f)
{
	char script[ZI_TOP + 80];
	const char *const argv[] = {script, "-s", "/" ZI_ANSWERS, NULL};
	_cleanup_close_ int setup = -1;

	if (packages_policy(j->ctx, true, f) < 0)
		return -1;
	stage_doing(j->ctx, -1, "putting the package database in order");
	(void)zi_jail_sh(j->ctx->name, 900, repair);
	if (j->answers.remove)
		log_warn(j->ctx->name, "an installation was interrupted: starting it over");
	stage_doing(j->ctx, -1, "running install.sh");
	(void)snprintf(script, sizeof(script), "%s/install.sh", j->folder);
	run_installer(j, argv, j->folder, INSTALL_TIMEOUT_S);
	if (packages_policy(j->ctx, false, f) < 0)
		return -1;

	zi_history_read(j->ctx->data, h);
	setup = path_open_read(j->ctx->data, "opt/zimbra/libexec/zmsetup.pl");
	if (h->state == ZI_PACKAGES && setup >= 0)
		return 0;
	return failure_set(f, FAILURE_RETRY,
			   "most often the package mirror or Zimbra's repository did not answer; it is tried again",
			   "install.sh did not install Zimbra's packages");
}

static int configure(struct job *j, struct zi_history *h, struct failure *f)
{
	static const char *const argv[] = {"/opt/zimbra/libexec/zmsetup.pl", "-c", "/" ZI_ANSWERS, NULL};

	stage_doing(j->ctx, 0, "running zmsetup.pl");
	run_installer(j, argv, "/opt/zimbra", SETUP_TIMEOUT_S);
	zi_history_read(j->ctx->data, h);
	if (h->state == ZI_CONFIGURED)
		return 0;
	return failure_set(f, FAILURE_RETRY, "the lines above say why; it is tried again from the start",
			   "zmsetup.pl did not come to its end");
}

static int attempt(struct job *j, struct failure *f)
{
	struct zi_history h;
	int r;

	zi_history_read(j->ctx->data, &h);
	if (h.state == ZI_CONFIGURED)
		return 0;
	j->answers.remove = h.state == ZI_STARTED || h.state == ZI_CONFIGURING;
	j->listener.recent.n = 0;
	j->listener.percent = -1;
	if (write_answers(j, f) < 0)
		return -1;
	r = h.state == ZI_PACKAGES ? 0 : packages(j, &h, f);
	if (r == 0)
		r = configure(j, &h, f);
	(void)path_unlink(j->ctx->data, ZI_ANSWERS);
	return r;
}

int zi_install(struct stage_ctx *ctx, const char *top, const struct zi_answers *answers, struct failure *f)
{
	struct job j = {.ctx = ctx, .answers = *answers, .listener = {.ctx = ctx, .secret = answers->admin_password}};

	(void)snprintf(j.folder, sizeof(j.folder), "/" ZI_RELEASE "/%s", top);
	for (int try = 1;; try++) {
		if (attempt(&j, f) == 0)
			return 0;
		if (f->kind == FAILURE_FATAL)
			return -1;
		zi_report(ctx, &j.listener.recent, answers->admin_password, f);
		if (try == TRIES)
			return -1;
		log_warn(ctx->name, "try %d of %d: %.*s", try, TRIES, (int)strcspn(f->text, "\n"), f->text);
		stage_doing(ctx, -1, "try %d of %d failed, waiting %d s", try, TRIES, PAUSE_S * try);
		(void)sleep(PAUSE_S * (unsigned)try);
	}
}
