/* zctl stages: the boot as a table. */
#include "ask.h"
#include "commands.h"
#include "table.h"

#include <string.h>

static enum colour stage_colour(const char *state)
{
	if (strcmp(state, "done") == 0)
		return GREEN;
	if (strcmp(state, "running") == 0)
		return YELLOW;
	if (strcmp(state, "failed") == 0)
		return RED;
	return DIM;
}

/* Of a stage at work, or one that failed there: 100 % of what is done tells nothing. */
static void add_doing(struct table *t, const json_t *stage)
{
	long long percent = get_number(stage, "percent", -1);
	const char *state = get_text(stage, "state"), *doing = get_text(stage, "doing");

	if (strcmp(state, "running") != 0 && strcmp(state, "failed") != 0)
		table_add(t, PLAIN, "%s", "");
	else if (percent >= 0 && percent <= 100)
		table_add(t, PLAIN, "%lld %%%s%s", percent, *doing ? ", " : "", doing);
	else
		table_add(t, PLAIN, "%s", doing);
}

int cmd_stages(int argc, char **argv)
{
	static const struct table_column column[] = {
		{"", .right = true}, {"STAGE"}, {"WHAT"}, {"STATE"}, {"TIME", .right = true}, {"DOING", .wrap = true}};
	_cleanup_table_ struct table t = {.column = column, .columns = ARRAY_SIZE(column)};
	_cleanup_answer_ struct answer a = {0};
	const json_t *s;
	int exit_code;
	size_t i;

	if (!ask_for(CONTROL_STAGES, "stages", argc, argv, &a, &exit_code))
		return exit_code;
	json_array_foreach (get_list(a.json, "stages"), i, s) {
		double seconds = get_real(s, "seconds", -1);
		char took[DURATION_MAX];

		table_add(&t, DIM, "%zu", i + 1);
		table_add(&t, PLAIN, "%s", get_text(s, "name"));
		table_add(&t, PLAIN, "%s", get_text(s, "title"));
		table_add(&t, stage_colour(get_text(s, "state")), "%s", get_text(s, "state"));
		table_add(&t, PLAIN, "%s", seconds < 0 ? "" : text_seconds(took, seconds));
		add_doing(&t, s);
	}
	table_print(stdout, &t, text_columns());
	return EXIT_YES;
}
