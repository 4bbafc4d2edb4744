/* Bans as ranges of addresses. Pure. */
#include "banset.h"

#include <errno.h>
#include <string.h>

int fw_spans_add(struct fw_spans *list, const struct fw_span *span)
{
	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 64;
		struct fw_span *v = reallocarray(list->v, room, sizeof(*v));

		if (!v)
			return -ENOMEM;
		list->v = v;
		list->room = room;
	}
	list->v[list->n++] = *span;
	return 0;
}

void fw_spans_free(struct fw_spans *list)
{
	free(list->v);
	*list = (struct fw_spans){0};
}

static int compare(const void *a, const void *b)
{
	const struct fw_span *x = a, *y = b;

	return memcmp(x->at.first, y->at.first, FW_KEY_MAX);
}

void fw_spans_sort(struct fw_spans *list)
{
	if (list->n > 1)
		qsort(list->v, list->n, sizeof(*list->v), compare);
}

uint64_t fw_ban_longer(uint64_t a_ms, uint64_t b_ms)
{
	if (a_ms == 0 || b_ms == 0)
		return 0;
	return a_ms > b_ms ? a_ms : b_ms;
}

bool fw_spans_overlap(const struct fw_span *a, const struct fw_span *b)
{
	return memcmp(a->at.first, b->at.last, FW_KEY_MAX) <= 0 && memcmp(b->at.first, a->at.last, FW_KEY_MAX) <= 0;
}

void fw_spans_melt(struct fw_spans *list)
{
	size_t kept = 0;

	if (list->n == 0)
		return;
	fw_spans_sort(list);
	for (size_t i = 1; i < list->n; i++) {
		struct fw_span *last = &list->v[kept];
		const struct fw_span *next = &list->v[i];

		if (!fw_spans_overlap(last, next)) {
			list->v[++kept] = *next;
			continue;
		}
		if (memcmp(next->at.last, last->at.last, FW_KEY_MAX) > 0)
			memcpy(last->at.last, next->at.last, FW_KEY_MAX);
		last->left_ms = fw_ban_longer(last->left_ms, next->left_ms);
	}
	list->n = kept + 1;
}

bool fw_spans_hits(const struct fw_spans *list, const struct fw_span *span)
{
	size_t low = 0, high = list->n;

	/* The first that does not end before the span begins: ends are sorted as begins are. */
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(list->v[mid].at.last, span->at.first, FW_KEY_MAX) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < list->n && fw_spans_overlap(&list->v[low], span);
}

size_t fw_span_cut(const struct fw_span *span, const struct fw_span *hole, size_t width, struct fw_span out[static 2])
{
	size_t n = 0;

	if (memcmp(span->at.first, hole->at.first, width) < 0) {
		out[n] = *span;
		memcpy(out[n].at.last, hole->at.first, width);
		(void)fw_key_prev(out[n++].at.last, width);
	}
	if (memcmp(hole->at.last, span->at.last, width) < 0) {
		out[n] = *span;
		memcpy(out[n].at.first, hole->at.last, width);
		(void)fw_key_next(out[n++].at.first, width);
	}
	return n;
}

/* From a begin to the key before `end`; NULL: to the last there is. */
static int give(const struct fw_pairing *p, const struct fw_boundary *begin, const struct fw_boundary *end)
{
	struct fw_span span = {.left_ms = begin->left_ms};

	memcpy(span.at.first, begin->key, FW_KEY_MAX);
	if (end) {
		memcpy(span.at.last, end->key, FW_KEY_MAX);
		(void)fw_key_prev(span.at.last, p->width);
	} else {
		memset(span.at.last, 0xff, p->width);
	}
	return p->each(&span, p->data);
}

int fw_pairing_take(struct fw_pairing *p, const struct fw_boundary *b)
{
	const struct fw_boundary last = p->last;
	const bool has_last = p->has_last;
	int order = has_last ? memcmp(b->key, last.key, FW_KEY_MAX) : 0;
	int r = 0;

	p->last = *b;
	p->has_last = true;
	if (!has_last)
		return 0;
	if (p->direction == 0) {
		/* An end and a begin at one key: the end is the lower one's. */
		p->direction = order < 0 || (order == 0 && !last.is_end) ? -1 : 1;
		if (p->direction < 0 && !last.is_end) /* nothing lies above it */
			r = give(p, &last, NULL);
	}
	if (r < 0)
		return r;
	if (p->direction < 0)
		return b->is_end ? 0 : give(p, b, &last);
	return last.is_end ? 0 : give(p, &last, b);
}

int fw_pairing_done(struct fw_pairing *p)
{
	/* Downwards a begin was given when it came, but for one that is all there is. */
	if (!p->has_last || p->last.is_end || p->direction < 0)
		return 0;
	return give(p, &p->last, NULL);
}
