/* Bans, read: attribute by attribute, without an object for each of what may be half a million elements. */
#include "banset.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

enum { LIST_TRIES = 8 };

const struct fw_banset fw_bansets[2] = {
	{"ban4", "bannet4", AF_INET, 4},
	{"ban6", "bannet6", AF_INET6, 16},
};

struct dump {
	size_t width;
	fw_element_each *each;
	void *data;
	struct fw_nl *nl;
};

static bool take_key(const struct nlattr *key, size_t width, struct fw_boundary *out)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, key) {
		if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE && mnl_attr_get_payload_len(attr) == width) {
			memcpy(out->key, mnl_attr_get_payload(attr), width);
			return true;
		}
	}
	return false;
}

static int take_element(const struct nlattr *elem, const struct dump *d)
{
	struct fw_boundary b = {0};
	bool has_key = false, has_time = false;
	uint64_t ms = 0;
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, elem) {
		switch (mnl_attr_get_type(attr)) {
		case NFTA_SET_ELEM_KEY:
			has_key = take_key(attr, d->width, &b);
			break;
		case NFTA_SET_ELEM_FLAGS:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
				b.is_end = ntohl(mnl_attr_get_u32(attr)) & NFT_SET_ELEM_INTERVAL_END;
			break;
		case NFTA_SET_ELEM_EXPIRATION:
			has_time = mnl_attr_validate(attr, MNL_TYPE_U64) == 0;
			ms = has_time ? be64toh(mnl_attr_get_u64(attr)) : 0;
			break;
		default:
			break;
		}
	}
	if (!has_key)
		return 0;
	/* 0 means for good to us. */
	if (has_time)
		b.left_ms = ms ? ms : 1;
	return d->each(&b, d->data);
}

static int take_elements(const struct nlmsghdr *nlh, void *data)
{
	struct dump *d = data;
	const struct nlattr *list, *elem;

	/* As long as it talks, it is not silent. */
	d->nl->deadline = fw_now_ms() + FW_DEADLINE_MS;
	mnl_attr_for_each (list, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested (elem, list) {
			int r = take_element(elem, d);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

int fw_banset_dump(struct fw_nl *nl, const char *set, size_t width, fw_element_each *each, void *data)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP, 0);
	struct dump d = {.width = width, .each = each, .data = data, .nl = nl};

	nl->deadline = fw_now_ms() + FW_DEADLINE_MS;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	return fw_nl_ask(nl, nlh, take_elements, &d);
}

struct listing {
	fw_ban_each *each;
	void *data;
	const struct fw_banset *set;
	bool stopped; /* by each() */
};

static int tell(struct listing *l, const struct fw_ban *ban)
{
	int r = l->each(ban, l->data);

	l->stopped |= r < 0;
	return r;
}

static int take_address(const struct fw_boundary *b, void *data)
{
	struct listing *l = data;
	struct fw_ban ban = {.who = {.family = l->set->family, .len = (uint8_t)(8 * l->set->width)},
			     .left_ms = b->left_ms};

	memcpy(ban.who.addr, b->key, sizeof(ban.who.addr));
	return tell(l, &ban);
}

static int take_span(const struct fw_span *span, void *data)
{
	struct listing *l = data;
	struct fw_prefixes list = {0};
	int r = fw_interval_to_prefixes(&span->at, l->set->family, &list);

	/* No interval needs more than 254 prefixes. */
	for (size_t i = 0; i < list.n && r == 0; i++)
		r = tell(l, &(struct fw_ban){.who = list.v[i], .left_ms = span->left_ms});
	return r;
}

static int pair(const struct fw_boundary *b, void *data)
{
	return fw_pairing_take(data, b);
}

static int list_family(struct fw_nl *nl, const struct fw_banset *set, struct listing *l)
{
	struct fw_pairing p = {.each = take_span, .data = l, .width = set->width};
	int r;

	l->set = set;
	r = fw_banset_dump(nl, set->addresses, set->width, take_address, l);
	if (r == 0)
		r = fw_banset_dump(nl, set->networks, set->width, pair, &p);
	return r == 0 ? fw_pairing_done(&p) : r;
}

int fw_ban_list(struct fw_session *s, fw_ban_each *each, void *data, struct fw_error *err)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	struct listing l = {.each = each, .data = data};
	int r = fw_nl_borrow(&nl, s, fw_now_ms() + FW_DEADLINE_MS, err);

	if (r < 0)
		return r;
	for (int i = 0; i < LIST_TRIES; i++) {
		r = i > 0 ? tell(&l, NULL) : 0;
		if (r == 0)
			r = list_family(&nl, &fw_bansets[0], &l);
		if (r == 0)
			r = list_family(&nl, &fw_bansets[1], &l);
		if (r == 0 || l.stopped)
			return r;
		/* Interrupted by a change, or something of it was lost: from the beginning. */
		if (r != -EINTR && r != -ENOBUFS && r != -EMSGSIZE)
			break;
		fw_nl_drain(&nl);
	}
	if (r == -EINTR)
		return fw_fail(err, -EAGAIN, "bans", "the rules keep changing");
	if (r == -ENOENT)
		return fw_fail(err, r, "bans", "the table has no such sets");
	return fw_fail(err, r, "bans", "%s", r == -EPERM ? "no CAP_NET_ADMIN in this network namespace" : "");
}
