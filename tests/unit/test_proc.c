/* /proc/PID/stat: names that try to look like the rest of the line, and real processes. */
#include "../../init/proc.h"

#include "support.h"

#include <sys/stat.h>

#define REST "4 5 6 7 -1 4194560 8 9 10 11 12 13 14 15 20 0 1 0 987654321 22 23 18446744073709551615 1 2 3"

static int parse(const char *text, struct proc_info *out)
{
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1); /* without its '\0': one byte too far is seen by the sanitizer */

	assert_non_null(exact);
	memcpy(exact, text, len);
	int r = proc_parse_stat(exact, len, out);
	free(exact);
	return r;
}

static void names(void **state)
{
	static const struct {
		const char *text, *name;
		int parent;
		bool zombie;
	} good[] = {
		{"77 (cat) R " REST, "cat", 4, false},
		{"77 (a) R 1 (b) Z " REST, "a) R 1 (b", 4, true},
		{"77 (a) R 1 (b) S " REST "\n", "a) R 1 (b", 4, false},
		{"77 (((()) S " REST, "((()", 4, false},
		{"77 () S " REST, "", 4, false},
		{"77 ( ) S 1 2 3 ) S " REST, " ) S 1 2 3 ", 4, false},
		{"77 (a\nb c) X " REST, "a\nb c", 4, true},
		{"77 (fifteen-letters) S " REST, "fifteen-letters", 4, false},
		{"77 (kworker/u8:3-events_unbound) I " REST, "kworker/u8:3-ev", 4, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct proc_info p;
		memset(&p, 0xee, sizeof(p));
		assert_int_equal(parse(good[i].text, &p), 0);
		assert_string_equal(p.name, good[i].name);
		assert_int_equal(p.parent, good[i].parent);
		assert_int_equal(p.start_time, 987654321);
		assert_int_equal(p.zombie, good[i].zombie);
	}
}

static void malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"77",
		"77 (cat",
		"77 cat)",
		"77 )cat(",
		"77 (cat)",
		"77 (cat) R",
		"77 (cat) R x",
		"77 (cat) R 4 5 6 7 -1 4194560 8 9 10 11 12 13 14 15 20 0 1 0", /* ends before field 22 */
		"77 (cat) R 4 5 6 7 -1 4194560 8 9 10 11 12 13 14 15 20 0 1 0 soon",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct proc_info p;
		if (parse(bad[i], &p) != -EINVAL)
			fail_msg("accepted: \"%s\"", bad[i]);
	}
}

static void every_truncation(void **state)
{
	const char *text = "77 (a) R 1 (b) S " REST;
	size_t complete = (size_t)(strstr(text, "987654321") - text);

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		struct proc_info p;
		char *exact = malloc(len ? len : 1);
		assert_non_null(exact);
		memcpy(exact, text, len);
		int r = proc_parse_stat(exact, len, &p);
		free(exact);
		assert_int_equal(r, len > complete ? 0 : -EINVAL);
	}
}

static int parse_uid(const char *text, uid_t *uid)
{
	size_t len = strlen(text);
	char *exact = malloc(len ? len : 1);

	assert_non_null(exact);
	memcpy(exact, text, len);
	int r = proc_parse_uid(exact, len, uid);
	free(exact);
	return r;
}

static void uids(void **state)
{
	static const struct {
		const char *text;
		int result;
		uid_t uid;
	} cases[] = {
		{"Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n", 0, 2},
		{"Name:\tx\nUid:\t0\t4294967294\t3\t4", 0, 4294967294},
		{"Name:\tUid:\t7\t7\nUid:\t1\t998\t3\t4\n", 0, 998},
		{"Name:\t\\nUid:\t7\t7\nUid:\t1\t998\t3\t4\n", 0, 998},
		{"", -EINVAL, 0},
		{"Uid:\t1\t2\t3\t4\n", -EINVAL, 0}, /* the first line is the name, always */
		{"Name:\tx\nUid:\t", -EINVAL, 0},
		{"Name:\tx\nUid:\t1", -EINVAL, 0},
		{"Name:\tx\nUid:\tone\ttwo\n", -EINVAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uid_t uid = 0;
		assert_int_equal(parse_uid(cases[i].text, &uid), cases[i].result);
		assert_int_equal(uid, cases[i].uid);
	}
}

/* Field 22 as somebody else reads it: cut(1) cannot be fooled, this process's name has no blank. */
static uint64_t start_by_cut(pid_t pid)
{
	char command[96];
	unsigned long long start = 0;

	(void)snprintf(command, sizeof(command), "cut --delimiter=' ' --fields=22 /proc/%d/stat", (int)pid);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%llu", &start), 1);
	(void)pclose(f);
	return start;
}

static void ourselves(void **state)
{
	struct proc_info p;

	(void)state;
	assert_int_equal(proc_read(getpid(), &p), 0);
	assert_int_equal(p.parent, getppid());
	assert_int_equal(p.uid, geteuid());
	assert_int_equal(p.start_time, start_by_cut(getpid()));
	assert_false(p.zombie);
	assert_string_equal(p.name, "test_proc");
}

/* A child that calls itself that, in the given user, until it is killed; its pid once it is so. */
static pid_t child_named(const char *name, uid_t uid, bool dumpable)
{
	int p[2];
	char c;

	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		begin_child();
		(void)prctl(PR_SET_NAME, name);
		if (uid)
			CHECK_EQ(setresuid(uid, uid, uid), 0);
		CHECK_EQ(prctl(PR_SET_DUMPABLE, dumpable), 0);
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		CHECK_EQ(write(p[1], "x", 1), 1);
		for (;;)
			(void)pause();
	}
	(void)close(p[1]);
	assert_int_equal(read(p[0], &c, 1), 1);
	(void)close(p[0]);
	return pid;
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)wait_status(pid);
}

static void hostile_name_of_a_real_process(void **state)
{
	struct proc_info p;

	(void)state;
	if (geteuid() != 0)
		skip_because("only root can become another user");
	pid_t pid = child_named("a) R 1 (b", 0, true);
	assert_int_equal(proc_read(pid, &p), 0);
	assert_string_equal(p.name, "a) R 1 (b");
	assert_int_equal(p.parent, getpid());
	end(pid);
	pid = child_named("\nUid:\t0\t0\t0\n", 65534, true);
	assert_int_equal(proc_read(pid, &p), 0);
	end(pid);
	assert_int_equal(p.uid, 65534);
	assert_int_equal(p.parent, getpid());
}

/* slapd and nginx have file capabilities: such processes are not dumpable, and their files in /proc become root's. */
static void owner_of_a_process_that_cannot_be_dumped(void **state)
{
	struct proc_info p;

	(void)state;
	if (geteuid() != 0)
		skip_because("only root can become another user");
	for (int dumpable = 0; dumpable < 2; dumpable++) {
		pid_t pid = child_named("slapd", 65534, dumpable);
		assert_int_equal(proc_read(pid, &p), 0);
		end(pid);
		assert_int_equal(p.uid, 65534);
	}
}

static void zombie_and_gone(void **state)
{
	struct proc_info p;
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_read(pid, &p), 0);
	assert_true(p.zombie);
	assert_int_equal(wait_status(pid), 0);
	int r = proc_read(pid, &p);
	assert_true(r == -ENOENT || r == -ESRCH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(malformed),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(uids),
		cmocka_unit_test(ourselves),
		cmocka_unit_test(hostile_name_of_a_real_process),
		cmocka_unit_test(owner_of_a_process_that_cannot_be_dumped),
		cmocka_unit_test(zombie_and_gone),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
