/* Who "everybody" is: as PID 1 the whole namespace, else only what comes from us. */
#include "../../init/kill.h"
#include "../../init/signals.h"

#include "support.h"

#include <sys/mman.h>

enum { STRANGER, COUSIN, CHILD, GRANDCHILD, DAEMON, SLOTS = 40 };

/* Between the processes of a case: who is there, and what each of them got. */
static volatile struct {
	pid_t pid;
	int got[8], n;
} * slot;

static void share_slots(void)
{
	slot = mmap(NULL, SLOTS * sizeof(*slot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(slot != MAP_FAILED);
}

static void free_slot(int i)
{
	slot[i].pid = 0;
	slot[i].n = 0;
}

static int setup(void **state)
{
	(void)state;
	share_slots();
	return 0;
}

/* Notes each signal in its slot. Catches all, so that only KILL ends it. */
static _Noreturn void note_signals(int i, const char *name)
{
	sigset_t all;

	(void)prctl(PR_SET_NAME, name);
	if (i == STRANGER) /* also where a case fails before it ends it */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	slot[i].pid = getpid();
	for (;;) {
		int sig = sigwaitinfo(&all, NULL);
		if (sig > 0 && sig != SIGCHLD && slot[i].n < 8) {
			slot[i].got[slot[i].n] = sig;
			slot[i].n = slot[i].n + 1;
		}
	}
}

static void wait_until(bool (*what)(int), int i)
{
	for (int ms = 0; !what(i); ms += 2) {
		CHECK(ms < 20000);
		sleep_ms(2);
	}
}

static bool is_there(int i)
{
	return slot[i].pid != 0;
}

static bool got_one(int i)
{
	return slot[i].n > 0;
}

static bool got_two(int i)
{
	return slot[i].n > 1;
}

static bool is_gone(int i)
{
	while (waitpid(-1, NULL, WNOHANG) > 0) /* adopted ones too */
		;
	return kill(slot[i].pid, 0) < 0;
}

static void spawn(int i, const char *name)
{
	free_slot(i);
	if (fork() == 0)
		note_signals(i, name);
	wait_until(is_there, i);
}

/* Its parent dies at once: a daemon. */
static void spawn_daemon(int i, const char *name)
{
	free_slot(i);
	pid_t pid = fork();
	if (pid == 0) {
		if (fork() == 0) {
			(void)setsid();
			note_signals(i, name);
		}
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	wait_until(is_there, i);
}

/* A child with a child. */
static void spawn_family(int i, const char *name)
{
	free_slot(i);
	free_slot(i + 1);
	if (fork() == 0) {
		if (fork() == 0)
			note_signals(i + 1, "grandchild");
		note_signals(i, name);
	}
	wait_until(is_there, i);
	wait_until(is_there, i + 1);
}

static void listed(const char *name, int i, bool there)
{
	char text[4096], want[64];

	kill_list(text, sizeof(text));
	(void)snprintf(want, sizeof(want), "%s(%d)", name, (int)slot[i].pid);
	CHECK_EQ(strstr(text, want) != NULL, there);
}

/* --- not PID 1 ------------------------------------------------------------------------------------------------- */

static void descendants_body(void)
{
	CHECK(getpid() != 1);
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* as daemon.c does */
	CHECK(!kill_anyone_left());
	spawn_family(CHILD, "child");
	spawn_daemon(DAEMON, "daemon");
	CHECK(kill_anyone_left());
	listed("child", CHILD, true);
	listed("grandchild", GRANDCHILD, true);
	listed("daemon", DAEMON, true);
	listed("stranger", STRANGER, false);
	kill_everything(SIGTERM);
	for (int i = CHILD; i <= DAEMON; i++) {
		wait_until(got_one, i);
		CHECK_EQ(slot[i].got[0], SIGTERM);
	}
	kill_everything(SIGKILL);
	for (int i = CHILD; i <= DAEMON; i++)
		wait_until(is_gone, i);
	CHECK(!kill_anyone_left());
	kill_everything(SIGKILL); /* nobody: above all not everybody */
}

/* Who lived before us, of the same user: no signal of ours ever reached it. */
static bool stranger_lives(void)
{
	return kill(slot[STRANGER].pid, 0) == 0 && slot[STRANGER].n == 0;
}

/* In a namespace all the same: a mistake must not end the machine that the test runs on. */
static void bystander_body(void)
{
	spawn(STRANGER, "stranger");
	pid_t pid = fork();
	if (pid == 0) {
		descendants_body();
		_exit(0);
	}
	CHECK_EQ(wait_status(pid), 0);
	CHECK(stranger_lives());
}

static void only_descendants_where_we_are_not_pid1(void **state)
{
	(void)state;
	as_pid1(bystander_body, NULL);
}

/* --- PID 1 ----------------------------------------------------------------------------------------------------- */

/* As `docker exec` does: a process of the namespace whose parent is outside. Our children are in it since unshare(2).
 */
static void exec_into(pid_t pid1)
{
	(void)pid1;
	pid_t pid = fork();
	if (pid == 0)
		note_signals(COUSIN, "exec");
	CHECK_EQ(wait_status(pid), 128 + SIGKILL);
}

static void pid1_body(void)
{
	wait_until(is_there, COUSIN);
	CHECK(kill_anyone_left()); /* although it is nobody's child here */
	listed("exec", COUSIN, true);
	spawn_family(CHILD, "child");
	spawn_daemon(DAEMON, "daemon");
	listed("grandchild", GRANDCHILD, true);
	listed("stranger", STRANGER, false);
	kill_everything(SIGTERM);
	for (int i = COUSIN; i <= DAEMON; i++)
		wait_until(got_one, i);
	kill_everything(SIGHUP);
	for (int i = COUSIN; i <= DAEMON; i++) {
		wait_until(got_two, i);
		CHECK(slot[i].got[0] == SIGTERM && slot[i].got[1] == SIGHUP);
	}
	kill_everything(SIGKILL);
	for (int i = COUSIN; i <= DAEMON; i++)
		wait_until(is_gone, i);
	CHECK(!kill_anyone_left());
}

static void everybody_as_pid1(void **state)
{
	(void)state;
	free_slot(COUSIN);
	spawn(STRANGER, "stranger");
	as_pid1(pid1_body, exec_into);
	assert_true(stranger_lives());
	assert_int_equal(kill(slot[STRANGER].pid, SIGKILL), 0);
	assert_int_equal(waitpid(slot[STRANGER].pid, NULL, 0), slot[STRANGER].pid);
}

/* A dead child of ours may have left somebody who was not there yet when we looked: not before it is reaped. */
static void unreaped_body(void)
{
	siginfo_t info;
	char text[256];
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	CHECK(kill_anyone_left());
	kill_list(text, sizeof(text));
	CHECK_STR(text, ""); /* but it is not one that has to be ended */
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK(!kill_anyone_left());
}

static void a_child_of_ours_counts_until_it_is_reaped(void **state)
{
	(void)state;
	in_child(unreaped_body);
	as_pid1(unreaped_body, NULL);
}

/* Dead, and not ours to reap: perhaps its parent outside never does. */
static void leave_zombie(pid_t pid1)
{
	siginfo_t info;
	pid_t pid = fork();

	(void)pid1;
	if (pid == 0) {
		slot[COUSIN].pid = getpid();
		_exit(0);
	}
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	slot[COUSIN].n = 1;
	/* Not before PID 1 is done, which does not end while there are zombies. */
	wait_until(got_two, COUSIN);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

static void zombie_body(void)
{
	char text[256];

	wait_until(got_one, COUSIN);
	CHECK_EQ(kill(slot[COUSIN].pid, 0), 0);
	CHECK(!kill_anyone_left());
	kill_list(text, sizeof(text));
	CHECK_STR(text, "");
	slot[COUSIN].n = 2;
}

static void a_zombie_is_nobody(void **state)
{
	(void)state;
	free_slot(COUSIN);
	as_pid1(zombie_body, leave_zombie);
}

/* --- the list -------------------------------------------------------------------------------------------------- */

static void format_body(void)
{
	char text[256], want[256];

	kill_list(text, sizeof(text));
	CHECK_STR(text, "");
	spawn(CHILD, "nginx");
	spawn(DAEMON, "a) S 1 (b");
	kill_list(text, sizeof(text));
	(void)snprintf(want, sizeof(want), "nginx(%d) a) S 1 (b(%d)", (int)slot[CHILD].pid, (int)slot[DAEMON].pid);
	CHECK_STR(text, want);
}

/* At every size: no byte past the end, ended, the beginning of the whole, and what fits is there. */
static void bound_body(void)
{
	char whole[2048], text[2049];

	for (int i = 0; i < SLOTS; i++)
		spawn(i, i % 2 ? "fifteen-letters" : "x");
	kill_list(whole, sizeof(whole));
	CHECK_EQ(strlen(strrchr(whole, '(')), strlen("(10)"));
	for (size_t size = 1; size <= 600; size++) {
		memset(text, '#', sizeof(text));
		kill_list(text, size);
		CHECK(memchr(text, '\0', size) != NULL);
		for (size_t i = size; i < sizeof(text); i++)
			CHECK_EQ(text[i], '#');
		CHECK_EQ(strncmp(whole, text, strlen(text)), 0);
		/* Whole names, and as many as fit. */
		CHECK(text[0] == '\0' || text[strlen(text) - 1] == ')');
		CHECK(strlen(text) + strlen(" fifteen-letters(10)") >= size - 1 || strlen(text) == strlen(whole));
	}
}

static void the_list_and_its_bound(void **state)
{
	(void)state;
	as_pid1(format_body, NULL);
	as_pid1(bound_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_descendants_where_we_are_not_pid1),
		cmocka_unit_test(everybody_as_pid1),
		cmocka_unit_test(a_child_of_ours_counts_until_it_is_reaped),
		cmocka_unit_test(a_zombie_is_nobody),
		cmocka_unit_test(the_list_and_its_bound),
	};

	return cmocka_run_group_tests_name("kill", tests, setup, NULL);
}
