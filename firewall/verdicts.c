/* How rules end: build.h. */
#include "build.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void fw_notrack(struct fw_build *b)
{
	if (b->policy && b->policy->features.notrack)
		(void)fw_say(b, FW_NOTRACK);
}

void fw_set_mark(struct fw_build *b, uint32_t bits)
{
	fw_say(b, FW_SET_MARK)->mark = bits;
}

static void count_into(struct fw_build *b, const char *class)
{
	struct fw_ruleset *rs = b->rs;
	size_t i = 0;

	while (i < rs->counters && strcmp(rs->counter[i].name, class) != 0)
		i++;
	if (i == FW_COUNTERS_MAX)
		b->err = -E2BIG;
	else if (i == rs->counters)
		fw_say_name(b, rs->counter[rs->counters++].name, class);
	fw_say_name(b, b->rule->class, class);
	fw_say_name(b, fw_say(b, FW_COUNT)->name, class);
}

void fw_count(struct fw_build *b, const char *class)
{
	if (class)
		count_into(b, class);
}

void fw_accept(struct fw_build *b, const char *class)
{
	fw_count(b, class);
	(void)fw_say(b, FW_ACCEPT);
}

static void go(struct fw_build *b, enum fw_stmt_kind kind, const char *chain)
{
	fw_say_name(b, fw_say(b, kind)->name, chain);
}

/* What is refused and logged goes through a chain of its class: one limit for all rules of the class. */
static void refuse(struct fw_build *b, const char *class, enum fw_stmt_kind verdict)
{
	const struct fw_policy *p = b->policy;
	bool monitor = p && p->monitor, log = p && p->log.rate > 0 && p->features.log;
	char chain[FW_NAME_MAX + 8];

	(void)snprintf(chain, sizeof(chain), "no_%s", class);
	if (log)
		go(b, monitor ? FW_JUMP : FW_GOTO, chain);
	if (log && fw_ruleset_chain(b->rs, chain))
		return;
	if (log) {
		struct fw_stmt *s;

		fw_chain(b, chain);
		fw_on(b, chain);
		fw_limit(b, p->log.rate, 0, false);
		s = fw_say(b, FW_LOG);
		s->group = p->log.group;
		fw_say_name(b, s->name, class);
		fw_on(b, chain);
	}
	if (verdict == FW_REJECT)
		fw_need(b, FW_TCP_FLAGS);
	count_into(b, class);
	if (!monitor)
		(void)fw_say(b, verdict);
}

void fw_drop(struct fw_build *b, const char *class)
{
	refuse(b, class, FW_DROP);
}

void fw_reset(struct fw_build *b, const char *class)
{
	refuse(b, class, FW_REJECT);
}

void fw_return(struct fw_build *b)
{
	(void)fw_say(b, FW_RETURN);
}

void fw_jump(struct fw_build *b, const char *chain)
{
	go(b, FW_JUMP, chain);
}

void fw_goto(struct fw_build *b, const char *chain)
{
	go(b, FW_GOTO, chain);
}
