/* zctl firewall: who may reach what, and what was counted. */
#include "ask.h"
#include "commands.h"
#include "table.h"

#include <string.h>

static void add_ports(struct table *t, const json_t *o, const char *protocol)
{
	const json_t *p;
	size_t i;

	json_array_foreach (get_list(o, protocol), i, p) {
		long long first = get_number(p, "first", 0), last = get_number(p, "last", first);

		if (first == last)
			table_add(t, PLAIN, "%lld", first);
		else
			table_add(t, PLAIN, "%lld-%lld", first, last);
		table_add(t, PLAIN, "%s", protocol);
		table_add(t, PLAIN, "%s", get_text(p, "name"));
		table_add(t, GREEN, "everybody");
	}
}

static void print_ports(const json_t *o)
{
	static const struct table_column column[] = {
		{"PORT", .right = true}, {"PROTOCOL"}, {"NAME"}, {"OPEN TO", .wrap = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column), .indent = 2};
	_cleanup_free_ char *from = get_joined(o, "admin_from", ", ");
	const json_t *port;
	size_t i;

	add_ports(&t, o, "tcp");
	add_ports(&t, o, "udp");
	json_array_foreach (get_list(o, "admin_ports"), i, port) {
		table_add(&t, PLAIN, "%lld", (long long)json_integer_value(port));
		table_add(&t, PLAIN, "tcp");
		table_add(&t, PLAIN, "admin console");
		table_add(&t, *from ? YELLOW : DIM, "%s", *from ? from : "nobody (FIREWALL_ADMIN_FROM)");
	}
	table_print(stdout, &t, text_columns());
}

static void print_counters(const json_t *counters)
{
	static const struct table_column column[] = {
		{"COUNTER", .wrap = true}, {"PACKETS", .right = true}, {"BYTES", .right = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column), .indent = 2};
	const json_t *c;
	size_t i;

	json_array_foreach (counters, i, c) {
		int64_t packets = get_number(c, "packets", 0), bytes = get_number(c, "bytes", 0);
		char size[DURATION_MAX];

		table_add(&t, packets ? PLAIN : DIM, "%s", get_text(c, "name"));
		table_add(&t, packets ? PLAIN : DIM, "%lld", (long long)packets);
		table_add(&t, packets ? PLAIN : DIM, "%s", text_bytes(size, bytes < 0 ? 0 : (uint64_t)bytes));
	}
	if (t.cells)
		(void)putchar('\n');
	table_print(stdout, &t, text_columns());
}

int cmd_firewall(int argc, char **argv)
{
	_cleanup_answer_ struct answer a = {0};
	int exit_code;

	if (!ask_for(CONTROL_FIREWALL, "firewall", argc, argv, &a, &exit_code))
		return exit_code;
	bool active = get_bool(a.json, "active"), closed = strcmp(get_text(a.json, "mode"), "closed") == 0;
	_cleanup_free_ char *error = text_clean(get_text(a.json, "error"), strlen(get_text(a.json, "error")));
	if (!active && *error)
		(void)printf("%sThe firewall cannot be read: %s%s\n", text_colour(RED), error, text_plain());
	else if (!active)
		(void)printf("%sThe firewall is not active: every port is open.%s\n", text_colour(RED), text_plain());
	else if (closed)
		(void)printf("%sThe firewall is closed until the last stage of the boot.%s\n", text_colour(YELLOW),
			     text_plain());
	else
		(void)printf("%sThe firewall is active.%s\n", text_colour(GREEN), text_plain());
	if (active && !closed)
		print_ports(a.json);
	print_counters(get_list(a.json, "counters"));
	return EXIT_YES;
}
