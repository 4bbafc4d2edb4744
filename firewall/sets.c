#include "internal.h"
#include "rule.h"

#include <errno.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* The key's byte order means nothing to the kernel: nft needs it to print an address as one (enum byteorder). */
enum { NFT_BYTEORDER_HOST_ENDIAN = 1, NFT_BYTEORDER_BIG_ENDIAN = 2 };

static void free_set(struct nftnl_set **s)
{
	if (*s)
		nftnl_set_free(*s);
}

static void free_udata(struct nftnl_udata_buf **b)
{
	if (*b)
		nftnl_udata_buf_free(*b);
}

static struct nftnl_set *make_set(const char *name, uint32_t id, uint32_t flags, uint32_t type, uint32_t width)
{
	_cleanup_(free_set) struct nftnl_set *s = nftnl_set_alloc();
	struct nftnl_set *made = s;

	if (!s || nftnl_set_set_str(s, NFTNL_SET_TABLE, FW_TABLE) < 0 || nftnl_set_set_str(s, NFTNL_SET_NAME, name) < 0)
		return NULL;
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
	if (id)
		nftnl_set_set_u32(s, NFTNL_SET_ID, id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, flags);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, width);
	s = NULL;
	return made;
}

static int put_byteorder(struct nftnl_set *s, uint32_t order, const uint8_t *more, size_t more_len)
{
	_cleanup_(free_udata) struct nftnl_udata_buf *b = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	uint8_t all[NFT_USERDATA_MAXLEN];
	size_t len;

	if (!b || !nftnl_udata_put_u32(b, NFTNL_UDATA_SET_KEYBYTEORDER, order))
		return -ENOMEM;
	len = nftnl_udata_buf_len(b);
	if (len + more_len > sizeof(all))
		return -EMSGSIZE;
	memcpy(all, nftnl_udata_buf_data(b), len);
	if (more_len)
		memcpy(all + len, more, more_len);
	return nftnl_set_set_data(s, NFTNL_SET_USERDATA, all, (uint32_t)(len + more_len)) < 0 ? -ENOMEM : 0;
}

static int add_element(struct nftnl_set *s, const uint8_t *key, size_t width, bool is_end)
{
	struct nftnl_set_elem *elem = nftnl_set_elem_alloc();

	if (!elem)
		return -ENOMEM;
	if (nftnl_set_elem_set(elem, NFTNL_SET_ELEM_KEY, key, (uint32_t)width) < 0) {
		nftnl_set_elem_free(elem);
		return -ENOMEM;
	}
	if (is_end)
		nftnl_set_elem_set_u32(elem, NFTNL_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
	nftnl_set_elem_add(s, elem);
	return 0;
}

/* An interval is its first key, and an end mark one behind its last; none if there is no key behind it. */
static int add_interval(struct nftnl_set *s, const struct fw_interval *iv, size_t width)
{
	uint8_t end[FW_KEY_MAX];
	int r = add_element(s, iv->first, width, false);

	memcpy(end, iv->last, sizeof(end));
	if (r == 0 && fw_key_next(end, width))
		r = add_element(s, end, width, true);
	return r;
}

static void emit_set(struct fw_txn *t, struct nftnl_set *s, const char *what)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, "set", what);

	nftnl_set_nlmsg_build_payload(nlh, s);
	fw_txn_add(t, nlh);
}

static void emit_elements(struct fw_txn *t, struct nftnl_set *s, const char *what)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, "elements of set", what);

	nftnl_set_elems_nlmsg_build_payload(nlh, s);
	fw_txn_add(t, nlh);
}

/* A list of elements is one netlink attribute, whose length has 16 bits: 44 bytes is the largest element of ours. */
enum { INTERVALS_MAX = 512 };
_Static_assert(2 * INTERVALS_MAX * 44 < UINT16_MAX, "a list of elements fits its attribute");

/* Some of the elements: those that fit one message. */
static void some(struct fw_txn *t, const struct fw_set *def, uint32_t id, size_t from, size_t n)
{
	uint32_t width = (uint32_t)fw_key_width(def->key);
	_cleanup_(free_set) struct nftnl_set *s = make_set(def->name, id, def->flags, fw_key_type(def->key), width);
	int r = s ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		r = add_interval(s, &def->iv[from + i], width);
	if (r < 0)
		fw_txn_fail(t, r);
	else
		emit_elements(t, s, def->name);
}

void fw_set_add(struct fw_txn *t, const struct fw_set *def, const uint8_t *udata, size_t udata_len)
{
	uint32_t id = ++t->sets;
	_cleanup_(free_set) struct nftnl_set *s =
		make_set(def->name, id, def->flags, fw_key_type(def->key), (uint32_t)fw_key_width(def->key));
	int r = s ? put_byteorder(s, NFT_BYTEORDER_BIG_ENDIAN, udata, udata_len) : -ENOMEM;

	if (r < 0) {
		fw_txn_fail(t, r);
		return;
	}
	if (def->size)
		nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, def->size);
	if (def->timeout)
		nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, (uint64_t)def->timeout * 1000);
	emit_set(t, s, def->name);
	for (size_t i = 0; i < def->n && t->err == 0; i += INTERVALS_MAX)
		some(t, def, id, i, def->n - i < INTERVALS_MAX ? def->n - i : INTERVALS_MAX);
}

void fw_set_delete(struct fw_txn *t, const char *name)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_DELSET, 0, "old set", name);

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, name);
	fw_txn_add(t, nlh);
}

/* Types of nft (enum datatypes) by how a value looks; 4 is a plain number. */
static uint32_t nft_type(enum fw_look look)
{
	static const struct {
		enum fw_look look;
		uint32_t type;
	} types[] = {{FW_LOOK_PORT, 13},   {FW_LOOK_IPV4, 7},	{FW_LOOK_IPV6, 8},  {FW_LOOK_ICMP, 14},
		     {FW_LOOK_ICMPV6, 29}, {FW_LOOK_FLAGS, 15}, {FW_LOOK_ROUTE, 38}};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].look == look)
			return types[i].type;
	return 4;
}

uint32_t fw_set_nameless(struct fw_txn *t, const char *what, const struct fw_stmt *v)
{
	const struct fw_field_info *f = &fw_fields[v->field[0]];
	bool host = f->look == FW_LOOK_ROUTE || f->look == FW_LOOK_HOST32;
	/* The kernel puts a number for %d. A nameless set belongs to one rule: a second user is refused. */
	_cleanup_(free_set) struct nftnl_set *s = make_set("__set%d", ++t->sets, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT,
							   v->field[0] == FW_SKUID ? 24 : nft_type(f->look), f->len);
	uint32_t id = t->sets;
	int r = s ? put_byteorder(s, host ? NFT_BYTEORDER_HOST_ENDIAN : NFT_BYTEORDER_BIG_ENDIAN, NULL, 0) : -ENOMEM;

	if (r == 0)
		nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, v->count);
	for (size_t i = 0; i < v->count && r == 0; i++)
		r = add_element(s, v->value + i * v->len, v->len, false);
	if (r < 0) {
		fw_txn_fail(t, r);
		return id;
	}
	emit_set(t, s, what);
	emit_elements(t, s, what);
	return id;
}
