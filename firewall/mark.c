#include "internal.h"

#include <errno.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Of our own among the userdata; nft skips types that it does not know. */
enum { UDATA_MARK = 0x7a };

/* Grows when the rules change meaning: a table of another release reads as altered. */
enum { MARK_VERSION = 1 };

struct wire {
	uint64_t tag;
	uint32_t version, rules;
	uint8_t mode, zero[7];
};

static void free_udata(struct nftnl_udata_buf **b)
{
	if (*b)
		nftnl_udata_buf_free(*b);
}

int fw_mark_put(const struct fw_mark *mark, struct nftnl_table *t)
{
	_cleanup_(free_udata) struct nftnl_udata_buf *b = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct wire w = {.tag = mark->tag, .version = MARK_VERSION, .rules = mark->rules, .mode = mark->mode};

	if (!b)
		return -ENOMEM;
	/* For a person with nft; the rest is for us. */
	if (!nftnl_udata_put_strz(b, NFTNL_UDATA_TABLE_COMMENT,
				  mark->mode == FW_OPEN ? "open, always replaced as a whole"
							: "closed, always replaced as a whole") ||
	    !nftnl_udata_put(b, UDATA_MARK, sizeof(w), &w) ||
	    nftnl_table_set_data(t, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(b), nftnl_udata_buf_len(b)) < 0)
		return -ENOMEM;
	return 0;
}

static int find_mark(const struct nftnl_udata *attr, void *data)
{
	struct wire *w = data;

	if (nftnl_udata_type(attr) == UDATA_MARK && nftnl_udata_len(attr) == sizeof(*w))
		memcpy(w, nftnl_udata_get(attr), sizeof(*w));
	return 0;
}

bool fw_mark_get(const struct nftnl_table *t, struct fw_mark *out)
{
	struct wire w = {0};
	uint32_t len = 0;
	const void *data = nftnl_table_get_data(t, NFTNL_TABLE_USERDATA, &len);

	if (!data || nftnl_udata_parse(data, len, find_mark, &w) < 0 || w.version != MARK_VERSION ||
	    (w.mode != FW_CLOSED && w.mode != FW_OPEN))
		return false;
	*out = (struct fw_mark){.tag = w.tag, .mode = w.mode, .rules = w.rules};
	return true;
}

struct nlmsghdr *fw_table_question(char *buf, uint32_t seq)
{
	/* The ack behind it gives a question with one answer an end. */
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_ACK, seq);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, FW_TABLE);
	return nlh;
}
