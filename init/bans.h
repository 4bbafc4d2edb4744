/*
 * Bans for longer than the kernel's table lives. What changes them is saved by a child some seconds later, at most once
 * in some minutes, and at the end; what a new table lacks a child reads, and PID 1 puts it in, piece by piece.
 */
#pragma once

#include "wall.h"

/* From now on every table that opens without bans gets those of the file. Before the first stage; needs the loop. */
void bans_open(void);

/*
 * As wall_ban() and wall_unban(), and remembered. -EBUSY: those of the file are being put in, which would undo the one
 * and the other; -ESHUTDOWN: the container stops.
 */
int bans_add(const struct fw_ban *ban, char *why, size_t size);
int bans_remove(const struct fw_prefix *who, char *why, size_t size);

/* At the end: true if something is to be saved, done() is then called once it is, or could not be. */
bool bans_save_last(void (*done)(void));
/* It takes too long. done() is not called any more. */
void bans_give_up(void);
