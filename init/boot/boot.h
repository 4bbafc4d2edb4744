/* The stages that make the base system on the volume. */
#pragma once

#include "../stage.h"
#include "journal.h"

#define DATA_DIR  "/data"
#define STATE_DIR "app/.state" /* 0700, below the volume's root */

/*
 * What must be right about this container before anything is touched: looks only at the kernel (capabilities,
 * no_new_privs, limits, architecture, memory, namespaces), so PID 1 runs it itself, before stage "close".
 * 0, or -1 with every finding in one failure (each with its remedy).
 */
int preflight(const struct config *cfg, struct failure *f);

/* Stage "volume": look at /data; empty -> bootstrap with mmdebstrap; ours -> true; anything else is never touched. */
int volume_check(struct stage_ctx *ctx, struct failure *f);
int volume_bootstrap(struct stage_ctx *ctx, struct failure *f);

/* Stage "system": packages, apt sources, unattended-upgrades, locale, time zone. Runs the volume's programs only in the
 * jail. */
int system_check(struct stage_ctx *ctx, struct failure *f);
int system_configure(struct stage_ctx *ctx, struct failure *f);
