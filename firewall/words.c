/* How rules are said: build.h. */
#include "build.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <string.h>

/* All of it or an error: a name that was cut would be another's. */
void fw_say_name(struct fw_build *b, char *to, const char *from)
{
	if (strlen(from) >= FW_NAME_MAX)
		b->err = -E2BIG;
	else
		memcpy(to, from, strlen(from) + 1);
}

void fw_base_chain(struct fw_build *b, const char *chain, uint32_t hook, int32_t priority, bool drops)
{
	struct fw_ruleset *rs = b->rs;

	fw_chain(b, chain);
	if (b->err == 0) {
		struct fw_chain *c = &rs->chain[rs->chains - 1];

		c->base = true;
		c->hook = hook;
		c->priority = priority;
		c->policy = drops ? NF_DROP : NF_ACCEPT;
		memcpy(c->type, "filter", sizeof("filter"));
	}
}

void fw_chain(struct fw_build *b, const char *chain)
{
	struct fw_ruleset *rs = b->rs;

	if (b->err == 0 && rs->chains == FW_CHAINS_MAX)
		b->err = -E2BIG;
	if (b->err == 0)
		fw_say_name(b, rs->chain[rs->chains++].name, chain);
}

struct fw_set *fw_set(struct fw_build *b, const char *set, enum fw_key key, uint32_t flags)
{
	struct fw_ruleset *rs = b->rs;
	struct fw_set *s;

	if (b->err == 0 && rs->sets == FW_SETS_MAX)
		b->err = -E2BIG;
	if (b->err < 0)
		return &b->no_set;
	s = &rs->set[rs->sets++];
	fw_say_name(b, s->name, set);
	s->key[0] = key;
	s->flags = flags;
	return s;
}

void fw_on(struct fw_build *b, const char *chain)
{
	struct fw_ruleset *rs = b->rs;

	if (b->err == 0 && rs->rules == FW_RULES_MAX)
		b->err = -E2BIG;
	b->rule = b->err < 0 ? &b->no_rule : &rs->rule[rs->rules++];
	if (b->err < 0)
		b->no_rule.n = 0;
	else
		fw_say_name(b, b->rule->chain, chain);
}

struct fw_stmt *fw_say(struct fw_build *b, enum fw_stmt_kind kind)
{
	if (b->rule->n == FW_STMTS_MAX) {
		b->err = -E2BIG;
		return &b->no_stmt;
	}
	b->rule->stmt[b->rule->n].kind = (uint8_t)kind;
	return &b->rule->stmt[b->rule->n++];
}

static bool asked(const struct fw_rule *r, enum fw_field f)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->stmt[i].kind == FW_MATCH && r->stmt[i].fields == 1 && r->stmt[i].field[0] == f)
			return true;
	return false;
}

void fw_need(struct fw_build *b, enum fw_field f)
{
	const struct fw_field_info *info = &fw_fields[f];

	if (info->family >= 0 && !asked(b->rule, FW_NFPROTO))
		fw_is_number(b, FW_NFPROTO, (uint32_t)info->family);
	if (info->protocol >= 0 && !asked(b->rule, FW_L4PROTO))
		fw_is_number(b, FW_L4PROTO, (uint32_t)info->protocol);
}

static struct fw_stmt *match(struct fw_build *b, enum fw_field f)
{
	struct fw_stmt *s;

	fw_need(b, f);
	s = fw_say(b, FW_MATCH);
	s->fields = 1;
	s->field[0] = (uint8_t)f;
	s->len = fw_fields[f].len;
	return s;
}

static struct fw_stmt *values(struct fw_build *b, enum fw_field f, const void *v, size_t n)
{
	struct fw_stmt *s = match(b, f);

	if (n == 0 || n * s->len > FW_VALUES_MAX) {
		b->err = -E2BIG;
		return s;
	}
	s->count = (uint8_t)n;
	memcpy(s->value, v, n * s->len);
	fw_sort_values(s);
	return s;
}

void fw_is(struct fw_build *b, enum fw_field f, const void *value)
{
	(void)values(b, f, value, 1);
}

void fw_is_number(struct fw_build *b, enum fw_field f, uint32_t value)
{
	uint8_t byte = (uint8_t)value;

	if (fw_fields[f].len == 1)
		fw_is(b, f, &byte);
	else if (fw_fields[f].len == sizeof(value))
		fw_is(b, f, &value);
	else
		b->err = -EINVAL;
}

void fw_is_one(struct fw_build *b, enum fw_field f, const void *v, size_t n)
{
	(void)values(b, f, v, n);
}

void fw_is_port_of(struct fw_build *b, enum fw_field f, const uint16_t *ports, size_t n)
{
	uint8_t v[FW_VALUES_MAX];

	for (size_t i = 0; i < n && 2 * i < sizeof(v); i++) {
		v[2 * i] = (uint8_t)(ports[i] >> 8);
		v[2 * i + 1] = (uint8_t)ports[i];
	}
	(void)values(b, f, v, n);
}

void fw_is_none(struct fw_build *b, enum fw_field f, const void *v, size_t n)
{
	values(b, f, v, n)->invert = true;
}

void fw_bits(struct fw_build *b, enum fw_field f, const void *mask, const void *value, bool is)
{
	struct fw_stmt *s = values(b, f, value, 1);

	s->masked = true;
	memcpy(s->mask, mask, s->len);
	s->invert = !is;
}

void fw_flags(struct fw_build *b, uint8_t mask, uint8_t value)
{
	fw_bits(b, FW_TCP_FLAGS, &mask, &value, true);
}

void fw_state_is(struct fw_build *b, uint32_t any_of)
{
	uint32_t none = 0;

	fw_bits(b, FW_CT_STATE, &any_of, &none, false);
}

void fw_in(struct fw_build *b, enum fw_field f, const char *set)
{
	fw_in_joined(b, &f, 1, set);
}

static void join(struct fw_build *b, struct fw_stmt *s, const enum fw_field *f, size_t n, const char *set)
{
	for (size_t i = 0; i < n; i++)
		s->field[i] = (uint8_t)f[i];
	s->fields = (uint8_t)n;
	fw_say_name(b, s->name, set);
}

void fw_in_joined(struct fw_build *b, const enum fw_field *f, size_t n, const char *set)
{
	for (size_t i = 0; i < n; i++)
		fw_need(b, f[i]);
	join(b, fw_say(b, FW_MATCH), f, n, set);
}

static void mask_source(struct fw_stmt *s)
{
	if (s->field[0] != FW_IP6_SADDR)
		return;
	s->masked = true;
	memset(s->mask, 0xff, 8);
}

void fw_source_in(struct fw_build *b, enum fw_field saddr, const char *set, bool is)
{
	struct fw_stmt *s;

	fw_in(b, saddr, set);
	s = &b->rule->stmt[b->rule->n - 1];
	s->invert = !is;
	mask_source(s);
}

void fw_limit(struct fw_build *b, uint32_t rate, uint32_t burst, bool over)
{
	struct fw_stmt *s = fw_say(b, FW_LIMIT);

	s->rate = rate;
	s->burst = burst ? burst : rate;
	s->invert = over;
}

static struct fw_stmt *meter(struct fw_build *b, const enum fw_field *f, size_t n, const char *set)
{
	struct fw_stmt *s;

	for (size_t i = 0; i < n; i++)
		fw_need(b, f[i]);
	s = fw_say(b, FW_METER);
	join(b, s, f, n, set);
	return s;
}

void fw_put(struct fw_build *b, const enum fw_field *f, size_t n, const char *set)
{
	(void)meter(b, f, n, set);
}

void fw_put_source(struct fw_build *b, enum fw_field saddr, const char *set)
{
	mask_source(meter(b, &saddr, 1, set));
}

void fw_meter_rate(struct fw_build *b, enum fw_field saddr, const char *set, uint32_t rate, uint32_t burst)
{
	struct fw_stmt *s = meter(b, &saddr, 1, set);

	mask_source(s);
	s->refresh = true;
	s->rate = rate;
	s->burst = burst ? burst : rate;
}

void fw_meter_connections(struct fw_build *b, enum fw_field saddr, const char *set, uint32_t over)
{
	struct fw_stmt *s = meter(b, &saddr, 1, set);

	mask_source(s);
	s->connections = over;
}
