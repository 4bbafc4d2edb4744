/* What a worker has left after worker_confine: seen from outside, and by trying what is gone. With zimbra-netlog's own
 * list. */
#include "../../init/netlog/netlog.h"
#include "../../init/netlog/nflog.h"

#include "support.h"

#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* In a child: confined as netlog is, with a socket pair at its two descriptors. */
static void confine(void)
{
	const char *step = "";
	int pair[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	int high[2] = {fcntl(pair[0], F_DUPFD, 20), fcntl(pair[1], F_DUPFD, 20)};
	CHECK_EQ(dup2(high[0], WORKER_FD), WORKER_FD);
	CHECK_EQ(dup2(high[1], NETLOG_FD), NETLOG_FD);
	int r = worker_confine(&netlog_self, &step);
	if (r < 0)
		(void)dprintf(check_fd, "# %s: %s\n", step, strerror(-r));
	CHECK_EQ(r, 0);
}

/* --- from outside ---------------------------------------------------------------------------------------------- */

static pid_t confined; /* waits in poll(2) */
static char status_text[4096], limits_text[4096];

static void read_proc(const char *file, char *text, size_t size)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)confined, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = read(fd, text, size - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
}

static int begin_confined(void **state)
{
	int p[2];
	char c;

	(void)state;
	assert_int_equal(pipe(p), 0);
	confined = fork();
	if (confined == 0) {
		begin_child();
		confine();
		(void)poll(NULL, 0, -1);
		_exit(0);
	}
	(void)close(p[1]);
	(void)!read(p[0], &c, 1); /* it has closed what it was not given */
	(void)close(p[0]);
	for (int i = 0; i < 500; i++) {
		read_proc("status", status_text, sizeof(status_text));
		if (strstr(status_text, "Seccomp:\t2"))
			break;
		sleep_ms(10);
	}
	read_proc("limits", limits_text, sizeof(limits_text));
	return 0;
}

static int end_confined(void **state)
{
	(void)state;
	(void)kill(confined, SIGKILL);
	return wait_status(confined) == 128 + SIGKILL ? 0 : -1;
}

static void has_line(const char *text, const char *line)
{
	if (!strstr(text, line))
		print_error("# no \"%s\" in:\n%s", line, text);
	assert_non_null(strstr(text, line));
}

static void nothing_is_left(void **state)
{
	char line[80], path[64], target[256];
	struct stat st;

	(void)state;
	(void)snprintf(line, sizeof(line), "Uid:\t%1$d\t%1$d\t%1$d\t%1$d\n", WORKER_UID_NETLOG);
	has_line(status_text, line);
	(void)snprintf(line, sizeof(line), "Gid:\t%1$d\t%1$d\t%1$d\t%1$d\n", WORKER_UID_NETLOG);
	has_line(status_text, line);
	has_line(status_text, "Groups:\t \n");
	has_line(status_text, "CapInh:\t0000000000000000\n");
	has_line(status_text, "CapPrm:\t0000000000000000\n");
	has_line(status_text, "CapEff:\t0000000000000000\n");
	has_line(status_text, "CapBnd:\t0000000000000000\n");
	has_line(status_text, "CapAmb:\t0000000000000000\n");
	has_line(status_text, "NoNewPrivs:\t1\n");
	has_line(status_text, "Seccomp:\t2\n");
	has_line(limits_text, "Max core file size        0                    0 ");
	has_line(limits_text, "Max processes             0                    0 ");
	has_line(limits_text, "Max file size             0                    0 ");
	has_line(limits_text, "Max open files            5                    5 ");
#ifndef __SANITIZE_ADDRESS__
	has_line(limits_text, "Max address space         67108864             67108864 ");
#endif
	/* Not dumpable: what is in /proc belongs to root. */
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)confined);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	/* A root that nobody can fill: the folder is gone. */
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)confined);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	assert_non_null(strstr(target, "(deleted)"));
	(void)strncat(path, "/file", sizeof(path) - strlen(path) - 1);
	assert_int_equal(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600), -1);
	assert_int_equal(errno, ENOENT);
}

/* The jail's root may become any user, this one too. */
static void its_own_user_cannot_look_into_it(void **state)
{
	static const char *const files[] = {"mem", "root", "root/", "fd/3", "cwd/", "environ", "maps"};

	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		begin_child();
		CHECK_EQ(setresgid(WORKER_UID_NETLOG, WORKER_UID_NETLOG, WORKER_UID_NETLOG), 0);
		CHECK_EQ(setresuid(WORKER_UID_NETLOG, WORKER_UID_NETLOG, WORKER_UID_NETLOG), 0);
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			char path[64];
			(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)confined, files[i]);
			CHECK_EQ(open(path, O_RDONLY | O_CLOEXEC), -1);
			CHECK(errno == EACCES || errno == EPERM);
		}
		CHECK_EQ(ptrace(PTRACE_SEIZE, confined, NULL, NULL), -1);
		_exit(0);
	}
	assert_int_equal(wait_status(pid), 0);
}

static void no_other_descriptors(void **state)
{
	char path[64];
	int n = 0;

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)confined);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.') {
			assert_in_range(strtol(e->d_name, NULL, 10), 0, NETLOG_FD);
			n++;
		}
	(void)closedir(d);
	assert_int_equal(n, NETLOG_FD + 1);
}

/* Debian policy 9.2.2 keeps the range free: nobody of the system that runs this test is in it, nor of a new one. */
static void users_are_nobody(void **state)
{
	static const char *const lists[] = {"/etc/passwd", "/etc/group", "/usr/share/base-passwd/passwd.master",
					    "/usr/share/base-passwd/group.master"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		char line[1024];
		FILE *f = fopen(lists[i], "re");
		while (f && fgets(line, sizeof(line), f)) {
			const char *id = strchr(line, ':');
			id = id ? strchr(id + 1, ':') : NULL;
			long n = id ? strtol(id + 1, NULL, 10) : 0;
			assert_false(n >= WORKER_UID_FIRST && n <= WORKER_UID_LAST);
		}
		if (f)
			(void)fclose(f);
	}
	assert_in_range(WORKER_UID_NETLOG, WORKER_UID_FIRST, WORKER_UID_LAST);
	assert_in_range(WORKER_UID_FIRST, 65000, 65533);
	assert_in_range(WORKER_UID_LAST, 65000, 65533);
}

static void orphan_body(void)
{
	int p[2];
	char c;

	CHECK_EQ(pipe(p), 0);
	pid_t middle = fork();
	if (middle == 0) {
		pid_t worker = fork();
		if (worker == 0) {
			CHECK_EQ(dup2(p[1], STDIN_FILENO), STDIN_FILENO);
			confine();
			(void)poll(NULL, 0, -1);
			_exit(0);
		}
		sleep_ms(300);
		_exit(0);
	}
	(void)close(p[1]);
	CHECK_EQ(wait_status(middle), 0);
	struct pollfd end = {.fd = p[0]};
	CHECK_EQ(poll(&end, 1, 5000), 1); /* the last one who held the other end is dead */
	CHECK_EQ(read(p[0], &c, 1), 0);
}

static void it_dies_with_its_parent(void **state)
{
	(void)state;
	in_child(orphan_body);
}

/* --- what the filter kills for --------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	long call, arg[6];
} forbidden[] = {
	{"open", SYS_open, {(long)"/etc/passwd", O_RDONLY}},
	{"openat", SYS_openat, {AT_FDCWD, (long)"/etc/passwd", O_RDONLY}},
	{"socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
	{"connect", SYS_connect, {WORKER_FD, 0, 0}},
	{"execve", SYS_execve, {(long)"/bin/sh", 0, 0}},
	{"ptrace", SYS_ptrace, {PTRACE_TRACEME}},
	{"mount", SYS_mount, {(long)"a", (long)"/", (long)"tmpfs"}},
	{"fork", SYS_fork, {0}},
	{"clone", SYS_clone, {SIGCHLD}},
	{"clone3", SYS_clone3, {0}},
	{"kill", SYS_kill, {1, SIGTERM}},
	{"tgkill", SYS_tgkill, {1, 1, SIGTERM}},
	{"setresuid", SYS_setresuid, {0, 0, 0}},
	{"prctl", SYS_prctl, {PR_SET_DUMPABLE, 1}},
	{"ioctl", SYS_ioctl, {WORKER_FD, 0x8933}},
	{"bpf", SYS_bpf, {0}},
	{"unshare", SYS_unshare, {CLONE_NEWUSER}},
	{"chroot", SYS_chroot, {(long)"/"}},
	{"dup", SYS_dup, {WORKER_FD}},
	{"read", SYS_read, {NETLOG_FD, 0, 0}},
	{"memfd_create", SYS_memfd_create, {(long)"m"}},
	{"io_uring_setup", SYS_io_uring_setup, {1, 0}},
	{"sendmsg", SYS_sendmsg, {WORKER_FD, 0, 0}},	 /* which could carry a descriptor */
	{"recvmsg", SYS_recvmsg, {WORKER_FD, 0, 0}},	 /* or take one */
	{"sendto", SYS_sendto, {NETLOG_FD, 0, 0, 0, 0}}, /* to the kernel's netlink */
	{"recvfrom", SYS_recvfrom, {WORKER_FD, 0, 0, 0, 0}},
};
static size_t tried;

static void try_body(void)
{
	const long *a = forbidden[tried].arg;

	confine();
	(void)syscall(forbidden[tried].call, a[0], a[1], a[2], a[3], a[4], a[5]);
	_exit(0);
}

/* Status, and what it wrote to stderr. */
static int try_forbidden(size_t i, const char *mode, char *said, size_t size)
{
	int p[2];

	tried = i;
	(void)setenv("WORKER_SECCOMP", mode, 1);
	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	if (pid == 0) {
		begin_child();
		(void)dup2(p[1], STDERR_FILENO); /* a pipe: RLIMIT_FSIZE is 0 */
		try_body();
	}
	(void)close(p[1]);
	ssize_t n = read(p[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	(void)close(p[0]);
	return wait_status(pid);
}

static void forbidden_kills(void **state)
{
	char said[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
		int status = try_forbidden(i, "kill", said, sizeof(said));
		if (status != 128 + SIGSYS)
			print_error("# %s: status %d\n", forbidden[i].name, status);
		assert_int_equal(status, 128 + SIGSYS);
		assert_string_equal(said, "");
	}
}

static void trap_names_the_call(void **state)
{
	char said[512], want[64];

#ifndef WORKER_TRAP
	skip_because("a production build has no trap");
#endif
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++) {
		assert_int_equal(try_forbidden(i, "trap", said, sizeof(said)), 128 + SIGSYS);
		(void)snprintf(want, sizeof(want), "worker: system call %ld (%s) is not allowed\n", forbidden[i].call,
			       forbidden[i].name);
		assert_string_equal(said, want);
	}
}

/* --- what it needs, it may ------------------------------------------------------------------------------------- */

static struct {
	char *bytes;
	size_t len;
} corpus[64];
static size_t files;

static void load_corpus(void)
{
	DIR *d = opendir("tests/fuzz/corpus/nflog");

	CHECK(d != NULL);
	for (struct dirent *e; (e = readdir(d)) && files < ARRAY_SIZE(corpus);) {
		if (e->d_name[0] == '.')
			continue;
		int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
		corpus[files].bytes = malloc(65536);
		CHECK(fd >= 0 && corpus[files].bytes);
		corpus[files].len = (size_t)read(fd, corpus[files].bytes, 65536);
		files++;
		(void)close(fd);
	}
	(void)closedir(d);
	CHECK(files >= 10);
}

static void parse_body(void)
{
	(void)setenv("WORKER_SECCOMP", "trap", 1);
	load_corpus();
	confine();
	for (size_t i = 0; i < files; i++)
		for (size_t cut = 0; cut <= corpus[i].len; cut++)
			for (size_t at = 0, used = 0; at < cut; at += used) {
				struct nflog_packet p;
				if (nflog_message(corpus[i].bytes + at, cut - at, &used, &p) < 0)
					break;
			}
}

static void parser_needs_no_call(void **state)
{
	(void)state;
	in_child(parse_body);
}

static void talk_body(void)
{
	char packet[WORKER_PACKET_MAX];
	struct worker_header h;
	struct worker_log m;

	confine();
	worker_log(WORKER_INFO, "%0300d", 7);
	/* WORKER_FD and NETLOG_FD are the two ends of one pair here. */
	CHECK_EQ(recv(NETLOG_FD, packet, sizeof(packet), 0), sizeof(h) + sizeof(m));
	memcpy(&h, packet, sizeof(h));
	memcpy(&m, packet + sizeof(h), sizeof(m));
	CHECK(h.version == WORKER_VERSION && h.type == WORKER_LOG && h.length == sizeof(m));
	CHECK(m.length < WORKER_TEXT_MAX && m.level == WORKER_INFO);
	CHECK(m.text[0] == '0' && m.text[m.length - 1] == '0' && m.text[m.length] == '\0'); /* cut */
	for (int i = 0; i < 100; i++)
		worker_log(WORKER_INFO, "%d", i);
	int n = 0;
	while (recv(NETLOG_FD, packet, sizeof(packet), MSG_DONTWAIT) > 0)
		n++;
	CHECK(n >= WORKER_LOGS_A_SECOND - 1 && n <= 2 * WORKER_LOGS_A_SECOND);
	CHECK(!worker_send(WORKER_LOG, packet, WORKER_PACKET_MAX)); /* does not fit */
}

static void it_can_talk(void **state)
{
	(void)state;
	in_child(talk_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_left, begin_confined, end_confined),
		cmocka_unit_test_setup_teardown(its_own_user_cannot_look_into_it, begin_confined, end_confined),
		cmocka_unit_test_setup_teardown(no_other_descriptors, begin_confined, end_confined),
		cmocka_unit_test(users_are_nobody),
		cmocka_unit_test(it_dies_with_its_parent),
		cmocka_unit_test(forbidden_kills),
		cmocka_unit_test(trap_names_the_call),
		cmocka_unit_test(parser_needs_no_call),
		cmocka_unit_test(it_can_talk),
	};

	return cmocka_run_group_tests_name("worker_confine", tests, NULL, NULL);
}
