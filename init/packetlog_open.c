/* The NFLOG socket of packetlog.h, made and configured by PID 1, which alone has NET_ADMIN. */
#include "log.h"
#include "packetlog.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <string.h>
#include <sys/socket.h>

enum {
	BATCH = 32,		/* packets; the worker wakes up once for so many ... */
	BATCH_TIMEOUT = 10,	/* ... or after 0.1 s (in 1/100 s) */
	RECEIVE_BYTES = 1 << 20 /* what may wait while the worker is restarted */
};

/* bind, copy mode, batches and numbers in one message, which the kernel takes or refuses. */
static int configure(int fd)
{
	char buf[256] = {0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nfulnl_msg_config_cmd bind_group = {.command = NFULNL_CFG_CMD_BIND};
	struct nfulnl_msg_config_mode mode = {.copy_range = htonl(NETLOG_COPY), .copy_mode = NFULNL_COPY_PACKET};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	h->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = AF_UNSPEC;
	g->version = NFNETLINK_V0;
	g->res_id = htons(NETLOG_GROUP);
	mnl_attr_put(h, NFULA_CFG_CMD, sizeof(bind_group), &bind_group);
	mnl_attr_put(h, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(h, NFULA_CFG_TIMEOUT, htonl(BATCH_TIMEOUT));
	mnl_attr_put_u32(h, NFULA_CFG_QTHRESH, htonl(BATCH));
	mnl_attr_put_u16(h, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	if (sendto(fd, h, h->nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	/* The kernel has answered before sendto(2) returned. The first packet may be in front of its answer: dropped.
	 */
	for (;;) {
		char answer[8192];
		ssize_t n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN ? -EPROTO : -errno;
		const struct nlmsghdr *a = (const struct nlmsghdr *)(const void *)answer;
		if (mnl_nlmsg_ok(a, (int)n) && a->nlmsg_type == NLMSG_ERROR &&
		    mnl_nlmsg_get_payload_len(a) >= sizeof(struct nlmsgerr))
			return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(a))->error;
	}
}

static int open_socket(void)
{
	struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	const int bytes = RECEIVE_BYTES;
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	/* Where users are mapped older kernels do not let the container's root have this; then as much as they give. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	int r = configure(fd);
	return r < 0 ? r : steal_fd(&fd);
}

int packetlog_open(void)
{
	int fd = open_socket();

	if (fd == -EPERM) /* the kernel's answer also for a group that is somebody else's: nfnetlink_log.c */
		log_error(
			"firewall",
			"FIREWALL_LOG=on: no NET_ADMIN here, or another process in this network namespace reads NFLOG "
			"group %d",
			NETLOG_GROUP);
	else if (fd < 0)
		log_error("firewall",
			  "FIREWALL_LOG=on: no NFLOG: %s (modprobe nfnetlink_log on the host, or FIREWALL_LOG=off)",
			  strerror(-fd));
	return fd;
}
