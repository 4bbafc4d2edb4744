/*
 * Thins packets out, class by class: in each window the first few pass one by one, the others are held and told at its
 * end as one, with their number. Used on both sides: the worker spares PID 1, PID 1 spares the log. Pure, but for the
 * state that it is given.
 */
#pragma once

#include "messages.h"

#include <stdbool.h>
#include <stddef.h>

struct tally_class {
	char name[NETLOG_CLASS_SIZE];
	int64_t began;		   /* ms */
	unsigned passed;	   /* in this window */
	uint32_t held;		   /* packets */
	struct netlog_packet last; /* of the held ones */
};

struct tally {
	int64_t window; /* ms; both set by the owner, the rest starts as zero */
	unsigned burst;
	struct tally_class class[NETLOG_CLASSES];
};

/* True: tell it now. False: it is held. A class too many becomes "other": in *p. p->more counts along. */
bool tally_add(struct tally *t, struct netlog_packet *p, int64_t now);

/* What was held in a window that is over, with the others in `more`. Call until false. */
bool tally_take(struct tally *t, int64_t now, struct netlog_packet *out);

/* When tally_take has something next; -1: nothing is held. */
int64_t tally_next(const struct tally *t);
