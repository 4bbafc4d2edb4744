/* What zctl says about itself. */
#pragma once

#include "args.h"

/*
 * args_parse for a command of the table: prints its help (*exit_code 0) or the error (EXIT_USAGE) and returns false
 * if the command shall not run.
 */
bool args_read(struct args *a, const char *name, int argc, char **argv, int *exit_code);
