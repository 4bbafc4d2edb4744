#include "trial.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#define SET "update"

enum { BEFORE_MS = 600000, AFTER_MS = 1200000 };

void fw_trial_table(struct fw_txn *t, uint16_t type, uint32_t flags)
{
	uint16_t create = type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0;
	struct nlmsghdr *nlh = fw_txn_msg(t, type, create, "table", FW_TRIAL_TABLE);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, FW_TRIAL_TABLE);
	if (flags)
		mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(flags));
	fw_txn_add(t, nlh);
}

void fw_trial_set(struct fw_txn *t, const char *name, uint32_t flags, uint32_t key_bytes)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWSET, NLM_F_CREATE, "set", name);

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, FW_TRIAL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, name);
	mnl_attr_put_u32(nlh, NFTA_SET_ID, htonl(++t->sets));
	mnl_attr_put_u32(nlh, NFTA_SET_FLAGS, htonl(flags));
	mnl_attr_put_u32(nlh, NFTA_SET_KEY_LEN, htonl(key_bytes));
	fw_txn_add(t, nlh);
}

static void put_element(struct fw_txn *t, uint64_t timeout_ms)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "elements of set", SET);
	struct nlattr *list, *elem, *key;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FW_TRIAL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, SET);
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put_u32(nlh, NFTA_DATA_VALUE, 1);
	mnl_attr_nest_end(nlh, key);
	mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, htobe64(timeout_ms));
	mnl_attr_nest_end(nlh, elem);
	mnl_attr_nest_end(nlh, list);
	fw_txn_add(t, nlh);
}

static int commit(struct fw_session *s, bool remove, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	int r = fw_txn_begin_on(&t, s);

	if (r < 0)
		return fw_fail(e, r, "probe", "no memory or no random number for it");
	t.untagged = true;
	fw_trial_table(&t, NFT_MSG_NEWTABLE, 0);
	fw_trial_table(&t, NFT_MSG_DELTABLE, 0);
	if (!remove) {
		fw_trial_table(&t, NFT_MSG_NEWTABLE, NFT_TABLE_F_DORMANT);
		fw_trial_set(&t, SET, NFT_SET_TIMEOUT, 4);
		put_element(&t, BEFORE_MS);
		put_element(&t, AFTER_MS);
	}
	return fw_txn_commit(&t, e);
}

static int take_timeout(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *list, *elem, *attr;

	mnl_attr_for_each (list, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested (elem, list) {
			mnl_attr_for_each_nested (attr, elem) {
				if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_TIMEOUT &&
				    mnl_attr_validate(attr, MNL_TYPE_U64) == 0)
					*(uint64_t *)data = be64toh(mnl_attr_get_u64(attr));
			}
		}
	}
	return 0;
}

static int ask(struct fw_session *s, uint64_t *timeout, struct fw_error *e)
{
	_Alignas(struct nlmsghdr) char buf[128];
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP, 0);
	int r = fw_nl_borrow(&nl, s, fw_now_ms() + FW_DEADLINE_MS, e);

	if (r < 0)
		return r;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FW_TRIAL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, SET);
	r = fw_nl_ask(&nl, nlh, take_timeout, timeout);
	/* Interrupted: somebody is busy here. Then it is not known, and the way of older kernels works on all of them.
	 */
	if (r == 0 || r == -EINTR)
		return 0;
	return fw_fail(e, r, "probe", "the elements cannot be read");
}

/* No kernel refuses it, some do nothing: it has to be done and looked at. */
int fw_try_element_update(struct fw_session *s, bool *has, struct fw_error *e)
{
	uint64_t timeout = 0;
	int removed, r = commit(s, false, e);

	if (r == 0)
		r = ask(s, &timeout, e);
	removed = commit(s, true, r == 0 ? e : NULL);
	*has = timeout == AFTER_MS;
	return r < 0 ? r : removed;
}
