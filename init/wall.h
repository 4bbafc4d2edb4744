/*
 * The packet filter as PID 1 keeps it: one session, which owns the table where the kernel can; what this kernel can do,
 * found out once; and a watch on the rules, which puts right what somebody else changed.
 */
#pragma once

#include "../firewall/bans.h"
#include "../firewall/firewall.h"
#include "../firewall/probe.h"
#include "never.h"

/* Default drop, at once. */
int wall_close(struct fw_error *err);
/* After it, once: the session, the probe (some 20 ms), the watch. Needs the loop. Nothing if nothing is filtered. */
void wall_prepare(void);
/* The full set of rules: the policy of the settings, with what the kernel can do and the gateways as exempt. */
int wall_open(const struct fw_policy *policy, struct fw_error *err);
int wall_remove(struct fw_error *err);

/*
 * One ban, by the session, since nobody else may write to the table: 60 us. What touches banned networks, and each
 * unban, has to look at those first: 1.5 ms if they are 2,000, 20 ms if 10,000. Of one that is not possible `why`
 * (NEVER_WHY bytes) says who, why and what to do. -EINVAL, -EACCES: as never_check(); -EAGAIN: the public ports are not
 * open; or what the kernel says.
 */
int wall_ban(const struct fw_ban *ban, char *why, size_t size);
/* 0 also if nothing of it was banned. */
int wall_unban(const struct fw_prefix *who, char *why, size_t size);

/* Some, of an earlier run: what is not possible is left out. */
struct wall_restored {
	size_t done, refused;
	bool failed;	     /* the kernel did not take all that was possible */
	char why[NEVER_WHY]; /* of a failure, or of the first refusal */
};
void wall_ban_again(const struct fw_ban *bans, size_t n, struct wall_restored *out);

/* The public ports are open, and there are sets for bans. */
bool wall_has_bans(void);
/* Called when that has become so, and when a repair may have cost them. */
void wall_on_empty(void (*told)(void));

/* NULL: not known yet. */
const struct fw_probe *wall_probe(void);
/* How often others changed our rules since the start, and how often they were put right. */
struct wall_tampering {
	unsigned seen, repaired;
	char last[64]; /* the process, as the kernel named it; "" */
};
const struct wall_tampering *wall_tampering(void);
