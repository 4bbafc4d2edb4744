#include "failure.h"
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int failure_set(struct failure *f, enum failure_kind kind, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	f->kind = kind;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	(void)snprintf(f->remedy, sizeof(f->remedy), "%s", remedy ? remedy : "");
	return -1;
}

static void log_lines(const char *tag, const char *before, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		log_error(tag, "%s%.*s", before, (int)len, text);
		text += len + (text[len] == '\n');
	}
}

void failure_log(const struct failure *f, const char *tag)
{
	log_lines(tag, "", f->text);
	log_lines(tag, "remedy: ", f->remedy);
}
