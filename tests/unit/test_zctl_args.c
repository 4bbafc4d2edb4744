/* The command line of zctl. */
#include "../../init/zctl/args.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { WORDS = 12 };

static bool follow, json;
static const char *lines;
static const struct arg_option options[] = {
	{"follow", 'f', &follow, NULL}, {"json", 0, &json, NULL}, {"lines", 'n', NULL, &lines}};

/* Parses "command" and the words, which end with NULL. */
static enum args_result parse(struct args *a, const char **words)
{
	static char *argv[WORDS + 2];
	static char copy[WORDS + 1][64];
	int argc = 0;

	follow = json = false;
	lines = NULL;
	argv[argc++] = copy[WORDS];
	for (size_t i = 0; words[i]; i++) {
		(void)snprintf(copy[i], sizeof(copy[i]), "%s", words[i]);
		argv[argc++] = copy[i];
	}
	argv[argc] = NULL;
	a->option = options;
	a->options = ARRAY_SIZE(options);
	return args_parse(a, argc, argv);
}

#define PARSE(a, ...) parse(a, (const char *[]){__VA_ARGS__, NULL})

static void forms(void **state)
{
	struct args a = {0};

	(void)state;
	assert_int_equal(PARSE(&a, "-f", "--json", "-n", "5"), ARGS_OK);
	assert_true(follow && json);
	assert_string_equal(lines, "5");
	assert_int_equal(PARSE(&a, "-fn5"), ARGS_OK);
	assert_true(follow);
	assert_string_equal(lines, "5");
	assert_int_equal(PARSE(&a, "--lines=7", "--follow"), ARGS_OK);
	assert_string_equal(lines, "7");
	assert_int_equal(PARSE(&a, "--lines", "-1"), ARGS_OK); /* a value is a value, whatever it looks like */
	assert_string_equal(lines, "-1");
	assert_int_equal(PARSE(&a, "--lines="), ARGS_OK);
	assert_string_equal(lines, "");
	assert_int_equal(PARSE(&a, "-f", "--help"), ARGS_HELP);
	assert_int_equal(PARSE(&a, "-h"), ARGS_HELP);
}

static void errors(void **state)
{
	struct args a = {0};

	(void)state;
	assert_int_equal(PARSE(&a, "--lins"), ARGS_ERROR);
	assert_string_equal(a.error, "unknown option `--lins'");
	assert_int_equal(PARSE(&a, "-x"), ARGS_ERROR);
	assert_string_equal(a.error, "unknown option `-x'");
	assert_int_equal(PARSE(&a, "--json=yes"), ARGS_ERROR);
	assert_string_equal(a.error, "option `--json' takes no value");
	assert_int_equal(PARSE(&a, "--lines"), ARGS_ERROR);
	assert_string_equal(a.error, "option `--lines' needs a value");
	assert_int_equal(PARSE(&a, "-fn"), ARGS_ERROR);
	assert_string_equal(a.error, "option `-n' needs a value");
	assert_int_equal(PARSE(&a, "thing"), ARGS_ERROR);
	assert_string_equal(a.error, "unexpected argument `thing'");
}

static void operands(void **state)
{
	struct args a = {.max_operands = 4};

	(void)state;
	assert_int_equal(PARSE(&a, "one", "--json", "--", "-f", "-"), ARGS_OK);
	assert_int_equal(a.operands, 3);
	assert_string_equal(a.operand[0], "one");
	assert_string_equal(a.operand[1], "-f");
	assert_string_equal(a.operand[2], "-");
	assert_null(a.operand[3]);
	assert_true(json);
	assert_false(follow);
}

/* What follows belongs to somebody else, options and `--' included. */
static void command_follows(void **state)
{
	struct args a = {.max_operands = SIZE_MAX, .command_follows = true};

	(void)state;
	assert_int_equal(PARSE(&a, "-f", "ls", "-f", "--", "--help", "--json"), ARGS_OK);
	assert_int_equal(a.operands, 5);
	assert_string_equal(a.operand[0], "ls");
	assert_string_equal(a.operand[1], "-f");
	assert_string_equal(a.operand[2], "--");
	assert_string_equal(a.operand[3], "--help");
	assert_null(a.operand[5]);
	assert_false(json);
	assert_int_equal(PARSE(&a, "--", "-f"), ARGS_OK);
	assert_int_equal(a.operands, 1);
	assert_string_equal(a.operand[0], "-f");
	assert_int_equal(PARSE(&a, "--", "--", "x"), ARGS_OK);
	assert_string_equal(a.operand[0], "--");
}

static void numbers(void **state)
{
	long n = -1;

	(void)state;
	assert_true(args_number("0", 0, 10, &n) && n == 0);
	assert_true(args_number("10", 0, 10, &n) && n == 10);
	assert_true(args_number("007", 0, 10, &n) && n == 7);
	assert_false(args_number("11", 0, 10, &n));
	assert_false(args_number("0", 1, 10, &n));
	assert_false(args_number("99999999999999999999999", 0, LONG_MAX, &n));
	static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1e3"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(args_number(bad[i], 0, 10, &n));
	assert_int_equal(n, 7);
}

static void distances(void **state)
{
	(void)state;
	assert_int_equal(args_distance("", ""), 0);
	assert_int_equal(args_distance("status", "status"), 0);
	assert_int_equal(args_distance("statsu", "status"), 1); /* swapped */
	assert_int_equal(args_distance("sttus", "status"), 1);
	assert_int_equal(args_distance("statuss", "status"), 1);
	assert_int_equal(args_distance("", "abc"), 3);
	assert_true(args_distance("a234567890123456789012345678901234567890", "a") == SIZE_MAX);
}

static const char *closest(const char *typed)
{
	static const char *const names[] = {"status", "stages", "stop", "shell", "log", "exec"};
	size_t best = SIZE_MAX;
	const char *name = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (args_closer(typed, names[i], &best))
			name = names[i];
	return name;
}

static void meant(void **state)
{
	(void)state;
	assert_string_equal(closest("statsu"), "status");
	assert_string_equal(closest("stat"), "status");
	assert_string_equal(closest("stgaes"), "stages");
	assert_string_equal(closest("logs"), "log");
	assert_string_equal(closest("execute"), "exec");
	assert_null(closest("frobnicate"));
	assert_null(closest(""));
	assert_null(closest("x"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),	   cmocka_unit_test(errors),  cmocka_unit_test(operands),
		cmocka_unit_test(command_follows), cmocka_unit_test(numbers), cmocka_unit_test(distances),
		cmocka_unit_test(meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
