/*
 * Workers as PID 1 has them: what they may send, what happens to one that sends more, restarts. The workers are this
 * program once more, under other names.
 */
#include "../../init/worker/worker.h"
#include "../../init/workers.h"

#include "child_fixture.h"

#include <sys/mman.h>
#include <sys/socket.h>

enum { TEST_MESSAGE = 100, TEST_UID = WORKER_UID_LAST, TEST_A_SECOND = 50, NEVER_ITS_OWN = 4242 };

struct test_message {
	uint32_t value;
};

/* --- the table ------------------------------------------------------------------------------------------------- */

static char heard[256]; /* values that were handed out */
static int opens;
static bool want = true;

static bool wanted(const struct config *c)
{
	(void)c;
	return want;
}

/* Read once, it is further: as with a socket, what one worker took the next one does not get. */
static int open_given(void)
{
	int fd = memfd_create("given", MFD_CLOEXEC);

	opens++;
	CHECK_EQ(pwrite(fd, "abc", 3, 0), 3);
	return fd;
}

static int take_message(const void *bytes)
{
	struct test_message m;
	size_t used = strlen(heard);

	memcpy(&m, bytes, sizeof(m));
	if (m.value == NEVER_ITS_OWN)
		return -EINVAL;
	(void)snprintf(heard + used, sizeof(heard) - used, "%u ", m.value);
	return 0;
}

/* One worker; each test gives it a name, by which it knows how to behave. */
static char name_of_it[32], program_of_it[32] = "/proc/self/exe";
const struct worker_role worker_roles[] = {
	{.name = name_of_it,
	 .program = program_of_it,
	 .uid = TEST_UID,
	 .wanted = wanted,
	 .open = open_given,
	 .permit = {{TEST_MESSAGE, sizeof(struct test_message), TEST_A_SECOND, take_message}}},
};
const size_t worker_role_count = 1;

static void name_it(const char *name)
{
	(void)snprintf(name_of_it, sizeof(name_of_it), "%s", name);
}

/* --- fake workers ---------------------------------------------------------------------------------------------- */

static void drop(void)
{
	if (setresgid(TEST_UID, TEST_UID, TEST_UID) < 0 || setresuid(TEST_UID, TEST_UID, TEST_UID) < 0)
		_exit(9);
}

static void say_value(uint32_t value)
{
	struct test_message m = {value};

	(void)worker_send(TEST_MESSAGE, &m, sizeof(m));
}

static void send_raw(const void *bytes, size_t len)
{
	(void)!send(WORKER_FD, bytes, len, MSG_NOSIGNAL);
}

static void send_header(uint16_t version, uint16_t type, uint32_t length, size_t len)
{
	char packet[2048] = {0};
	struct worker_header h = {version, type, length};

	memcpy(packet, &h, sizeof(h));
	send_raw(packet, len);
}

static void send_descriptor(void)
{
	struct worker_header h = {WORKER_VERSION, TEST_MESSAGE, sizeof(struct test_message)};
	char packet[sizeof(h) + sizeof(struct test_message)] = {0};
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {packet, sizeof(packet)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fd = STDIN_FILENO;

	memcpy(packet, &h, sizeof(h));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(WORKER_FD, &msg, MSG_NOSIGNAL) < 0)
		_exit(8);
}

static void act(const char *what)
{
	if (strcmp(what, "type") == 0)
		send_header(WORKER_VERSION, NETLOG_PACKET, sizeof(struct netlog_packet),
			    sizeof(struct worker_header) + sizeof(struct netlog_packet));
	else if (strcmp(what, "size") == 0)
		send_header(WORKER_VERSION, TEST_MESSAGE, 5, sizeof(struct worker_header) + 5);
	else if (strcmp(what, "lie") == 0)
		send_header(WORKER_VERSION, TEST_MESSAGE, sizeof(struct test_message),
			    sizeof(struct worker_header) + 3);
	else if (strcmp(what, "tiny") == 0)
		send_header(WORKER_VERSION, TEST_MESSAGE, 0, 3);
	else if (strcmp(what, "huge") == 0)
		send_header(WORKER_VERSION, TEST_MESSAGE, 1500, 1508);
	else if (strcmp(what, "version") == 0)
		send_header(WORKER_VERSION + 1, TEST_MESSAGE, sizeof(struct test_message),
			    sizeof(struct worker_header) + sizeof(struct test_message));
	else if (strcmp(what, "descriptor") == 0)
		send_descriptor();
	else if (strcmp(what, "value") == 0)
		say_value(NEVER_ITS_OWN);
	else if (strcmp(what, "ready") == 0)
		(void)worker_send(WORKER_READY, NULL, 0);
	else if (strcmp(what, "level") == 0)
		(void)worker_send(WORKER_LOG, &(struct worker_log){.level = WORKER_LEVELS}, sizeof(struct worker_log));
	else if (strcmp(what, "text") == 0)
		(void)worker_send(WORKER_LOG, &(struct worker_log){.length = WORKER_TEXT_MAX + 1},
				  sizeof(struct worker_log));
	else if (strcmp(what, "exit") == 0)
		_exit(3);
	else if (strcmp(what, "signal") == 0)
		(void)raise(SIGTERM);
	else if (strcmp(what, "close") == 0)
		(void)close(WORKER_FD);
	else if (strcmp(what, "flood") == 0)
		for (uint32_t i = 0; i < 1000000; i++)
			say_value(1);
	else if (strcmp(what, "logflood") == 0)
		for (uint32_t i = 0; i < 1000000; i++)
			(void)worker_send(WORKER_LOG, &(struct worker_log){0}, sizeof(struct worker_log));
}

static int fake(const char *what)
{
	char c;

	if (strcmp(what, "mute") == 0)
		for (;;)
			(void)pause();
	if (strcmp(what, "root") != 0)
		drop();
	(void)worker_send(WORKER_READY, NULL, 0);
	worker_log(WORKER_WARN, "hel\x1b[1mlo\n%s", what);
	if (strcmp(what, "good") == 0) {
		if (environ[0] || fcntl(WORKER_FD + 2, F_GETFD) >= 0)
			_exit(7);
		if (read(WORKER_FD + 1, &c, 1) != 1)
			_exit(6);
		say_value((uint32_t)c);
	} else if (strcmp(what, "again") == 0) { /* reads one byte, says it, ends */
		if (read(WORKER_FD + 1, &c, 1) != 1)
			_exit(6);
		say_value((uint32_t)c);
		_exit(0);
	} else if (strcmp(what, "burst") == 0) {
		for (uint32_t i = 0; i < TEST_A_SECOND / 2; i++)
			say_value(7);
		for (int i = 0; i < 3 * WORKER_LOGS_A_SECOND; i++)
			worker_log(WORKER_INFO, "line %d", i);
		say_value(8);
	} else {
		act(what);
	}
	for (;;)
		(void)pause();
}

/* --- running one ----------------------------------------------------------------------------------------------- */

static char log_text[65536];
static const char *awaited;

static void read_log(void)
{
	uint64_t pos = 0, lost;
	size_t n = logring_read(&pos, log_text, sizeof(log_text) - 1, &lost);

	log_text[n] = '\0';
}

static void look(struct loop_timer *t)
{
	read_log();
	if (strstr(log_text, awaited) || strstr(heard, awaited))
		loop_quit();
	else
		loop_timer_set(t, 10);
}

static void run_fake(const char *name, const char *until)
{
	static struct loop_timer timer = {.fire = look};
	static const struct config cfg;

	open_loop();
	name_it(name);
	awaited = until;
	loop_timer_set(&timer, 10);
	workers_update(&cfg);
	loop_run();
	read_log();
}

static const char *state_of(void)
{
	struct worker_view v;

	CHECK(workers_view(0, &v));
	CHECK(!workers_view(1, &v));
	CHECK(workers_view(0, &v));
	return v.state ? v.state : "off";
}

static void good_body(void)
{
	struct worker_view v;

	run_fake("fake-good", "97 "); /* 'a' */
	CHECK_STR(state_of(), "running");
	CHECK(workers_view(0, &v) && v.pid > 0 && v.restarts == 0);
	CHECK(workers_has(v.pid));
	CHECK(!workers_has(getpid()) && !workers_has(0));
	CHECK(strstr(log_text, "worker: fake-good runs as process ") != NULL);
	CHECK(strstr(log_text, "fake-good: warning: hel?[1mlo?good\n") != NULL);
	workers_stop();
	CHECK_STR(state_of(), "off");
	CHECK_EQ(waitpid(v.pid, NULL, 0), v.pid); /* KILL was sent: it does not last */
}

static void good_worker(void **state)
{
	(void)state;
	in_child(good_body);
}

static void stop_body(void)
{
	struct worker_view v;

	good_body();
	/* Told of its death after all, it stays away; and nothing starts it again. */
	CHECK(!workers_has(0));
	CHECK(workers_view(0, &v));
	reaper_run();
	workers_update(NULL);
	CHECK_STR(state_of(), "off");
}

static void stopped_for_good(void **state)
{
	(void)state;
	in_child(stop_body);
}

static const char *sinner, *said;

static void sin_body(void)
{
	char name[32], line[128];

	(void)snprintf(name, sizeof(name), "fake-%s", sinner);
	(void)snprintf(line, sizeof(line), "it is started again in 1 s");
	run_fake(name, line);
	if (!strstr(log_text, said))
		(void)dprintf(check_fd, "# of %s: %s\n", sinner, log_text);
	CHECK(strstr(log_text, said) != NULL);
	CHECK_STR(state_of(), "waiting");
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* dead and reaped */
	CHECK_EQ(errno, ECHILD);
	for (int fd = 0; fd < 64; fd++) { /* nothing of it got in: only 0-2, the loop's, what was given */
		char path[40], target[256];
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		CHECK(strncmp(target, "socket:", 7) != 0 || fd <= 2);
	}
}

static void what_it_may_not(void **state)
{
	static const struct {
		const char *what, *said;
	} sins[] = {
		{"type", "fake-type is killed: it sent a message that it may not send"},
		{"size", "fake-size is killed: it sent a message of a wrong size"},
		{"lie", "fake-lie is killed: it sent a message of a wrong size"},
		{"tiny", "fake-tiny is killed: it sent a message of a wrong size"},
		{"huge", "fake-huge is killed: it sent a message of a wrong size"},
		{"version", "fake-version is killed: it sent a message of another version"},
		{"descriptor", "fake-descriptor is killed: it sent a descriptor"},
		{"value", "fake-value is killed: its message of type 100 cannot be: Invalid argument"},
		{"ready", "fake-ready is killed: "},
		{"level", "fake-level is killed: its message of type 2 cannot be: Invalid argument"},
		{"text", "fake-text is killed: its message of type 2 cannot be: Invalid argument"},
		{"flood", "fake-flood is killed: it sent more than 50 messages of type 100 in a second"},
		{"logflood", "fake-logflood is killed: it sent more than 20 messages of type 2 in a second"},
		{"root", "fake-root is killed: its message of type 1 cannot be: Operation not permitted"},
		{"exit", "fake-exit ended with status 3; it is"},
		{"signal", "fake-signal was ended by signal TERM; it is"},
		{"close", "fake-close was ended by signal KILL; it is"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sins); i++) {
		sinner = sins[i].what;
		said = sins[i].said;
		in_child(sin_body);
	}
}

/* As fast as its own limits let it be: that is never too fast. */
static void burst_body(void)
{
	run_fake("fake-burst", "8 ");
	CHECK_STR(state_of(), "running");
	CHECK(strstr(log_text, "line 0") != NULL);
	CHECK(strstr(log_text, "line 6") == NULL); /* 5 a second, and one may fall into the next */
}

static void within_its_limits(void **state)
{
	(void)state;
	in_child(burst_body);
}

static void again_body(void)
{
	struct worker_view v;

	run_fake("fake-again", "99 "); /* 'c', of the third life */
	CHECK_STR(heard, "97 98 99 ");
	CHECK_EQ(opens, 1);
	CHECK(workers_view(0, &v));
	CHECK_EQ(v.restarts, 2);
	CHECK(strstr(log_text, "fake-again ended with status 0; it is started again in 1 s") != NULL);
	CHECK(strstr(log_text, "fake-again ended with status 0; it is started again in 2 s") != NULL);
}

static void what_it_reads_survives_a_restart(void **state)
{
	(void)state;
	in_child(again_body);
}

static void turned_off(struct loop_timer *t)
{
	want = false;
	workers_update(NULL);
	CHECK_STR(state_of(), "off");
	t->fire = look;
	awaited = "never";
	loop_quit();
}

static void off_body(void)
{
	static struct loop_timer timer = {.fire = turned_off};

	open_loop();
	name_it("fake-exit");
	workers_update(NULL);
	loop_timer_set(&timer, 300); /* it has ended by then, and would start again */
	loop_run();
	CHECK(waitpid(-1, NULL, WNOHANG) <= 0);
}

static void not_wanted_any_more(void **state)
{
	(void)state;
	in_child(off_body);
}

static void missing_body(void)
{
	open_loop();
	name_it("missing");
	(void)snprintf(program_of_it, sizeof(program_of_it), "zimbra-missing");
	static struct loop_timer timer = {.fire = look};
	awaited = "missing ended with status 127; it is started again in 1 s";
	loop_timer_set(&timer, 10);
	workers_update(NULL);
	loop_run();
	read_log();
	CHECK(strstr(log_text, "../libexec/zimbra-init/zimbra-missing: No such file or directory") != NULL);
}

static void program_is_missing(void **state)
{
	(void)state;
	in_child(missing_body);
}

/* --- pure ------------------------------------------------------------------------------------------------------ */

static void permits(void **state)
{
	const struct worker_role *role = &worker_roles[0];
	char packet[sizeof(struct worker_header) + sizeof(struct test_message)] = {0};
	struct worker_header h = {WORKER_VERSION, TEST_MESSAGE, sizeof(struct test_message)};
	const char *why;

	(void)state;
	memcpy(packet, &h, sizeof(h));
	assert_ptr_equal(workers_permit(role, packet, sizeof(packet), 0, &why), &role->permit[0]);
	assert_null(why);
	assert_null(workers_permit(role, packet, sizeof(packet), MSG_CTRUNC, &why));
	assert_string_equal(why, "a descriptor");
	assert_null(workers_permit(role, packet, sizeof(packet), MSG_TRUNC, &why));
	for (size_t n = 0; n < sizeof(packet); n++) {
		assert_null(workers_permit(role, packet, n, 0, &why));
		assert_string_equal(why, "a message of a wrong size");
	}
	/* Type 0 would be every unused row of a table. */
	h = (struct worker_header){WORKER_VERSION, 0, 0};
	memcpy(packet, &h, sizeof(h));
	assert_null(workers_permit(role, packet, sizeof(h), 0, &why));
}

static void backoff(void **state)
{
	static const int64_t want_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
	unsigned failures = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want_ms); i++)
		assert_int_equal(workers_backoff(&failures, 100), want_ms[i]);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(workers_backoff(&failures, 100), 60000);
	assert_int_equal(workers_backoff(&failures, 3600 * 1000), 1000);
	assert_int_equal(workers_backoff(&failures, 0), 2000);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permits),
		cmocka_unit_test(backoff),
		cmocka_unit_test(good_worker),
		cmocka_unit_test(stopped_for_good),
		cmocka_unit_test(what_it_may_not),
		cmocka_unit_test(within_its_limits),
		cmocka_unit_test(what_it_reads_survives_a_restart),
		cmocka_unit_test(not_wanted_any_more),
		cmocka_unit_test(program_is_missing),
	};

	if (argc == 1 && strncmp(argv[0], "fake-", 5) == 0)
		return fake(argv[0] + 5);
	return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
