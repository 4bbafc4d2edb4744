/* The ports of Zimbra, by name. The one place that knows them: for the rules, for those who print them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fw_port_class {
	FW_PORT_PUBLIC,	  /* public unless the user's list says otherwise */
	FW_PORT_GATED,	  /* shut but for an open door and policy.admin_from */
	FW_PORT_INTERNAL, /* shut but for policy.peers and policy.local_from, as marked */
};

struct fw_port {
	uint16_t port;
	const char *name;
	enum fw_port_class class;
	bool local;	  /* open to policy.local_from if it is not public */
	bool peer;	  /* open to policy.peers */
	const char *what; /* who listens */
};

extern const struct fw_port fw_ports[];
extern const size_t fw_ports_count;

const char *fw_port_class_name(enum fw_port_class c);
/* NULL: not one of Zimbra's. */
const struct fw_port *fw_port_find(uint16_t port);
