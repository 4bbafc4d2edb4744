/*
 * The library from a command line, for tests/net. Prints JSON lines: what it read, or what failed.
 *
 *   fw-driver [--repeat N] close | open [OPTION…] | alternate [OPTION…] | read | text | remove |
 *                            bad element|expression|overlap|many
 *   OPTION: --tcp LIST  --udp LIST  --admin-from LIST  --admin-public  --local-from LIST  --peers LIST  --trusted LIST
 *           --never-ban LIST  --exempt LIST  --monitor  --limit NAME=N  --reverse off|loose|strict  --without FEATURE
 *           --log RATE:GROUP  --no-metadata  --no-smtp UID,UID
 * `alternate` closes and opens: each makes the table anew.
 * All features of this kernel are used unless --without says otherwise; `text` prints rules, not JSON.
 *
 * Exit code: 0, 1 with the error as JSON, 2 for its own command line.
 * `bad` sends a complete, valid table and, in the same transaction, a message that the kernel has to refuse (or many).
 */
#include "../../firewall/internal.h"
#include "../../firewall/rule.h"
#include "driver.h"

#include <errno.h>
#include <getopt.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void print_ranges(const char *name, const struct fw_ranges *list)
{
	printf("\"%s\": [", name);
	for (size_t i = 0; i < list->n; i++)
		printf("%s[%u, %u]", i ? ", " : "", list->v[i].first, list->v[i].last);
	printf("], ");
}

static void print_prefixes(const char *name, const struct fw_prefixes *list)
{
	char text[FW_PREFIX_STRLEN];

	printf("\"%s\": [", name);
	for (size_t i = 0; i < list->n; i++)
		printf("%s\"%s\"", i ? ", " : "", fw_prefix_format(&list->v[i], text, sizeof(text)));
	printf("], ");
}

static void print_state(const struct fw_state *s)
{
	printf("{\"reason\": ");
	print_string(s->reason);
	printf(", \"mode\": \"%s\", \"owner\": %u, \"generation\": %u, \"truncated\": %s, ", fw_mode_name(s->mode),
	       s->owner, s->generation, s->truncated ? "true" : "false");
	print_ranges("public_tcp", &s->policy.public_tcp);
	print_ranges("public_udp", &s->policy.public_udp);
	printf("\"admin_public\": %s, ", s->policy.admin_public ? "true" : "false");
	print_prefixes("admin_from", &s->policy.admin_from);
	print_prefixes("local_from", &s->policy.local_from);
	print_prefixes("peers", &s->policy.peers);
	print_prefixes("never_ban", &s->policy.never_ban);
	printf("\"fill\": {");
	for (size_t i = 0; i < s->fills; i++)
		printf("%s\"%s\": [%u, %u]", i ? ", " : "", s->fill[i].name, s->fill[i].used, s->fill[i].size);
	printf("}, \"counters\": {");
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
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, "input");
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
	struct fw_set s = {.name = "overlap", .key = {FW_KEY_PORT}, .flags = NFT_SET_INTERVAL, .iv = iv, .n = 2};

	fw_set_add(t, &s, NULL, 0);
}

static int bad(const char *kind, struct fw_error *e)
{
	_cleanup_(fw_ruleset_free) struct fw_ruleset *meant = NULL;
	_cleanup_(fw_txn_free) struct fw_txn t;
	int r = fw_txn_begin(&t);

	if (r == 0)
		r = fw_build(NULL, &meant, e);
	if (r < 0)
		return r;
	fw_table_build(&t, NULL, meant, NULL);
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

static int text(struct fw_error *e)
{
	char *t = NULL;
	int r = fw_rules_text(&t, e);

	if (r == 0)
		fputs(t, stdout);
	free(t);
	return r;
}

static int usage(const char *why)
{
	fprintf(stderr, "fw-driver: %s\n", why);
	return 2;
}

static int run(const char *command, const char *argument, const struct fw_policy *policy)
{
	static struct fw_state s;
	struct fw_error e = {0};
	int r;

	if (strcmp(command, "close") == 0)
		return report(fw_close(NULL, &e), &e);
	if (strcmp(command, "open") == 0)
		return report(fw_open(NULL, policy, &e), &e);
	if (strcmp(command, "alternate") == 0) {
		r = fw_close(NULL, &e);
		return report(r < 0 ? r : fw_open(NULL, policy, &e), &e);
	}
	if (strcmp(command, "remove") == 0)
		return report(fw_remove(NULL, &e), &e);
	if (strcmp(command, "text") == 0)
		return report(text(&e), &e);
	if (strcmp(command, "bad") == 0 && argument)
		return report(bad(argument, &e), &e);
	if (strcmp(command, "read") != 0)
		return usage("unknown command");
	r = fw_read(&s, &e);
	if (r == 0)
		print_state(&s);
	return report(r, &e);
}

static const struct {
	const char *name;
	size_t at;
} limits[] = {{"rate", offsetof(struct fw_limits, rate)},
	      {"burst", offsetof(struct fw_limits, burst)},
	      {"connections", offsetof(struct fw_limits, connections)},
	      {"handshakes", offsetof(struct fw_limits, handshakes)},
	      {"echo", offsetof(struct fw_limits, echo)},
	      {"fragments", offsetof(struct fw_limits, fragments)}},
  features[] = {{"socket", offsetof(struct fw_features, socket)},
		{"fib", offsetof(struct fw_features, fib)},
		{"dynset_expr", offsetof(struct fw_features, dynset_expr)},
		{"connlimit", offsetof(struct fw_features, connlimit)},
		{"notrack", offsetof(struct fw_features, notrack)},
		{"exthdr", offsetof(struct fw_features, exthdr)},
		{"tcp_loose", offsetof(struct fw_features, tcp_loose)}};

static int set_limit(const char *text, struct fw_limits *l)
{
	const char *is = strchr(text, '=');

	for (size_t i = 0; is && i < sizeof(limits) / sizeof(limits[0]); i++) {
		uint32_t n = (uint32_t)strtoul(is + 1, NULL, 10);

		if (strncmp(text, limits[i].name, (size_t)(is - text)) != 0)
			continue;
		memcpy((char *)l + limits[i].at, &n, sizeof(n));
		return 0;
	}
	return -EINVAL;
}

static int without(const char *text, struct fw_features *f)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (strcmp(text, features[i].name) != 0)
			continue;
		((char *)f)[features[i].at] = 0;
		return 0;
	}
	return -EINVAL;
}

static int set_reverse(const char *text, struct fw_policy *p)
{
	static const char *const names[] = {"off", "loose", "strict"};

	for (unsigned i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) != 0)
			continue;
		p->reverse_path = (enum fw_reverse_path)i;
		return 0;
	}
	return -EINVAL;
}

static int set_log(const char *text, struct fw_log *log)
{
	return sscanf(text, "%u:%hu", &log->rate, &log->group) == 2 ? 0 : -EINVAL;
}

static int set_smtp(const char *text, struct fw_egress *e)
{
	e->no_smtp = true;
	for (char *end; *text && e->uids < FW_UIDS_MAX; text = *end ? end + 1 : end)
		e->uid[e->uids++] = (uint32_t)strtoul(text, &end, 10);
	return 0;
}

static int option(int c, const char *arg, struct fw_policy *p)
{
	struct fw_prefixes *const lists[] = {
		['a'] = &p->admin_from, ['l'] = &p->local_from, ['P'] = &p->peers,
		['T'] = &p->trusted,	['n'] = &p->never_ban,	['e'] = &p->exempt,
	};

	switch (c) {
	case 't':
		return fw_ports_parse(arg, strlen(arg), &p->public_tcp);
	case 'u':
		return fw_ports_parse(arg, strlen(arg), &p->public_udp);
	case 'p':
		p->admin_public = true;
		return 0;
	case 'm':
		p->monitor = true;
		return 0;
	case 'M':
		p->egress.no_metadata = true;
		return 0;
	case 'L':
		return set_limit(arg, &p->limits);
	case 'w':
		return without(arg, &p->features);
	case 'R':
		return set_reverse(arg, p);
	case 'g':
		return set_log(arg, &p->log);
	case 's':
		return set_smtp(arg, &p->egress);
	case 'a':
	case 'l':
	case 'P':
	case 'T':
	case 'n':
	case 'e':
		return fw_prefixes_parse(arg, strlen(arg), lists[c]);
	default:
		return -EINVAL;
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"tcp", required_argument, NULL, 't'},	      {"udp", required_argument, NULL, 'u'},
		{"admin-from", required_argument, NULL, 'a'}, {"admin-public", no_argument, NULL, 'p'},
		{"local-from", required_argument, NULL, 'l'}, {"peers", required_argument, NULL, 'P'},
		{"trusted", required_argument, NULL, 'T'},    {"never-ban", required_argument, NULL, 'n'},
		{"exempt", required_argument, NULL, 'e'},     {"monitor", no_argument, NULL, 'm'},
		{"limit", required_argument, NULL, 'L'},      {"without", required_argument, NULL, 'w'},
		{"reverse", required_argument, NULL, 'R'},    {"log", required_argument, NULL, 'g'},
		{"no-metadata", no_argument, NULL, 'M'},      {"no-smtp", required_argument, NULL, 's'},
		{"repeat", required_argument, NULL, 'r'},     {0},
	};
	static struct fw_policy policy;
	unsigned long repeat = 0;
	double slowest = 0, total = 0;
	int c, r = 0;

	fw_policy_init(&policy);
	policy.features = (struct fw_features){true, true, true, true, true, true, true, true, true};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'r')
			repeat = strtoul(optarg, NULL, 10);
		else if (option(c, optarg, &policy) < 0)
			return usage(optarg ? optarg : "unknown option");
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
