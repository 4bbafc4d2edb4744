#include "internal.h"

#include <errno.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Every rule needs one register at a time: a comparison ends what a load began. */
enum { REG = NFT_REG_1 };

/* The first interface of every network namespace, whatever it is called today (LOOPBACK_IFINDEX). */
enum { LOOPBACK_INDEX = 1 };

void fw_rule_begin(struct fw_rule *r, struct fw_txn *t, const char *name)
{
	*r = (struct fw_rule){.txn = t, .name = name, .nlr = nftnl_rule_alloc()};
	if (!r->nlr) {
		fw_txn_fail(t, -ENOMEM);
		return;
	}
	nftnl_rule_set_u32(r->nlr, NFTNL_RULE_FAMILY, NFPROTO_INET);
	if (nftnl_rule_set_str(r->nlr, NFTNL_RULE_TABLE, FW_TABLE) < 0 ||
	    nftnl_rule_set_str(r->nlr, NFTNL_RULE_CHAIN, FW_CHAIN) < 0)
		fw_txn_fail(t, -ENOMEM);
}

/* NULL if there is no memory; the rule is then refused as a whole at its end. */
static struct nftnl_expr *append(struct fw_rule *r, const char *type)
{
	struct nftnl_expr *e = r->nlr ? nftnl_expr_alloc(type) : NULL;

	if (e)
		nftnl_rule_add_expr(r->nlr, e);
	else
		fw_txn_fail(r->txn, -ENOMEM);
	return e;
}

static void compare(struct fw_rule *r, uint32_t op, const void *value, uint32_t len)
{
	struct nftnl_expr *e = append(r, "cmp");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, REG);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	if (nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, value, len) < 0)
		fw_txn_fail(r->txn, -ENOMEM);
}

static void mask(struct fw_rule *r, const void *bits, uint32_t len)
{
	static const uint8_t zero[FW_KEY_MAX];
	struct nftnl_expr *e = append(r, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, REG);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, REG);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, bits, len) < 0 ||
	    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, len) < 0)
		fw_txn_fail(r->txn, -ENOMEM);
}

static void load_meta(struct fw_rule *r, uint32_t key)
{
	struct nftnl_expr *e = append(r, "meta");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, REG);
}

static void load_field(struct fw_rule *r, struct fw_field f)
{
	struct nftnl_expr *e = append(r, "payload");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, REG);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, f.base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, f.offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, f.len);
}

void fw_rule_loopback(struct fw_rule *r)
{
	uint32_t index = LOOPBACK_INDEX;

	load_meta(r, NFT_META_IIF);
	compare(r, NFT_CMP_EQ, &index, sizeof(index));
}

void fw_rule_family(struct fw_rule *r, uint8_t nfproto)
{
	load_meta(r, NFT_META_NFPROTO);
	compare(r, NFT_CMP_EQ, &nfproto, sizeof(nfproto));
}

void fw_rule_protocol(struct fw_rule *r, uint8_t l4proto)
{
	load_meta(r, NFT_META_L4PROTO);
	compare(r, NFT_CMP_EQ, &l4proto, sizeof(l4proto));
}

void fw_rule_field_is(struct fw_rule *r, struct fw_field f, const void *value)
{
	load_field(r, f);
	compare(r, NFT_CMP_EQ, value, f.len);
}

void fw_rule_field_masked(struct fw_rule *r, struct fw_field f, const void *bits, const void *value)
{
	load_field(r, f);
	mask(r, bits, f.len);
	compare(r, NFT_CMP_EQ, value, f.len);
}

static void look_up(struct fw_rule *r, const char *name, uint32_t id)
{
	struct nftnl_expr *e = append(r, "lookup");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, REG);
	if (id)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, id);
	if (nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, name) < 0)
		fw_txn_fail(r->txn, -ENOMEM);
}

void fw_rule_field_in_named(struct fw_rule *r, struct fw_field f, const char *set)
{
	load_field(r, f);
	look_up(r, set, 0);
}

void fw_rule_field_in_values(struct fw_rule *r, struct fw_field f, enum fw_key key, const uint8_t *values, size_t n)
{
	/* A nameless set belongs to one rule: the kernel refuses a second user. */
	uint32_t id = fw_set_constant(r->txn, r->name, key, values, n);

	load_field(r, f);
	look_up(r, "__set%d", id);
}

void fw_rule_ct_state(struct fw_rule *r, uint32_t any_of)
{
	uint32_t none = 0;
	struct nftnl_expr *e = append(r, "ct");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, REG);
	mask(r, &any_of, sizeof(any_of));
	compare(r, NFT_CMP_NEQ, &none, sizeof(none));
}

void fw_rule_limit(struct fw_rule *r, uint64_t per_second, uint32_t burst)
{
	struct nftnl_expr *e = append(r, "limit");

	if (!e)
		return;
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, per_second);
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, burst);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_FLAGS, 0);
}

static void count(struct fw_rule *r, const char *counter)
{
	struct nftnl_expr *e = append(r, "objref");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	if (nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, counter) < 0)
		fw_txn_fail(r->txn, -ENOMEM);
}

static void decide(struct fw_rule *r, enum fw_verdict verdict)
{
	struct nftnl_expr *e = append(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict == FW_ACCEPT ? NF_ACCEPT : NF_DROP);
}

void fw_rule_end(struct fw_rule *r, const char *counter, enum fw_verdict verdict)
{
	struct nlmsghdr *nlh;

	count(r, counter);
	decide(r, verdict);
	if (!r->nlr)
		return;
	nlh = fw_txn_msg(r->txn, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "rule", r->name);
	nftnl_rule_nlmsg_build_payload(nlh, r->nlr);
	fw_txn_add(r->txn, nlh);
	nftnl_rule_free(r->nlr);
	r->nlr = NULL;
}
