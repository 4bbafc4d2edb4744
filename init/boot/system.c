/*
 * Stage "system": what the settings say about an installed system. Files are written through path.h, programs run in
 * the jail. Every part is written when its own settings change and at no other time (settings.h): somebody who turned
 * the upgrades off in 20auto-upgrades finds them off after every restart.
 */
#include "../log.h"
#include "../run.h"
#include "aptlog.h"
#include "jail.h"
#include "keyring.h"
#include "mirrors.h"
#include "packages.h"
#include "path.h"
#include "settings.h"
#include "volume.h"

#include <stdio.h>
#include <string.h>

/* Zimbra's own scripts set it, whatever the administrator speaks. */
#define LOCALE_ZIMBRA "en_US.UTF-8"

enum { LOCALE_GEN_MAX = 256 * 1024 };

static int cannot_write(struct failure *f, const char *path, int err)
{
	return failure_set(f, FAILURE_RETRY,
			   err == -ENOSPC ? "free space on the volume's disk, or give it a larger one"
					  : "look at what is at that path on the volume, and at the volume's health",
			   "cannot write " DATA_DIR "/%s: %s", path, strerror(-err));
}

static int write_text(struct stage_ctx *ctx, const char *path, const char *text, struct failure *f)
{
	int err = path_write(ctx->data, path, text, strlen(text), 0644);

	return err < 0 ? cannot_write(f, path, err) : 0;
}

static int run_in_jail(struct stage_ctx *ctx, const char *const argv[], struct failure *f)
{
	struct run r = {.argv = argv, .tag = ctx->name, .timeout_s = 600, .before_exec = jail_enter_hook};
	int status = 0, err = run_program(&r, &status);

	if (err == 0 && status == 0)
		return 0;
	return failure_set(f, FAILURE_RETRY, "look at the lines above (zctl log)", "%s in the jail failed: %s %d",
			   argv[0], err < 0 ? strerror(-err) : "exit code", err < 0 ? err : status);
}

/*
 * "sources": the text and, for a keyring of the administrator's, what is in it. An installed system goes on with the
 * sources that it has when the image no longer knows its suite.
 */
static int wanted_sources(struct stage_ctx *ctx, const struct os_suite *suite, const struct journal *j, char *buf,
			  size_t size, struct failure *f)
{
	struct os_mirrors mirrors;

	*buf = '\0';
	if (mirrors_find(ctx->cfg, suite, &mirrors, f) == 0) {
		if (sources_render(suite, &mirrors, keyring_inside(ctx->cfg, suite), buf, size) >= 0)
			return 0;
		return failure_set(f, FAILURE_FATAL, "http://HOST/PATH, without blanks and brackets",
				   "ZIMBRA_OS_MIRROR=%s or ZIMBRA_OS_SECURITY_MIRROR=%s is not a URL", mirrors.main,
				   mirrors.security);
	}
	if (!settings_has(j, "sources"))
		return -1;
	log_warn(ctx->name, "%s; the volume keeps its apt sources", f->text);
	return 0;
}

static int put_sources(struct stage_ctx *ctx, const struct os_suite *suite, const char *text, struct failure *f)
{
	__attribute__((cleanup(keyring_drop))) struct os_keyring keys = {0};
	struct os_mirrors none = {0};
	int err;

	if (config_str(ctx->cfg, CFG_ZIMBRA_OS_KEYRING)[0]) {
		if (keyring_prepare(ctx->cfg, suite, &none, &keys, f) < 0)
			return -1;
		err = keyring_copy(ctx->cfg, &keys, ctx->data);
		if (err < 0)
			return cannot_write(f, KEYRING_COPY, err);
	}
	return write_text(ctx, "etc/apt/sources.list", text, f);
}

static int put_origins(struct stage_ctx *ctx, const struct os_suite *suite, struct failure *f)
{
	char text[4096];

	(void)sources_render_origins(suite, text, sizeof(text));
	return write_text(ctx, "etc/apt/apt.conf.d/50unattended-upgrades", text, f);
}

static int put_upgrades(struct stage_ctx *ctx, struct failure *f)
{
	char text[512];

	(void)sources_render_auto(config_on(ctx->cfg, CFG_ZIMBRA_UNATTENDED_UPGRADES), text, sizeof(text));
	return write_text(ctx, "etc/apt/apt.conf.d/20auto-upgrades", text, f);
}

/* The line of /usr/share/i18n/SUPPORTED for a locale, e.g. "de_DE.UTF-8 UTF-8"; false: there is none. */
static bool supported_line(const char *supported, const char *locale, char *line, size_t size)
{
	size_t len = strlen(locale);

	for (const char *at = supported; at; at = strchr(at, '\n')) {
		if (*at == '\n')
			at++;
		if (strncmp(at, locale, len) == 0 && at[len] == ' ')
			return (size_t)snprintf(line, size, "%.*s", (int)strcspn(at, "\n"), at) < size;
	}
	return false;
}

static int put_locale(struct stage_ctx *ctx, struct failure *f)
{
	static const char *const generate[] = {"/usr/sbin/locale-gen", NULL};
	_cleanup_free_ char *supported = malloc(LOCALE_GEN_MAX + 1), *text = malloc(LOCALE_GEN_MAX + 1),
			    *more = malloc(LOCALE_GEN_MAX + 1);
	const char *locale = config_str(ctx->cfg, CFG_ZIMBRA_LOCALE);
	const char *const want[] = {LOCALE_ZIMBRA, locale};
	char line[128];

	if (!supported || !text || !more)
		return failure_set(f, FAILURE_RETRY, "give the container more memory", "out of memory");
	if (path_read(ctx->data, "usr/share/i18n/SUPPORTED", supported, LOCALE_GEN_MAX) < 0)
		supported[0] = '\0';
	if (path_read(ctx->data, "etc/locale.gen", text, LOCALE_GEN_MAX) < 0)
		text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		char *swap;
		/* Built into the C library. */
		if (strcmp(want[i], "C") == 0 || strcmp(want[i], "POSIX") == 0 || strcmp(want[i], "C.UTF-8") == 0)
			continue;
		if (!supported_line(supported, want[i], line, sizeof(line)))
			return failure_set(f, FAILURE_FATAL,
					   "one of " DATA_DIR "/usr/share/i18n/SUPPORTED, such as de_DE.UTF-8",
					   "ZIMBRA_LOCALE=%s is not a locale of the system on the volume", want[i]);
		if (sources_add_locale(text, line, more, LOCALE_GEN_MAX) < 0)
			return cannot_write(f, "etc/locale.gen", -EFBIG);
		swap = text;
		text = more;
		more = swap;
	}
	stage_doing(ctx, -1, "making the locale %s", locale);
	if (write_text(ctx, "etc/locale.gen", text, f) < 0 || run_in_jail(ctx, generate, f) < 0)
		return -1;
	(void)snprintf(line, sizeof(line), "LANG=%s\n", locale);
	return write_text(ctx, "etc/default/locale", line, f);
}

static int put_zone(struct stage_ctx *ctx, struct failure *f)
{
	const char *zone = config_str(ctx->cfg, CFG_ZIMBRA_TIMEZONE);
	char path[256], line[128];
	const char *const link[] = {"/bin/ln", "-sfn", path, "/etc/localtime", NULL};
	_cleanup_close_ int fd = -1;

	(void)snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone);
	(void)snprintf(line, sizeof(line), "%s\n", zone);
	fd = path_open_read(ctx->data, path + 1);
	if (fd < 0)
		return failure_set(f, FAILURE_FATAL, "one of " DATA_DIR "/usr/share/zoneinfo, such as Europe/Berlin",
				   "ZIMBRA_TIMEZONE=%s is not a time zone of the system on the volume", zone);
	if (run_in_jail(ctx, link, f) < 0)
		return -1;
	return write_text(ctx, "etc/timezone", line, f);
}

struct wanted {
	const struct os_suite *suite;
	struct journal journal;
	/* Part by part, as settings.h compares them; sources "": leave them. */
	char sources[2048];
	const char *upgrades, *locale, *zone;
};

static int find_wanted(struct stage_ctx *ctx, struct wanted *w, struct failure *f)
{
	const char *name;

	if (journal_load(ctx->data, &w->journal, f) < 0)
		return -1;
	name = journal_get(&w->journal, "suite");
	w->suite = os_suite_find(name ? name : "");
	if (!w->suite)
		return failure_set(f, FAILURE_HOLD, "start the image version that was used last on it",
				   "the system on the volume is \"%s\", which this version does not know",
				   name ? name : "");
	w->upgrades = config_on(ctx->cfg, CFG_ZIMBRA_UNATTENDED_UPGRADES) ? "on" : "off";
	w->locale = config_str(ctx->cfg, CFG_ZIMBRA_LOCALE);
	w->zone = config_str(ctx->cfg, CFG_ZIMBRA_TIMEZONE);
	return wanted_sources(ctx, w->suite, &w->journal, w->sources, sizeof(w->sources), f);
}

int system_check(struct stage_ctx *ctx, struct failure *f)
{
	struct wanted w;
	const struct journal *j = &w.journal;

	if (find_wanted(ctx, &w, f) < 0)
		return -1;
	return settings_same(j, "packages", w.suite->packages) && settings_same(j, "upgrades", w.upgrades) &&
			       settings_has(j, "origins") && settings_same(j, "locale", w.locale) &&
			       settings_same(j, "zone", w.zone) &&
			       (!w.sources[0] || settings_same(j, "sources", w.sources)) && !packages_policy_stale(ctx)
		       ? STAGE_TRUE
		       : STAGE_TODO;
}

/* Runs one part if it is due and notes it; the journal is stored at once, because the next part may fail. */
static int note(struct stage_ctx *ctx, struct wanted *w, const char *part, const char *text, struct failure *f)
{
	if (settings_note(&w->journal, part, text) < 0)
		return failure_set(f, FAILURE_HOLD, "restore " DATA_DIR "/" STATE_DIR " from a backup",
				   "the journal is full");
	return journal_store(ctx->data, &w->journal, f);
}

int system_configure(struct stage_ctx *ctx, struct failure *f)
{
	struct wanted w;
	struct journal *j = &w.journal;

	if (find_wanted(ctx, &w, f) < 0)
		return -1;
	if (packages_policy(ctx, false, f) < 0)
		return -1;
	if (w.sources[0] && !settings_same(j, "sources", w.sources) &&
	    (put_sources(ctx, w.suite, w.sources, f) < 0 || note(ctx, &w, "sources", w.sources, f) < 0))
		return -1;
	/* Before the settings below: an older volume may lack what they need. */
	if (!settings_same(j, "packages", w.suite->packages) &&
	    (packages_install_missing(ctx, w.suite, f) < 0 || note(ctx, &w, "packages", w.suite->packages, f) < 0))
		return -1;
	if (!settings_has(j, "origins") && (put_origins(ctx, w.suite, f) < 0 || note(ctx, &w, "origins", "1", f) < 0))
		return -1;
	if (!settings_same(j, "upgrades", w.upgrades) &&
	    (put_upgrades(ctx, f) < 0 || note(ctx, &w, "upgrades", w.upgrades, f) < 0))
		return -1;
	if (!settings_same(j, "locale", w.locale) &&
	    (put_locale(ctx, f) < 0 || note(ctx, &w, "locale", w.locale, f) < 0))
		return -1;
	if (!settings_same(j, "zone", w.zone) && (put_zone(ctx, f) < 0 || note(ctx, &w, "zone", w.zone, f) < 0))
		return -1;
	return 0;
}
