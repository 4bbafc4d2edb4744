#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static log_sink *sink;

void log_set_sink(log_sink *s)
{
	sink = s;
}

/* One write(2) a line: lines of several children do not mix below PIPE_BUF. */
static void to_stderr(char *line, size_t len)
{
	line[len] = '\n';
	ssize_t written = write(STDERR_FILENO, line, len + 1);
	(void)written; /* a log that cannot be written to cannot be complained to */
}

void log_line(enum log_level level, const char *tag, const char *fmt, ...)
{
	static const char *const word[] = {
		[LOG_LEVEL_ERROR] = "error: ", [LOG_LEVEL_WARN] = "warning: ", [LOG_LEVEL_INFO] = ""};
	char line[LOG_LINE_MAX + 1];
	va_list ap;
	int n = snprintf(line, LOG_LINE_MAX, "%s: %s", tag ? tag : "init", word[level]);
	size_t len = n < 0 ? 0 : (size_t)n;

	va_start(ap, fmt);
	n = vsnprintf(line + len, LOG_LINE_MAX - len, fmt, ap);
	va_end(ap);
	len += n < 0 ? 0 : (size_t)n;
	if (len > LOG_LINE_MAX - 1)
		len = LOG_LINE_MAX - 1;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = line[i] == '\t' ? ' ' : '?';
	if (sink)
		sink(line, len);
	else
		to_stderr(line, len);
}
