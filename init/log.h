/*
 * One log for everything: a line is an UTC time, a tag and a text.
 *
 * In a child the lines go to stderr, a pipe that PID 1 reads. In PID 1 they go to a ring in memory (zctl log)
 * and to stderr, which is never waited for: what a slow reader does not take is dropped and counted.
 */
#pragma once

#include "util.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO };

/* The longest line; a longer one is cut. Control bytes are replaced by '?', so a line stays a line. */
enum { LOG_LINE_MAX = 1024 };

/* `tag` is a short word ("volume", "firewall"); NULL: "init". */
void log_line(enum log_level level, const char *tag, const char *fmt, ...) PRINTF(3, 4);

#define log_error(tag, ...) log_line(LOG_LEVEL_ERROR, tag, __VA_ARGS__)
#define log_warn(tag, ...)  log_line(LOG_LEVEL_WARN, tag, __VA_ARGS__)
#define log_info(tag, ...)  log_line(LOG_LEVEL_INFO, tag, __VA_ARGS__)

/* Where finished lines go (without '\n'); NULL restores stderr. PID 1 installs its ring here. */
typedef void log_sink(const char *line, size_t len);
void log_set_sink(log_sink *sink);
