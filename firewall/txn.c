/*
 * A transaction: BATCH_BEGIN, messages, BATCH_END in one datagram, all or nothing.
 *
 * Only BATCH_END asks for an ack: one per message overflows the receive buffer after some hundred, and acks of an
 * aborted transaction say 0 as well. Errors come unasked. Before Linux 6.10 BATCH_END is not acked, and ENOBUFS can
 * eat any answer; so the batch is followed by a question for our mark, whose answer comes after all of the batch's,
 * on every kernel, and whose tag says whether this very transaction was committed.
 */
#include "internal.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

int fw_txn_begin(struct fw_txn *t)
{
	struct nlmsghdr *nlh;

	*t = (struct fw_txn){0};
	t->buf = malloc(FW_BATCH_MAX + FW_BATCH_OVERRUN);
	if (!t->buf)
		return -ENOMEM;
	if (getrandom(&t->tag, sizeof(t->tag), GRND_INSECURE) != sizeof(t->tag))
		return -errno;
	t->seq_first = (uint32_t)t->tag;
	nlh = nftnl_batch_begin(t->buf, t->seq_first);
	t->n = 1;
	t->len = nlh->nlmsg_len;
	(void)snprintf(t->what[0], sizeof(t->what[0]), "transaction");
	return 0;
}

void fw_txn_free(struct fw_txn *t)
{
	free(t->buf);
	t->buf = NULL;
}

void fw_txn_fail(struct fw_txn *t, int err)
{
	if (t->err == 0)
		t->err = err;
}

struct nlmsghdr *fw_txn_msg(struct fw_txn *t, uint16_t type, uint16_t flags, const char *kind, const char *name)
{
	if (t->n == FW_TXN_MSGS - 1) { /* the last is BATCH_END's */
		fw_txn_fail(t, -EMSGSIZE);
	} else {
		(void)snprintf(t->what[t->n], sizeof(t->what[0]), "%s %s", kind, name);
	}
	return nftnl_nlmsg_build_hdr(t->buf + t->len, type, NFPROTO_INET, flags, t->seq_first + t->n);
}

void fw_txn_add(struct fw_txn *t, const struct nlmsghdr *nlh)
{
	if (t->err < 0)
		return;
	if (t->len + nlh->nlmsg_len > FW_BATCH_MAX) {
		fw_txn_fail(t, -EMSGSIZE);
		return;
	}
	t->len += MNL_ALIGN(nlh->nlmsg_len);
	t->n++;
}

struct outcome {
	bool sent;
	bool lost;	   /* ENOBUFS: answers are missing */
	bool end_acked;	   /* Linux 6.10 */
	bool known, there; /* the mark, or the table */
	struct fw_mark mark;
	bool refused;
	uint32_t refused_at; /* index of the message */
	struct fw_ack ack;
};

/* True at the end of the answers. */
static bool take(const struct fw_txn *t, uint32_t question, const struct nlmsghdr *nlh, struct outcome *o)
{
	/* Anything that is not ours is left over from somebody else's mistake: no count of acks can be relied on. */
	uint32_t index = nlh->nlmsg_seq - t->seq_first;
	struct fw_ack ack;

	if (nlh->nlmsg_seq == question) {
		/* Of the table, if it is to be gone: one without a mark would be there as well. */
		if (nlh->nlmsg_type ==
		    ((NFNL_SUBSYS_NFTABLES << 8) | (t->removes ? NFT_MSG_NEWTABLE : NFT_MSG_NEWSET))) {
			o->there = true;
			if (t->removes || !fw_mark_answer(nlh, &o->mark))
				o->mark = (struct fw_mark){0};
		}
		if (nlh->nlmsg_type != NLMSG_ERROR)
			return false;
		fw_nl_ack(nlh, &ack);
		o->known = ack.err == 0 || ack.err == -ENOENT;
		return true;
	}
	if (index >= t->n || nlh->nlmsg_type != NLMSG_ERROR)
		return false;
	fw_nl_ack(nlh, &ack);
	if (ack.err == 0) {
		o->end_acked |= index == t->n - 1;
	} else if (!o->refused) {
		o->refused = true;
		o->refused_at = index;
		o->ack = ack;
	}
	return false;
}

static int send_all(const struct fw_txn *t, struct fw_nl *nl, uint32_t question, bool with_batch, struct outcome *o)
{
	_Alignas(struct nlmsghdr) char ask[256];
	struct nlmsghdr *nlh = t->removes ? fw_table_question(ask, question) : fw_mark_question(ask, question);
	int r;

	if (with_batch) {
		r = fw_nl_send(nl, t->buf, t->len);
		if (r < 0)
			return r;
	}
	o->sent = true;
	return fw_nl_send(nl, ask, nlh->nlmsg_len);
}

/* Sends the question (after the batch, if it is to be sent) and reads until it is answered. */
static int exchange(const struct fw_txn *t, struct fw_nl *nl, bool with_batch, struct outcome *o)
{
	_cleanup_(fw_free) char *buf = malloc(FW_REPLY_MAX);
	uint32_t question = t->seq_first + t->n;
	int r;

	o->known = o->there = false;
	if (!buf)
		return -ENOMEM;
	r = send_all(t, nl, question, with_batch, o);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = fw_nl_recv(nl, buf, FW_REPLY_MAX);
		const struct nlmsghdr *answer = (const struct nlmsghdr *)(const void *)buf;
		int len = (int)n;

		if (n == -ENOBUFS && !o->lost) {
			/* What came before the loss can still be read, and may say why; nothing more will come. */
			o->lost = true;
			nl->deadline = fw_now_ms();
			continue;
		}
		if (n < 0)
			return o->lost ? -ENOBUFS : (int)n;
		for (; mnl_nlmsg_ok(answer, len); answer = mnl_nlmsg_next(answer, &len))
			if (take(t, question, answer, o))
				return 0;
	}
}

static bool in_force(const struct fw_txn *t, const struct outcome *o)
{
	if (!o->known)
		return false;
	return t->removes ? !o->there : o->there && o->mark.tag == t->tag;
}

/* The name of the expression that the offset of an error points into; NULL if it is something else. */
static const char *expression_at(const struct nlmsghdr *nlh, uint32_t offset)
{
	const char *at = (const char *)nlh + offset;
	const struct nlattr *list, *elem, *attr;

	mnl_attr_for_each (list, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(list) != NFTA_RULE_EXPRESSIONS)
			continue;
		mnl_attr_for_each_nested (elem, list) {
			if (at < (const char *)elem || at >= (const char *)elem + elem->nla_len)
				continue;
			mnl_attr_for_each_nested (attr, elem) {
				if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME)
					return mnl_attr_get_str(attr);
			}
		}
	}
	return NULL;
}

static const char *refused_expression(const struct fw_txn *t, const struct outcome *o)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)t->buf;
	int len = (int)t->len;

	for (uint32_t i = 0; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len), i++) {
		if (i == o->refused_at && o->ack.offset && o->ack.offset < nlh->nlmsg_len &&
		    nlh->nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWRULE))
			return expression_at(nlh, o->ack.offset);
	}
	return NULL;
}

static int refused(const struct fw_txn *t, const struct outcome *o, struct fw_error *e)
{
	const char *what = t->what[o->refused_at];
	const char *expr = refused_expression(t, o);
	int err = o->ack.err;

	if (expr)
		return fw_fail(e, err, what, "the kernel does not take the expression \"%s\"%s%s", expr,
			       o->ack.text[0] ? ": " : "", o->ack.text);
	if (o->ack.text[0])
		return fw_fail(e, err, what, "%s", o->ack.text);
	/* BATCH_BEGIN stands for the whole: no permission, no subsystem, or a failed commit. */
	if (o->refused_at == 0 && err == -EPERM)
		return fw_fail(e, err, what, "no CAP_NET_ADMIN in this network namespace");
	if (o->refused_at == 0 && err == -EOPNOTSUPP)
		return fw_fail(e, err, what, "the kernel has no nf_tables");
	if (err == -EPERM)
		return fw_fail(e, err, what, "table inet " FW_TABLE " belongs to another process (flags owner)");
	return fw_fail(e, err, what, "%s", "");
}

int fw_txn_commit(struct fw_txn *t, struct fw_error *e)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	int64_t deadline = fw_now_ms() + FW_DEADLINE_MS;
	struct outcome o = {0};
	struct nlmsghdr *end;
	int r, unclear;

	if (t->err < 0)
		return fw_fail(e, t->err, t->what[t->n][0] ? t->what[t->n] : t->what[0], "could not be built");
	end = nftnl_batch_end(t->buf + t->len, t->seq_first + t->n);
	end->nlmsg_flags |= NLM_F_ACK;
	t->len += end->nlmsg_len;
	(void)snprintf(t->what[t->n++], sizeof(t->what[0]), "commit");

	r = fw_nl_open(&nl, deadline, e);
	if (r < 0)
		return r;
	unclear = exchange(t, &nl, true, &o);
	if (!o.sent)
		return fw_fail(e, unclear, "transaction", "could not be sent");
	/* One refused message is the end of all: nothing of the batch happened, whatever else was lost. */
	if (o.refused)
		return refused(t, &o, e);
	if (o.end_acked || in_force(t, &o))
		return 0;
	if (unclear < 0) {
		/* Committed or not, nobody told us: ask again, on a socket that has nothing in its queue. */
		fw_nl_close(&nl);
		r = fw_nl_open(&nl, deadline, e);
		if (r < 0)
			return r;
		if (exchange(t, &nl, false, &o) == 0 && in_force(t, &o))
			return 0;
	}
	if (o.lost)
		unclear = -ENOBUFS;
	if (unclear < 0)
		return fw_fail(e, unclear, "verdict", "the kernel's answer did not arrive, and nothing was changed");
	return fw_fail(e, -EPROTO, "verdict",
		       "no error, but not in force (Linux older than 5.10, or already replaced by somebody)");
}
