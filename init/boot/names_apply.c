/* The names of this machine, written to the volume at every start: addresses and name servers are the engine's to
 * change. */
#include "jail_private.h"
#include "names.h"
#include "path.h"

#include "../log.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

/* PROC_UTS_INIT_INO of linux/proc_ns.h, the host's own UTS namespace: where we are in it (--uts host) its name is not
 * ours. */
static const ino_t init_uts_inode = 0xEFFFFFFEU;

static const char remedy_name[] =
	"Give the server its full name: docker run --hostname mail.example.com, or -e "
	"EXTERNAL_HOST_FQDN=mail.example.com.\n"
	"Kubernetes: hostname and subdomain with a headless service, setHostnameAsFQDN: true, or the variable.";

static void find_addresses(struct names_facts *facts)
{
	struct ifaddrs *all = NULL;

	if (getifaddrs(&all) < 0) {
		log_warn("jail", "cannot read the interfaces' addresses: %s", strerror(errno));
		return;
	}
	for (struct ifaddrs *i = all; i; i = i->ifa_next) {
		char text[INET6_ADDRSTRLEN];
		const void *address;

		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || i->ifa_flags & IFF_LOOPBACK)
			continue;
		/* Copied out of sockaddr through void: the union inside is what getifaddrs(3) documents. */
		if (i->ifa_addr->sa_family == AF_INET)
			address = &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		else if (i->ifa_addr->sa_family == AF_INET6)
			address = &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr;
		else
			continue;
		if (inet_ntop(i->ifa_addr->sa_family, address, text, sizeof(text)))
			(void)names_add_address(facts, text);
	}
	freeifaddrs(all);
}

/* A file of the image or the engine: nobody plants anything there. "" where it is missing; cut at max. */
static size_t read_own(const char *path, char *buf, size_t max)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t have = 0;
	ssize_t n;

	while (fd >= 0 && have < max && (n = read(fd, buf + have, max - have)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		have += (size_t)n;
	}
	buf[have] = '\0';
	return have;
}

static bool read_only(int jail)
{
	struct statfs fs;

	return fstatfs(jail, &fs) == 0 && fs.f_flags & ST_RDONLY;
}

static int put(int jail, const char *path, const char *text, size_t len, struct failure *f)
{
	int r = path_write(jail, path, text, len, 0644);

	if (r == -EISDIR) {
		log_warn("jail", "/%s is a folder; moved aside and written as a file", path);
		r = path_set_aside(jail, path);
		if (r == 0)
			r = path_write(jail, path, text, len, 0644);
	}
	if (r == 0)
		return 0;
	/* EROFS with a writable volume: a folder of the jail leads into the mask over app/. */
	if (r == -EROFS && read_only(jail))
		return failure_set(f, FAILURE_FATAL, "Mount the volume writable.", "cannot write /%s on the volume: %s",
				   path, strerror(-r));
	if (r == -ENOSPC || r == -EDQUOT || r == -EIO || r == -EAGAIN)
		return failure_set(f, FAILURE_RETRY, "Make room on the volume.", "cannot write /%s on the volume: %s",
				   path, strerror(-r));
	return failure_set(f, FAILURE_HOLD, "Repair the folder on the volume (docker exec, then look below /data).",
			   "cannot write /%s on the volume: %s", path, strerror(-r));
}

static bool host_uts(void)
{
	struct stat st;

	return stat("/proc/self/ns/uts", &st) == 0 && st.st_ino == init_uts_inode;
}

/* The kernel's name holds 64 bytes, less than a domain name may have: then the first label must do. */
static void set_kernel_name(const struct names_facts *facts, const char *now)
{
	const char *name = strlen(facts->fqdn) <= 64 ? facts->fqdn : facts->label;

	if (strcmp(now, name) == 0)
		return;
	if (host_uts())
		log_warn("jail", "the host name stays \"%s\": it is the host's own (--uts host); start without that",
			 now);
	else if (sethostname(name, strlen(name)) < 0)
		log_warn("jail", "cannot set the host name to %s: %s; start with --hostname %s", name, strerror(errno),
			 name);
}

static int choose(struct stage_ctx *ctx, struct names_facts *facts, const char *kernel, const char *hosts, size_t len,
		  struct failure *f)
{
	const char *external = config_str(ctx->cfg, CFG_EXTERNAL_HOST_FQDN);
	const char *own = config_str(ctx->cfg, CFG_ZIMBRA_HOST_FQDN);
	int r = names_choose(facts, external, own, kernel, hosts, len);

	if (r == 0)
		return 0;
	if (r == -ENOMEM)
		return failure_set(f, FAILURE_RETRY, "", "out of memory");
	if (r == -EINVAL)
		return failure_set(f, FAILURE_FATAL, remedy_name,
				   "%s \"%s\" is not a full host name like mail.example.com",
				   *external ? "EXTERNAL_HOST_FQDN"
				   : *own    ? "ZIMBRA_HOST_FQDN"
					     : "the container's host name",
				   *external ? external
				   : *own    ? own
					     : kernel);
	return failure_set(
		f, FAILURE_FATAL, remedy_name,
		"this server has no full host name: EXTERNAL_HOST_FQDN is not set, and the container's own name "
		"\"%s\" has no dot",
		kernel);
}

/* A new one each time: Ubuntu's is a link to a systemd that does not run here, and Docker's 127.0.0.11 works as it is.
 */
static int copy_resolv(int jail, char *buf, struct failure *f)
{
	size_t len = read_own("/etc/resolv.conf", buf, NAMES_HOSTS_MAX);

	if (!strstr(buf, "nameserver"))
		log_warn("jail", "the container's /etc/resolv.conf names no name server");
	return put(jail, "etc/resolv.conf", buf, len, f);
}

int names_apply(struct stage_ctx *ctx, int jail, struct failure *f)
{
	_cleanup_free_ char *hosts = malloc(NAMES_HOSTS_MAX + 1);
	_cleanup_free_ char *text = malloc(NAMES_HOSTS_MAX + 1);
	_cleanup_close_ int mailname = -1;
	struct names_facts facts = {0};
	char name[NAMES_FQDN + 1];
	struct utsname uts;
	size_t hosts_len;
	ssize_t len;

	if (!hosts || !text)
		return failure_set(f, FAILURE_RETRY, "", "out of memory");
	if (uname(&uts) < 0)
		uts.nodename[0] = '\0';
	hosts_len = read_own("/etc/hosts", hosts, NAMES_HOSTS_MAX);
	find_addresses(&facts);
	if (choose(ctx, &facts, uts.nodename, hosts, hosts_len, f) < 0)
		return -1;
	if (facts.n == 0)
		log_warn("jail", "this container has no address: %s resolves to nothing", facts.fqdn);
	len = names_make_hosts(&facts, hosts, hosts_len, text, NAMES_HOSTS_MAX);
	if (len < 0)
		return failure_set(f, FAILURE_FATAL, "Use fewer --add-host options.",
				   "the container's /etc/hosts is too long");
	if (put(jail, "etc/hosts", text, (size_t)len, f) < 0)
		return -1;
	(void)snprintf(name, sizeof(name), "%s\n", facts.fqdn);
	if (put(jail, "etc/hostname", name, strlen(name), f) < 0)
		return -1;
	/* Debian's mail programs read it, and their administrator may have changed it. */
	mailname = path_open_any(jail, "etc/mailname");
	if (mailname == -ENOENT && put(jail, "etc/mailname", name, strlen(name), f) < 0)
		return -1;
	set_kernel_name(&facts, uts.nodename);
	return copy_resolv(jail, text, f);
}
