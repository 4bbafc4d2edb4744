/*
 * Who is never banned, and why, in words that name the setting. The rules let these through whatever the sets hold; a
 * ban of them would only look as if it did something.
 */
#pragma once

#include "../firewall/firewall.h"

enum { NEVER_WHY = 256 };

/*
 * Pure. in_force: never_ban, trusted and exempt of the policy as the kernel has it. own: addresses of this container.
 * 0, -EINVAL (nobody can be banned by that), -EACCES (never). why: NULL or NEVER_WHY bytes.
 */
int never_check(const struct fw_prefix *who, const struct fw_policy *in_force, const struct fw_prefixes *own, char *why,
		size_t size);

/* Adds the addresses of the interfaces of this network namespace, as far as there is room. */
void never_own(struct fw_prefixes *out);
