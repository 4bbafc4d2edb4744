#include "settings.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define KEY "system"

uint64_t settings_hash(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return h;
}

/* Where the word "part=..." begins in value; NULL: nowhere. */
static const char *find(const char *value, const char *part)
{
	size_t len = strlen(part);

	for (const char *w = value; w && *w; w = strchr(w, ' ') ? strchr(w, ' ') + 1 : NULL)
		if (strncmp(w, part, len) == 0 && w[len] == '=')
			return w;
	return NULL;
}

static void word(char *buf, size_t size, const char *part, const char *text)
{
	(void)snprintf(buf, size, "%s=%016" PRIx64, part, settings_hash(text));
}

bool settings_same(const struct journal *j, const char *part, const char *text)
{
	const char *value = journal_get(j, KEY), *have = value ? find(value, part) : NULL;
	char want[64];

	word(want, sizeof(want), part, text);
	return have && strlen(want) == strcspn(have, " ") && strncmp(have, want, strlen(want)) == 0;
}

bool settings_has(const struct journal *j, const char *part)
{
	const char *value = journal_get(j, KEY);

	return value && find(value, part);
}

int settings_note(struct journal *j, const char *part, const char *text)
{
	const char *value = journal_get(j, KEY), *old;
	char want[64], out[JOURNAL_VALUE];
	int n;

	value = value ? value : "";
	old = find(value, part);
	word(want, sizeof(want), part, text);
	if (old) {
		size_t after = strcspn(old, " ");
		n = snprintf(out, sizeof(out), "%.*s%s%s", (int)(old - value), value, want, old + after);
	} else {
		n = snprintf(out, sizeof(out), "%s%s%s", value, *value ? " " : "", want);
	}
	return n < 0 || (size_t)n >= sizeof(out) ? -ENOSPC : journal_set(j, KEY, out);
}

void settings_now(char *buf, size_t size)
{
	time_t t = time(NULL);
	struct tm tm;

	if (size == 0 || !gmtime_r(&t, &tm) || strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		*buf = '\0';
}
