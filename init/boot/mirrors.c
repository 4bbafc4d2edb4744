#include "mirrors.h"
#include "../run.h"

#include <stdio.h>
#include <string.h>

struct target_reader {
	const struct os_suite *suite;
	struct os_mirrors found;
};

static void take_target(void *arg, const char *line)
{
	struct target_reader *r = arg;

	sources_parse_target(line, r->suite, &r->found);
}

/*
 * Only the image's sources are asked, never its package lists: an image has none, and where there are some apt would
 * read them for a second at every start. So the suite must have its code name there ("bookworm", not "stable").
 */
static void ask_apt(const struct os_suite *suite, struct os_mirrors *out)
{
	static const char *const argv[] = {"/usr/bin/apt-get",
					   "indextargets",
					   "--no-release-info",
					   "-o",
					   "Dir::State::Lists=/nonexistent",
					   "-o",
					   "Dir::State::status=/dev/null",
					   "--format",
					   "$(RELEASE) $(REPO_URI)",
					   NULL};
	struct target_reader reader = {.suite = suite};
	struct run r = {.argv = argv, .tag = "volume", .timeout_s = 60, .line = take_target, .arg = &reader};
	int status;

	if (run_program(&r, &status) == 0 && status == 0)
		*out = reader.found;
}

static void take(char *into, const char *url)
{
	size_t len = strlen(url);

	while (len > 0 && url[len - 1] == '/')
		len--;
	if (*into == '\0' && len < SOURCES_URL)
		(void)snprintf(into, SOURCES_URL, "%.*s", (int)len, url);
}

int mirrors_find(const struct config *cfg, const struct os_suite *suite, struct os_mirrors *out, struct failure *f)
{
	struct os_mirrors known = {0};

	memset(out, 0, sizeof(*out));
	take(out->main, config_str(cfg, CFG_ZIMBRA_OS_MIRROR));
	take(out->security, config_str(cfg, CFG_ZIMBRA_OS_SECURITY_MIRROR));
	/* Every Ubuntu mirror carries the security suite too: who has to use a mirror can hardly reach the other host.
	 */
	if (suite->family == OS_UBUNTU && out->main[0])
		take(out->security, out->main);
	if (suite->mirror) {
		take(out->main, suite->mirror);
		take(out->security, suite->security_mirror);
	} else if (!out->main[0] || !out->security[0]) {
		ask_apt(suite, &known);
		take(out->main, known.main);
		take(out->security, known.security);
	}
	if (!out->main[0])
		return failure_set(
			f, FAILURE_FATAL,
			"ZIMBRA_OS_MIRROR=http://MIRROR/debian and ZIMBRA_OS_SECURITY_MIRROR="
			"http://MIRROR/debian-security, or an image whose apt has this suite",
			"no mirror is known for ZIMBRA_OS_SUITE=%s: the image's own apt has no http(s) source of "
			"that suite",
			suite->name);
	if (!out->security[0])
		return failure_set(
			f, FAILURE_FATAL, "ZIMBRA_OS_SECURITY_MIRROR=http://MIRROR/debian-security",
			"no mirror is known for the security updates of %s: the image's own apt has no http(s) "
			"source of %s-security",
			suite->name, suite->name);
	return 0;
}

const char *const *mirrors_env(void)
{
	static const char *const proxy[] = {"http_proxy", "https_proxy", "no_proxy"};
	static char text[ARRAY_SIZE(proxy)][512];
	static const char *env[32];
	size_t n = 0;

	for (; n < ARRAY_SIZE(env) - ARRAY_SIZE(proxy) - 1 && run_default_env[n]; n++)
		env[n] = run_default_env[n];
	for (size_t i = 0; i < ARRAY_SIZE(proxy); i++) {
		const char *value = getenv(proxy[i]);
		if (value && (size_t)snprintf(text[i], sizeof(text[i]), "%s=%s", proxy[i], value) < sizeof(text[i]))
			env[n++] = text[i];
	}
	env[n] = NULL;
	return env;
}
