/* The control socket itself: who gets in, what a slow or hostile client can do, and that a log never makes PID 1 spin.
 */
#include "../../init/bans.h"
#include "../../init/bans_list.h"
#include "../../init/boot/jail.h"
#include "../../init/control.h"
#include "../../init/daemon.h"
#include "../../init/logring.h"
#include "../../init/reaper.h"
#include "../../init/server.h"
#include "../../init/signals.h"
#include "../../init/view.h"

#include "support.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* --- PID 1 around it ------------------------------------------------------------------------------------------- */

static struct config cfg;
static const struct daemon_reload *reload;
static unsigned stops;

const struct config *daemon_config(void)
{
	return &cfg;
}

void daemon_stop(const char *who)
{
	(void)who;
	stops++;
}

void daemon_touched(void)
{
}

int daemon_reload(const struct daemon_reload *r)
{
	reload = r;
	return 0;
}

#define VIEW(name)                                                                                                     \
	json_t *name(void)                                                                                             \
	{                                                                                                              \
		return json_pack("{s:s}", "view", #name);                                                              \
	}
VIEW(view_status)
VIEW(view_stages)
VIEW(view_config)
VIEW(view_firewall)

json_t *view_health(const char *level, bool *healthy)
{
	*healthy = strcmp(level, "live") == 0;
	return strcmp(level, "dead") == 0 ? NULL : json_pack("{s:s}", "view", level);
}

json_t *view_text(const char *s)
{
	return s ? json_string(s) : json_null();
}

/* Nothing here goes into the jail; without these, all of the boot would be linked. */
int jail_enter(void)
{
	return -ENOSYS;
}

const char *const *jail_env(const char *term)
{
	(void)term;
	return NULL;
}

/* --- bans of paper, and a kernel with a lot to tell ---------------------------------------------------------- */

enum { MANY_BANS = 20000, MUCH_TEXT = 1000000 };

static char banned[64];
static bool kernel_fails;

int bans_add(const struct fw_ban *ban, char *why, size_t size)
{
	if (ban->who.addr[0] == 10) {
		(void)snprintf(why, size, "10.0.0.1 cannot be banned: 10.0.0.1 is the gateway");
		return -EACCES;
	}
	(void)fw_prefix_format(&ban->who, banned, sizeof(banned));
	return 0;
}

int bans_remove(const struct fw_prefix *who, char *why, size_t size)
{
	(void)who;
	(void)why;
	(void)size;
	banned[0] = '\0';
	return 0;
}

int bans_list_read(struct bans_list *list, struct fw_error *err)
{
	if (kernel_fails) {
		(void)snprintf(err->what, sizeof(err->what), "bans");
		return err->err = -EPERM;
	}
	*list = (struct bans_list){.v = calloc(MANY_BANS, sizeof(*list->v)), .n = MANY_BANS};
	for (size_t i = 0; list->v && i < MANY_BANS; i++)
		list->v[i] = (struct fw_ban){.who = {AF_INET, 32, {10, 1, (uint8_t)(i >> 8), (uint8_t)i}},
					     .left_ms = i ? 1000 * i - 999 : 0};
	return 0;
}

int fw_rules_text(char **text, struct fw_error *err)
{
	(void)err;
	*text = malloc(MUCH_TEXT + 1);
	memset(*text, 'r', MUCH_TEXT);
	(*text)[MUCH_TEXT] = '\0';
	return 0;
}

/* --- a client in the same process ------------------------------------------------------------------------------ */

static void quit_now(struct loop_timer *t)
{
	(void)t;
	loop_quit();
}

/* loop_run() ends for good with loop_quit(): each case gets all of its work done in one run, from timers. */
static struct loop_timer end, step_timer;
static void (*steps[8])(void);
static int step;

static void next_step(struct loop_timer *t)
{
	if (steps[step]) {
		steps[step++]();
		loop_timer_set(t, 50);
	} else {
		loop_quit();
	}
}

static void start(void)
{
	signals_block();
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK_EQ(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
	CHECK_EQ(mkdir("/run/zimbra", 0700), 0);
	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(logring_open(false), 0);
	CHECK_EQ(control_open(), 0);
	step_timer.fire = next_step;
	loop_timer_set(&step_timer, 0);
	end.fire = quit_now;
	loop_timer_set(&end, 20 * 1000);
}

static int connect_client(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = CONTROL_SOCKET};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK(fd >= 0);
	CHECK_EQ(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void ask(int fd, enum control_op op, const char *args, size_t len)
{
	struct control_request r = {
		.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = (uint16_t)op, .len = (uint32_t)len};
	char packet[CONTROL_REQUEST_MAX];

	memcpy(packet, &r, sizeof(r));
	memcpy(packet + sizeof(r), args, len);
	CHECK_EQ(send(fd, packet, sizeof(r) + len, MSG_NOSIGNAL), sizeof(r) + len);
}

static char reply_text[CONTROL_REPLY_MAX];

/* The next packet; false if there is none. */
static bool get(int fd, struct control_reply *r)
{
	static char packet[CONTROL_REPLY_MAX];
	ssize_t n = recv(fd, packet, sizeof(packet), 0);

	if (n <= 0)
		return false;
	CHECK(n >= (ssize_t)sizeof(*r));
	memcpy(r, packet, sizeof(*r));
	CHECK_EQ(r->magic, CONTROL_MAGIC);
	CHECK_EQ(r->version, CONTROL_VERSION);
	CHECK_EQ(r->len, (size_t)n - sizeof(*r));
	memcpy(reply_text, packet + sizeof(*r), r->len);
	reply_text[r->len] = '\0';
	return true;
}

static bool permitted(void)
{
	return geteuid() == 0;
}

/* --- answers --------------------------------------------------------------------------------------------------- */

static int fd;

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

/* --- bans and rules -------------------------------------------------------------------------------------------- */

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
		cmocka_unit_test(every_request_is_answered),
		cmocka_unit_test(others_than_root_are_refused),
		cmocka_unit_test(slow_reader_of_the_log_costs_nothing),
		cmocka_unit_test(log_can_be_followed),
		cmocka_unit_test(many_clients_and_reloads),
		cmocka_unit_test(bans_are_changed_and_logged),
		cmocka_unit_test(long_answers_come_from_a_child),
	};

	return cmocka_run_group_tests_name("control server", tests, NULL, NULL);
}
