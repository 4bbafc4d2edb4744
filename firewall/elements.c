/* The elements of one set, as the kernel has them. */
#include "internal.h"
#include "rule.h"

#include <errno.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

enum { FIRST_ROOM = 64, MOST = 16384 };

struct element {
	uint8_t key[FW_KEY_MAX];
	bool is_end;
};

struct elements {
	size_t width, n, room;
	bool truncated;
	int err;
	struct element *v;
};

static int grow(struct elements *e)
{
	size_t room = e->room ? 2 * e->room : FIRST_ROOM;
	struct element *more = realloc(e->v, room * sizeof(*more));

	if (!more)
		return -ENOMEM;
	e->v = more;
	e->room = room;
	return 0;
}

static int take_element(struct nftnl_set_elem *elem, void *data)
{
	struct elements *e = data;
	uint32_t len = 0;
	const void *key = nftnl_set_elem_get(elem, NFTNL_SET_ELEM_KEY, &len);
	struct element *at;

	if (!key || len != e->width || len > FW_KEY_MAX || e->n == MOST) {
		e->truncated = true;
		return 0;
	}
	if (e->n == e->room && grow(e) < 0) {
		e->err = -ENOMEM;
		return 0;
	}
	at = &e->v[e->n++];
	*at = (struct element){0};
	memcpy(at->key, key, len);
	at->is_end = nftnl_set_elem_is_set(elem, NFTNL_SET_ELEM_FLAGS) &&
		     nftnl_set_elem_get_u32(elem, NFTNL_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END;
	return 0;
}

static int take_elements(const struct nlmsghdr *nlh, void *data)
{
	struct nftnl_set *s = nftnl_set_alloc();
	struct elements *e = data;

	if (!s)
		return -ENOMEM;
	if (nftnl_set_elems_nlmsg_parse(nlh, s) == 0)
		(void)nftnl_set_elem_foreach(s, take_element, data);
	nftnl_set_free(s);
	return e->err;
}

/* An end and a begin at the same key are two neighbours, the end belongs to the first. */
static int compare(const void *a, const void *b)
{
	const struct element *x = a, *y = b;
	int r = memcmp(x->key, y->key, sizeof(x->key));

	return r ? r : (int)y->is_end - (int)x->is_end;
}

/* The kernel's begins and ends as intervals; returns how many. An end before any begin is nft's, and means nothing. */
static size_t pair_up(struct elements *e, struct fw_interval *iv)
{
	bool is_open = false;
	size_t n = 0;

	qsort(e->v, e->n, sizeof(e->v[0]), compare);
	for (size_t i = 0; i < e->n; i++) {
		if (is_open) { /* ended here, or (without an end) by the next begin */
			memcpy(iv[n].last, e->v[i].key, FW_KEY_MAX);
			(void)fw_key_prev(iv[n].last, e->width);
			n++;
		}
		is_open = !e->v[i].is_end;
		if (is_open) {
			memcpy(iv[n].first, e->v[i].key, FW_KEY_MAX);
			memset(iv[n].last, 0, FW_KEY_MAX);
		}
	}
	if (is_open) /* up to the last key there is: its end would be behind it */
		memset(iv[n++].last, 0xff, e->width);
	return n;
}

static size_t singles(const struct elements *e, struct fw_interval *iv)
{
	for (size_t i = 0; i < e->n; i++) {
		memcpy(iv[i].first, e->v[i].key, FW_KEY_MAX);
		memcpy(iv[i].last, e->v[i].key, FW_KEY_MAX);
	}
	return e->n;
}

int fw_elements_read(struct fw_nl *nl, struct fw_set *s, size_t width, bool *truncated)
{
	_Alignas(struct nlmsghdr) char buf[FW_REQUEST_MAX];
	struct nlmsghdr *nlh = fw_request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP, NFTA_SET_ELEM_LIST_TABLE);
	struct elements e = {.width = width};
	int r;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, s->name);
	r = fw_nl_ask(nl, nlh, take_elements, &e);
	if (r == 0) {
		s->iv = calloc(e.n ? e.n : 1, sizeof(*s->iv));
		r = s->iv ? 0 : -ENOMEM;
	}
	if (r == 0 && e.n)
		s->n = s->flags & NFT_SET_INTERVAL ? pair_up(&e, s->iv) : singles(&e, s->iv);
	*truncated |= e.truncated;
	free(e.v);
	return r;
}

static int count_element(struct nftnl_set_elem *elem, void *data)
{
	(void)elem;
	(*(uint32_t *)data)++;
	return 0;
}

static int count_elements(const struct nlmsghdr *nlh, void *data)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return -ENOMEM;
	if (nftnl_set_elems_nlmsg_parse(nlh, s) == 0)
		(void)nftnl_set_elem_foreach(s, count_element, data);
	nftnl_set_free(s);
	return 0;
}

int fw_elements_count(struct fw_nl *nl, struct fw_set *s)
{
	_Alignas(struct nlmsghdr) char buf[FW_REQUEST_MAX];
	struct nlmsghdr *nlh = fw_request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP, NFTA_SET_ELEM_LIST_TABLE);

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, s->name);
	s->used = 0;
	s->known_used = true;
	return fw_nl_ask(nl, nlh, count_elements, &s->used);
}
