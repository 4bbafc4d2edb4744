/* What the files of this library share. Not for anybody outside of firewall/ and its tests. */
#pragma once

#include "firewall.h"
#include "interval.h"
#include "session.h"

#include <libmnl/libmnl.h>
#include <stdlib.h>
#include <sys/types.h>

#define FW_TABLE "zimbra"

enum {
	FW_PRIORITY = -5, /* before other agents' filter chains at 0: a drop is final, an accept is not */
	FW_DEADLINE_MS = 1000,
	FW_GRACE_MS = 100,  /* after a deadline, for what is in the queue */
	FW_TXN_MSGS = 4096, /* messages of one transaction, and sequence numbers that are set aside for it */
	FW_WHAT_MAX = 48,
	FW_BATCH_MAX = 1024 * 1024, /* of one transaction: one datagram, see FW_SNDBUF */
	FW_SNDBUF = 1024 * 1024,    /* the kernel doubles it */
	FW_RCVBUF = 1024 * 1024,
	FW_BATCH_OVERRUN = 64 * 1024 + 4096, /* libnftnl does not check room: a message fits, then we look */
	FW_REPLY_MAX = 32 * 1024	     /* what the kernel fills at most per dump message */
};

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void fw_free(void *p)
{
	free(*(void **)p);
}

/* --- error.c --- */

/* Fills the error (NULL is fine) and returns err, so that a step can `return fw_fail(...)`. err: -errno. */
int fw_fail(struct fw_error *e, int err, const char *what, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The kernel refused message number `at`: says which, and which expression of it. owner: of our table. Returns
 * ack->err. */
struct fw_txn;
struct fw_ack;
int fw_fail_refused(struct fw_error *e, const struct fw_txn *t, uint32_t at, const struct fw_ack *ack, uint32_t owner);

/* --- nl.c: one netlink socket, one deadline --- */

struct fw_nl {
	struct mnl_socket *sock;
	int64_t deadline; /* CLOCK_MONOTONIC, ms */
	uint32_t seq;	  /* of the next request, if no session counts; starts at random: nothing stale matches */
	uint32_t port;	  /* our address */
	struct fw_session *session; /* whose socket it is; NULL: opened for this call, closed with it */
};

/* What a NLMSG_ERROR said. */
struct fw_ack {
	int err; /* 0 or -errno */
	uint32_t
		offset; /* NLMSGERR_ATTR_OFFS: where the attribute is that it did not like, in the message; 0: unsaid */
	char text[96];	/* NLMSGERR_ATTR_MSG, or "" */
};

int64_t fw_now_ms(void);
int fw_nl_open(struct fw_nl *nl, int64_t deadline, struct fw_error *e);
/* The session's socket if it holds one, otherwise (also without a session) a fresh one. fw_nl_close() gives it back. */
int fw_nl_borrow(struct fw_nl *nl, struct fw_session *session, int64_t deadline, struct fw_error *e);
void fw_nl_close(struct fw_nl *nl);
/* Throws away what is queued, answers to earlier questions and the news that some of them were lost. */
void fw_nl_drain(struct fw_nl *nl);
/* -errno: nothing of it reached the kernel. -EIO: it took a part, what it made of that is not known. */
int fw_nl_send(struct fw_nl *nl, const void *buf, size_t len);
/* Bytes of one datagram of the kernel's, or -errno: -ETIMEDOUT at the deadline, -ENOBUFS if some were lost. */
ssize_t fw_nl_recv(struct fw_nl *nl, void *buf, size_t size);
void fw_nl_ack(const struct nlmsghdr *nlh, struct fw_ack *out);

/*
 * Sends a request (seq and NLM_F_REQUEST are set here), gives every message of the answer to each(), returns at its
 * end. -EINTR: a dump was interrupted by a change and has to be repeated. A negative value of each() ends it too.
 */
typedef int fw_nl_each(const struct nlmsghdr *nlh, void *data);
int fw_nl_ask(struct fw_nl *nl, struct nlmsghdr *request, fw_nl_each *each, void *data);

/* The number that every change of rules in the namespace, anybody's, makes another. */
int fw_nl_generation(struct fw_nl *nl, uint32_t *out);

/* --- session.c --- */

/*
 * For calls of many transactions: makes *s a session that keeps a socket. If it is none (old kernel, no session), that
 * is local, opened for as long as the call. fw_session_close(local) in any case.
 */
int fw_session_keep(struct fw_session **s, struct fw_session *local, struct fw_error *e);

/* --- mark.c: how a table says which transaction made it, and what of its policy its sets do not say --- */

/* In the userdata of a set of its own, which no rule uses and each transaction makes anew. */
#define FW_MARK_SET "transaction"

struct fw_mark {
	uint64_t tag;	 /* of the transaction, random */
	uint64_t digest; /* of the policy's sets */
	enum fw_mode mode;
};

/* What can be kept of the policy goes with it; NULL: closed. Returns bytes, 0: no memory. */
size_t fw_mark_put(const struct fw_mark *mark, const struct fw_policy *policy, uint8_t *udata, size_t size);
/* False: not a mark of this release. policy may be NULL; its lists are left as they are. */
bool fw_mark_get(const void *udata, size_t len, struct fw_mark *out, struct fw_policy *policy);
/* From the answer to the question: a NEWSET. */
bool fw_mark_answer(const struct nlmsghdr *nlh, struct fw_mark *out);

/* Asks for the mark, or for the table, into buf. The ack behind it gives a question with one answer an end. */
struct nlmsghdr *fw_mark_question(char *buf, uint32_t seq);
struct nlmsghdr *fw_table_question(char *buf, uint32_t seq);

/* --- txn.c: one batch, all or nothing --- */

/* The first failure sticks in err; everything after it is harmless. */
struct fw_txn {
	char *buf;
	size_t len, room;
	int err;
	uint32_t seq_first;
	unsigned n;    /* messages so far, BATCH_BEGIN included */
	unsigned sets; /* ids given to sets of this batch */
	uint64_t tag;
	bool refused;  /* by the kernel: it has seen and understood it */
	bool removes;  /* afterwards there shall be no table, instead of one with our tag */
	bool untagged; /* changes elements only, and may be done twice: the table keeps the tag of another transaction
			*/
	uint32_t table_flags; /* what our NEWTABLE has to say, so that the session owns it; 0: it says nothing */
	struct fw_session *session;
	char (*what)[FW_WHAT_MAX];
	unsigned whats;
};

/* session NULL, or fw_txn_begin(): on a socket of its own. */
int fw_txn_begin_on(struct fw_txn *t, struct fw_session *session);
int fw_txn_begin(struct fw_txn *t);
/* Only if nothing changed since this generation; otherwise fw_txn_commit() returns -ERESTART. Before any message. */
void fw_txn_if_generation(struct fw_txn *t, uint32_t generation);
void fw_txn_fail(struct fw_txn *t, int err);
void fw_txn_free(struct fw_txn *t);
/* Starts a message (never NULL); its payload is built onto it, then fw_txn_add() takes it. what: for errors. */
struct nlmsghdr *fw_txn_msg(struct fw_txn *t, uint16_t type, uint16_t flags, const char *kind, const char *name);
void fw_txn_add(struct fw_txn *t, const struct nlmsghdr *nlh);

/* --- commit.c --- */

/*
 * 0: in force. -ETIMEDOUT: nobody can say whether it is; read, or (untagged) do it again. Other -errno: nothing was
 * changed; -ERESTART: see fw_txn_if_generation(), -ENOBUFS: why is lost.
 */
int fw_txn_commit(struct fw_txn *t, struct fw_error *e);
/* Would the kernel take it? Asks without doing it, and without anybody's noticing. Can be committed afterwards. */
int fw_txn_try(struct fw_txn *t, struct fw_error *e);

/* --- sets.c --- */

struct fw_set;
/* The set and, unless they are state, its elements. udata: of the mark. */
void fw_set_add(struct fw_txn *t, const struct fw_set *s, const uint8_t *udata, size_t udata_len);
void fw_set_delete(struct fw_txn *t, const char *name);
/*
 * A constant, nameless set of n values of a statement, printed inside of its rule. Returns its id: rules of this batch
 * find it by that, as its name is the kernel's choice.
 */
struct fw_stmt;
uint32_t fw_set_nameless(struct fw_txn *t, const char *what, const struct fw_stmt *s);

/* --- encode.c --- */

struct fw_rule;
void fw_rule_add(struct fw_txn *t, const struct fw_rule *rule);

/* --- decode.c --- */

struct fw_ruleset;
struct nftnl_rule;
/* Nameless sets are found in `nameless`: each has the name that a rule knows it by. */
void fw_rule_decode(const struct nftnl_rule *nlr, struct fw_ruleset *nameless, struct fw_rule *out);

/* --- elements.c --- */

struct fw_set;
int fw_elements_read(struct fw_nl *nl, struct fw_set *s, size_t width, bool *truncated);
int fw_elements_count(struct fw_nl *nl, struct fw_set *s);

/* --- dump.c: the table as the kernel has it --- */

enum { FW_REQUEST_MAX = 512 };
/* A question about our table into buf. */
struct nlmsghdr *fw_request(char *buf, uint16_t type, uint16_t flags, uint16_t table_attr);

struct fw_dump {
	bool present, dormant, marked;
	uint32_t owner, generation;
	struct fw_mark mark;
	struct fw_policy *policy; /* of the mark, lists of the sets; ours: free() */
	struct fw_ruleset *rs;	  /* free with fw_ruleset_free() */
	bool truncated;
};
/* -EAGAIN: it changed meanwhile. */
int fw_dump(struct fw_nl *nl, struct fw_dump *out, const char **step);
/* Until nothing changed while it was read. */
int fw_dump_settled(struct fw_nl *nl, struct fw_dump *out, struct fw_error *e);
void fw_dump_free(struct fw_dump *d);

/* --- table.c --- */

/* Everything that makes the table: in place of the one that is there, or (have) as the changes to it. */
void fw_table_build(struct fw_txn *t, const struct fw_policy *policy, const struct fw_ruleset *meant,
		    const struct fw_ruleset *have);
