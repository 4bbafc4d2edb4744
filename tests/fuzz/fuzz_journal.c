/* The journal of a volume: what is accepted can be read key by key, and a newer version is refused as such. */
#include "../../init/boot/journal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nothing[1];
	static struct journal j;
	int r = journal_parse((const char *)(data ? data : nothing), size, &j);

	MUST(r == 0 || r == -EPROTO || r == -EOPNOTSUPP);
	if (r < 0)
		return 0;
	MUST(j.n <= JOURNAL_ENTRIES);
	for (size_t i = 0; i < j.n; i++) {
		MUST(memchr(j.entry[i].key, '\0', JOURNAL_KEY) != NULL && j.entry[i].key[0] != '\0');
		MUST(memchr(j.entry[i].value, '\0', JOURNAL_VALUE) != NULL);
		MUST(strchr(j.entry[i].value, '\n') == NULL);
		MUST(journal_get(&j, j.entry[i].key) != NULL);
	}
	return 0;
}
