/* For the tests of what a stage's child tells PID 1: a stage that sends what the case wants, then waits. */
#pragma once

#include "sequence_fixture.h"

static int (*scene)(struct stage_ctx *ctx);

/* Sends what the case wants, then waits until the case has looked. */
static inline int act(struct stage_ctx *ctx, struct failure *f)
{
	(void)f;
	int code = scene(ctx);
	append("/tmp/sent", "x");
	while (!exists_file("/tmp/go"))
		sleep_ms(2);
	_exit(code);
}

/* Until all of the messages have been read. */
static inline void play(int (*s)(struct stage_ctx *ctx))
{
	scene = s;
	plan[1].act = act;
	start_stages(2);
	RUN_UNTIL(exists_file("/tmp/sent"));
	while (turn(0) > 0)
		;
}

static inline void finish(void)
{
	put("/tmp/go", "");
	settle_down();
}

static inline void send_bytes(struct stage_ctx *ctx, const void *bytes, size_t len)
{
	CHECK_EQ(send(ctx->report, bytes, len, 0), len);
}

static inline struct message doing(int percent, const char *text)
{
	struct message m = {.type = DOING, .value = percent};

	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	return m;
}
