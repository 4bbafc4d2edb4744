/* Every finding about a container alone, in the combinations that matter, and all at once; each with both remedies. */
#include "../../init/boot/preflight.h"
#include "support.h"

#include <linux/capability.h>

#define CAPS(...) cap_bits((const int[]){__VA_ARGS__, -1})

static uint64_t cap_bits(const int *cap)
{
	uint64_t bits = 0;

	for (; *cap >= 0; cap++)
		bits |= UINT64_C(1) << *cap;
	return bits;
}

/* Docker's default set with the two of our README. */
static struct preflight_facts good(void)
{
	return (struct preflight_facts){
		.machine = "x86_64",
		.caps = CAPS(CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FSETID, CAP_FOWNER, CAP_MKNOD, CAP_NET_RAW, CAP_SETGID,
			     CAP_SETUID, CAP_SETFCAP, CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_KILL,
			     CAP_AUDIT_WRITE, CAP_NET_ADMIN, CAP_SYS_ADMIN),
		.nofile_hard = 524288,
		.machine_mib = 16000,
		.cgroup_mib = UINT64_MAX,
		.lsm = "unconfined",
	};
}

static const struct preflight_want usual = {.firewall = true, .min_nofile = 524288, .min_memory_mib = 8192};
static struct failure f;

static unsigned lines(const char *text)
{
	unsigned n = *text != '\0';

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void expect_one(const struct preflight_facts *have, const struct preflight_want *want, const char *text,
		       const char *docker, const char *kubernetes)
{
	assert_int_equal(preflight_decide(have, want, &f), -1);
	assert_int_equal(f.kind, FAILURE_FATAL);
	assert_int_equal(lines(f.text), 1);
	assert_int_equal(lines(f.remedy), 1);
	assert_non_null(strstr(f.text, text));
	assert_non_null(strstr(f.remedy, docker));
	assert_non_null(strstr(f.remedy, kubernetes));
}

static void test_good(void **state)
{
	struct preflight_facts have = good();

	(void)state;
	assert_int_equal(preflight_decide(&have, &usual, &f), 0);
	assert_int_equal(f.kind, FAILURE_NONE);
	have.nofile_hard = UINT64_MAX;
	have.caps = UINT64_MAX;
	assert_int_equal(preflight_decide(&have, &usual, &f), 0);
}

static void test_capabilities(void **state)
{
	struct preflight_want no_firewall = usual;
	struct preflight_facts have = good();

	(void)state;
	no_firewall.firewall = false;
	have.caps &= ~CAPS(CAP_NET_ADMIN);
	expect_one(&have, &usual, "missing: NET_ADMIN", "--cap-add NET_ADMIN", "capabilities.add: [NET_ADMIN]");
	assert_non_null(strstr(f.remedy, "ZIMBRA_FIREWALL=off"));
	assert_int_equal(preflight_decide(&have, &no_firewall, &f), 0);
	have.caps &= ~CAPS(CAP_SYS_ADMIN);
	expect_one(&have, &no_firewall, "missing: SYS_ADMIN", "--cap-add SYS_ADMIN", "capabilities.add: [SYS_ADMIN]");
	expect_one(&have, &usual, "SYS_ADMIN, NET_ADMIN", "--cap-add SYS_ADMIN --cap-add NET_ADMIN",
		   "capabilities.add: [SYS_ADMIN, NET_ADMIN]");

	static const int each[] = {CAP_CHOWN,	CAP_DAC_OVERRIDE,     CAP_FOWNER,      CAP_FSETID,
				   CAP_KILL,	CAP_SETGID,	      CAP_SETUID,      CAP_SETPCAP,
				   CAP_SETFCAP, CAP_NET_BIND_SERVICE, CAP_AUDIT_WRITE, CAP_SYS_CHROOT};
	for (size_t i = 0; i < ARRAY_SIZE(each); i++) {
		have = good();
		have.caps &= ~(UINT64_C(1) << each[i]);
		expect_one(&have, &usual, "capabilities are missing", "--cap-add", "capabilities.add");
		assert_null(strstr(f.remedy, "ZIMBRA_FIREWALL"));
	}
	/* Not ours to need. */
	have = good();
	have.caps &= ~CAPS(CAP_NET_RAW, CAP_MKNOD);
	assert_int_equal(preflight_decide(&have, &usual, &f), 0);
	have.caps = 0;
	expect_one(&have, &usual, "SYS_ADMIN, NET_ADMIN, SYS_CHROOT", "--cap-add CHOWN", "NET_BIND_SERVICE]");
}

static void test_user(void **state)
{
	struct preflight_facts have = good();

	(void)state;
	/* Says why, and not also which capabilities that user lacks. */
	have.uid = 1000;
	have.caps = 0;
	expect_one(&have, &usual, "user 1000", "without --user", "runAsUser: 0");
}

static void test_flags(void **state)
{
	struct preflight_facts have = good();

	(void)state;
	(void)snprintf(have.machine, sizeof(have.machine), "aarch64");
	expect_one(&have, &usual, "aarch64", "--platform linux/amd64", "kubernetes.io/arch: amd64");
	have = good();
	have.no_new_privs = true;
	expect_one(&have, &usual, "no-new-privileges", "without --security-opt no-new-privileges",
		   "allowPrivilegeEscalation: true");
	have = good();
	have.root_read_only = true;
	expect_one(&have, &usual, "read-only", "without --read-only", "readOnlyRootFilesystem: false");
}

static void test_apparmor(void **state)
{
	static const char *const denies[] = {"docker-default (enforce)", "cri-containerd.apparmor.d (enforce)",
					     "crio-default (enforce)", "containers-default-0.50.1 (enforce)"};
	static const char *const fine[] = {"", "unconfined", "docker-default (complain)", "zimbra-init (enforce)",
					   "system_u:system_r:container_t:s0:c1,c2"};
	struct preflight_facts have = good();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(denies); i++) {
		(void)snprintf(have.lsm, sizeof(have.lsm), "%s", denies[i]);
		expect_one(&have, &usual, "AppArmor", "apparmor=unconfined", "appArmorProfile: {type: Unconfined}");
	}
	for (size_t i = 0; i < ARRAY_SIZE(fine); i++) {
		(void)snprintf(have.lsm, sizeof(have.lsm), "%s", fine[i]);
		assert_int_equal(preflight_decide(&have, &usual, &f), 0);
	}
}

static void test_limits(void **state)
{
	struct preflight_want none = usual;
	struct preflight_facts have = good();

	(void)state;
	have.nofile_hard = 524287;
	expect_one(&have, &usual, "524287", "--ulimit nofile=524288:524288", "Kubernetes has no field");
	assert_non_null(strstr(f.remedy, "ZIMBRA_MIN_NOFILE=524287"));
	none.min_nofile = none.min_memory_mib = 0;
	have.nofile_hard = 0;
	have.machine_mib = 1;
	assert_int_equal(preflight_decide(&have, &none, &f), 0);

	have = good();
	have.cgroup_mib = 8191;
	expect_one(&have, &usual, "the container may use 8191 MiB", "--memory 8192m", "limits.memory: 8192Mi");
	have.cgroup_mib = 8192;
	assert_int_equal(preflight_decide(&have, &usual, &f), 0);
	/* The smaller of the two counts, and the message blames the one that is to blame. */
	have.cgroup_mib = UINT64_MAX;
	have.machine_mib = 4000;
	expect_one(&have, &usual, "the machine has 4000 MiB", "larger machine", "requests.memory: 8192Mi");
	have.cgroup_mib = 6000;
	expect_one(&have, &usual, "the machine has 4000 MiB", "larger machine", "requests.memory");
	have.cgroup_mib = 2000;
	expect_one(&have, &usual, "the container may use 2000 MiB", "--memory", "limits.memory");
}

static void test_namespaces(void **state)
{
	struct preflight_want no_firewall = usual, not_pid1 = usual;
	struct preflight_facts have = good();

	(void)state;
	no_firewall.firewall = false;
	not_pid1.allow_not_pid1 = true;
	have.host_net_ns = true;
	expect_one(&have, &usual, "shares the network", "without --network host", "hostNetwork: false");
	assert_int_equal(preflight_decide(&have, &no_firewall, &f), 0);

	have = good();
	have.not_pid1 = true;
	expect_one(&have, &usual, "not process 1", "without --init", "shareProcessNamespace: false");
	assert_int_equal(preflight_decide(&have, &not_pid1, &f), 0);
	/* With the host's processes it is never process 1: one finding, and no way around it. */
	have.host_pid_ns = true;
	expect_one(&have, &usual, "process namespace of the host", "without --pid host", "hostPID: false");
	expect_one(&have, &not_pid1, "process namespace of the host", "without --pid host", "hostPID: false");
}

static void test_all_at_once(void **state)
{
	struct preflight_facts have = good();

	(void)state;
	have.caps &= ~CAPS(CAP_NET_ADMIN, CAP_SYS_ADMIN);
	have.no_new_privs = have.root_read_only = have.not_pid1 = have.host_net_ns = true;
	have.nofile_hard = 1024;
	(void)snprintf(have.lsm, sizeof(have.lsm), "docker-default (enforce)");
	assert_int_equal(preflight_decide(&have, &usual, &f), -1);
	assert_int_equal(lines(f.text), 7);
	assert_int_equal(lines(f.remedy), 7);
	/* Nothing was cut: the last one is there to its end. */
	assert_non_null(strstr(f.remedy, "ZIMBRA_MIN_NOFILE=1024"));
}

static void test_status(void **state)
{
	static const char text[] =
		"Name:\tinit\nUid:\t0\t0\t0\t0\nCapInh:\t0000000000000000\nCapPrm:\t00000000a82435fb\n"
		"CapEff:\t00000000a82435fb\nCapBnd:\t00000000002035fb\nNoNewPrivs:\t1\nSeccomp:\t2\n";
	struct preflight_facts out = {0};

	(void)state;
	assert_int_equal(preflight_parse_status(text, &out), 0);
	assert_int_equal(out.uid, 0);
	assert_true(out.caps == (UINT64_C(0xa82435fb) & UINT64_C(0x2035fb)));
	assert_true(out.no_new_privs);
	assert_int_equal(preflight_parse_status("", &out), -EPROTO);
	assert_int_equal(preflight_parse_status("Uid:\t0\nCapEff:\t0\nCapBnd:\t0\n", &out), -EPROTO);
	assert_int_equal(preflight_parse_status("Uid:\t0\nCapEff:\t\nCapBnd:\t0\nNoNewPrivs:\t0\n", &out), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	   cmocka_unit_test(test_capabilities), cmocka_unit_test(test_user),
		cmocka_unit_test(test_flags),	   cmocka_unit_test(test_apparmor),	cmocka_unit_test(test_limits),
		cmocka_unit_test(test_namespaces), cmocka_unit_test(test_all_at_once),	cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
