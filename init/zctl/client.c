#include "client.h"

#include "commands.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

const char *client_socket(void)
{
	const char *path = getenv("ZCTL_SOCKET");

	return path && *path ? path : CONTROL_SOCKET;
}

static int remaining(int64_t deadline)
{
	int64_t left = deadline - now_ms();

	return left > 0 ? (int)left : 0;
}

/* Connecting waits while the backlog is full: SO_SNDTIMEO bounds that, as it bounds the request (socket(7)). */
static int dial(int timeout_ms)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
	const char *path = client_socket();

	size_t len = strlen(path);

	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	(void)memcpy(address.sun_path, path, len + 1);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return steal_fd(&fd);
}

static int send_request(int fd, const struct client_call *call)
{
	char packet[CONTROL_REQUEST_MAX];
	struct control_request head = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = (uint16_t)call->op};
	size_t len = sizeof(head);

	for (size_t i = 0; i < call->args; i++) {
		size_t n = strlen(call->arg[i]) + 1;
		if (n > sizeof(packet) - len)
			return -EMSGSIZE;
		(void)memcpy(packet + len, call->arg[i], n);
		len += n;
	}
	head.len = (uint32_t)(len - sizeof(head));
	(void)memcpy(packet, &head, sizeof(head));
	if (send(fd, packet, len, MSG_NOSIGNAL) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : errno == EPIPE ? -ECONNRESET : -errno;
	return 0;
}

/* Waits for a packet; -EPIPE where it is for somebody who no longer reads what we print. */
static int wait_packet(int fd, int timeout_ms, bool follow)
{
	struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = follow ? STDOUT_FILENO : -1}};

	for (;;) {
		int n = poll(p, ARRAY_SIZE(p), timeout_ms);
		if (n == 0)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			return p[0].revents ? 0 : -EPIPE;
	}
}

/* One packet of the answer: its flags, or -errno. */
static int take_packet(const char *packet, ssize_t len, const struct client_call *call)
{
	struct control_reply head;

	if ((size_t)len < sizeof(head))
		return -EPROTO;
	(void)memcpy(&head, packet, sizeof(head));
	if (head.magic != CONTROL_MAGIC)
		return -EPROTO;
	if (head.version != CONTROL_VERSION)
		return -EPROTONOSUPPORT;
	if (head.len != (size_t)len - sizeof(head))
		return -EPROTO;
	int r = call->frame(call->frame_arg, head.code, packet + sizeof(head), head.len);
	if (r != 0)
		return r;
	return head.flags & CONTROL_MORE ? 1 : 0;
}

int client_call(const struct client_call *call)
{
	int64_t deadline = now_ms() + call->timeout_ms;
	_cleanup_free_ char *packet = malloc(CONTROL_REPLY_MAX);
	bool first = true;

	if (!packet)
		return -ENOMEM;
	_cleanup_close_ int fd = dial(call->timeout_ms);
	if (fd < 0)
		return fd;
	int r = send_request(fd, call);
	if (r < 0)
		return r;
	for (;;) {
		r = wait_packet(fd, call->follow ? -1 : remaining(deadline), call->follow);
		if (r < 0)
			return r;
		ssize_t n = recv(fd, packet, CONTROL_REPLY_MAX, MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) /* SOCK_SEQPACKET has no empty packets here: the other side is gone */
			return call->follow && !first ? 0 : -ECONNRESET;
		if (n > CONTROL_REPLY_MAX)
			return -EPROTO;
		r = take_packet(packet, n, call);
		if (r <= 0)
			return r;
		first = false;
	}
}

int client_wait_gone(int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;

	/*
	 * A connection that asks nothing may be dropped at any time: only a refused one says that PID 1 is gone. It
	 * takes us with it some milliseconds later, so there is no pause between the one and the other.
	 */
	for (bool again = false;; again = true) {
		int left = remaining(deadline);
		_cleanup_close_ int fd = dial(left < 1000 ? left + 1 : 1000);

		if (fd == -ENOENT || fd == -ECONNREFUSED)
			return 0;
		if (left == 0)
			return -ETIMEDOUT;
		if (again)
			(void)usleep(100000);
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (fd >= 0)
			(void)poll(&p, 1, left);
	}
}

int client_complain(int err)
{
	const char *path = client_socket();

	switch (-err) {
	case ENOENT:
	case ECONNREFUSED:
		(void)fprintf(stderr,
			      "zctl: PID 1 cannot be reached at %s: %s; is this a running zimbra-init container?\n",
			      path, strerror(-err));
		return EXIT_UNREACHABLE;
	case ETIMEDOUT:
		(void)fprintf(stderr, "zctl: PID 1 does not answer at %s\n", path);
		return EXIT_UNREACHABLE;
	case ECONNRESET:
		(void)fputs("zctl: PID 1 ended the conversation without an answer (is it stopping?)\n", stderr);
		return EXIT_UNREACHABLE;
	case EACCES:
	case EPERM:
		(void)fprintf(stderr, "zctl: not permitted to talk to PID 1: only root may (uid %u asked)\n",
			      geteuid());
		return EXIT_DENIED;
	case EPROTONOSUPPORT:
		(void)fputs(
			"zctl: PID 1 speaks another version of the control protocol: use the zctl of its own image\n",
			stderr);
		return EXIT_FAILED;
	case EPROTO:
		(void)fprintf(stderr, "zctl: what answers at %s is not zimbra-init\n", path);
		return EXIT_FAILED;
	default:
		(void)fprintf(stderr, "zctl: %s: %s\n", path, strerror(-err));
		return EXIT_FAILED;
	}
}
