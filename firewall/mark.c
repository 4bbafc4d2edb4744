#include "internal.h"

#include <errno.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Of our own among the userdata; nft skips types that it does not know. */
enum { UDATA_MARK = 0x7a };

/* Grows when the rules change meaning: a table of another release is replaced as a whole. */
enum { MARK_VERSION = 3 };

enum { ADMIN_PUBLIC = 1, NO_METADATA = 2, NO_SMTP = 4 };

struct wire {
	uint64_t tag, digest;
	uint32_t version, features;
	uint32_t rate, burst, connections, handshakes, echo, echo_burst, fragments, log_rate;
	uint32_t uid[FW_UIDS_MAX];
	uint16_t log_group;
	uint8_t mode, reverse_path, flags, uids, zero[2];
};
_Static_assert(sizeof(struct wire) < NFT_USERDATA_MAXLEN - 16, "fits beside nft's own userdata");

static uint32_t pack_features(const struct fw_features *f)
{
	const bool all[] = {f->socket, f->socket_wildcard, f->fib,	f->dynset_expr, f->connlimit, f->notrack,
			    f->log,    f->exthdr,	   f->tcp_loose};
	uint32_t bits = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		bits |= (uint32_t)all[i] << i;
	return bits;
}

static struct fw_features unpack_features(uint32_t bits)
{
	struct fw_features f = {0};
	bool *const all[] = {&f.socket, &f.socket_wildcard, &f.fib,	 &f.dynset_expr, &f.connlimit, &f.notrack,
			     &f.log,	&f.exthdr,	    &f.tcp_loose};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		*all[i] = bits >> i & 1;
	return f;
}

static void pack(const struct fw_policy *p, struct wire *w)
{
	const struct fw_limits *l = &p->limits;

	w->features = pack_features(&p->features);
	w->rate = l->rate;
	w->burst = l->burst;
	w->connections = l->connections;
	w->handshakes = l->handshakes;
	w->echo = l->echo;
	w->echo_burst = l->echo_burst;
	w->fragments = l->fragments;
	w->log_rate = p->log.rate;
	w->log_group = p->log.group;
	w->reverse_path = (uint8_t)p->reverse_path;
	w->flags = (uint8_t)((p->admin_public ? ADMIN_PUBLIC : 0) | (p->egress.no_metadata ? NO_METADATA : 0) |
			     (p->egress.no_smtp ? NO_SMTP : 0));
	w->uids = (uint8_t)p->egress.uids;
	memcpy(w->uid, p->egress.uid, sizeof(w->uid));
}

static void unpack(const struct wire *w, struct fw_policy *p)
{
	p->monitor = w->mode == FW_MONITOR;
	p->admin_public = w->flags & ADMIN_PUBLIC;
	p->egress.no_metadata = w->flags & NO_METADATA;
	p->egress.no_smtp = w->flags & NO_SMTP;
	p->egress.uids = w->uids <= FW_UIDS_MAX ? w->uids : 0;
	memcpy(p->egress.uid, w->uid, sizeof(w->uid));
	p->features = unpack_features(w->features);
	p->reverse_path = w->reverse_path <= FW_REVERSE_STRICT ? w->reverse_path : FW_REVERSE_OFF;
	p->log = (struct fw_log){.rate = w->log_rate, .group = w->log_group};
	p->limits = (struct fw_limits){
		.rate = w->rate,
		.burst = w->burst,
		.connections = w->connections,
		.handshakes = w->handshakes,
		.echo = w->echo,
		.echo_burst = w->echo_burst,
		.fragments = w->fragments,
	};
}

size_t fw_mark_put(const struct fw_mark *mark, const struct fw_policy *policy, uint8_t *udata, size_t size)
{
	struct nftnl_udata_buf *b = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	struct wire w = {
		.tag = mark->tag, .digest = mark->digest, .version = MARK_VERSION, .mode = (uint8_t)mark->mode};
	size_t len = 0;

	if (policy)
		pack(policy, &w);
	if (b && nftnl_udata_put(b, UDATA_MARK, sizeof(w), &w) && nftnl_udata_buf_len(b) <= size) {
		len = nftnl_udata_buf_len(b);
		memcpy(udata, nftnl_udata_buf_data(b), len);
	}
	if (b)
		nftnl_udata_buf_free(b);
	return len;
}

static int find_mark(const struct nftnl_udata *attr, void *data)
{
	if (nftnl_udata_type(attr) == UDATA_MARK && nftnl_udata_len(attr) == sizeof(struct wire))
		memcpy(data, nftnl_udata_get(attr), sizeof(struct wire));
	return 0;
}

bool fw_mark_get(const void *udata, size_t len, struct fw_mark *out, struct fw_policy *policy)
{
	struct wire w = {0};

	if (!udata || nftnl_udata_parse(udata, (uint32_t)len, find_mark, &w) < 0 || w.version != MARK_VERSION ||
	    (w.mode != FW_CLOSED && w.mode != FW_OPEN && w.mode != FW_MONITOR))
		return false;
	*out = (struct fw_mark){.tag = w.tag, .digest = w.digest, .mode = w.mode};
	if (policy)
		unpack(&w, policy);
	return true;
}

bool fw_mark_answer(const struct nlmsghdr *nlh, struct fw_mark *out)
{
	struct nftnl_set *s = nftnl_set_alloc();
	uint32_t len = 0;
	bool found = false;

	if (s && nftnl_set_nlmsg_parse(nlh, s) == 0) {
		const void *udata = nftnl_set_get_data(s, NFTNL_SET_USERDATA, &len);

		found = fw_mark_get(udata, len, out, NULL);
	}
	if (s)
		nftnl_set_free(s);
	return found;
}

struct nlmsghdr *fw_mark_question(char *buf, uint32_t seq)
{
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETSET, NFPROTO_INET, NLM_F_ACK, seq);

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, FW_MARK_SET);
	return nlh;
}

struct nlmsghdr *fw_table_question(char *buf, uint32_t seq)
{
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETTABLE, NFPROTO_INET, NLM_F_ACK, seq);

	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, FW_TABLE);
	return nlh;
}
