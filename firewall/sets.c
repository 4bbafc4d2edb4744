#include "internal.h"

#include <errno.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/*
 * The key's type and byte order mean nothing to the kernel: nft needs them to print an address as an address.
 * Numbers of nft's include/datatype.h (enum datatypes, enum byteorder); they never changed.
 */
enum { NFT_BYTEORDER_BIG_ENDIAN = 2 };
static const struct {
	uint32_t nft_type;
	uint8_t width;
} keys[] = {
	[FW_KEY_PORT] = {13, 2}, [FW_KEY_IPV4] = {7, 4},    [FW_KEY_IPV6] = {8, 16},
	[FW_KEY_ICMP] = {14, 1}, [FW_KEY_ICMPV6] = {29, 1},
};

size_t fw_key_width(enum fw_key key)
{
	return keys[key].width;
}

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

static struct nftnl_set *make_set(const char *name, uint32_t id, enum fw_key key, uint32_t flags, size_t elements)
{
	_cleanup_(free_set) struct nftnl_set *s = nftnl_set_alloc();
	_cleanup_(free_udata) struct nftnl_udata_buf *b = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct nftnl_set *made = s;

	if (!s || !b || !nftnl_udata_put_u32(b, NFTNL_UDATA_SET_KEYBYTEORDER, NFT_BYTEORDER_BIG_ENDIAN))
		return NULL;
	if (nftnl_set_set_str(s, NFTNL_SET_TABLE, FW_TABLE) < 0 || nftnl_set_set_str(s, NFTNL_SET_NAME, name) < 0 ||
	    nftnl_set_set_data(s, NFTNL_SET_USERDATA, nftnl_udata_buf_data(b), nftnl_udata_buf_len(b)) < 0)
		return NULL;
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(s, NFTNL_SET_ID, id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, flags);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, keys[key].nft_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, keys[key].width);
	/* A size only where it is final: a set without one can be refilled later. */
	if (flags & NFT_SET_CONSTANT)
		nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, (uint32_t)elements);
	s = NULL;
	return made;
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

static void emit(struct fw_txn *t, struct nftnl_set *s, const char *what, bool elements)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL, "set", what);

	nftnl_set_nlmsg_build_payload(nlh, s);
	fw_txn_add(t, nlh);
	if (!elements)
		return;
	nlh = fw_txn_msg(t, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL, "elements of set", what);
	nftnl_set_elems_nlmsg_build_payload(nlh, s);
	fw_txn_add(t, nlh);
}

/* A list of elements is one netlink attribute, whose length has 16 bits: 44 bytes is the largest element of ours. */
_Static_assert(2 * FW_PREFIXES_MAX * 44 < UINT16_MAX, "elements have to be split over messages");

void fw_set_intervals(struct fw_txn *t, const char *name, enum fw_key key, const struct fw_interval *iv, size_t n)
{
	_cleanup_(free_set) struct nftnl_set *s = make_set(name, ++t->sets, key, NFT_SET_INTERVAL, n);
	int r = s ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		r = add_interval(s, &iv[i], keys[key].width);
	if (r < 0)
		fw_txn_fail(t, r);
	else
		emit(t, s, name, n > 0);
}

uint32_t fw_set_constant(struct fw_txn *t, const char *what, enum fw_key key, const uint8_t *values, size_t n)
{
	/* The kernel puts a number for %d. */
	_cleanup_(free_set) struct nftnl_set *s =
		make_set("__set%d", ++t->sets, key, NFT_SET_ANONYMOUS | NFT_SET_CONSTANT, n);
	int r = s ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++)
		r = add_element(s, values + i * keys[key].width, keys[key].width, false);
	if (r < 0)
		fw_txn_fail(t, r);
	else
		emit(t, s, what, true);
	return t->sets;
}
