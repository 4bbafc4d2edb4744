/* Reading mountinfo. The jail chooses names of folders, and so parts of what stands here: every copy is bounded. */
#include "mounts.h"

#include <fcntl.h>
#include <string.h>

enum { MOUNTINFO_MAX = 4 << 20 };

struct field {
	const char *at;
	size_t len;
};

/* The next blank-separated field of [*at, end); false at the end of the line. */
static bool next_field(const char **at, const char *end, struct field *out)
{
	const char *p = *at;

	while (p < end && *p == ' ')
		p++;
	out->at = p;
	while (p < end && *p != ' ')
		p++;
	out->len = (size_t)(p - out->at);
	*at = p;
	return out->len > 0;
}

static bool is(const struct field *f, const char *word)
{
	return f->len == strlen(word) && memcmp(f->at, word, f->len) == 0;
}

static bool number(const char *s, size_t len, unsigned *out)
{
	uint64_t n = 0;

	if (len == 0 || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(s[i] - '0');
	}
	*out = (unsigned)n;
	return n <= UINT_MAX;
}

static bool octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* Undoes seq_path's escapes of blank, tab, newline and backslash. False when it does not fit. */
static bool unescape(const struct field *f, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < f->len; i++) {
		char c = f->at[i];

		if (c == '\\' && i + 3 < f->len && octal(f->at + i + 1)) {
			c = (char)((f->at[i + 1] - '0') << 6 | (f->at[i + 2] - '0') << 3 | (f->at[i + 3] - '0'));
			i += 3;
		}
		if (n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* "rw,nosuid,nodev": looks for one word of it. */
static bool has_option(const struct field *f, const char *word)
{
	size_t len = strlen(word);
	const char *p = f->at, *end = f->at + f->len;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		size_t n = (size_t)((comma ? comma : end) - p);

		if (n == len && memcmp(p, word, len) == 0)
			return true;
		p += n + 1;
	}
	return false;
}

/* 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue */
static bool parse_line(const char *line, size_t len, struct mount_entry *out)
{
	const char *at = line, *end = line + len, *colon;
	struct field f, options;

	memset(out, 0, sizeof(*out));
	if (!next_field(&at, end, &f) || !number(f.at, f.len, &out->id))
		return false;
	if (!next_field(&at, end, &f) || !number(f.at, f.len, &out->parent))
		return false;
	if (!next_field(&at, end, &f) || !(colon = memchr(f.at, ':', f.len)) ||
	    !number(f.at, (size_t)(colon - f.at), &out->major) ||
	    !number(colon + 1, f.len - (size_t)(colon + 1 - f.at), &out->minor))
		return false;
	if (!next_field(&at, end, &f) || !unescape(&f, out->root, sizeof(out->root)))
		return false;
	if (!next_field(&at, end, &f) || !unescape(&f, out->point, sizeof(out->point)))
		return false;
	if (!next_field(&at, end, &options))
		return false;
	out->read_only = has_option(&options, "ro");
	out->nosuid = has_option(&options, "nosuid");
	out->nodev = has_option(&options, "nodev");
	out->noexec = has_option(&options, "noexec");
	/* Optional fields, any number, up to a lone "-". */
	for (;;) {
		if (!next_field(&at, end, &f))
			return false;
		if (is(&f, "-"))
			break;
		out->shared = out->shared || (f.len > 7 && memcmp(f.at, "shared:", 7) == 0);
	}
	if (!next_field(&at, end, &f) || !unescape(&f, out->fstype, sizeof(out->fstype)))
		return false;
	/* The source may be empty (two blanks), and then the options move up; neither is a reason to refuse the line.
	 */
	if (next_field(&at, end, &f)) {
		if (f.len >= sizeof(out->source))
			f.len = sizeof(out->source) - 1;
		(void)unescape(&f, out->source, sizeof(out->source));
	}
	if (next_field(&at, end, &f))
		out->read_only = out->read_only || has_option(&f, "ro");
	return true;
}

int mounts_next(const char *text, size_t len, size_t *pos, struct mount_entry *out)
{
	while (text && *pos < len) {
		const char *line = text + *pos;
		const char *nl = memchr(line, '\n', len - *pos);
		size_t n = nl ? (size_t)(nl - line) : len - *pos;

		*pos += n + (nl ? 1 : 0);
		if (n > 0)
			return parse_line(line, n, out) ? 1 : -EPROTO;
	}
	return 0;
}

bool mounts_below(const char *point, const char *top)
{
	size_t len = strlen(top);

	if (strcmp(top, "/") == 0)
		return *point == '/';
	return strncmp(point, top, len) == 0 && (point[len] == '\0' || point[len] == '/');
}

ssize_t mounts_read(char **text)
{
	_cleanup_close_ int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	size_t have = 0, size = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (have == size) {
			char *bigger;

			if (size >= MOUNTINFO_MAX)
				return -EFBIG;
			size = size ? size * 2 : 16384;
			bigger = realloc(buf, size);
			if (!bigger)
				return -ENOMEM;
			buf = bigger;
		}
		n = read(fd, buf + have, size - have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	*text = buf;
	buf = NULL;
	return (ssize_t)have;
}

int mounts_find(const char *point, struct mount_entry *out)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ struct mount_entry *e = malloc(sizeof(*e));
	ssize_t len = mounts_read(&text);
	size_t pos = 0;
	int r, found = 0;

	if (len < 0)
		return (int)len;
	if (!e)
		return -ENOMEM;
	/* Later lines are mounted later: the last one is on top. */
	while ((r = mounts_next(text, (size_t)len, &pos, e)) != 0) {
		if (r < 0 || strcmp(e->point, point) != 0)
			continue;
		*out = *e;
		found = 1;
	}
	return found;
}
