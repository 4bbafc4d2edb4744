/* zctl: the client of zimbra-init. This file is the table of its commands. */
#include "commands.h"
#include "text.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

const struct command commands[] = {
	{"status", cmd_status, "[--json]", "Show the state, the stage, services, firewall and warnings",
	 "The exit status is 0 whatever the state is; for a yes or no ask `zctl health'.\n"},
	{"stages", cmd_stages, "[--json]", "Show the stages of the boot and how long each took", ""},
	{"config", cmd_config, "[--json] [NAME...]", "Show every setting, its value and where it came from",
	 "With names, only those, each with what it does. Secrets are never shown. RELOAD\n"
	 "tells which settings `zctl reload' can change; the others need a restart of the\n"
	 "container.\n"},
	{"firewall", cmd_firewall, "[--json] [rules]", "Show the open ports, the admin ports and the counters",
	 "  rules   our table as the kernel has it, in the language of nft\n"},
	{"ban", cmd_ban, "[--json] ADDRESS|NETWORK [SECONDS]", "Drop all that comes from an address or network",
	 "For 3600 seconds unless told otherwise, `-' or `forever' for good; a ban of who is\n"
	 "banned already counts from now. The addresses of this container, its gateway, and\n"
	 "what is in FIREWALL_NODE, FIREWALL_TRUSTED or FIREWALL_NEVER_BAN cannot be banned\n"
	 "(exit status 4).\n"},
	{"unban", cmd_unban, "[--json] ADDRESS|NETWORK", "Let an address or network in again",
	 "All of it: addresses in a network, too, and out of a larger one only this part. No\n"
	 "error if it is not banned, or no longer.\n"},
	{"bans", cmd_bans, "[--json]", "Show who is banned and for how long", ""},
	{"log", cmd_log, "[--json] [-f] [-n N]", "Print the log of PID 1",
	 "  -f, --follow    go on with new lines until Ctrl-C (exit status 130)\n"
	 "  -n, --lines N   only the last N lines; -f alone begins with the last 10\n"
	 "      --json      one object for each line: time, tag, text\n"},
	{"shell", cmd_shell, "[[-u] USER]", "Open a login shell in the jail, as root or as USER",
	 "`zctl shell zimbra' is where Zimbra's own commands work. There is no --json here.\n"},
	{"exec", cmd_exec, "[-u USER] [--] COMMAND [ARGUMENT...]", "Run a command in the jail, as root or as USER",
	 "  -u, --user USER   with USER's login environment, e.g. -u zimbra zmcontrol status\n"
	 "\n"
	 "The exit status is the command's; 128+n if signal n ended it, 126 if it cannot be\n"
	 "executed, 127 if there is none of that name, 125 if the jail could not be entered,\n"
	 "1 if there is no jail yet. There is no --json here.\n"},
	{"health", cmd_health, "[--json] [--live | --ready | --startup]", "Tell whether the container is healthy",
	 "  --live      PID 1 answers and has not given up (the default)\n"
	 "  --ready     mail can be delivered and read\n"
	 "  --startup   the boot is over\n"
	 "\n"
	 "Exit status 0 or 1; 1 also where PID 1 does not answer within two seconds. Silent\n"
	 "when healthy, unless on a terminal.\n"},
	{"reload", cmd_reload, "[--json]", "Read the settings again and apply what can change now",
	 "Reads zimbra.conf and NAME_FILE files; the environment of a container never changes.\n"},
	{"stop", cmd_stop, "[--json] [--wait]", "Stop Zimbra and then the container, as `docker stop' does",
	 "  --wait   return when Zimbra is down and PID 1 ends the rest; 1 if it still runs\n"
	 "           half a minute after the time that it gave itself\n"},
	{"version", cmd_version, "[--json]", "Show the versions of zctl and of PID 1", ""},
	{"help", cmd_help, "[COMMAND]", "Show this list, or more about one command", ""},
};
const size_t command_count = ARRAY_SIZE(commands);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* A descriptor of ours must never become somebody's stdin: 0, 1 and 2 are always open. */
static void open_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_NOCTTY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

/* zctl --json status is zctl status --json, so that a script can say it once for all. */
static char **json_last(int *argc, char **argv, char **status)
{
	if (*argc < 2 || strcmp(argv[1], "--json") != 0)
		return argv;
	status[2] = argv[1];
	if (*argc == 2) {
		*argc = 3;
		return status;
	}
	argv[1] = argv[2];
	argv[2] = status[2];
	return argv;
}

static const struct command *choose(const char *word)
{
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		word = "help";
	else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
		word = "version";
	return command_find(word);
}

int main(int argc, char **argv)
{
	char name[] = "status", *status[] = {name, name, NULL, NULL};

	open_standard_descriptors();
	text_setup();
	argv = json_last(&argc, argv, status);
	if (argc < 2) {
		argv = status;
		argc = 2;
	}
	const struct command *c = choose(argv[1]);
	if (!c)
		return command_unknown(argv[1]);
	int exit_code = c->run(argc - 1, argv + 1);
	if (fflush(stdout) == 0)
		return exit_code;
	(void)fprintf(stderr, "zctl: cannot write: %s\n", strerror(errno));
	return exit_code == EXIT_YES ? EXIT_FAILED : exit_code;
}
