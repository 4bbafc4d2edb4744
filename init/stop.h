/*
 * The way down, from whatever state: the running stage is ended, Zimbra is stopped by its own script with a deadline,
 * bans that are not saved yet are, the workers end, what is left gets TERM (and HUP for shells, CONT for stopped ones),
 * later KILL; then the mounts go. Over at once when nothing is left.
 */
#pragma once

#include "config.h"

enum stop_phase { STOP_NONE, STOP_STAGE, STOP_ZIMBRA, STOP_SAVE, STOP_TERM, STOP_KILL, STOP_UNMOUNT };

/*
 * Begins it; a second call shortens the deadlines. zimbra: its stop script is to be run. done(killed) at the end:
 * killed says that KILL was needed.
 */
void stop_begin(const struct config *cfg, bool zimbra, void (*done)(bool killed));
enum stop_phase stop_phase(void);
const char *stop_doing(void); /* for people: "zmcontrol stop: Stopping mta" */

/* From the reaper, after each round: perhaps that was the last one. */
void stop_child_died(void);
