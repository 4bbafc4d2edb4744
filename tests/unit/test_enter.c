/*
 * The jail's deny-list in a real kernel, without privileges (NO_NEW_PRIVS instead of SYS_ADMIN): what is refused and
 * with which errno, and what must go on working. The whole of jail_enter is tried from inside a container, tests/e2e.
 */
#include "../../init/boot/jail.h"
#include "../../init/boot/jail_private.h"
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define REFUSED(err, call)                                                                                             \
	do {                                                                                                           \
		errno = 0;                                                                                             \
		CHECK_EQ((call), -1);                                                                                  \
		CHECK_EQ(errno, err);                                                                                  \
	} while (0)

static void filtered(void)
{
	CHECK_EQ(filter_load_unprivileged(), 0);
}

/* Bad arguments all: where the filter did not answer, the kernel would say EFAULT, EBADF or ENOENT. */
static void refused(void)
{
	static const long calls[] = {
		SYS_mount,
		SYS_umount2,
		SYS_pivot_root,
		SYS_open_tree,
		SYS_move_mount,
		SYS_fsopen,
		SYS_fsconfig,
		SYS_fsmount,
		SYS_fspick,
		SYS_mount_setattr,
		467,
		SYS_chroot,
		SYS_setns,
		SYS_ptrace,
		SYS_process_vm_readv,
		SYS_kcmp,
		SYS_pidfd_getfd,
		SYS_bpf,
		SYS_open_by_handle_at,
		SYS_process_vm_writev,
		SYS_init_module,
		SYS_finit_module,
		SYS_delete_module,
		SYS_kexec_load,
		SYS_kexec_file_load,
		SYS_keyctl,
		SYS_add_key,
		SYS_request_key,
		SYS_perf_event_open,
		SYS_userfaultfd,
		SYS_io_uring_setup,
		SYS_io_uring_enter,
		SYS_syslog,
		SYS_reboot,
		SYS_swapon,
		SYS_swapoff,
		SYS_acct,
		SYS_quotactl,
		SYS_iopl,
		SYS_ioperm,
		SYS_settimeofday,
		SYS_clock_settime,
		SYS_adjtimex,
		SYS_sethostname,
		SYS_setdomainname,
	};

	filtered();
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		errno = 0;
		if (syscall(calls[i], -1L, -1L, -1L, -1L, -1L, -1L) != -1 || errno != EPERM) {
			(void)dprintf(check_fd, "# system call %ld: errno %d\n", calls[i], errno);
			_exit(CHECK_FAILED);
		}
	}
}

static void namespaces(void)
{
	static const unsigned long flags[] = {CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,	  CLONE_NEWUSER,
					      CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP};

	filtered();
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		REFUSED(EPERM, syscall(SYS_unshare, flags[i]));
		REFUSED(EPERM, syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0));
		/* Only the low half counts for the kernel. */
		REFUSED(EPERM, syscall(SYS_unshare, flags[i] | 1UL << 40));
		REFUSED(EPERM, syscall(SYS_unshare, flags[i] | CLONE_FS));
	}
	REFUSED(EPERM, syscall(SYS_unshare, 0x80));
	REFUSED(ENOSYS, syscall(SYS_clone3, NULL, 0));
	CHECK_EQ(syscall(SYS_unshare, CLONE_FS), 0);
}

static void terminals(void)
{
	filtered();
	REFUSED(EPERM, syscall(SYS_ioctl, -1, TIOCSTI, "x"));
	REFUSED(EPERM, syscall(SYS_ioctl, -1, TIOCSTI | 1UL << 32, "x"));
	REFUSED(EPERM, syscall(SYS_ioctl, -1, TIOCLINUX, "x"));
	REFUSED(EBADF, syscall(SYS_ioctl, -1, TIOCGWINSZ, NULL));
}

static void families(void)
{
	int pair[2];

	filtered();
	for (int family = 0; family < 64; family++)
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK) {
			REFUSED(EAFNOSUPPORT, socket(family, SOCK_DGRAM, 0));
			REFUSED(EAFNOSUPPORT, socketpair(family, SOCK_DGRAM, 0, pair));
		}
	REFUSED(EAFNOSUPPORT, syscall(SYS_socket, AF_VSOCK | 1UL << 32, SOCK_STREAM, 0));
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	CHECK(socket(AF_INET, SOCK_STREAM, 0) >= 0);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 0) >= 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
}

static void personalities(void)
{
	filtered();
	for (unsigned bit = 0; bit < 32; bit++) {
		unsigned long p = 1UL << bit;

		if (p == PER_LINUX32 || p == UNAME26)
			CHECK(syscall(SYS_personality, p) >= 0);
		else
			REFUSED(EPERM, syscall(SYS_personality, p));
	}
	REFUSED(EPERM, syscall(SYS_personality, 0xfffffffeUL));
	REFUSED(EPERM, syscall(SYS_personality, 0x80000000UL | READ_IMPLIES_EXEC));
	CHECK_EQ(syscall(SYS_personality, 0UL), UNAME26);
	CHECK_EQ(syscall(SYS_personality, 0xffffffffUL), 0);
}

/* Calls that want no more than an equal uid: PID 1 has it. */
static void init_process(void)
{
	struct rlimit rl = {RLIM_INFINITY, RLIM_INFINITY};
	siginfo_t info = {.si_signo = SIGWINCH, .si_code = SI_QUEUE};

	filtered();
	REFUSED(EPERM, prlimit(1, RLIMIT_CPU, NULL, &rl));
	REFUSED(EPERM, prlimit(getppid(), RLIMIT_CPU, NULL, &rl));
	CHECK_EQ(prlimit(0, RLIMIT_CPU, NULL, &rl), 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &rl), 0);
	REFUSED(EPERM, syscall(SYS_rt_sigqueueinfo, 1, SIGWINCH, &info));
	REFUSED(EPERM, syscall(SYS_rt_tgsigqueueinfo, 1, 1, SIGWINCH, &info));
	REFUSED(ENOSYS, syscall(SYS_pidfd_send_signal, -1, SIGWINCH, NULL, 0));
	REFUSED(EPERM, kill(1, SIGWINCH));
	REFUSED(EPERM, syscall(SYS_kill, 0x700000001UL, SIGWINCH)); /* the kernel looks at the low half */
	REFUSED(EPERM, syscall(SYS_tkill, 1, SIGWINCH));
	REFUSED(EPERM, syscall(SYS_tgkill, 1, 1, SIGWINCH));
	REFUSED(EPERM, fcntl(STDERR_FILENO, F_SETSIG, SIGTERM));
	CHECK_EQ(fcntl(STDERR_FILENO, F_SETSIG, 0), 0);
	(void)signal(SIGWINCH, SIG_IGN);
	CHECK_EQ(syscall(SYS_rt_sigqueueinfo, getpid(), SIGWINCH, &info), 0);
	CHECK_EQ(kill(getpid(), SIGWINCH), 0);
	CHECK(kill(1, 0) == 0 ||
	      errno == EPERM); /* asking is no signal: not ours to refuse, but perhaps the kernel's */
}

/* The 32-bit entry and x32: all of it is refused. getpid is 20 there. */
static void foreign(void)
{
	long r;

	filtered();
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
	CHECK_EQ(r, -ENOSYS);
	REFUSED(ENOSYS, syscall(0x40000000 | SYS_getpid));
}

static void *thread(void *arg)
{
	return arg;
}

/* fork, threads (clone3 falls back to clone), exec, and a filter of the program's own on top. */
static void ordinary(void)
{
	pthread_t t;
	pid_t pid;

	filtered();
	CHECK_EQ(pthread_create(&t, NULL, thread, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	pid = fork();
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", "exit $((40 + 2))", (char *)NULL);
		_exit(1);
	}
	CHECK_EQ(wait_status(pid), 42);
	CHECK_EQ(filter_load_unprivileged(), 0);
	CHECK_EQ(prctl(PR_GET_SECCOMP), 2);
}

/* No jail, no entry: an empty or missing JAIL_ROOT must not become somebody's root. */
static void no_jail(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		_exit(CHECK_SKIPPED);
	CHECK_EQ(jail_enter(), -ENOENT);
	CHECK_EQ(mkdir(JAIL_RUN, 0700), 0);
	CHECK_EQ(mkdir(JAIL_ROOT, 0755), 0);
	CHECK_EQ(jail_enter(), -ENXIO);
	CHECK_EQ(jail_open_root(), -ENXIO);
	/* Refused before anything was changed. */
	CHECK_EQ(prctl(PR_GET_SECCOMP), 0);
}

static void directory_on_stdin(void)
{
	CHECK_EQ(dup2(open("/", O_RDONLY | O_DIRECTORY), STDIN_FILENO), STDIN_FILENO);
	CHECK_EQ(jail_enter(), -EISDIR);
}

static const char *find(const char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

static void environment(void **state)
{
	char longest[128];

	(void)state;
	assert_string_equal(find(jail_env("xterm-256color"), "TERM"), "xterm-256color");
	assert_null(find(jail_env(NULL), "TERM"));
	assert_null(find(jail_env(""), "TERM"));
	assert_null(find(jail_env("x\033[2J"), "TERM"));
	assert_null(find(jail_env("/etc/passwd"), "TERM"));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(find(jail_env(longest), "TERM"));
	assert_string_equal(find(jail_env(NULL), "container"), "docker");
	assert_non_null(find(jail_env(NULL), "PATH"));
}

static void capabilities(void **state)
{
	uint64_t kept = 0;

	(void)state;
	for (size_t i = 0; i < jail_caps_count; i++)
		kept |= 1ULL << jail_caps[i];
	assert_int_equal(kept, 0xa00005fb);
	assert_false(kept >> CAP_SYS_ADMIN & 1 || kept >> CAP_SYS_CHROOT & 1 || kept >> CAP_SYS_PTRACE & 1 ||
		     kept >> CAP_MKNOD & 1 || kept >> CAP_NET_RAW & 1 || kept >> CAP_DAC_READ_SEARCH & 1);
}

#define IN_CHILD(name)                                                                                                 \
	static void run_##name(void **state)                                                                           \
	{                                                                                                              \
		(void)state;                                                                                           \
		in_child(name);                                                                                        \
	}
IN_CHILD(refused)
IN_CHILD(namespaces)
IN_CHILD(terminals)
IN_CHILD(families)
IN_CHILD(personalities)
IN_CHILD(foreign)
IN_CHILD(init_process)
IN_CHILD(ordinary)
IN_CHILD(directory_on_stdin)

static void run_no_jail(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		begin_child();
		no_jail();
		_exit(0);
	}
	status = wait_status(pid);
	if (status == CHECK_SKIPPED)
		skip_because("no mount namespace of our own here (CAP_SYS_ADMIN)");
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_refused),
		cmocka_unit_test(run_namespaces),
		cmocka_unit_test(run_terminals),
		cmocka_unit_test(run_families),
		cmocka_unit_test(run_personalities),
		cmocka_unit_test(run_foreign),
		cmocka_unit_test(run_init_process),
		cmocka_unit_test(run_ordinary),
		cmocka_unit_test(run_directory_on_stdin),
		cmocka_unit_test(run_no_jail),
		cmocka_unit_test(environment),
		cmocka_unit_test(capabilities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
