/* The table around the rules: its messages, and the three things that can be done to it. */
#include "internal.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

static void free_table(struct nftnl_table **t)
{
	if (*t)
		nftnl_table_free(*t);
}

static void free_chain(struct nftnl_chain **c)
{
	if (*c)
		nftnl_chain_free(*c);
}

static void free_obj(struct nftnl_obj **o)
{
	if (*o)
		nftnl_obj_free(*o);
}

static void table_msg(struct fw_txn *t, uint16_t type, uint16_t flags, const struct fw_mark *mark)
{
	_cleanup_(free_table) struct nftnl_table *table = nftnl_table_alloc();
	struct nlmsghdr *nlh;

	if (!table || nftnl_table_set_str(table, NFTNL_TABLE_NAME, FW_TABLE) < 0 ||
	    (mark && fw_mark_put(mark, table) < 0)) {
		fw_txn_fail(t, -ENOMEM);
		return;
	}
	nlh = fw_txn_msg(t, type, flags, "table", "inet " FW_TABLE);
	nftnl_table_nlmsg_build_payload(nlh, table);
	fw_txn_add(t, nlh);
}

/* Adding what may be there already and deleting it works on every kernel; DESTROYTABLE came with 6.3. */
static void remove_table(struct fw_txn *t)
{
	table_msg(t, NFT_MSG_NEWTABLE, NLM_F_CREATE, NULL);
	table_msg(t, NFT_MSG_DELTABLE, 0, NULL);
}

static void chain_msg(struct fw_txn *t)
{
	_cleanup_(free_chain) struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *nlh;

	if (!c || nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, FW_TABLE) < 0 ||
	    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, FW_CHAIN) < 0 ||
	    nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter") < 0) {
		fw_txn_fail(t, -ENOMEM);
		return;
	}
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, NF_INET_LOCAL_IN);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, FW_PRIORITY);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_DROP);
	nlh = fw_txn_msg(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL, "chain", FW_CHAIN);
	nftnl_chain_nlmsg_build_payload(nlh, c);
	fw_txn_add(t, nlh);
}

void fw_counter_add(struct fw_txn *t, const char *name)
{
	_cleanup_(free_obj) struct nftnl_obj *o = nftnl_obj_alloc();
	struct nlmsghdr *nlh;

	if (!o) {
		fw_txn_fail(t, -ENOMEM);
		return;
	}
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, FW_TABLE);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_PKTS, 0);
	nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_BYTES, 0);
	nlh = fw_txn_msg(t, NFT_MSG_NEWOBJ, NLM_F_CREATE | NLM_F_EXCL, "counter", name);
	nftnl_obj_nlmsg_build_payload(nlh, o);
	fw_txn_add(t, nlh);
}

int fw_table_build(struct fw_txn *t, const struct fw_policy *policy, struct fw_error *e)
{
	struct fw_mark mark = {
		.tag = t->tag,
		.mode = policy ? FW_OPEN : FW_CLOSED,
		.rules = fw_rules_count(policy),
	};

	remove_table(t);
	table_msg(t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, &mark);
	fw_rules_add_counters(t, policy);
	chain_msg(t);
	if (policy) {
		int r = fw_policy_add_sets(t, policy, e);

		if (r < 0)
			return r;
	}
	fw_rules_add(t, policy);
	return 0;
}

static int install(const struct fw_policy *policy, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	int r = fw_txn_begin(&t);

	if (r < 0)
		return fw_fail(e, r, "transaction", "no memory or no random number for it");
	r = fw_table_build(&t, policy, e);
	if (r < 0)
		return r;
	return fw_txn_commit(&t, e);
}

int fw_close(struct fw_error *err)
{
	return install(NULL, err);
}

int fw_open(const struct fw_policy *policy, struct fw_error *err)
{
	/* To the rest of the library no policy means closed. */
	if (!policy)
		return fw_fail(err, -EINVAL, "policy", "there is none");
	return install(policy, err);
}

int fw_remove(struct fw_error *err)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	int r = fw_txn_begin(&t);

	if (r < 0)
		return fw_fail(err, r, "transaction", "no memory or no random number for it");
	remove_table(&t);
	t.removes = true;
	return fw_txn_commit(&t, err);
}
