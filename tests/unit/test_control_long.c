/* The control socket with bans, and with answers that take long: a child gives them, PID 1 never waits for its reader.
 */
#include "control_fixture.h"

#define ASK(fd, op, literal) ask(fd, op, literal, sizeof(literal))

static void ask_bans(void)
{
	fd = connect_client();
	ASK(fd, CONTROL_BAN, "192.0.2.7");
	ASK(fd, CONTROL_BAN, "2001:db8::/32\0-");
	ASK(fd, CONTROL_BAN, "10.0.0.1");
	ASK(fd, CONTROL_BAN, "nobody");
	ASK(fd, CONTROL_UNBAN, "192.0.2.7");
	ask(fd, CONTROL_UNBAN, "", 0);
}

static void hear_bans(void)
{
	static const struct {
		int code;
		const char *says;
	} want[] = {{0, "\"address\":\"192.0.2.7\",\"seconds_left\":3600"},
		    {0, "\"address\":\"2001:db8::/32\",\"seconds_left\":null"},
		    {-EACCES, "is the gateway"},
		    {-EINVAL, "`nobody"},
		    {0, "\"address\":\"192.0.2.7\"}"},
		    {-EINVAL, "an address or network is needed"}};
	struct control_reply r;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		CHECK(get(fd, &r));
		CHECK_EQ(r.code, want[i].code);
		CHECK(strstr(reply_text, want[i].says) != NULL);
	}
	CHECK_STR(banned, "");
	static char chunk[LOGRING_SIZE];
	uint64_t pos = 0, lost;
	chunk[logring_read(&pos, chunk, sizeof(chunk) - 1, &lost)] = '\0';
	CHECK(strstr(chunk, "zctl ban: 192.0.2.7 for 3600 s\n") != NULL);
	CHECK(strstr(chunk, "zctl ban: 2001:db8::/32 for good\n") != NULL);
	CHECK(strstr(chunk, "zctl ban: 10.0.0.1 cannot be banned") != NULL);
	CHECK(strstr(chunk, "zctl unban: 192.0.2.7\n") != NULL);
	(void)close(fd);
}

static void bans_body(void)
{
	start();
	steps[0] = ask_bans;
	steps[1] = hear_bans;
	loop_run();
	CHECK_EQ(step, 2);
}

static void bans_are_changed_and_logged(void **state)
{
	(void)state;
	if (!permitted())
		skip_because("only root can mount a /run of its own");
	in_child(bans_body);
}

/* The child that answers ends by itself only with a client that reads: another process does. */
static pid_t reading;

static int read_all(enum control_op op, size_t *len, char *last)
{
	struct control_reply r;
	int mine = connect_client();

	(void)fcntl(mine, F_SETFL, 0);
	ask(mine, op, "", 0);
	ask(mine, CONTROL_STATUS, "", 0); /* waits for its turn */
	for (*len = 0; get(mine, &r);) {
		*len += r.len;
		if (r.len)
			*last = reply_text[r.len - 1];
		if (r.flags & CONTROL_MORE)
			continue;
		struct control_reply status;
		int code = r.code;
		CHECK(code < 0 || get(mine, &status));
		CHECK(code < 0 || strstr(reply_text, "view_status"));
		(void)close(mine);
		return code;
	}
	return -ECONNRESET;
}

static void read_long_answers(void)
{
	reading = fork();
	if (reading)
		return;
	begin_child();
	size_t len;
	char last = 0;
	CHECK_EQ(read_all(CONTROL_RULES, &len, &last), 0);
	CHECK_EQ(len, MUCH_TEXT);
	CHECK_EQ(last, 'r');
	CHECK_EQ(read_all(CONTROL_BANS, &len, &last), 0);
	CHECK(len > (size_t)MANY_BANS * 40 && len < (size_t)MANY_BANS * 60);
	CHECK_EQ(last, '}');
	_exit(42);
}

static void reader_is_done(void)
{
	int status;
	pid_t pid = waitpid(reading, &status, WNOHANG);

	if (pid == 0) {
		step--;
		return;
	}
	/* The reaper may have been first: then it is in its ring. */
	struct reaper_death ring[REAPER_RING];
	size_t n = reaper_ring(ring);
	bool good = pid == reading && WIFEXITED(status) && WEXITSTATUS(status) == 42;
	for (size_t i = 0; i < n; i++)
		good |= ring[i].pid == reading && ring[i].status == 42;
	CHECK(good);
	kernel_fails = true;
	fd = connect_client();
	ask(fd, CONTROL_BANS, "", 0);
}

static int slow[6];

static void refusal_and_slow_clients(void)
{
	struct control_reply r;

	if (!get(fd, &r)) {
		step--;
		return;
	}
	CHECK_EQ(r.code, -EPERM);
	CHECK(strstr(reply_text, "\"error\":\"bans") != NULL);
	kernel_fails = false;
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
		slow[i] = connect_client();
		ask(slow[i], CONTROL_RULES, "", 0);
	}
}

/* Those which do not read have a child each, up to four; the others are told, and PID 1 still answers. */
static void slow_clients_are_few(void)
{
	unsigned refused = 0;
	struct control_reply r;

	for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
		CHECK(get(slow[i], &r));
		refused += r.code == -EBUSY;
		(void)close(slow[i]);
	}
	CHECK_EQ(refused, ARRAY_SIZE(slow) - 4);
}

static void room_again(void)
{
	struct control_reply r;

	if (step == 5) {
		ask(fd, CONTROL_BAN, "192.0.2.7", 10);
		ask(fd, CONTROL_RULES, "", 0);
		return;
	}
	CHECK(get(fd, &r));
	CHECK_EQ(r.code, 0);
	CHECK(get(fd, &r));
	CHECK_EQ(r.flags, CONTROL_MORE);
	(void)close(fd);
}

static void ignore_signal(const struct signalfd_siginfo *si)
{
	(void)si;
}

static void long_body(void)
{
	start();
	CHECK_EQ(signals_open(ignore_signal, reaper_run), 0);
	steps[0] = read_long_answers;
	steps[1] = reader_is_done;
	steps[2] = refusal_and_slow_clients;
	steps[3] = slow_clients_are_few;
	steps[4] = room_again;
	steps[5] = room_again;
	loop_run();
	CHECK_EQ(step, 6);
}

static void long_answers_come_from_a_child(void **state)
{
	(void)state;
	if (!permitted())
		skip_because("only root can mount a /run of its own");
	in_child(long_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bans_are_changed_and_logged),
		cmocka_unit_test(long_answers_come_from_a_child),
	};

	return cmocka_run_group_tests_name("control, long answers", tests, NULL, NULL);
}
