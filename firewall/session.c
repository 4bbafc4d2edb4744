#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

/* Headers older than Linux 6.9 do not have it. */
enum { TABLE_PERSIST = 1 << 2, OWN_FLAGS = NFT_TABLE_F_OWNER | TABLE_PERSIST };

bool fw_session_is_port(const struct fw_session *s, uint32_t port)
{
	for (size_t i = 0; i < FW_SESSION_PORTS; i++)
		if (port != 0 && s->ports[i] == port)
			return true;
	return false;
}

static void remember_port(struct fw_session *s, uint32_t port)
{
	if (!fw_session_is_port(s, port))
		s->ports[s->next_port++ % FW_SESSION_PORTS] = port;
}

int fw_nl_borrow(struct fw_nl *nl, struct fw_session *session, int64_t deadline, struct fw_error *e)
{
	int r;

	if (session && session->sock) {
		*nl = (struct fw_nl){.sock = session->sock,
				     .deadline = deadline,
				     .port = mnl_socket_get_portid(session->sock),
				     .session = session};
		fw_nl_drain(nl);
		return 0;
	}
	r = fw_nl_open(nl, deadline, e);
	if (r == 0 && session)
		remember_port(session, nl->port);
	return r;
}

/* Asks for a table with the flags, without making it: EOPNOTSUPP of a kernel that does not know them, EINVAL
 * before 5.12. */
static int try_flags(struct fw_session *s, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	struct nlmsghdr *nlh;
	int r = fw_txn_begin_on(&t, s);

	if (r < 0)
		return fw_fail(e, r, "session", "no memory or no random number for it");
	nlh = fw_txn_msg(&t, NFT_MSG_NEWTABLE, NLM_F_CREATE, "table", "inet " FW_TABLE "-try");
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, FW_TABLE "-try");
	mnl_attr_put_u32(nlh, NFTA_TABLE_FLAGS, htonl(OWN_FLAGS | NFT_TABLE_F_DORMANT));
	fw_txn_add(&t, nlh);
	return fw_txn_try(&t, e);
}

int fw_session_open(struct fw_session *s, struct fw_error *err)
{
	struct fw_nl nl;
	int r = fw_nl_open(&nl, fw_now_ms() + FW_DEADLINE_MS, err);

	if (r < 0)
		return r;
	*s = (struct fw_session){.sock = nl.sock, .seq = nl.seq};
	remember_port(s, nl.port);
	r = try_flags(s, err);
	if (r == 0) {
		s->table_flags = OWN_FLAGS;
		return 0;
	}
	fw_session_close(s);
	return r == -EOPNOTSUPP || r == -EINVAL ? 0 : r;
}

int fw_session_keep(struct fw_session **s, struct fw_session *local, struct fw_error *e)
{
	struct fw_nl nl;
	int r;

	*local = (struct fw_session){0};
	if (*s && (*s)->sock)
		return 0;
	r = fw_nl_open(&nl, fw_now_ms() + FW_DEADLINE_MS, e);
	if (r < 0)
		return r;
	*local = (struct fw_session){.sock = nl.sock, .seq = nl.seq};
	if (*s) {
		local->updates_elements = (*s)->updates_elements;
		remember_port(*s, nl.port);
	}
	*s = local;
	return 0;
}

void fw_session_close(struct fw_session *s)
{
	if (s->sock)
		(void)mnl_socket_close(s->sock);
	s->sock = NULL;
	s->table_flags = 0;
}
