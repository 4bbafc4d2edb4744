#include "firewall.h"
#include "interval.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Digits only: strtoul would take signs, blanks and octal. -ERANGE above max. */
static int parse_number(const char *s, size_t n, unsigned max, unsigned *out)
{
	unsigned value = 0;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		if (value <= max)
			value = value * 10 + (unsigned)(s[i] - '0');
	}
	if (value > max)
		return -ERANGE;
	*out = value;
	return 0;
}

static int parse_address(const char *s, size_t n, struct fw_prefix *p)
{
	static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	char text[INET6_ADDRSTRLEN];

	/* inet_pton needs a terminated string, and would stop at a '\0' in the middle. */
	if (n == 0 || n >= sizeof(text) || memchr(s, '\0', n))
		return -EINVAL;
	memcpy(text, s, n);
	text[n] = '\0';
	p->family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(p->family, text, p->addr) != 1)
		return -EINVAL;
	/* Such addresses never arrive in an IPv6 header: a rule for one would look right and match nothing. */
	if (p->family == AF_INET6 && memcmp(p->addr, v4_mapped, sizeof(v4_mapped)) == 0)
		return -EINVAL;
	return 0;
}

int fw_prefix_parse(const char *s, size_t n, struct fw_prefix *out)
{
	struct fw_prefix p = {0};
	const char *slash = n ? memchr(s, '/', n) : NULL;
	size_t addr_len = slash ? (size_t)(slash - s) : n;
	unsigned bits, len;

	if (parse_address(s, addr_len, &p) < 0)
		return -EINVAL;
	bits = p.family == AF_INET ? 32 : 128;
	len = bits;
	if (slash) {
		const char *digits = slash + 1;
		size_t count = n - addr_len - 1;

		if (parse_number(digits, count, bits, &len) < 0 || (count > 1 && digits[0] == '0'))
			return -EINVAL;
	}
	p.len = (uint8_t)len;
	if (!fw_prefix_is_network(&p))
		return -EINVAL;
	*out = p;
	return 0;
}

const char *fw_prefix_format(const struct fw_prefix *p, char *buf, size_t size)
{
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(p->family, p->addr, text, sizeof(text)))
		(void)snprintf(buf, size, "?");
	else if (p->len == (p->family == AF_INET ? 32 : 128))
		(void)snprintf(buf, size, "%s", text);
	else
		(void)snprintf(buf, size, "%s/%u", text, p->len);
	return buf;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **s, size_t *n)
{
	while (*n && is_blank(**s)) {
		(*s)++;
		(*n)--;
	}
	while (*n && is_blank((*s)[*n - 1]))
		(*n)--;
}

/*
 * Calls add() for every item between commas. An empty list is none; an empty item is a slip, -EINVAL, but for what
 * follows the last comma: the ancestor's lists may end with one.
 */
static int parse_list(const char *s, size_t n, int (*add)(const char *, size_t, void *), void *list)
{
	trim(&s, &n);
	if (n == 0)
		return 0;
	for (;;) {
		const char *comma = memchr(s, ',', n);
		const char *item = s;
		size_t len = comma ? (size_t)(comma - s) : n;
		size_t used = len + 1;
		int r;

		trim(&item, &len);
		r = add(item, len, list);
		if (r < 0 || !comma)
			return r;
		s += used;
		n -= used;
		trim(&s, &n);
		if (n == 0)
			return 0;
	}
}

static int add_ports(const char *s, size_t n, void *list)
{
	const char *dash = n ? memchr(s, '-', n) : NULL;
	size_t first_len = dash ? (size_t)(dash - s) : n;
	const char *last_at = dash ? dash + 1 : s;
	size_t last_len = dash ? n - first_len - 1 : n;
	unsigned first = 0, last = 0;
	int r;

	trim(&s, &first_len);
	trim(&last_at, &last_len);
	r = parse_number(s, first_len, UINT16_MAX, &first);
	if (r == 0)
		r = parse_number(last_at, last_len, UINT16_MAX, &last);
	if (r < 0)
		return r;
	return fw_ranges_add(list, (struct fw_range){(uint16_t)first, (uint16_t)last});
}

int fw_ports_parse(const char *s, size_t n, struct fw_ranges *out)
{
	struct fw_ranges list = {0};
	int r = parse_list(s, n, add_ports, &list);

	if (r == 0)
		*out = list;
	return r;
}

static int add_prefix(const char *s, size_t n, void *to)
{
	struct fw_prefixes *list = to;
	struct fw_prefix p;
	int r = fw_prefix_parse(s, n, &p);

	if (r < 0)
		return r;
	if (list->n == FW_PREFIXES_MAX)
		return -E2BIG;
	list->v[list->n++] = p;
	return 0;
}

int fw_prefixes_parse(const char *s, size_t n, struct fw_prefixes *out)
{
	struct fw_prefixes list = {0};
	int r = parse_list(s, n, add_prefix, &list);

	if (r == 0)
		*out = list;
	return r;
}
