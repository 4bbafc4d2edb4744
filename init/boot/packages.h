/* Packages of the installed system, by its own apt in the jail. */
#pragma once

#include "../stage.h"
#include "suite.h"

/*
 * invoke-rc.d(8) asks /usr/sbin/policy-rc.d before it starts a service: ours says no (101) while packages are
 * installed, because a service is the supervisor's to start. Only a file of ours is ever removed. For stage "release"
 * too.
 */
int packages_policy(struct stage_ctx *ctx, bool present, struct failure *f);
bool packages_policy_stale(const struct stage_ctx *ctx); /* ours is there: an installation was interrupted */

/* Installs what the suite's list has and the system has not. Finishes an interrupted dpkg first. */
int packages_install_missing(struct stage_ctx *ctx, const struct os_suite *suite, struct failure *f);
