/*
 * From netlink to a rule: the inverse of encode.c. What a register holds is remembered until it is used. An expression
 * or a combination that no rule of ours has becomes FW_UNKNOWN, which is equal to nothing.
 */
#include "internal.h"
#include "rule.h"

#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

struct state {
	struct fw_ruleset *nameless;
	struct fw_rule *rule;
	struct fw_stmt key; /* what was loaded and not yet used */
	uint32_t words;	    /* of registers, by it */
	bool changed;	    /* by a bitwise that is no mask */
	uint32_t flip;
	int family, protocol; /* that the rule asked for before */
};

static struct fw_stmt *next(struct state *s, enum fw_stmt_kind kind)
{
	struct fw_rule *r = s->rule;
	struct fw_stmt *to;

	if (r->n == FW_STMTS_MAX) {
		r->too_long = true;
		return &r->stmt[FW_STMTS_MAX - 1];
	}
	to = &r->stmt[r->n++];
	*to = s->key;
	to->kind = (uint8_t)kind;
	s->key = (struct fw_stmt){0};
	s->words = 0;
	s->changed = false;
	return to;
}

/* Names of the kernel may be longer than any of ours: they differ all the same. */
static void copy_name(char *to, const char *from)
{
	memset(to, 0, FW_NAME_MAX);
	(void)snprintf(to, FW_NAME_MAX, "%s", from ? from : "");
}

static void unknown(struct state *s, const char *name)
{
	s->key = (struct fw_stmt){0};
	copy_name(next(s, FW_UNKNOWN)->name, name);
}

/* In words of four bytes; both ways to number registers mean the same ones. */
static uint32_t word_of(uint32_t reg)
{
	return reg >= NFT_REG32_00 ? reg - NFT_REG32_00 : (reg - NFT_REG_1) * 4;
}

static void loaded(struct state *s, enum fw_field f, uint32_t reg)
{
	if (f == FW_FIELDS || s->key.fields == FW_CONCAT_MAX || word_of(reg) != s->words || s->key.masked) {
		unknown(s, "a field that we never ask for");
		return;
	}
	s->key.field[s->key.fields++] = (uint8_t)f;
	s->words += (fw_fields[f].len + 3u) / 4;
}

/* Ports of TCP and of UDP, types of ICMP and of ICMPv6 stand in the same place: the rule said before which it is. */
static bool fits(const struct state *s, const struct fw_field_info *f)
{
	return (f->family < 0 || f->family == s->family) && (f->protocol < 0 || f->protocol == s->protocol);
}

static enum fw_field find(const struct state *s, enum fw_source source, uint32_t key, uint32_t offset, uint32_t len,
			  uint32_t flags)
{
	for (size_t i = 0; i < FW_FIELDS; i++) {
		const struct fw_field_info *f = &fw_fields[i];

		if (f->source == source && f->key == key && f->offset == offset && f->flags == flags &&
		    (len == 0 || f->len == len) && fits(s, f))
			return (enum fw_field)i;
	}
	return FW_FIELDS;
}

static uint32_t u32(const struct nftnl_expr *e, uint16_t attr)
{
	return nftnl_expr_is_set(e, attr) ? nftnl_expr_get_u32(e, attr) : 0;
}

static void payload(struct state *s, const struct nftnl_expr *e)
{
	loaded(s,
	       find(s, FW_FROM_PAYLOAD, u32(e, NFTNL_EXPR_PAYLOAD_BASE), u32(e, NFTNL_EXPR_PAYLOAD_OFFSET),
		    u32(e, NFTNL_EXPR_PAYLOAD_LEN), 0),
	       u32(e, NFTNL_EXPR_PAYLOAD_DREG));
}

static void meta(struct state *s, const struct nftnl_expr *e)
{
	loaded(s, find(s, FW_FROM_META, u32(e, NFTNL_EXPR_META_KEY), 0, 0, 0), u32(e, NFTNL_EXPR_META_DREG));
}

static void exthdr(struct state *s, const struct nftnl_expr *e)
{
	uint32_t type = nftnl_expr_is_set(e, NFTNL_EXPR_EXTHDR_TYPE) ? nftnl_expr_get_u8(e, NFTNL_EXPR_EXTHDR_TYPE) : 0;

	loaded(s,
	       u32(e, NFTNL_EXPR_EXTHDR_OP) == NFT_EXTHDR_OP_IPV6
		       ? find(s, FW_FROM_EXTHDR, type, u32(e, NFTNL_EXPR_EXTHDR_OFFSET), u32(e, NFTNL_EXPR_EXTHDR_LEN),
			      u32(e, NFTNL_EXPR_EXTHDR_FLAGS))
		       : FW_FIELDS,
	       u32(e, NFTNL_EXPR_EXTHDR_DREG));
}

static void ct(struct state *s, const struct nftnl_expr *e)
{
	if (!nftnl_expr_is_set(e, NFTNL_EXPR_CT_SREG)) {
		loaded(s, find(s, FW_FROM_CT, u32(e, NFTNL_EXPR_CT_KEY), 0, 0, 0), u32(e, NFTNL_EXPR_CT_DREG));
		return;
	}
	if (u32(e, NFTNL_EXPR_CT_KEY) != NFT_CT_MARK || !s->changed || s->key.fields != 1 ||
	    s->key.field[0] != FW_CT_MARK) {
		unknown(s, "ct set");
		return;
	}
	s->key = (struct fw_stmt){.mark = s->flip};
	(void)next(s, FW_SET_MARK);
}

static void socket_(struct state *s, const struct nftnl_expr *e)
{
	loaded(s, find(s, FW_FROM_SOCKET, u32(e, NFTNL_EXPR_SOCKET_KEY), 0, 0, 0), u32(e, NFTNL_EXPR_SOCKET_DREG));
}

static void fib(struct state *s, const struct nftnl_expr *e)
{
	loaded(s, find(s, FW_FROM_FIB, u32(e, NFTNL_EXPR_FIB_RESULT), 0, 0, u32(e, NFTNL_EXPR_FIB_FLAGS)),
	       u32(e, NFTNL_EXPR_FIB_DREG));
}

static void bitwise(struct state *s, const struct nftnl_expr *e)
{
	static const uint8_t none[FW_KEY_MAX];
	uint32_t mask_len = 0, xor_len = 0, keep;
	const uint8_t *mask = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &mask_len);
	const uint8_t * xor = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_XOR, &xor_len);

	if (!mask || !xor || s->key.fields != 1 || s->key.masked || s->changed ||
	    mask_len != fw_fields[s->key.field[0]].len || xor_len != mask_len ||
	    u32(e, NFTNL_EXPR_BITWISE_SREG) != u32(e, NFTNL_EXPR_BITWISE_DREG)) {
		unknown(s, "bitwise");
		return;
	}
	if (memcmp(xor, none, xor_len) == 0) {
		s->key.masked = true;
		memcpy(s->key.mask, mask, mask_len);
		return;
	}
	s->changed = mask_len == sizeof(keep);
	memcpy(&keep, mask, sizeof(keep));
	memcpy(&s->flip, xor, sizeof(s->flip));
	if (!s->changed || keep != ~s->flip)
		unknown(s, "bitwise");
}

static bool usable(struct state *s, uint32_t sreg, const char *what)
{
	if (s->key.fields > 0 && !s->changed && word_of(sreg) == 0)
		return true;
	unknown(s, what);
	return false;
}

static void cmp(struct state *s, const struct nftnl_expr *e)
{
	uint32_t len = 0, op = u32(e, NFTNL_EXPR_CMP_OP);
	const uint8_t *value = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &len);
	struct fw_stmt *m;

	if (!usable(s, u32(e, NFTNL_EXPR_CMP_SREG), "cmp"))
		return;
	if (!value || s->key.fields != 1 || len != fw_fields[s->key.field[0]].len ||
	    (op != NFT_CMP_EQ && op != NFT_CMP_NEQ)) {
		unknown(s, "cmp");
		return;
	}
	m = next(s, FW_MATCH);
	m->invert = op == NFT_CMP_NEQ;
	m->count = 1;
	m->len = (uint8_t)len;
	memcpy(m->value, value, len);
	if (m->field[0] == FW_NFPROTO && !m->invert && !m->masked)
		s->family = *value;
	if (m->field[0] == FW_L4PROTO && !m->invert && !m->masked)
		s->protocol = *value;
}

static void lookup(struct state *s, const struct nftnl_expr *e)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_LOOKUP_SET);
	const struct fw_set *set = name ? fw_ruleset_set(s->nameless, name) : NULL;
	struct fw_stmt *m;

	if (!name || !usable(s, u32(e, NFTNL_EXPR_LOOKUP_SREG), "lookup"))
		return;
	m = next(s, FW_MATCH);
	m->invert = u32(e, NFTNL_EXPR_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV;
	if (!set) {
		copy_name(m->name, name);
		return;
	}
	m->len = fw_fields[m->field[0]].len;
	if (m->fields != 1 || set->n * m->len > FW_VALUES_MAX) {
		m->kind = FW_UNKNOWN;
		return;
	}
	m->count = (uint8_t)set->n;
	for (size_t i = 0; i < set->n; i++)
		memcpy(m->value + i * m->len, set->iv[i].first, m->len);
	fw_sort_values(m);
}

static void take_limit(struct fw_stmt *m, const struct nftnl_expr *e, bool *over)
{
	uint64_t rate = nftnl_expr_get_u64(e, NFTNL_EXPR_LIMIT_RATE),
		 unit = nftnl_expr_get_u64(e, NFTNL_EXPR_LIMIT_UNIT);

	/* A unit that is not a second is not ours. */
	m->rate = unit == 1 && rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;
	m->burst = u32(e, NFTNL_EXPR_LIMIT_BURST);
	*over = u32(e, NFTNL_EXPR_LIMIT_FLAGS) & NFT_LIMIT_F_INV;
	if (u32(e, NFTNL_EXPR_LIMIT_TYPE) != NFT_LIMIT_PKTS)
		m->kind = FW_UNKNOWN;
}

static void dynset(struct state *s, const struct nftnl_expr *e)
{
	const struct nftnl_expr *inner = nftnl_expr_is_set(e, NFTNL_EXPR_DYNSET_EXPR)
						 ? nftnl_expr_get(e, NFTNL_EXPR_DYNSET_EXPR, &(uint32_t){0})
						 : NULL;
	const char *kind = inner ? nftnl_expr_get_str(inner, NFTNL_EXPR_NAME) : "";
	struct fw_stmt *m;
	bool over = true;

	if (!usable(s, u32(e, NFTNL_EXPR_DYNSET_SREG_KEY), "dynset"))
		return;
	m = next(s, FW_METER);
	copy_name(m->name, nftnl_expr_get_str(e, NFTNL_EXPR_DYNSET_SET_NAME));
	m->refresh = u32(e, NFTNL_EXPR_DYNSET_OP) == NFT_DYNSET_OP_UPDATE;
	if (inner && strcmp(kind, "limit") == 0) {
		take_limit(m, inner, &over);
	} else if (inner && strcmp(kind, "connlimit") == 0) {
		m->connections = u32(inner, NFTNL_EXPR_CONNLIMIT_COUNT);
		over = u32(inner, NFTNL_EXPR_CONNLIMIT_FLAGS) & NFT_CONNLIMIT_F_INV;
	} else if (inner) {
		over = false;
	}
	if (!over || u32(e, NFTNL_EXPR_DYNSET_OP) == NFT_DYNSET_OP_DELETE)
		m->kind = FW_UNKNOWN;
}

static void immediate(struct state *s, const struct nftnl_expr *e)
{
	static const struct {
		int verdict;
		enum fw_stmt_kind kind;
	} known[] = {{NF_ACCEPT, FW_ACCEPT},
		     {NF_DROP, FW_DROP},
		     {NFT_RETURN, FW_RETURN},
		     {NFT_JUMP, FW_JUMP},
		     {NFT_GOTO, FW_GOTO}};

	if (s->key.fields == 0 && nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT)) {
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if ((int)u32(e, NFTNL_EXPR_IMM_VERDICT) != known[i].verdict)
				continue;
			struct fw_stmt *m = next(s, known[i].kind);

			if (nftnl_expr_is_set(e, NFTNL_EXPR_IMM_CHAIN))
				copy_name(m->name, nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN));
			return;
		}
	}
	unknown(s, "immediate");
}

static void limit(struct state *s, const struct nftnl_expr *e)
{
	struct fw_stmt *m = next(s, FW_LIMIT);
	bool over = false;

	take_limit(m, e, &over);
	m->invert = over;
}

static void objref(struct state *s, const struct nftnl_expr *e)
{
	if (u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE) != NFT_OBJECT_COUNTER ||
	    !nftnl_expr_is_set(e, NFTNL_EXPR_OBJREF_IMM_NAME))
		unknown(s, "objref");
	else
		copy_name(next(s, FW_COUNT)->name, nftnl_expr_get_str(e, NFTNL_EXPR_OBJREF_IMM_NAME));
}

static void notrack(struct state *s, const struct nftnl_expr *e)
{
	(void)e;
	(void)next(s, FW_NOTRACK);
}

static void log_(struct state *s, const struct nftnl_expr *e)
{
	struct fw_stmt *m = next(s, FW_LOG);

	m->group =
		nftnl_expr_is_set(e, NFTNL_EXPR_LOG_GROUP) ? nftnl_expr_get_u16(e, NFTNL_EXPR_LOG_GROUP) : UINT16_MAX;
	if (nftnl_expr_is_set(e, NFTNL_EXPR_LOG_PREFIX))
		copy_name(m->name, nftnl_expr_get_str(e, NFTNL_EXPR_LOG_PREFIX));
}

static void reject(struct state *s, const struct nftnl_expr *e)
{
	if (u32(e, NFTNL_EXPR_REJECT_TYPE) != NFT_REJECT_TCP_RST)
		unknown(s, "reject");
	else
		(void)next(s, FW_REJECT);
}

static int expression(struct nftnl_expr *e, void *data)
{
	static const struct {
		const char *name;
		void (*take)(struct state *s, const struct nftnl_expr *e);
	} known[] = {
		{"payload", payload}, {"meta", meta},	  {"exthdr", exthdr},	{"ct", ct},
		{"socket", socket_},  {"fib", fib},	  {"bitwise", bitwise}, {"cmp", cmp},
		{"lookup", lookup},   {"dynset", dynset}, {"limit", limit},	{"objref", objref},
		{"log", log_},	      {"reject", reject}, {"notrack", notrack}, {"immediate", immediate},
	};
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(name, known[i].name) == 0) {
			known[i].take(data, e);
			return 0;
		}
	}
	unknown(data, name);
	return 0;
}

void fw_rule_decode(const struct nftnl_rule *nlr, struct fw_ruleset *nameless, struct fw_rule *out)
{
	struct state s = {.nameless = nameless, .rule = out, .family = -2, .protocol = -2};
	const char *chain = nftnl_rule_get_str(nlr, NFTNL_RULE_CHAIN);

	*out = (struct fw_rule){0};
	copy_name(out->chain, chain);
	(void)nftnl_expr_foreach((struct nftnl_rule *)(uintptr_t)nlr, expression, &s);
	/* Loaded and never looked at. */
	if (s.key.fields > 0)
		unknown(&s, "nothing");
}
