/* Who may command PID 1: the table, and every trick of a real process that we know of. */
#include "../../init/signals.h"

#include "support.h"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* --- the table ------------------------------------------------------------------------------------------------- */

static uint32_t asked;

static bool ours(uint32_t pid)
{
	asked = pid;
	return true;
}

static bool not_ours(uint32_t pid)
{
	asked = pid;
	return false;
}

static void table(void **state)
{
	static const struct {
		int32_t code;
		bool believed;
	} codes[] = {
		{SI_USER, true},     {SI_TKILL, true},	   {SI_KERNEL, true},	{SI_QUEUE, false},
		{SI_TIMER, false},   {SI_MESGQ, false},	   {SI_ASYNCIO, false}, {SI_SIGIO, false},
		{SI_ASYNCNL, false}, {SI_DETHREAD, false}, {1, false},		{6, false},
		{-3, false},	     {-100, false},	   {INT32_MIN, false},	{INT32_MAX, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct signalfd_siginfo si = {.ssi_signo = SIGTERM, .ssi_code = codes[i].code};
		asked = 0;
		assert_int_equal(signals_trusted(&si, not_ours), codes[i].believed); /* pid 0: from outside */
		assert_int_equal(asked, 0);
		si.ssi_pid = 4711;
		assert_false(signals_trusted(&si, not_ours));
		assert_int_equal(signals_trusted(&si, ours), codes[i].believed);
		assert_int_equal(asked, codes[i].believed ? 4711 : 0);
	}
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(signals_name(SIGTERM), "TERM");
	assert_string_equal(signals_name(SIGUSR1), "USR1");
	assert_string_equal(signals_name(0), "unknown signal");
	assert_string_equal(signals_name(4711), "unknown signal");
	assert_string_equal(signals_name(-1), "unknown signal");
}

static void roots(void **state)
{
	char dir[] = "/tmp/zimbra-root.XXXXXX", c;
	int p[2];

	(void)state;
	assert_true(signals_root_is_ours((uint32_t)getpid()));
	assert_false(signals_root_is_ours(0x7fffffff));
	if (geteuid() != 0)
		skip_because("only root can change its root folder");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pipe(p), 0);
	pid_t pid = fork();
	if (pid == 0) {
		begin_child();
		CHECK_EQ(chroot(dir), 0);
		CHECK_EQ(write(p[1], "x", 1), 1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(read(p[0], &c, 1), 1);
	assert_false(signals_root_is_ours((uint32_t)pid));
	(void)kill(pid, SIGKILL);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_false(signals_root_is_ours((uint32_t)pid)); /* a zombie has no root: not ours */
	(void)wait_status(pid);
	(void)rmdir(dir);
}

/* --- mask and dispositions ------------------------------------------------------------------------------------- */

static bool status_says(const char *line)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	(void)close(fd);
	CHECK(n > 0);
	text[n] = '\0';
	return strstr(text, line) != NULL;
}

static void handler(int sig)
{
	(void)sig;
}

/* As in every process that glibc's posix_spawn() made. */
static void ignore_both_of_glibc(void)
{
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} ign = {.handler = SIG_IGN};

	CHECK_EQ(syscall(SYS_rt_sigaction, 32, &ign, NULL, 8), 0);
	CHECK_EQ(syscall(SYS_rt_sigaction, 33, &ign, NULL, 8), 0);
	CHECK(!status_says("SigIgn:\t0000000000000000\n"));
}

static void mask_body(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
	sigset_t set;
	struct sigaction sa;

	signals_block();
	CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &set), 0);
	for (int sig = 1; sig < NSIG; sig++) {
		bool fault =
			sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33; /* glibc keeps two for itself */
		for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
			fault = fault || faults[i] == sig;
		CHECK_EQ(sigismember(&set, sig) == 1, !fault);
	}
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR && signal(SIGCHLD, SIG_IGN) != SIG_ERR);
	CHECK(signal(SIGTERM, handler) != SIG_ERR && signal(SIGRTMIN + 3, SIG_IGN) != SIG_ERR);
	ignore_both_of_glibc();
	signals_reset_in_child();
	CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &set), 0);
	for (int sig = 1; sig < NSIG; sig++) {
		if (sig == 32 || sig == 33)
			continue;
		CHECK_EQ(sigismember(&set, sig), 0);
		CHECK_EQ(sigaction(sig, NULL, &sa), 0);
		CHECK(sa.sa_handler == SIG_DFL);
	}
	CHECK(status_says("SigIgn:\t0000000000000000\n"));
	CHECK(status_says("SigCgt:\t0000000000000000\n"));
}

static void mask_and_dispositions(void **state)
{
	(void)state;
	in_child(mask_body);
}

static unsigned told[NSIG + 1], children;

static void count_signal(const struct signalfd_siginfo *si)
{
	told[si->ssi_signo]++;
}

static unsigned count_child(void)
{
	children++;
	return 0;
}

static void quit_now(struct loop_timer *t)
{
	(void)t;
	loop_quit();
}

static void all_body(void)
{
	struct loop_timer end = {.fire = quit_now};
	sigset_t set;

	signals_block();
	CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &set), 0);
	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(signals_open(count_signal, count_child), 0);
	(void)sigdelset(&set, SIGCONT); /* the stop signals take it out of the queue */
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&set, sig) == 1)
			CHECK_EQ(kill(getpid(), sig), 0);
	loop_timer_set(&end, 200);
	loop_run();
	for (int sig = 1; sig < NSIG; sig++)
		CHECK_EQ(told[sig], sigismember(&set, sig) == 1 && sig != SIGCHLD);
	CHECK_EQ(children, 1);
}

static void every_signal_is_told_once(void **state)
{
	(void)state;
	in_child(all_body);
}

/* --- real senders ---------------------------------------------------------------------------------------------- */

enum { SENDERS = 9 };

static struct shared {
	struct {
		int32_t code;
		uint32_t pid;
		bool came, trusted;
	} got[SENDERS];
	volatile int current; /* PID 1 waits for this sender's signal */
	volatile bool over;
} * shared;

static void forge(int code, pid_t target)
{
	siginfo_t si = {.si_signo = SIGTERM, .si_code = code};

	si.si_pid = 0; /* as if it came from outside */
	CHECK_EQ(syscall(SYS_rt_sigqueueinfo, target, SIGTERM, &si), 0);
}

static void kernel_refuses(int code)
{
	siginfo_t si = {.si_signo = SIGTERM, .si_code = code};

	CHECK_EQ(syscall(SYS_rt_sigqueueinfo, 1, SIGTERM, &si), -1);
	CHECK_EQ(errno, EPERM);
	CHECK_EQ(syscall(SYS_rt_tgsigqueueinfo, 1, 1, SIGTERM, &si), -1);
	CHECK_EQ(errno, EPERM);
}

/* The kernel itself sends the chosen signal on behalf of whoever owns the descriptor: F_SETOWN, F_SETSIG. */
static void forge_by_sigio(void)
{
	int p[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	CHECK_EQ(fcntl(p[0], F_SETOWN, 1), 0);
	CHECK_EQ(fcntl(p[0], F_SETSIG, SIGTERM), 0);
	CHECK_EQ(fcntl(p[0], F_SETFL, O_ASYNC), 0);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_EQ(fcntl(p[0], F_SETFL, 0), 0); /* or its end would be told as well */
}

static void in_another_root(void)
{
	char dir[] = "/tmp/zimbra-root.XXXXXX";

	CHECK(mkdtemp(dir) != NULL);
	CHECK_EQ(chroot(dir), 0);
	CHECK_EQ(rmdir("/"), -1);
}

/* In a child of PID 1. */
static void send_signal(int which)
{
	switch (which) {
	case 0: /* what the header's comment warns of */
		forge(SI_QUEUE, 1);
		break;
	case 1:
		forge(SI_TIMER, 1);
		break;
	case 2:
		kernel_refuses(SI_USER);
		kernel_refuses(SI_TKILL);
		kernel_refuses(SI_KERNEL);
		forge(-60, 1);
		break;
	case 3:
		forge_by_sigio();
		break;
	case 4:
		in_another_root();
		CHECK_EQ(kill(1, SIGTERM), 0);
		sleep_ms(200); /* alive when PID 1 looks: refused because of its root, not because it is gone */
		break;
	case 5:
		in_another_root();
		CHECK_EQ(syscall(SYS_tgkill, 1, 1, SIGTERM), 0);
		sleep_ms(200);
		break;
	case 6: /* docker exec zimbra kill 1: our root */
		CHECK_EQ(kill(1, SIGTERM), 0);
		sleep_ms(200);
		break;
	case 7:
		CHECK_EQ(syscall(SYS_tgkill, 1, 1, SIGTERM), 0);
		sleep_ms(200);
		break;
	default:
		break; /* 8: the process outside */
	}
}

static void next_sender(void)
{
	if (shared->current + 1 == SENDERS) {
		shared->over = true;
		loop_quit();
		return;
	}
	shared->current = shared->current + 1;
	pid_t pid = fork();
	if (pid == 0) {
		signals_reset_in_child();
		send_signal(shared->current);
		_exit(0);
	}
	CHECK(pid > 0);
}

static void receive(const struct signalfd_siginfo *si)
{
	int i = shared->current;

	CHECK_EQ(si->ssi_signo, SIGTERM);
	shared->got[i].came = true;
	shared->got[i].code = si->ssi_code;
	shared->got[i].pid = si->ssi_pid;
	shared->got[i].trusted = signals_trusted(si, signals_root_is_ours);
	next_sender();
}

static unsigned reap_all(void)
{
	int status;

	while (waitpid(-1, &status, WNOHANG) > 0)
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return 0;
}

static void late(struct loop_timer *t)
{
	(void)t;
	CHECK(!"a signal did not come");
}

static void pid1_body(void)
{
	struct loop_timer end = {.fire = late};

	signals_block();
	CHECK_EQ(getpid(), 1);
	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(signals_open(receive, reap_all), 0);
	loop_timer_set(&end, 20 * 1000);
	shared->current = -1;
	next_sender();
	loop_run();
}

static void kill_from_outside(pid_t pid1)
{
	for (int i = 0; i < 1000 && shared->current < SENDERS - 1; i++)
		sleep_ms(10);
	sleep_ms(50);
	CHECK_EQ(kill(pid1, SIGTERM), 0);
}

static void real_senders(void **state)
{
	static const struct {
		int32_t code;
		bool has_pid, trusted;
	} want[SENDERS] = {
		{SI_QUEUE, false, false},	 {SI_TIMER, false, false}, {-60, false, false},
		{1 /* POLL_IN */, false, false}, {SI_USER, true, false},   {SI_TKILL, true, false},
		{SI_USER, true, true},		 {SI_TKILL, true, true},   {SI_USER, false, true},
	};

	(void)state;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	as_pid1(pid1_body, kill_from_outside);
	assert_true(shared->over);
	for (size_t i = 0; i < SENDERS; i++) {
		assert_true(shared->got[i].came);
		assert_int_equal(shared->got[i].code, want[i].code);
		assert_int_equal(shared->got[i].pid != 0, want[i].has_pid);
		assert_int_equal(shared->got[i].trusted, want[i].trusted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(names),
		cmocka_unit_test(roots),
		cmocka_unit_test(mask_and_dispositions),
		cmocka_unit_test(every_signal_is_told_once),
		cmocka_unit_test(real_senders),
	};

	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
