#include "banset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

enum {
	/* A list of elements is one attribute, whose length has 16 bits; the rest is for the largest element. */
	LIST_MAX = UINT16_MAX - 128,
	TRIES = 6
};

static void begin_message(struct fw_elements *e)
{
	e->nlh = fw_txn_msg(e->txn, e->type, e->flags, "elements of set", e->set);
	mnl_attr_put_strz(e->nlh, NFTA_SET_ELEM_LIST_TABLE, FW_TABLE);
	mnl_attr_put_strz(e->nlh, NFTA_SET_ELEM_LIST_SET, e->set);
	e->list = mnl_attr_nest_start(e->nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
}

void fw_elements_begin(struct fw_elements *e, struct fw_txn *t, uint16_t type, const char *set, size_t width)
{
	*e = (struct fw_elements){.txn = t, .type = type, .set = set, .width = width};
	e->flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
}

void fw_elements_end(struct fw_elements *e)
{
	if (!e->nlh)
		return;
	mnl_attr_nest_end(e->nlh, e->list);
	fw_txn_add(e->txn, e->nlh);
	e->nlh = NULL;
}

void fw_elements_put(struct fw_elements *e, const uint8_t *key, bool is_end, const uint64_t *timeout_ms)
{
	struct nlattr *elem, *value;

	if (e->nlh && (size_t)((char *)mnl_nlmsg_get_payload_tail(e->nlh) - (char *)e->list) > LIST_MAX)
		fw_elements_end(e);
	if (!e->nlh)
		begin_message(e);
	elem = mnl_attr_nest_start(e->nlh, NFTA_LIST_ELEM);
	value = mnl_attr_nest_start(e->nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put(e->nlh, NFTA_DATA_VALUE, e->width, key);
	mnl_attr_nest_end(e->nlh, value);
	if (is_end)
		mnl_attr_put_u32(e->nlh, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	if (timeout_ms)
		mnl_attr_put_u64(e->nlh, NFTA_SET_ELEM_TIMEOUT, htobe64(*timeout_ms));
	mnl_attr_nest_end(e->nlh, elem);
}

void fw_elements_put_span(struct fw_elements *e, const struct fw_span *span)
{
	struct fw_interval at = span->at;
	uint64_t left = span->left_ms;
	uint8_t *end = at.last;

	fw_elements_put(e, at.first, false, e->type == NFT_MSG_NEWSETELEM ? &left : NULL);
	/* An end mark stands one behind the last; none if there is nothing behind it. */
	if (fw_key_next(end, e->width))
		fw_elements_put(e, end, true, NULL);
}

bool fw_tries_again(struct fw_tries *t, int r)
{
	/* The first process of a container waits for this. */
	if (t->n == 0)
		t->until_ms = fw_now_ms() + FW_DEADLINE_MS;
	t->unknown |= r == -ETIMEDOUT;
	if (r == 0 || ++t->n == TRIES || fw_now_ms() >= t->until_ms)
		return false;
	return r == -ETIMEDOUT || r == -ENOBUFS || r == -EINTR || r == -EAGAIN || r == -EMSGSIZE || r == -ENOENT ||
	       r == -EEXIST || r == -ERESTART;
}

int fw_tries_result(const struct fw_tries *t, int r, struct fw_error *e)
{
	if (r == 0 || r == -ETIMEDOUT || !t->unknown)
		return r;
	return fw_fail(e, -ETIMEDOUT, "bans", "the kernel's answer did not arrive, and then it was error %d", -r);
}
