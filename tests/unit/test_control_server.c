/* The control socket itself: who gets in, what a slow or hostile client can do, and that a log never makes PID 1 spin.
 */
#include "control_fixture.h"

/* --- answers --------------------------------------------------------------------------------------------------- */

static void ask_everything(void)
{
	fd = connect_client();
	for (int op = CONTROL_STATUS; op <= CONTROL_FIREWALL; op++)
		ask(fd, (enum control_op)op, "", 0);
	ask(fd, CONTROL_HEALTH, "", 0);
	ask(fd, CONTROL_HEALTH, "ready", 6);
	ask(fd, CONTROL_HEALTH, "dead", 5);
	ask(fd, CONTROL_STOP, "", 0);
	ask(fd, CONTROL_PING, "", 0);
	CHECK_EQ(send(fd, "nonsense", 8, MSG_NOSIGNAL), 8);
	ask(fd, (enum control_op)77, "", 0);
	char big[CONTROL_REQUEST_MAX + 1] = {0};
	CHECK_EQ(send(fd, big, sizeof(big), MSG_NOSIGNAL), sizeof(big));
}

static void hear_everything(void)
{
	static const struct {
		int code;
		const char *says;
	} want[] = {{0, "view_status"},	 {0, "view_stages"}, {0, "view_config"}, {0, "view_firewall"},
		    {0, "\"live\""},	 {1, "\"ready\""},   {-EINVAL, ""},	 {0, "\"stopping\":true"},
		    {0, "\"version\":"}, {-EBADMSG, ""},     {-EOPNOTSUPP, ""},	 {-EMSGSIZE, ""}};
	struct control_reply r;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		CHECK(get(fd, &r));
		CHECK_EQ(r.code, want[i].code);
		CHECK_EQ(r.flags, 0);
		CHECK(strstr(reply_text, want[i].says) != NULL);
	}
	CHECK(!get(fd, &r));
	CHECK_EQ(stops, 1);
	(void)close(fd);
}

static void answers_body(void)
{
	struct stat st;

	start();
	CHECK_EQ(stat(CONTROL_SOCKET, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0600);
	steps[0] = ask_everything;
	steps[1] = hear_everything;
	loop_run();
	CHECK_EQ(step, 2);
}

static void every_request_is_answered(void **state)
{
	(void)state;
	if (!permitted())
		skip_because("only root can mount a /run of its own");
	in_child(answers_body);
}

static void stranger(void)
{
	/* The folder and the mode keep others out; this one got in all the same, and SO_PEERCRED is the second lock. */
	CHECK_EQ(chmod("/run/zimbra", 0777), 0);
	CHECK_EQ(chmod(CONTROL_SOCKET, 0777), 0);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK_EQ(setresuid(65534, 65534, 65534), 0);
		int mine = connect_client();
		struct control_request r = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = CONTROL_STOP};
		(void)send(mine, &r, sizeof(r), MSG_NOSIGNAL);
		struct pollfd p = {.fd = mine, .events = POLLIN};
		CHECK_EQ(poll(&p, 1, 5000), 1);
		struct control_reply reply;
		_exit(get(mine, &reply) ? 1 : 42);
	}
	fd = (int)pid;
}

static void stranger_was_refused(void)
{
	CHECK_EQ(wait_status(fd), 42);
	CHECK_EQ(stops, 0);
}

static void stranger_body(void)
{
	start();
	steps[0] = stranger;
	steps[1] = stranger_was_refused;
	loop_run();
	CHECK_EQ(step, 2);
}

static void others_than_root_are_refused(void **state)
{
	(void)state;
	if (!permitted())
		skip_because("only root can mount a /run of its own");
	in_child(stranger_body);
}

/* --- the log --------------------------------------------------------------------------------------------------- */

static void ask_log_slowly(void)
{
	int small = 4096;

	for (int i = 1; i <= 4000; i++)
		log_info("n", "number %d", i);
	fd = connect_client();
	CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	/* Requests whose answers nobody reads fill the way back first. */
	for (int i = 0; i < 200; i++)
		ask(fd, CONTROL_STATUS, "", 0);
	ask(fd, CONTROL_LOG, "", 0);
}

static void read_log_to_the_end(void)
{
	struct control_reply r;
	int last = 0;
	bool over = false;

	/* The rest comes while we read: let the loop run in between (this is one of its callbacks). */
	while (get(fd, &r)) {
		char *line = strstr(reply_text, "number ");
		for (; line; line = strstr(line + 1, "number "))
			last = (int)strtol(line + 7, NULL, 10);
		over = over || (r.len == 0 && !(r.flags & CONTROL_MORE));
	}
	if (last && last < 4000)
		step--; /* once more */
	else if (last == 4000)
		CHECK(over);
}

static int64_t cpu;

static void remember_cpu(void)
{
	cpu = cpu_ms();
}

static void nothing(void)
{
}

static void no_cpu_was_used(void)
{
	CHECK(cpu_ms() - cpu < 20); /* spinning would take at least 50 of the 150 */
	(void)close(fd);
}

/* The client has all it asked for and stays: that must not cost anything. */
static void slow_log_body(void)
{
	start();
	steps[0] = ask_log_slowly;
	steps[1] = read_log_to_the_end;
	steps[2] = read_log_to_the_end;
	steps[3] = remember_cpu;
	steps[4] = nothing;
	steps[5] = nothing;
	steps[6] = no_cpu_was_used;
	loop_run();
	CHECK_EQ(step, 7);
}

static void slow_reader_of_the_log_costs_nothing(void **state)
{
	(void)state;
	if (!permitted())
		skip_because("only root can mount a /run of its own");
	in_child(slow_log_body);
}

static void follow(void)
{
	fd = connect_client();
	log_info("n", "before");
	ask(fd, CONTROL_LOG,
	    "follow\0"
	    "1",
	    9);
}

static void follow_hears(void)
{
	struct control_reply r;

	CHECK(get(fd, &r));
	CHECK_EQ(r.flags, CONTROL_MORE);
	CHECK(strstr(reply_text, "n: before\n") != NULL);
	CHECK(!get(fd, &r));
	log_info("n", "live");
	CHECK(get(fd, &r)); /* at once, not at the next wake-up */
	CHECK(strstr(reply_text, "n: live\n") != NULL);
	(void)close(fd);
	log_info("n", "nobody there any more");
}

static void follow_body(void)
{
	start();
	steps[0] = follow;
	steps[1] = follow_hears;
	loop_run();
	CHECK_EQ(step, 2);
}

static void log_can_be_followed(void **state)
{
	(void)state;
	if (!permitted())
		skip_because("only root can mount a /run of its own");
	in_child(follow_body);
}

/* --- many clients ---------------------------------------------------------------------------------------------- */

static int many[20];

static void crowd(void)
{
	for (size_t i = 0; i < 16; i++)
		many[i] = connect_client();
}

static void crowd_is_full(void)
{
	fd = connect_client();
	ask(many[15], CONTROL_PING, "", 0);
	(void)close(many[0]); /* makes room */
}

static void crowd_has_room_again(void)
{
	struct control_reply r;

	CHECK(get(many[15], &r));
	CHECK(!get(fd, &r)); /* was turned away, and not with an answer */
	int again = connect_client();
	ask(again, CONTROL_RELOAD, "", 0);
	fd = again;
}

static void reload_ends_without_its_client(void)
{
	CHECK(reload != NULL);
	(void)close(fd); /* who asked is gone before the answer */
}

static void reload_answer(void)
{
	reload->changed(reload->arg, CFG_ZIMBRA_STOP_TIMEOUT, true);
	reload->finished(reload->arg, NULL);
	fd = connect_client();
	ask(fd, CONTROL_RELOAD, "", 0);
}

static void second_reload(void)
{
	ask(many[1], CONTROL_RELOAD, "", 0);
}

static void reload_twice(void)
{
	struct control_reply r;

	CHECK(get(many[1], &r));
	CHECK_EQ(r.code, -EBUSY);
	reload->changed(reload->arg, CFG_ZIMBRA_STOP_TIMEOUT, true);
	reload->finished(reload->arg, "no good");
	CHECK(get(fd, &r));
	CHECK_EQ(r.code, -EINVAL);
	CHECK(strstr(reply_text, "\"name\":\"ZIMBRA_STOP_TIMEOUT\"") != NULL);
	CHECK(strstr(reply_text, "no good") != NULL);
}

static void crowd_body(void)
{
	start();
	steps[0] = crowd;
	steps[1] = crowd_is_full;
	steps[2] = crowd_has_room_again;
	steps[3] = reload_ends_without_its_client;
	steps[4] = reload_answer;
	steps[5] = second_reload;
	steps[6] = reload_twice;
	loop_run();
	CHECK_EQ(step, 7);
}

static void many_clients_and_reloads(void **state)
{
	(void)state;
	if (!permitted())
		skip_because("only root can mount a /run of its own");
	in_child(crowd_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_request_is_answered),
		cmocka_unit_test(others_than_root_are_refused),
		cmocka_unit_test(slow_reader_of_the_log_costs_nothing),
		cmocka_unit_test(log_can_be_followed),
		cmocka_unit_test(many_clients_and_reloads),
	};

	return cmocka_run_group_tests_name("control server", tests, NULL, NULL);
}
