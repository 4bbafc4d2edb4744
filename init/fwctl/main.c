/*
 * fwctl: the packet filter without the supervisor, for tests, benches and rescue. The settings are zimbra-init's, from
 * the environment alone. This file is the table of its commands, and how they fail.
 */
#include "../failure.h"
#include "../reload.h"
#include "../zctl/args.h"
#include "fwctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
	{"check", cmd_check, "", 0, 0, true, "", "Build the rules of the settings; load nothing, need no right"},
	{"print", cmd_print, "p", 0, 0, true, "[--probe]", "Print those rules for `nft -f -', which replaces by them"},
	{"load", cmd_load, "h", 0, 0, true, "[--host]", "Put them in force; what the kernel lacks is left out"},
	{"close", cmd_close, "h", 0, 0, false, "[--host]", "Default drop: let in only answers, ICMP and loopback"},
	{"remove", cmd_remove, "", 0, 0, false, "", "Remove our table: nothing is filtered any more"},
	{"rules", cmd_rules, "", 0, 0, false, "", "Print our table as the kernel has it, in nft's language"},
	{"status", cmd_status, "", 0, 0, false, "", "Print the mode, the counters and fill levels that are not 0"},
	{"ban", cmd_ban, "f", 1, 2, false, "WHO [SECONDS]", "Drop an address or a network, for a time or for good"},
	{"unban", cmd_unban, "", 1, 1, false, "WHO", "Let it in again, and everything in it"},
	{"bans", cmd_bans, "", 0, 0, false, "", "Print who is banned, and for how many seconds (-: for good)"},
};

static int help(void)
{
	(void)puts("Usage: fwctl COMMAND [ARGUMENT...]\n\nThe packet filter of zimbra-init in this network namespace, "
		   "without zimbra-init.\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		(void)printf("  %s %-*s  %s\n", c->name, (int)(20 - strlen(c->name)), c->synopsis, c->help);
	}
	(void)puts("  ban -f FILE [SECONDS]  The same for each line of FILE; empty ones and #... are skipped\n"
		   "  help                   Show this list\n"
		   "\n"
		   "check, print and load read FIREWALL_* and ZIMBRA_FIREWALL from the environment, as\n"
		   "zimbra-init does (zimbra.conf is not read). print says all that some kernel can do, with\n"
		   "--probe what this one can. load belongs to nobody: nft, or the next fwctl, can change it.\n"
		   "--host: also where the network looks like the host's own.\n"
		   "\n"
		   "Exit status:\n"
		   "    0   done\n"
		   "    1   not done\n"
		   "    2   wrong usage\n"
		   "   78   the settings are wrong");
	return EXIT_DONE;
}

int say(int code, const char *name, const char *fmt, ...)
{
	va_list ap;

	(void)fflush(stdout);
	(void)fprintf(stderr, "fwctl: %s%s", name, *name ? ": " : "");
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return code;
}

static struct fw_state state; /* large */

int failed(const char *name, const struct fw_error *err)
{
	const char *remedy = "";
	char text[sizeof(err->what) + sizeof(err->detail) + 64];
	struct fw_error e = {0};

	switch (err->err) {
	case -EPERM: /* reading needs the same right: whoever has it met the owner */
		if (fw_read(&state, &e) == 0 && state.owner)
			remedy = "; that is PID 1's session: while zimbra-init runs, use zctl";
		else if (e.err == -EPERM)
			remedy = "; run fwctl as root with CAP_NET_ADMIN";
		break;
	case -ENOENT:
		if (fw_read(&state, &e) == 0 && state.mode == FW_ABSENT)
			remedy = "; nothing is filtered here: first `fwctl load'";
		break;
	case -ENFILE:
		remedy = "; the list is full: `fwctl unban' some, or ban whole networks";
		break;
	case -EUCLEAN:
		remedy = "; it is in force, but look at `fwctl rules'";
		break;
	case -ETIMEDOUT:
	case -EAGAIN:
		remedy = "; try again";
		break;
	default:
		break;
	}
	return say(EXIT_NOT_DONE, name, "%s%s", fw_error_text(err, text, sizeof(text)), remedy);
}

static int unknown(const char *name)
{
	const char *closest = NULL;
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (args_closer(name, commands[i].name, &best))
			closest = commands[i].name;
	return say(EXIT_WRONG, "", "unknown command `%.64s'; %s%s%s", name, closest ? "did you mean `" : "`fwctl help",
		   closest ? closest : "", closest ? "'?" : "' lists them");
}

/* EXIT_DONE: go on. */
static int read_options(const struct command *c, int argc, char **argv, struct options *o)
{
	struct arg_option option[2];
	struct args a = {.option = option, .max_operands = c->max};
	size_t min = c->min;

	if (strchr(c->options, 'p'))
		option[a.options++] = (struct arg_option){.name = "probe", .flag = &o->probe};
	if (strchr(c->options, 'h'))
		option[a.options++] = (struct arg_option){.name = "host", .flag = &o->host};
	if (strchr(c->options, 'f'))
		option[a.options++] = (struct arg_option){.name = "file", .letter = 'f', .value = &o->file};
	switch (args_parse(&a, argc, argv)) {
	case ARGS_HELP:
		return help() == EXIT_DONE ? -1 : EXIT_NOT_DONE;
	case ARGS_ERROR:
		return say(EXIT_WRONG, c->name, "%s; see `fwctl help'", a.error);
	case ARGS_OK:
	default:
		break;
	}
	if (o->file)
		min = 0;
	if (a.operands < min || a.operands > c->max - (o->file ? 1 : 0))
		return say(EXIT_WRONG, c->name, "usage: fwctl %s %s%s", c->name, c->synopsis,
			   strchr(c->options, 'f') ? ", or fwctl ban -f FILE [SECONDS]" : "");
	o->operand = a.operand;
	o->operands = a.operands;
	return EXIT_DONE;
}

static int run(const struct command *c, const struct options *o)
{
	static struct config cfg; /* large */
	struct config_error err;
	int code;

	if (c->settings && config_load((const char *const *)environ, NULL, 0, reload_read_secret, &cfg, &err) < 0)
		return say(EXIT_CONFIG, "config", "%s", err.text);
	code = c->run(o, &cfg);
	if (c->settings)
		config_free(&cfg);
	return code;
}

int main(int argc, char **argv)
{
	const struct command *c = NULL;
	struct options o = {0};
	int code;

	if (argc < 2)
		return say(EXIT_WRONG, "", "no command; `fwctl help' lists them");
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help();
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			c = &commands[i];
	if (!c)
		return unknown(argv[1]);
	code = read_options(c, argc - 1, argv + 1, &o);
	if (code != EXIT_DONE)
		return code < 0 ? EXIT_DONE : code;
	code = run(c, &o);
	if (fflush(stdout) != 0)
		return say(EXIT_NOT_DONE, c->name, "cannot write: %s", strerror(errno));
	return code;
}
