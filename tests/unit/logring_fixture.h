/* For the tests of logring.c: numbered lines, so that a missing one is seen. */
#pragma once

#include "../../init/logring.h"
#include "../../init/signals.h"

#include "support.h"

enum { STAMP = 25 }; /* "2026-01-31T23:59:59.999Z " */

static inline void quit_now(struct loop_timer *t)
{
	(void)t;
	loop_quit();
}

static inline void run_for(int64_t ms)
{
	static struct loop_timer end;

	end.fire = quit_now;
	loop_timer_set(&end, ms);
	loop_run();
}

static inline void open_ring(bool echo)
{
	signals_block(); /* SIGPIPE among them, as in PID 1 */
	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(logring_open(echo), 0);
}

/* Everything from pos on, with a '\0'. */
static inline char *read_all(uint64_t pos, uint64_t *lost_in_all)
{
	static char text[2 * LOGRING_SIZE];
	size_t used = 0;
	uint64_t lost;

	*lost_in_all = 0;
	for (;;) {
		size_t n = logring_read(&pos, text + used, sizeof(text) - 1 - used, &lost);
		*lost_in_all += lost;
		if (n == 0)
			break;
		used += n;
	}
	CHECK_EQ(pos, logring_end());
	text[used] = '\0';
	return text;
}

static inline int number_of(const char *line)
{
	const char *at = strstr(line, "number ");

	CHECK(at != NULL);
	return (int)strtol(at + 7, NULL, 10);
}

/* Lines of growing length, so that they end at every offset of the ring. */
static inline void write_numbers(int from, int to)
{
	static const char dots[] =
		".........................................................................................";

	for (int i = from; i <= to; i++)
		log_info("n", "number %d %.*s", i, i % (int)sizeof(dots), dots);
}
