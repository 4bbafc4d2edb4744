/*
 * What of the settings was put on the volume, as the journal's key "system": words "part=hash", one for each part of
 * stage "system". A part is written again only when its own settings change, so what a person edits on the volume
 * stays.
 */
#pragma once

#include "journal.h"

/* FNV-1a, 64 bits: tells texts apart, protects nothing. */
uint64_t settings_hash(const char *text);

bool settings_has(const struct journal *j, const char *part); /* was it ever written? */
/* Was it written last with this value? */
bool settings_same(const struct journal *j, const char *part, const char *text);
/* Notes it; -ENOSPC, -EINVAL. */
int settings_note(struct journal *j, const char *part, const char *text);

/* Now, "2026-11-21T18:00:00Z", for markers. */
void settings_now(char *buf, size_t size);
