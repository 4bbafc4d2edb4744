/* The table around the rules: its messages, and the three things that can be done to it. */
#include "internal.h"
#include "rule.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

static void table_msg(struct fw_txn *t, uint16_t type, uint16_t flags, uint32_t table_flags)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, type, flags, "table", "inet " FW_TABLE);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, FW_TABLE);
	if (table_flags)
		mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(table_flags));
	fw_txn_add(t, nlh);
}

/* Adding what may be there already and deleting it works on every kernel; DESTROYTABLE came with 6.3. */
static void remove_table(struct fw_txn *t)
{
	table_msg(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, 0);
	table_msg(t, NFT_MSG_DELTABLE, 0, 0);
}

static void chain_msg(struct fw_txn *t, const struct fw_chain *c)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "chain", c->name);
	struct nlattr *hook;

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, c->name);
	if (c->base) {
		hook = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
		mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(c->hook));
		mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl((uint32_t)c->priority));
		mnl_attr_nest_end(nlh, hook);
		mnl_attr_put_u32(nlh, NFTA_CHAIN_POLICY, htonl(c->policy));
		mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, c->type);
	}
	fw_txn_add(t, nlh);
}

static void counter_msg(struct fw_txn *t, const char *name)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL, "counter", name);
	struct nlattr *data;

	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	data = mnl_attr_nest_start(nlh, NFTA_OBJ_DATA);
	mnl_attr_put_u64(nlh, NFTA_COUNTER_PACKETS, 0);
	mnl_attr_put_u64(nlh, NFTA_COUNTER_BYTES, 0);
	mnl_attr_nest_end(nlh, data);
	fw_txn_add(t, nlh);
}

static void delete_counter(struct fw_txn *t, const char *name)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_DELOBJ, 0, "old counter", name);

	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	fw_txn_add(t, nlh);
}

/* Of a whole chain: no handle. */
static void delete_rules(struct fw_txn *t, const char *chain)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_DELRULE, 0, "rules of chain", chain);

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, chain);
	fw_txn_add(t, nlh);
}

static void delete_chain(struct fw_txn *t, const char *chain)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_DELCHAIN, 0, "old chain", chain);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chain);
	fw_txn_add(t, nlh);
}

static const struct fw_set *find_set(const struct fw_ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->sets; i++)
		if (strcmp(rs->set[i].name, name) == 0)
			return &rs->set[i];
	return NULL;
}

static bool has_counter(const struct fw_ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->counters; i++)
		if (strcmp(rs->counter[i].name, name) == 0)
			return true;
	return false;
}

/* What is there and stays: its elements are the state of the firewall, not of its policy. */
static bool stays(const struct fw_ruleset *meant, const struct fw_set *have)
{
	const struct fw_set *s = find_set(meant, have->name);

	return s && s->state && fw_set_same(s, have);
}

/* All rules, and whatever the new ones do not have or have otherwise. A transaction: nothing is without in between. */
static void take_down(struct fw_txn *t, const struct fw_ruleset *meant, const struct fw_ruleset *have)
{
	for (size_t i = 0; i < have->chains; i++)
		delete_rules(t, have->chain[i].name);
	for (size_t i = 0; i < have->chains; i++)
		if (!fw_ruleset_chain(meant, have->chain[i].name))
			delete_chain(t, have->chain[i].name);
	for (size_t i = 0; i < have->sets; i++)
		if (!stays(meant, &have->set[i]))
			fw_set_delete(t, have->set[i].name);
	for (size_t i = 0; i < have->counters; i++)
		if (!has_counter(meant, have->counter[i].name))
			delete_counter(t, have->counter[i].name);
}

static void set_msg(struct fw_txn *t, const struct fw_policy *policy, const struct fw_ruleset *meant,
		    const struct fw_set *s)
{
	struct fw_mark mark = {.tag = t->tag, .digest = fw_ruleset_digest(meant), .mode = FW_CLOSED};
	uint8_t udata[NFT_USERDATA_MAXLEN];
	size_t len = 0;

	if (policy)
		mark.mode = policy->monitor ? FW_MONITOR : FW_OPEN;
	if (strcmp(s->name, FW_MARK_SET) == 0) {
		len = fw_mark_put(&mark, policy, udata, sizeof(udata));
		if (len == 0)
			fw_txn_fail(t, -ENOMEM);
	}
	fw_set_add(t, s, udata, len);
}

void fw_table_build(struct fw_txn *t, const struct fw_policy *policy, const struct fw_ruleset *meant,
		    const struct fw_ruleset *have)
{
	if (have) {
		/* One that its owner left behind becomes the session's; of what is ours already it changes nothing. */
		if (t->table_flags)
			table_msg(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, t->table_flags);
		take_down(t, meant, have);
	} else {
		remove_table(t);
		table_msg(t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, t->table_flags);
	}
	for (size_t i = 0; i < meant->counters; i++)
		if (!have || !has_counter(have, meant->counter[i].name))
			counter_msg(t, meant->counter[i].name);
	for (size_t i = 0; i < meant->sets; i++) {
		const struct fw_set *old = have ? find_set(have, meant->set[i].name) : NULL;

		if (!old || !stays(meant, old))
			set_msg(t, policy, meant, &meant->set[i]);
	}
	/* Also those that stay: the policy of a chain may be another. */
	for (size_t i = 0; i < meant->chains; i++)
		chain_msg(t, &meant->chain[i]);
	for (size_t i = 0; i < meant->rules; i++)
		fw_rule_add(t, &meant->rule[i]);
}

static int run(struct fw_session *s, const struct fw_policy *policy, const struct fw_ruleset *meant,
	       const struct fw_ruleset *have, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	int r = fw_txn_begin_on(&t, s);

	if (r < 0)
		return fw_fail(e, r, "transaction", "no memory or no random number for it");
	fw_table_build(&t, policy, meant, have);
	return fw_txn_commit(&t, e);
}

static int look(struct fw_dump *d, struct fw_error *e)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	int r = fw_nl_open(&nl, fw_now_ms() + FW_DEADLINE_MS, e);

	return r < 0 ? r : fw_dump_settled(&nl, d, e);
}

/* The kernel's dump against what was meant: "in force" is never a guess. */
static int check(const struct fw_ruleset *meant, struct fw_error *e)
{
	_cleanup_(fw_dump_free) struct fw_dump d = {0};
	char why[sizeof(e->detail)];
	struct fw_error failed = {0};
	int r = look(&d, &failed);

	/* The rules are in force by now, whatever happens to a look at them. */
	if (r < 0)
		r = look(&d, &failed);
	if (r < 0) {
		(void)snprintf(why, sizeof(why), "in force, but it cannot be read back: %s", failed.what);
		return fw_fail(e, -EUCLEAN, "self-check", "%s", why);
	}
	if (!d.present || !d.rs)
		return fw_fail(e, -EUCLEAN, "self-check", "the table is gone again");
	if (d.dormant || !fw_same(meant, d.rs, why, sizeof(why)))
		return fw_fail(e, -EUCLEAN, "self-check", "%s", d.dormant ? "the table is dormant" : why);
	return 0;
}

static int install(struct fw_session *s, const struct fw_policy *policy, struct fw_error *e)
{
	_cleanup_(fw_ruleset_free) struct fw_ruleset *meant = NULL;
	_cleanup_(fw_dump_free) struct fw_dump d = {0};
	int r = fw_build(policy, &meant, e);

	if (r < 0)
		return r;
	/* Closed is always made anew, and does not wait for anything. */
	r = policy ? look(&d, e) : -EAGAIN;
	if (r < 0 && r != -EAGAIN)
		return r;
	if (r == 0 && d.present && d.marked && !d.dormant && d.mark.mode != FW_CLOSED && !d.truncated)
		r = run(s, policy, meant, d.rs, e);
	else
		r = -EAGAIN;
	/* Others changed it in between, or in a way that does not fit: then it is replaced. */
	if (r < 0)
		r = run(s, policy, meant, NULL, e);
	return r < 0 ? r : check(meant, e);
}

int fw_close(struct fw_session *session, struct fw_error *err)
{
	return install(session, NULL, err);
}

int fw_open(struct fw_session *session, const struct fw_policy *policy, struct fw_error *err)
{
	/* To the rest of the library no policy means closed. */
	if (!policy)
		return fw_fail(err, -EINVAL, "policy", "there is none");
	return install(session, policy, err);
}

int fw_remove(struct fw_session *session, struct fw_error *err)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	int r = fw_txn_begin_on(&t, session);

	if (r < 0)
		return fw_fail(err, r, "transaction", "no memory or no random number for it");
	remove_table(&t);
	t.removes = true;
	return fw_txn_commit(&t, err);
}
