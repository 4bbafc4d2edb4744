/* What mmdebstrap and apt said, recorded from real runs: how far they were, and why they failed. */
#include "../../init/boot/aptlog.h"
#include "golden.h"

static void note(void *arg, const char *line)
{
	apt_cause_note(arg, line);
}

static void test_causes(void **state)
{
	static const struct {
		const char *name;
		enum apt_trouble trouble;
		const char *text, *remedy;
	} run[] = {
		{"apt-no-dns.txt", APT_NETWORK, "Could not resolve 'no-such-host.invalid'", "--dns"},
		{"apt-refused.txt", APT_NETWORK,
		 "http://mirror.example/debian/dists/bookworm/InRelease  Could not connect", "ZIMBRA_OS_MIRROR"},
		{"apt-wrong-mirror.txt", APT_NOT_FOUND, "nothere/dists/bookworm/InRelease  400  Bad Request",
		 "where dists/ begins"},
		{"apt-wrong-suite.txt", APT_NOT_FOUND, "bookwurm Release' does not have a Release file",
		 "ZIMBRA_OS_SUITE"},
		{"apt-unknown-key.txt", APT_UNKNOWN_KEY, "NO_PUBKEY 6ED0E7B82643E131", "ZIMBRA_OS_KEYRING"},
		{"apt-bad-signature.txt", APT_BAD_SIGNATURE, "BADSIG", "do not work around it"},
		{"apt-unsigned.txt", APT_UNSIGNED, "is not signed", "InRelease"},
		{"apt-hash-mismatch.txt", APT_HASH, "Hash Sum mismatch", "being updated"},
		{"apt-disk-full.txt", APT_NO_SPACE, "You don't have enough free space", "free space"},
		{"apt-disk-full-lists.txt", APT_NO_SPACE, "No space left on device", "free space"},
		{"apt-disk-full-dpkg.txt", APT_NO_SPACE, "No space left on device", "free space"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(run); i++) {
		struct apt_cause c = {0};
		struct failure f;
		golden_lines(run[i].name, note, &c);
		assert_int_equal(c.trouble, run[i].trouble);
		assert_int_equal(apt_cause_explain(&c, "cannot install", &f), -1);
		assert_int_equal(f.kind, FAILURE_RETRY);
		assert_non_null(strstr(f.text, "cannot install: "));
		assert_non_null(strstr(f.text, run[i].text));
		assert_non_null(strstr(f.remedy, run[i].remedy));
	}
}

static void test_no_false_alarm(void **state)
{
	struct apt_cause c = {0};

	(void)state;
	/* A run that went well names no cause, with its hundreds of package names and URLs. */
	golden_lines("mmdebstrap-bookworm.txt", note, &c);
	assert_int_equal(c.trouble, APT_NO_TROUBLE);
	/* A try that was repeated is no cause; an unknown error is one, and is shown. */
	apt_cause_note(&c, "Ign:1 http://mirror.example/debian bookworm InRelease  Connection timed out");
	assert_int_equal(c.trouble, APT_NO_TROUBLE);
	apt_cause_note(&c, "E: something new");
	apt_cause_note(&c, "E: something newer");
	assert_int_equal(c.trouble, APT_OTHER);
	assert_string_equal(c.line, "something new");
}

static void test_mount_is_fatal(void **state)
{
	struct apt_cause c = {0};
	struct failure f;

	(void)state;
	apt_cause_note(&c, "E: mount failed: 256");
	assert_int_equal(apt_cause_explain(&c, "cannot install", &f), -1);
	assert_int_equal(f.kind, FAILURE_FATAL);
	assert_non_null(strstr(f.remedy, "apparmor=unconfined"));
}

struct watched {
	struct apt_progress p;
	int last, changes, biggest_step;
};

static void watch(void *arg, const char *line)
{
	struct watched *w = arg;
	int before = w->last;

	if (apt_progress_line(&w->p, line)) {
		w->changes++;
		assert_true(w->p.percent >= before);
		if (w->p.percent - before > w->biggest_step)
			w->biggest_step = w->p.percent - before;
	} else {
		assert_int_equal(w->p.percent, before);
	}
	w->last = w->p.percent;
}

static void test_progress(void **state)
{
	struct watched w = {0};

	(void)state;
	apt_progress_start(&w.p, true);
	assert_string_equal(apt_progress_doing(&w.p), "reading the package lists");
	golden_lines("mmdebstrap-bookworm.txt", watch, &w);
	assert_int_equal(w.p.percent, 98);
	assert_string_equal(apt_progress_doing(&w.p), "cleaning up");
	/* Fine enough to watch, coarse enough not to flood PID 1. */
	assert_in_range(w.changes, 50, 110);
	assert_in_range(w.biggest_step, 1, 8);
}

static void test_progress_of_apt(void **state)
{
	struct watched w = {0};

	(void)state;
	apt_progress_start(&w.p, false);
	watch(&w, "Setting up early (1) ..."); /* before the total is known */
	assert_int_equal(w.p.percent, 0);
	apt_progress_start(&w.p, false);
	watch(&w, "1 upgraded, 1 newly installed, 0 to remove and 3 not upgraded.");
	watch(&w, "Get:1 http://mirror.example/debian bookworm/main amd64 pax amd64 1 [1 kB]");
	watch(&w, "Get:2 http://mirror.example/debian bookworm/main amd64 file amd64 1 [1 kB]");
	watch(&w, "Get:3 more than announced");
	assert_int_equal(w.p.percent, 20);
	watch(&w, "Unpacking pax:amd64 (1) ...");
	assert_string_equal(w.p.package, "pax");
	watch(&w, "Unpacking file (1) over (0) ...");
	watch(&w, "Setting up pax:amd64 (1) ...");
	watch(&w, "Setting up file (1) ...");
	assert_int_equal(w.p.percent, 99);
	watch(&w, "4294967295 upgraded, 4294967295 newly installed");
	watch(&w, "Unpacking ");
	assert_in_range(w.p.percent, 99, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causes),		cmocka_unit_test(test_no_false_alarm),
		cmocka_unit_test(test_mount_is_fatal),	cmocka_unit_test(test_progress),
		cmocka_unit_test(test_progress_of_apt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
