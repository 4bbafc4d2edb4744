/* Reads the settings: environment, NAME_FILE, zimbra.conf, defaults; refuses what it does not know. */
#include "config.h"
#include "config_policy.h"
#include "config_table.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const prefixes[] = {"ZIMBRA_", "FIREWALL_", "KNOCK_", "TLS_", "NOTIFY_"};

static bool has_our_prefix(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/*
 * Kubernetes gives every container the addresses of the services in its namespace (Services, "Environment
 * variables"): a service called zimbra makes ZIMBRA_SERVICE_HOST, ZIMBRA_SERVICE_PORT_SMTP=25,
 * ZIMBRA_PORT=tcp://10.0.0.1:25, ZIMBRA_PORT_25_TCP_ADDR=10.0.0.1, ...
 */
bool config_is_service_link(const char *name, const char *value)
{
	static const char *const always[] = {"*_SERVICE_HOST",	    "*_SERVICE_PORT",	  "*_SERVICE_PORT_*",
					     "*_PORT_[0-9]*_TCP",   "*_PORT_[0-9]*_UDP",  "*_PORT_[0-9]*_SCTP",
					     "*_PORT_[0-9]*_PROTO", "*_PORT_[0-9]*_PORT", "*_PORT_[0-9]*_ADDR"};

	for (size_t i = 0; i < ARRAY_SIZE(always); i++)
		if (fnmatch(always[i], name, 0) == 0)
			return true;
	return fnmatch("*_PORT", name, 0) == 0 &&
	       (strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0 ||
		strncmp(value, "sctp://", 7) == 0);
}

static int fail(struct config_error *err, const char *fmt, ...) PRINTF(2, 3);
static int fail(struct config_error *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int find(const char *name)
{
	for (int i = 0; i < CFG_COUNT; i++) {
		const struct setting *s = &config_settings[i];
		if (strcmp(name, s->name) == 0 || (s->alias && strcmp(name, s->alias) == 0))
			return i;
	}
	return -1;
}

static int refuse_unknown(const char *name, const char *where, struct config_error *err)
{
	const char *closest = config_closest(name);

	return fail(err, "%s: %.80s is not a setting of this program%s%s%s; `zctl help` and the README list them all",
		    where, name, closest ? " (did you mean " : "", closest ? closest : "", closest ? "?)" : "");
}

static int set(struct config *c, enum config_id id, const char *value, enum config_source source, const char *where,
	       struct config_error *err)
{
	const struct setting *s = &config_settings[id];
	char text[CONFIG_VALUE_MAX];
	long number;

	/* Empty means "as if it was not set", except for a list whose default is not empty: FIREWALL_ALLOW_..="" */
	if (value[0] == '\0' && s->type != TYPE_PORTS)
		return 0;
	if (config_check(s, value, text, &number) < 0) {
		char bounds[64] = "";
		if (s->type == TYPE_NUMBER)
			(void)snprintf(bounds, sizeof(bounds), " from %ld to %ld", s->min, s->max);
		return fail(err, "%s: %s=%.100s is not understood; expected: %s%s", where, s->name,
			    config_secret(id) ? "(not shown)" : value, config_expected(id), bounds);
	}
	char *copy = strdup(text);
	if (!copy)
		return fail(err, "%s: out of memory", s->name);
	free(c->value[id]);
	c->value[id] = copy;
	c->number[id] = number;
	c->source[id] = source;
	return 0;
}

/* Kubernetes makes names of up to 92 characters: a service's 63, "_SERVICE_PORT_", a port's 15. */
enum { ENV_NAME_MAX = 128 };

/* One NAME=value of the environment. given[] remembers which settings were given, to refuse NAME with NAME_FILE. */
static int take_env(struct config *c, const char *entry, config_read_file *read_file, bool given[static CFG_COUNT],
		    struct config_error *err)
{
	const char *equals = strchr(entry, '=');
	char name[ENV_NAME_MAX], text[CONFIG_VALUE_MAX];
	const char *value;

	if (!equals || equals == entry)
		return 0;
	value = equals + 1;
	size_t len = (size_t)(equals - entry);
	if (len >= sizeof(name)) {
		if (!has_our_prefix(entry))
			return 0;
		return fail(err, "environment: %.60s... is not a setting of this program (too long)", entry);
	}
	memcpy(name, entry, len);
	name[len] = '\0';

	int id = find(name);
	bool from_file = false;
	if (id < 0 && len > 5 && strcmp(name + len - 5, "_FILE") == 0) {
		name[len - 5] = '\0';
		id = find(name);
		from_file = id >= 0;
		if (!from_file)
			name[len - 5] = '_';
	}
	if (id < 0) {
		if (!has_our_prefix(name) || config_is_service_link(name, value))
			return 0;
		return refuse_unknown(name, "environment", err);
	}
	/* The alias (TZ) is a fallback: it never beats the setting's own name. */
	bool by_alias = strcmp(name, config_settings[id].name) != 0;
	if (by_alias) {
		long number;
		if (from_file || given[id] || config_check(&config_settings[id], value, text, &number) < 0)
			return 0; /* not our name, so not ours to refuse: TZ may hold ":/etc/localtime" or POSIX rules
				   */
	}
	/* Empty is as if it was not set, but for a list of ports: closing all of them is a wish. */
	if (value[0] == '\0' && (from_file || config_settings[id].type != TYPE_PORTS))
		return 0;
	if (given[id])
		return fail(err, "environment: %s is set twice (%s and %s_FILE?); leave one of them out", name, name,
			    name);
	if (from_file) {
		ssize_t n = read_file(value, text, sizeof(text) - 1);
		if (n < 0)
			return fail(err, "environment: %s_FILE=%.200s cannot be read: %s; is the secret mounted?", name,
				    value, strerror((int)-n));
		while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
			n--;
		text[n] = '\0';
		if (strlen(text) != (size_t)n)
			return fail(err, "environment: %s_FILE=%.200s holds a zero byte; expected one line of text",
				    name, value);
		value = text;
	}
	given[id] = !by_alias && (value[0] || config_settings[id].type == TYPE_PORTS);
	return set(c, (enum config_id)id, value, from_file ? CONFIG_ENV_FILE : CONFIG_ENV, "environment", err);
}

/* One line of zimbra.conf: KEY=value, blank, or a comment. Quotes around the value are taken off as a shell would. */
static int take_line(struct config *c, char *line, unsigned number, const bool given[static CFG_COUNT],
		     struct config_error *err)
{
	char where[32];
	char *end = line + strlen(line);

	(void)snprintf(where, sizeof(where), "zimbra.conf line %u", number);
	while (end > line && strchr(" \t\r", end[-1]))
		*--end = '\0';
	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return 0;
	char *equals = strchr(line, '=');
	if (!equals) /* "ZIMBRA_ADMIN_PASSWORD: secret" would be in the log for ever */
		return fail(err, "%s: is not NAME=value (not shown, it may hold a secret)", where);
	*equals = '\0';
	char *value = equals + 1;
	size_t len = strlen(value);
	if (len >= 2 && (value[0] == '"' || value[0] == '\'') && value[len - 1] == value[0]) {
		value[len - 1] = '\0';
		value++;
	}
	int id = find(line);
	if (id < 0)
		return refuse_unknown(line, where, err);
	bool by_alias = strcmp(line, config_settings[id].name) != 0;
	if (given[id] || (by_alias && c->source[id] != CONFIG_DEFAULT))
		return 0;
	return set(c, (enum config_id)id, value, CONFIG_VOLUME, where, err);
}

static int take_file(struct config *c, const char *file, size_t len, const bool given[static CFG_COUNT],
		     struct config_error *err)
{
	if (len > CONFIG_FILE_MAX)
		return fail(err, "zimbra.conf: larger than %d bytes", CONFIG_FILE_MAX);
	if (memchr(file, '\0', len))
		return fail(err, "zimbra.conf: holds a zero byte; expected lines NAME=value");
	_cleanup_free_ char *copy = strndup(file, len);
	if (!copy)
		return fail(err, "zimbra.conf: out of memory");
	unsigned number = 0;
	for (char *line = copy, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (take_line(c, line, ++number, given, err) < 0)
			return -EINVAL;
	}
	return 0;
}

static int fill(struct config *out, const char *const *env, const char *file, size_t file_len,
		config_read_file *read_file, struct config_error *err)
{
	bool given[CFG_COUNT] = {false};

	for (int id = 0; id < CFG_COUNT; id++) {
		char text[CONFIG_VALUE_MAX];
		if (config_check(&config_settings[id], config_settings[id].fallback, text, &out->number[id]) < 0)
			return fail(err, "%s: its default is not valid", config_settings[id].name);
		out->value[id] = strdup(text);
		if (!out->value[id])
			return fail(err, "out of memory");
	}
	for (; *env; env++)
		if (take_env(out, *env, read_file, given, err) < 0)
			return -EINVAL;
	if (file && take_file(out, file, file_len, given, err) < 0)
		return -EINVAL;

	config_policy(out);
	return 0;
}

int config_load(const char *const *env, const char *file, size_t file_len, config_read_file *read_file,
		struct config *out, struct config_error *err)
{
	memset(out, 0, sizeof(*out));
	memset(err, 0, sizeof(*err));
	if (fill(out, env, file, file_len, read_file, err) == 0)
		return 0;
	config_free(out);
	return -EINVAL;
}

void config_free(struct config *c)
{
	for (int id = 0; id < CFG_COUNT; id++) {
		if (c->value[id])
			explicit_bzero(c->value[id], strlen(c->value[id]));
		free(c->value[id]);
	}
	memset(c, 0, sizeof(*c));
}
