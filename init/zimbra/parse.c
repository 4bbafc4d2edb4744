/*
 * What Zimbra's files and commands say, read strictly: the zimbra user (root in the jail) can write anything here.
 * Pure functions; fuzz targets in tests/fuzz.
 */
#include "zimbra.h"

#include <string.h>

enum { PID_MIN = 2, PID_MAX = 4194304 }; /* 1 is ourselves; PID_MAX_LIMIT of linux/threads.h */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

int zimbra_pidfile_parse(const char *text, size_t len, pid_t *pid)
{
	size_t i = 0;
	long value = 0;

	while (i < len && is_blank(text[i]))
		i++;
	if (i == len || text[i] < '1' || text[i] > '9')
		return -EINVAL;
	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		value = value * 10 + (text[i] - '0');
		if (value > PID_MAX)
			return -EINVAL;
	}
	if (i < len && text[i] != '\n' && !is_blank(text[i]))
		return -EINVAL;
	if (value < PID_MIN)
		return -EINVAL;
	*pid = (pid_t)value;
	return 0;
}

static bool starts(const char *s, size_t len, const char *prefix, size_t *past)
{
	size_t n = strlen(prefix);

	if (len < n || memcmp(s, prefix, n) != 0)
		return false;
	*past = n;
	return true;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/*
 * [A-Za-z][A-Za-z0-9_-]*, then " webapp" for the four parts of mailboxd that zmcontrol treats as services.
 * Returns the bytes taken, 0 if there is no name or none that fits.
 */
static size_t service_name(const char *s, size_t len, char out[static ZIMBRA_SERVICE_NAME])
{
	static const char webapp[] = " webapp";
	size_t n = 0;

	if (len == 0 || !is_letter(s[0]))
		return 0;
	while (n < len && (is_letter(s[n]) || (s[n] >= '0' && s[n] <= '9') || s[n] == '-' || s[n] == '_'))
		n++;
	if (len - n >= sizeof(webapp) - 1 && memcmp(s + n, webapp, sizeof(webapp) - 1) == 0)
		n += sizeof(webapp) - 1;
	if (n >= ZIMBRA_SERVICE_NAME)
		return 0;
	memcpy(out, s, n);
	out[n] = '\0';
	return n;
}

/* sprintf "\t%-20s %10s\n" (zm-core-utils src/bin/zmcontrol, doStatus). */
static bool status_line(const char *line, size_t len, char name[static ZIMBRA_SERVICE_NAME], bool *running)
{
	size_t n, at = 1, past;

	if (len < 2 || line[0] != '\t')
		return false;
	n = service_name(line + at, len - at, name);
	if (n == 0)
		return false;
	at += n;
	if (at == len || !is_blank(line[at]))
		return false;
	while (at < len && is_blank(line[at]))
		at++;
	if (starts(line + at, len - at, "Running", &past))
		*running = true;
	else if (starts(line + at, len - at, "Stopped", &past))
		*running = false;
	else
		return false;
	return at + past == len;
}

static int status_add(struct zmcontrol_status *out, const char *name, bool running)
{
	for (size_t i = 0; i < out->n; i++) {
		if (strcmp(out->service[i].name, name) == 0) {
			out->service[i].running = running;
			return 0;
		}
	}
	if (out->n == ZIMBRA_SERVICES_MAX)
		return -E2BIG;
	memcpy(out->service[out->n].name, name, ZIMBRA_SERVICE_NAME);
	out->service[out->n++].running = running;
	return 0;
}

int zmcontrol_parse_status(const char *text, size_t len, struct zmcontrol_status *out)
{
	char name[ZIMBRA_SERVICE_NAME] = "";
	bool running = false, understood = false;
	size_t past;
	int r = 0;

	*out = (struct zmcontrol_status){0};
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		if (status_line(text, n, name, &running)) {
			if (status_add(out, name, running) < 0)
				r = -E2BIG;
			understood = true;
		} else if (starts(text, n, "Enabled services read from cache.", &past)) {
			out->from_cache = understood = true;
		} else if (starts(text, n, "Timeout after ", &past)) {
			out->timed_out = understood = true;
		} else if (starts(text, n, "Cannot determine services", &past) ||
			   starts(text, n, "Unable to determine enabled services. Cache is", &past)) {
			out->no_services = understood = true;
		}
		n += end != NULL;
		text += n;
		len -= n;
	}
	return r < 0 ? r : understood ? 0 : -ENODATA;
}

/* "\tStarting mailbox...", with "Done.", "Failed." or "skipped." behind it once it is over. */
bool zmcontrol_parse_progress(const char *line, char service[static ZIMBRA_SERVICE_NAME], bool *starting)
{
	size_t len = strlen(line), past, n;

	service[0] = '\0';
	if (starts(line, len, "\tStarting ", &past))
		*starting = true;
	else if (starts(line, len, "\tStopping ", &past))
		*starting = false;
	else
		return false;
	n = service_name(line + past, len - past, service);
	if (n == 0 || strncmp(line + past + n, "...", 3) != 0) {
		service[0] = '\0';
		return false;
	}
	return true;
}
