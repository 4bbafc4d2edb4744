/* The command line: options of one command, numbers, names that were nearly right. Pure. */
#pragma once

#include "../util.h"

struct arg_option {
	const char *name;   /* "follow" for --follow */
	char letter;	    /* 'f' for -f; 0: none */
	bool *flag;	    /* set by an option without a value, */
	const char **value; /* or this by one with */
};

enum args_result { ARGS_OK, ARGS_HELP, ARGS_ERROR };

struct args {
	const struct arg_option *option;
	size_t options;
	size_t max_operands;
	bool command_follows; /* options end at the first operand: the rest is somebody else's command line */
	char **operand;	      /* out: pointers into argv */
	size_t operands;      /* out */
	char error[160];      /* out */
};

/* argv[0] is skipped; operands are moved together in argv. */
enum args_result args_parse(struct args *a, int argc, char **argv);

/* A whole number in decimal, nothing before or after it. */
bool args_number(const char *s, long min, long max, long *out);

/* Letters to insert, drop, replace or swap with the neighbour to make b of a. SIZE_MAX: too long to be a name. */
size_t args_distance(const char *a, const char *b);

/* True if somebody who typed `typed` may have meant `name`. Smaller distances are better: keep *best, start at
 * SIZE_MAX. */
bool args_closer(const char *typed, const char *name, size_t *best);
