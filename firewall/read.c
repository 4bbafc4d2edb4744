/* The state of the table: what it lets through, what it counted, and whether it is still as it was written. */
#include "internal.h"
#include "rule.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void ports(const struct fw_ruleset *rs, const char *name, struct fw_ranges *to, bool *truncated)
{
	struct fw_ruleset *all = (struct fw_ruleset *)(uintptr_t)rs;
	const struct fw_set *s = fw_ruleset_set(all, name);

	for (size_t i = 0; s && i < s->n; i++) {
		const struct fw_interval *iv = &s->iv[i];

		if (to->n == sizeof(to->v) / sizeof(to->v[0])) {
			*truncated = true;
			return;
		}
		to->v[to->n++] = (struct fw_range){
			.first = (uint16_t)(iv->first[0] << 8 | iv->first[1]),
			.last = (uint16_t)(iv->last[0] << 8 | iv->last[1]),
		};
	}
}

static void networks(const struct fw_ruleset *rs, const char *const names[2], struct fw_prefixes *to, bool *truncated)
{
	struct fw_ruleset *all = (struct fw_ruleset *)(uintptr_t)rs;

	for (size_t k = 0; k < 2; k++) {
		const struct fw_set *s = fw_ruleset_set(all, names[k]);

		for (size_t i = 0; s && i < s->n; i++)
			if (fw_interval_to_prefixes(&s->iv[i], k ? AF_INET6 : AF_INET, to) < 0)
				*truncated = true;
	}
}

/* The mark knows the rest of the policy. */
static void lists(struct fw_dump *d)
{
	struct fw_policy *p = d->policy;

	ports(d->rs, "public_tcp", &p->public_tcp, &d->truncated);
	ports(d->rs, "public_udp", &p->public_udp, &d->truncated);
	networks(d->rs, (const char *const[]){"admin4", "admin6"}, &p->admin_from, &d->truncated);
	networks(d->rs, (const char *const[]){"local4", "local6"}, &p->local_from, &d->truncated);
	networks(d->rs, (const char *const[]){"peer4", "peer6"}, &p->peers, &d->truncated);
	networks(d->rs, (const char *const[]){"exempt4", "exempt6"}, &p->exempt, &d->truncated);
	networks(d->rs, (const char *const[]){"never4", "never6"}, &p->never_ban, &d->truncated);
}

static bool is_ours(struct fw_dump *d, char *why, size_t size)
{
	_cleanup_(fw_ruleset_free) struct fw_ruleset *meant = NULL;
	/* What is meant is made of what the sets hold: only their sum tells what was written. */
	bool same_lists = d->mark.digest == fw_ruleset_digest(d->rs);

	if (d->dormant || !d->marked) {
		(void)snprintf(why, size, "%s", d->dormant ? "the table is dormant" : "no mark of this release");
		return false;
	}
	if (fw_build(d->mark.mode == FW_CLOSED ? NULL : d->policy, &meant, NULL) == 0 &&
	    !fw_same(meant, d->rs, why, size))
		return false;
	if (!same_lists)
		(void)snprintf(why, size, "a set of the policy has other elements");
	return meant && same_lists;
}

static void counters(const struct fw_dump *d, struct fw_state *s)
{
	for (size_t i = 0; i < d->rs->counters; i++) {
		struct fw_counter *c = &s->counter[s->counters++];

		memcpy(c->name, d->rs->counter[i].name, sizeof(c->name));
		c->packets = d->rs->counter[i].packets;
		c->bytes = d->rs->counter[i].bytes;
	}
}

static void fills(const struct fw_dump *d, struct fw_state *s)
{
	for (size_t i = 0; i < d->rs->sets && s->fills < FW_FILLS_MAX; i++) {
		const struct fw_set *set = &d->rs->set[i];
		struct fw_fill *to = &s->fill[s->fills];

		if (!set->state)
			continue;
		memcpy(to->name, set->name, sizeof(to->name));
		to->size = set->size;
		to->used = set->known_used ? set->used : UINT32_MAX;
		s->fills++;
	}
}

int fw_read(struct fw_state *state, struct fw_error *err)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	_cleanup_(fw_dump_free) struct fw_dump d = {0};
	int r = fw_nl_open(&nl, fw_now_ms() + FW_DEADLINE_MS, err);

	if (r == 0)
		r = fw_dump_settled(&nl, &d, err);
	if (r < 0)
		return r;
	*state = (struct fw_state){.generation = d.generation, .owner = d.owner, .mode = FW_ABSENT};
	if (!d.present)
		return 0;
	lists(&d);
	state->mode = is_ours(&d, state->reason, sizeof(state->reason)) ? d.mark.mode : FW_ALTERED;
	state->policy = *d.policy;
	state->truncated = d.truncated;
	counters(&d, state);
	fills(&d, state);
	return 0;
}

int fw_rules_text(char **text, struct fw_error *err)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	_cleanup_(fw_dump_free) struct fw_dump d = {0};
	int r = fw_nl_open(&nl, fw_now_ms() + FW_DEADLINE_MS, err);
	char *made;

	if (r == 0)
		r = fw_dump_settled(&nl, &d, err);
	if (r < 0)
		return r;
	made = d.present ? fw_render(d.rs) : strdup("");
	if (!made)
		return fw_fail(err, -ENOMEM, "text", "%s", "");
	*text = made;
	return 0;
}
