#include "signals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { STORM = 16 }; /* deaths within two rests */

static struct loop_watch watch = {.fd = -1};
static void (*on_signal)(const struct signalfd_siginfo *);
static unsigned (*on_child)(void);

/* Faults of our own must kill us with a core, not wait in a queue. */
static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};

static void all_but_faults(sigset_t *set)
{
	(void)sigfillset(set);
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		(void)sigdelset(set, faults[i]);
}

void signals_block(void)
{
	sigset_t set;

	all_but_faults(&set);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
}

void signals_reset_in_child(void)
{
	/* The kernel's struct sigaction. glibc's function refuses its own two signals, which its posix_spawn() leaves
	 * ignored. */
	static const struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} dfl = {.handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)syscall(SYS_rt_sigaction, sig, &dfl, NULL, sizeof(dfl.mask)); /* KILL and STOP fail: fine */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void rested(struct loop_timer *t);

/* A storm: many at once, or one after the other with nothing between. */
static void rest_in_storm(unsigned reaped)
{
	static struct loop_timer rest = {.fire = rested};
	static int64_t window;
	static unsigned in_window;
	int64_t now = now_ms();

	if (now - window > 2 * SIGNALS_REST_MS) {
		window = now;
		in_window = 0;
	}
	in_window += reaped;
	if (in_window < STORM || rest.armed)
		return;
	window = now;
	(void)loop_change(&watch, 0);
	loop_timer_set(&rest, SIGNALS_REST_MS);
}

/* child: reap in any case; a round that ended at its bound has used up the signal for those that are left. */
static void take_signals(bool child)
{
	struct signalfd_siginfo si[16];
	ssize_t n = read(watch.fd, si, sizeof(si));

	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(si[0]); i++) {
		if (si[i].ssi_signo == SIGCHLD)
			child = true;
		else
			on_signal(&si[i]);
	}
	unsigned reaped = child ? on_child() : 0;
	if (reaped)
		rest_in_storm(reaped);
}

static void rested(struct loop_timer *t)
{
	(void)t;
	(void)loop_change(&watch, EPOLLIN);
	take_signals(true);
}

static void ready(struct loop_watch *w, uint32_t ev)
{
	(void)w;
	(void)ev;
	take_signals(false);
}

int signals_open(void (*told)(const struct signalfd_siginfo *), unsigned (*chld)(void))
{
	sigset_t set;

	on_signal = told;
	on_child = chld;
	all_but_faults(&set);
	int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	watch.ready = ready;
	return loop_add(&watch, fd, EPOLLIN);
}

bool signals_trusted(const struct signalfd_siginfo *si, bool (*root_is_ours)(uint32_t pid))
{
	if (si->ssi_code != SI_USER && si->ssi_code != SI_TKILL && si->ssi_code != SI_KERNEL)
		return false;
	return si->ssi_pid == 0 || root_is_ours(si->ssi_pid);
}

bool signals_root_is_ours(uint32_t pid)
{
	char path[32];
	struct stat ours, theirs;

	(void)snprintf(path, sizeof(path), "/proc/%u/root", (unsigned)pid);
	return stat("/", &ours) == 0 && stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
	       ours.st_ino == theirs.st_ino;
}

const char *signals_name(int sig)
{
	const char *name = sigabbrev_np(sig);

	return name ? name : "unknown signal";
}
