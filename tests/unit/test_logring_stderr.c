/* The log's copy to stderr: nobody at its other end can make PID 1 wait or spin. */
#include "logring_fixture.h"

#include <pty.h>
#include <sys/ioctl.h>

/* A pipe in place of stderr; its reading end. */
static int pipe_as_stderr(void)
{
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	CHECK_EQ(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	(void)close(p[1]);
	CHECK(fcntl(p[0], F_SETPIPE_SZ, 65536) >= 65536);
	return p[0];
}

static void silent_body(void)
{
	int fd = pipe_as_stderr(), n;

	open_ring(false);
	write_numbers(1, 100);
	run_for(30);
	logring_drain(1000);
	CHECK_EQ(ioctl(fd, FIONREAD, &n), 0);
	CHECK_EQ(n, 0);
}

static void no_echo_writes_nothing(void **state)
{
	(void)state;
	in_child(silent_body);
}

static void file_body(void)
{
	char path[] = "/tmp/zimbra-log.XXXXXX", buf[256];
	int fd = mkstemp(path);

	CHECK(fd >= 0);
	(void)unlink(path);
	CHECK_EQ(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	open_ring(true);
	log_info("t", "in a file");
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, 0);
	CHECK(n > STAMP);
	buf[n] = '\0';
	CHECK_STR(buf + STAMP, "t: in a file\n");
}

static void regular_file_as_stderr(void **state)
{
	(void)state;
	in_child(file_body);
}

/* What a reader got: whole lines up to the last one, a note where some are missing, not a byte unaccounted for. */
static void check_account(char *text, uint64_t in_all, int last)
{
	uint64_t bytes = 0, lost = 0;
	int notes = 0, previous = 0;

	for (char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		CHECK(end != NULL);
		*end = '\0';
		if (line[0] == '(') {
			unsigned long long n = 0;
			CHECK_EQ(sscanf(line, "(%llu bytes of log lost here)", &n), 1);
			lost += n;
			notes++;
			previous = 0;
			continue;
		}
		CHECK_EQ(line[10], 'T');
		int number = number_of(line);
		CHECK(previous == 0 || number == previous + 1);
		previous = number;
		bytes += (uint64_t)(end - line) + 1;
	}
	CHECK_EQ(previous, last);
	CHECK_EQ(notes, 1);
	CHECK(lost > 0);
	CHECK_EQ(bytes + lost, in_all);
}

static char received[4 * LOGRING_SIZE];
static size_t received_bytes;
static struct loop_watch reader;

static void take(struct loop_watch *w, uint32_t ev)
{
	if (!(ev & EPOLLIN))
		return;
	ssize_t n = read(w->fd, received + received_bytes, sizeof(received) - 1 - received_bytes);
	CHECK(n > 0);
	received_bytes += (size_t)n;
}

static void stalled_body(void)
{
	int fd = pipe_as_stderr();

	open_ring(true);
	int64_t begin = now_ms();
	write_numbers(1, 20000); /* 1.5 MB into a pipe of 64 KiB */
	CHECK(now_ms() - begin < 5000);
	/* Ours is an open file description of its own: the inherited one still blocks, for whoever shares it. */
	CHECK_EQ(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
	/* Now somebody reads. */
	reader.ready = take;
	CHECK_EQ(loop_add(&reader, fd, EPOLLIN), 0);
	run_for(500);
	check_account(received, logring_end(), 20000);
}

static void stalled_reader_never_blocks_and_is_told_the_loss(void **state)
{
	(void)state;
	in_child(stalled_body);
}

static void stalled_drain_body(void)
{
	int fd = pipe_as_stderr();

	open_ring(true);
	write_numbers(1, 20000);
	int64_t begin = now_ms();
	logring_drain(200); /* still nobody: the time is over, and what was lost is not forgotten */
	CHECK(now_ms() - begin >= 200);
	CHECK(now_ms() - begin < 2000);
	logring_drain(1);
	reader.ready = take;
	CHECK_EQ(loop_add(&reader, fd, EPOLLIN), 0);
	run_for(500);
	check_account(received, logring_end(), 20000);
}

static void drain_keeps_its_time(void **state)
{
	(void)state;
	in_child(stalled_drain_body);
}

static int written;

static void write_some(struct loop_timer *t)
{
	write_numbers(1 + 2000 * written, 2000 * (written + 1)); /* more than ring and terminal keep: a gap each time */
	if (++written < 3)
		loop_timer_set(t, 100);
}

static void take_odd(struct loop_watch *w, uint32_t ev)
{
	(void)ev;
	CHECK(received_bytes + 997 < sizeof(received));
	ssize_t n = read(w->fd, received + received_bytes, 997); /* leaves the terminal odd room */
	CHECK(n > 0);
	received_bytes += (size_t)n;
}

/* A terminal takes a part of a piece, also of a note: a line may be cut there, but every byte is accounted for. */
static void terminal_body(void)
{
	int master, slave;
	struct termios raw = {0};
	struct loop_timer writer = {.fire = write_some};
	uint64_t lost = 0, noted = 0, notes = 0;

	cfmakeraw(&raw);
	CHECK_EQ(openpty(&master, &slave, NULL, &raw, NULL), 0);
	CHECK_EQ(dup2(slave, STDERR_FILENO), STDERR_FILENO);
	open_ring(true);
	reader.ready = take_odd;
	CHECK_EQ(loop_add(&reader, master, EPOLLIN), 0);
	loop_timer_set(&writer, 0);
	run_for(700);
	for (char *at = received; (at = strchr(at, '(')); at++) {
		unsigned long long n = 0;
		int len = 0;
		CHECK_EQ(sscanf(at, "(%llu bytes of log lost here)%n", &n, &len), 1);
		CHECK(len > 0 && at[len] == '\n' && at[-1] == '\n');
		lost += n;
		noted += (uint64_t)len + 1;
		notes++;
	}
	CHECK(notes > 1);
	/* The end of a line that was cut is not counted twice. */
	uint64_t account = received_bytes - noted + lost;
	CHECK(account >= logring_end() && account <= logring_end() + notes);
	CHECK_EQ(number_of(strrchr(received, 'n')), 6000);
}

static void terminal_is_told_the_loss(void **state)
{
	(void)state;
	in_child(terminal_body);
}

static void drain_body(void)
{
	int fd = pipe_as_stderr();

	open_ring(true);
	pid_t pid = fork();
	if (pid == 0) {
		char buf[4096];
		size_t n = 0;
		ssize_t r;
		(void)close(STDERR_FILENO); /* the pipe's other end, or the end of file never comes */
		(void)close_range(3, (unsigned)fd - 1, 0);
		(void)close_range((unsigned)fd + 1, (unsigned)check_fd - 1, 0);
		sleep_ms(100);
		while ((r = read(fd, buf, sizeof(buf))) > 0)
			n += (size_t)r;
		_exit(n > 65536 ? 7 : 8);
	}
	(void)close(fd);
	write_numbers(1, 1200); /* more than the pipe takes, less than the ring keeps */
	logring_drain(5000);
	(void)close(STDERR_FILENO);
	(void)close_range(3, (unsigned)check_fd - 1, 0);
	CHECK_EQ(wait_status(pid), 7);
}

static void drain_waits_for_a_slow_reader(void **state)
{
	(void)state;
	in_child(drain_body);
}

/* The reader leaves while we wait for it: one EPOLLERR, then silence. */
static void gone_while_full_body(void)
{
	int fd = pipe_as_stderr();

	open_ring(true);
	write_numbers(1, 20000);
	(void)close(fd);
	int64_t cpu = cpu_ms();
	long sleeps = sleeps_of(getpid());
	run_for(500);
	CHECK(cpu_ms() - cpu < 100);
	CHECK(sleeps_of(getpid()) - sleeps < 10);
	cpu = cpu_ms();
	logring_drain(1000);
	CHECK(cpu_ms() - cpu < 100);
}

/* The reader left long ago: every line is tried once and kept in the ring all the same. */
static void gone_body(void)
{
	int fd = pipe_as_stderr();
	uint64_t lost;

	open_ring(true);
	(void)close(fd);
	write_numbers(1, 100);
	int64_t cpu = cpu_ms(), begin = now_ms();
	run_for(500);
	CHECK(cpu_ms() - cpu < 100);
	CHECK(now_ms() - begin >= 500);
	CHECK_EQ(number_of(read_all(logring_last(1), &lost)), 100);
	begin = now_ms();
	logring_drain(1000);
	CHECK(now_ms() - begin < 500);
}

static void reader_that_left_costs_nothing(void **state)
{
	(void)state;
	in_child(gone_while_full_body);
	in_child(gone_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_echo_writes_nothing),
		cmocka_unit_test(regular_file_as_stderr),
		cmocka_unit_test(stalled_reader_never_blocks_and_is_told_the_loss),
		cmocka_unit_test(terminal_is_told_the_loss),
		cmocka_unit_test(drain_keeps_its_time),
		cmocka_unit_test(drain_waits_for_a_slow_reader),
		cmocka_unit_test(reader_that_left_costs_nothing),
	};

	return cmocka_run_group_tests_name("logring stderr", tests, NULL, NULL);
}
