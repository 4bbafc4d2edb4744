/* Is what the kernel has what was meant? Pure. */
#include "rule.h"

#include <linux/netfilter/nf_tables.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool differs(char *why, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static bool differs(char *why, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return false;
}

/* The n-th rule of a chain; NULL: it has fewer. */
static const struct fw_rule *rule_of(const struct fw_ruleset *rs, const char *chain, size_t n)
{
	for (size_t i = 0; i < rs->rules; i++)
		if (strcmp(rs->rule[i].chain, chain) == 0 && n-- == 0)
			return &rs->rule[i];
	return NULL;
}

static bool same_rule(const struct fw_rule *a, const struct fw_rule *b)
{
	if (a->n != b->n || a->too_long || b->too_long)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->stmt[i].kind == FW_UNKNOWN || memcmp(&a->stmt[i], &b->stmt[i], sizeof(a->stmt[i])) != 0)
			return false;
	return true;
}

static bool same_rules(const struct fw_ruleset *meant, const struct fw_ruleset *found, const char *chain, char *why,
		       size_t size)
{
	for (size_t i = 0;; i++) {
		const struct fw_rule *a = rule_of(meant, chain, i), *b = rule_of(found, chain, i);
		char text[72];

		if (!a && !b)
			return true;
		if (!a)
			return differs(why, size, "chain %s: one rule more: %s", chain,
				       fw_render_rule(b, text, sizeof(text)));
		if (!b)
			return differs(why, size, "chain %s: rule %zu is missing", chain, i + 1);
		if (!same_rule(a, b))
			return differs(why, size, "chain %s: rule %zu: %s", chain, i + 1,
				       fw_render_rule(b, text, sizeof(text)));
	}
}

static bool same_chain(const struct fw_chain *a, const struct fw_chain *b)
{
	if (a->base != b->base)
		return false;
	return !a->base || (a->hook == b->hook && a->priority == b->priority && a->policy == b->policy &&
			    strcmp(a->type, b->type) == 0);
}

static bool same_chains(const struct fw_ruleset *meant, const struct fw_ruleset *found, char *why, size_t size)
{
	for (size_t i = 0; i < meant->chains; i++) {
		const struct fw_chain *c = &meant->chain[i], *other = fw_ruleset_chain(found, c->name);

		if (!other)
			return differs(why, size, "chain %s is missing", c->name);
		if (!same_chain(c, other))
			return differs(why, size, "chain %s has another hook, priority or policy", c->name);
		if (!same_rules(meant, found, c->name, why, size))
			return false;
	}
	for (size_t i = 0; i < found->chains; i++)
		if (!fw_ruleset_chain(meant, found->chain[i].name))
			return differs(why, size, "chain %s is not ours", found->chain[i].name);
	return true;
}

bool fw_set_same(const struct fw_set *a, const struct fw_set *b)
{
	enum { FLAGS = NFT_SET_CONSTANT | NFT_SET_INTERVAL | NFT_SET_MAP | NFT_SET_TIMEOUT | NFT_SET_EVAL };

	return memcmp(a->key, b->key, sizeof(a->key)) == 0 && (a->flags & FLAGS) == (b->flags & FLAGS) &&
	       a->size == b->size && a->timeout == b->timeout;
}

static bool same_elements(const struct fw_set *a, const struct fw_set *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->iv, b->iv, a->n * sizeof(*a->iv)) == 0);
}

static const struct fw_set *find_set(const struct fw_ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->sets; i++)
		if (strcmp(rs->set[i].name, name) == 0)
			return &rs->set[i];
	return NULL;
}

static bool same_sets(const struct fw_ruleset *meant, const struct fw_ruleset *found, char *why, size_t size)
{
	for (size_t i = 0; i < meant->sets; i++) {
		const struct fw_set *s = &meant->set[i], *other = find_set(found, s->name);

		if (!other)
			return differs(why, size, "set %s is missing", s->name);
		if (!fw_set_same(s, other))
			return differs(why, size, "set %s is of another kind", s->name);
		if (!s->state && !same_elements(s, other))
			return differs(why, size, "set %s has other elements", s->name);
	}
	for (size_t i = 0; i < found->sets; i++)
		if (!find_set(meant, found->set[i].name))
			return differs(why, size, "set %s is not ours", found->set[i].name);
	return true;
}

static bool has_counter(const struct fw_ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->counters; i++)
		if (strcmp(rs->counter[i].name, name) == 0)
			return true;
	return false;
}

bool fw_same(const struct fw_ruleset *meant, const struct fw_ruleset *found, char *why, size_t size)
{
	why[0] = '\0';
	for (size_t i = 0; i < meant->counters; i++)
		if (!has_counter(found, meant->counter[i].name))
			return differs(why, size, "counter %s is missing", meant->counter[i].name);
	return same_sets(meant, found, why, size) && same_chains(meant, found, why, size);
}

static uint64_t hash(uint64_t h, const void *data, size_t len)
{
	const uint8_t *p = data;

	/* FNV-1a: against slips of other hands, not against an enemy with their rights. */
	while (len--)
		h = (h ^ *p++) * 0x100000001b3;
	return h;
}

uint64_t fw_ruleset_digest(const struct fw_ruleset *rs)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < rs->sets; i++) {
		const struct fw_set *s = &rs->set[i];
		uint64_t h = 0xcbf29ce484222325;

		if (s->state)
			continue;
		h = hash(h, s->name, strlen(s->name));
		sum += hash(h, s->iv, s->n * sizeof(*s->iv));
	}
	return sum;
}
