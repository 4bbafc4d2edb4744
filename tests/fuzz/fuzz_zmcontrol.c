/* What zmcontrol printed (status; each line of start and stop) and what an installer printed or left. */
#include "../../init/zimbra/internal.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
	if (!fine)
		__builtin_trap();
}

static void check_name(const char *name)
{
	check(name[0] && memchr(name, '\0', ZIMBRA_SERVICE_NAME));
	for (; *name; name++)
		check(*name >= 0x20 && *name < 0x7f);
}

static void check_line(const char *line)
{
	char service[ZIMBRA_SERVICE_NAME];
	struct zi_doing d;
	bool starting = false;

	if (zmcontrol_parse_progress(line, service, &starting))
		check_name(service);
	else
		check(service[0] == '\0');

	zi_installer_line(line, &d);
	check(d.percent >= -1 && d.percent <= 100 && memchr(d.text, '\0', sizeof(d.text)));
	for (const char *c = d.text; *c; c++)
		check(*c >= 0x20 && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct zmcontrol_status st;
	struct zi_history h;
	char *copy = malloc(size + 1), *out = malloc(2 * size + 64), *line, *rest;
	int r = zmcontrol_parse_status(text, size, &st);

	check(copy && out);
	check(r == 0 || r == -ENODATA || r == -E2BIG);
	check(st.n <= ZIMBRA_SERVICES_MAX && (r != -ENODATA || st.n == 0));
	for (size_t i = 0; i < st.n; i++) {
		check_name(st.service[i].name);
		for (size_t k = 0; k < i; k++)
			check(strcmp(st.service[i].name, st.service[k].name) != 0);
	}

	zi_history_parse(text, size, &h);
	check(h.state >= ZI_NOTHING && h.state <= ZI_CONFIGURED && memchr(h.version, '\0', sizeof(h.version)));
	for (const char *c = h.version; *c; c++)
		check(*c > 0x20 && *c < 0x7f);
	check(zi_last_lines(text, size, 3) <= size);
	ssize_t n = zi_rsyslog_conf(text, size, out, 2 * size + 64);
	check(n == -E2BIG || (n >= 0 && (size_t)n <= 2 * size + 64));

	memcpy(copy, data, size);
	copy[size] = '\0';
	rest = copy;
	while ((line = strsep(&rest, "\n")))
		check_line(line);
	free(copy);
	free(out);
	return 0;
}
