/* From a policy to sets. A policy is checked here again: it may not have come from our parsers. */
#include "build.h"
#include "internal.h"
#include "ports.h"

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>
#include <sys/socket.h>

enum { BANS = 524288, SOURCES = 65535, DOORS = 4096 };
enum { RATE_SECONDS = 60, SLOW_SECONDS = 10, STALE_SECONDS = 2 };

void fw_policy_init(struct fw_policy *p)
{
	*p = (struct fw_policy){
		.reverse_path = FW_REVERSE_LOOSE,
		.limits = {.rate = 100,
			   .burst = 500,
			   .connections = 2000,
			   .handshakes = 50000,
			   .echo = 5,
			   .echo_burst = 10,
			   .fragments = 1000},
	};
}

static bool is_valid(const struct fw_ranges *list)
{
	if (list->n > sizeof(list->v) / sizeof(list->v[0]))
		return false;
	for (size_t i = 0; i < list->n; i++) {
		const struct fw_range *r = &list->v[i];

		if (r->first == 0 || r->last < r->first || (i > 0 && r->first <= r[-1].last + 1))
			return false;
	}
	return true;
}

static bool fill(struct fw_build *b, struct fw_set *s, size_t most)
{
	if (b->err < 0)
		return false;
	s->iv = calloc(most ? most : 1, sizeof(*s->iv));
	if (!s->iv)
		b->err = -ENOMEM;
	return s->iv;
}

static bool port_set(struct fw_build *b, const char *name, const struct fw_ranges *list, bool cut)
{
	struct fw_set *s = fw_set(b, name, FW_KEY_PORT, NFT_SET_INTERVAL);
	uint16_t gone[FW_ADMIN_COUNT];
	struct fw_ranges kept;

	if (!is_valid(list))
		return false;
	kept = *list;
	/* They stay shut whatever a list says, also if nobody cut it before. */
	if (cut)
		(void)fw_ranges_cut(&kept, gone);
	if (!fill(b, s, kept.n))
		return true;
	for (size_t i = 0; i < kept.n; i++)
		s->iv[s->n++] = fw_interval_of_range(kept.v[i]);
	return true;
}

static bool is_network(const struct fw_prefix *p)
{
	if (p->family != AF_INET && p->family != AF_INET6)
		return false;
	return p->len <= (p->family == AF_INET ? 32 : 128) && fw_prefix_is_network(p);
}

static void add_family(struct fw_set *s, uint8_t family, const struct fw_prefixes *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->v[i].family == family)
			s->iv[s->n++] = fw_interval_of_prefix(&list->v[i]);
}

/* The pair of sets of a name without its 4 and 6; lists: up to three, ended by NULL. */
static int prefix_sets(struct fw_build *b, const char *const names[2], const struct fw_prefixes *const *lists,
		       const char *what, struct fw_error *e)
{
	size_t most = 0;

	for (size_t k = 0; lists[k]; k++) {
		bool good = lists[k]->n <= FW_PREFIXES_MAX;

		for (size_t i = 0; good && i < lists[k]->n; i++)
			good = is_network(&lists[k]->v[i]);
		if (!good)
			return fw_fail(e, -EINVAL, what, "the list has what is not a network");
		most += lists[k]->n;
	}
	for (size_t i = 0; i < 2; i++) {
		enum fw_key key = i ? FW_KEY_IPV6 : FW_KEY_IPV4;
		struct fw_set *s = fw_set(b, names[i], key, NFT_SET_INTERVAL);

		if (!fill(b, s, most))
			return 0;
		for (size_t k = 0; lists[k]; k++)
			add_family(s, i ? AF_INET6 : AF_INET, lists[k]);
		s->n = fw_intervals_merge(s->iv, s->n, fw_key_width(s->key));
	}
	return 0;
}

static void state_set(struct fw_build *b, const char *name, const enum fw_key *key, uint32_t flags, uint32_t size,
		      uint32_t timeout)
{
	struct fw_set *s = fw_set(b, name, key[0], flags);

	for (size_t i = 1; i < FW_CONCAT_MAX && key[i - 1] != FW_KEY_NONE; i++)
		s->key[i] = key[i];
	s->state = true;
	s->size = size;
	s->timeout = timeout;
}

static void state_sets(struct fw_build *b)
{
	static const enum fw_key key[2][2] = {{FW_KEY_IPV4}, {FW_KEY_IPV6}},
				 door[2][3] = {{FW_KEY_IPV4, FW_KEY_PORT}, {FW_KEY_IPV6, FW_KEY_PORT}},
				 pair[2][4] = {{FW_KEY_IPV4, FW_KEY_PORT, FW_KEY_PORT},
					       {FW_KEY_IPV6, FW_KEY_PORT, FW_KEY_PORT}};
	static const char *const names[6][2] = {{"ban4", "ban6"},   {"bannet4", "bannet6"}, {"open4", "open6"},
						{"slow4", "slow6"}, {"rate4", "rate6"},	    {"conns4", "conns6"}};
	const struct fw_policy *p = b->policy;

	for (size_t i = 0; i < 2; i++) {
		state_set(b, names[0][i], key[i], NFT_SET_TIMEOUT, BANS, 0);
		state_set(b, names[1][i], key[i], NFT_SET_INTERVAL | NFT_SET_TIMEOUT, 0, 0);
		state_set(b, names[2][i], door[i], NFT_SET_TIMEOUT, DOORS, 0);
		if (fw_has_rate(p)) {
			state_set(b, names[3][i], key[i], NFT_SET_EVAL | NFT_SET_TIMEOUT, SOURCES, SLOW_SECONDS);
			state_set(b, names[4][i], key[i], NFT_SET_EVAL | NFT_SET_TIMEOUT, SOURCES, RATE_SECONDS);
		}
		if (fw_has_connections(p))
			state_set(b, names[5][i], key[i], NFT_SET_EVAL, SOURCES, 0);
		if (fw_has_socket(p))
			state_set(b, i ? "stale6" : "stale4", pair[i], NFT_SET_EVAL | NFT_SET_TIMEOUT, DOORS,
				  STALE_SECONDS);
	}
}

/* The ports of the named table that a class of sources may reach. */
static void named_ports(struct fw_build *b, const char *name, bool peer)
{
	struct fw_ranges list = {0};

	for (size_t i = 0; i < fw_ports_count; i++)
		if ((peer ? fw_ports[i].peer : fw_ports[i].local) && fw_ports[i].class != FW_PORT_GATED)
			(void)fw_ranges_add(&list, (struct fw_range){fw_ports[i].port, fw_ports[i].port});
	(void)port_set(b, name, &list, true);
}

/* 0/8, 127/8, 224/4 and 240/4 in one; ::/96 with :: and ::1, IPv4-mapped, ff00::/8. */
static const struct fw_prefixes martians = {
	.n = 6,
	.v = {{AF_INET, 8, {0}},
	      {AF_INET, 8, {127}},
	      {AF_INET, 3, {224}},
	      {AF_INET6, 96, {0}},
	      {AF_INET6, 96, {[10] = 0xff, [11] = 0xff}},
	      {AF_INET6, 8, {0xff}}},
};

static bool is_sane(const struct fw_policy *p)
{
	return p->egress.uids <= FW_UIDS_MAX && p->reverse_path <= FW_REVERSE_STRICT;
}

static int open_sets(struct fw_build *b, struct fw_error *e)
{
	const struct fw_policy *p = b->policy;
	const struct fw_prefixes *const exempt[] = {&p->exempt, &p->trusted, NULL}, *const never[] = {
											    &p->never_ban, &p->exempt,
											    &p->trusted, NULL};
	const struct {
		const char *const name[2];
		const struct fw_prefixes *const *lists;
		bool wanted;
		const char *what;
	} sets[] = {
		{{"admin4", "admin6"},
		 (const struct fw_prefixes *const[]){&p->admin_from, NULL},
		 true,
		 "sets admin4, admin6"},
		{{"exempt4", "exempt6"}, exempt, true, "sets exempt4, exempt6"},
		{{"never4", "never6"}, never, true, "sets never4, never6"},
		{{"local4", "local6"},
		 (const struct fw_prefixes *const[]){&p->local_from, NULL},
		 p->local_from.n > 0,
		 "sets local4, local6"},
		{{"peer4", "peer6"},
		 (const struct fw_prefixes *const[]){&p->peers, NULL},
		 p->peers.n > 0,
		 "sets peer4, peer6"},
		{{"martian4", "martian6"}, (const struct fw_prefixes *const[]){&martians, NULL}, true, "martians"},
	};

	if (!is_sane(p))
		return fw_fail(e, -EINVAL, "policy",
			       "too many users for port 25, or no such check of the reverse path");
	if (!port_set(b, "public_tcp", &p->public_tcp, true))
		return fw_fail(e, -EINVAL, "set public_tcp", "public_tcp is not a sorted list of ranges");
	if (!port_set(b, "public_udp", &p->public_udp, false))
		return fw_fail(e, -EINVAL, "set public_udp", "public_udp is not a sorted list of ranges");
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		int r = sets[i].wanted ? prefix_sets(b, sets[i].name, sets[i].lists, sets[i].what, e) : 0;

		if (r < 0)
			return r;
	}
	if (p->local_from.n)
		named_ports(b, "local_tcp", false);
	if (p->peers.n)
		named_ports(b, "peer_tcp", true);
	state_sets(b);
	return 0;
}

int fw_policy_sets(struct fw_build *b, struct fw_error *e)
{
	(void)fw_set(b, FW_MARK_SET, FW_KEY_PORT, 0);
	return b->policy ? open_sets(b, e) : 0;
}
