/* The commands of zctl: one prototype each, and what they all share. */
#pragma once

#include "../util.h"

/* zctl(8), EXIT STATUS. 64 is EX_USAGE of sysexits.h: 2 is reserved in Docker's HEALTHCHECK. */
enum {
	EXIT_YES = 0,
	EXIT_NO = 1,	      /* a negative answer: unhealthy, still running, the jail is not there, no such setting */
	EXIT_UNREACHABLE = 3, /* no PID 1 of ours answers */
	EXIT_DENIED = 4,
	EXIT_FAILED = 5, /* it answered that it cannot, or something that we do not understand */
	EXIT_USAGE = 64
};

/* argv[0] is the command's name. They return the exit code. */
int cmd_status(int argc, char **argv);
int cmd_stages(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_firewall(int argc, char **argv);
int cmd_ban(int argc, char **argv);
int cmd_unban(int argc, char **argv);
int cmd_bans(int argc, char **argv);
int cmd_log(int argc, char **argv);
int cmd_shell(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_health(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *synopsis; /* what follows the name */
	const char *summary;  /* one line */
	const char *details;  /* what `zctl help NAME` adds */
};

extern const struct command commands[];
extern const size_t command_count;

const struct command *command_find(const char *name); /* NULL: no such command */

/* "zctl: unknown command `x'" with the closest name that there is; EXIT_USAGE. */
int command_unknown(const char *name);
