/* What the drivers of tests/net share: a clock, and strings in JSON. */
#pragma once

#include <stdio.h>
#include <time.h>

static inline double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Of text that the library made: quotes occur, control characters are left out. */
static inline void print_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		if (*s >= ' ')
			putchar(*s);
	}
	putchar('"');
}
