/* /proc/PID/stat and /proc/PID/status, whose name field the process itself chooses. */
#include "../../init/proc.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

/* Around any name of a process (proc(5): at most 15 bytes, anything but '\0') the rest of the line stays what it is. */
static void name_changes_nothing(const char *name, size_t len)
{
	char line[256];
	struct proc_info p;

	if (len > 15 || memchr(name, '\0', len))
		return;
	int n = snprintf(line, sizeof(line), "77 (%.*s) S 4 5 6 7 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 987654321 0 0\n",
			 (int)len, name);
	MUST(proc_parse_stat(line, (size_t)n, &p) == 0);
	MUST(p.parent == 4 && p.start_time == 987654321 && !p.zombie);
	MUST(strlen(p.name) == len && memcmp(p.name, name, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nothing[1];
	const char *text = (const char *)(data ? data : nothing);
	struct proc_info p;
	uid_t uid = 4711;
	int r = proc_parse_stat(text, size, &p);

	MUST(r == 0 || r == -EINVAL);
	if (r == 0)
		MUST(memchr(p.name, '\0', sizeof(p.name)) != NULL);
	r = proc_parse_uid(text, size, &uid);
	MUST(r == 0 || (r == -EINVAL && uid == 4711));
	name_changes_nothing(text, size);
	return 0;
}
