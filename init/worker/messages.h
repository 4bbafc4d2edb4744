/*
 * Every message that a worker may send to PID 1. One packet of the SOCK_SEQPACKET socket WORKER_FD is one message:
 * a header and exactly the struct of its type, in the byte order of the machine. What a worker may send, and how often,
 * is a table in PID 1 (init/worker_roles.c); whoever sends anything else is killed. Nothing but these structs goes from
 * a worker to PID 1, descriptors least of all.
 */
#pragma once

#include <stdint.h>

enum {
	WORKER_VERSION = 1,
	WORKER_FD = 3,		/* the socket to PID 1; further descriptors follow from 4 on */
	WORKER_PACKET_MAX = 512 /* header included */
};

/*
 * One user (and group of the same number) for each worker, so that none can touch another. Debian and Ubuntu reserve
 * 65000-65533 and give them to nobody (Debian policy 9.2.2); above 65535 an engine that maps users may have no room.
 */
enum { WORKER_UID_FIRST = 65200, WORKER_UID_LAST = 65215, WORKER_UID_NETLOG = WORKER_UID_FIRST };

enum worker_message {
	WORKER_READY = 1, /* no struct: everything is dropped, the loop begins */
	WORKER_LOG,	  /* struct worker_log */
	NETLOG_PACKET,	  /* struct netlog_packet */
	NETLOG_LOST	  /* struct netlog_lost */
};

struct worker_header {
	uint16_t version; /* WORKER_VERSION */
	uint16_t type;
	uint32_t length; /* of what follows */
};

enum worker_level { WORKER_ERROR, WORKER_WARN, WORKER_INFO, WORKER_LEVELS };

enum { WORKER_TEXT_MAX = 248, WORKER_LOGS_A_SECOND = 5 };

struct worker_log {
	uint8_t level; /* enum worker_level */
	uint8_t zero;
	uint16_t length; /* of text; at most WORKER_TEXT_MAX */
	char text[WORKER_TEXT_MAX];
};

/* --- zimbra-netlog: what the rules `log group NETLOG_GROUP prefix "CLASS"` have seen -------------------------------
 */

enum {
	NETLOG_GROUP = 65,	/* NFLOG group of this network namespace */
	NETLOG_FD = 4,		/* the socket that is bound to it */
	NETLOG_COPY = 128,	/* bytes of each packet that the kernel hands over */
	NETLOG_CLASS_SIZE = 16, /* with the '\0' */
	NETLOG_CLASSES = 16,	/* that are told apart; the others are "other" */
	NETLOG_BURST = 5	/* packets of a class that are passed on one by one in each second */
};

enum netlog_has {
	NETLOG_HAS_PORTS = 1, /* sport, dport */
	NETLOG_HAS_FLAGS = 2, /* detail[0]: TCP flags */
	NETLOG_HAS_ICMP = 4,  /* detail: type and code */
	NETLOG_FRAGMENT = 8,  /* not the first one: there is no header behind IP's */
	NETLOG_SHORT = 16     /* the packet ends before its headers do */
};

struct netlog_packet {
	char class_name[NETLOG_CLASS_SIZE]; /* of [a-z0-9_-], the rest '\0' */
	uint8_t family;			    /* AF_INET, AF_INET6 */
	uint8_t protocol;		    /* IPPROTO_*; of IPv6 the last header that could be read */
	uint8_t has;			    /* enum netlog_has */
	uint8_t zero;
	uint8_t detail[2];
	uint16_t sport, dport;		     /* of the machine's order */
	uint16_t length;		     /* of the whole packet, as IP says */
	uint32_t ifindex;		     /* where it came in, 0: nowhere */
	uint32_t more;			     /* others of this class that are told with this one */
	uint8_t source[16], destination[16]; /* IPv4 in the first four */
};

struct netlog_lost {
	uint32_t packets;  /* that the kernel could not queue */
	uint32_t overruns; /* how often the queue was full */
};
