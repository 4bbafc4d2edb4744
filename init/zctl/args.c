#include "args.h"

#include <stdio.h>
#include <string.h>

enum { NAME_LONGEST = 32 };

static const struct arg_option *find_long(const struct args *a, const char *name, size_t len)
{
	for (size_t i = 0; i < a->options; i++)
		if (strlen(a->option[i].name) == len && strncmp(a->option[i].name, name, len) == 0)
			return &a->option[i];
	return NULL;
}

static const struct arg_option *find_letter(const struct args *a, char letter)
{
	for (size_t i = 0; i < a->options; i++)
		if (a->option[i].letter && a->option[i].letter == letter)
			return &a->option[i];
	return NULL;
}

/* --name, --name=VALUE, --name VALUE. Returns how many words were used, 0: error. */
static int parse_long(struct args *a, const char *word, const char *next)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct arg_option *o = find_long(a, word + 2, len - 2);

	if (!o) {
		(void)snprintf(a->error, sizeof(a->error), "unknown option `%.*s'", (int)(len < 64 ? len : 64), word);
		return 0;
	}
	if (o->flag) {
		*o->flag = true;
		if (!equals)
			return 1;
		(void)snprintf(a->error, sizeof(a->error), "option `--%s' takes no value", o->name);
		return 0;
	}
	if (!equals && !next) {
		(void)snprintf(a->error, sizeof(a->error), "option `--%s' needs a value", o->name);
		return 0;
	}
	*o->value = equals ? equals + 1 : next;
	return equals ? 1 : 2;
}

/* -f, -n VALUE, -nVALUE, -fn VALUE. Returns how many words were used, 0: error. */
static int parse_letters(struct args *a, const char *word, const char *next)
{
	for (const char *l = word + 1; *l; l++) {
		const struct arg_option *o = find_letter(a, *l);

		if (!o) {
			(void)snprintf(a->error, sizeof(a->error), "unknown option `-%c'", *l);
			return 0;
		}
		if (o->flag) {
			*o->flag = true;
			continue;
		}
		if (!l[1] && !next) {
			(void)snprintf(a->error, sizeof(a->error), "option `-%c' needs a value", *l);
			return 0;
		}
		*o->value = l[1] ? l + 1 : next;
		return l[1] ? 1 : 2;
	}
	return 1;
}

enum args_result args_parse(struct args *a, int argc, char **argv)
{
	bool options = true;
	int kept = 1;

	a->operand = argv + 1;
	a->operands = 0;
	for (int i = 1; i < argc;) {
		const char *word = argv[i];

		if (options && strcmp(word, "--") == 0) {
			options = false;
			i++;
			continue;
		}
		if (options && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0))
			return ARGS_HELP;
		if (options && word[0] == '-' && word[1]) {
			const char *next = i + 1 < argc ? argv[i + 1] : NULL;
			int used = word[1] == '-' ? parse_long(a, word, next) : parse_letters(a, word, next);
			if (used == 0)
				return ARGS_ERROR;
			i += used;
			continue;
		}
		if (a->command_follows)
			options = false;
		argv[kept++] = argv[i++];
		if (++a->operands > a->max_operands) {
			(void)snprintf(a->error, sizeof(a->error), "unexpected argument `%.64s'", word);
			return ARGS_ERROR;
		}
	}
	/* What was moved leaves copies behind it; a command line that is handed on must end here. */
	argv[kept] = NULL;
	return ARGS_OK;
}

bool args_number(const char *s, long min, long max, long *out)
{
	long n = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		if (n > (max - (*s - '0')) / 10)
			return false;
		n = n * 10 + (*s - '0');
	}
	if (n < min)
		return false;
	*out = n;
	return true;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Damerau's distance in its simple form (optimal string alignment): three rows of the matrix are alive at a time. */
size_t args_distance(const char *a, const char *b)
{
	size_t before[NAME_LONGEST + 1] = {0}, last[NAME_LONGEST + 1], row[NAME_LONGEST + 1];
	size_t m = strlen(a), n = strlen(b);

	if (m > NAME_LONGEST || n > NAME_LONGEST)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		last[j] = j;
	for (size_t i = 1; i <= m; i++) {
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			row[j] = least(last[j] + 1, row[j - 1] + 1);
			row[j] = least(row[j], last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		(void)memcpy(before, last, sizeof(before));
		(void)memcpy(last, row, sizeof(last));
	}
	return last[n];
}

bool args_closer(const char *typed, const char *name, size_t *best)
{
	size_t len = strlen(typed);
	/* "stat" for status, "fire" for firewall: a start of three letters says more than a distance. */
	size_t d = len >= 3 && strncmp(typed, name, len) == 0 ? 0 : args_distance(typed, name);

	if (d > len / 3 + 1 || d >= *best || d >= strlen(name))
		return false;
	*best = d;
	return true;
}
