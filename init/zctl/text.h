/* Words and colours for a person at a terminal. */
#pragma once

#include "../util.h"

#include <stdarg.h>

/* LC_CTYPE of UTF-8 whatever the environment says, and whether stdout takes colour. First thing in main. */
void text_setup(void);

enum colour { PLAIN, BOLD, DIM, RED, GREEN, YELLOW };
const char *text_colour(enum colour c); /* escape sequence, or "" where colour is off */
const char *text_plain(void);		/* ends any colour */

/* Columns of stdout's terminal, or of COLUMNS; 0: it is no terminal, lines may be as long as they like. */
unsigned text_columns(void);

/*
 * A copy that is safe on a terminal: control characters, bad UTF-8, and what changes the direction of writing become
 * '?'. Much of what PID 1 tells was written by programs of the jail, which must not paint on the administrator's
 * screen. Freed by the caller; never NULL.
 */
char *text_clean(const char *s, size_t len);

/* Columns that a clean text takes. */
size_t text_width(const char *s);

/* Bytes of the longest start of a clean text that fits into `columns` without cutting a character. */
size_t text_fit(const char *s, size_t columns);

/* "0s", "12s", "3m 05s", "2h 07m", "4d 11h"; negative: "-". */
enum { DURATION_MAX = 32 };
const char *text_duration(char buf[static DURATION_MAX], int64_t seconds);

/* "0.4s" below ten seconds, else as text_duration. */
const char *text_seconds(char buf[static DURATION_MAX], double seconds);

/* "512", "4.0 KiB", "1.2 GiB". */
const char *text_bytes(char buf[static DURATION_MAX], uint64_t bytes);

/* These end the program (EXIT_FAILED) where there is no memory: a command line tool has nothing better to do. */
void *text_alloc(void *old, size_t n);
char *text_printf(const char *fmt, ...) PRINTF(1, 2);
char *text_vprintf(const char *fmt, va_list ap) PRINTF(1, 0);
