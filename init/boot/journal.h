/*
 * The journal of what was done on this volume: /data/app/.state/journal, a text file that is replaced whole
 * (write beside, fsync, rename, fsync of the directory). First line "zimbra-init journal 1"; then one
 * "KEY VALUE" a line. A newer version is refused: an older program must not guess.
 * Marker keys are "stage.NAME" (value: UTC time). Others: "suite" (installed, or, without stage.volume, being
 * installed), "system" (settings.h), "release", "fqdn", "release_sha256".
 */
#pragma once

#include "../failure.h"

enum { JOURNAL_VERSION = 1, JOURNAL_ENTRIES = 32, JOURNAL_KEY = 32, JOURNAL_VALUE = 256 };

struct journal {
	size_t n;
	struct {
		char key[JOURNAL_KEY];
		char value[JOURNAL_VALUE];
	} entry[JOURNAL_ENTRIES];
};

/* Pure; 0, -EPROTO (not a journal, with the reason), -EOPNOTSUPP (newer version). */
int journal_parse(const char *text, size_t len, struct journal *out);

/* `data` is the volume's root. No journal: 0 and an empty one. */
int journal_load(int data, struct journal *out, struct failure *f);
int journal_store(int data, const struct journal *j, struct failure *f);

const char *journal_get(const struct journal *j, const char *key);	/* NULL: not there */
int journal_set(struct journal *j, const char *key, const char *value); /* -ENOSPC, -EINVAL (newline, too long) */
void journal_drop(struct journal *j, const char *key);
