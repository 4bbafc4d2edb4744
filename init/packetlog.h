/*
 * FIREWALL_LOG: what our filter's rules want told (`log group NETLOG_GROUP prefix "CLASS"`), as lines of the log. PID 1
 * opens the socket and never reads it: zimbra-netlog does, and sends fixed structs.
 *
 *   firewall: CLASS: SOURCE -> DESTINATION PROTOCOL DETAIL INTERFACE[, N more of this class in 10 s]
 *   firewall: closed: 203.0.113.7:4711 -> 198.51.100.1:3306 tcp syn eth0, 37 more of this class in 10 s
 */
#pragma once

#include "config.h"
#include "worker/messages.h"

enum {
	PACKETLOG_WINDOW_MS = 10 * 1000,
	PACKETLOG_BURST = 5, /* lines of a class in each window, one more for those that were held back */
	PACKETLOG_LINE_MAX = 256,
	/* The worker's own limit in two seconds (its clock has other borders), and what can wait in its queue. */
	PACKETLOG_A_SECOND = 2 * NETLOG_CLASSES * (NETLOG_BURST + 1) + 100
};

bool packetlog_wanted(const struct config *c);

/* The NFLOG socket: bound to the group, a few bytes of each packet, in batches. Or -errno, which is logged. */
int packetlog_open(void);

/* Messages of the worker, for its table: 0, or -EINVAL for values that cannot be. */
int packetlog_packet(const void *packet); /* struct netlog_packet */
int packetlog_lost(const void *lost);	  /* struct netlog_lost */

/* Pure. False for values that no sound worker sends. */
bool packetlog_valid(const struct netlog_packet *p);

/* Pure. The line without "firewall: ". interface: its name. Returns buf. */
const char *packetlog_line(const struct netlog_packet *p, const char *interface, char buf[static PACKETLOG_LINE_MAX]);
