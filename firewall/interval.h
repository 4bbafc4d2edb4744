/*
 * Interval sets of the kernel hold ends, not prefixes, and refuse overlaps. So prefixes and port ranges become
 * intervals of big-endian keys (2, 4 or 16 bytes, the rest zero), are merged, and are turned back when read.
 * Pure.
 */
#pragma once

#include "firewall.h"

enum { FW_KEY_MAX = 16 };

struct fw_interval {
	uint8_t first[FW_KEY_MAX], last[FW_KEY_MAX]; /* both included */
};

/* No bit set after the prefix length. */
bool fw_prefix_is_network(const struct fw_prefix *p);

/* Key += 1 or -= 1; false if it wrapped. */
bool fw_key_next(uint8_t *key, size_t width);
bool fw_key_prev(uint8_t *key, size_t width);

struct fw_interval fw_interval_of_prefix(const struct fw_prefix *p);
struct fw_interval fw_interval_of_range(struct fw_range r);

/* Sorts, melts what overlaps or touches; returns how many are left. */
size_t fw_intervals_merge(struct fw_interval *v, size_t n, size_t width);

/* Appends the fewest prefixes that cover the interval. -E2BIG if they do not fit; those that do are there. */
int fw_interval_to_prefixes(const struct fw_interval *iv, uint8_t family, struct fw_prefixes *out);
