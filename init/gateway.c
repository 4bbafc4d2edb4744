#include "gateway.h"
#include "boot/kernel.h"
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { ROUTES_MAX = 32 * 1024 };

static int add(struct fw_prefixes *out, uint8_t family, const uint8_t *addr, size_t width)
{
	struct fw_prefix p = {.family = family, .len = (uint8_t)(8 * width)};

	memcpy(p.addr, addr, width);
	for (size_t i = 0; i < out->n; i++)
		if (memcmp(&out->v[i], &p, sizeof(p)) == 0)
			return 0;
	if (out->n == FW_PREFIXES_MAX)
		return -E2BIG;
	out->v[out->n++] = p;
	return 0;
}

static int line4(const char *line, struct fw_prefixes *out)
{
	unsigned to, gateway, flags, mask;

	if (sscanf(line, "%*31s %8x %8x %4x %*d %*d %*d %8x", &to, &gateway, &flags, &mask) != 4 || to || mask ||
	    !(flags & RTF_GATEWAY) || !gateway)
		return 0;
	return add(out, AF_INET, (const uint8_t *)&gateway, 4);
}

static int line6(const char *line, struct fw_prefixes *out)
{
	static const uint8_t none[16];
	char to[33], hop[33];
	uint8_t addr[16];
	unsigned len, flags;

	if (sscanf(line, "%32[0-9a-f] %2x %*32s %*2s %32[0-9a-f] %*8s %*8s %*8s %8x", to, &len, hop, &flags) != 4 ||
	    len || strspn(to, "0") != 32 || strlen(hop) != 32 || !(flags & RTF_GATEWAY))
		return 0;
	for (size_t i = 0; i < sizeof(addr); i++)
		if (sscanf(hop + 2 * i, "%2hhx", &addr[i]) != 1)
			return 0;
	return memcmp(addr, none, sizeof(none)) == 0 ? 0 : add(out, AF_INET6, addr, sizeof(addr));
}

static int each_line(const char *text, int (*take)(const char *line, struct fw_prefixes *out), struct fw_prefixes *out)
{
	char line[256];
	int r = 0;

	while (*text && r == 0) {
		size_t len = strcspn(text, "\n");

		if (len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			r = take(line, out);
		}
		text += len + (text[len] == '\n');
	}
	return r;
}

int gateway_parse(const char *route, const char *route6, struct fw_prefixes *out)
{
	int r = each_line(route, line4, out);

	return r < 0 ? r : each_line(route6, line6, out);
}

int gateway_read(struct fw_prefixes *out)
{
	_cleanup_free_ char *text = malloc(2 * ROUTES_MAX);

	if (!text)
		return -ENOMEM;
	kernel_read("/proc/net/route", text, ROUTES_MAX);
	kernel_read("/proc/net/ipv6_route", text + ROUTES_MAX, ROUTES_MAX);
	return gateway_parse(text, text + ROUTES_MAX, out);
}
