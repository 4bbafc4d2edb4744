#include "rule.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdlib.h>
#include <string.h>

#define NET(name, offset, len, look, family)                                                                           \
	{                                                                                                              \
		name, FW_FROM_PAYLOAD, NFT_PAYLOAD_NETWORK_HEADER, offset, 0, len, look, family, -1                    \
	}
#define TRANSPORT(name, offset, len, look, family, protocol)                                                           \
	{                                                                                                              \
		name, FW_FROM_PAYLOAD, NFT_PAYLOAD_TRANSPORT_HEADER, offset, 0, len, look, family, protocol            \
	}
#define OTHER(name, source, key, flags, len, look)                                                                     \
	{                                                                                                              \
		name, source, key, 0, flags, len, look, -1, -1                                                         \
	}

const struct fw_field_info fw_fields[FW_FIELDS] = {
	[FW_IIF] = OTHER("iif", FW_FROM_META, NFT_META_IIF, 0, 4, FW_LOOK_INTERFACE),
	[FW_OIF] = OTHER("oif", FW_FROM_META, NFT_META_OIF, 0, 4, FW_LOOK_INTERFACE),
	[FW_NFPROTO] = OTHER("meta nfproto", FW_FROM_META, NFT_META_NFPROTO, 0, 1, FW_LOOK_FAMILY),
	[FW_L4PROTO] = OTHER("meta l4proto", FW_FROM_META, NFT_META_L4PROTO, 0, 1, FW_LOOK_PROTOCOL),
	[FW_SKUID] = OTHER("meta skuid", FW_FROM_META, NFT_META_SKUID, 0, 4, FW_LOOK_HOST32),
	[FW_IP_SADDR] = NET("ip saddr", 12, 4, FW_LOOK_IPV4, NFPROTO_IPV4),
	[FW_IP_DADDR] = NET("ip daddr", 16, 4, FW_LOOK_IPV4, NFPROTO_IPV4),
	[FW_IP_FRAG] = NET("ip frag-off", 6, 2, FW_LOOK_NUMBER, NFPROTO_IPV4),
	[FW_IP6_SADDR] = NET("ip6 saddr", 8, 16, FW_LOOK_IPV6, NFPROTO_IPV6),
	[FW_IP6_DADDR] = NET("ip6 daddr", 24, 16, FW_LOOK_IPV6, NFPROTO_IPV6),
	[FW_IP6_HOPLIMIT] = NET("ip6 hoplimit", 7, 1, FW_LOOK_NUMBER, NFPROTO_IPV6),
	[FW_ICMP_TYPE] = TRANSPORT("icmp type", 0, 1, FW_LOOK_ICMP, NFPROTO_IPV4, IPPROTO_ICMP),
	[FW_ICMPV6_TYPE] = TRANSPORT("icmpv6 type", 0, 1, FW_LOOK_ICMPV6, NFPROTO_IPV6, IPPROTO_ICMPV6),
	[FW_TCP_SPORT] = TRANSPORT("tcp sport", 0, 2, FW_LOOK_PORT, -1, IPPROTO_TCP),
	[FW_TCP_DPORT] = TRANSPORT("tcp dport", 2, 2, FW_LOOK_PORT, -1, IPPROTO_TCP),
	[FW_TCP_FLAGS] = TRANSPORT("tcp flags", 13, 1, FW_LOOK_FLAGS, -1, IPPROTO_TCP),
	[FW_UDP_SPORT] = TRANSPORT("udp sport", 0, 2, FW_LOOK_PORT, -1, IPPROTO_UDP),
	[FW_UDP_DPORT] = TRANSPORT("udp dport", 2, 2, FW_LOOK_PORT, -1, IPPROTO_UDP),
	[FW_RT_TYPE] = {"rt type", FW_FROM_EXTHDR, IPPROTO_ROUTING, 2, 0, 1, FW_LOOK_NUMBER, NFPROTO_IPV6, -1},
	[FW_FRAG] = {"exthdr frag", FW_FROM_EXTHDR, IPPROTO_FRAGMENT, 0, NFT_EXTHDR_F_PRESENT, 1, FW_LOOK_EXISTS,
		     NFPROTO_IPV6, -1},
	[FW_CT_STATE] = OTHER("ct state", FW_FROM_CT, NFT_CT_STATE, 0, 4, FW_LOOK_STATE),
	[FW_CT_MARK] = OTHER("ct mark", FW_FROM_CT, NFT_CT_MARK, 0, 4, FW_LOOK_HOST32),
	[FW_SOCKET_WILDCARD] = OTHER("socket wildcard", FW_FROM_SOCKET, NFT_SOCKET_WILDCARD, 0, 1, FW_LOOK_NUMBER),
	[FW_SOCKET_TRANSPARENT] =
		OTHER("socket transparent", FW_FROM_SOCKET, NFT_SOCKET_TRANSPARENT, 0, 1, FW_LOOK_NUMBER),
	[FW_FIB_TYPE] =
		OTHER("fib saddr type", FW_FROM_FIB, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_SADDR, 4, FW_LOOK_ROUTE),
	[FW_FIB_OIF] = OTHER("fib saddr oif", FW_FROM_FIB, NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_PRESENT, 4,
			     FW_LOOK_EXISTS),
	[FW_FIB_IIF_OIF] = OTHER("fib saddr . iif oif", FW_FROM_FIB, NFT_FIB_RESULT_OIF,
				 NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT, 4, FW_LOOK_EXISTS),
};

/* Numbers of nft's include/datatype.h (enum datatypes); they never changed. */
static const struct {
	const char *name;
	uint32_t type;
	uint8_t width;
} keys[FW_KEYS] = {
	[FW_KEY_PORT] = {"inet_service", 13, 2},
	[FW_KEY_IPV4] = {"ipv4_addr", 7, 4},
	[FW_KEY_IPV6] = {"ipv6_addr", 8, 16},
};

uint32_t fw_key_type(const enum fw_key *key)
{
	uint32_t type = 0;

	for (; *key != FW_KEY_NONE; key++)
		type = type << 6 | keys[*key].type;
	return type;
}

size_t fw_key_width(const enum fw_key *key)
{
	size_t width = keys[*key].width;

	if (key[0] == FW_KEY_NONE || key[1] == FW_KEY_NONE)
		return width;
	for (width = 0; *key != FW_KEY_NONE; key++)
		width += (keys[*key].width + 3u) & ~3u;
	return width;
}

const char *fw_key_name(enum fw_key key)
{
	return keys[key].name;
}

void fw_sort_values(struct fw_stmt *s)
{
	uint8_t *v = s->value, keep[FW_KEY_MAX];
	size_t len = s->len;

	for (size_t i = 1; i < s->count; i++) {
		for (size_t k = i; k > 0 && memcmp(v + (k - 1) * len, v + k * len, len) > 0; k--) {
			memcpy(keep, v + k * len, len);
			memcpy(v + k * len, v + (k - 1) * len, len);
			memcpy(v + (k - 1) * len, keep, len);
		}
	}
}

struct fw_ruleset *fw_ruleset_new(void)
{
	return calloc(1, sizeof(struct fw_ruleset));
}

void fw_ruleset_free(struct fw_ruleset **rs)
{
	if (!*rs)
		return;
	for (size_t i = 0; i < (*rs)->sets; i++)
		free((*rs)->set[i].iv);
	free(*rs);
	*rs = NULL;
}

const struct fw_chain *fw_ruleset_chain(const struct fw_ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->chains; i++)
		if (strcmp(rs->chain[i].name, name) == 0)
			return &rs->chain[i];
	return NULL;
}

struct fw_set *fw_ruleset_set(struct fw_ruleset *rs, const char *name)
{
	for (size_t i = 0; i < rs->sets; i++)
		if (strcmp(rs->set[i].name, name) == 0)
			return &rs->set[i];
	return NULL;
}
