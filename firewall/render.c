/* Rules in nft's language. The same text for what was meant and for what the kernel has; pure. */
#include "build.h"
#include "internal.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static void put_fields(FILE *f, const struct fw_stmt *s)
{
	for (size_t i = 0; i < s->fields; i++)
		fprintf(f, "%s%s", i ? " . " : "", fw_fields[s->field[i]].name);
	if (s->masked) {
		fputs(" & ", f);
		fw_render_value(f, s->field[0], s->mask, true);
	}
}

static bool is_state(const struct fw_stmt *s)
{
	static const uint8_t none[4];

	return s->field[0] == FW_CT_STATE && s->masked && s->invert && s->count == 1 && memcmp(s->value, none, 4) == 0;
}

static void put_match(FILE *f, const struct fw_stmt *s)
{
	const char *is = s->masked ? " == " : " ";

	if (is_state(s)) {
		fprintf(f, "%s ", fw_fields[s->field[0]].name);
		fw_render_value(f, s->field[0], s->mask, false);
		return;
	}
	put_fields(f, s);
	if (s->count == 0) {
		fprintf(f, "%s@%s", s->invert ? " != " : " ", s->name);
		return;
	}
	fputs(s->invert ? " != " : is, f);
	if (s->count > 1)
		fputs("{ ", f);
	for (size_t i = 0; i < s->count; i++) {
		if (i)
			fputs(", ", f);
		fw_render_value(f, s->field[0], s->value + i * s->len, false);
	}
	if (s->count > 1)
		fputs(" }", f);
}

static void put_limit(FILE *f, const struct fw_stmt *s, bool over)
{
	fprintf(f, "limit rate %s%u/second burst %u packets", over ? "over " : "", s->rate, s->burst);
}

static void put_meter(FILE *f, const struct fw_stmt *s)
{
	fprintf(f, "%s @%s { ", s->refresh ? "update" : "add", s->name);
	put_fields(f, s);
	if (s->rate) {
		fputc(' ', f);
		put_limit(f, s, true);
	} else if (s->connections) {
		fprintf(f, " ct count over %u", s->connections);
	}
	fputs(" }", f);
}

static void put_stmt(FILE *f, const struct fw_stmt *s)
{
	switch ((enum fw_stmt_kind)s->kind) {
	case FW_MATCH:
		put_match(f, s);
		break;
	case FW_LIMIT:
		put_limit(f, s, s->invert);
		break;
	case FW_COUNT:
		fprintf(f, "counter name \"%s\"", s->name);
		break;
	case FW_METER:
		put_meter(f, s);
		break;
	case FW_NOTRACK:
		fputs("notrack", f);
		break;
	case FW_SET_MARK:
		fprintf(f, "ct mark set ct mark | 0x%08x", s->mark);
		break;
	case FW_LOG:
		fprintf(f, "log prefix \"%s\" group %u", s->name, s->group);
		break;
	case FW_REJECT:
		fputs("reject with tcp reset", f);
		break;
	case FW_ACCEPT:
		fputs("accept", f);
		break;
	case FW_DROP:
		fputs("drop", f);
		break;
	case FW_RETURN:
		fputs("return", f);
		break;
	case FW_JUMP:
		fprintf(f, "jump %s", s->name);
		break;
	case FW_GOTO:
		fprintf(f, "goto %s", s->name);
		break;
	case FW_UNKNOWN:
	default:
		fprintf(f, "# %s (not understood)", s->name);
		break;
	}
}

static bool tells(const struct fw_stmt *s, enum fw_field what, uint8_t value)
{
	for (size_t i = 0; i < s->fields; i++) {
		const struct fw_field_info *info = &fw_fields[s->field[i]];

		if ((what == FW_NFPROTO ? info->family : info->protocol) == value)
			return true;
	}
	return false;
}

/* nft says neither family nor protocol where the field that comes next does. */
static bool is_implied(const struct fw_rule *r, size_t at)
{
	const struct fw_stmt *s = &r->stmt[at];
	enum fw_field what = s->field[0];

	if (s->kind != FW_MATCH || s->count != 1 || s->invert || s->masked ||
	    (what != FW_NFPROTO && what != FW_L4PROTO))
		return false;
	at++;
	if (what == FW_NFPROTO && at < r->n && r->stmt[at].kind == FW_MATCH && r->stmt[at].field[0] == FW_L4PROTO)
		at++;
	return at < r->n && tells(&r->stmt[at], what, s->value[0]);
}

static void put_rule(FILE *f, const struct fw_rule *r)
{
	bool more = false;

	for (size_t i = 0; i < r->n; i++) {
		if (is_implied(r, i))
			continue;
		if (more)
			fputc(' ', f);
		put_stmt(f, &r->stmt[i]);
		more = true;
	}
}

const char *fw_render_rule(const struct fw_rule *rule, char *buf, size_t size)
{
	FILE *f = fmemopen(buf, size, "w");

	buf[0] = '\0';
	if (f) {
		put_rule(f, rule);
		(void)fclose(f);
		buf[size - 1] = '\0';
	}
	return buf;
}

static void put_elements(FILE *f, const struct fw_set *s)
{
	fputs("\t\telements = { ", f);
	for (size_t i = 0; i < s->n; i++) {
		if (i)
			fputs(i % 4 ? ", " : ",\n\t\t\t     ", f);
		fw_render_interval(f, s->key[0], &s->iv[i]);
	}
	fputs(" }\n", f);
}

static void put_set(FILE *f, const struct fw_set *s)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} flags[] = {{NFT_SET_INTERVAL, "interval"}, {NFT_SET_EVAL, "dynamic"}, {NFT_SET_TIMEOUT, "timeout"}};
	bool more = false;

	fprintf(f, "\tset %s {\n\t\ttype ", s->name);
	for (size_t i = 0; s->key[i] != FW_KEY_NONE; i++)
		fprintf(f, "%s%s", i ? " . " : "", fw_key_name(s->key[i]));
	fputc('\n', f);
	if (s->size)
		fprintf(f, "\t\tsize %u\n", s->size);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!(s->flags & flags[i].flag))
			continue;
		fprintf(f, "%s%s", more ? "," : "\t\tflags ", flags[i].name);
		more = true;
	}
	if (more)
		fputc('\n', f);
	if (s->timeout)
		fprintf(f, "\t\ttimeout %us\n", s->timeout);
	if (!s->state && s->n)
		put_elements(f, s);
	fputs("\t}\n\n", f);
}

static const char *hook_name(uint32_t hook)
{
	switch (hook) {
	case NF_INET_PRE_ROUTING:
		return "prerouting";
	case NF_INET_LOCAL_IN:
		return "input";
	case NF_INET_FORWARD:
		return "forward";
	case NF_INET_LOCAL_OUT:
		return "output";
	default:
		return "postrouting";
	}
}

static void put_chain(FILE *f, const struct fw_ruleset *rs, const struct fw_chain *c)
{
	fprintf(f, "\tchain %s {\n", c->name);
	if (c->base)
		fprintf(f, "\t\ttype %s hook %s priority %d; policy %s;\n", c->type, hook_name(c->hook), c->priority,
			c->policy == NF_DROP ? "drop" : "accept");
	for (size_t i = 0; i < rs->rules; i++) {
		if (strcmp(rs->rule[i].chain, c->name) != 0)
			continue;
		fputs("\t\t", f);
		put_rule(f, &rs->rule[i]);
		fputc('\n', f);
	}
	fputs("\t}\n", f);
}

char *fw_render(const struct fw_ruleset *rs)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fputs("table inet " FW_TABLE " {\n", f);
	for (size_t i = 0; i < rs->counters; i++)
		fprintf(f, "\tcounter %s {\n\t\tpackets %llu bytes %llu\n\t}\n\n", rs->counter[i].name,
			(unsigned long long)rs->counter[i].packets, (unsigned long long)rs->counter[i].bytes);
	for (size_t i = 0; i < rs->sets; i++)
		put_set(f, &rs->set[i]);
	for (size_t i = 0; i < rs->chains; i++) {
		put_chain(f, rs, &rs->chain[i]);
		fputs(i + 1 < rs->chains ? "\n" : "", f);
	}
	fputs("}\n", f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
