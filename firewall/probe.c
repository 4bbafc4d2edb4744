#include "probe.h"
#include "internal.h"
#include "surroundings.h"
#include "trial.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define FW_TRIAL_TABLE FW_TABLE "-try"
#define TRY_CHAIN      "try"
#define TRY_SET	       "try"

enum { ATTRS_MAX = 5, EXPRS_MAX = 3, TABLE_OWNED = NFT_TABLE_F_OWNER | 1 << 2 };

/* An attribute of an expression: a number, of so many bytes, in network byte order. */
struct attr {
	uint16_t type;
	uint8_t bytes;
	uint64_t value;
};

struct expr {
	const char *name;
	struct attr attr[ATTRS_MAX];
};

struct trial {
	const char *name;
	uint32_t hook; /* of the chain, if there are expressions */
	struct expr expr[EXPRS_MAX];
	uint32_t set_flags, key; /* key: bytes; 0: no set */
	struct expr each;	 /* of the set, for each element that packets add to it */
};

#define REG_IS(attr)                                                                                                   \
	{                                                                                                              \
		attr, 4, NFT_REG_1                                                                                     \
	}

static const struct trial trials[FW_FEATURES] = {
	[FW_HAS_CT] = {"ct",
		       NF_INET_LOCAL_IN,
		       {{"ct", {{NFTA_CT_KEY, 4, NFT_CT_STATE}, REG_IS(NFTA_CT_DREG)}},
			{"ct", {{NFTA_CT_KEY, 4, NFT_CT_MARK}, REG_IS(NFTA_CT_DREG)}},
			{"ct", {{NFTA_CT_KEY, 4, NFT_CT_MARK}, REG_IS(NFTA_CT_SREG)}}}},
	[FW_HAS_NOTRACK] = {"notrack", NF_INET_PRE_ROUTING, {{"notrack", {{0}}}}},
	[FW_HAS_SOCKET] = {"socket",
			   NF_INET_PRE_ROUTING,
			   {{"socket", {{NFTA_SOCKET_KEY, 4, NFT_SOCKET_WILDCARD}, REG_IS(NFTA_SOCKET_DREG)}},
			    {"socket", {{NFTA_SOCKET_KEY, 4, NFT_SOCKET_TRANSPARENT}, REG_IS(NFTA_SOCKET_DREG)}}}},
	[FW_HAS_FIB] = {"fib",
			NF_INET_PRE_ROUTING,
			{{"fib",
			  {REG_IS(NFTA_FIB_DREG),
			   {NFTA_FIB_RESULT, 4, NFT_FIB_RESULT_ADDRTYPE},
			   {NFTA_FIB_FLAGS, 4, NFTA_FIB_F_SADDR}}},
			 {"fib",
			  {REG_IS(NFTA_FIB_DREG),
			   {NFTA_FIB_RESULT, 4, NFT_FIB_RESULT_OIF},
			   {NFTA_FIB_FLAGS, 4, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF}}}}},
	[FW_HAS_EXTENSION] = {"extension",
			      NF_INET_PRE_ROUTING,
			      {{"exthdr",
				{REG_IS(NFTA_EXTHDR_DREG),
				 {NFTA_EXTHDR_TYPE, 1, IPPROTO_ROUTING},
				 {NFTA_EXTHDR_OFFSET, 4, 2},
				 {NFTA_EXTHDR_LEN, 4, 1}}},
			       {"exthdr",
				{REG_IS(NFTA_EXTHDR_DREG),
				 {NFTA_EXTHDR_TYPE, 1, IPPROTO_FRAGMENT},
				 {NFTA_EXTHDR_OFFSET, 4, 2},
				 {NFTA_EXTHDR_LEN, 4, 2}}}}},
	[FW_HAS_LIMIT] = {"limit",
			  NF_INET_PRE_ROUTING,
			  {{"limit", {{NFTA_LIMIT_RATE, 8, 5}, {NFTA_LIMIT_UNIT, 8, 1}, {NFTA_LIMIT_BURST, 4, 10}}}}},
	[FW_HAS_REJECT] = {"reject",
			   NF_INET_LOCAL_IN,
			   {{"meta", {{NFTA_META_KEY, 4, NFT_META_L4PROTO}, REG_IS(NFTA_META_DREG)}},
			    {"reject", {{NFTA_REJECT_TYPE, 4, NFT_REJECT_TCP_RST}}}}},
	[FW_HAS_LOG] = {"log", NF_INET_PRE_ROUTING, {{"log", {{NFTA_LOG_GROUP, 2, 1}}}}},
	[FW_HAS_SKUID] = {"skuid",
			  NF_INET_LOCAL_OUT,
			  {{"meta", {{NFTA_META_KEY, 4, NFT_META_SKUID}, REG_IS(NFTA_META_DREG)}}}},
	[FW_HAS_SET_TIMEOUT] = {"set_timeout", .set_flags = NFT_SET_TIMEOUT, .key = 4},
	[FW_HAS_NET_TIMEOUT] = {"net_timeout", .set_flags = NFT_SET_TIMEOUT | NFT_SET_INTERVAL, .key = 16},
	[FW_HAS_CONCATENATION] = {"concatenation", .set_flags = NFT_SET_TIMEOUT, .key = 20},
	[FW_HAS_SOURCE_RATE] =
		{"source_rate",
		 NF_INET_LOCAL_IN,
		 {{"meta", {{NFTA_META_KEY, 4, NFT_META_IIF}, REG_IS(NFTA_META_DREG)}}, {"dynset", {{0}}}},
		 NFT_SET_TIMEOUT | NFT_SET_EVAL,
		 4,
		 {"limit", {{NFTA_LIMIT_RATE, 8, 5}, {NFTA_LIMIT_UNIT, 8, 1}, {NFTA_LIMIT_FLAGS, 4, NFT_LIMIT_F_INV}}}},
	[FW_HAS_SOURCE_COUNT] = {"source_count",
				 NF_INET_LOCAL_IN,
				 {{"meta", {{NFTA_META_KEY, 4, NFT_META_IIF}, REG_IS(NFTA_META_DREG)}},
				  {"dynset", {{0}}}},
				 NFT_SET_EVAL,
				 4,
				 {"connlimit",
				  {{NFTA_CONNLIMIT_COUNT, 4, 5}, {NFTA_CONNLIMIT_FLAGS, 4, NFT_CONNLIMIT_F_INV}}}},
	/* These are tried in other ways. */
	[FW_HAS_OWNER] = {"owner"},
	[FW_HAS_ELEMENT_UPDATE] = {"element_update"},
};

const char *fw_feature_name(enum fw_feature feature)
{
	return trials[feature].name;
}

static void put_chain(struct fw_txn *t, const char *name, uint32_t hook)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWCHAIN, NLM_F_CREATE, "chain", name);
	struct nlattr *nest;

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, FW_TRIAL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
	nest = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
	mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(hook));
	/* Before conntrack, as notrack wants it; in the table, which is dormant, no packet ever comes here. */
	mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, htonl((uint32_t)-300));
	mnl_attr_nest_end(nlh, nest);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, "filter");
	fw_txn_add(t, nlh);
}

/* set: of a dynset, which has this one for each of its elements. */
static void put_expr(struct nlmsghdr *nlh, uint16_t list, const struct expr *e, const char *set,
		     const struct expr *each)
{
	struct nlattr *elem = mnl_attr_nest_start(nlh, list), *data;

	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, e->name);
	data = mnl_attr_nest_start(nlh, NFTA_EXPR_DATA);
	if (each) {
		mnl_attr_put_strz(nlh, NFTA_DYNSET_SET_NAME, set);
		mnl_attr_put_u32(nlh, NFTA_DYNSET_OP, htonl(NFT_DYNSET_OP_ADD));
		mnl_attr_put_u32(nlh, NFTA_DYNSET_SREG_KEY, htonl(NFT_REG_1));
		put_expr(nlh, NFTA_DYNSET_EXPR, each, NULL, NULL);
	}
	for (size_t i = 0; i < ATTRS_MAX && e->attr[i].bytes; i++) {
		uint64_t be = htobe64(e->attr[i].value << (64 - 8 * e->attr[i].bytes));

		mnl_attr_put(nlh, e->attr[i].type, e->attr[i].bytes, &be);
	}
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, elem);
}

static void put_rule(struct fw_txn *t, const struct trial *trial)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "rule", trial->name);
	struct nlattr *list;

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, FW_TRIAL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, trial->name);
	list = mnl_attr_nest_start(nlh, NFTA_RULE_EXPRESSIONS);
	for (size_t i = 0; i < EXPRS_MAX && trial->expr[i].name; i++)
		put_expr(nlh, NFTA_LIST_ELEM, &trial->expr[i], trial->name,
			 strcmp(trial->expr[i].name, "dynset") == 0 ? &trial->each : NULL);
	mnl_attr_nest_end(nlh, list);
	fw_txn_add(t, nlh);
}

/* The features from first to last, in one batch. */
static int try_some(struct fw_session *s, int first, int last, bool *refused, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	bool owned = first <= FW_HAS_OWNER && FW_HAS_OWNER <= last;
	int r = fw_txn_begin_on(&t, s);

	*refused = false;
	if (r < 0)
		return fw_fail(e, r, "probe", "no memory or no random number for it");
	/* One may be left of a process that died in the middle of a probe. */
	fw_trial_table(&t, NFT_MSG_NEWTABLE, 0);
	fw_trial_table(&t, NFT_MSG_DELTABLE, 0);
	/* Dormant: nothing is hooked in, not even until it is undone. */
	fw_trial_table(&t, NFT_MSG_NEWTABLE, NFT_TABLE_F_DORMANT | (owned ? TABLE_OWNED : 0));
	for (int f = first; f <= last; f++) {
		const struct trial *trial = &trials[f];

		if (trial->key)
			fw_trial_set(&t, trial->name, trial->set_flags, trial->key);
		if (trial->expr[0].name) {
			put_chain(&t, trial->name, trial->hook);
			put_rule(&t, trial);
		}
	}
	r = fw_txn_try(&t, e);
	*refused = t.refused;
	return r;
}

static int try_feature(struct fw_session *s, enum fw_feature f, struct fw_probe *p, struct fw_error *e)
{
	struct fw_error error = {0};
	bool refused = false;
	int r = 0;

	if (f == FW_HAS_ELEMENT_UPDATE) {
		r = p->has[FW_HAS_SET_TIMEOUT] ? fw_try_element_update(s, &p->has[f], &error) : 0;
		if (!p->has[f])
			(void)snprintf(p->said[f], sizeof(p->said[f]), "the timeout stays as it was");
	} else {
		r = try_some(s, (int)f, (int)f, &refused, &error);
		p->has[f] = r == 0;
		if (refused && r != -EPERM) {
			char line[sizeof(error.what) + sizeof(error.detail) + 64];

			(void)snprintf(p->said[f], sizeof(p->said[f]), "%.*s", (int)sizeof(p->said[f]) - 1,
				       fw_error_text(&error, line, sizeof(line)));
			r = 0;
		}
	}
	if (r < 0 && e)
		*e = error;
	return r;
}

int fw_probe(struct fw_session *s, struct fw_probe *out, struct fw_error *err)
{
	struct fw_probe p = {0};
	struct utsname name;

	/* What is undone costs the kernel a grace period, some 13 ms: first all at once, and most kernels have it all.
	 */
	bool refused, all = try_some(s, 0, FW_HAS_ELEMENT_UPDATE - 1, &refused, NULL) == 0;

	for (int f = 0; f < FW_FEATURES; f++) {
		int r = 0;

		if (all && f != FW_HAS_ELEMENT_UPDATE)
			p.has[f] = true;
		else
			r = try_feature(s, (enum fw_feature)f, &p, err);
		if (r < 0)
			return r;
	}
	if (uname(&name) == 0)
		(void)snprintf(p.kernel, sizeof(p.kernel), "%s", name.release);
	fw_look_around(s, &p);
	if (s)
		s->updates_elements = p.has[FW_HAS_ELEMENT_UPDATE];
	*out = p;
	return 0;
}

void fw_probe_features(const struct fw_probe *p, struct fw_features *out)
{
	*out = (struct fw_features){
		/* Whoever is redirected asks for a port that has no socket. */
		.socket = p->has[FW_HAS_SOCKET] && !p->nat,
		.socket_wildcard = p->has[FW_HAS_SOCKET],
		.fib = p->has[FW_HAS_FIB],
		.dynset_expr = p->has[FW_HAS_SOURCE_RATE],
		.connlimit = p->has[FW_HAS_SOURCE_COUNT],
		/* Translation needs conntrack. */
		.notrack = p->has[FW_HAS_NOTRACK] && !p->nat,
		.log = p->has[FW_HAS_LOG],
		.exthdr = p->has[FW_HAS_EXTENSION],
		.tcp_loose = p->tcp_loose == 1,
	};
}
