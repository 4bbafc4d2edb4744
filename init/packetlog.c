#include "packetlog.h"
#include "log.h"
#include "loop.h"
#include "worker/tally.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>

bool packetlog_wanted(const struct config *c)
{
	return config_on(c, CFG_FIREWALL_LOG) && config_on(c, CFG_ZIMBRA_FIREWALL);
}

static void say(const struct netlog_packet *p)
{
	char name[IF_NAMESIZE + 16], line[PACKETLOG_LINE_MAX];

	if (p->ifindex == 0)
		(void)snprintf(name, sizeof(name), "-");
	else if (!if_indextoname(p->ifindex, name)) /* gone since */
		(void)snprintf(name, sizeof(name), "if%u", (unsigned)p->ifindex);
	log_info("firewall", "%s", packetlog_line(p, name, line));
}

static void window_over(struct loop_timer *t);

static struct tally tally = {.window = PACKETLOG_WINDOW_MS, .burst = PACKETLOG_BURST};
static struct loop_timer timer = {.fire = window_over};

static void wait_for_window(void)
{
	int64_t next = tally_next(&tally), now = now_ms();

	/* Of two classes the one that was held back later may be due first. */
	if (next >= 0 && (!timer.armed || next < timer.at))
		loop_timer_set(&timer, next > now ? next - now : 0);
}

static void window_over(struct loop_timer *t)
{
	struct netlog_packet p;

	(void)t;
	while (tally_take(&tally, now_ms(), &p))
		say(&p);
	wait_for_window();
}

int packetlog_packet(const void *bytes)
{
	struct netlog_packet p;

	memcpy(&p, bytes, sizeof(p));
	if (!packetlog_valid(&p))
		return -EINVAL;
	if (tally_add(&tally, &p, now_ms()))
		say(&p);
	wait_for_window();
	return 0;
}

int packetlog_lost(const void *bytes)
{
	struct netlog_lost lost;
	char many[16] = "some"; /* nothing came after them yet, which would tell */

	memcpy(&lost, bytes, sizeof(lost));

	if (lost.packets)
		(void)snprintf(many, sizeof(many), "%u", lost.packets);
	log_warn("firewall", "log: %s packets are missing here: they came faster than they were read (%u overruns)",
		 many, lost.overruns);
	return 0;
}
