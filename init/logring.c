#include "logring.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char ring[LOGRING_SIZE];
static uint64_t end;	/* bytes ever written */
static uint64_t echoed; /* bytes that stderr has taken */
/* About the gap at `echoed`, where the ring was faster; part of it may be out already. */
static char note[64];
static size_t note_at, note_left;
static bool mid_line; /* what was written last ended inside of a line: a terminal took a part of it */
static bool echo;
static int out_fd = STDERR_FILENO;
/* Watched only while it is full: a pipe without readers would report EPOLLERR for ever. */
static struct loop_watch full = {.fd = -1};
static void (*listener)(void);

static uint64_t start(void)
{
	return end > LOGRING_SIZE ? end - LOGRING_SIZE : 0;
}

static void append(const char *bytes, size_t len)
{
	for (size_t done = 0; done < len;) {
		size_t at = end % LOGRING_SIZE;
		size_t n = len - done < LOGRING_SIZE - at ? len - done : LOGRING_SIZE - at;
		memcpy(ring + at, bytes + done, n);
		end += n;
		done += n;
	}
}

/* The first line that begins at or after pos. */
static uint64_t line_start(uint64_t pos)
{
	if (pos == 0)
		return 0;
	while (pos < end && ring[(pos - 1) % LOGRING_SIZE] != '\n')
		pos++;
	return pos;
}

uint64_t logring_end(void)
{
	return end;
}

uint64_t logring_last(size_t lines)
{
	uint64_t pos = end, first = start();

	if (lines == 0)
		return end;
	while (pos > first) {
		if (pos < end && ring[(pos - 1) % LOGRING_SIZE] == '\n' && --lines == 0)
			return pos;
		pos--;
	}
	return first ? line_start(first + 1) : 0;
}

size_t logring_read(uint64_t *pos, char *buf, size_t max, uint64_t *lost)
{
	uint64_t first = start();

	*lost = 0;
	if (*pos < first) {
		uint64_t from = line_start(first + 1);
		*lost = from - *pos;
		*pos = from;
	}
	size_t n = end - *pos < max ? (size_t)(end - *pos) : max;
	for (size_t i = 0; i < n; i++)
		buf[i] = ring[(*pos + i) % LOGRING_SIZE];
	if (n < end - *pos) /* there is more: end this piece with a line */
		while (n > 0 && buf[n - 1] != '\n')
			n--;
	*pos += n;
	return n;
}

/* What is to be written next: the note about a gap, or a piece of the ring. */
static size_t next_piece(char *buf, size_t size)
{
	uint64_t pos = echoed, lost = 0;
	size_t n = note_left ? 0 : logring_read(&pos, buf, size, &lost);

	if (lost) {
		note_left = (size_t)snprintf(note, sizeof(note), "%s(%llu bytes of log lost here)\n",
					     mid_line ? "\n" : "", (unsigned long long)lost);
		note_at = 0;
		echoed = pos - n;
	}
	if (!note_left)
		return n;
	memcpy(buf, note + note_at, note_left);
	return note_left;
}

/* Writes what stderr takes; true when there is nothing left. */
static bool flush(void)
{
	char buf[4096];

	while (echoed < end || note_left) {
		size_t n = next_piece(buf, sizeof(buf));
		ssize_t written = write(out_fd, buf, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0 && errno == EAGAIN)
			return false;
		if (written < 0) { /* nobody there (EPIPE, EIO): the ring still has it */
			echoed = end;
			note_left = 0;
		} else if (note_left) {
			note_at += (size_t)written;
			note_left -= (size_t)written;
			mid_line = false;
		} else {
			echoed += (uint64_t)written;
			mid_line = written > 0 && buf[written - 1] != '\n';
		}
	}
	return true;
}

static void out_ready(struct loop_watch *w, uint32_t ev)
{
	(void)ev;
	if (flush())
		loop_remove(w);
}

static void add_line(const char *line, size_t len)
{
	char stamp[40];
	struct timespec ts;
	struct tm tm;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	size_t n = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(stamp + n, sizeof(stamp) - n, ".%03ldZ ", ts.tv_nsec / 1000000);
	append(stamp, n);
	append(line, len);
	append("\n", 1);
	if (!echo)
		echoed = end;
	else if (full.fd < 0 && !flush())
		(void)loop_add(&full, out_fd, EPOLLOUT);
	if (listener)
		listener();
}

void logring_relay(const char *tag, const char *line, size_t len)
{
	char clean[LOG_LINE_MAX];

	if (len > sizeof(clean))
		len = sizeof(clean);
	for (size_t i = 0; i < len; i++)
		clean[i] = line[i] == '\t' ? ' ' : (unsigned char)line[i] < 0x20 || line[i] == 0x7f ? '?' : line[i];
	if (tag)
		log_info(tag, "%.*s", (int)len, clean);
	else
		add_line(clean, len);
}

void logring_echo(bool to_stderr)
{
	echo = to_stderr;
	echoed = end;
}

void logring_on_line(void (*told)(void))
{
	listener = told;
}

int logring_open(bool to_stderr)
{
	struct stat st;

	echo = to_stderr;
	log_set_sink(add_line);
	if (!echo || fstat(STDERR_FILENO, &st) < 0 || S_ISREG(st.st_mode))
		return 0;
	/*
	 * An own open file description: O_NONBLOCK on the inherited one would be shared with whoever else has it.
	 * Where it cannot be reopened (a socket), a stalled reader can hold us for one write: said in the README.
	 */
	int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd >= 0)
		out_fd = fd;
	full.ready = out_ready;
	return 0;
}

void logring_drain(int ms)
{
	int64_t until = now_ms() + ms;

	while (!flush()) {
		struct pollfd p = {.fd = out_fd, .events = POLLOUT};
		int64_t left = until - now_ms();
		if (left <= 0 || poll(&p, 1, (int)left) <= 0)
			return;
	}
}
