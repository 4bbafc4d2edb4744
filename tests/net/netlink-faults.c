/*
 * Faults of a netlink socket, put in front of libc by LD_PRELOAD. FAULT says which:
 *   lost     what the kernel answered first is thrown away, ENOBUFS instead
 *   tiny     the smallest receive buffer there is: the kernel itself says ENOBUFS
 *   noack    the ack of BATCH_END never arrives, as before Linux 6.10
 *   stale    an error of an unknown sequence number comes first
 *   forged   an error of the right sequence number comes first, from another process
 *   silent   nothing ever arrives
 *   changed  the first dump ends before it began, and says that it was interrupted
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

typedef ssize_t recvfrom_fn(int, void *, size_t, int, struct sockaddr *, socklen_t *);
typedef int bind_fn(int, const struct sockaddr *, socklen_t);
typedef int ppoll_fn(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);

static int fault_is(const char *name)
{
	const char *fault = getenv("FAULT");

	return fault && strcmp(fault, name) == 0;
}

static ssize_t invent(void *buf, struct sockaddr *from, socklen_t *from_len, unsigned seq, unsigned pid)
{
	struct {
		struct nlmsghdr nlh;
		struct nlmsgerr err;
	} m = {.nlh = {.nlmsg_len = sizeof(m), .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = seq}, .err = {.error = -EIO}};
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK, .nl_pid = pid};

	memcpy(buf, &m, sizeof(m));
	memcpy(from, &nl, sizeof(nl));
	*from_len = sizeof(nl);
	return sizeof(m);
}

ssize_t recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from, socklen_t *from_len)
{
	recvfrom_fn *real = (recvfrom_fn *)dlsym(RTLD_NEXT, "recvfrom");
	static int done;
	struct nlmsghdr *nlh = buf;
	ssize_t n;

	if (fault_is("silent")) {
		errno = EAGAIN;
		return -1;
	}
	if (fault_is("stale") && !done++)
		return invent(buf, from, from_len, 1, 0);
	if (fault_is("forged") && !done) {
		n = real(fd, buf, size, flags | MSG_PEEK, from, from_len);
		if (n < 0)
			return n;
		done = 1;
		return invent(buf, from, from_len, nlh->nlmsg_seq, 4242);
	}
	if (fault_is("lost") && !done++) {
		while (real(fd, buf, size, flags | MSG_DONTWAIT, from, from_len) >= 0)
			;
		errno = ENOBUFS;
		return -1;
	}
	n = real(fd, buf, size, flags, from, from_len);
	if (n >= (ssize_t)(sizeof(*nlh) + sizeof(struct nlmsgerr)) && fault_is("noack") &&
	    nlh->nlmsg_type == NLMSG_ERROR && ((struct nlmsgerr *)NLMSG_DATA(nlh))->error == 0 &&
	    ((struct nlmsgerr *)NLMSG_DATA(nlh))->msg.nlmsg_type == NFNL_MSG_BATCH_END)
		return real(fd, buf, size, flags, from, from_len);
	if (n >= (ssize_t)sizeof(*nlh) && fault_is("changed") && nlh->nlmsg_flags & NLM_F_MULTI && !done++) {
		nlh->nlmsg_type = NLMSG_DONE;
		nlh->nlmsg_len = sizeof(*nlh);
		nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
		return sizeof(*nlh);
	}
	return n;
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	int one = 1;

	if (addr->sa_family == AF_NETLINK && fault_is("tiny"))
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one));
	return ((bind_fn *)dlsym(RTLD_NEXT, "bind"))(fd, addr, len);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	if (fault_is("silent"))
		return ((ppoll_fn *)dlsym(RTLD_NEXT, "ppoll"))(NULL, 0, timeout, mask);
	return ((ppoll_fn *)dlsym(RTLD_NEXT, "ppoll"))(fds, n, timeout, mask);
}
