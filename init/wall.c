#include "wall.h"
#include "../firewall/watch.h"
#include "gateway.h"
#include "log.h"
#include "loop.h"

#include <stdio.h>
#include <string.h>

static struct fw_session session;
static struct fw_probe probe;
static struct fw_watch watch;
static struct loop_watch watched = {.fd = -1};
static struct loop_timer repair_timer;
static struct fw_repair repair;
static struct wall_tampering tampering;
static bool prepared, probed;
static enum fw_mode meant = FW_ABSENT;
static struct fw_policy in_force;
static void (*on_empty)(void);

bool wall_has_bans(void)
{
	return meant == FW_OPEN || meant == FW_MONITOR;
}

void wall_on_empty(void (*told)(void))
{
	on_empty = told;
}

static int apply(struct fw_error *err)
{
	return meant == FW_CLOSED ? fw_close(&session, err) : fw_open(&session, &in_force, err);
}

/* --- what others do -------------------------------------------------------------------------------------------- */

static void put_right(struct loop_timer *t)
{
	static struct fw_state now; /* large */
	struct fw_error err = {0};
	char text[256];

	if (meant == FW_ABSENT)
		return;
	bool known = fw_read(&now, &err) == 0;
	if (known && now.mode == meant)
		return; /* an element, say, which is anybody's right */
	if (apply(&err) < 0) {
		log_error("firewall", "the rules cannot be put right: %s", fw_error_text(&err, text, sizeof(text)));
		loop_timer_set(t, fw_repair_at(&repair, now_ms()) - now_ms());
		return;
	}
	tampering.repaired++;
	log_warn("firewall", "the rules were %s; put right",
		 known && now.mode == FW_ABSENT ? "gone" : "not as they were written");
	if (on_empty && wall_has_bans())
		on_empty();
}

static void seen(const struct fw_event *e)
{
	if (e->ours || !(e->table || e->lost) || meant == FW_ABSENT)
		return;
	tampering.seen++;
	if (e->lost) {
		log_warn("firewall", "more changes of rules than could be noticed: looking");
	} else {
		(void)snprintf(tampering.last, sizeof(tampering.last), "%s", e->process);
		log_warn("firewall", "%s (process %u of the host) changed our rules", e->process, e->pid);
	}
	if (!repair_timer.armed) {
		repair_timer.fire = put_right;
		loop_timer_set(&repair_timer, fw_repair_at(&repair, now_ms()) - now_ms());
	}
}

static void watch_ready(struct loop_watch *w, uint32_t ev)
{
	struct fw_event e;
	int r;

	(void)ev;
	while ((r = fw_watch_read(&watch, &e)) > 0)
		seen(&e);
	if (r < 0) {
		log_error("firewall", "changes of the rules are no longer noticed: %s", strerror(-r));
		loop_remove(w);
		fw_watch_close(&watch);
	}
}

/* --------------------------------------------------------------------------------------------------------------- */

/* Each is a comfort of its own: what is missing is said, and the rest goes on. */
static void prepare(void)
{
	struct fw_error err = {0};
	char text[256];

	prepared = true;
	if (fw_session_open(&session, &err) < 0)
		log_warn("firewall", "no session: %s", fw_error_text(&err, text, sizeof(text)));
	probed = fw_probe(&session, &probe, &err) == 0;
	if (!probed)
		log_warn("firewall", "what the kernel can do is not known: %s",
			 fw_error_text(&err, text, sizeof(text)));
	for (int i = 0; probed && i < FW_FEATURES; i++)
		if (!probe.has[i])
			log_warn("firewall", "the kernel has no %s: %s", fw_feature_name((enum fw_feature)i),
				 probe.said[i]);
	if (probed && probe.nat)
		log_warn("firewall", "%s redirects what comes in: public ports are tracked", probe.nat_what);
	if (fw_watch_open(&watch, &session, &err) < 0) {
		log_warn("firewall", "changes of the rules are not noticed: %s",
			 fw_error_text(&err, text, sizeof(text)));
		return;
	}
	watched.ready = watch_ready;
	(void)loop_add(&watched, fw_watch_fd(&watch), EPOLLIN);
}

int wall_close(struct fw_error *err)
{
	int r = fw_close(prepared ? &session : NULL, err);

	if (r == 0)
		meant = FW_CLOSED;
	return r;
}

void wall_prepare(void)
{
	struct fw_error err = {0};
	char text[256];

	if (meant == FW_ABSENT || prepared)
		return;
	prepare();
	if (fw_close(&session, &err) < 0) /* now it is the session's own */
		log_warn("firewall", "the table is not ours alone: %s", fw_error_text(&err, text, sizeof(text)));
}

int wall_open(const struct fw_policy *policy, struct fw_error *err)
{
	static struct fw_policy next; /* large */
	int r;

	if (!prepared)
		prepare();
	next = *policy;
	if (probed)
		fw_probe_features(&probe, &next.features);
	(void)gateway_read(&next.exempt);
	r = fw_open(&session, &next, err);
	if (r < 0 && r != -EUCLEAN)
		return r;
	bool had_bans = wall_has_bans();
	in_force = next;
	meant = next.monitor ? FW_MONITOR : FW_OPEN;
	if (on_empty && !had_bans)
		on_empty();
	return r;
}

int wall_remove(struct fw_error *err)
{
	meant = FW_ABSENT;
	return fw_remove(prepared ? &session : NULL, err);
}

/* --- bans ------------------------------------------------------------------------------------------------------ */

static int banning(char *why, size_t size)
{
	if (wall_has_bans())
		return 0;
	(void)snprintf(why, size, "%s",
		       meant == FW_CLOSED ? "the firewall is closed until the last stage of the boot, bans can be "
					    "changed after it (zctl stages)"
					  : "nothing is filtered here: ZIMBRA_FIREWALL=off");
	return -EAGAIN;
}

static int say_failure(const struct fw_prefix *who, int r, const struct fw_error *err, char *why, size_t size)
{
	char text[FW_PREFIX_STRLEN], said[sizeof(err->what) + sizeof(err->detail) + 64];

	(void)snprintf(why, size, "%s: %s", fw_prefix_format(who, text, sizeof(text)),
		       r == -ENFILE ? "no room for more bans" : fw_error_text(err, said, sizeof(said)));
	return r;
}

static const struct fw_prefixes *own_addresses(void)
{
	static struct fw_prefixes own; /* large */

	own.n = 0;
	never_own(&own);
	return &own;
}

int wall_ban(const struct fw_ban *ban, char *why, size_t size)
{
	struct fw_error err = {0};
	int r = banning(why, size);

	if (r < 0)
		return r;
	r = never_check(&ban->who, &in_force, own_addresses(), why, size);
	if (r < 0)
		return r;
	r = fw_ban_add(&session, ban, 1, NULL, NULL, &err);
	return r < 0 ? say_failure(&ban->who, r, &err, why, size) : 0;
}

int wall_unban(const struct fw_prefix *who, char *why, size_t size)
{
	struct fw_error err = {0};
	int r = banning(why, size);

	if (r < 0)
		return r;
	r = fw_ban_del(&session, who, &err);
	return r < 0 ? say_failure(who, r, &err, why, size) : 0;
}

void wall_ban_again(const struct fw_ban *bans, size_t n, struct wall_restored *out)
{
	struct fw_ban_result result = {0};
	struct fw_error err = {0};
	size_t kept = 0;
	_cleanup_free_ struct fw_ban *good = calloc(n ? n : 1, sizeof(*good));

	*out = (struct wall_restored){.failed = !good || banning(out->why, sizeof(out->why)) < 0};
	if (!good || out->failed)
		return;
	const struct fw_prefixes *own = own_addresses();
	for (size_t i = 0; i < n; i++) {
		char *why = out->refused ? NULL : out->why; /* the first says it */

		if (never_check(&bans[i].who, &in_force, own, why, why ? sizeof(out->why) : 0) < 0)
			out->refused++;
		else
			good[kept++] = bans[i];
	}
	int r = kept ? fw_ban_add(&session, good, kept, NULL, &result, &err) : 0;
	out->done = result.done;
	if (r < 0) {
		out->failed = true;
		(void)say_failure(&good[0].who, r, &err, out->why, sizeof(out->why));
	}
}

/* --------------------------------------------------------------------------------------------------------------- */

const struct fw_probe *wall_probe(void)
{
	return probed ? &probe : NULL;
}

const struct wall_tampering *wall_tampering(void)
{
	return &tampering;
}
