#include "tally.h"

#include <string.h>

static struct tally_class *find(struct tally *t, struct netlog_packet *p)
{
	for (size_t i = 0; i < NETLOG_CLASSES - 1; i++) {
		struct tally_class *c = &t->class[i];
		if (c->name[0] == '\0')
			memcpy(c->name, p->class_name, sizeof(c->name));
		if (memcmp(c->name, p->class_name, sizeof(c->name)) == 0)
			return c;
	}
	memset(p->class_name, 0, sizeof(p->class_name));
	memcpy(p->class_name, "other", sizeof("other"));
	return &t->class[NETLOG_CLASSES - 1];
}

static uint32_t sum(uint32_t a, uint32_t b)
{
	return a + b < a ? UINT32_MAX : a + b;
}

bool tally_add(struct tally *t, struct netlog_packet *p, int64_t now)
{
	struct tally_class *c = find(t, p);

	/* A window with something held stays until that is taken. */
	if (now - c->began >= t->window && c->held == 0) {
		c->began = now;
		c->passed = 0;
	}
	if (p->more == 0 && c->held == 0 && c->passed < t->burst) {
		c->passed++;
		return true;
	}
	c->held = sum(c->held, sum(p->more, 1));
	c->last = *p;
	return false;
}

bool tally_take(struct tally *t, int64_t now, struct netlog_packet *out)
{
	for (size_t i = 0; i < NETLOG_CLASSES; i++) {
		struct tally_class *c = &t->class[i];
		if (c->held == 0 || now - c->began < t->window)
			continue;
		*out = c->last;
		out->more = c->held - 1;
		c->held = 0;
		c->passed = 0;
		c->began = now;
		return true;
	}
	return false;
}

int64_t tally_next(const struct tally *t)
{
	int64_t next = -1;

	for (size_t i = 0; i < NETLOG_CLASSES; i++) {
		const struct tally_class *c = &t->class[i];
		if (c->held && (next < 0 || c->began + t->window < next))
			next = c->began + t->window;
	}
	return next;
}
