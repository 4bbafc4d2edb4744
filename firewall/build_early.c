/* What is decided by a packet alone: routing headers, fragments, bans, ports that are none, sources that cannot be. */
#include "build.h"

#include <linux/netfilter.h>
#include <netinet/icmp6.h>

#include <linux/rtnetlink.h>

enum { PRIORITY_EARLY = -450 /* before fragments are put together, -400 */ };

static const uint32_t loopback = 1;
static const enum fw_field saddr[] = {FW_IP_SADDR, FW_IP6_SADDR};

void fw_build_early(struct fw_build *b)
{
	static const uint8_t fragment[] = {0x3f, 0xff}, none[2]; /* more fragments, or an offset */
	const struct fw_policy *p = b->policy;

	fw_base_chain(b, "early", NF_INET_PRE_ROUTING, PRIORITY_EARLY, false);
	fw_on(b, "early");
	fw_is(b, FW_IIF, &loopback);
	fw_accept(b, NULL);
	if (p->features.exthdr) {
		fw_on(b, "early");
		fw_is_number(b, FW_RT_TYPE, 0); /* RFC 5095 */
		fw_drop(b, "rh0");
	}
	if (!p->limits.fragments)
		return;
	fw_on(b, "early");
	fw_bits(b, FW_IP_FRAG, fragment, none, false);
	fw_limit(b, p->limits.fragments, 0, true);
	fw_drop(b, "fragment_over");
	if (p->features.exthdr) {
		fw_on(b, "early");
		fw_is_number(b, FW_FRAG, 1);
		fw_limit(b, p->limits.fragments, 0, true);
		fw_drop(b, "fragment_over");
	}
}

void fw_build_port_zero(struct fw_build *b, const char *chain, enum fw_field f)
{
	static const uint8_t zero[2];

	fw_on(b, chain);
	fw_is(b, f, zero);
	fw_drop(b, "bogus_ports");
}

void fw_build_bans(struct fw_build *b)
{
	static const char *const sets[][2] = {{"ban4", "ban6"}, {"bannet4", "bannet6"}}, *const never[] = {"never4",
													   "never6"};

	for (size_t family = 0; family < 2; family++) {
		for (size_t i = 0; i < 2; i++) {
			fw_on(b, "raw");
			fw_in(b, saddr[family], sets[i][family]);
			fw_jump(b, "banned");
		}
	}
	fw_chain(b, "banned");
	for (size_t family = 0; family < 2; family++) {
		fw_on(b, "banned");
		fw_in(b, saddr[family], never[family]);
		fw_return(b);
	}
	fw_on(b, "banned");
	fw_drop(b, "banned");
}

static void reverse_path(struct fw_build *b)
{
	fw_on(b, "spoof");
	fw_is_number(b, b->policy->reverse_path == FW_REVERSE_STRICT ? FW_FIB_IIF_OIF : FW_FIB_OIF, 0);
	fw_drop(b, "reverse_path");
}

/* Sources that cannot be. Only for what would be accepted: looking at the routes is dear. */
void fw_build_spoof(struct fw_build *b)
{
	/* Duplicate detection and the first report of a group come from "::" (RFC 4862, RFC 3810 5.2.13). */
	static const uint8_t link[] = {
		ND_ROUTER_SOLICIT,  ND_ROUTER_ADVERT,	 ND_NEIGHBOR_SOLICIT,	 ND_NEIGHBOR_ADVERT,
		MLD_LISTENER_QUERY, MLD_LISTENER_REPORT, MLD_LISTENER_REDUCTION, 143};
	/* Our own from outside (LAND), and all that many would answer to (smurf). */
	static const uint32_t types[] = {RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST};
	static const uint8_t net127[] = {127, 0, 0, 0}, bits8[] = {255, 0, 0, 0};

	fw_chain(b, "spoof");
	fw_on(b, "spoof");
	fw_is_one(b, FW_ICMPV6_TYPE, link, sizeof(link));
	fw_return(b);
	fw_on(b, "spoof");
	fw_in(b, FW_IP_SADDR, "martian4");
	fw_drop(b, "spoofed");
	fw_on(b, "spoof");
	fw_bits(b, FW_IP_DADDR, bits8, net127, true);
	fw_drop(b, "spoofed");
	fw_on(b, "spoof");
	fw_in(b, FW_IP6_SADDR, "martian6");
	fw_drop(b, "spoofed");
	fw_on(b, "spoof");
	fw_is(b, FW_IP6_DADDR, &in6addr_loopback);
	fw_drop(b, "spoofed");
	if (!b->policy->features.fib)
		return;
	fw_on(b, "spoof");
	fw_is_one(b, FW_FIB_TYPE, types, sizeof(types) / sizeof(types[0]));
	fw_drop(b, "spoofed");
	if (b->policy->reverse_path != FW_REVERSE_OFF)
		reverse_path(b);
}
