#include "packages.h"
#include "../log.h"
#include "../run.h"
#include "aptlog.h"
#include "boot.h"
#include "jail.h"
#include "mirrors.h"
#include "path.h"

#include <stdio.h>
#include <string.h>

#define POLICY_PATH "usr/sbin/policy-rc.d"
#define POLICY_TEXT                                                                                                    \
	"#!/bin/sh\n"                                                                                                  \
	"# Written by zimbra-init while packages are installed: no service is started by them.\n"                      \
	"exit 101\n"

enum { PACKAGES_MAX = 96, INSTALL_TIMEOUT = 3600 };

bool packages_policy_stale(const struct stage_ctx *ctx)
{
	char text[sizeof(POLICY_TEXT)];

	/* A longer file (-EFBIG) is not ours. */
	return path_read(ctx->data, POLICY_PATH, text, sizeof(text) - 1) >= 0 && strcmp(text, POLICY_TEXT) == 0;
}

int packages_policy(struct stage_ctx *ctx, bool present, struct failure *f)
{
	int err = 0;

	if (present)
		err = path_write(ctx->data, POLICY_PATH, POLICY_TEXT, strlen(POLICY_TEXT), 0755);
	else if (packages_policy_stale(ctx))
		err = path_unlink(ctx->data, POLICY_PATH);
	if (err < 0)
		return failure_set(
			f, FAILURE_RETRY, "look at what is at that path on the volume, and at the volume's health",
			"cannot %s " DATA_DIR "/" POLICY_PATH ": %s", present ? "write" : "remove", strerror(-err));
	return 0;
}

struct apt_run {
	struct stage_ctx *ctx;
	struct apt_progress progress;
	struct apt_cause cause;
};

static void follow(void *arg, const char *line)
{
	struct apt_run *a = arg;

	apt_cause_note(&a->cause, line);
	if (apt_progress_line(&a->progress, line))
		stage_doing(a->ctx, a->progress.percent, "%s %s", apt_progress_doing(&a->progress),
			    a->progress.package);
	if (line[0])
		log_info(a->ctx->name, "%s", line);
}

static int apt(struct stage_ctx *ctx, const char *const argv[], const char *input, const char *what, struct failure *f)
{
	struct apt_run a = {.ctx = ctx};
	struct run r = {.argv = argv,
			.env = mirrors_env(),
			.tag = ctx->name,
			.input = input,
			.timeout_s = INSTALL_TIMEOUT,
			.line = follow,
			.arg = &a,
			.before_exec = jail_enter_hook};
	int status = 0, err;

	apt_progress_start(&a.progress, false);
	err = run_program(&r, &status);
	if (err == 0 && status == 0)
		return 0;
	if (err < 0 && a.cause.trouble == APT_NO_TROUBLE)
		return failure_set(f, FAILURE_RETRY, "look at the lines above (zctl log)", "%s: %s: %s", what, argv[0],
				   strerror(-err));
	return apt_cause_explain(&a.cause, what, f);
}

/* The suite's list as words; the text is cut in place. */
static size_t split(char *text, const char *words[static PACKAGES_MAX])
{
	size_t n = 0;
	char *save = NULL;

	for (char *w = strtok_r(text, ",", &save); w && n < PACKAGES_MAX; w = strtok_r(NULL, ",", &save))
		words[n++] = w;
	return n;
}

struct missing {
	size_t n;
	const char *name[PACKAGES_MAX];
};

/* "STATUS NAME" of dpkg-query: an installed one leaves the list. */
static void take_installed(void *arg, const char *line)
{
	struct missing *m = arg;

	if (strncmp(line, "ii  ", 4) != 0)
		return;
	for (size_t i = 0; i < m->n; i++)
		if (m->name[i] && strcmp(m->name[i], line + 4) == 0)
			m->name[i] = NULL;
}

static int find_missing(struct stage_ctx *ctx, struct missing *m, struct failure *f)
{
	const char *argv[PACKAGES_MAX + 5] = {"/usr/bin/dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\\n"};
	struct run r = {.argv = argv,
			.tag = ctx->name,
			.timeout_s = 60,
			.line = take_installed,
			.arg = m,
			.before_exec = jail_enter_hook};
	int status = 0, err;
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++)
		argv[4 + i] = m->name[i];
	argv[4 + m->n] = NULL;
	/* 1: some are not there, which is what we ask. */
	err = run_program(&r, &status);
	if (err < 0 || status > 1)
		return failure_set(f, FAILURE_RETRY, "look at the lines above (zctl log)",
				   "cannot ask dpkg-query in the jail: %s %d", err < 0 ? strerror(-err) : "exit code",
				   err < 0 ? err : status);
	for (size_t i = 0; i < m->n; i++)
		if (m->name[i])
			m->name[kept++] = m->name[i];
	m->n = kept;
	return 0;
}

static int install(struct stage_ctx *ctx, const struct missing *m, struct failure *f)
{
	static const char *const settle[] = {"/usr/bin/dpkg", "--configure", "-a", NULL};
	static const char *const preseed[] = {"/usr/bin/debconf-set-selections", NULL};
	static const char *const update[] = {"/usr/bin/apt-get", "-q", "update", "--error-on=any", NULL};
	const char *argv[PACKAGES_MAX + 12] = {"/usr/bin/apt-get",
					       "-q",
					       "-y",
					       "--no-install-recommends",
					       "-o",
					       "Dpkg::Use-Pty=false",
					       "-o",
					       "Dpkg::Options::=--force-confold",
					       "install"};

	for (size_t i = 0; i < m->n; i++)
		argv[9 + i] = m->name[i];
	argv[9 + m->n] = NULL;
	return apt(ctx, settle, NULL, "cannot finish an interrupted installation", f) < 0 ||
			       apt(ctx, preseed, "resolvconf resolvconf/linkify-resolvconf boolean false\n",
				   "cannot answer for resolvconf", f) < 0 ||
			       apt(ctx, update, NULL, "cannot read the package lists", f) < 0 ||
			       apt(ctx, argv, NULL, "cannot install packages", f) < 0
		       ? -1
		       : 0;
}

int packages_install_missing(struct stage_ctx *ctx, const struct os_suite *suite, struct failure *f)
{
	_cleanup_free_ char *text = strdup(suite->packages);
	struct missing m;
	int result;

	if (!text)
		return failure_set(f, FAILURE_RETRY, "give the container more memory", "out of memory");
	m.n = split(text, m.name);
	if (find_missing(ctx, &m, f) < 0)
		return -1;
	if (m.n == 0)
		return 0;
	log_info(ctx->name, "the system lacks %zu packages, the first is %s", m.n, m.name[0]);
	if (packages_policy(ctx, true, f) < 0)
		return -1;
	result = install(ctx, &m, f);
	if (result == 0)
		return packages_policy(ctx, false, f);
	struct failure ignored;
	(void)packages_policy(ctx, false, &ignored);
	return -1;
}
