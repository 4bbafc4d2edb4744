/* zctl ban, unban and bans. */
#include "ask.h"
#include "commands.h"
#include "help.h"
#include "table.h"

#include <stdio.h>
#include <string.h>

/* What would be refused anyway is wrong usage, and said without PID 1: in the words that it would use. */
static bool usage_is_right(enum control_op op, const char *name, const struct args *a, struct fw_ban *ban)
{
	struct control_args c = {.op = op, .n = a->operands};
	char why[CONTROL_WHY];

	for (size_t i = 0; i < a->operands; i++)
		c.arg[i] = a->operand[i];
	if (control_parse_ban(&c, ban, why, sizeof(why)) == 0)
		return true;
	_cleanup_free_ char *clean = text_clean(why, strlen(why));
	(void)fprintf(stderr, "zctl: %s: %s; see `zctl help %s'\n", name, clean, name);
	return false;
}

static int change(enum control_op op, const char *name, int argc, char **argv)
{
	bool json = false;
	const struct arg_option option[] = {{"json", 0, &json, NULL}};
	struct args args = {.option = option, .options = ARRAY_SIZE(option), .max_operands = op == CONTROL_BAN ? 2 : 1};
	_cleanup_answer_ struct answer a = {0};
	char who[FW_PREFIX_STRLEN], time[DURATION_MAX];
	struct fw_ban ban;
	int exit_code;

	if (!args_read(&args, name, argc, argv, &exit_code))
		return exit_code;
	if (!usage_is_right(op, name, &args, &ban))
		return EXIT_USAGE;
	int r = ask_with(op, (const char *const *)args.operand, args.operands, ASK_TIMEOUT_MS, &a);
	if (!answer_is_shown(r, json, &a, &exit_code))
		return exit_code;
	(void)fw_prefix_format(&ban.who, who, sizeof(who));
	if (op == CONTROL_UNBAN)
		(void)printf("%s is not banned.\n", who);
	else if (ban.left_ms)
		(void)printf("%s is banned for %s.\n", who, text_duration(time, (int64_t)(ban.left_ms / 1000)));
	else
		(void)printf("%s is banned for good.\n", who);
	return EXIT_YES;
}

int cmd_ban(int argc, char **argv)
{
	return change(CONTROL_BAN, "ban", argc, argv);
}

int cmd_unban(int argc, char **argv)
{
	return change(CONTROL_UNBAN, "unban", argc, argv);
}

int cmd_bans(int argc, char **argv)
{
	static const struct table_column column[] = {{"BANNED"}, {"TIME LEFT", .right = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column)};
	bool json = false;
	const struct arg_option option[] = {{"json", 0, &json, NULL}};
	struct args args = {.option = option, .options = ARRAY_SIZE(option)};
	_cleanup_answer_ struct answer a = {0};
	char time[DURATION_MAX];
	int exit_code;
	const json_t *ban;
	size_t i;

	if (!args_read(&args, "bans", argc, argv, &exit_code) ||
	    !answer_is_shown(ask_with(CONTROL_BANS, NULL, 0, LONG_ANSWER_MS, &a), json, &a, &exit_code))
		return exit_code;
	json_array_foreach (get_list(a.json, "bans"), i, ban) {
		int64_t left = get_number(ban, "seconds_left", -1);

		table_add(&t, PLAIN, "%s", get_text(ban, "address"));
		table_add(&t, left < 0 ? BOLD : PLAIN, "%s", left < 0 ? "for good" : text_duration(time, left));
	}
	if (t.cells)
		table_print(stdout, &t, text_columns());
	else
		(void)puts("Nobody is banned.");
	(void)fflush(stdout);
	if (json_object_get(a.json, "complete") && !get_bool(a.json, "complete"))
		(void)fputs("zctl: bans: they changed all the time; some may be missing or no longer true\n", stderr);
	return EXIT_YES;
}
