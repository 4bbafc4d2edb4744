/*
 * What the kernel has. Several questions, one answer: the generation of the rules is asked before and after, and a
 * change in between (anybody's) begins it again. Replies of the kernel are trusted to be well formed, not to be ours:
 * a table of our name may have been made or changed by other hands.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { REQUEST_MAX = 512 };

static struct nlmsghdr *request(char *buf, uint16_t type, uint16_t flags, uint16_t table_attr)
{
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(buf, type, NFPROTO_INET, flags, 0);

	mnl_attr_put_strz(nlh, table_attr, FW_TABLE);
	return nlh;
}

static int take_generation(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			*(uint32_t *)data = ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

static int read_generation(struct fw_nl *nl, uint32_t *out)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_MAX];

	return fw_nl_ask(nl, nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0, 0), take_generation, out);
}

struct table {
	bool dormant, marked;
	uint32_t owner;
	struct fw_mark mark;
};

static int take_table(const struct nlmsghdr *nlh, void *data)
{
	struct table *out = data;
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t)
		return -ENOMEM;
	if (nftnl_table_nlmsg_parse(nlh, t) == 0) {
		out->dormant = nftnl_table_get_u32(t, NFTNL_TABLE_FLAGS) & NFT_TABLE_F_DORMANT;
		if (nftnl_table_is_set(t, NFTNL_TABLE_OWNER))
			out->owner = nftnl_table_get_u32(t, NFTNL_TABLE_OWNER);
		out->marked = fw_mark_get(t, &out->mark);
	}
	nftnl_table_free(t);
	return 0;
}

struct chain {
	bool in_place; /* type, hook, priority, policy are what we set */
	uint32_t rules;
};

static int take_chain(const struct nlmsghdr *nlh, void *data)
{
	struct chain *out = data;
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c)
		return -ENOMEM;
	if (nftnl_chain_nlmsg_parse(nlh, c) == 0) {
		const char *type = nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE);

		out->in_place = type && strcmp(type, "filter") == 0 &&
				nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM) == NF_INET_LOCAL_IN &&
				nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO) == FW_PRIORITY &&
				nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) == NF_DROP;
		out->rules = nftnl_chain_get_u32(c, NFTNL_CHAIN_USE);
	}
	nftnl_chain_free(c);
	return 0;
}

static int take_counter(const struct nlmsghdr *nlh, void *data)
{
	struct fw_state *s = data;
	struct nftnl_obj *o = nftnl_obj_alloc();

	if (!o)
		return -ENOMEM;
	if (nftnl_obj_nlmsg_parse(nlh, o) == 0 && nftnl_obj_get_u32(o, NFTNL_OBJ_TYPE) == NFT_OBJECT_COUNTER) {
		const char *name = nftnl_obj_get_str(o, NFTNL_OBJ_NAME);
		struct fw_counter *c = &s->counter[s->counters];

		if (s->counters == FW_COUNTERS_MAX) {
			s->truncated = true;
		} else if (name) {
			(void)snprintf(c->name, sizeof(c->name), "%s", name);
			c->packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
			c->bytes = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES);
			s->counters++;
		}
	}
	nftnl_obj_free(o);
	return 0;
}

enum { ELEMENTS_MAX = 2 * FW_PREFIXES_MAX };

struct element {
	uint8_t key[FW_KEY_MAX];
	bool is_end;
};

struct elements {
	size_t width, n;
	bool truncated, strange;
	struct element v[ELEMENTS_MAX];
};

static int take_element(struct nftnl_set_elem *elem, void *data)
{
	struct elements *e = data;
	uint32_t len = 0;
	const void *key = nftnl_set_elem_get(elem, NFTNL_SET_ELEM_KEY, &len);

	if (!key || len != e->width) {
		e->strange = true;
	} else if (e->n == ELEMENTS_MAX) {
		e->truncated = true;
	} else {
		struct element *at = &e->v[e->n++];

		*at = (struct element){0};
		memcpy(at->key, key, len);
		at->is_end = nftnl_set_elem_is_set(elem, NFTNL_SET_ELEM_FLAGS) &&
			     nftnl_set_elem_get_u32(elem, NFTNL_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END;
	}
	return 0;
}

static int take_elements(const struct nlmsghdr *nlh, void *data)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s)
		return -ENOMEM;
	if (nftnl_set_elems_nlmsg_parse(nlh, s) == 0)
		(void)nftnl_set_elem_foreach(s, take_element, data);
	nftnl_set_free(s);
	return 0;
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

static void add_ports(const struct fw_interval *iv, struct fw_ranges *to, bool *truncated)
{
	if (to->n == sizeof(to->v) / sizeof(to->v[0])) {
		*truncated = true;
		return;
	}
	to->v[to->n++] = (struct fw_range){
		.first = (uint16_t)(iv->first[0] << 8 | iv->first[1]),
		.last = (uint16_t)(iv->last[0] << 8 | iv->last[1]),
	};
}

/* ports: where a set of ports goes; NULL: a set of addresses, which goes to policy.admin_from. */
static int read_set(struct fw_nl *nl, const char *name, enum fw_key key, struct fw_ranges *ports, struct fw_state *s)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_MAX];
	struct nlmsghdr *nlh = request(buf, NFT_MSG_GETSETELEM, NLM_F_DUMP, NFTA_SET_ELEM_LIST_TABLE);
	struct elements e = {.width = fw_key_width(key)};
	struct fw_interval iv[ELEMENTS_MAX];
	size_t n;
	int r;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, name);
	r = fw_nl_ask(nl, nlh, take_elements, &e);
	if (r == -ENOENT || e.strange)
		s->mode = FW_ALTERED;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	s->truncated |= e.truncated;
	n = pair_up(&e, iv);
	for (size_t i = 0; i < n; i++) {
		uint8_t family = key == FW_KEY_IPV4 ? AF_INET : AF_INET6;

		if (ports)
			add_ports(&iv[i], ports, &s->truncated);
		else if (fw_interval_to_prefixes(&iv[i], family, &s->policy.admin_from) < 0)
			s->truncated = true;
	}
	return 0;
}

static int read_sets(struct fw_nl *nl, struct fw_state *s)
{
	int r = read_set(nl, "public_tcp", FW_KEY_PORT, &s->policy.public_tcp, s);

	if (r == 0)
		r = read_set(nl, "public_udp", FW_KEY_PORT, &s->policy.public_udp, s);
	if (r == 0)
		r = read_set(nl, "admin4", FW_KEY_IPV4, NULL, s);
	if (r == 0)
		r = read_set(nl, "admin6", FW_KEY_IPV6, NULL, s);
	for (size_t i = 0; i < s->counters; i++)
		s->policy.admin_public |= strcmp(s->counter[i].name, "admin_public") == 0;
	return r;
}

/* One look; *step is where it failed. */
static int look(struct fw_nl *nl, struct fw_state *s, const char **step)
{
	_Alignas(struct nlmsghdr) char buf[REQUEST_MAX];
	struct table table = {0};
	struct chain chain = {0};
	struct nlmsghdr *nlh;
	int r;

	*step = "read table";
	r = fw_nl_ask(nl, fw_table_question(buf, 0), take_table, &table);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	s->owner = table.owner;

	*step = "read chain";
	nlh = request(buf, NFT_MSG_GETCHAIN, 0, NFTA_CHAIN_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, FW_CHAIN);
	r = fw_nl_ask(nl, nlh, take_chain, &chain);
	if (r < 0 && r != -ENOENT)
		return r;
	s->mode = FW_ALTERED;
	if (table.marked && !table.dormant && chain.in_place && chain.rules == table.mark.rules)
		s->mode = table.mark.mode;

	*step = "read counters";
	nlh = request(buf, NFT_MSG_GETOBJ, NLM_F_DUMP, NFTA_OBJ_TABLE);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	r = fw_nl_ask(nl, nlh, take_counter, s);
	if (r < 0 || s->mode == FW_CLOSED)
		return r;
	*step = "read sets";
	return read_sets(nl, s);
}

int fw_read(struct fw_state *state, struct fw_error *err)
{
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};
	const char *step = "read generation";
	struct fw_state s;
	uint32_t after = 0;
	int r = fw_nl_open(&nl, fw_now_ms() + FW_DEADLINE_MS, err);

	if (r < 0)
		return r;
	do {
		s = (struct fw_state){.mode = FW_ABSENT};
		r = read_generation(&nl, &s.generation);
		if (r == 0)
			r = look(&nl, &s, &step);
		if (r == 0)
			r = read_generation(&nl, &after);
		if (r == 0 && after == s.generation) {
			*state = s;
			return 0;
		}
		if (r == 0 || r == -EINTR || r == -ENOENT)
			r = -EAGAIN;
	} while (r == -EAGAIN && fw_now_ms() < nl.deadline);
	if (r == -EPERM)
		return fw_fail(err, r, step, "no CAP_NET_ADMIN in this network namespace");
	return fw_fail(err, r, step, "%s", r == -EAGAIN ? "the rules keep changing" : "");
}
