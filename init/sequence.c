#include "sequence.h"
#include "boot/boot.h"
#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { RETRY_FIRST_MS = 10 * 1000, RETRY_MAX_MS = 10 * 60 * 1000, STAGES_MAX = 16 };

/* What a stage's child sends. Texts are cut and cleaned by the receiver. */
struct message {
	uint32_t type; /* MESSAGE_* */
	int32_t value; /* percent, or enum failure_kind */
	char text[1200];
	char remedy[1200];
};
enum { MESSAGE_DOING = 1, MESSAGE_FAILED = 2, MESSAGE_FACT = 3 /* text: key of the journal, remedy: its value */ };

static struct {
	const struct config *cfg;
	int data;
	size_t count, index;
	const struct sequence_events *events;
	struct sequence_stage stage[STAGES_MAX];
	struct child child;
	struct loop_watch report;
	struct failure failure;
	char suite[32], release[160];
	struct loop_timer retry, grace;
	int64_t pause_ms;
	void (*aborted)(bool killed);
	bool aborting, killed;
} seq = {.child = {.output = {.fd = -1}}, .report = {.fd = -1}};

static void next(void);

/* A text from a child: ends, and holds no control bytes but newlines. */
static void clean(char *dst, size_t size, const char *src, size_t src_size)
{
	size_t n = strnlen(src, src_size < size ? src_size : size - 1);

	for (size_t i = 0; i < n; i++)
		dst[i] = ((unsigned char)src[i] < 0x20 && src[i] != '\n') || src[i] == 0x7f ? '?' : src[i];
	dst[n < size ? n : size - 1] = '\0';
}

static void take_message(const struct message *m, size_t len)
{
	struct sequence_stage *s = &seq.stage[seq.index];

	if (len != sizeof(*m))
		return;
	if (m->type == MESSAGE_DOING) {
		s->percent = m->value >= 0 && m->value <= 100 ? m->value : -1;
		clean(s->doing, sizeof(s->doing), m->text, sizeof(m->text));
	} else if (m->type == MESSAGE_FAILED && m->value > FAILURE_NONE && m->value <= FAILURE_HOLD) {
		seq.failure.kind = (enum failure_kind)m->value;
		clean(seq.failure.text, sizeof(seq.failure.text), m->text, sizeof(m->text));
		clean(seq.failure.remedy, sizeof(seq.failure.remedy), m->remedy, sizeof(m->remedy));
	} else if (m->type == MESSAGE_FACT && strncmp(m->text, "suite", sizeof(m->text)) == 0) {
		clean(seq.suite, sizeof(seq.suite), m->remedy, sizeof(m->remedy));
	} else if (m->type == MESSAGE_FACT && strncmp(m->text, "release", sizeof(m->text)) == 0) {
		clean(seq.release, sizeof(seq.release), m->remedy, sizeof(m->remedy));
	}
}

static void read_report(void)
{
	struct message m;
	ssize_t n;

	/* MSG_TRUNC: the length as it was sent, so that a longer one is not taken for a whole one. */
	while (seq.report.fd >= 0 && (n = recv(seq.report.fd, &m, sizeof(m), MSG_DONTWAIT | MSG_TRUNC)) > 0)
		take_message(&m, (size_t)n);
}

static void report_ready(struct loop_watch *w, uint32_t ev)
{
	read_report();
	if (ev & (EPOLLHUP | EPOLLERR)) {
		int fd = w->fd;
		loop_remove(w);
		if (fd >= 0)
			(void)close(fd);
	}
}

static void stage_succeeded(void)
{
	struct sequence_stage *s = &seq.stage[seq.index];

	s->state = STAGE_DONE;
	s->ended = now_ms();
	s->percent = 100;
	seq.pause_ms = 0;
	log_info(stages[seq.index].name, "done in %.1f s", (double)(s->ended - s->started) / 1000);
	seq.events->stage_done(&stages[seq.index]);
	seq.index++;
	next();
}

static void retry_now(struct loop_timer *t)
{
	(void)t;
	next();
}

static void stage_failed(void)
{
	struct sequence_stage *s = &seq.stage[seq.index];
	const char *tag = stages[seq.index].name;

	s->state = STAGE_FAILED;
	s->ended = now_ms();
	failure_log(&seq.failure, tag);
	int64_t wait = 0;
	if (seq.failure.kind != FAILURE_FATAL) {
		seq.pause_ms = seq.pause_ms ? seq.pause_ms * 2 : RETRY_FIRST_MS;
		if (seq.pause_ms > RETRY_MAX_MS || seq.failure.kind == FAILURE_HOLD)
			seq.pause_ms = RETRY_MAX_MS;
		wait = seq.pause_ms;
		log_info(tag, "next try in %d s", (int)(wait / 1000));
		seq.retry.fire = retry_now;
		loop_timer_set(&seq.retry, wait);
	}
	seq.events->failed(&seq.failure, wait);
}

static void child_ended(struct child *c, int status)
{
	(void)c;
	read_report();
	if (seq.report.fd >= 0) {
		int fd = seq.report.fd;
		loop_remove(&seq.report);
		(void)close(fd);
	}
	if (seq.aborting) {
		loop_timer_stop(&seq.grace);
		seq.stage[seq.index].state = STAGE_FAILED;
		seq.aborted(seq.killed);
		return;
	}
	if (status == 0) {
		stage_succeeded();
		return;
	}
	if (seq.failure.kind == FAILURE_NONE)
		failure_set(&seq.failure, FAILURE_RETRY, "look at the lines above; `zctl log` has more",
			    "stage %s ended with status %d without saying why", stages[seq.index].name, status);
	stage_failed();
}

/* Check, then act; the same in a child and in PID 1. */
static int run_stage(const struct stage *s, struct stage_ctx *ctx, struct failure *f)
{
	int state = s->check ? s->check(ctx, f) : STAGE_TODO;

	return state == STAGE_TODO ? s->act(ctx, f) : state < 0 ? -1 : 0;
}

/* What the volume holds is said once a stage is through: PID 1 does not read the journal itself. */
static void send_facts(struct stage_ctx *ctx)
{
	static const char *const keys[] = {"suite", "release"};
	struct journal j;
	struct failure f;

	if (journal_load(ctx->data, &j, &f) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = journal_get(&j, keys[i]);
		struct message m = {.type = MESSAGE_FACT};
		(void)snprintf(m.text, sizeof(m.text), "%s", keys[i]);
		(void)snprintf(m.remedy, sizeof(m.remedy), "%s", value ? value : "");
		(void)send(ctx->report, &m, sizeof(m), 0);
	}
}

static int stage_body(void *arg)
{
	const struct stage *s = arg;
	struct stage_ctx ctx = {
		.cfg = seq.cfg, .report = 3, .name = s->name, .data = -1, .all = seq.count == stage_count};
	struct failure f = {0};

	/* Opened here: of ours it has only the report socket, and PID 1 does not wait for a network file system. */
	ctx.data = open(DATA_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = ctx.data >= 0 ? run_stage(s, &ctx, &f)
			      : failure_set(&f, FAILURE_RETRY, "look at the volume's disk and the host's kernel log",
					    DATA_DIR " cannot be opened: %s", strerror(errno));
	if (r == 0) {
		if (s->once)
			send_facts(&ctx);
		return 0;
	}
	struct message m = {.type = MESSAGE_FAILED, .value = (int32_t)f.kind};
	memcpy(m.text, f.text, sizeof(m.text));
	memcpy(m.remedy, f.remedy, sizeof(m.remedy));
	(void)send(ctx.report, &m, sizeof(m), 0);
	return 1;
}

static int start_child(const struct stage *s)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_close_ int ours = pair[0];
	_cleanup_close_ int theirs = pair[1];
	seq.child.tag = NULL; /* its lines carry their own */
	seq.child.ended = child_ended;
	int r = child_run(&seq.child, stage_body, (void *)(uintptr_t)s, theirs);
	if (r < 0)
		return r;
	seq.report.ready = report_ready;
	if (loop_add(&seq.report, ours, EPOLLIN) == 0)
		(void)steal_fd(&ours);
	return 0;
}

static void next(void)
{
	if (seq.aborting)
		return;
	if (seq.index == seq.count) {
		seq.events->finished();
		return;
	}
	const struct stage *s = &stages[seq.index];
	struct sequence_stage *state = &seq.stage[seq.index];
	*state = (struct sequence_stage){.state = STAGE_RUNNING, .percent = -1, .started = now_ms()};
	memset(&seq.failure, 0, sizeof(seq.failure));
	log_info(s->name, "%s (stage %zu of %zu)", s->title, seq.index + 1, seq.count);
	seq.events->stage_begins();
	if (s->in_init) {
		struct stage_ctx ctx = {.cfg = seq.cfg, .report = -1, .name = s->name, .data = seq.data};
		if (run_stage(s, &ctx, &seq.failure) == 0)
			stage_succeeded();
		else
			stage_failed();
		return;
	}
	int r = start_child(s);
	if (r < 0) {
		failure_set(&seq.failure, FAILURE_RETRY, "raise the container's limits on processes and open files",
			    "cannot start stage %s: %s", s->name, strerror(-r));
		stage_failed();
	}
}

void sequence_start(const struct config *cfg, int data, size_t count, const struct sequence_events *events)
{
	seq.cfg = cfg;
	seq.data = data;
	seq.count = count < STAGES_MAX ? count : STAGES_MAX;
	seq.events = events;
	for (size_t i = 0; i < STAGES_MAX; i++)
		seq.stage[i].percent = -1;
	next();
}

static void grace_over(struct loop_timer *t)
{
	(void)t;
	log_warn(stages[seq.index].name, "did not end in time: killed");
	seq.killed = true;
	child_kill(&seq.child, SIGKILL);
}

void sequence_abort(int64_t grace_ms, void (*ended)(bool killed))
{
	seq.aborting = true;
	seq.aborted = ended;
	loop_timer_stop(&seq.retry);
	if (seq.child.pid == 0) {
		ended(false);
		return;
	}
	child_kill(&seq.child, SIGTERM);
	seq.grace.fire = grace_over;
	loop_timer_set(&seq.grace, grace_ms);
}

bool sequence_hurry(int64_t grace_ms)
{
	if (!seq.grace.armed || seq.grace.at <= now_ms() + grace_ms)
		return false;
	loop_timer_set(&seq.grace, grace_ms);
	return true;
}

size_t sequence_index(void)
{
	return seq.index < seq.count || seq.count == 0 ? seq.index : seq.count - 1;
}

size_t sequence_count(void)
{
	return seq.count;
}

const struct sequence_stage *sequence_stage(size_t i)
{
	return &seq.stage[i];
}

const char *sequence_suite(void)
{
	return seq.suite;
}

const char *sequence_release(void)
{
	return seq.release;
}

void stage_doing(struct stage_ctx *ctx, int percent, const char *fmt, ...)
{
	struct message m = {.type = MESSAGE_DOING, .value = percent};
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(m.text, sizeof(m.text), fmt, ap);
	va_end(ap);
	/* Full socket: PID 1 is busy, and this is only news. */
	if (ctx->report >= 0)
		(void)send(ctx->report, &m, sizeof(m), MSG_DONTWAIT);
}
