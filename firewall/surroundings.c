#include "surroundings.h"
#include "internal.h"

/* The libc's before the kernel's, which then leave out what both define. */
#include <net/if.h>
#include <netinet/in.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the host's namespace --- */

/* What only hosts have: the other ends of containers, and what joins them. */
static const char *const host_names[] = {"docker", "br-",   "veth", "cni",    "flannel", "cali",  "cilium", "lxc",
					 "kube",   "virbr", "vmbr", "podman", "nerdctl", "weave", "ovn",    "antrea"};

enum { MANY_INTERFACES = 8 };

/* Every namespace has these, unused, as soon as the kernel has their modules. */
static const char *const everywhere[] = {"lo",	    "tunl0",	"gre0", "gretap0", "erspan0",
					 "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"};

static bool is_everywhere(const char *name)
{
	for (size_t i = 0; i < sizeof(everywhere) / sizeof(everywhere[0]); i++)
		if (strcmp(name, everywhere[i]) == 0)
			return true;
	return false;
}

bool fw_is_host(const char *const *names, size_t n, char *why, size_t size)
{
	size_t counted = 0;

	for (size_t i = 0; i < n; i++) {
		counted += !is_everywhere(names[i]);
		for (size_t k = 0; k < sizeof(host_names) / sizeof(host_names[0]); k++) {
			if (strncmp(names[i], host_names[k], strlen(host_names[k])) != 0)
				continue;
			(void)snprintf(why, size, "it has the network interface %.16s", names[i]);
			return true;
		}
	}
	if (counted < MANY_INTERFACES)
		return false;
	(void)snprintf(why, size, "it has %zu network interfaces", counted);
	return true;
}

static void look_at_interfaces(struct fw_probe *p)
{
	enum { NAMES_MAX = 256 };
	const char *names[NAMES_MAX];
	struct if_nameindex *list = if_nameindex();
	size_t n = 0;

	if (!list)
		return;
	while (n < NAMES_MAX && list[n].if_name) {
		names[n] = list[n].if_name;
		n++;
	}
	p->host = fw_is_host(names, n, p->host_why, sizeof(p->host_why));
	if_freenameindex(list);
}

/* --- redirected ports --- */

struct chain {
	const char *table, *name, *type;
	uint32_t hook, used;
};

static void take_hook(const struct nlattr *nest, struct chain *c)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested (attr, nest) {
		if (mnl_attr_get_type(attr) == NFTA_HOOK_HOOKNUM && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			c->hook = ntohl(mnl_attr_get_u32(attr));
	}
}

static const char *text_of(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr) : "";
}

static int take_chain(const struct nlmsghdr *nlh, void *data)
{
	struct chain c = {.table = "", .name = "", .type = "", .hook = UINT32_MAX};
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(nlh);
	struct fw_probe *p = data;
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(*head)) {
		switch (mnl_attr_get_type(attr)) {
		case NFTA_CHAIN_TABLE:
			c.table = text_of(attr);
			break;
		case NFTA_CHAIN_NAME:
			c.name = text_of(attr);
			break;
		case NFTA_CHAIN_TYPE:
			c.type = text_of(attr);
			break;
		case NFTA_CHAIN_HOOK:
			take_hook(attr, &c);
			break;
		case NFTA_CHAIN_USE:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
				c.used = ntohl(mnl_attr_get_u32(attr));
			break;
		default:
			break;
		}
	}
	/* An empty one redirects nothing. Name resolution of container engines has output and postrouting only. */
	if (!p->nat && strcmp(c.type, "nat") == 0 && c.hook == NF_INET_PRE_ROUTING && c.used > 0) {
		p->nat = true;
		(void)snprintf(p->nat_what, sizeof(p->nat_what), "table %s %.32s, chain %.32s",
			       head->nfgen_family == NFPROTO_IPV4   ? "ip"
			       : head->nfgen_family == NFPROTO_IPV6 ? "ip6"
								    : "inet",
			       c.table, c.name);
	}
	return 0;
}

static size_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		(void)close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Is it among the old iptables' tables of this namespace? Asking for one that is not would make it. */
static bool has_legacy_nat(const char *path)
{
	char buf[512], *at = NULL;

	(void)read_file(path, buf, sizeof(buf));
	for (char *w = strtok_r(buf, "\n", &at); w; w = strtok_r(NULL, "\n", &at))
		if (strcmp(w, "nat") == 0)
			return true;
	return false;
}

/* The chain's rules lie between its entry and its policy. */
static void look_at_legacy(struct fw_probe *p)
{
	struct ipt_getinfo v4 = {.name = "nat"};
	struct ip6t_getinfo v6 = {.name = "nat"};
	socklen_t len4 = sizeof(v4), len6 = sizeof(v6);
	int fd;

	if (has_legacy_nat("/proc/self/net/ip_tables_names")) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && getsockopt(fd, IPPROTO_IP, IPT_SO_GET_INFO, &v4, &len4) == 0 &&
		    v4.hook_entry[NF_INET_PRE_ROUTING] != v4.underflow[NF_INET_PRE_ROUTING]) {
			p->nat = true;
			(void)snprintf(p->nat_what, sizeof(p->nat_what), "iptables (legacy), table nat");
		}
		if (fd >= 0)
			(void)close(fd);
	}
	if (has_legacy_nat("/proc/self/net/ip6_tables_names")) {
		fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && getsockopt(fd, IPPROTO_IPV6, IP6T_SO_GET_INFO, &v6, &len6) == 0 &&
		    v6.hook_entry[NF_INET_PRE_ROUTING] != v6.underflow[NF_INET_PRE_ROUTING]) {
			p->nat = true;
			(void)snprintf(p->nat_what, sizeof(p->nat_what), "ip6tables (legacy), table nat");
		}
		if (fd >= 0)
			(void)close(fd);
	}
}

static void look_at_chains(struct fw_session *s, struct fw_probe *p)
{
	_Alignas(struct nlmsghdr) char buf[64];
	_cleanup_(fw_nl_close) struct fw_nl nl = {0};

	if (fw_nl_borrow(&nl, s, fw_now_ms() + FW_DEADLINE_MS, NULL) < 0)
		return;
	/* A chain that appears or goes meanwhile: what was told before that is told again at the next probe. */
	(void)fw_nl_ask(&nl, nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP, 0), take_chain,
			p);
}

void fw_look_around(struct fw_session *s, struct fw_probe *p)
{
	char buf[16];

	p->tcp_loose = -1;
	if (read_file("/proc/sys/net/netfilter/nf_conntrack_tcp_loose", buf, sizeof(buf)) > 0)
		p->tcp_loose = buf[0] != '0';
	look_at_interfaces(p);
	look_at_chains(s, p);
	look_at_legacy(p);
}
