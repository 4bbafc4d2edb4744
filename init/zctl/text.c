#include "text.h"

#include "commands.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <wchar.h>

static bool colour;

void text_setup(void)
{
	const char *no = getenv("NO_COLOR"); /* https://no-color.org: present and not empty */
	const char *term = getenv("TERM");

	(void)setlocale(LC_CTYPE, "C.UTF-8"); /* docker exec has no LANG, and the names here are UTF-8 */
	colour = isatty(STDOUT_FILENO) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

const char *text_colour(enum colour c)
{
	static const char *const escape[] = {
		[PLAIN] = "",	    [BOLD] = "\033[1m",	  [DIM] = "\033[2m",
		[RED] = "\033[31m", [GREEN] = "\033[32m", [YELLOW] = "\033[33m",
	};

	return colour ? escape[c] : "";
}

const char *text_plain(void)
{
	return colour ? "\033[0m" : "";
}

unsigned text_columns(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize ws;

	if (columns && *columns) {
		char *end;
		unsigned long n = strtoul(columns, &end, 10);
		if (*end == '\0' && n >= 20 && n <= 1000)
			return (unsigned)n;
	}
	if (!isatty(STDOUT_FILENO))
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_col == 0)
		return 80;
	return ws.ws_col < 20 ? 20 : ws.ws_col;
}

static _Noreturn void no_memory(void)
{
	(void)fputs("zctl: out of memory\n", stderr);
	exit(EXIT_FAILED);
}

void *text_alloc(void *old, size_t n)
{
	void *p = realloc(old, n ? n : 1);

	if (!p)
		no_memory();
	return p;
}

char *text_vprintf(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		no_memory();
	return s;
}

char *text_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = text_vprintf(fmt, ap);
	va_end(ap);
	return s;
}

/* Marks, embeddings, overrides and isolates: harmless in a letter, a way to lie in a table (Unicode TR 36, 3.6). */
static bool turns_direction(wchar_t c)
{
	return (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       c == 0x61c;
}

/* Bytes of the first character of s; *width: its columns, -1 for one that must not reach a terminal. */
static size_t character(const char *s, size_t len, int *width)
{
	mbstate_t state = {0}; /* UTF-8 has no shift states */
	wchar_t c = 0;
	size_t n = mbrtowc(&c, s, len, &state);

	if (n == 0 || n > len) { /* '\0', malformed, cut off */
		*width = -1;
		return 1;
	}
	*width = turns_direction(c) ? -1 : wcwidth(c);
	return n;
}

char *text_clean(const char *s, size_t len)
{
	char *out = text_alloc(NULL, len + 1);
	size_t o = 0;

	for (size_t i = 0; i < len;) {
		int width;
		size_t n = character(s + i, len - i, &width);

		if (width < 0) {
			out[o++] = '?';
		} else {
			(void)memcpy(out + o, s + i, n);
			o += n;
		}
		i += n;
	}
	out[o] = '\0';
	return out;
}

size_t text_fit(const char *s, size_t columns)
{
	size_t used = 0, i = 0, len = strlen(s);

	while (i < len) {
		int width;
		size_t n = character(s + i, len - i, &width);

		used += width < 0 ? 1 : (size_t)width;
		if (used > columns)
			break;
		i += n;
	}
	return i;
}

size_t text_width(const char *s)
{
	size_t used = 0, len = strlen(s);

	for (size_t i = 0; i < len;) {
		int width;
		i += character(s + i, len - i, &width);
		used += width < 0 ? 1 : (size_t)width;
	}
	return used;
}

const char *text_duration(char buf[static DURATION_MAX], int64_t s)
{
	long long t = s;

	if (t < 0)
		(void)snprintf(buf, DURATION_MAX, "-");
	else if (t < 60)
		(void)snprintf(buf, DURATION_MAX, "%llds", t);
	else if (t < 3600)
		(void)snprintf(buf, DURATION_MAX, "%lldm %02llds", t / 60, t % 60);
	else if (t < 86400)
		(void)snprintf(buf, DURATION_MAX, "%lldh %02lldm", t / 3600, t % 3600 / 60);
	else
		(void)snprintf(buf, DURATION_MAX, "%lldd %02lldh", t / 86400, t % 86400 / 3600);
	return buf;
}

const char *text_seconds(char buf[static DURATION_MAX], double s)
{
	if (!(s >= 0 && s < 1e15))
		return text_duration(buf, -1);
	if (s < 9.95)
		(void)snprintf(buf, DURATION_MAX, "%.1fs", s);
	else
		return text_duration(buf, (int64_t)(s + 0.5));
	return buf;
}

const char *text_bytes(char buf[static DURATION_MAX], uint64_t bytes)
{
	static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		(void)snprintf(buf, DURATION_MAX, "%u", (unsigned)bytes);
		return buf;
	}
	while (value >= 1023.95 && i + 1 < ARRAY_SIZE(unit)) {
		value /= 1024;
		i++;
	}
	(void)snprintf(buf, DURATION_MAX, "%.1f %s", value, unit[i]);
	return buf;
}
