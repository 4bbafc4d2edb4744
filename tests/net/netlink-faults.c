/*
 * Faults of a netlink socket, put in front of libc by LD_PRELOAD. FAULT says which, FAULT_CALL at which call (1: the
 * first, 3+: the third and all after it; counted from when FAULT was set to what it is). If FAULT_HIT is set, a file of
 * that name is made when it happens.
 *
 *   CALL:ERRNO        socket, bind, getsockname, setsockopt, getrandom, sendto, ppoll, recvfrom, recv: fails with that
 * number sendto:short      all was sent, a part is reported ppoll:early       says that nothing came, at once
 *   recvfrom:KIND     drop     the datagram never arrives
 *                     lost     neither does it, and ENOBUFS says so
 *                     cut      half of it arrives
 *                     long     it is longer than the buffer
 *                     garbage  its bytes are noise
 *                     stale    an error of an unknown sequence number comes first
 *                     forged   an error of the right sequence number comes first, from another process
 *                     late     it comes after 1.1 s
 *   without NAME      (two words in a test) the kernel is asked for an expression that it does not have instead of NAME
 *
 * And these, which are about the first of their kind:
 *   lost     what the kernel answered first is thrown away, ENOBUFS instead
 *   tiny     the smallest receive buffer there is: the kernel itself says ENOBUFS
 *   noack    the ack of BATCH_END never arrives, as before Linux 6.10
 *   stale, forged   as above
 *   silent   nothing ever arrives
 *   changed  the first dump ends before it began, and says that it was interrupted
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef ssize_t recvfrom_fn(int, void *, size_t, int, struct sockaddr *, socklen_t *);
typedef ssize_t recv_fn(int, void *, size_t, int);
typedef ssize_t sendto_fn(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
typedef ssize_t getrandom_fn(void *, size_t, unsigned);
typedef int socket_fn(int, int, int);
typedef int bind_fn(int, const struct sockaddr *, socklen_t);
typedef int getsockname_fn(int, struct sockaddr *, socklen_t *);
typedef int setsockopt_fn(int, int, int, const void *, socklen_t);
typedef int ppoll_fn(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);

#define REAL(name) ((name##_fn *)dlsym(RTLD_NEXT, #name))

static int fault_is(const char *name)
{
	const char *fault = getenv("FAULT");

	return fault && strcmp(fault, name) == 0;
}

/* What is to go wrong with this call; NULL: nothing. One FAULT is about one kind of call, so one counter does. */
static const char *fault_of(const char *call)
{
	static long calls, last;
	const char *fault = getenv("FAULT"), *at = getenv("FAULT_CALL"), *hit = getenv("FAULT_HIT");
	const char *number = getenv("FAULT_NUMBER");
	size_t n = strlen(call);
	char *plus;
	long first;

	if (!fault || strncmp(fault, call, n) != 0 || fault[n] != ':')
		return NULL;
	if (number && last != atol(number)) {
		last = atol(number);
		calls = 0;
	}
	calls++;
	first = at ? strtol(at, &plus, 10) : 1;
	if (at && *plus == '+' ? calls < first : calls != first)
		return NULL;
	if (hit && access(hit, F_OK) < 0) {
		int fd = open(hit, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (fd >= 0)
			(void)close(fd);
	}
	return fault + n + 1;
}

static int is(const char *kind, const char *name)
{
	return kind && strcmp(kind, name) == 0;
}

/* True: the call fails, errno is set. */
static int fails(const char *kind)
{
	int number = kind ? atoi(kind) : 0;

	if (number > 0)
		errno = number;
	return number > 0;
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

static ssize_t damaged(const char *kind, int fd, void *buf, size_t size, int flags, struct sockaddr *from,
		       socklen_t *len)
{
	recvfrom_fn *real = REAL(recvfrom);
	struct nlmsghdr *nlh = buf;
	ssize_t n;

	if (strcmp(kind, "late") == 0)
		(void)nanosleep(&(struct timespec){.tv_sec = 1, .tv_nsec = 100000000}, NULL);
	if (strcmp(kind, "stale") == 0)
		return invent(buf, from, len, 1, 0);
	if (strcmp(kind, "forged") == 0) {
		n = real(fd, buf, size, flags | MSG_PEEK, from, len);
		return n < 0 ? n : invent(buf, from, len, nlh->nlmsg_seq, 4242);
	}
	n = real(fd, buf, size, flags, from, len);
	if (n < 0 || strcmp(kind, "late") == 0)
		return n;
	if (strcmp(kind, "drop") == 0 || strcmp(kind, "lost") == 0) {
		errno = kind[0] == 'd' ? EAGAIN : ENOBUFS;
		return -1;
	}
	if (strcmp(kind, "cut") == 0)
		return n / 2;
	if (strcmp(kind, "long") == 0)
		return (ssize_t)size + 4;
	for (ssize_t i = 0; i < n; i++) /* garbage */
		((unsigned char *)buf)[i] = (unsigned char)(i * 7919 >> 3 ^ 0xa5);
	return n;
}

ssize_t recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *from, socklen_t *from_len)
{
	recvfrom_fn *real = REAL(recvfrom);
	const char *kind = fault_of("recvfrom");
	static int done;
	struct nlmsghdr *nlh = buf;
	ssize_t n;

	if (fails(kind))
		return -1;
	if (kind)
		return damaged(kind, fd, buf, size, flags, from, from_len);
	if (fault_is("silent")) {
		errno = EAGAIN;
		return -1;
	}
	if (fault_is("stale") && !done++)
		return invent(buf, from, from_len, 1, 0);
	if (fault_is("forged") && !done) {
		n = damaged("forged", fd, buf, size, flags, from, from_len);
		done = n >= 0;
		return n;
	}
	if (fault_is("lost") && !done++) {
		while (real(fd, buf, size, flags | MSG_DONTWAIT, from, from_len) >= 0)
			;
		errno = ENOBUFS;
		return -1;
	}
	n = real(fd, buf, size, flags, from, from_len);
	if (n >= (ssize_t)(sizeof(*nlh) + sizeof(struct nlmsgerr)) && nlh->nlmsg_type == NLMSG_ERROR &&
	    ((struct nlmsgerr *)NLMSG_DATA(nlh))->error == 0 && nlh->nlmsg_len == (unsigned)n && fault_is("noack") &&
	    ((struct nlmsgerr *)NLMSG_DATA(nlh))->msg.nlmsg_type == NFNL_MSG_BATCH_END) {
		done = 1;
		return real(fd, buf, size, flags, from, from_len);
	}
	if (n >= (ssize_t)sizeof(*nlh) && fault_is("changed") && nlh->nlmsg_flags & NLM_F_MULTI && !done++) {
		nlh->nlmsg_type = NLMSG_DONE;
		nlh->nlmsg_len = sizeof(*nlh);
		nlh->nlmsg_flags |= NLM_F_DUMP_INTR;
		return sizeof(*nlh);
	}
	return n;
}

ssize_t recv(int fd, void *buf, size_t size, int flags)
{
	return fails(fault_of("recv")) ? -1 : REAL(recv)(fd, buf, size, flags);
}

/* The name of an expression stands in the message with its '\0', so one letter makes it another. */
static ssize_t send_without(int fd, const void *buf, size_t size, int flags, const struct sockaddr *to, socklen_t len)
{
	const char *name = getenv("FAULT_CALL");
	size_t n = name ? strlen(name) + 1 : 0;
	char *copy = malloc(size), *at = copy;
	ssize_t r;

	if (!copy)
		abort();
	memcpy(copy, buf, size);
	while (n > 1 && (at = memmem(at, size - (size_t)(at - copy), name, n)))
		at[n - 2] = 'X';
	r = REAL(sendto)(fd, copy, size, flags, to, len);
	free(copy);
	return r;
}

ssize_t sendto(int fd, const void *buf, size_t size, int flags, const struct sockaddr *to, socklen_t len)
{
	const char *kind = fault_of("sendto");
	ssize_t n;

	if (fails(kind))
		return -1;
	if (fault_is("without"))
		return send_without(fd, buf, size, flags, to, len);
	n = REAL(sendto)(fd, buf, size, flags, to, len);
	return n > 0 && is(kind, "short") ? n / 2 : n;
}

int socket(int domain, int type, int protocol)
{
	return fails(fault_of("socket")) ? -1 : REAL(socket)(domain, type, protocol);
}

int getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
	return fails(fault_of("getsockname")) ? -1 : REAL(getsockname)(fd, addr, len);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return fails(fault_of("setsockopt")) ? -1 : REAL(setsockopt)(fd, level, name, value, len);
}

ssize_t getrandom(void *buf, size_t size, unsigned flags)
{
	return fails(fault_of("getrandom")) ? -1 : REAL(getrandom)(buf, size, flags);
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	int one = 1;

	if (fails(fault_of("bind")))
		return -1;
	/* RCVBUF also when it was forced up before. */
	if (addr->sa_family == AF_NETLINK && fault_is("tiny"))
		(void)REAL(setsockopt)(fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one));
	return REAL(bind)(fd, addr, len);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	const char *kind = fault_of("ppoll");

	if (fails(kind))
		return -1;
	if (is(kind, "early"))
		return 0;
	if (fault_is("silent"))
		return REAL(ppoll)(NULL, 0, timeout, mask);
	return REAL(ppoll)(fds, n, timeout, mask);
}
