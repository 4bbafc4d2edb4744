#include "bans.h"
#include "banset.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	CHUNK = 2048, /* addresses in one batch: three messages of at most 82 KiB, below the usual net.core.wmem_max */
};

struct address {
	uint8_t key[FW_KEY_MAX];
	uint64_t left_ms;
};

struct chunk {
	size_t n;
	struct address v[CHUNK];
};

static int compare(const void *a, const void *b)
{
	return memcmp(((const struct address *)a)->key, ((const struct address *)b)->key, FW_KEY_MAX);
}

/* One that is there twice would be deleted twice. */
static void sort_and_melt(struct chunk *c)
{
	size_t kept = 0;

	qsort(c->v, c->n, sizeof(c->v[0]), compare);
	for (size_t i = 1; i < c->n; i++) {
		if (compare(&c->v[kept], &c->v[i]) == 0)
			c->v[kept].left_ms = fw_ban_longer(c->v[kept].left_ms, c->v[i].left_ms);
		else
			c->v[++kept] = c->v[i];
	}
	c->n = kept + 1;
}

static void put_all(struct fw_txn *t, const struct chunk *c, const struct fw_banset *set, uint16_t type)
{
	struct fw_elements el;

	fw_elements_begin(&el, t, type, set->addresses, set->width);
	for (size_t i = 0; i < c->n; i++)
		fw_elements_put(&el, c->v[i].key, false, type == NFT_MSG_NEWSETELEM ? &c->v[i].left_ms : NULL);
	fw_elements_end(&el);
}

static int commit_chunk(struct fw_session *s, const struct chunk *c, const struct fw_banset *set, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	int r = fw_txn_begin_on(&t, s);

	if (r < 0)
		return fw_fail(e, r, set->addresses, "no memory or no random number for a transaction");
	t.untagged = true;
	put_all(&t, c, set, NFT_MSG_NEWSETELEM);
	/*
	 * Before Linux 6.12 that leaves an element that is there as it is. Deleting it first would be refused if it is
	 * not there; after the message above all of them are, and what is deleted can be added anew.
	 */
	if (!s || !s->updates_elements) {
		put_all(&t, c, set, NFT_MSG_DELSETELEM);
		put_all(&t, c, set, NFT_MSG_NEWSETELEM);
	}
	return fw_txn_commit(&t, e);
}

static int add_chunk(struct fw_session *s, struct chunk *c, const struct fw_banset *set, struct fw_error *e)
{
	struct fw_tries tries = {0};
	int r;

	if (c->n == 0)
		return 0;
	sort_and_melt(c);
	do
		r = commit_chunk(s, c, set, e);
	while (fw_tries_again(&tries, r));
	c->n = 0;
	if (r == -ENFILE)
		return fw_fail(e, r, set->addresses, "the set is full");
	return fw_tries_result(&tries, r, e);
}

static bool is_address(const struct fw_prefix *p, const struct fw_banset *set)
{
	return p->len == 8 * set->width;
}

struct job {
	struct fw_session *s;
	const struct fw_ban *bans;
	size_t n;
	const struct fw_prefixes *never;
	struct fw_ban_result *result;
};

static int add_addresses(const struct job *j, const struct fw_banset *set, struct fw_error *e)
{
	_cleanup_(fw_free) struct chunk *c = malloc(sizeof(*c));
	size_t given = 0;
	int r = 0;

	if (!c)
		return fw_fail(e, -ENOMEM, set->addresses, "no memory");
	c->n = 0;
	for (size_t i = 0; i < j->n && r == 0; i++) {
		const struct fw_ban *b = &j->bans[i];

		if (b->who.family != set->family || !is_address(&b->who, set) ||
		    fw_ban_check(&b->who, j->never, NULL, 0) < 0)
			continue;
		memcpy(c->v[c->n].key, b->who.addr, FW_KEY_MAX);
		c->v[c->n++].left_ms = b->left_ms;
		given++;
		if (c->n < CHUNK)
			continue;
		r = add_chunk(j->s, c, set, e);
		if (r == 0) {
			j->result->done += given;
			given = 0;
		}
	}
	if (r == 0)
		r = add_chunk(j->s, c, set, e);
	if (r == 0)
		j->result->done += given;
	return r;
}

static int add_networks(const struct job *j, const struct fw_banset *set, struct fw_error *e)
{
	_cleanup_(fw_spans_free) struct fw_spans list = {0};
	size_t given;
	int r = 0;

	for (size_t i = 0; i < j->n && r == 0; i++) {
		const struct fw_ban *b = &j->bans[i];

		if (b->who.family == set->family && !is_address(&b->who, set) &&
		    fw_ban_check(&b->who, j->never, NULL, 0) == 0)
			r = fw_spans_add(&list, &(struct fw_span){fw_interval_of_prefix(&b->who), b->left_ms});
	}
	if (r < 0)
		return fw_fail(e, r, set->networks, "no memory");
	given = list.n;
	r = fw_bannet_add(j->s, set, &list, e);
	if (r == 0)
		j->result->done += given;
	return r;
}

int fw_ban_add(struct fw_session *s, const struct fw_ban *bans, size_t n, const struct fw_prefixes *never,
	       struct fw_ban_result *result, struct fw_error *err)
{
	_cleanup_(fw_session_close) struct fw_session local = {0};
	struct fw_ban_result own = {0}, *res = result ? result : &own;
	struct job job = {s, bans, n, never, res};
	int first = 0, r = 0;

	*res = (struct fw_ban_result){0};
	for (size_t i = 0; i < n; i++) {
		char why[FW_BAN_WHY];
		int bad = fw_ban_check(&bans[i].who, never, why, sizeof(why));

		if (bad < 0 && res->refused++ == 0) {
			first = bad;
			memcpy(res->why, why, sizeof(why));
		}
	}
	if (n > 0 && res->refused == n)
		return fw_fail(err, first, "ban", "%s", res->why);
	r = fw_session_keep(&job.s, &local, err);
	for (size_t f = 0; f < 2 && r == 0; f++) {
		r = add_addresses(&job, &fw_bansets[f], err);
		if (r == 0)
			r = add_networks(&job, &fw_bansets[f], err);
	}
	return r;
}

/* One element in one batch: what is not there any more makes the kernel refuse the whole of it. */
static int commit_deletion(struct fw_session *s, const uint8_t *key, const struct fw_banset *set, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	struct fw_elements el;
	int r = fw_txn_begin_on(&t, s);

	if (r < 0)
		return fw_fail(e, r, set->addresses, "no memory or no random number for a transaction");
	t.untagged = true;
	fw_elements_begin(&el, &t, NFT_MSG_DELSETELEM, set->addresses, set->width);
	fw_elements_put(&el, key, false, NULL);
	fw_elements_end(&el);
	r = fw_txn_commit(&t, e);
	return r == -ENOENT ? 0 : r;
}

static int del_address(struct fw_session *s, const uint8_t *key, const struct fw_banset *set, struct fw_error *e)
{
	struct fw_tries tries = {0};
	int r;

	do
		r = commit_deletion(s, key, set, e);
	while (fw_tries_again(&tries, r));
	return fw_tries_result(&tries, r, e);
}

struct found {
	const struct fw_banset *set;
	struct fw_span within;
	struct fw_spans list;
};

static int take_address(const struct fw_boundary *b, void *data)
{
	struct found *f = data;
	struct fw_span span = {0};

	memcpy(span.at.first, b->key, FW_KEY_MAX);
	memcpy(span.at.last, b->key, FW_KEY_MAX);
	return fw_spans_overlap(&f->within, &span) ? fw_spans_add(&f->list, &span) : 0;
}

static void free_found(struct found *f)
{
	fw_spans_free(&f->list);
}

static int find_addresses(struct fw_session *s, struct found *f, struct fw_error *e)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	int r = fw_nl_borrow(&nl, s, fw_now_ms() + FW_DEADLINE_MS, e);

	f->list.n = 0;
	if (r == 0)
		r = fw_banset_dump(&nl, f->set->addresses, f->set->width, take_address, f);
	return r;
}

static int del_addresses(struct fw_session *s, const struct fw_span *within, const struct fw_banset *set,
			 struct fw_error *e)
{
	_cleanup_(free_found) struct found f = {.set = set, .within = *within};
	struct fw_tries tries = {0};
	int r;

	do
		r = find_addresses(s, &f, e);
	while (fw_tries_again(&tries, r));
	if (r < 0)
		return fw_fail(e, r, set->addresses, "could not be read");
	for (size_t i = 0; i < f.list.n && r == 0; i++)
		r = del_address(s, f.list.v[i].at.first, set, e);
	return r;
}

int fw_ban_del(struct fw_session *s, const struct fw_prefix *who, struct fw_error *err)
{
	const struct fw_banset *set = &fw_bansets[who->family != AF_INET];
	const struct fw_span hole = {.at = fw_interval_of_prefix(who)};
	_cleanup_(fw_session_close) struct fw_session local = {0};
	int r;

	if ((who->family != AF_INET && who->family != AF_INET6) || who->len > 8 * set->width ||
	    !fw_prefix_is_network(who))
		return fw_fail(err, -EINVAL, "ban", "not a network");
	r = fw_session_keep(&s, &local, err);
	if (r < 0)
		return r;
	if (is_address(who, set))
		r = del_address(s, who->addr, set, err);
	else
		r = del_addresses(s, &hole, set, err);
	return r == 0 ? fw_bannet_cut(s, set, &hole, err) : r;
}

/* A delete without elements is for all of them. */
static void flush_set(struct fw_txn *t, const char *set)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_DELSETELEM, 0, "elements of set", set);

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	fw_txn_add(t, nlh);
}

static int commit_flush(struct fw_session *s, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	int r = fw_txn_begin_on(&t, s);

	if (r < 0)
		return fw_fail(e, r, "bans", "no memory or no random number for a transaction");
	t.untagged = true;
	for (size_t f = 0; f < 2; f++) {
		flush_set(&t, fw_bansets[f].addresses);
		flush_set(&t, fw_bansets[f].networks);
	}
	return fw_txn_commit(&t, e);
}

int fw_ban_flush(struct fw_session *s, struct fw_error *err)
{
	struct fw_tries tries = {0};
	int r;

	do
		r = commit_flush(s, err);
	while (fw_tries_again(&tries, r));
	return fw_tries_result(&tries, r, err);
}
