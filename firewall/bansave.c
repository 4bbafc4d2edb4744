/* Bans as text. Pure. */
#include "bans.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A hundred years; also what keeps all sums below 64 bits. */
#define SECONDS_MAX UINT64_C(3153600000)

/* Half a byte at a time: half a million bans are ten megabytes. */
static uint32_t crc32(uint32_t crc, const char *s, size_t n)
{
	static const uint32_t of[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc ^= (uint8_t)s[i];
		crc = crc >> 4 ^ of[crc & 15];
		crc = crc >> 4 ^ of[crc & 15];
	}
	return ~crc;
}

static size_t finish(struct fw_ban_writer *w, const char *line, int n, size_t size)
{
	size_t len = n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;

	w->crc = crc32(w->crc, line, len);
	return len;
}

size_t fw_bans_write_begin(struct fw_ban_writer *w, int64_t now_s, char *line, size_t size)
{
	*w = (struct fw_ban_writer){0};
	return finish(w, line, snprintf(line, size, "zimbra-bans 1 %" PRId64 "\n", now_s > 0 ? now_s : 0), size);
}

size_t fw_bans_write(struct fw_ban_writer *w, const struct fw_ban *ban, char *line, size_t size)
{
	uint64_t s = ban->left_ms / 1000 + (ban->left_ms % 1000 != 0);
	char who[FW_PREFIX_STRLEN];
	int n;

	(void)fw_prefix_format(&ban->who, who, sizeof(who));
	if (ban->left_ms == 0)
		n = snprintf(line, size, "%s -\n", who);
	else
		n = snprintf(line, size, "%s %" PRIu64 "\n", who, s < SECONDS_MAX ? s : SECONDS_MAX);
	w->count++;
	return finish(w, line, n, size);
}

size_t fw_bans_write_end(struct fw_ban_writer *w, char *line, size_t size)
{
	uint32_t crc = w->crc;

	return finish(w, line, snprintf(line, size, "end %zu %08" PRIx32 "\n", w->count, crc), size);
}

/* A part of a text, eaten from its beginning. */
struct text {
	const char *s;
	size_t n;
};

static bool eat(struct text *t, const char *word)
{
	size_t n = strlen(word);

	if (t->n < n || memcmp(t->s, word, n) != 0)
		return false;
	t->s += n;
	t->n -= n;
	return true;
}

/* Up to and without the character, which is eaten too. */
static bool eat_until(struct text *t, char c, struct text *out)
{
	const char *end = t->n ? memchr(t->s, c, t->n) : NULL;

	if (!end)
		return false;
	*out = (struct text){t->s, (size_t)(end - t->s)};
	t->n -= out->n + 1;
	t->s = end + 1;
	return true;
}

static bool number(struct text t, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (t.n == 0 || (t.n > 1 && t.s[0] == '0'))
		return false;
	for (size_t i = 0; i < t.n; i++) {
		if (t.s[i] < '0' || t.s[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(t.s[i] - '0');
		if (v > max)
			return false;
	}
	*out = v;
	return true;
}

static bool parse_line(struct text line, struct fw_ban *out)
{
	struct text who;
	uint64_t seconds;

	if (!eat_until(&line, ' ', &who) || fw_prefix_parse(who.s, who.n, &out->who) < 0)
		return false;
	out->left_ms = 0;
	if (line.n == 1 && line.s[0] == '-')
		return true;
	if (!number(line, SECONDS_MAX, &seconds) || seconds == 0)
		return false;
	out->left_ms = seconds * 1000;
	return true;
}

/* The last line: everything before it adds up, or nothing is believed. */
static bool check_end(struct text line, const struct text *before, size_t count)
{
	char expected[FW_BAN_LINE];
	int n = snprintf(expected, sizeof(expected), "end %zu %08" PRIx32, count, crc32(0, before->s, before->n));

	return n > 0 && line.n == (size_t)n && memcmp(line.s, expected, line.n) == 0;
}

/* One pass over the text; without each() it only looks whether all of it is right. */
static int pass(struct text all, int64_t now_s, fw_ban_each *each, void *data)
{
	struct text rest = all, line = {0};
	uint64_t written = 0, gone_ms = 0;
	size_t count = 0;

	if (!eat(&rest, "zimbra-bans 1 ") || !eat_until(&rest, '\n', &line) || !number(line, INT64_MAX, &written))
		return -EBADMSG;
	if (now_s > 0 && (uint64_t)now_s > written) {
		uint64_t gone = (uint64_t)now_s - written;

		gone_ms = (gone < 2 * SECONDS_MAX ? gone : 2 * SECONDS_MAX) * 1000;
	}
	for (;; count++) {
		const struct text before = {all.s, (size_t)(rest.s - all.s)};
		struct fw_ban ban = {0};
		int r;

		if (!eat_until(&rest, '\n', &line))
			return -EBADMSG;
		if (!parse_line(line, &ban))
			/* The only line that is not a ban is the last. */
			return rest.n == 0 && (each || check_end(line, &before, count)) ? 0 : -EBADMSG;
		if (!each || (ban.left_ms && ban.left_ms <= gone_ms))
			continue;
		if (ban.left_ms)
			ban.left_ms -= gone_ms;
		r = each(&ban, data);
		if (r < 0)
			return r;
	}
}

int fw_bans_parse(const char *text, size_t n, int64_t now_s, fw_ban_each *each, void *data)
{
	const struct text all = {text, n};
	int r = pass(all, now_s, NULL, NULL);

	return r == 0 ? pass(all, now_s, each, data) : r;
}
