/* From a rule to netlink, expression by expression. */
#include "internal.h"
#include "rule.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* The first register of 16 bytes, and the same in words of four, for keys of several parts. */
enum { REG = NFT_REG_1, REG_WORD = NFT_REG32_00 };

struct rule {
	struct fw_txn *txn;
	struct nftnl_rule *nlr;
	const char *name;
};

static struct nftnl_expr *make(struct rule *r, const char *kind)
{
	struct nftnl_expr *e = r->txn->err < 0 ? NULL : nftnl_expr_alloc(kind);

	if (!e)
		fw_txn_fail(r->txn, -ENOMEM);
	return e;
}

static struct nftnl_expr *append(struct rule *r, const char *kind)
{
	struct nftnl_expr *e = make(r, kind);

	if (e)
		nftnl_rule_add_expr(r->nlr, e);
	return e;
}

static void set(struct rule *r, struct nftnl_expr *e, uint16_t attr, const void *data, uint32_t len)
{
	if (nftnl_expr_set(e, attr, data, len) < 0)
		fw_txn_fail(r->txn, -ENOMEM);
}

static void set_name(struct rule *r, struct nftnl_expr *e, uint16_t attr, const char *name)
{
	if (nftnl_expr_set_str(e, attr, name) < 0)
		fw_txn_fail(r->txn, -ENOMEM);
}

static void load_payload(struct nftnl_expr *e, const struct fw_field_info *f, uint32_t reg)
{
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, reg);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, f->key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, f->offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, f->len);
}

static void load_exthdr(struct nftnl_expr *e, const struct fw_field_info *f, uint32_t reg)
{
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_DREG, reg);
	nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, (uint8_t)f->key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OFFSET, f->offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_LEN, f->len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_IPV6);
	nftnl_expr_set_u32(e, NFTNL_EXPR_EXTHDR_FLAGS, f->flags);
}

static void load(struct rule *r, enum fw_field field, uint32_t reg)
{
	static const char *const kinds[] = {"meta", "payload", "exthdr", "ct", "socket", "fib"};
	const struct fw_field_info *f = &fw_fields[field];
	struct nftnl_expr *e = append(r, kinds[f->source]);

	if (!e)
		return;
	switch (f->source) {
	case FW_FROM_META:
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, f->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, reg);
		break;
	case FW_FROM_PAYLOAD:
		load_payload(e, f, reg);
		break;
	case FW_FROM_EXTHDR:
		load_exthdr(e, f, reg);
		break;
	case FW_FROM_CT:
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, f->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, reg);
		break;
	case FW_FROM_SOCKET:
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_KEY, f->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_SOCKET_DREG, reg);
		break;
	case FW_FROM_FIB:
	default:
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, f->key);
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, f->flags);
		nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, reg);
		break;
	}
}

static void bitwise(struct rule *r, const uint8_t *keep, const uint8_t *flip, uint32_t len)
{
	struct nftnl_expr *e = append(r, "bitwise");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, REG);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, REG);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
	set(r, e, NFTNL_EXPR_BITWISE_MASK, keep, len);
	set(r, e, NFTNL_EXPR_BITWISE_XOR, flip, len);
}

/* The fields of a statement into one key. */
static void load_key(struct rule *r, const struct fw_stmt *s)
{
	static const uint8_t none[FW_KEY_MAX];
	uint32_t word = 0;

	if (s->fields == 1) {
		load(r, s->field[0], REG);
		if (s->masked)
			bitwise(r, s->mask, none, fw_fields[s->field[0]].len);
		return;
	}
	for (size_t i = 0; i < s->fields; i++) {
		load(r, s->field[i], word % 4 ? REG_WORD + word : REG + word / 4);
		word += (fw_fields[s->field[i]].len + 3u) / 4;
	}
}

static void match(struct rule *r, const struct fw_stmt *s)
{
	uint32_t id = s->count > 1 ? fw_set_nameless(r->txn, r->name, s) : 0;
	struct nftnl_expr *e;

	load_key(r, s);
	e = append(r, s->count == 1 ? "cmp" : "lookup");
	if (!e)
		return;
	if (s->count == 1) {
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, REG);
		nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, s->invert ? NFT_CMP_NEQ : NFT_CMP_EQ);
		set(r, e, NFTNL_EXPR_CMP_DATA, s->value, s->len);
		return;
	}
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, REG);
	if (id)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SET_ID, id);
	if (s->invert)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
	set_name(r, e, NFTNL_EXPR_LOOKUP_SET, id ? "__set%d" : s->name);
}

static void fill_limit(struct nftnl_expr *e, const struct fw_stmt *s, bool over)
{
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, s->rate);
	nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_BURST, s->burst);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(e, NFTNL_EXPR_LIMIT_FLAGS, over ? NFT_LIMIT_F_INV : 0);
}

static void meter(struct rule *r, const struct fw_stmt *s)
{
	struct nftnl_expr *e, *inner = NULL;

	load_key(r, s);
	e = append(r, "dynset");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, REG);
	nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, s->refresh ? NFT_DYNSET_OP_UPDATE : NFT_DYNSET_OP_ADD);
	set_name(r, e, NFTNL_EXPR_DYNSET_SET_NAME, s->name);
	if (s->rate)
		inner = make(r, "limit");
	else if (s->connections)
		inner = make(r, "connlimit");
	if (!inner)
		return;
	if (s->rate) {
		fill_limit(inner, s, true);
	} else {
		nftnl_expr_set_u32(inner, NFTNL_EXPR_CONNLIMIT_COUNT, s->connections);
		nftnl_expr_set_u32(inner, NFTNL_EXPR_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
	}
	set(r, e, NFTNL_EXPR_DYNSET_EXPR, inner, 0);
}

static void set_mark(struct rule *r, const struct fw_stmt *s)
{
	uint32_t keep = ~s->mark;
	struct nftnl_expr *e;

	load(r, FW_CT_MARK, REG);
	bitwise(r, (const uint8_t *)&keep, (const uint8_t *)&s->mark, sizeof(keep));
	e = append(r, "ct");
	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_SREG, REG);
}

static void verdict(struct rule *r, const struct fw_stmt *s)
{
	static const uint32_t codes[] = {[FW_ACCEPT] = NF_ACCEPT,
					 [FW_DROP] = NF_DROP,
					 [FW_RETURN] = (uint32_t)NFT_RETURN,
					 [FW_JUMP] = (uint32_t)NFT_JUMP,
					 [FW_GOTO] = (uint32_t)NFT_GOTO};
	struct nftnl_expr *e = append(r, "immediate");

	if (!e)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, codes[s->kind]);
	if (s->name[0])
		set_name(r, e, NFTNL_EXPR_IMM_CHAIN, s->name);
}

static void simple(struct rule *r, const struct fw_stmt *s)
{
	static const char *const kinds[] = {[FW_LIMIT] = "limit",
					    [FW_COUNT] = "objref",
					    [FW_NOTRACK] = "notrack",
					    [FW_LOG] = "log",
					    [FW_REJECT] = "reject"};
	struct nftnl_expr *e = append(r, kinds[s->kind]);

	if (!e)
		return;
	switch (s->kind) {
	case FW_LIMIT:
		fill_limit(e, s, s->invert);
		break;
	case FW_COUNT:
		nftnl_expr_set_u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
		set_name(r, e, NFTNL_EXPR_OBJREF_IMM_NAME, s->name);
		break;
	case FW_LOG:
		nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_GROUP, s->group);
		set_name(r, e, NFTNL_EXPR_LOG_PREFIX, s->name);
		break;
	case FW_REJECT:
		nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
		break;
	default:
		break;
	}
}

static void statement(struct rule *r, const struct fw_stmt *s)
{
	switch ((enum fw_stmt_kind)s->kind) {
	case FW_MATCH:
		match(r, s);
		break;
	case FW_METER:
		meter(r, s);
		break;
	case FW_SET_MARK:
		set_mark(r, s);
		break;
	case FW_ACCEPT:
	case FW_DROP:
	case FW_RETURN:
	case FW_JUMP:
	case FW_GOTO:
		verdict(r, s);
		break;
	case FW_LIMIT:
	case FW_COUNT:
	case FW_NOTRACK:
	case FW_LOG:
	case FW_REJECT:
		simple(r, s);
		break;
	case FW_UNKNOWN:
	default:
		fw_txn_fail(r->txn, -EINVAL);
		break;
	}
}

void fw_rule_add(struct fw_txn *t, const struct fw_rule *rule)
{
	char name[2 * FW_NAME_MAX + 2];
	struct rule r = {.txn = t, .nlr = nftnl_rule_alloc(), .name = name};
	struct nlmsghdr *nlh;

	(void)snprintf(name, sizeof(name), "%s%s%s", rule->chain, rule->class[0] ? ": " : "", rule->class);
	if (!r.nlr || nftnl_rule_set_str(r.nlr, NFTNL_RULE_TABLE, FW_TABLE) < 0 ||
	    nftnl_rule_set_str(r.nlr, NFTNL_RULE_CHAIN, rule->chain) < 0)
		fw_txn_fail(t, -ENOMEM);
	for (size_t i = 0; i < rule->n && t->err == 0; i++)
		statement(&r, &rule->stmt[i]);
	if (t->err == 0) {
		nlh = fw_txn_msg(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "rule", name);
		nftnl_rule_nlmsg_build_payload(nlh, r.nlr);
		fw_txn_add(t, nlh);
	}
	if (r.nlr)
		nftnl_rule_free(r.nlr);
}
