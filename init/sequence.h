/*
 * Walks through the stages of stage.h, one after the other. A stage that must not block PID 1 runs in a child, which
 * tells what it is doing and how it ended in fixed messages over a socket pair (checked here like a stranger's).
 * After a failure that may heal, the same stage is tried again, with growing pauses.
 */
#pragma once

#include "stage.h"

enum stage_state { STAGE_PENDING, STAGE_RUNNING, STAGE_DONE, STAGE_FAILED };

struct sequence_stage {
	enum stage_state state;
	char doing[200];
	int percent;		/* -1: not known */
	int64_t started, ended; /* now_ms(); 0: not yet */
};

struct sequence_events {
	void (*finished)(void);					      /* all wanted stages are done */
	void (*failed)(const struct failure *f, int64_t retry_in_ms); /* kind says whether it is tried again */
	void (*stage_begins)(void);
	void (*stage_done)(const struct stage *s);
};

/* Runs stages[0..count). cfg and data must stay valid. */
void sequence_start(const struct config *cfg, int data, size_t count, const struct sequence_events *events);

/*
 * Stops where it is: no more tries; the running child gets TERM, after `grace_ms` KILL. ended() when it is gone, with
 * whether KILL was needed.
 */
void sequence_abort(int64_t grace_ms, void (*ended)(bool killed));
/* While it aborts: the grace that is left becomes shorter. False if it was. */
bool sequence_hurry(int64_t grace_ms);

/* Position for people: index of the running, failed or last stage, and all of them. */
size_t sequence_index(void);
size_t sequence_count(void);
const struct sequence_stage *sequence_stage(size_t i);

/* What the volume holds, from its journal; "" as long as it is not known. */
const char *sequence_suite(void);
const char *sequence_release(void);
