/*
 * Sends the same kind of TCP segment as fast as one core can, from a namespace that the bench made.
 *
 *   flood [-r PER_SECOND] INTERFACE DESTINATION_MAC DESTINATION PORT FLAGS SECONDS [SOURCE [COUNT]]
 *
 * FLAGS: the TCP flags byte (2 = SYN, 0x10 = ACK, 0x29 = Xmas). SOURCE: random addresses unless one is given; with
 * COUNT, that many addresses from it on, in random order. Ports, sequence numbers and (with ACK) acknowledgements are
 * random. Prints one line: segments sent, seconds, seconds of CPU. The last are what to divide by on a busy machine:
 * they hold the receiver's work too, as long as the kernel does not account interrupts apart
 * (CONFIG_IRQ_TIME_ACCOUNTING).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { AT_ONCE = 64, ETHERNET = 14, TCP = 20, FRAME_MAX = ETHERNET + 40 + TCP };

static uint8_t frame[AT_ONCE][FRAME_MAX];
static uint64_t seed;

/* xorshift64: the addresses only have to differ, and cheaply. */
static uint64_t random64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint32_t sum16(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)(p[i] << 8 | p[i + 1]);
	return sum;
}

static void put_checksum(uint8_t *at, uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	at[0] = (uint8_t)(sum >> 8);
	at[1] = (uint8_t)sum;
}

struct job {
	bool v6;
	uint8_t to_mac[6], from_mac[6], to[16], from[16];
	uint32_t count; /* 0: random sources */
	uint16_t port;
	uint8_t flags;
};

static void put_source(const struct job *j, uint8_t *at)
{
	size_t width = j->v6 ? 16 : 4;
	uint32_t low;

	if (j->count) {
		memcpy(at, j->from, width);
		memcpy(&low, at + width - 4, 4);
		low = htonl(ntohl(low) + (uint32_t)(random64() % j->count));
		memcpy(at + width - 4, &low, 4);
		return;
	}
	for (size_t i = 0; i < width; i += 4) {
		low = (uint32_t)random64();
		memcpy(at + i, &low, 4);
	}
	/* Somebody that could be there: 11-110.x.x.x, 2600::/16. */
	if (j->v6) {
		at[0] = 0x26;
		at[1] = 0;
	} else {
		at[0] = (uint8_t)(11 + at[0] % 100);
	}
}

static size_t build(const struct job *j, uint8_t *e)
{
	size_t head = j->v6 ? 40 : 20;
	uint8_t *ip = e + ETHERNET, *tcp = ip + head;
	uint32_t number = (uint32_t)random64(), pseudo;
	uint16_t port = (uint16_t)(1024 + random64() % 60000);

	memset(e, 0, FRAME_MAX);
	memcpy(e, j->to_mac, 6);
	memcpy(e + 6, j->from_mac, 6);
	memcpy(e + 12, j->v6 ? "\x86\xdd" : "\x08\x00", 2);
	if (j->v6) {
		ip[0] = 0x60;
		ip[5] = TCP;
		ip[6] = IPPROTO_TCP;
		ip[7] = 64;
		put_source(j, ip + 8);
		memcpy(ip + 24, j->to, 16);
		pseudo = sum16(ip + 8, 32);
	} else {
		ip[0] = 0x45;
		ip[3] = 20 + TCP;
		ip[8] = 64;
		ip[9] = IPPROTO_TCP;
		put_source(j, ip + 12);
		memcpy(ip + 16, j->to, 4);
		put_checksum(ip + 10, sum16(ip, 20));
		pseudo = sum16(ip + 12, 8);
	}
	tcp[0] = (uint8_t)(port >> 8);
	tcp[1] = (uint8_t)port;
	tcp[2] = (uint8_t)(j->port >> 8);
	tcp[3] = (uint8_t)j->port;
	memcpy(tcp + 4, &number, 4);
	if (j->flags & 0x10) {
		number = (uint32_t)random64();
		memcpy(tcp + 8, &number, 4);
	}
	tcp[12] = 0x50;
	tcp[13] = j->flags;
	tcp[14] = 0xfa;
	put_checksum(tcp + 16, pseudo + IPPROTO_TCP + TCP + sum16(tcp, TCP));
	return ETHERNET + head + TCP;
}

static double clock_of(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double now(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

static int die(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	struct job j = {0};
	struct mmsghdr message[AT_ONCE] = {0};
	struct iovec part[AT_ONCE];
	struct sockaddr_ll to = {.sll_family = AF_PACKET};
	struct ifreq request = {0};
	unsigned long sent = 0, rate = 0;
	int one = 1, fd, family;

	if (argc > 2 && strcmp(argv[1], "-r") == 0) {
		rate = strtoul(argv[2], NULL, 0);
		argv += 2;
		argc -= 2;
	}
	if (argc < 7 || sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", j.to_mac, j.to_mac + 1, j.to_mac + 2,
			       j.to_mac + 3, j.to_mac + 4, j.to_mac + 5) != 6) {
		fprintf(stderr, "flood [-r PER_SECOND] INTERFACE DESTINATION_MAC DESTINATION PORT FLAGS SECONDS "
				"[SOURCE [COUNT]]\n");
		return 2;
	}
	j.v6 = strchr(argv[3], ':') != NULL;
	family = j.v6 ? AF_INET6 : AF_INET;
	j.port = (uint16_t)strtoul(argv[4], NULL, 0);
	j.flags = (uint8_t)strtoul(argv[5], NULL, 0);
	if (inet_pton(family, argv[3], j.to) != 1 || (argc > 7 && inet_pton(family, argv[7], j.from) != 1)) {
		fprintf(stderr, "flood: an address is wrong\n");
		return 2;
	}
	if (argc > 7)
		j.count = argc > 8 ? (uint32_t)strtoul(argv[8], NULL, 0) : 1;
	seed = (uint64_t)time(NULL) * 2654435761u + (uint64_t)getpid();

	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return die("socket");
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	(void)snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", argv[1]);
	if (bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		return die(argv[1]);
	memcpy(j.from_mac, request.ifr_hwaddr.sa_data, 6);
	/* The receiver's work is done inside of our send, so that the rate is what it can take. */
	(void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));

	double used = clock_of(CLOCK_PROCESS_CPUTIME_ID), begin = now(), end = begin + strtod(argv[6], NULL);
	while (now() < end) {
		int n;

		if (rate && (double)sent > (now() - begin) * (double)rate) {
			(void)usleep(100);
			continue;
		}
		for (size_t i = 0; i < AT_ONCE; i++) {
			part[i] = (struct iovec){.iov_base = frame[i], .iov_len = build(&j, frame[i])};
			message[i].msg_hdr = (struct msghdr){.msg_iov = &part[i], .msg_iovlen = 1};
		}
		n = sendmmsg(fd, message, AT_ONCE, 0);
		if (n < 0 && errno != ENOBUFS && errno != EAGAIN)
			return die("sendmmsg");
		sent += n > 0 ? (unsigned long)n : 0;
	}
	printf("%lu %.3f %.3f\n", sent, now() - begin, clock_of(CLOCK_PROCESS_CPUTIME_ID) - used);
	return 0;
}
