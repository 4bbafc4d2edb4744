/*
 * A transaction is sent, and what became of it is found out.
 *
 * Only BATCH_END asks for an ack: one per message overflows the receive buffer after some hundred, and acks of an
 * aborted transaction say 0 as well. Errors come unasked. Before Linux 6.10 BATCH_END is not acked, and ENOBUFS can
 * eat any answer; so the batch is followed by questions for our table and its mark, whose answers come after all of the
 * batch's, on every kernel, and tell by the mark's tag whether this very transaction was committed.
 */
#include "internal.h"

#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>

/* Of FW_DEADLINE_MS, kept for a second look on another socket, and how often it is tried. */
enum { LOOK_MS = 300, LOOKS = 3 };

struct outcome {
	bool sent;
	bool lost;	/* answers are missing */
	bool end_acked; /* Linux 6.10 */
	bool answered;	/* the last question was */
	bool table_known, table_there, mark_known, mark_there;
	uint32_t owner;
	struct fw_mark mark;
	bool refused;
	uint32_t refused_at; /* index of the message */
	struct fw_ack ack;
};

static void take_table(const struct nlmsghdr *nlh, struct outcome *o)
{
	struct nftnl_table *table = nftnl_table_alloc();

	if (table && nftnl_table_nlmsg_parse(nlh, table) == 0) {
		o->table_there = true;
		if (nftnl_table_is_set(table, NFTNL_TABLE_OWNER))
			o->owner = nftnl_table_get_u32(table, NFTNL_TABLE_OWNER);
	}
	if (table)
		nftnl_table_free(table);
}

/* To a question; the ack behind it is its end. */
static bool take_answer(const struct nlmsghdr *nlh, bool of_mark, struct outcome *o)
{
	struct fw_ack ack;

	if (nlh->nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWTABLE)) {
		take_table(nlh, o);
	} else if (nlh->nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWSET)) {
		o->mark_there = fw_mark_answer(nlh, &o->mark);
	} else if (nlh->nlmsg_type == NLMSG_ERROR) {
		fw_nl_ack(nlh, &ack);
		*(of_mark ? &o->mark_known : &o->table_known) = ack.err == 0 || ack.err == -ENOENT;
		o->answered = of_mark;
	}
	return o->answered;
}

/* True at the end of the answers. */
static bool take(const struct fw_txn *t, unsigned n, const struct nlmsghdr *nlh, struct outcome *o)
{
	/* Anything that is not ours is left over from somebody else's mistake: no count of acks can be relied on. */
	uint32_t index = nlh->nlmsg_seq - t->seq_first;
	struct fw_ack ack;

	if (index == n || index == n + 1)
		return take_answer(nlh, index == n + 1, o);
	if (index > n || nlh->nlmsg_type != NLMSG_ERROR)
		return false;
	fw_nl_ack(nlh, &ack);
	if (ack.err == 0) {
		o->end_acked |= index == n - 1;
	} else if (!o->refused) {
		o->refused = true;
		o->refused_at = index;
		o->ack = ack;
	}
	return o->end_acked;
}

static int send_all(const struct fw_txn *t, struct fw_nl *nl, unsigned n, bool with_batch, struct outcome *o)
{
	_Alignas(struct nlmsghdr) char ask[256];
	struct nlmsghdr *nlh;
	int r;

	if (with_batch) {
		r = fw_nl_send(nl, t->buf, t->len);
		if (r < 0 && r != -EIO)
			return r;
	}
	o->sent = true;
	nlh = fw_table_question(ask, t->seq_first + n);
	r = fw_nl_send(nl, ask, nlh->nlmsg_len);
	if (r < 0)
		return r;
	nlh = fw_mark_question(ask, t->seq_first + n + 1);
	return fw_nl_send(nl, ask, nlh->nlmsg_len);
}

/* Sends the questions (after the batch of n messages, if it is to be sent) and reads until they are answered. */
static int exchange(const struct fw_txn *t, struct fw_nl *nl, unsigned n, bool with_batch, struct outcome *o)
{
	_cleanup_(fw_free) char *buf = malloc(FW_REPLY_MAX);
	int r;

	o->answered = o->table_known = o->table_there = o->mark_known = o->mark_there = false;
	if (!buf)
		return -ENOMEM;
	r = send_all(t, nl, n, with_batch, o);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t got = fw_nl_recv(nl, buf, FW_REPLY_MAX);
		const struct nlmsghdr *answer = (const struct nlmsghdr *)(const void *)buf;
		int len = (int)got;

		if ((got == -ENOBUFS || got == -EMSGSIZE) && !o->lost) {
			/* What came before the loss can still be read, and may say why; nothing more will come. */
			o->lost = true;
			nl->deadline = fw_now_ms();
			continue;
		}
		if (got < 0)
			return o->lost ? -ENOBUFS : (int)got;
		for (; mnl_nlmsg_ok(answer, len); answer = mnl_nlmsg_next(answer, &len))
			if (take(t, n, answer, o))
				return 0;
		if (len > 0) /* the rest is no message */
			o->lost = true;
	}
}

static bool in_force(const struct fw_txn *t, const struct outcome *o)
{
	return t->removes ? !o->table_there : o->mark_there && o->mark.tag == t->tag;
}

static bool is_known(const struct outcome *o)
{
	return o->table_known && o->mark_known;
}

static int unknown(struct fw_error *e)
{
	return fw_fail(e, -ETIMEDOUT, "verdict", "the kernel's answer did not arrive: what is in force is not known");
}

/* Committed or not, nobody told us: asks again, on sockets that have nothing in their queue. */
static int look_again(const struct fw_txn *t, int64_t deadline, struct outcome *o)
{
	for (int i = 0; i < LOOKS; i++) {
		_cleanup_(fw_nl_close) struct fw_nl nl = {0};
		int64_t until = fw_now_ms() + LOOK_MS / LOOKS;

		o->lost = false;
		if (fw_nl_open(&nl, until < deadline ? until : deadline, NULL) == 0 &&
		    exchange(t, &nl, t->n, false, o) == 0 && is_known(o))
			return 0;
	}
	return -ETIMEDOUT;
}

static int verdict(const struct fw_txn *t, int64_t deadline, int unclear, struct outcome *o, struct fw_error *e)
{
	/* One refused message is the end of all: nothing of the batch happened, whatever else was lost. */
	if (t->refused)
		return fw_fail_refused(e, t, o->refused_at, &o->ack, o->owner);
	if (o->end_acked)
		return 0;
	/* Errors come before the answer to the question: none, and nothing was lost. That has to do without a tag. */
	if (t->untagged)
		return unclear == 0 && is_known(o) && !o->lost ? 0 : unknown(e);
	if (unclear == 0 && is_known(o) && in_force(t, o))
		return 0;
	if (unclear < 0 || !is_known(o) || o->lost) {
		if (look_again(t, deadline, o) < 0)
			return unknown(e);
		if (in_force(t, o))
			return 0;
		return fw_fail(e, -ENOBUFS, "verdict", "the kernel's answer did not arrive, and nothing was changed");
	}
	return fw_fail(e, -EPROTO, "verdict",
		       "no error, but not in force (Linux older than 5.10, or already replaced by somebody)");
}

static int could_not_be_built(const struct fw_txn *t, struct fw_error *e)
{
	return fw_fail(e, t->err, t->what[t->n][0] ? t->what[t->n] : t->what[0], "could not be built");
}

int fw_txn_commit(struct fw_txn *t, struct fw_error *e)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	int64_t deadline = fw_now_ms() + FW_DEADLINE_MS;
	struct outcome o = {0};
	struct nlmsghdr *end;
	int r;

	if (t->err < 0)
		return could_not_be_built(t, e);
	end = nftnl_batch_end(t->buf + t->len, t->seq_first + t->n);
	end->nlmsg_flags |= NLM_F_ACK;
	t->len += end->nlmsg_len;
	(void)snprintf(t->what[t->n++], sizeof(t->what[0]), "commit");

	r = fw_nl_borrow(&nl, t->session, deadline - LOOK_MS, e);
	if (r < 0)
		return r;
	r = exchange(t, &nl, t->n, true, &o);
	t->refused = o.refused;
	if (!o.sent)
		return fw_fail(e, r, "transaction", "%s",
			       r == -EMSGSIZE ? "larger than a socket may send (net.core.wmem_max)"
					      : "could not be sent");
	return verdict(t, deadline, r, &o, e);
}

int fw_txn_try(struct fw_txn *t, struct fw_error *e)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	struct outcome o = {0};
	int r;

	if (t->err < 0)
		return could_not_be_built(t, e);
	r = fw_nl_borrow(&nl, t->session, fw_now_ms() + FW_DEADLINE_MS, e);
	if (r < 0)
		return r;
	/* A batch without an end is worked off, validated, and undone: no new generation, no notification. */
	r = exchange(t, &nl, t->n, true, &o);
	t->refused = o.refused;
	if (o.refused)
		return fw_fail_refused(e, t, o.refused_at, &o.ack, o.owner);
	if (r < 0 || o.lost)
		return fw_fail(e, r < 0 ? r : -ENOBUFS, "trial", "the kernel's answer did not arrive");
	return 0;
}
