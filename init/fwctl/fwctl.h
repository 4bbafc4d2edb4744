/* What the files of fwctl share. One process, one command: nothing is kept between calls. */
#pragma once

#include "../../firewall/bans.h"
#include "../config.h"

enum { EXIT_DONE = 0, EXIT_NOT_DONE = 1, EXIT_WRONG = 2 }; /* EXIT_CONFIG: ../failure.h */

/* What the command line says; a command gets only the options that it names in the table (main.c). */
struct options {
	bool probe, host;
	const char *file;
	char **operand;
	size_t operands;
};

struct command {
	const char *name;
	int (*run)(const struct options *o, struct config *cfg);
	const char *options; /* letters of those that it takes: p --probe, h --host, f -f FILE */
	size_t min, max;     /* operands; of ban without -f */
	bool settings;	     /* it is made of the settings: they are read, and refused if they are wrong */
	const char *synopsis, *help;
};

int cmd_check(const struct options *o, struct config *cfg);
int cmd_print(const struct options *o, struct config *cfg);
int cmd_load(const struct options *o, struct config *cfg);
int cmd_close(const struct options *o, struct config *cfg);
int cmd_remove(const struct options *o, struct config *cfg);
int cmd_rules(const struct options *o, struct config *cfg);
int cmd_status(const struct options *o, struct config *cfg);
int cmd_ban(const struct options *o, struct config *cfg);
int cmd_unban(const struct options *o, struct config *cfg);
int cmd_bans(const struct options *o, struct config *cfg);

/* "fwctl: NAME: what", with a newline. Returns code. */
int say(int code, const char *name, const char *fmt, ...) PRINTF(3, 4);
/* What the library could not do, and what to do about it. Returns EXIT_NOT_DONE. */
int failed(const char *name, const struct fw_error *err);
