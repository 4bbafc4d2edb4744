/* The table of stages, in order, and the two that PID 1 runs itself because they do not block: close and open. */
#include "boot/boot.h"
#include "boot/jail.h"
#include "log.h"
#include "stage.h"
#include "wall.h"
#include "zimbra/zimbra.h"

#define NET_ADMIN_REMEDY                                                                                               \
	"docker run --cap-add NET_ADMIN ...; Kubernetes: securityContext.capabilities.add: [NET_ADMIN] in the "        \
	"container; or ZIMBRA_FIREWALL=off if somebody else filters for this container"

static int firewall_failed(struct failure *f, const char *what, const struct fw_error *err)
{
	char text[256];

	if (err->err == -EPERM)
		return failure_set(f, FAILURE_FATAL, NET_ADMIN_REMEDY, "%s: %s", what,
				   fw_error_text(err, text, sizeof(text)));
	return failure_set(f, FAILURE_RETRY,
			   "the kernel needs nf_tables (modprobe nf_tables nft_ct on the host); or ZIMBRA_FIREWALL=off",
			   "%s: %s", what, fw_error_text(err, text, sizeof(text)));
}

static int close_all(struct stage_ctx *ctx, struct failure *f)
{
	struct fw_error err = {0};

	if (!config_on(ctx->cfg, CFG_ZIMBRA_FIREWALL)) {
		log_warn(ctx->name, "ZIMBRA_FIREWALL=off: this container filters nothing");
		/* A pod's network namespace outlives a container: a table of an earlier run may be there. Without
		 * NET_ADMIN it cannot be ours. */
		(void)wall_remove(&err);
		return 0;
	}
	if (wall_close(&err) < 0)
		return firewall_failed(f, "cannot close the network", &err);
	return 0;
}

static int open_public(struct stage_ctx *ctx, struct failure *f)
{
	struct fw_error err = {0};

	if (!config_on(ctx->cfg, CFG_ZIMBRA_FIREWALL)) { /* perhaps only since a reload: then it is still closed */
		(void)wall_remove(&err);
		return 0;
	}
	if (wall_open(&ctx->cfg->policy, &err) < 0)
		return firewall_failed(f, "cannot open the public ports", &err);
	return 0;
}

/* A setting that would stop the stage "release" is told before minutes are spent on a system. */
static int check_volume(struct stage_ctx *ctx, struct failure *f)
{
	int state = volume_check(ctx, f);

	if (state == STAGE_TODO && ctx->all && release_setting_check(ctx->cfg, f) < 0)
		return -1;
	return state;
}

const struct stage stages[] = {
	{"close", "Closing the network", NULL, close_all, .in_init = true},
	{"volume", "Installing the base system", check_volume, volume_bootstrap, .once = true},
	{"jail", "Preparing the jail", jail_check, jail_make},
	{"system", "Configuring the base system", system_check, system_configure, .once = true},
	{"release", "Installing Zimbra", release_check, release_install, .once = true},
	{"services", "Starting Zimbra", services_check, services_start},
	{"open", "Opening the public ports", NULL, open_public, .in_init = true},
};
const size_t stage_count = ARRAY_SIZE(stages);
