/* Texts under tests/unit/golden, read whole. The tests run in the repository's top folder (tests/run.sh). */
#pragma once

#include "support.h"

static inline char *golden(const char *name)
{
	char path[256];
	char *text = calloc(1, 256 * 1024);
	FILE *f;

	(void)snprintf(path, sizeof(path), "tests/unit/golden/%s", name);
	f = fopen(path, "re");
	if (!f || !text)
		fail_msg("cannot read %s (run from the top folder)", path);
	else if (fread(text, 1, 256 * 1024 - 1, f) == 0)
		fail_msg("%s is empty", path);
	if (f)
		(void)fclose(f);
	return text;
}

/* Calls line() for each line of a golden text. */
static inline void golden_lines(const char *name, void (*line)(void *arg, const char *line), void *arg)
{
	char *text = golden(name), *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		line(arg, l);
	free(text);
}
