/* From checked settings to the packet filter's policy. What the kernel can do joins where it is loaded (wall.c). */
#include "config_policy.h"
#include "worker/messages.h"

#include <string.h>

/* Of each class, before the kernel hands them to zimbra-netlog, which thins them out again. */
enum { LOGGED_A_SECOND = 100 };

static void networks(const struct config *c, enum config_id id, struct fw_prefixes *out)
{
	/* Checked already: it parses. */
	(void)fw_prefixes_parse(c->value[id], strlen(c->value[id]), out);
}

static void ports(const struct config *c, enum config_id id, struct fw_ranges *out)
{
	(void)fw_ports_parse(c->value[id], strlen(c->value[id]), out);
}

static uint32_t number(const struct config *c, enum config_id id)
{
	return (uint32_t)c->number[id];
}

void config_policy(struct config *c)
{
	struct fw_policy *p = &c->policy;
	uint16_t cut[FW_ADMIN_COUNT];

	fw_policy_init(p);
	ports(c, CFG_FIREWALL_ALLOW_TCP_PORTS_IN, &p->public_tcp);
	ports(c, CFG_FIREWALL_ALLOW_UDP_PORTS_IN, &p->public_udp);
	c->admin_port_cut = fw_ranges_cut(&p->public_tcp, cut) > 0;
	networks(c, CFG_FIREWALL_ADMIN_FROM, &p->admin_from);
	networks(c, CFG_FIREWALL_LOCAL_FROM, &p->local_from);
	networks(c, CFG_FIREWALL_PEERS, &p->peers);
	networks(c, CFG_FIREWALL_TRUSTED, &p->trusted);
	networks(c, CFG_FIREWALL_NEVER_BAN, &p->never_ban);
	networks(c, CFG_FIREWALL_NODE, &p->exempt);
	p->admin_public = config_on(c, CFG_FIREWALL_ADMIN_PUBLIC);
	p->monitor = c->number[CFG_ZIMBRA_FIREWALL] == FIREWALL_MONITOR;
	p->reverse_path = (enum fw_reverse_path)c->number[CFG_FIREWALL_REVERSE_PATH];
	p->limits.rate = number(c, CFG_FIREWALL_NEW_PER_SOURCE);
	p->limits.burst = number(c, CFG_FIREWALL_NEW_BURST);
	p->limits.connections = number(c, CFG_FIREWALL_CONNECTIONS_PER_SOURCE);
	p->limits.handshakes = number(c, CFG_FIREWALL_HANDSHAKES);
	p->limits.echo = number(c, CFG_FIREWALL_ECHO);
	p->egress.no_metadata = config_on(c, CFG_FIREWALL_BLOCK_METADATA);
	if (config_on(c, CFG_FIREWALL_LOG))
		p->log = (struct fw_log){.rate = LOGGED_A_SECOND, .group = NETLOG_GROUP};
}
