/* No I/O here. The container's hosts file is the engine's, but what a person put in by --add-host is anything. */
#include "names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { WORDS = 16 };

/* One line of hosts(5): an address and names. Comments and what is not an address are no lines. */
struct host_line {
	char address[NAMES_ADDRESS];
	size_t n;
	char name[WORDS][NAMES_FQDN];
};

bool names_valid(const char *name, size_t labels)
{
	size_t len = strlen(name), n = 0, start = 0;
	bool letters = false;

	if (len == 0 || len >= NAMES_FQDN)
		return false;
	for (size_t i = 0; i <= len; i++) {
		char c = name[i];

		if (c == '.' || c == '\0') {
			if (i == start || i - start > 63 || name[start] == '-' || name[i - 1] == '-')
				return false;
			n++;
			start = i + 1;
			/* Only digits in the last one: an address. */
			if (c == '\0' && !letters)
				return false;
			letters = false;
			continue;
		}
		if (!isalnum((unsigned char)c) && c != '-')
			return false;
		letters = letters || isalpha((unsigned char)c) || c == '-';
	}
	return n >= labels;
}

/* 0 unspecified, loopback, multicast, link-local or no address; else AF_INET or AF_INET6. */
static int usable(const char *address)
{
	struct in6_addr a6;
	struct in_addr a4;

	if (inet_pton(AF_INET, address, &a4) == 1) {
		uint32_t a = ntohl(a4.s_addr);

		return a >> 24 == 127 || a >> 24 == 0 || a >> 16 == 0xa9fe || a >> 28 >= 14 ? 0 : AF_INET;
	}
	if (inet_pton(AF_INET6, address, &a6) != 1)
		return 0;
	return IN6_IS_ADDR_LOOPBACK(&a6) || IN6_IS_ADDR_UNSPECIFIED(&a6) || IN6_IS_ADDR_LINKLOCAL(&a6) ||
			       IN6_IS_ADDR_MULTICAST(&a6) || IN6_IS_ADDR_V4MAPPED(&a6)
		       ? 0
		       : AF_INET6;
}

/* Both as bytes: one IPv6 address has many spellings. */
static bool same_address(const char *a, const char *b)
{
	unsigned char x[16], y[16];

	for (size_t i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET;

		if (inet_pton(family, a, x) == 1 && inet_pton(family, b, y) == 1)
			return memcmp(x, y, i ? 16 : 4) == 0;
	}
	return false;
}

static bool is_own(const struct names_facts *facts, const char *address)
{
	for (size_t i = 0; i < facts->n; i++)
		if (same_address(facts->address[i], address))
			return true;
	return false;
}

bool names_add_address(struct names_facts *facts, const char *address)
{
	int family = usable(address);
	size_t at = facts->n;

	if (!family || facts->n == NAMES_ADDRESSES || strlen(address) >= NAMES_ADDRESS || is_own(facts, address))
		return false;
	/* Zimbra's installer looks at the first line that matches: an IPv4 one, where there is one. */
	if (family == AF_INET)
		while (at > 0 && strchr(facts->address[at - 1], ':'))
			at--;
	memmove(facts->address[at + 1], facts->address[at], (facts->n - at) * sizeof(facts->address[0]));
	(void)snprintf(facts->address[at], NAMES_ADDRESS, "%s", address);
	facts->n++;
	return true;
}

/* The next line with an address and at least one name; false at the end. */
static bool next_line(const char *text, size_t len, size_t *pos, struct host_line *out)
{
	while (*pos < len) {
		const char *p = text + *pos;
		const char *nl = memchr(p, '\n', len - *pos);
		const char *end = nl ? nl : text + len;
		const char *hash = memchr(p, '#', (size_t)(end - p));
		bool first = true, good = true;

		*pos = (size_t)(end - text) + (nl ? 1 : 0);
		if (hash)
			end = hash;
		out->n = 0;
		while (p < end && good) {
			char word[NAMES_FQDN];
			const char *start;

			while (p < end && isspace((unsigned char)*p))
				p++;
			start = p;
			while (p < end && !isspace((unsigned char)*p))
				p++;
			if (p == start)
				break;
			if ((size_t)(p - start) >= sizeof(word)) {
				good = !first;
				continue;
			}
			memcpy(word, start, (size_t)(p - start));
			word[p - start] = '\0';
			if (first) {
				unsigned char a[16];

				good = strlen(word) < NAMES_ADDRESS &&
				       (inet_pton(AF_INET, word, a) == 1 || inet_pton(AF_INET6, word, a) == 1);
				if (good)
					memcpy(out->address, word, strlen(word) + 1);
				first = false;
			} else if (out->n < WORDS && names_valid(word, 1)) {
				(void)snprintf(out->name[out->n++], NAMES_FQDN, "%s", word);
			}
		}
		if (good && out->n > 0)
			return true;
	}
	return false;
}

static int take(struct names_facts *facts, const char *name)
{
	char trimmed[NAMES_FQDN];
	size_t len = strlen(name);

	/* "mail.example.com." is the same name. */
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len >= sizeof(trimmed))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		trimmed[i] = (char)tolower((unsigned char)name[i]);
	trimmed[len] = '\0';
	if (!names_valid(trimmed, 2))
		return -EINVAL;
	memcpy(facts->fqdn, trimmed, len + 1);
	(void)snprintf(facts->label, sizeof(facts->label), "%.*s", (int)strcspn(trimmed, "."), trimmed);
	return 0;
}

int names_choose(struct names_facts *facts, const char *external, const char *ours, const char *kernel,
		 const char *hosts, size_t hosts_len)
{
	struct host_line *line;
	size_t pos = 0;
	int r = -ENOENT;

	if (*external)
		return take(facts, external);
	if (*ours)
		return take(facts, ours);
	if (strchr(kernel, '.'))
		return take(facts, kernel);
	/* docker --hostname mail --domainname example.com, and Kubernetes' hostname + subdomain, are only said here. */
	line = malloc(sizeof(*line));
	if (!line)
		return -ENOMEM;
	while (r < 0 && next_line(hosts, hosts_len, &pos, line)) {
		size_t label = strlen(kernel);

		if (!is_own(facts, line->address))
			continue;
		for (size_t i = 0; r < 0 && i < line->n; i++)
			if (strncasecmp(line->name[i], kernel, label) == 0 && line->name[i][label] == '.')
				r = take(facts, line->name[i]) < 0 ? -ENOENT : 0;
	}
	free(line);
	return r;
}

struct text {
	char *out;
	size_t size, len;
	bool full;
};

static void PRINTF(2, 3) add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->out + t->len, t->size - t->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->size - t->len)
		t->full = true;
	else
		t->len += (size_t)n;
}

/* Names that we write ourselves, whatever address the container's file gives them. */
static bool ours(const struct names_facts *facts, const char *name)
{
	static const char *const fixed[] = {"localhost",    "localhost.localdomain", "ip6-localhost",
					    "ip6-loopback", "ip6-allnodes",	     "ip6-allrouters"};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (strcasecmp(name, fixed[i]) == 0)
			return true;
	return strcasecmp(name, facts->fqdn) == 0 || strcasecmp(name, facts->label) == 0;
}

static void add_extra(struct text *t, const struct names_facts *facts, const struct host_line *line)
{
	bool any = false;

	for (size_t i = 0; i < line->n; i++) {
		if (ours(facts, line->name[i]))
			continue;
		if (!any)
			add(t, "%s", line->address);
		add(t, " %s", line->name[i]);
		any = true;
	}
	if (any)
		add(t, "\n");
}

ssize_t names_make_hosts(const struct names_facts *facts, const char *hosts, size_t hosts_len, char *out, size_t size)
{
	struct host_line *line = malloc(sizeof(*line));
	struct text t = {.out = out, .size = size, .full = size == 0};
	size_t pos = 0;

	if (!line || t.full) {
		free(line);
		return line ? -ENOSPC : -ENOMEM;
	}
	/* Line 1 must be what `getent hosts 127.0.0.1` prints first, and the FQDN must not be on it. */
	add(&t, "127.0.0.1 localhost.localdomain localhost\n::1 localhost ip6-localhost ip6-loopback\n");
	for (size_t i = 0; i < facts->n; i++)
		add(&t, "%s %s %s\n", facts->address[i], facts->fqdn, facts->label);
	add(&t, "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n");
	while (!t.full && next_line(hosts, hosts_len, &pos, line))
		add_extra(&t, facts, line);
	add(&t, "# Written by zimbra-init at every start. Further entries: docker run --add-host, or hostAliases.\n");
	free(line);
	return t.full ? -ENOSPC : (ssize_t)t.len;
}
