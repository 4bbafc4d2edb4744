/* The rule set that a policy becomes, against golden texts; and the comparison that the self-check relies on. */
#include "../../firewall/ports.h"
#include "../../firewall/rule.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants its friends first. */
#include <cmocka.h>

#include "golden.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void prefixes(const char *text, struct fw_prefixes *to)
{
	assert_int_equal(fw_prefixes_parse(text, strlen(text), to), 0);
}

static void ports(const char *text, struct fw_ranges *to)
{
	assert_int_equal(fw_ports_parse(text, strlen(text), to), 0);
}

static void usual(struct fw_policy *p)
{
	fw_policy_init(p);
	p->features = (struct fw_features){true, true, true, true, true, true, true, true, true};
	ports("25,80,110,143,443,465,587,993,995,5222,5223", &p->public_tcp);
}

static void all(struct fw_policy *p)
{
	p->public_tcp = (struct fw_ranges){0};
	ports("25,443,465,587,993,995,7000-7100", &p->public_tcp);
	ports("53,5000-5010", &p->public_udp);
	prefixes("192.0.2.0/24,2001:db8:1::/48", &p->admin_from);
	prefixes("10.0.0.0/8,192.168.0.0/16,fd00::/8", &p->local_from);
	prefixes("198.51.100.7,2001:db8:2::7", &p->peers);
	prefixes("203.0.113.0/25,203.0.113.128/25", &p->trusted);
	prefixes("203.0.113.9,2001:db8:3::/48", &p->never_ban);
	prefixes("172.17.0.1", &p->exempt);
	p->admin_public = true;
	p->reverse_path = FW_REVERSE_STRICT;
}

static void monitor(struct fw_policy *p)
{
	p->monitor = true;
}

static void logged(struct fw_policy *p)
{
	p->log = (struct fw_log){.rate = 10, .group = 5};
}

static void monitor_logged(struct fw_policy *p)
{
	monitor(p);
	logged(p);
}

static void six(struct fw_policy *p)
{
	prefixes("2001:db8:1::/48,::/0", &p->admin_from);
	prefixes("fd00::/8", &p->local_from);
	prefixes("2001:db8:2::/64,2001:db8:2:1::/64", &p->peers);
}

static void without_socket(struct fw_policy *p)
{
	p->features.socket = false;
}

static void without_fib(struct fw_policy *p)
{
	p->features.fib = false;
}

static void without_limits(struct fw_policy *p)
{
	p->limits = (struct fw_limits){0};
}

static void without_anything(struct fw_policy *p)
{
	p->features = (struct fw_features){0};
}

static void egress(struct fw_policy *p)
{
	p->egress = (struct fw_egress){.no_metadata = true, .no_smtp = true, .uids = 2, .uid = {89, 106}};
}

static const struct {
	const char *name;
	void (*change)(struct fw_policy *p);
} cases[] = {
	{"fw-open.nft", NULL},
	{"fw-all.nft", all},
	{"fw-monitor.nft", monitor},
	{"fw-log.nft", logged},
	{"fw-monitor-log.nft", monitor_logged},
	{"fw-ipv6.nft", six},
	{"fw-without-socket.nft", without_socket},
	{"fw-without-fib.nft", without_fib},
	{"fw-without-limits.nft", without_limits},
	{"fw-without-features.nft", without_anything},
	{"fw-egress.nft", egress},
};
enum { CASES = sizeof(cases) / sizeof(cases[0]) };

static struct fw_ruleset *build(const struct fw_policy *p)
{
	struct fw_ruleset *rs = NULL;
	struct fw_error e = {0};

	if (fw_build(p, &rs, &e) < 0)
		fail_msg("%s: %s", e.what, e.detail);
	return rs;
}

static struct fw_ruleset *built(size_t i)
{
	static struct fw_policy p;

	usual(&p);
	if (cases[i].change)
		cases[i].change(&p);
	return build(&p);
}

static void compare(const char *name, struct fw_ruleset *rs)
{
	char *text = fw_render(rs), path[128];
	char *expected;
	FILE *f;

	assert_non_null(text);
	/* To look at, and to take over if it is right. */
	(void)snprintf(path, sizeof(path), "build/%s", name);
	f = fopen(path, "we");
	if (f) {
		fputs(text, f);
		(void)fclose(f);
	}
	expected = golden(name);
	assert_string_equal(text, expected);
	free(expected);
	free(text);
	fw_ruleset_free(&rs);
}

static void test_closed(void **state)
{
	(void)state;
	compare("fw-closed.nft", build(NULL));
}

static void test_open(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++)
		compare(cases[i].name, built(i));
}

/* A chain that is jumped to has to be there, and a counter and a set as well: the kernel refuses the whole otherwise.
 */
static void test_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		struct fw_ruleset *rs = built(i);

		for (size_t r = 0; r < rs->rules; r++) {
			assert_non_null(fw_ruleset_chain(rs, rs->rule[r].chain));
			for (size_t k = 0; k < rs->rule[r].n; k++) {
				const struct fw_stmt *s = &rs->rule[r].stmt[k];

				if (s->kind == FW_JUMP || s->kind == FW_GOTO)
					assert_non_null(fw_ruleset_chain(rs, s->name));
				if (s->kind == FW_METER || (s->kind == FW_MATCH && s->count == 0))
					assert_non_null(fw_ruleset_set(rs, s->name));
			}
		}
		fw_ruleset_free(&rs);
	}
}

static void refused_by_nobody(const struct fw_ruleset *rs)
{
	for (size_t r = 0; r < rs->rules; r++)
		for (size_t k = 0; k < rs->rule[r].n; k++) {
			assert_int_not_equal(rs->rule[r].stmt[k].kind, FW_DROP);
			assert_int_not_equal(rs->rule[r].stmt[k].kind, FW_REJECT);
		}
	for (size_t c = 0; c < rs->chains; c++)
		if (rs->chain[c].base)
			assert_int_equal(rs->chain[c].policy, 1);
}

static void test_monitor_drops_nothing(void **state)
{
	static struct fw_policy p;
	struct fw_ruleset *rs;

	(void)state;
	usual(&p);
	all(&p);
	egress(&p);
	p.monitor = true;
	rs = build(&p);
	refused_by_nobody(rs);
	fw_ruleset_free(&rs);
	logged(&p);
	rs = build(&p);
	refused_by_nobody(rs);
	fw_ruleset_free(&rs);
}

static void differs(struct fw_ruleset *changed, const char *expected)
{
	struct fw_ruleset *meant = built(0);
	char why[160];

	assert_false(fw_same(meant, changed, why, sizeof(why)));
	assert_non_null(strstr(why, expected));
	fw_ruleset_free(&meant);
	fw_ruleset_free(&changed);
}

static void test_comparison(void **state)
{
	struct fw_ruleset *rs = built(0), *same = built(0);
	char why[160];

	(void)state;
	assert_true(fw_same(rs, same, why, sizeof(why)));
	assert_true(fw_ruleset_digest(rs) == fw_ruleset_digest(same));
	fw_ruleset_free(&same);
	rs->rule[5].stmt[0].value[0] ^= 1;
	differs(rs, "rule");
	rs = built(0);
	rs->rules--;
	differs(rs, "is missing");
	rs = built(0);
	rs->rule[rs->rules] = rs->rule[0];
	rs->rules++;
	differs(rs, "one rule more: iif \"lo\" accept");
	rs = built(0);
	rs->chain[0].priority++;
	differs(rs, "chain early");
	rs = built(0);
	fw_ruleset_set(rs, "public_tcp")->iv[0].last[1]++;
	assert_int_not_equal(fw_ruleset_digest(rs), 0);
	differs(rs, "set public_tcp has other elements");
	rs = built(0);
	fw_ruleset_set(rs, "ban4")->size--;
	differs(rs, "set ban4 is of another kind");
	rs = built(0);
	rs->sets--;
	differs(rs, "is missing");
	rs = built(0);
	rs->chain[rs->chains++] = (struct fw_chain){.name = "strange"};
	differs(rs, "chain strange is not ours");
}

static void test_ports(void **state)
{
	static const uint16_t peers[] = {25,   80,   110,  143,	 389,  443,  465,  587,	 636,  993,
					 995,  3443, 5222, 5223, 7025, 7047, 7071, 7072, 7073, 7110,
					 7143, 7171, 7993, 7995, 8080, 8443, 9071, 11211};
	size_t gated = 0;

	(void)state;
	for (size_t i = 0; i < fw_ports_count; i++) {
		if (i > 0)
			assert_true(fw_ports[i - 1].port < fw_ports[i].port);
		assert_ptr_equal(fw_port_find(fw_ports[i].port), &fw_ports[i]);
		gated += fw_ports[i].class == FW_PORT_GATED;
	}
	assert_int_equal(gated, FW_ADMIN_COUNT);
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++)
		assert_true(fw_port_find(peers[i])->peer);
	for (size_t i = 0; i < 5; i++)
		assert_true(fw_port_find((const uint16_t[]){80, 110, 143, 389, 636}[i])->local);
	assert_null(fw_port_find(22));
	assert_string_equal(fw_port_class_name(fw_port_find(7073)->class), "internal");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed),	   cmocka_unit_test(test_open),
		cmocka_unit_test(test_names),	   cmocka_unit_test(test_monitor_drops_nothing),
		cmocka_unit_test(test_comparison), cmocka_unit_test(test_ports),
	};

	return cmocka_run_group_tests_name("firewall: rules", tests, NULL, NULL);
}
