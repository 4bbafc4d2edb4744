#include "internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int fw_fail(struct fw_error *e, int err, const char *what, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return err;
	*e = (struct fw_error){.err = err};
	(void)snprintf(e->what, sizeof(e->what), "%s", what);
	va_start(ap, fmt);
	(void)vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
	return err;
}

const char *fw_error_text(const struct fw_error *err, char *buf, size_t size)
{
	const char *desc = strerrordesc_np(-err->err);

	(void)snprintf(buf, size, "%s: %s%s%s", err->what, desc ? desc : "?", err->detail[0] ? ": " : "", err->detail);
	return buf;
}

const char *fw_mode_name(enum fw_mode mode)
{
	switch (mode) {
	case FW_ABSENT:
		return "absent";
	case FW_CLOSED:
		return "closed";
	case FW_OPEN:
		return "open";
	case FW_MONITOR:
		return "monitor";
	case FW_ALTERED:
	default:
		return "altered";
	}
}
