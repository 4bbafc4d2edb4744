/*
 * Who changes the rules: the kernel tells everybody with CAP_NET_ADMIN in the namespace. What ends by its timeout, and
 * what packets add to sets, is not told.
 */
#pragma once

#include "session.h"

struct fw_event {
	bool lost;	     /* more came than could be kept: nothing below is known, look at the table */
	bool ours;	     /* the session's own work */
	bool table;	     /* our table, or something in it, is concerned */
	uint32_t generation; /* of all rules in the namespace, now */
	uint32_t port;	     /* netlink port that it came from */
	uint32_t pid;	     /* as the kernel numbers processes: not as our pid namespace does */
	char process[20];    /* its name, printable */
};

struct fw_watch {
	struct mnl_socket *sock;
	const struct fw_session *session;
	char *buf;
	size_t at, len; /* messages in buf that were not looked at yet */
	bool table;	/* of the transaction that is being told */
};

/* session: whose changes are ours, has to live as long; NULL: nobody's. */
int fw_watch_open(struct fw_watch *w, const struct fw_session *session, struct fw_error *err);
/* For epoll: readable means fw_watch_read() until it returns 0. */
int fw_watch_fd(const struct fw_watch *w);
/* 1: an event, one for each transaction; 0: no more for now; -errno. */
int fw_watch_read(struct fw_watch *w, struct fw_event *event);
void fw_watch_close(struct fw_watch *w);

/* --- repair.c, pure: when to put right what somebody else changed --- */

enum {
	FW_REPAIR_FIRST_MS = 1000,
	FW_REPAIR_LAST_MS = 60000,
	FW_REPAIR_QUIET_MS = 300000,
};

/* Begin with zeros. */
struct fw_repair {
	int64_t at_ms;	 /* of the last repair, done or planned */
	int64_t step_ms; /* 0: there was none, or it was long ago */
};

/*
 * To be called when our table is found changed; returns when to repair it (CLOCK_MONOTONIC, ms; never before now). At
 * once the first time; if the other does it again 1 s after that, then 2, 4, … 60: two programs that each insist on
 * their rules shall not eat up the machine. Five minutes without: as the first time.
 */
int64_t fw_repair_at(struct fw_repair *r, int64_t now_ms);
