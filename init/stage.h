/*
 * The stages of a boot: a name, a check, an action, a marker. stages.c holds the one table.
 *
 * All but the first and the last run in a child of PID 1 (they block on disks, mirrors and package managers);
 * the child tells what it is doing with stage_doing(), and its failure or success at the end.
 */
#pragma once

#include "config.h"
#include "failure.h"

struct stage_ctx {
	const struct config *cfg;
	int data;   /* directory descriptor of the volume's root (O_PATH); never crosses into the jail */
	int report; /* where stage_doing() writes; -1: nobody listens */
	const char *name;
	bool all; /* Zimbra is to run; false: only the system is wanted, for a one-shot command */
};

enum stage_check { STAGE_TODO = 0, STAGE_TRUE = 1 }; /* or -1: failure_set was called */

struct stage {
	const char *name;  /* one word, used in the journal, in zctl and as the log's tag */
	const char *title; /* what a person reads: "Installing the base system" */
	int (*check)(struct stage_ctx *, struct failure *);
	int (*act)(struct stage_ctx *, struct failure *); /* 0, or -1 with the failure filled */
	bool in_init;					  /* runs in PID 1 itself: must not block */
	bool once; /* done once per volume: a marker in the journal, which check may ask for */
};

extern const struct stage stages[];
extern const size_t stage_count;

/* percent: 0-100, or -1 where it is not known. */
void stage_doing(struct stage_ctx *ctx, int percent, const char *fmt, ...) PRINTF(3, 4);
