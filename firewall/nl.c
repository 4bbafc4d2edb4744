#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

int64_t fw_now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void fw_nl_drain(struct fw_nl *nl)
{
	char byte;

	/* A datagram is gone once one byte of it is read. Bounded: somebody could be talking to us without end. */
	for (int i = 0; i < 65536; i++)
		if (recv(mnl_socket_get_fd(nl->sock), &byte, 1, MSG_DONTWAIT) < 0 && errno != ENOBUFS && errno != EINTR)
			break;
}

void fw_nl_close(struct fw_nl *nl)
{
	if (!nl->sock)
		return;
	if (nl->session)
		fw_nl_drain(nl);
	else
		(void)mnl_socket_close(nl->sock);
	nl->sock = NULL;
}

/* FORCE goes beyond the limits of net.core, and needs CAP_NET_ADMIN in the first user namespace. */
static void enlarge(int fd, int force, int usual, int size)
{
	if (setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, usual, &size, sizeof(size));
}

int fw_nl_open(struct fw_nl *nl, int64_t deadline, struct fw_error *e)
{
	int on = 1;

	*nl = (struct fw_nl){.deadline = deadline};
	/* GRND_INSECURE: the container's first process must not wait for the entropy of a machine that just booted. */
	if (getrandom(&nl->seq, sizeof(nl->seq), GRND_INSECURE) != sizeof(nl->seq))
		return fw_fail(e, -errno, "getrandom", "a sequence number is needed");
	nl->sock = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!nl->sock)
		return fw_fail(e, -errno, "socket", "%s",
			       errno == EPROTONOSUPPORT ? "the kernel has no nfnetlink" : "netlink socket");
	/* Before it has an address: nothing can be lost to the small buffers yet. */
	enlarge(mnl_socket_get_fd(nl->sock), SO_RCVBUFFORCE, SO_RCVBUF, FW_RCVBUF);
	enlarge(mnl_socket_get_fd(nl->sock), SO_SNDBUFFORCE, SO_SNDBUF, FW_SNDBUF);
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		int err = -errno;

		fw_nl_close(nl);
		return fw_fail(e, err, "socket", "bind of a netlink socket");
	}
	nl->port = mnl_socket_get_portid(nl->sock);
	/* Both are comfort: text and offset in errors (4.12), and errors without a copy of our message (4.3). */
	(void)mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(nl->sock, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

int fw_nl_send(struct fw_nl *nl, const void *buf, size_t len)
{
	ssize_t r;

	/* The kernel works a batch off inside of this call; the deadline bounds the wait for its answer. */
	do
		r = mnl_socket_sendto(nl->sock, buf, len);
	while (r < 0 && errno == EINTR && fw_now_ms() < nl->deadline);
	if (r < 0)
		return -errno;
	return (size_t)r == len ? 0 : -EIO;
}

static int wait_readable(struct fw_nl *nl)
{
	struct pollfd pfd = {.fd = mnl_socket_get_fd(nl->sock), .events = POLLIN};

	for (;;) {
		int64_t left = nl->deadline - fw_now_ms();
		struct timespec ts = {.tv_sec = left / 1000, .tv_nsec = (left % 1000) * 1000000};
		int r;

		/* What is there already is still read, but somebody who talks without end is not listened to for ever.
		 */
		if (left < -FW_GRACE_MS)
			return -ETIMEDOUT;
		if (left < 0)
			ts = (struct timespec){0};
		r = ppoll(&pfd, 1, &ts, NULL);
		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

ssize_t fw_nl_recv(struct fw_nl *nl, void *buf, size_t size)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		int r = wait_readable(nl);
		ssize_t n;

		if (r < 0)
			return r;
		n = recvfrom(mnl_socket_get_fd(nl->sock), buf, size, MSG_TRUNC, (struct sockaddr *)&from, &from_len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > (ssize_t)size)
			return -EMSGSIZE;
		/* Port 0 is the kernel; another process with NET_ADMIN could write to us as well. */
		if (n >= 0 && from.nl_pid == 0)
			return n;
		if (fw_now_ms() >= nl->deadline)
			return -ETIMEDOUT;
	}
}

void fw_nl_ack(const struct nlmsghdr *nlh, struct fw_ack *out)
{
	const struct nlmsgerr *msg = mnl_nlmsg_get_payload(nlh);
	size_t skip = sizeof(*msg);
	const struct nlattr *attr;

	*out = (struct fw_ack){.err = -EBADMSG};
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*msg))
		return;
	out->err = msg->error;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	/* Uncapped, the message that it is about stands between the error and the attributes. */
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		if (msg->msg.nlmsg_len < sizeof(msg->msg) || msg->msg.nlmsg_len > mnl_nlmsg_get_payload_len(nlh))
			return;
		skip += MNL_ALIGN((size_t)msg->msg.nlmsg_len) - sizeof(msg->msg);
	}
	mnl_attr_for_each (attr, nlh, skip) {
		uint16_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			(void)snprintf(out->text, sizeof(out->text), "%.*s", (int)len, mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS && len == sizeof(out->offset))
			out->offset = mnl_attr_get_u32(attr);
	}
}

static int dump_result(const struct nlmsghdr *nlh)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(nlh), sizeof(code));
	return code < 0 ? code : 0;
}

int fw_nl_ask(struct fw_nl *nl, struct nlmsghdr *request, fw_nl_each *each, void *data)
{
	_cleanup_(fw_free) char *buf = malloc(FW_REPLY_MAX);
	bool interrupted = false, answered = false;
	int r;

	if (!buf)
		return -ENOMEM;
	request->nlmsg_seq = nl->session ? nl->session->seq++ : nl->seq++;
	request->nlmsg_flags |= NLM_F_REQUEST;
	/* A dump ends with NLMSG_DONE. Anything else gets an end by asking for an ack. */
	if (!(request->nlmsg_flags & NLM_F_DUMP))
		request->nlmsg_flags |= NLM_F_ACK;
	r = fw_nl_send(nl, request, request->nlmsg_len);
	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = fw_nl_recv(nl, buf, FW_REPLY_MAX);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)buf;
		int len = (int)n;

		if (n < 0)
			return (int)n;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			struct fw_ack ack;

			if (nlh->nlmsg_seq != request->nlmsg_seq)
				continue;
			interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				fw_nl_ack(nlh, &ack);
				/* What was asked for comes before the ack, or it was lost. */
				return ack.err == 0 && !answered ? -ENOBUFS : ack.err;
			}
			if (nlh->nlmsg_type == NLMSG_DONE)
				return interrupted ? -EINTR : dump_result(nlh);
			if (nlh->nlmsg_type < NLMSG_MIN_TYPE)
				continue;
			answered = true;
			r = each(nlh, data);
			if (r < 0)
				return r;
		}
		if (len > 0) /* the rest is no message: something was lost */
			return -ENOBUFS;
	}
}

static int take_generation(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			*(uint32_t *)data = ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

int fw_nl_generation(struct fw_nl *nl, uint32_t *out)
{
	_Alignas(struct nlmsghdr) char buf[64];
	uint32_t id = 0;
	int r = fw_nl_ask(nl, nftnl_nlmsg_build_hdr(buf, NFT_MSG_GETGEN, NFPROTO_UNSPEC, 0, 0), take_generation, &id);

	/* The kernel never has 0: to it that means "any". */
	if (r == 0 && id == 0)
		return -EBADMSG;
	if (r == 0)
		*out = id;
	return r;
}
