/* zctl shell and zctl exec: into the jail. */
#include "../session.h"
#include "commands.h"
#include "help.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

/* An empty name, or one that passwd(5) could not hold, is not worth a look into the jail. */
static bool user_name_ok(const char *command, const char *name)
{
	if (*name && *name != '-' && *name != '+' && strlen(name) <= 32 && !strpbrk(name, ":/\n \t"))
		return true;
	_cleanup_free_ char *clean = text_clean(name, strlen(name));
	(void)fprintf(stderr, "zctl: %s: `%s' is not a user's name\n", command, clean);
	return false;
}

static int refuse_json(const char *command)
{
	(void)fprintf(stderr, "zctl: %s: --json does not apply: the output is that of the command\n", command);
	return EXIT_USAGE;
}

static int run(const struct session *s)
{
	if (geteuid() != 0) {
		(void)fputs("zctl: not permitted: only root may enter the jail\n", stderr);
		return EXIT_DENIED;
	}
	return session_main(s);
}

int cmd_shell(int argc, char **argv)
{
	bool json = false;
	const char *user = NULL;
	const struct arg_option option[] = {{"json", 0, &json, NULL}, {"user", 'u', NULL, &user}};
	struct args a = {.option = option, .options = ARRAY_SIZE(option), .max_operands = 1};
	int exit_code;

	if (!args_read(&a, "shell", argc, argv, &exit_code))
		return exit_code;
	if (json)
		return refuse_json("shell");
	if (user && a.operands) {
		(void)fputs("zctl: shell: one user at a time\n", stderr);
		return EXIT_USAGE;
	}
	if (!user)
		user = a.operands ? a.operand[0] : "root";
	if (!user_name_ok("shell", user))
		return EXIT_USAGE;
	return run(&(struct session){.who = "zctl", .user = user});
}

int cmd_exec(int argc, char **argv)
{
	bool json = false;
	const char *user = NULL;
	const struct arg_option option[] = {{"json", 0, &json, NULL}, {"user", 'u', NULL, &user}};
	struct args a = {
		.option = option, .options = ARRAY_SIZE(option), .max_operands = SIZE_MAX, .command_follows = true};
	int exit_code;

	if (!args_read(&a, "exec", argc, argv, &exit_code))
		return exit_code;
	if (json)
		return refuse_json("exec");
	if (user && !user_name_ok("exec", user))
		return EXIT_USAGE;
	if (a.operands == 0) {
		(void)fputs("zctl: exec: which command? See `zctl help exec'\n", stderr);
		return EXIT_USAGE;
	}
	return run(&(struct session){.who = "zctl", .user = user, .argv = (const char *const *)a.operand});
}
