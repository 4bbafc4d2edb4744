/* What the files about bans share. */
#pragma once

#include "bans.h"
#include "internal.h"

/* A banned network, or what is left of several. */
struct fw_span {
	struct fw_interval at;
	uint64_t left_ms; /* 0: for good */
};

struct fw_spans {
	struct fw_span *v;
	size_t n, room;
};

/* --- banspan.c: pure --- */

int fw_spans_add(struct fw_spans *list, const struct fw_span *span);
void fw_spans_free(struct fw_spans *list);
void fw_spans_sort(struct fw_spans *list);
/* Sorts, melts what overlaps (not what only touches), for the longest time. */
void fw_spans_melt(struct fw_spans *list);
bool fw_spans_overlap(const struct fw_span *a, const struct fw_span *b);
/* Is there one in a list of spans that do not overlap, sorted, with which this one does? */
bool fw_spans_hits(const struct fw_spans *list, const struct fw_span *span);
/* What is left of span without hole: 0, 1 or 2. */
size_t fw_span_cut(const struct fw_span *span, const struct fw_span *hole, size_t width, struct fw_span out[static 2]);
uint64_t fw_ban_longer(uint64_t a_ms, uint64_t b_ms);

/*
 * An interval set is a list of boundaries, begins and ends, and the kernel gives them in order, downwards or upwards
 * (that is its business). Put together again one by one; done() gives what has no end.
 */
struct fw_boundary {
	uint8_t key[FW_KEY_MAX];
	uint64_t left_ms;
	bool is_end;
};

typedef int fw_span_each(const struct fw_span *span, void *data);

struct fw_pairing {
	fw_span_each *each;
	void *data;
	size_t width;
	int direction; /* -1 downwards, 1 upwards, 0 not known yet */
	bool has_last;
	struct fw_boundary last;
};

int fw_pairing_take(struct fw_pairing *p, const struct fw_boundary *b);
int fw_pairing_done(struct fw_pairing *p);

/* --- banlist.c: the sets, read --- */

struct fw_banset {
	const char *addresses, *networks;
	uint8_t family;
	size_t width;
};
extern const struct fw_banset fw_bansets[2];

/* One set's elements. -EINTR: something changed meanwhile, begin again. */
typedef int fw_element_each(const struct fw_boundary *element, void *data);
int fw_banset_dump(struct fw_nl *nl, const char *set, size_t width, fw_element_each *each, void *data);

/* --- banwrite.c: elements of a set, written: no object per element, as a hundred thousand of them are usual --- */

struct fw_elements {
	struct fw_txn *txn;
	uint16_t type, flags; /* NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM */
	const char *set;
	size_t width;
	struct nlmsghdr *nlh;
	struct nlattr *list;
};

void fw_elements_begin(struct fw_elements *e, struct fw_txn *t, uint16_t type, const char *set, size_t width);
void fw_elements_put(struct fw_elements *e, const uint8_t *key, bool is_end, const uint64_t *timeout_ms);
void fw_elements_put_span(struct fw_elements *e, const struct fw_span *span);
void fw_elements_end(struct fw_elements *e);

/*
 * Elements can be written twice, so after a lost answer, or an element whose time was up in the middle of it, the
 * transaction is repeated. What the last try says is then not the whole truth: an earlier one may have come through.
 */
struct fw_tries {
	unsigned n;
	int64_t until_ms;
	bool unknown;
};

/* r: what became of a try. Shall there be another? */
bool fw_tries_again(struct fw_tries *t, int r);
int fw_tries_result(const struct fw_tries *t, int r, struct fw_error *e);

/* --- bannet.c: networks --- */

/* Melts the spans into those of the set. done counts how many of list are in it, also on failure. */
int fw_bannet_add(struct fw_session *s, const struct fw_banset *set, struct fw_spans *list, struct fw_error *e);
int fw_bannet_cut(struct fw_session *s, const struct fw_banset *set, const struct fw_span *hole, struct fw_error *e);
