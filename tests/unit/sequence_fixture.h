/* For the tests of sequence.c: a table of four stages whose checks and actions do what the case wants, in real
 * children. */
#pragma once

#include "../../init/boot/boot.h"
#include "../../init/sequence.h"

#include "pid1_fixture.h"

#include <sys/socket.h>

/* The wire format between a stage's child and PID 1, as sequence.c has it. */
struct message {
	uint32_t type;
	int32_t value;
	char text[1200];
	char remedy[1200];
};
enum { DOING = 1, FAILED = 2, FACT = 3 };

/* Of each stage: what it does; 0: nothing, and succeeds. */
typedef int stage_part(struct stage_ctx *ctx, struct failure *f);
static struct {
	stage_part *check, *act;
} plan[4];

/* What ran, in order: "A" is the action of stage a, "a" its check. */
static inline void ran(char what)
{
	append("/tmp/ran", (char[]){what, '\0'});
}

static inline int part(struct stage_ctx *ctx, struct failure *f, char name, stage_part *does)
{
	ran(name);
	return does ? does(ctx, f) : 0;
}

#define STAGE(i, small, big)                                                                                           \
	static int check_##small(struct stage_ctx *ctx, struct failure *f)                                             \
	{                                                                                                              \
		return part(ctx, f, #small[0], plan[i].check);                                                         \
	}                                                                                                              \
	static int act_##small(struct stage_ctx *ctx, struct failure *f)                                               \
	{                                                                                                              \
		return part(ctx, f, #big[0], plan[i].act);                                                             \
	}
STAGE(0, a, A)
STAGE(1, b, B)
STAGE(2, c, C)
STAGE(3, d, D)

const struct stage stages[] = {
	{"alpha", "First", NULL, act_a, .in_init = true},
	{"beta", "Second", check_b, act_b, .once = true},
	{"gamma", "Third", check_c, act_c},
	{"delta", "Fourth", check_d, act_d, .in_init = true},
};
const size_t stage_count = ARRAY_SIZE(stages);

/* What PID 1 was told: "begin", "done alpha", "failed 1 10 TEXT", "finished", each ended by '|'. */
static char told[4096];

static inline void tell(const char *what)
{
	size_t used = strlen(told);

	(void)snprintf(told + used, sizeof(told) - used, "%s|", what);
	(void)check_a; /* a stage without a check */
}

static inline void told_finished(void)
{
	tell("finished");
}

static inline void told_failed(const struct failure *f, int64_t retry_in)
{
	char text[1300];

	(void)snprintf(text, sizeof(text), "failed %d %d %s", (int)f->kind, (int)(retry_in / 1000), f->text);
	tell(text);
}

static inline void told_begins(void)
{
	tell("begin");
}

static inline void told_done(const struct stage *s)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "done %s", s->name);
	tell(text);
}

static inline void told_aborted(bool killed)
{
	tell(killed ? "aborted with KILL" : "aborted");
}

static const struct sequence_events events = {told_finished, told_failed, told_begins, told_done};

static struct config no_config;

static inline void start_stages(size_t n)
{
	sequence_start(&no_config, -1, n, &events);
}

/* All that can go without time going by. */
static inline void run_stages(size_t n)
{
	start_stages(n);
	settle_down();
}

/* --- parts of stages ------------------------------------------------------------------------------------------- */

static inline int is_true(struct stage_ctx *ctx, struct failure *f)
{
	(void)ctx;
	(void)f;
	return STAGE_TRUE;
}

static inline int fails_retry(struct stage_ctx *ctx, struct failure *f)
{
	return failure_set(f, FAILURE_RETRY, "wait\nor pray", "%s: no network", ctx->name);
}

static inline int fails_fatal(struct stage_ctx *ctx, struct failure *f)
{
	return failure_set(f, FAILURE_FATAL, "start it right", "%s: no such thing", ctx->name);
}

static inline int fails_hold(struct stage_ctx *ctx, struct failure *f)
{
	return failure_set(f, FAILURE_HOLD, "look at the volume", "%s: not ours", ctx->name);
}

static inline void clean_up(int sig)
{
	(void)sig;
	append("/tmp/ran", "!");
	_exit(0); /* as if it had succeeded */
}

static inline int waits(struct stage_ctx *ctx, struct failure *f)
{
	(void)f;
	CHECK(signal(SIGTERM, clean_up) != SIG_ERR);
	stage_doing(ctx, 5, "waiting");
	for (;;)
		(void)pause();
}

static inline int waits_stubborn(struct stage_ctx *ctx, struct failure *f)
{
	(void)f;
	CHECK(signal(SIGTERM, SIG_IGN) != SIG_ERR);
	if (fork() == 0) /* mmdebstrap has children of its own */
		for (;;)
			(void)pause();
	stage_doing(ctx, 5, "waiting");
	for (;;)
		(void)pause();
}
