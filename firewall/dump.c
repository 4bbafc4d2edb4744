/*
 * What the kernel has. Several questions, one answer: the generation of the rules is asked before and after, and a
 * change in between (anybody's) begins it again. Replies of the kernel are trusted to be well formed, not to be ours:
 * a table of our name may have been made or changed by other hands.
 */
#include "internal.h"
#include "rule.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

/* Of a set: Linux 6.17. */
enum { SET_COUNT = 20 };
/* More than this are not counted one by one on a kernel that does not say. */
enum { COUNT_MOST = 65536 };

struct nlmsghdr *fw_request(char *buf, uint16_t type, uint16_t flags, uint16_t table_attr)
{
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, type, NFPROTO_INET, flags, 0);

	mnl_attr_put_strz(nlh, table_attr, FW_TABLE);
	return nlh;
}

static int take_generation(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			*(uint32_t *)data = ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

static int read_generation(struct fw_nl *nl, uint32_t *out)
{
	_Alignas(struct nlmsghdr) char buf[FW_REQUEST_MAX];

	return fw_nl_ask(nl, nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0, 0), take_generation, out);
}

struct look {
	struct fw_dump *d;
	struct fw_ruleset *nameless;
};

static void copy_name(char *to, const char *from)
{
	(void)snprintf(to, FW_NAME_MAX, "%s", from ? from : "?");
}

static int take_table(const struct nlmsghdr *nlh, void *data)
{
	struct look *l = data;
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t)
		return -ENOMEM;
	if (nftnl_table_nlmsg_parse(nlh, t) == 0) {
		l->d->present = true;
		l->d->dormant = nftnl_table_get_u32(t, NFTNL_TABLE_FLAGS) & NFT_TABLE_F_DORMANT;
		if (nftnl_table_is_set(t, NFTNL_TABLE_OWNER))
			l->d->owner = nftnl_table_get_u32(t, NFTNL_TABLE_OWNER);
	}
	nftnl_table_free(t);
	return 0;
}

static void add_chain(struct look *l, const struct nftnl_chain *c)
{
	struct fw_ruleset *rs = l->d->rs;
	const char *table = nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE);
	struct fw_chain *to;

	/* A dump of chains is of all tables. */
	if (!table || strcmp(table, FW_TABLE) != 0)
		return;
	if (rs->chains == FW_CHAINS_MAX) {
		l->d->truncated = true;
		return;
	}
	to = &rs->chain[rs->chains++];
	copy_name(to->name, nftnl_chain_get_str(c, NFTNL_CHAIN_NAME));
	to->base = nftnl_chain_is_set(c, NFTNL_CHAIN_HOOKNUM);
	if (!to->base)
		return;
	to->hook = nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM);
	to->priority = nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO);
	to->policy = nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY);
	(void)snprintf(to->type, sizeof(to->type), "%s",
		       nftnl_chain_is_set(c, NFTNL_CHAIN_TYPE) ? nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE) : "?");
}

static int take_chain(const struct nlmsghdr *nlh, void *data)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c)
		return -ENOMEM;
	if (nftnl_chain_nlmsg_parse(nlh, c) == 0)
		add_chain(data, c);
	nftnl_chain_free(c);
	return 0;
}

static int take_counter(const struct nlmsghdr *nlh, void *data)
{
	struct look *l = data;
	struct fw_ruleset *rs = l->d->rs;
	struct nftnl_obj *o = nftnl_obj_alloc();

	if (!o)
		return -ENOMEM;
	if (nftnl_obj_nlmsg_parse(nlh, o) == 0 && nftnl_obj_get_u32(o, NFTNL_OBJ_TYPE) == NFT_OBJECT_COUNTER) {
		struct fw_object *c = &rs->counter[rs->counters];

		if (rs->counters == FW_COUNTERS_MAX) {
			l->d->truncated = true;
		} else {
			copy_name(c->name, nftnl_obj_get_str(o, NFTNL_OBJ_NAME));
			c->packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
			c->bytes = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES);
			rs->counters++;
		}
	}
	nftnl_obj_free(o);
	return 0;
}

static void take_key(uint32_t type, enum fw_key *key)
{
	size_t n = 0;

	/* Six bits a part, the first in the highest. */
	for (int shift = 24; shift >= 0; shift -= 6) {
		for (enum fw_key k = FW_KEY_PORT; k < FW_KEYS && n < FW_CONCAT_MAX; k++)
			if ((type >> shift & 63) == fw_key_type((const enum fw_key[]){k, FW_KEY_NONE}))
				key[n++] = k;
	}
}

static void take_count(const struct nlmsghdr *nlh, struct fw_set *s)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != SET_COUNT || mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
			continue;
		s->used = ntohl(mnl_attr_get_u32(attr));
		s->known_used = true;
	}
}

static void add_set(struct look *l, const struct nlmsghdr *nlh, const struct nftnl_set *s)
{
	uint32_t flags = nftnl_set_get_u32(s, NFTNL_SET_FLAGS), len = 0;
	struct fw_ruleset *rs = flags & NFT_SET_ANONYMOUS ? l->nameless : l->d->rs;
	const void *udata;
	struct fw_set *to;

	if (rs->sets == FW_SETS_MAX) {
		l->d->truncated = true;
		return;
	}
	to = &rs->set[rs->sets++];
	copy_name(to->name, nftnl_set_get_str(s, NFTNL_SET_NAME));
	to->flags = flags;
	take_key(nftnl_set_get_u32(s, NFTNL_SET_KEY_TYPE), to->key);
	if (nftnl_set_is_set(s, NFTNL_SET_DESC_SIZE))
		to->size = nftnl_set_get_u32(s, NFTNL_SET_DESC_SIZE);
	if (nftnl_set_is_set(s, NFTNL_SET_TIMEOUT))
		to->timeout = (uint32_t)(nftnl_set_get_u64(s, NFTNL_SET_TIMEOUT) / 1000);
	/* None of the policy's sets forgets. */
	to->state = flags & (NFT_SET_TIMEOUT | NFT_SET_EVAL);
	to->width = nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN);
	take_count(nlh, to);
	if (strcmp(to->name, FW_MARK_SET) != 0)
		return;
	udata = nftnl_set_get_data(s, NFTNL_SET_USERDATA, &len);
	l->d->marked = fw_mark_get(udata, len, &l->d->mark, l->d->policy);
}

static int take_set(const struct nlmsghdr *nlh, void *data)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return -ENOMEM;
	if (nftnl_set_nlmsg_parse(nlh, s) == 0)
		add_set(data, nlh, s);
	nftnl_set_free(s);
	return 0;
}

static int take_rule(const struct nlmsghdr *nlh, void *data)
{
	struct look *l = data;
	struct fw_ruleset *rs = l->d->rs;
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (!r)
		return -ENOMEM;
	if (rs->rules == FW_RULES_MAX)
		l->d->truncated = true;
	else if (nftnl_rule_nlmsg_parse(nlh, r) == 0)
		fw_rule_decode(r, l->nameless, &rs->rule[rs->rules++]);
	nftnl_rule_free(r);
	return 0;
}

static int read_elements(struct fw_nl *nl, struct look *l, struct fw_ruleset *rs)
{
	for (size_t i = 0; i < rs->sets; i++) {
		struct fw_set *s = &rs->set[i];
		int r = 0;

		if (!s->state)
			r = fw_elements_read(nl, s, s->width, &l->d->truncated);
		else if (!s->known_used && s->size && s->size <= COUNT_MOST)
			r = fw_elements_count(nl, s);
		if (r < 0)
			return r;
	}
	return 0;
}

static int look(struct fw_nl *nl, struct look *l, const char **step)
{
	static const struct {
		const char *step;
		uint16_t type, table_attr;
		fw_nl_each *take;
	} dumps[] = {
		{"read chains", NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, take_chain},
		{"read counters", NFT_MSG_GETOBJ, NFTA_OBJ_TABLE, take_counter},
		{"read sets", NFT_MSG_GETSET, NFTA_SET_TABLE, take_set},
	};
	_Alignas(struct nlmsghdr) char buf[FW_REQUEST_MAX];
	int r;

	*step = "read table";
	r = fw_nl_ask(nl, fw_table_question(buf, 0), take_table, l);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < sizeof(dumps) / sizeof(dumps[0]) && r == 0; i++) {
		*step = dumps[i].step;
		r = fw_nl_ask(nl, fw_request(buf, dumps[i].type, NLM_F_DUMP, dumps[i].table_attr), dumps[i].take, l);
	}
	if (r == 0)
		r = read_elements(nl, l, l->nameless);
	if (r == 0)
		r = read_elements(nl, l, l->d->rs);
	if (r < 0)
		return r;
	*step = "read rules";
	return fw_nl_ask(nl, fw_request(buf, NFT_MSG_GETRULE, NLM_F_DUMP, NFTA_RULE_TABLE), take_rule, l);
}

void fw_dump_free(struct fw_dump *d)
{
	fw_ruleset_free(&d->rs);
	free(d->policy);
	*d = (struct fw_dump){0};
}

int fw_dump(struct fw_nl *nl, struct fw_dump *out, const char **step)
{
	_cleanup_(fw_ruleset_free) struct fw_ruleset *nameless = fw_ruleset_new();
	_cleanup_(fw_dump_free) struct fw_dump d = {.rs = fw_ruleset_new(), .policy = calloc(1, sizeof(*d.policy))};
	struct look l = {.d = &d, .nameless = nameless};
	uint32_t after = 0;
	int r;

	*step = "read generation";
	if (!nameless || !d.rs || !d.policy)
		return -ENOMEM;
	r = read_generation(nl, &d.generation);
	if (r == 0)
		r = look(nl, &l, step);
	if (r == 0)
		r = read_generation(nl, &after);
	/* Lost answers are asked for again: what comes late has an old sequence number. */
	if (r == -EINTR || r == -ENOENT || r == -ENOBUFS || (r == 0 && after != d.generation))
		return -EAGAIN;
	if (r < 0)
		return r;
	*out = d;
	d = (struct fw_dump){0};
	return 0;
}

int fw_dump_settled(struct fw_nl *nl, struct fw_dump *out, struct fw_error *e)
{
	const char *step = "";
	int r;

	do
		r = fw_dump(nl, out, &step);
	while (r == -EAGAIN && fw_now_ms() < nl->deadline);
	if (r == -EPERM)
		return fw_fail(e, r, step, "no CAP_NET_ADMIN in this network namespace");
	if (r < 0)
		return fw_fail(e, r, step, "%s", r == -EAGAIN ? "the rules keep changing" : "");
	return 0;
}
