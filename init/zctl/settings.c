/* zctl config and zctl reload: the settings, and what of them changed. */
#include "ask.h"
#include "commands.h"
#include "help.h"
#include "table.h"

#include <string.h>

static void add_value(struct table *t, const json_t *s)
{
	const json_t *value = json_object_get(s, "value");
	bool is_default = strcmp(get_text(s, "source"), "default") == 0;

	if (json_is_string(value) && *json_string_value(value))
		table_add(t, is_default ? PLAIN : BOLD, "%s", json_string_value(value));
	else if (json_is_integer(value))
		table_add(t, is_default ? PLAIN : BOLD, "%lld", (long long)json_integer_value(value));
	else
		table_add(t, DIM, "%s", get_bool(s, "set") ? "(set, not shown)" : "-");
}

static void print_all(const json_t *settings)
{
	static const struct table_column column[] = {{"SETTING"}, {"VALUE", .wrap = true}, {"SOURCE"}, {"RELOAD"}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column)};
	const json_t *s;
	size_t i;

	json_array_foreach (settings, i, s) {
		table_add(&t, PLAIN, "%s", get_text(s, "name"));
		add_value(&t, s);
		table_add(&t, PLAIN, "%s", get_text(s, "source"));
		table_add(&t, PLAIN, "%s", get_bool(s, "reload") ? "yes" : "");
	}
	table_print(stdout, &t, text_columns());
}

static void print_one(const json_t *s)
{
	struct table_column column[] = {{0}, {.wrap = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = 2, .indent = 2};

	(void)printf("%s%s%s\n", text_colour(BOLD), get_text(s, "name"), text_plain());
	table_add(&t, DIM, "value");
	add_value(&t, s);
	table_add(&t, DIM, "source");
	table_add(&t, PLAIN, "%s", get_text(s, "source"));
	table_add(&t, DIM, "change");
	table_add(&t, PLAIN, "%s", get_bool(s, "reload") ? "zctl reload" : "restart of the container");
	if (*get_text(s, "help")) {
		table_add(&t, DIM, "what");
		table_add(&t, PLAIN, "%s", get_text(s, "help"));
	}
	table_print(stdout, &t, text_columns());
}

static bool print_named(const json_t *settings, const char *name)
{
	const char *closest = NULL;
	size_t best = SIZE_MAX, i;
	const json_t *s;

	json_array_foreach (settings, i, s) {
		if (strcmp(get_text(s, "name"), name) == 0) {
			print_one(s);
			return true;
		}
		if (args_closer(name, get_text(s, "name"), &best))
			closest = get_text(s, "name");
	}
	_cleanup_free_ char *clean = text_clean(name, strlen(name));
	(void)fflush(stdout);
	(void)fprintf(stderr, "zctl: config: there is no setting `%s'%s%s%s\n", clean,
		      closest ? "; did you mean `" : "", closest ? closest : "", closest ? "'?" : "");
	return false;
}

int cmd_config(int argc, char **argv)
{
	bool json = false;
	const struct arg_option option[] = {{"json", 0, &json, NULL}};
	struct args args = {.option = option, .options = ARRAY_SIZE(option), .max_operands = 64};
	_cleanup_answer_ struct answer a = {0};
	int exit_code;

	if (!args_read(&args, "config", argc, argv, &exit_code))
		return exit_code;
	if (!ask_and_print(CONTROL_CONFIG, NULL, json, &a, &exit_code))
		return exit_code;
	if (args.operands == 0)
		print_all(get_list(a.json, "settings"));
	for (size_t i = 0; i < args.operands; i++)
		if (!print_named(get_list(a.json, "settings"), args.operand[i]))
			exit_code = EXIT_NO;
	return exit_code;
}

int cmd_reload(int argc, char **argv)
{
	static const struct table_column column[] = {{"SETTING"}, {"APPLIED"}, {"NOTE", .wrap = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column)};
	_cleanup_answer_ struct answer a = {0};
	const json_t *change;
	int exit_code;
	size_t i;

	if (!ask_for(CONTROL_RELOAD, "reload", argc, argv, &a, &exit_code))
		/* With --json it has been printed; whether the settings were good is still an exit code. */
		return exit_code == EXIT_YES && *get_text(a.json, "error") ? EXIT_FAILED : exit_code;
	const char *error = get_text(a.json, "error");
	if (*error) {
		_cleanup_free_ char *clean = text_clean(error, strlen(error));
		(void)fprintf(stderr, "zctl: nothing was changed: %s\n", clean);
		return EXIT_FAILED;
	}
	json_array_foreach (get_list(a.json, "changed"), i, change) {
		bool applied = get_bool(change, "applied");

		table_add(&t, PLAIN, "%s", get_text(change, "name"));
		table_add(&t, applied ? GREEN : YELLOW, "%s", applied ? "yes" : "no");
		table_add(&t, PLAIN, "%s", get_text(change, "note"));
	}
	if (t.cells == 0)
		(void)puts("No setting has changed.");
	table_print(stdout, &t, text_columns());
	return EXIT_YES;
}
