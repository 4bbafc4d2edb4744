/* fwctl ban, unban, bans. */
#include "../../firewall/probe.h"
#include "../zctl/args.h"
#include "fwctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	LONGEST = 10 * 365 * 86400, /* seconds: the kernel counts further, nobody else does */
	WORTH_A_PROBE = 1000,	    /* bans from which on it pays to ask what the kernel can do: some 20 ms */
};

struct list {
	struct fw_ban *v;
	size_t n, room;
};

static void free_list(struct list *l)
{
	free(l->v);
}
#define _cleanup_list_ __attribute__((cleanup(free_list)))

static int add(struct list *l, const struct fw_ban *ban)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 1024;
		struct fw_ban *v = reallocarray(l->v, room, sizeof(*v));

		if (!v)
			return -ENOMEM;
		l->v = v;
		l->room = room;
	}
	l->v[l->n++] = *ban;
	return 0;
}

static bool read_who(const char *word, size_t len, struct fw_prefix *who)
{
	return fw_prefix_parse(word, len, who) == 0;
}

static int bad_who(int code, const char *name, const char *where, const char *word, size_t len)
{
	return say(code, name,
		   "%s`%.*s' is neither an address nor a network; expected 192.0.2.7, 2001:db8::7, 192.0.2.0/24 "
		   "(no bits set after the prefix)",
		   where, (int)(len < 64 ? len : 64), word);
}

/* Either all lines are understood, or nobody is banned. */
static int read_lines(FILE *f, const char *path, uint64_t left_ms, struct list *l)
{
	_cleanup_free_ char *line = NULL;
	char where[128];
	size_t room = 0;
	ssize_t n;

	for (unsigned long number = 1; (n = getline(&line, &room, f)) >= 0; number++) {
		struct fw_ban ban = {.left_ms = left_ms};
		const char *word = line + strspn(line, " \t");
		size_t len = strcspn(word, " \t\r\n");

		if (len == 0 || *word == '#')
			continue;
		(void)snprintf(where, sizeof(where), "%.80s line %lu: ", path, number);
		if (word[len + strspn(word + len, " \t\r\n")] || strlen(line) != (size_t)n ||
		    !read_who(word, len, &ban.who))
			return bad_who(EXIT_NOT_DONE, "ban", where, word, strcspn(word, "\r\n"));
		if (add(l, &ban) < 0)
			return say(EXIT_NOT_DONE, "ban", "no memory");
	}
	if (ferror(f))
		return say(EXIT_NOT_DONE, "ban", "%s cannot be read: %s", path, strerror(errno));
	if (l->n == 0)
		return say(EXIT_NOT_DONE, "ban", "%s names nobody", path);
	return EXIT_DONE;
}

static int read_file(const char *path, uint64_t left_ms, struct list *l)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return say(EXIT_NOT_DONE, "ban", "%s cannot be opened: %s", path, strerror(errno));
	int code = read_lines(f, path, left_ms, l);
	(void)fclose(f);
	return code;
}

static int read_command_line(const struct options *o, struct list *l)
{
	const char *seconds = o->file ? (o->operands ? o->operand[0] : NULL) : o->operands == 2 ? o->operand[1] : NULL;
	struct fw_ban ban = {0};
	long s = 0;

	if (seconds && !args_number(seconds, 1, LONGEST, &s))
		return say(EXIT_WRONG, "ban",
			   "`%.64s' is not a time; expected whole seconds from 1 to %d, or nothing: "
			   "for good",
			   seconds, LONGEST);
	ban.left_ms = (uint64_t)s * 1000;
	if (o->file)
		return read_file(o->file, ban.left_ms, l);
	if (!read_who(o->operand[0], strlen(o->operand[0]), &ban.who))
		return bad_who(EXIT_WRONG, "ban", "", o->operand[0], strlen(o->operand[0]));
	return add(l, &ban) < 0 ? say(EXIT_NOT_DONE, "ban", "no memory") : EXIT_DONE;
}

int cmd_ban(const struct options *o, struct config *cfg)
{
	static struct fw_state state; /* large */
	_cleanup_list_ struct list list = {0};
	struct fw_session none = {0}; /* a socket for each call: the table stays nobody's */
	struct fw_ban_result result;
	struct fw_error err = {0};
	struct fw_probe probe;
	int code = read_command_line(o, &list);

	(void)cfg;
	if (code != EXIT_DONE)
		return code;
	/* Who must never be banned is what the rules in force say: gateways and FIREWALL_TRUSTED are part of it. */
	if (fw_read(&state, &err) < 0)
		return failed("ban", &err);
	if (state.mode == FW_ABSENT || state.mode == FW_CLOSED)
		return say(EXIT_NOT_DONE, "ban", "%s: there is no list of bans; first `fwctl load'",
			   state.mode == FW_ABSENT ? "nothing is filtered here" : "all is shut");
	if (list.n >= WORTH_A_PROBE && state.owner == 0)
		(void)fw_probe(&none, &probe, NULL);
	if (fw_ban_add(&none, list.v, list.n, &state.policy.never_ban, &result, &err) < 0)
		return failed("ban", &err);
	(void)printf("banned: %zu\n", result.done);
	if (result.refused)
		return say(EXIT_NOT_DONE, "ban", "%zu not banned; the first: %s", result.refused, result.why);
	return EXIT_DONE;
}

int cmd_unban(const struct options *o, struct config *cfg)
{
	struct fw_error err = {0};
	struct fw_prefix who;

	(void)cfg;
	if (!read_who(o->operand[0], strlen(o->operand[0]), &who))
		return bad_who(EXIT_WRONG, "unban", "", o->operand[0], strlen(o->operand[0]));
	if (fw_ban_del(NULL, &who, &err) < 0)
		return failed("unban", &err);
	(void)printf("not banned: %s\n", o->operand[0]);
	return EXIT_DONE;
}

static int take(const struct fw_ban *ban, void *data)
{
	struct list *l = data;

	if (ban)
		return add(l, ban);
	l->n = 0; /* it changed in between: once more */
	return 0;
}

int cmd_bans(const struct options *o, struct config *cfg)
{
	_cleanup_list_ struct list list = {0};
	struct fw_error err = {0};

	(void)o;
	(void)cfg;
	if (fw_ban_list(NULL, take, &list, &err) < 0)
		return failed("bans", &err);
	for (size_t i = 0; i < list.n; i++) {
		char who[FW_PREFIX_STRLEN];

		(void)printf("%s ", fw_prefix_format(&list.v[i].who, who, sizeof(who)));
		if (list.v[i].left_ms)
			(void)printf("%" PRIu64 "\n", (list.v[i].left_ms + 999) / 1000);
		else
			(void)puts("-");
	}
	return EXIT_DONE;
}
