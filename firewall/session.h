/*
 * Who talks to the kernel. Where tables can have an owner that they outlive (Linux 6.9: flags owner and persist), a
 * session keeps one socket for as long as it is open: a table made with its table_flags can then be changed by nobody
 * else, not even by root's nft, until the process ends; whoever comes after it adopts the table as it stands. On older
 * kernels, and without a session (NULL is one everywhere), every call opens a socket of its own.
 *
 * What the kernel does with these flags (nf_tables_newtable(), nf_tables_updtable(), tried on 6.18):
 *   - The owner is a socket, by its port id. Anybody else's change of the table, to its flags or to anything in it, is
 *     refused with EPERM; `flush ruleset` of somebody else leaves it out without a word. Anybody may read it.
 *   - The owner's socket is closed: without persist the table is gone. With it, it stays as it is, filters on, and is
 *     an orphan, which anybody can change, delete, flush, or adopt.
 *   - Adopting is NEWTABLE (without NLM_F_EXCL) with exactly owner|persist. It may stand in the same batch as what it
 *     is for, and is undone with it if that is refused.
 *   - A table that was made without persist can never be adopted, nor an owned one be given up, nor dormant be changed
 *     in the same message: EOPNOTSUPP. It has to be deleted and made again.
 *   - NEWTABLE without any flags changes nothing, so that "add, delete, add with flags" works on every table that is
 *     not somebody else's.
 */
#pragma once

#include "firewall.h"

struct mnl_socket;

enum { FW_SESSION_PORTS = 8 };

struct fw_session {
	bool updates_elements;		  /* adding an element again changes its timeout (6.12); fw_probe() finds out */
	struct mnl_socket *sock;	  /* NULL: none is kept */
	uint32_t table_flags;		  /* for our table; 0: the kernel is older than 6.9 */
	uint32_t seq;			  /* of the next message */
	uint32_t ports[FW_SESSION_PORTS]; /* netlink ports that it talked from lately, newest last written */
	unsigned next_port;
};

/* -EPERM: no CAP_NET_ADMIN. */
int fw_session_open(struct fw_session *s, struct fw_error *err);
/* Our table stays as it is. */
void fw_session_close(struct fw_session *s);
/* Was this said by the session? Of a port in a notification, see watch.h. */
bool fw_session_is_port(const struct fw_session *s, uint32_t port);
