/* zctl firewall: who may reach what, and what was counted. */
#include "ask.h"
#include "commands.h"
#include "help.h"
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
		bool all = get_bool(o, "admin_public");
		table_add(&t,
			  all	  ? RED
			  : *from ? YELLOW
				  : DIM,
			  "%s",
			  all	  ? "everybody (FIREWALL_ADMIN_PUBLIC)"
			  : *from ? from
				  : "nobody (FIREWALL_ADMIN_FROM)");
	}
	table_print(stdout, &t, text_columns());
}

/* Who may reach more than everybody, and who is treated otherwise. */
static void print_lists(const json_t *o)
{
	static const struct {
		const char *key, *what;
	} list[] = {
		{"local_from", "local network (80, 110, 143, 389, 636)"},
		{"peers", "other servers of this Zimbra"},
		{"exempt", "not limited, not banned"},
		{"never_ban", "never banned"},
	};
	static const struct table_column column[] = {{"NETWORKS", .wrap = true}, {"", .wrap = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column), .indent = 2};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		_cleanup_free_ char *from = get_joined(o, list[i].key, ", ");

		if (!*from)
			continue;
		table_add(&t, PLAIN, "%s", from);
		table_add(&t, PLAIN, "%s", list[i].what);
	}
	if (t.cells)
		(void)putchar('\n');
	table_print(stdout, &t, text_columns());
}

/* "0: no limit" is said as it is set. */
static void print_limits(const json_t *o)
{
	const json_t *l = json_object_get(o, "limits");

	if (!json_is_object(l))
		return;
	(void)printf("\n  limits    %lld new connections/s of a source (%lld at once), %lld at the same time, %lld "
		     "handshakes/s "
		     "of all, %lld pings/s%s\n",
		     (long long)get_number(l, "new_per_source", 0), (long long)get_number(l, "new_burst", 0),
		     (long long)get_number(l, "connections_per_source", 0), (long long)get_number(l, "handshakes", 0),
		     (long long)get_number(l, "echo", 0), " (0: no limit)");
}

/* Sets that packets or bans fill: only what is in them, and how much room there is. */
static void print_sets(const json_t *o)
{
	static const struct table_column column[] = {{"SET"}, {"ELEMENTS", .right = true}, {"ROOM FOR", .right = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column), .indent = 2};
	const json_t *s;
	size_t i;

	json_array_foreach (get_list(o, "sets"), i, s) {
		long long used = get_number(s, "used", 0), size = get_number(s, "size", 0);

		if (used == 0)
			continue;
		table_add(&t, PLAIN, "%s", get_text(s, "name"));
		table_add(&t, size && used >= size ? RED : PLAIN, "%lld", used);
		if (size)
			table_add(&t, PLAIN, "%lld", size);
		else
			table_add(&t, PLAIN, "any");
	}
	if (t.cells)
		(void)putchar('\n');
	table_print(stdout, &t, text_columns());
}

static void print_kernel(const json_t *o)
{
	const json_t *features = json_object_get(o, "features"), *has, *t = json_object_get(o, "tampering");
	const char *name;

	json_object_foreach ((json_t *)(uintptr_t)features, name, has)
		if (!json_is_true(has))
			(void)printf("  %sthe kernel has no \"%s\": what needs it is left out%s\n", text_colour(YELLOW),
				     name, text_plain());
	if (get_number(t, "seen", 0)) {
		const char *last = get_text(t, "last");
		_cleanup_free_ char *who = text_clean(last, strlen(last));

		(void)printf("  %sothers changed our rules %lld times, put right %lld times; last: %s%s\n",
			     text_colour(YELLOW), (long long)get_number(t, "seen", 0),
			     (long long)get_number(t, "repaired", 0), who, text_plain());
	}
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

static int print_rules(bool json)
{
	_cleanup_answer_ struct answer a = {0};
	int exit_code, r = ask_text(CONTROL_RULES, LONG_ANSWER_MS, &a);

	/* A refusal is JSON as of every other command. */
	if (r < 0 || a.code < 0) {
		(void)answer_is_shown(r, json, &a, &exit_code);
		return exit_code;
	}
	if (json) {
		json_t *o = json_pack("{s:i, s:s%}", "schema", 1, "rules", a.text ? a.text : "", a.len);
		_cleanup_free_ char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

		json_decref(o);
		if (!text) {
			(void)fputs("zctl: firewall: the rules are not a text\n", stderr);
			return EXIT_FAILED;
		}
		(void)printf("%s\n", text);
	} else if (a.len) {
		(void)fwrite(a.text, 1, a.len,
			     stdout); /* as it is, for nft: PID 1 wrote it, no name in it is others' */
	} else {
		(void)fputs("zctl: firewall: there are no rules of ours\n", stderr);
	}
	return EXIT_YES;
}

static int not_rules(const char *word)
{
	_cleanup_free_ char *clean = text_clean(word, strlen(word));

	(void)fprintf(stderr, "zctl: firewall: unexpected argument `%s'; see `zctl help firewall'\n", clean);
	return EXIT_USAGE;
}

int cmd_firewall(int argc, char **argv)
{
	bool json = false;
	const struct arg_option option[] = {{"json", 0, &json, NULL}};
	struct args args = {.option = option, .options = ARRAY_SIZE(option), .max_operands = 1};
	_cleanup_answer_ struct answer a = {0};
	int exit_code;

	if (!args_read(&args, "firewall", argc, argv, &exit_code))
		return exit_code;
	if (args.operands)
		return strcmp(args.operand[0], "rules") == 0 ? print_rules(json) : not_rules(args.operand[0]);
	if (!ask_and_print(CONTROL_FIREWALL, NULL, json, &a, &exit_code))
		return exit_code;
	bool active = get_bool(a.json, "active"), closed = strcmp(get_text(a.json, "mode"), "closed") == 0;
	_cleanup_free_ char *error = text_clean(get_text(a.json, "error"), strlen(get_text(a.json, "error")));
	if (!active && *error)
		(void)printf("%sThe firewall cannot be read: %s%s\n", text_colour(RED), error, text_plain());
	else if (strcmp(get_text(a.json, "mode"), "altered") == 0)
		(void)printf("%sThe firewall is not as it was written: %s.%s\n", text_colour(RED),
			     get_text(a.json, "reason"), text_plain());
	else if (!active)
		(void)printf("%sThe firewall is not active: every port is open.%s\n", text_colour(RED), text_plain());
	else if (closed)
		(void)printf("%sThe firewall is closed until the last stage of the boot.%s\n", text_colour(YELLOW),
			     text_plain());
	else if (strcmp(get_text(a.json, "mode"), "monitor") == 0)
		(void)printf("%sThe firewall only counts what it would drop: ZIMBRA_FIREWALL=monitor.%s\n",
			     text_colour(YELLOW), text_plain());
	else
		(void)printf("%sThe firewall is active%s.%s\n", text_colour(GREEN),
			     get_bool(a.json, "owned") ? ", and nobody else can change it" : "", text_plain());
	if (active && !closed) {
		print_ports(a.json);
		print_lists(a.json);
		print_limits(a.json);
		print_sets(a.json);
	}
	print_kernel(a.json);
	print_counters(get_list(a.json, "counters"));
	return EXIT_YES;
}
