#include "watch.h"
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

static const uint16_t new_generation = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN;

/*
 * The kernel tells of every element. A hundred thousand bans of our own would fill the buffer, so of what comes from
 * the session's socket only the end of each transaction is let through. (A filter loads words in network byte order.)
 */
static void leave_out_our_own(int fd, uint32_t port)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(port), 0, 2),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(new_generation), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	/* Without it there is more to read, and now and then an event that says that some were lost. */
	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int fw_watch_open(struct fw_watch *w, const struct fw_session *session, struct fw_error *err)
{
	struct fw_nl nl;
	int group = NFNLGRP_NFTABLES;
	int r = fw_nl_open(&nl, 0, err);

	if (r < 0)
		return r;
	*w = (struct fw_watch){.sock = nl.sock, .session = session, .buf = malloc(FW_REPLY_MAX)};
	if (!w->buf) {
		fw_watch_close(w);
		return fw_fail(err, -ENOMEM, "watch", "no memory");
	}
	if (session && session->sock)
		leave_out_our_own(mnl_socket_get_fd(w->sock), mnl_socket_get_portid(session->sock));
	if (mnl_socket_setsockopt(w->sock, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
		r = -errno;
		fw_watch_close(w);
		return fw_fail(err, r, "watch", "%s", r == -EPERM ? "no CAP_NET_ADMIN in this network namespace" : "");
	}
	return 0;
}

int fw_watch_fd(const struct fw_watch *w)
{
	return mnl_socket_get_fd(w->sock);
}

void fw_watch_close(struct fw_watch *w)
{
	if (w->sock)
		(void)mnl_socket_close(w->sock);
	free(w->buf);
	*w = (struct fw_watch){0};
}

/* Whatever the message is about, its first attribute type is the table (NFTA_TABLE_NAME, NFTA_RULE_TABLE, …). */
static bool is_about_our_table(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *head = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*head) || head->nfgen_family != NFPROTO_INET)
		return false;
	mnl_attr_for_each (attr, nlh, sizeof(*head)) {
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			return strcmp(mnl_attr_get_str(attr), FW_TABLE) == 0;
	}
	return false;
}

/* A process gives itself its name. */
static void take_name(const struct nlattr *attr, struct fw_event *e)
{
	const char *name = mnl_attr_get_payload(attr);
	size_t n = strnlen(name, mnl_attr_get_payload_len(attr));

	if (n >= sizeof(e->process))
		n = sizeof(e->process) - 1;
	for (size_t i = 0; i < n; i++)
		e->process[i] = '?';
	for (size_t i = 0; i < n; i++)
		if (name[i] >= ' ' && name[i] <= '~')
			e->process[i] = name[i];
	e->process[n] = '\0';
}

static void take_generation(const struct fw_watch *w, const struct nlmsghdr *nlh, struct fw_event *e)
{
	const struct nlattr *attr;

	*e = (struct fw_event){.port = nlh->nlmsg_pid, .table = w->table};
	e->ours = w->session && fw_session_is_port(w->session, e->port);
	/* Of our own only the end is told. */
	e->table |= e->ours;
	mnl_attr_for_each (attr, nlh, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(attr)) {
		case NFTA_GEN_ID:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
				e->generation = ntohl(mnl_attr_get_u32(attr));
			break;
		case NFTA_GEN_PROC_PID:
			if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
				e->pid = ntohl(mnl_attr_get_u32(attr));
			break;
		case NFTA_GEN_PROC_NAME:
			take_name(attr, e);
			break;
		default:
			break;
		}
	}
}

/* Fills the buffer: 1, 0 if there is nothing, -errno. */
static int more(struct fw_watch *w)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(mnl_socket_get_fd(w->sock), w->buf, FW_REPLY_MAX, MSG_DONTWAIT | MSG_TRUNC,
				     (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (n > FW_REPLY_MAX)
			return -ENOBUFS;
		if (from.nl_pid != 0) /* of another process, not of the kernel */
			continue;
		w->at = 0;
		w->len = (size_t)n;
		return 1;
	}
}

int fw_watch_read(struct fw_watch *w, struct fw_event *event)
{
	for (;;) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)(w->buf + w->at);
		int left = (int)(w->len - w->at);
		int r;

		if (w->at < w->len && mnl_nlmsg_ok(nlh, left)) {
			w->at += MNL_ALIGN(nlh->nlmsg_len);
			if (nlh->nlmsg_type != new_generation) {
				w->table |= is_about_our_table(nlh);
				continue;
			}
			take_generation(w, nlh, event);
			w->table = false;
			return 1;
		}
		w->at = w->len = 0;
		r = more(w);
		if (r == -ENOBUFS) {
			w->table = false;
			*event = (struct fw_event){.lost = true};
			return 1;
		}
		if (r <= 0)
			return r;
	}
}
