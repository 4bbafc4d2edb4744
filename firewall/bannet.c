/*
 * Banned networks. An interval set refuses what overlaps with what it has; then it is looked at, and everything that
 * the new ones touch is deleted and added again, melted, in the same batch. What is not touched is neither kept nor
 * sent.
 */
#include "banset.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

enum {
	CHUNK = 2048, /* networks in one batch, of 172 KiB at most if nothing is deleted */
	PATIENCE = 4  /* tries that ask for a standstill of the rules */
};

struct change {
	struct fw_spans gone, want; /* sorted; every gone one lies in a wanted one, or they fit into one chunk */
	uint32_t generation;	    /* 0: never mind */
	bool only_new; /* the same one is refused, too: its time would be replaced, not the longer one kept */
};

static void free_change(struct change *c)
{
	fw_spans_free(&c->gone);
	fw_spans_free(&c->want);
}

struct look {
	const struct fw_spans *at;
	struct fw_spans *found;
};

static int take_span(const struct fw_span *span, void *data)
{
	struct look *l = data;

	return fw_spans_hits(l->at, span) ? fw_spans_add(l->found, span) : 0;
}

static int pair(const struct fw_boundary *b, void *data)
{
	return fw_pairing_take(data, b);
}

/* Spans of the set that overlap with one of `at` (sorted, apart), and the generation in which that was so. */
static int look(struct fw_session *s, const struct fw_banset *set, const struct fw_spans *at, struct change *c,
		struct fw_error *e)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	struct look l = {.at = at, .found = &c->gone};
	struct fw_pairing p = {.each = take_span, .data = &l, .width = set->width};
	int r = fw_nl_borrow(&nl, s, fw_now_ms() + FW_DEADLINE_MS, e);

	if (r < 0)
		return r;
	r = fw_nl_generation(&nl, &c->generation);
	if (r == 0)
		r = fw_banset_dump(&nl, set->networks, set->width, pair, &p);
	if (r == 0)
		r = fw_pairing_done(&p);
	if (r < 0)
		return fw_fail(e, r, set->networks, "%s",
			       r == -ENOENT ? "the table has no such set" : "could not be read");
	fw_spans_sort(&c->gone);
	return 0;
}

static int commit_chunk(struct fw_session *s, const struct fw_banset *set, const struct change *c,
			const struct fw_spans *gone, const struct fw_spans *want, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	struct fw_elements el;
	int r = fw_txn_begin_on(&t, s);

	if (r < 0)
		return fw_fail(e, r, set->networks, "no memory or no random number for a transaction");
	t.untagged = true;
	if (c->generation)
		fw_txn_if_generation(&t, c->generation);
	fw_elements_begin(&el, &t, NFT_MSG_DELSETELEM, set->networks, set->width);
	for (size_t i = 0; i < gone->n; i++)
		fw_elements_put_span(&el, &gone->v[i]);
	fw_elements_end(&el);
	fw_elements_begin(&el, &t, NFT_MSG_NEWSETELEM, set->networks, set->width);
	if (c->only_new)
		el.flags |= NLM_F_EXCL;
	for (size_t i = 0; i < want->n; i++)
		fw_elements_put_span(&el, &want->v[i]);
	fw_elements_end(&el);
	return fw_txn_commit(&t, e);
}

static int commit_all(struct fw_session *s, const struct fw_banset *set, struct change *c, struct fw_error *e)
{
	struct fw_spans gone = {.v = c->gone.v}, want = {.v = c->want.v};
	size_t gone_left = c->gone.n, want_left = c->want.n;

	while (gone_left + want_left > 0) {
		const struct fw_span *end;
		int r;

		want.n = want_left < CHUNK ? want_left : CHUNK;
		end = want.n < want_left ? &want.v[want.n] : NULL;
		/* Of the deleted ones those that lie below what comes in the next chunk. */
		for (gone.n = 0; gone.n < gone_left; gone.n++)
			if (end && memcmp(gone.v[gone.n].at.first, end->at.first, FW_KEY_MAX) >= 0)
				break;
		r = commit_chunk(s, set, c, &gone, &want, e);
		if (r < 0)
			return r;
		/* Ours was the only change since; if not, the next chunk will be told. */
		if (c->generation && ++c->generation == 0)
			c->generation = 1;
		gone.v += gone.n;
		gone_left -= gone.n;
		want.v += want.n;
		want_left -= want.n;
	}
	return 0;
}

typedef int want_fn(struct change *c, const struct fw_spans *given, size_t width);

static int change(struct fw_session *s, const struct fw_banset *set, const struct fw_spans *given, want_fn *want,
		  struct fw_error *e)
{
	struct fw_tries tries = {0};
	int r;

	do {
		_cleanup_(free_change) struct change c = {0};

		r = look(s, set, given, &c, e);
		if (r == -ENOENT) /* the set itself */
			break;
		if (r == 0)
			r = want(&c, given, set->width);
		/*
		 * The kernel refuses by itself what does not fit to what it has. So the last tries do not mind changes
		 * of rules that may have nothing to do with ours.
		 */
		if (tries.n >= PATIENCE)
			c.generation = 0;
		if (r == 0)
			r = commit_all(s, set, &c, e);
	} while (fw_tries_again(&tries, r));
	return fw_tries_result(&tries, r, e);
}

static int want_melted(struct change *c, const struct fw_spans *given, size_t width)
{
	int r = 0;

	(void)width;
	for (size_t i = 0; i < given->n && r == 0; i++)
		r = fw_spans_add(&c->want, &given->v[i]);
	for (size_t i = 0; i < c->gone.n && r == 0; i++)
		r = fw_spans_add(&c->want, &c->gone.v[i]);
	fw_spans_melt(&c->want);
	return r;
}

int fw_bannet_add(struct fw_session *s, const struct fw_banset *set, struct fw_spans *list, struct fw_error *e)
{
	struct change fresh = {.want = {.v = list->v}, .only_new = true};
	struct fw_error refused = {0};

	if (list->n == 0)
		return 0;
	fw_spans_melt(list);
	fresh.want.n = list->n;
	/*
	 * The kernel takes a time that grows with the square of their number to list the networks of a set, 0.2 s for
	 * 50,000: usually the new ones are new, and it tells where they are not. What of them is in by then is melted
	 * with itself.
	 */
	if (commit_all(s, set, &fresh, &refused) == 0)
		return 0;
	return change(s, set, list, want_melted, e);
}

static int want_cut(struct change *c, const struct fw_spans *hole, size_t width)
{
	int r = 0;

	for (size_t i = 0; i < c->gone.n; i++) {
		struct fw_span part[2];
		size_t n = fw_span_cut(&c->gone.v[i], &hole->v[0], width, part);

		for (size_t k = 0; k < n && r == 0; k++)
			r = fw_spans_add(&c->want, &part[k]);
	}
	return r;
}

int fw_bannet_cut(struct fw_session *s, const struct fw_banset *set, const struct fw_span *hole, struct fw_error *e)
{
	struct fw_span at = *hole;
	struct fw_spans list = {.v = &at, .n = 1};

	return change(s, set, &list, want_cut, e);
}
