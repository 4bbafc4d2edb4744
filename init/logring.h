/*
 * The log of PID 1: the last LOGRING_SIZE bytes in memory, with a time before each line, and a copy to stderr.
 *
 * stderr is the container's log, a pipe to somebody who may be slow or gone: it is written without blocking from the
 * loop; a reader that falls behind by more than the ring loses lines, and is told how many bytes.
 * Positions are counted in bytes since the start and never wrap (2^64).
 */
#pragma once

#include "log.h"
#include "loop.h"

enum { LOGRING_SIZE = 131072 };

/* Takes over log_line() of this process. echo: copy lines to stderr (one-shot commands keep it for themselves). */
int logring_open(bool echo);

/* From now on: copy to stderr, or no more. */
void logring_echo(bool echo);

/* A line of a child, without '\n': cleaned, cut, with the tag before it unless tag is NULL. */
void logring_relay(const char *tag, const char *line, size_t len);

uint64_t logring_end(void);
/* Where the last `lines` lines begin; 0 lines: the end; SIZE_MAX: all that is kept. */
uint64_t logring_last(size_t lines);
/* Copies whole lines from *pos on and moves it; moves it forward first if that part is overwritten (then *lost is set).
 */
size_t logring_read(uint64_t *pos, char *buf, size_t max, uint64_t *lost);

/* Called after every line; for `zctl log -f`. */
void logring_on_line(void (*told)(void));

/* Waits for up to ms until stderr has taken everything: before the process ends. */
void logring_drain(int ms);
