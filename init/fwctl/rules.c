/* fwctl check, print, load, close, remove, rules, status. */
#include "../../firewall/probe.h"
#include "../../firewall/rule.h"
#include "../gateway.h"
#include "fwctl.h"

#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* All that the rules can use. */
static const struct fw_features everything = {.socket = true,
					      .socket_wildcard = true,
					      .fib = true,
					      .dynset_expr = true,
					      .connlimit = true,
					      .notrack = true,
					      .log = true,
					      .exthdr = true,
					      .tcp_loose = true};

static void free_rules(struct fw_ruleset **rs)
{
	fw_ruleset_free(rs);
}
#define _cleanup_rules_ __attribute__((cleanup(free_rules)))

/* What the settings leave open: the features, and who must be exempt. As wall.c does it. */
static int complete(const char *name, struct config *cfg, bool probe)
{
	struct fw_session none = {0}; /* a socket for each call: the table stays nobody's */
	struct fw_error err = {0};
	struct fw_probe p;

	if (config_num(cfg, CFG_ZIMBRA_FIREWALL) == FIREWALL_OFF)
		return say(EXIT_NOT_DONE, name,
			   "ZIMBRA_FIREWALL=off: there are no rules; leave it out, or `fwctl "
			   "remove' those in force");
	cfg->policy.features = everything;
	if (gateway_read(&cfg->policy.exempt) < 0)
		(void)say(0, name, "FIREWALL_NODE has so many networks that a gateway does not fit: it can be limited");
	if (cfg->admin_port_cut)
		(void)say(0, name,
			  "FIREWALL_ALLOW_TCP_PORTS_IN: 7071 and 9071 stay shut; FIREWALL_ADMIN_FROM opens "
			  "them for those that it names");
	if (!probe)
		return EXIT_DONE;
	if (fw_probe(&none, &p, &err) < 0)
		return failed(name, &err);
	for (int i = 0; i < FW_FEATURES; i++)
		if (!p.has[i])
			(void)say(0, name, "the kernel has no %s: %s", fw_feature_name((enum fw_feature)i), p.said[i]);
	if (p.nat)
		(void)say(0, name, "%s redirects what comes in: public ports are tracked", p.nat_what);
	fw_probe_features(&p, &cfg->policy.features);
	return EXIT_DONE;
}

static int build(const char *name, const struct config *cfg, struct fw_ruleset **rs)
{
	struct fw_error err = {0};

	return fw_build(&cfg->policy, rs, &err) < 0 ? failed(name, &err) : EXIT_DONE;
}

int cmd_check(const struct options *o, struct config *cfg)
{
	_cleanup_rules_ struct fw_ruleset *rs = NULL;
	int code = complete("check", cfg, false);

	(void)o;
	if (code == EXIT_DONE)
		code = build("check", cfg, &rs);
	if (code == EXIT_DONE)
		(void)printf("good: %zu rules, %zu sets, %zu chains\n", rs->rules, rs->sets, rs->chains);
	return code;
}

int cmd_print(const struct options *o, struct config *cfg)
{
	_cleanup_rules_ struct fw_ruleset *rs = NULL;
	int code = complete("print", cfg, o->probe);

	if (code == EXIT_DONE)
		code = build("print", cfg, &rs);
	if (code != EXIT_DONE)
		return code;
	_cleanup_free_ char *text = fw_render(rs);
	if (!text)
		return say(EXIT_NOT_DONE, "print", "no memory");
	/* nft adds to what is there: one transaction that makes the table anew. */
	(void)printf("table inet zimbra\ndelete table inet zimbra\n%s", text);
	return EXIT_DONE;
}

/* Whoever is on the host by ssh would lock himself out. */
static bool is_host(char *why, size_t size)
{
	struct if_nameindex *all = if_nameindex();
	const char *names[64];
	size_t n = 0;

	for (; all && n < ARRAY_SIZE(names) && all[n].if_name; n++)
		names[n] = all[n].if_name;
	bool host = fw_is_host(names, n, why, size);
	if (all)
		if_freenameindex(all);
	return host;
}

static bool refuse_host(const char *name, const struct options *o)
{
	char why[96];

	if (o->host || !is_host(why, sizeof(why)))
		return false;
	(void)say(0, name,
		  "this looks like the network of the host itself (%s): enter the container's (nsenter -n -t "
		  "PID), or say --host",
		  why);
	return true;
}

static double milliseconds(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

int cmd_load(const struct options *o, struct config *cfg)
{
	_cleanup_rules_ struct fw_ruleset *rs = NULL;
	struct fw_error err = {0};
	int code = refuse_host("load", o) ? EXIT_NOT_DONE : complete("load", cfg, true);

	if (code == EXIT_DONE)
		code = build("load", cfg, &rs);
	if (code != EXIT_DONE)
		return code;
	double begin = milliseconds();
	int r = fw_open(NULL, &cfg->policy, &err);
	double took = milliseconds() - begin;
	if (r < 0)
		return failed("load", &err);
	(void)printf("loaded: %zu rules in %.2f ms\n", rs->rules, took);
	return EXIT_DONE;
}

int cmd_close(const struct options *o, struct config *cfg)
{
	struct fw_error err = {0};

	(void)cfg;
	if (refuse_host("close", o))
		return EXIT_NOT_DONE;
	if (fw_close(NULL, &err) < 0)
		return failed("close", &err);
	(void)puts("closed");
	return EXIT_DONE;
}

int cmd_remove(const struct options *o, struct config *cfg)
{
	struct fw_error err = {0};

	(void)o;
	(void)cfg;
	if (fw_remove(NULL, &err) < 0)
		return failed("remove", &err);
	(void)puts("removed: nothing is filtered");
	return EXIT_DONE;
}

int cmd_rules(const struct options *o, struct config *cfg)
{
	_cleanup_free_ char *text = NULL;
	struct fw_error err = {0};

	(void)o;
	(void)cfg;
	if (fw_rules_text(&text, &err) < 0)
		return failed("rules", &err);
	if (!*text)
		return say(EXIT_NOT_DONE, "rules", "no table inet zimbra: nothing is filtered here; `fwctl load'");
	(void)fputs(text, stdout);
	return EXIT_DONE;
}

static void print_fills(const struct fw_state *s)
{
	for (size_t i = 0; i < s->fills; i++) {
		const struct fw_fill *f = &s->fill[i];

		if (f->used == 0)
			continue;
		(void)printf("set     %-20s ", f->name);
		if (f->used == UINT32_MAX)
			(void)printf("many");
		else
			(void)printf("%" PRIu32, f->used);
		(void)printf(" of %" PRIu32 "\n", f->size);
	}
}

int cmd_status(const struct options *o, struct config *cfg)
{
	static struct fw_state s; /* large */
	struct fw_error err = {0};

	(void)o;
	(void)cfg;
	if (fw_read(&s, &err) < 0)
		return failed("status", &err);
	(void)printf("mode    %s%s\n", fw_mode_name(s.mode), s.mode == FW_ABSENT ? ": nothing is filtered" : "");
	if (s.reason[0])
		(void)printf("reason  %s\n", s.reason);
	if (s.owner)
		(void)printf("owner   netlink port %" PRIu32 ": nobody else can change it\n", s.owner);
	for (size_t i = 0; i < s.counters; i++)
		if (s.counter[i].packets)
			(void)printf("counter %-20s %" PRIu64 " packets, %" PRIu64 " bytes\n", s.counter[i].name,
				     s.counter[i].packets, s.counter[i].bytes);
	print_fills(&s);
	return EXIT_DONE;
}
