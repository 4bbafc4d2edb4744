/* zctl status: what a person wants to know first, in the order of asking. */
#include "ask.h"
#include "commands.h"
#include "table.h"

#include <stdarg.h>
#include <string.h>

enum { BAR = 20, DEATHS_SHOWN = 5 /* the newest; --json has all */ };

static enum colour state_colour(const char *state)
{
	if (strcmp(state, "running") == 0)
		return GREEN;
	if (strcmp(state, "failed") == 0 || strcmp(state, "crashed") == 0)
		return RED;
	if (strcmp(state, "stopped") == 0)
		return DIM;
	return YELLOW; /* booting, degraded, stopping, starting, flux, and what a newer PID 1 may say */
}

/* Each line of the text becomes a row; the label stands before the first. Nothing for an empty text. */
static void add_fact(struct table *t, const char *label, enum colour c, const char *fmt, ...) PRINTF(4, 5);
static void add_fact(struct table *t, const char *label, enum colour c, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = text_vprintf(fmt, ap);
	va_end(ap);
	for (const char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		if (n > 0) {
			table_add(t, BOLD, "%s", label);
			table_add(t, c, "%.*s", (int)n, line);
			label = "";
		}
		line += n + (line[n] == '\n');
	}
}

static void print_title(const json_t *o)
{
	const char *state = get_text(o, "state");
	const char *host = get_text(o, "hostname");
	int64_t uptime = get_number(o, "uptime", -1);
	char up[DURATION_MAX];
	struct table_column column[] = {{0}};
	_cleanup_table_ struct table t = {.column = column, .columns = 1};

	table_add(&t, state_colour(state), "%s%s%s%s%s", host, *host ? ": " : "", *state ? state : "(no state)",
		  uptime < 0 ? "" : ", container up ", uptime < 0 ? "" : text_duration(up, uptime));
	table_print(stdout, &t, 0);
}

static void add_stage(struct table *t, const json_t *stage)
{
	const char *title = *get_text(stage, "title") ? get_text(stage, "title") : get_text(stage, "name");
	long long number = get_number(stage, "number", 0), of = get_number(stage, "of", 0);
	long long percent = get_number(stage, "percent", -1), seconds = get_number(stage, "seconds", -1);
	char bar[BAR + 1] = "", took[DURATION_MAX];

	if (number > 0)
		add_fact(t, "stage", PLAIN, "%lld of %lld: %s", number, of, title);
	else /* stopping is no stage of the boot */
		add_fact(t, "stage", PLAIN, "%s", title);
	(void)text_duration(took, seconds);
	if (percent >= 0 && percent <= 100) {
		for (int i = 0; i < BAR; i++)
			bar[i] = i < percent * BAR / 100 ? '#' : '.';
		add_fact(t, "", PLAIN, "[%s] %lld %%, %s", bar, percent, took);
	} else if (seconds > 0) {
		add_fact(t, "", PLAIN, "for %s", took);
	}
	add_fact(t, "", DIM, "%s", get_text(stage, "doing"));
}

static void add_failure(struct table *t, const json_t *failure)
{
	int64_t retry = get_number(failure, "retry_in", -1);
	char in[DURATION_MAX];

	add_fact(t, "failure", RED, "%s", get_text(failure, "text"));
	add_fact(t, "remedy", PLAIN, "%s", get_text(failure, "remedy"));
	if (retry >= 0)
		add_fact(t, "next try", PLAIN, "in %s", text_duration(in, retry));
}

static void add_firewall(struct table *t, const json_t *f)
{
	_cleanup_free_ char *tcp = get_joined(f, "tcp", " "), *udp = get_joined(f, "udp", " ");
	_cleanup_free_ char *admin = get_joined(f, "admin_from", ", ");
	const char *mode = get_text(f, "mode"), *error = get_text(f, "error");

	if (!get_bool(f, "active") && *error)
		add_fact(t, "firewall", RED, "cannot be read: %s", error);
	else if (!get_bool(f, "active"))
		add_fact(t, "firewall", RED, "not active%s", strcmp(mode, "off") == 0 ? " (ZIMBRA_FIREWALL=off)" : "");
	else if (strcmp(mode, "closed") == 0)
		add_fact(t, "firewall", YELLOW, "closed: nothing is answered yet");
	else
		add_fact(t, "firewall", PLAIN, "active; admin ports %s%s%s%s%s%s", *admin ? "open to " : "shut", admin,
			 *tcp ? "\ntcp " : "", tcp, *udp ? "\nudp " : "", udp);
}

static void print_facts(const json_t *o)
{
	struct table_column column[] = {{0}, {.wrap = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = 2, .indent = 2};
	const char *state = get_text(o, "state"), *suite = get_text(o, "suite"), *release = get_text(o, "release");
	const json_t *item;
	size_t i;

	if (get_object(o, "stage") && strcmp(state, "running") != 0 && strcmp(state, "degraded") != 0)
		add_stage(&t, get_object(o, "stage"));
	if (get_object(o, "failure"))
		add_failure(&t, get_object(o, "failure"));
	if (json_object_get(o, "suite") || json_object_get(o, "release"))
		add_fact(&t, "system", PLAIN, "%s, %s", *suite ? suite : "none yet",
			 *release ? release : "no release yet");
	if (get_object(o, "firewall"))
		add_firewall(&t, get_object(o, "firewall"));
	json_array_foreach (get_list(o, "warnings"), i, item)
		add_fact(&t, "warning", YELLOW, "%s", json_is_string(item) ? json_string_value(item) : "");
	table_print(stdout, &t, text_columns());
}

/* The cells that services and workers share: name, state, pid, restarts. */
static void add_process(struct table *t, const json_t *o)
{
	int64_t pid = get_number(o, "pid", 0), restarts = get_number(o, "restarts", 0);

	table_add(t, PLAIN, "%s", get_text(o, "name"));
	table_add(t, state_colour(get_text(o, "state")), "%s", get_text(o, "state"));
	if (pid > 0)
		table_add(t, PLAIN, "%lld", (long long)pid);
	else
		table_add(t, DIM, "-");
	table_add(t, restarts ? YELLOW : PLAIN, "%lld", (long long)restarts);
}

static void print_services(const json_t *services)
{
	static const struct table_column column[] = {{"SERVICE", .wrap = true},
						     {"STATE"},
						     {"PID", .right = true},
						     {"RESTARTS", .right = true},
						     {"SINCE", .right = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column), .indent = 2};
	const json_t *s;
	size_t i;

	json_array_foreach (services, i, s) {
		char since[DURATION_MAX];

		add_process(&t, s);
		table_add(&t, PLAIN, "%s", text_duration(since, get_number(s, "since", -1)));
	}
	if (t.cells)
		(void)putchar('\n');
	table_print(stdout, &t, text_columns());
}

static void print_workers(const json_t *workers)
{
	static const struct table_column column[] = {
		{"WORKER", .wrap = true}, {"STATE"}, {"PID", .right = true}, {"RESTARTS", .right = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column), .indent = 2};
	const json_t *w;
	size_t i;

	json_array_foreach (workers, i, w)
		add_process(&t, w);
	if (t.cells)
		(void)putchar('\n');
	table_print(stdout, &t, text_columns());
}

static void print_deaths(const json_t *deaths)
{
	static const struct table_column column[] = {
		{"LAST DEATHS", .wrap = true}, {"PID", .right = true}, {"STATUS"}, {"AGO", .right = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column), .indent = 2};
	const json_t *d;
	size_t i;

	json_array_foreach (deaths, i, d) {
		if (i == DEATHS_SHOWN)
			break;
		char ago[DURATION_MAX];

		table_add(&t, PLAIN, "%s", *get_text(d, "name") ? get_text(d, "name") : "?");
		table_add(&t, PLAIN, "%lld", (long long)get_number(d, "pid", 0));
		table_add(&t, strcmp(get_text(d, "status"), "exit 0") == 0 ? PLAIN : YELLOW, "%s",
			  get_text(d, "status"));
		table_add(&t, PLAIN, "%s", text_duration(ago, get_number(d, "ago", -1)));
	}
	if (t.cells)
		(void)putchar('\n');
	table_print(stdout, &t, text_columns());
}

int cmd_status(int argc, char **argv)
{
	_cleanup_answer_ struct answer a = {0};
	int exit_code;

	if (!ask_for(CONTROL_STATUS, "status", argc, argv, &a, &exit_code))
		return exit_code;
	print_title(a.json);
	print_facts(a.json);
	print_services(get_list(a.json, "services"));
	print_workers(get_list(a.json, "workers"));
	print_deaths(get_list(a.json, "deaths"));
	(void)fflush(stdout);
	ask_compare_version(get_text(a.json, "version"));
	return EXIT_YES;
}
