/* Texts that others wrote and that the boot reads: mountinfo, /etc/hosts, the output of apt. */
#include "../../init/boot/aptlog.h"
#include "../../init/boot/mounts.h"
#include "../../init/boot/names.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

static void mounts(const char *text, size_t size)
{
	static struct mount_entry e;
	size_t pos = 0, before;

	do {
		before = pos;
		if (mounts_next(text, size, &pos, &e) == 0)
			break;
		MUST(pos > before && pos <= size); /* it ends */
	} while (pos < size);
}

static void hosts(const char *text, size_t size)
{
	static char out[NAMES_HOSTS_MAX];
	struct names_facts facts = {0};

	(void)names_add_address(&facts, "192.0.2.7");
	if (names_choose(&facts, "", "", "short", text, size) == 0)
		MUST(names_valid(facts.fqdn, 2));
	memset(&facts, 0, sizeof(facts));
	(void)names_add_address(&facts, "192.0.2.7");
	MUST(names_choose(&facts, "mail.example.test", "", "", NULL, 0) == 0);
	ssize_t n = names_make_hosts(&facts, text, size, out, sizeof(out));
	MUST(n < 0 || (size_t)n == strlen(out));
	MUST(n < 0 || strncmp(out, "127.0.0.1", 9) == 0);
}

/* Line by line, as run_program hands it out. */
static void apt(const char *text, size_t size)
{
	struct apt_progress p;
	struct apt_cause c = {0};
	char *copy = strndup(text, size), *next;

	if (!copy)
		abort();
	apt_progress_start(&p, size & 1);
	for (char *line = copy; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		(void)apt_progress_line(&p, line);
		MUST(p.percent >= -1 && p.percent <= 100 && apt_progress_doing(&p) != NULL);
		apt_cause_note(&c, line);
	}
	struct failure f = {0};
	(void)apt_cause_explain(&c, "x", &f);
	MUST(f.kind != FAILURE_NONE && f.text[0]);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nothing[1];
	const char *text = (const char *)(data ? data : nothing);

	mounts(text, size);
	hosts(text, size);
	apt(text, size);
	return 0;
}
