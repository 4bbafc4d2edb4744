#include "interval.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static unsigned family_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

static bool key_bit(const uint8_t *key, unsigned bit)
{
	return key[bit / 8] & (0x80 >> (bit % 8));
}

bool fw_prefix_is_network(const struct fw_prefix *p)
{
	for (unsigned bit = p->len; bit < 8 * sizeof(p->addr); bit++)
		if (key_bit(p->addr, bit))
			return false;
	return true;
}

bool fw_key_next(uint8_t *key, size_t width)
{
	while (width--)
		if (++key[width] != 0)
			return true;
	return false;
}

bool fw_key_prev(uint8_t *key, size_t width)
{
	while (width--)
		if (key[width]-- != 0)
			return true;
	return false;
}

/* Sets all bits from `from` to the end of the key. */
static void fill_ones(uint8_t *key, unsigned from, unsigned bits)
{
	for (unsigned bit = from; bit < bits; bit++)
		key[bit / 8] = (uint8_t)(key[bit / 8] | (0x80 >> (bit % 8)));
}

struct fw_interval fw_interval_of_prefix(const struct fw_prefix *p)
{
	struct fw_interval iv;

	memcpy(iv.first, p->addr, sizeof(iv.first));
	memcpy(iv.last, p->addr, sizeof(iv.last));
	fill_ones(iv.last, p->len, family_bits(p->family));
	return iv;
}

struct fw_interval fw_interval_of_range(struct fw_range r)
{
	return (struct fw_interval){
		.first = {(uint8_t)(r.first >> 8), (uint8_t)r.first},
		.last = {(uint8_t)(r.last >> 8), (uint8_t)r.last},
	};
}

static int compare(const void *a, const void *b)
{
	return memcmp(((const struct fw_interval *)a)->first, ((const struct fw_interval *)b)->first, FW_KEY_MAX);
}

size_t fw_intervals_merge(struct fw_interval *v, size_t n, size_t width)
{
	size_t kept = 0;

	if (n == 0)
		return 0;
	qsort(v, n, sizeof(*v), compare);
	for (size_t i = 1; i < n; i++) {
		uint8_t after[FW_KEY_MAX];
		bool more;

		memcpy(after, v[kept].last, sizeof(after));
		more = fw_key_next(after, width); /* false: v[kept] reaches the end, nothing lies behind it */
		if (more && memcmp(v[i].first, after, width) > 0)
			v[++kept] = v[i];
		else if (memcmp(v[i].last, v[kept].last, width) > 0)
			memcpy(v[kept].last, v[i].last, width);
	}
	return kept + 1;
}

int fw_interval_to_prefixes(const struct fw_interval *iv, uint8_t family, struct fw_prefixes *out)
{
	unsigned bits = family_bits(family);
	struct fw_prefix p = {.family = family};

	memcpy(p.addr, iv->first, sizeof(p.addr));
	for (;;) {
		struct fw_interval block;

		/* The largest block that begins here: as long as the bit before it is zero and its end stays inside. */
		p.len = (uint8_t)bits;
		block = fw_interval_of_prefix(&p);
		while (p.len > 0 && !key_bit(p.addr, p.len - 1u)) {
			struct fw_prefix wider = p;
			struct fw_interval w;

			wider.len--;
			w = fw_interval_of_prefix(&wider);
			if (memcmp(w.last, iv->last, bits / 8) > 0)
				break;
			p = wider;
			block = w;
		}
		if (out->n == FW_PREFIXES_MAX)
			return -E2BIG;
		out->v[out->n++] = p;
		if (memcmp(block.last, iv->last, bits / 8) >= 0)
			return 0;
		memcpy(p.addr, block.last, sizeof(p.addr));
		(void)fw_key_next(p.addr, bits / 8);
	}
}
