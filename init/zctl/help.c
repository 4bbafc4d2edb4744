#include "help.h"

#include "commands.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

int command_unknown(const char *name)
{
	_cleanup_free_ char *clean = text_clean(name, strlen(name));
	const char *closest = NULL;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < command_count; i++)
		if (args_closer(name, commands[i].name, &best))
			closest = commands[i].name;
	(void)fprintf(stderr, "zctl: unknown command `%s'", clean);
	if (closest)
		(void)fprintf(stderr, "; did you mean `%s'?\n", closest);
	else
		(void)fprintf(stderr, "; `zctl help' lists them\n");
	return EXIT_USAGE;
}

static void print_command(const struct command *c)
{
	(void)printf("Usage: zctl %s%s%s\n\n%s.\n", c->name, *c->synopsis ? " " : "", c->synopsis, c->summary);
	if (*c->details)
		(void)printf("\n%s", c->details);
}

static void print_all(void)
{
	(void)puts("Usage: zctl [--json] COMMAND [ARGUMENT...]\n\nAsks and commands zimbra-init, PID 1 of this "
		   "container.\n");
	for (size_t i = 0; i < command_count; i++)
		(void)printf("  %s%-10s%s%s\n", text_colour(BOLD), commands[i].name, text_plain(), commands[i].summary);
	(void)puts("\n"
		   "`zctl help COMMAND' tells more; `zctl' alone is `zctl status'.\n"
		   "With --json the answer of PID 1 is printed as it came.\n"
		   "\n"
		   "Exit status:\n"
		   "    0   yes, or done\n"
		   "    1   no: unhealthy, still running, no such setting, no jail yet\n"
		   "    3   PID 1 cannot be reached\n"
		   "    4   not permitted\n"
		   "    5   PID 1 could not do it, or answered something that is not understood\n"
		   "   64   wrong usage\n"
		   "exec and shell: the command's own; 128+n if signal n ended it; 125 the jail could\n"
		   "not be entered, 126 the command cannot be executed, 127 there is none of that name.");
}

int cmd_help(int argc, char **argv)
{
	struct args a = {.max_operands = 1};
	int exit_code;

	if (!args_read(&a, "help", argc, argv, &exit_code))
		return exit_code;
	if (a.operands == 0) {
		print_all();
		return EXIT_YES;
	}
	const struct command *c = command_find(a.operand[0]);
	if (!c)
		return command_unknown(a.operand[0]);
	print_command(c);
	return EXIT_YES;
}

bool args_read(struct args *a, const char *name, int argc, char **argv, int *exit_code)
{
	enum args_result result = args_parse(a, argc, argv);
	const struct command *c = command_find(name);

	if (result == ARGS_OK)
		return true;
	*exit_code = EXIT_USAGE;
	if (result == ARGS_HELP && c) {
		print_command(c);
		*exit_code = EXIT_YES;
		return false;
	}
	_cleanup_free_ char *clean = text_clean(a->error, strlen(a->error));
	(void)fprintf(stderr, "zctl: %s: %s; see `zctl help %s'\n", name, clean, name);
	return false;
}
