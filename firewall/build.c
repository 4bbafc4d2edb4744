/* From a policy to a rule set; pure. The rules themselves: build_raw.c, build_input.c. */
#include "build.h"

#include "internal.h"

#include <errno.h>

bool fw_has_socket(const struct fw_policy *p)
{
	return p->features.socket && p->features.socket_wildcard && p->features.notrack;
}

bool fw_has_limits(const struct fw_policy *p)
{
	/* Only what belongs to an established socket is counted, and conntrack has to take it in the middle. */
	return fw_has_socket(p) && p->features.tcp_loose;
}

bool fw_has_rate(const struct fw_policy *p)
{
	return fw_has_limits(p) && p->features.dynset_expr && p->limits.rate > 0;
}

bool fw_has_connections(const struct fw_policy *p)
{
	return fw_has_limits(p) && p->features.connlimit && p->limits.connections > 0;
}

static void chains(struct fw_build *b)
{
	if (!b->policy) {
		fw_build_closed(b);
		return;
	}
	fw_build_early(b);
	fw_build_raw(b);
	fw_build_answers(b);
	fw_build_input(b);
	fw_build_output(b);
}

int fw_build(const struct fw_policy *policy, struct fw_ruleset **out, struct fw_error *e)
{
	_cleanup_(fw_ruleset_free) struct fw_ruleset *rs = fw_ruleset_new();
	struct fw_build b = {.rs = rs, .policy = policy};
	int r;

	if (!rs)
		return fw_fail(e, -ENOMEM, "rules", "%s", "");
	r = fw_policy_sets(&b, e);
	if (r < 0)
		return r;
	chains(&b);
	if (b.err < 0)
		return fw_fail(e, b.err, "rules", "a table in the program is too small for them");
	*out = rs;
	rs = NULL;
	return 0;
}
