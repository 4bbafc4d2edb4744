/* One value, as nft prints it. */
#include "rule.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

struct word {
	uint32_t value;
	const char *name;
};

static const struct word families[] = {{NFPROTO_IPV4, "ipv4"}, {NFPROTO_IPV6, "ipv6"}, {0}};
static const struct word protocols[] = {
	{IPPROTO_ICMP, "icmp"}, {IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"}, {IPPROTO_ICMPV6, "ipv6-icmp"}, {0}};
static const struct word icmp[] = {{3, "destination-unreachable"}, {5, "redirect"},	      {8, "echo-request"},
				   {11, "time-exceeded"},	   {12, "parameter-problem"}, {0}};
static const struct word icmpv6[] = {
	{1, "destination-unreachable"}, {2, "packet-too-big"},	       {3, "time-exceeded"},
	{4, "parameter-problem"},	{128, "echo-request"},	       {130, "mld-listener-query"},
	{131, "mld-listener-report"},	{132, "mld-listener-done"},    {133, "nd-router-solicit"},
	{134, "nd-router-advert"},	{135, "nd-neighbor-solicit"},  {136, "nd-neighbor-advert"},
	{137, "nd-redirect"},		{143, "mld2-listener-report"}, {0}};
static const struct word routes[] = {
	{RTN_LOCAL, "local"}, {RTN_BROADCAST, "broadcast"}, {RTN_MULTICAST, "multicast"}, {0}};
/* By bits. */
static const struct word tcp_flags[] = {{1, "fin"}, {2, "syn"}, {4, "rst"}, {8, "psh"}, {16, "ack"}, {32, "urg"}, {0}};
static const struct word states[] = {{1, "invalid"}, {2, "established"}, {4, "related"},
				     {8, "new"},     {64, "untracked"},	 {0}};

static uint32_t host32(const uint8_t *v)
{
	uint32_t n;

	memcpy(&n, v, sizeof(n));
	return n;
}

static void put_word(FILE *f, const struct word *w, uint32_t value)
{
	for (; w->name; w++) {
		if (w->value == value) {
			fputs(w->name, f);
			return;
		}
	}
	fprintf(f, "%u", value);
}

static void put_bits(FILE *f, const struct word *w, uint32_t value, const char *between, bool brackets)
{
	bool more = false;

	brackets &= (value & (value - 1)) != 0;
	if (value == 0)
		fputs("0x0", f);
	if (brackets)
		fputc('(', f);
	for (; w->name; w++) {
		if (!(value & w->value))
			continue;
		fprintf(f, "%s%s", more ? between : "", w->name);
		more = true;
	}
	if (brackets)
		fputc(')', f);
}

static void put_address(FILE *f, int family, const uint8_t *v)
{
	char text[INET6_ADDRSTRLEN] = "?";

	fputs(inet_ntop(family, v, text, sizeof(text)), f);
}

static void put_interface(FILE *f, uint32_t index)
{
	if (index == 1)
		fputs("\"lo\"", f);
	else
		fprintf(f, "%u", index);
}

static void put_number(FILE *f, const uint8_t *v, size_t len, bool mask)
{
	uint32_t n = 0;

	for (size_t i = 0; i < len; i++)
		n = n << 8 | v[i];
	fprintf(f, mask ? "0x%x" : "%u", n);
}

void fw_render_value(FILE *f, enum fw_field field, const uint8_t *v, bool mask)
{
	const struct fw_field_info *info = &fw_fields[field];

	switch (info->look) {
	case FW_LOOK_INTERFACE:
		put_interface(f, host32(v));
		break;
	case FW_LOOK_FAMILY:
		put_word(f, families, *v);
		break;
	case FW_LOOK_PROTOCOL:
		put_word(f, protocols, *v);
		break;
	case FW_LOOK_HOST32:
		fprintf(f, field == FW_CT_MARK ? "0x%08x" : "%u", host32(v));
		break;
	case FW_LOOK_IPV4:
		put_address(f, AF_INET, v);
		break;
	case FW_LOOK_IPV6:
		put_address(f, AF_INET6, v);
		break;
	case FW_LOOK_ICMP:
		put_word(f, icmp, *v);
		break;
	case FW_LOOK_ICMPV6:
		put_word(f, icmpv6, *v);
		break;
	case FW_LOOK_FLAGS:
		put_bits(f, tcp_flags, *v, " | ", mask);
		break;
	case FW_LOOK_STATE:
		put_bits(f, states, host32(v), ",", false);
		break;
	case FW_LOOK_ROUTE:
		put_word(f, routes, host32(v));
		break;
	case FW_LOOK_EXISTS:
		fputs(*v ? "exists" : "missing", f);
		break;
	case FW_LOOK_PORT:
	case FW_LOOK_NUMBER:
	default:
		put_number(f, v, info->len, mask);
		break;
	}
}

static void put_key(FILE *f, enum fw_key key, const uint8_t *v)
{
	if (key == FW_KEY_PORT)
		put_number(f, v, 2, false);
	else
		put_address(f, key == FW_KEY_IPV4 ? AF_INET : AF_INET6, v);
}

void fw_render_interval(FILE *f, enum fw_key key, const struct fw_interval *iv)
{
	uint8_t family = key == FW_KEY_IPV4 ? AF_INET : AF_INET6;
	struct fw_prefixes one = {.n = FW_PREFIXES_MAX - 1}; /* room for one */
	char text[FW_PREFIX_STRLEN];

	if (key != FW_KEY_PORT && fw_interval_to_prefixes(iv, family, &one) == 0) {
		fputs(fw_prefix_format(&one.v[FW_PREFIXES_MAX - 1], text, sizeof(text)), f);
		return;
	}
	put_key(f, key, iv->first);
	if (memcmp(iv->first, iv->last, FW_KEY_MAX) != 0) {
		fputc('-', f);
		put_key(f, key, iv->last);
	}
}
