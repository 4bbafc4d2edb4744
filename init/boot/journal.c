#include "journal.h"
#include "boot.h"
#include "path.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define JOURNAL_PATH  STATE_DIR "/journal"
#define JOURNAL_MAGIC "zimbra-init journal "

enum { JOURNAL_MAX = 64 + JOURNAL_ENTRIES * (JOURNAL_KEY + JOURNAL_VALUE) };

static bool key_ok(const char *key, size_t len)
{
	if (len == 0 || len >= JOURNAL_KEY)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((key[i] >= 'a' && key[i] <= 'z') || (key[i] >= '0' && key[i] <= '9') ||
		      (i > 0 && (key[i] == '.' || key[i] == '_'))))
			return false;
	return true;
}

static bool value_ok(const char *value, size_t len)
{
	if (len >= JOURNAL_VALUE)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f)
			return false;
	return true;
}

/* One "KEY VALUE" without its newline; NULL, or why it is none. */
static const char *parse_line(const char *line, size_t len, struct journal *out)
{
	const char *blank = memchr(line, ' ', len);
	size_t key_len = blank ? (size_t)(blank - line) : 0;
	size_t value_len = blank ? len - key_len - 1 : 0;

	if (!blank || !key_ok(line, key_len))
		return "a line that is not KEY VALUE";
	if (!value_ok(blank + 1, value_len))
		return "a value that is too long or not printable";
	if (out->n == JOURNAL_ENTRIES)
		return "too many lines";
	memcpy(out->entry[out->n].key, line, key_len);
	out->entry[out->n].key[key_len] = '\0';
	if (journal_get(out, out->entry[out->n].key))
		return "a key that stands there twice";
	memcpy(out->entry[out->n].value, blank + 1, value_len);
	out->entry[out->n].value[value_len] = '\0';
	out->n++;
	return NULL;
}

static int parse(const char *text, size_t len, struct journal *out, const char **why)
{
	const size_t magic = strlen(JOURNAL_MAGIC);
	unsigned version = 0;
	size_t at;

	memset(out, 0, sizeof(*out));
	*why = "another first line than \"" JOURNAL_MAGIC "1\"";
	if (len < magic || memcmp(text, JOURNAL_MAGIC, magic) != 0)
		return -EPROTO;
	for (at = magic; at < len && text[at] >= '0' && text[at] <= '9' && version < 100000; at++)
		version = version * 10 + (unsigned)(text[at] - '0');
	if (version == 0 || at == len || text[at] != '\n')
		return -EPROTO;
	if (version > JOURNAL_VERSION)
		return -EOPNOTSUPP;
	while (++at < len) {
		const char *end = memchr(text + at, '\n', len - at);
		/* It is always replaced whole, so half a line is somebody else's doing. */
		*why = end ? parse_line(text + at, (size_t)(end - (text + at)), out) : "a last line without end";
		if (*why) {
			memset(out, 0, sizeof(*out));
			return -EPROTO;
		}
		at = (size_t)(end - text);
	}
	return 0;
}

int journal_parse(const char *text, size_t len, struct journal *out)
{
	const char *why;

	return parse(text, len, out, &why);
}

int journal_load(int data, struct journal *out, struct failure *f)
{
	_cleanup_free_ char *text = malloc(JOURNAL_MAX + 1);
	const char *why = "";
	ssize_t n;
	int err;

	memset(out, 0, sizeof(*out));
	if (!text)
		return failure_set(f, FAILURE_RETRY, "give the container more memory", "out of memory");
	n = path_read(data, JOURNAL_PATH, text, JOURNAL_MAX);
	if (n == -ENOENT || n == -ENOTDIR)
		return 0;
	if (n < 0)
		return failure_set(f, FAILURE_RETRY, "look at the volume's health and at the kernel log of the host",
				   "cannot read " DATA_DIR "/" JOURNAL_PATH ": %s", strerror((int)-n));
	err = parse(text, (size_t)n, out, &why);
	if (err == -EOPNOTSUPP)
		return failure_set(
			f, FAILURE_HOLD, "start the image version that was used last on it, or a newer one",
			"this volume was last used by a newer version of this image: its journal begins \"%.*s\" "
			"and this version knows up to %d",
			(int)strcspn(text, "\n"), text, JOURNAL_VERSION);
	if (err < 0)
		return failure_set(f, FAILURE_HOLD,
				   "restore the file from a backup of the volume; nothing on it is changed meanwhile",
				   DATA_DIR "/" JOURNAL_PATH " is not a journal of ours: it holds %s", why);
	return 0;
}

int journal_store(int data, const struct journal *j, struct failure *f)
{
	_cleanup_free_ char *text = malloc(JOURNAL_MAX + 1);
	_cleanup_close_ int app = -1, state = -1;
	size_t len;
	int err;

	if (!text)
		return failure_set(f, FAILURE_RETRY, "give the container more memory", "out of memory");
	len = (size_t)snprintf(text, JOURNAL_MAX, JOURNAL_MAGIC "%d\n", JOURNAL_VERSION);
	for (size_t i = 0; i < j->n; i++)
		len += (size_t)snprintf(text + len, JOURNAL_MAX + 1 - len, "%s %s\n", j->entry[i].key,
					j->entry[i].value);
	app = path_make_dirs(data, "app", 0755);
	state = app < 0 ? app : path_make_dirs(data, STATE_DIR, 0700);
	err = state < 0 ? state : path_write(data, JOURNAL_PATH, text, len, 0600);
	if (err < 0)
		return failure_set(f, FAILURE_RETRY,
				   err == -ENOSPC ? "free space on the volume, or give it a larger one"
						  : "look at the volume's health and at the kernel log of the host",
				   "cannot write " DATA_DIR "/" JOURNAL_PATH ": %s", strerror(-err));
	return 0;
}

static size_t find(const struct journal *j, const char *key)
{
	size_t i = 0;

	while (i < j->n && strcmp(j->entry[i].key, key) != 0)
		i++;
	return i;
}

const char *journal_get(const struct journal *j, const char *key)
{
	size_t i = find(j, key);

	return i < j->n ? j->entry[i].value : NULL;
}

int journal_set(struct journal *j, const char *key, const char *value)
{
	size_t i = find(j, key);

	if (!key_ok(key, strlen(key)) || !value_ok(value, strlen(value)))
		return -EINVAL;
	if (i == JOURNAL_ENTRIES)
		return -ENOSPC;
	if (i == j->n) {
		(void)snprintf(j->entry[i].key, JOURNAL_KEY, "%s", key);
		j->n++;
	}
	(void)snprintf(j->entry[i].value, JOURNAL_VALUE, "%s", value);
	return 0;
}

void journal_drop(struct journal *j, const char *key)
{
	size_t i = find(j, key);

	if (i == j->n)
		return;
	j->n--;
	memmove(&j->entry[i], &j->entry[i + 1], (j->n - i) * sizeof(j->entry[0]));
}
