/*
 * A transaction in the making: BATCH_BEGIN and messages, in one buffer because the kernel takes it as one datagram. See
 * commit.c for what becomes of it.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { ROOM_FIRST = 32 * 1024, WHATS_FIRST = 32 };

/* Room for one more message of any size. False: the transaction has failed. */
static bool make_room(struct fw_txn *t)
{
	if (t->len + FW_BATCH_OVERRUN > t->room) {
		size_t room = t->room ? 2 * t->room : ROOM_FIRST + FW_BATCH_OVERRUN;
		char *buf = realloc(t->buf, room);

		if (!buf)
			return false;
		t->buf = buf;
		t->room = room;
	}
	if (t->n + 1 >= t->whats) { /* one more for BATCH_END */
		unsigned whats = t->whats ? 2 * t->whats : WHATS_FIRST;
		char(*what)[FW_WHAT_MAX] = realloc(t->what, whats * sizeof(*what));

		if (!what)
			return false;
		memset(what + t->whats, 0, (whats - t->whats) * sizeof(*what));
		t->what = what;
		t->whats = whats;
	}
	return true;
}

int fw_txn_begin_on(struct fw_txn *t, struct fw_session *session)
{
	struct nlmsghdr *nlh;

	*t = (struct fw_txn){.session = session};
	if (!make_room(t))
		return -ENOMEM;
	if (getrandom(&t->tag, sizeof(t->tag), GRND_INSECURE) != sizeof(t->tag))
		return -errno;
	if (session && session->sock) {
		/* A range of its own also if another transaction is begun before this one is sent. */
		t->seq_first = session->seq;
		session->seq += FW_TXN_MSGS;
		t->table_flags = session->table_flags;
	} else {
		t->seq_first = (uint32_t)t->tag;
	}
	nlh = nftnl_batch_begin(t->buf, t->seq_first);
	t->n = 1;
	t->len = nlh->nlmsg_len;
	(void)snprintf(t->what[0], sizeof(t->what[0]), "transaction");
	return 0;
}

int fw_txn_begin(struct fw_txn *t)
{
	return fw_txn_begin_on(t, NULL);
}

void fw_txn_if_generation(struct fw_txn *t, uint32_t generation)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)(void *)t->buf;

	mnl_attr_put_u32(nlh, NFNL_BATCH_GENID, htonl(generation));
	t->len = nlh->nlmsg_len;
}

void fw_txn_free(struct fw_txn *t)
{
	free(t->buf);
	free(t->what);
	t->buf = NULL;
	t->what = NULL;
}

void fw_txn_fail(struct fw_txn *t, int err)
{
	if (t->err == 0)
		t->err = err;
}

struct nlmsghdr *fw_txn_msg(struct fw_txn *t, uint16_t type, uint16_t flags, const char *kind, const char *name)
{
	/* What failed is built on into the room that is there, and never sent. */
	if (t->err == 0) {
		if (!make_room(t))
			fw_txn_fail(t, -ENOMEM);
		else if (t->n == FW_TXN_MSGS - 3) /* the last are BATCH_END's and the questions' */
			fw_txn_fail(t, -EMSGSIZE);
		else
			(void)snprintf(t->what[t->n], sizeof(t->what[0]), "%s %s", kind, name);
	}
	if (t->err < 0)
		t->len = MNL_ALIGN(sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg));
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
