/* What an installation has to know about the container: its name, its addresses, its memory. */
#include "../boot/names.h"
#include "../boot/path.h"
#include "internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* The stage "jail" chose it a moment ago (EXTERNAL_HOST_FQDN, ZIMBRA_HOST_FQDN, the container's) and wrote it down. */
int zi_fqdn(int data, char out[static ZI_FQDN])
{
	char text[ZI_FQDN + 1];
	ssize_t n = path_read(data, "etc/hostname", text, ZI_FQDN);

	out[0] = '\0';
	if (n < 0)
		return (int)n;
	text[strcspn(text, " \t\r\n")] = '\0';
	if (strlen(text) >= ZI_FQDN)
		return -EINVAL;
	for (size_t i = 0; i <= strlen(text); i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	return names_valid(out, 2) ? 0 : -EINVAL;
}

static bool is_global(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		uint32_t a = ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr);
		return a >> 24 != 127 && a >> 16 != 0xa9fe;
	}
	if (sa->sa_family == AF_INET6) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
		return !IN6_IS_ADDR_LOOPBACK(a) && !IN6_IS_ADDR_LINKLOCAL(a);
	}
	return false;
}

static const void *address_of(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	return &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
}

/* Loopback and this container itself: nobody else may relay without a login. */
int zi_networks(char *out, size_t size, const char **ip_mode)
{
	struct ifaddrs *all;
	bool v4 = false, v6 = false;
	int r = 0;

	(void)snprintf(out, size, "127.0.0.0/8 [::1]/128");
	if (getifaddrs(&all) < 0)
		return -errno;
	for (struct ifaddrs *i = all; i && r == 0; i = i->ifa_next) {
		char text[INET6_ADDRSTRLEN];

		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || !is_global(i->ifa_addr))
			continue;
		if (!inet_ntop(i->ifa_addr->sa_family, address_of(i->ifa_addr), text, sizeof(text)))
			continue;
		v4 = v4 || i->ifa_addr->sa_family == AF_INET;
		v6 = v6 || i->ifa_addr->sa_family == AF_INET6;
		r = zi_networks_add(out, size, i->ifa_addr->sa_family, text);
	}
	freeifaddrs(all);
	*ip_mode = v6 ? (v4 ? "both" : "ipv6") : "ipv4";
	return r;
}

/* A small file of /proc or /sys as text; false if it cannot be read. */
static bool read_small(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* cgroup v2, else v1; both show the container's own limit at their root, as the container sees it. */
void zi_memory(unsigned *limit_mb, unsigned *host_mb)
{
	static const char *const limits[] = {"/sys/fs/cgroup/memory.max",
					     "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
	char buf[256];
	unsigned long long kb;

	*limit_mb = *host_mb = 0;
	if (read_small("/proc/meminfo", buf, sizeof(buf)) && sscanf(buf, "MemTotal: %llu kB", &kb) == 1)
		*host_mb = (unsigned)(kb / 1024);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		unsigned long long bytes;

		if (!read_small(limits[i], buf, sizeof(buf)))
			continue;
		if (sscanf(buf, "%llu", &bytes) == 1 && bytes >> 20 < UINT32_MAX)
			*limit_mb = (unsigned)(bytes >> 20);
		return; /* "max" */
	}
}
