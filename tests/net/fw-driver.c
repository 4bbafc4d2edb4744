/*
 * The library from a command line, for tests/net. Prints JSON lines: what it read, or what failed.
 *
 *   fw-driver [--repeat N] close | open [OPTION…] | read | remove | bad element|expression|overlap|many
 *   OPTION: --tcp LIST  --udp LIST  --admin-from LIST  --admin-public
 *
 * Exit code: 0, 1 with the error as JSON, 2 for its own command line.
 * `bad` sends a complete, valid table and, in the same transaction, a message that the kernel has to refuse (or many).
 */
#include "../../firewall/internal.h"

#include <errno.h>
#include <getopt.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static double now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Of text that the library made: printable, but quotes occur. */
static void print_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		putchar(*s);
	}
	putchar('"');
}

static void print_ranges(const char *name, const struct fw_ranges *list)
{
	printf("\"%s\": [", name);
	for (size_t i = 0; i < list->n; i++)
		printf("%s[%u, %u]", i ? ", " : "", list->v[i].first, list->v[i].last);
	printf("], ");
}

static void print_state(const struct fw_state *s)
{
	char text[FW_PREFIX_STRLEN];

	printf("{\"mode\": \"%s\", \"owner\": %u, \"generation\": %u, \"truncated\": %s, ", fw_mode_name(s->mode),
	       s->owner, s->generation, s->truncated ? "true" : "false");
	print_ranges("public_tcp", &s->policy.public_tcp);
	print_ranges("public_udp", &s->policy.public_udp);
	printf("\"admin_public\": %s, \"admin_from\": [", s->policy.admin_public ? "true" : "false");
	for (size_t i = 0; i < s->policy.admin_from.n; i++)
		printf("%s\"%s\"", i ? ", " : "", fw_prefix_format(&s->policy.admin_from.v[i], text, sizeof(text)));
	printf("], \"counters\": {");
	for (size_t i = 0; i < s->counters; i++)
		printf("%s\"%s\": [%llu, %llu]", i ? ", " : "", s->counter[i].name,
		       (unsigned long long)s->counter[i].packets, (unsigned long long)s->counter[i].bytes);
	printf("}}\n");
}

static int report(int r, const struct fw_error *e)
{
	char line[512];

	if (r == 0)
		return 0;
	printf("{\"error\": %d, \"err\": %d, \"what\": ", r, e->err);
	print_string(e->what);
	printf(", \"detail\": ");
	print_string(e->detail);
	printf(", \"text\": ");
	print_string(fw_error_text(e, line, sizeof(line)));
	printf("}\n");
	return 1;
}

static void bad_element(struct fw_txn *t)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWSETELEM, NLM_F_CREATE, "elements of set", "nonesuch");

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, "nonesuch");
	mnl_attr_nest_end(nlh, mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS));
	fw_txn_add(t, nlh);
}

static void bad_expression(struct fw_txn *t)
{
	struct nlmsghdr *nlh = fw_txn_msg(t, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, "rule", "bad");
	struct nlattr *list, *elem;

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, FW_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, FW_CHAIN);
	list = mnl_attr_nest_start(nlh, NFTA_RULE_EXPRESSIONS);
	elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	mnl_attr_put_strz(nlh, NFTA_EXPR_NAME, "notpresent");
	mnl_attr_nest_end(nlh, elem);
	mnl_attr_nest_end(nlh, list);
	fw_txn_add(t, nlh);
}

static void bad_overlap(struct fw_txn *t)
{
	struct fw_interval iv[] = {
		fw_interval_of_range((struct fw_range){10, 20}),
		fw_interval_of_range((struct fw_range){15, 30}),
	};

	fw_set_intervals(t, "overlap", FW_KEY_PORT, iv, 2);
}

static int bad(const char *kind, struct fw_error *e)
{
	_cleanup_(fw_txn_free) struct fw_txn t;
	int r = fw_txn_begin(&t);

	if (r == 0)
		r = fw_table_build(&t, NULL, e);
	if (r < 0)
		return r;
	if (strcmp(kind, "element") == 0)
		bad_element(&t);
	else if (strcmp(kind, "many") == 0)
		for (int i = 0; i < 60; i++)
			bad_element(&t);
	else if (strcmp(kind, "expression") == 0)
		bad_expression(&t);
	else
		bad_overlap(&t);
	return fw_txn_commit(&t, e);
}

static int usage(const char *why)
{
	fprintf(stderr, "fw-driver: %s\n", why);
	return 2;
}

static int run(const char *command, const char *argument, const struct fw_policy *policy)
{
	struct fw_error e = {0};
	struct fw_state s;
	int r;

	if (strcmp(command, "close") == 0)
		return report(fw_close(&e), &e);
	if (strcmp(command, "open") == 0)
		return report(fw_open(policy, &e), &e);
	if (strcmp(command, "remove") == 0)
		return report(fw_remove(&e), &e);
	if (strcmp(command, "bad") == 0 && argument)
		return report(bad(argument, &e), &e);
	if (strcmp(command, "read") != 0)
		return usage("unknown command");
	r = fw_read(&s, &e);
	if (r == 0)
		print_state(&s);
	return report(r, &e);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"tcp", required_argument, NULL, 't'},	      {"udp", required_argument, NULL, 'u'},
		{"admin-from", required_argument, NULL, 'a'}, {"admin-public", no_argument, NULL, 'p'},
		{"repeat", required_argument, NULL, 'r'},     {0},
	};
	struct fw_policy policy = {0};
	unsigned long repeat = 0;
	double slowest = 0, total = 0;
	int c, r = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		int parsed = 0;

		switch (c) {
		case 't':
			parsed = fw_ports_parse(optarg, strlen(optarg), &policy.public_tcp);
			break;
		case 'u':
			parsed = fw_ports_parse(optarg, strlen(optarg), &policy.public_udp);
			break;
		case 'a':
			parsed = fw_prefixes_parse(optarg, strlen(optarg), &policy.admin_from);
			break;
		case 'p':
			policy.admin_public = true;
			break;
		case 'r':
			repeat = strtoul(optarg, NULL, 10);
			break;
		default:
			return usage("unknown option");
		}
		if (parsed < 0)
			return usage(optarg);
	}
	if (optind == argc)
		return usage("no command");
	for (unsigned long i = 0; (i < repeat || i == 0) && r == 0; i++) {
		double began = now_us(), took;

		r = run(argv[optind], argv[optind + 1], &policy);
		took = now_us() - began;
		total += took;
		slowest = took > slowest ? took : slowest;
	}
	if (r == 0 && repeat > 0)
		printf("{\"calls\": %lu, \"mean_us\": %.0f, \"slowest_us\": %.0f}\n", repeat, total / (double)repeat,
		       slowest);
	return r;
}
