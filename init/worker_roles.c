/* The one table of workers: who may say what to PID 1, how often, and who listens. */
#include "packetlog.h"
#include "workers.h"

const struct worker_role worker_roles[] = {
	{.name = "netlog",
	 .program = "zimbra-netlog",
	 .uid = WORKER_UID_NETLOG,
	 .wanted = packetlog_wanted,
	 .open = packetlog_open,
	 .permit = {{NETLOG_PACKET, sizeof(struct netlog_packet), PACKETLOG_A_SECOND, packetlog_packet},
		    {NETLOG_LOST, sizeof(struct netlog_lost), 5, packetlog_lost}}},
};
const size_t worker_role_count = ARRAY_SIZE(worker_roles);
_Static_assert(ARRAY_SIZE(worker_roles) <= WORKER_ROLES_MAX, "make room in workers.h");
