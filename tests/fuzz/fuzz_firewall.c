/* The lists of ports and networks: what comes out is sorted, apart, within bounds, and never an admin port once cut. */
#include "../../firewall/firewall.h"

#include <errno.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

static void ports(const char *text, size_t size)
{
	static const uint16_t admin[] = FW_ADMIN_PORTS;
	struct fw_ranges list;
	uint16_t cut[FW_ADMIN_COUNT];
	int r = fw_ports_parse(text, size, &list);

	MUST(r == 0 || r == -EINVAL || r == -ERANGE || r == -E2BIG);
	if (r < 0)
		return;
	MUST(list.n <= FW_RANGES_MAX);
	for (size_t i = 0; i < list.n; i++) {
		MUST(list.v[i].first > 0 && list.v[i].first <= list.v[i].last);
		MUST(i == 0 || list.v[i].first > list.v[i - 1].last + 1);
	}
	MUST(fw_ranges_cut(&list, cut) <= FW_ADMIN_COUNT);
	for (size_t i = 0; i < FW_ADMIN_COUNT; i++)
		MUST(!fw_ranges_has(&list, admin[i]));
}

static void prefixes(const char *text, size_t size)
{
	static struct fw_prefixes list;
	int r = fw_prefixes_parse(text, size, &list);

	MUST(r == 0 || r == -EINVAL || r == -E2BIG);
	if (r < 0)
		return;
	MUST(list.n <= FW_PREFIXES_MAX);
	for (size_t i = 0; i < list.n; i++) {
		char shown[FW_PREFIX_STRLEN];
		struct fw_prefix again;
		const struct fw_prefix *p = &list.v[i];
		MUST(p->family == AF_INET ? p->len <= 32 : p->family == AF_INET6 && p->len <= 128);
		/* What is shown is what would be read. */
		(void)fw_prefix_format(p, shown, sizeof(shown));
		size_t n = 0;
		while (shown[n])
			n++;
		MUST(fw_prefix_parse(shown, n, &again) == 0 && again.len == p->len && again.family == p->family);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t nothing[1];
	const char *text = (const char *)(data ? data : nothing);

	ports(text, size);
	prefixes(text, size);
	return 0;
}
