#include "relay.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

enum {
	CHUNK = 16384,
	/* More than a pty holds: what the command itself wrote is before that, the rest is of who stayed behind. */
	AFTERWARDS_MAX = 1 << 20,
	HANGUP_GRACE_MS = 3000
};

struct flow {
	size_t begin, end;
	char bytes[CHUNK];
};

struct relaying {
	struct relay *r;
	struct flow up, down; /* to the command, to our terminal */
	bool ended;	      /* the command has; its code: */
	int code;
	bool give_up;	    /* somebody wants us to end although our terminal takes nothing */
	int64_t hangup_end; /* 0: our terminal is there */
};

void relay_signals(sigset_t *set)
{
	static const int not_ours[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGTTIN, SIGTTOU};

	(void)sigfillset(set);
	for (size_t i = 0; i < ARRAY_SIZE(not_ours); i++)
		(void)sigdelset(set, not_ours[i]);
}

static void reap(struct relaying *s)
{
	siginfo_t si = {0};

	if (s->ended || waitid(P_PID, (id_t)s->r->child, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
		return;
	s->ended = true;
	s->code = si.si_code == CLD_EXITED ? si.si_status : 128 + si.si_status;
}

static void pass_signal(struct relaying *s, const struct signalfd_siginfo *si)
{
	const struct relay *r = s->r;
	int sig = (int)si->ssi_signo;

	if (sig == SIGCHLD || (sig == SIGPIPE && si->ssi_pid == (uint32_t)getpid())) /* our own failed write */
		return;
	if (s->ended) {
		s->give_up = s->give_up || sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT;
		return;
	}
	if (sig == SIGWINCH && r->pty.master >= 0) {
		pty_copy_size(&r->pty, r->out);
		return;
	}
	if (sig == SIGCONT && r->pty.master >= 0) {
		raw_again(r->raw);
		pty_copy_size(&r->pty, r->out);
	}
	/* Ctrl-C outside raw mode goes to the whole group, as the terminal would have sent it; the rest as it came. */
	if (si->ssi_code != SI_KERNEL || kill(-r->child, sig) < 0)
		(void)kill(r->child, sig);
}

static void read_signals(struct relaying *s)
{
	struct signalfd_siginfo si[8];
	ssize_t n = read(s->r->signals, si, sizeof(si));

	reap(s);
	for (size_t i = 0; n > 0 && i < (size_t)n / sizeof(si[0]); i++)
		pass_signal(s, &si[i]);
}

/* 1: bytes came, 0: none now, -1: no more will come. */
static int fill(struct flow *f, int fd)
{
	ssize_t n = read(fd, f->bytes, sizeof(f->bytes));

	if (n > 0) {
		f->begin = 0;
		f->end = (size_t)n;
		return 1;
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static int empty(struct flow *f, int fd)
{
	ssize_t n = write(fd, f->bytes + f->begin, f->end - f->begin);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	f->begin += (size_t)n;
	return 0;
}

static bool is_empty(const struct flow *f)
{
	return f->begin == f->end;
}

/* Our terminal is gone. Closing the pty tells the jail's session so; who ignores that is left to PID 1. */
static void hang_up(struct relaying *s)
{
	s->hangup_end = now_ms() + HANGUP_GRACE_MS;
	s->up.begin = s->up.end = s->down.begin = s->down.end = 0;
	pty_close(&s->r->pty);
}

static int timeout(const struct relaying *s)
{
	if (s->hangup_end == 0)
		return -1;
	int64_t left = s->hangup_end - now_ms();
	return left > 0 ? (int)left : 0;
}

static void step(struct relaying *s)
{
	const struct relay *r = s->r;
	bool line = r->pty.master >= 0;
	struct pollfd p[] = {
		{.fd = r->signals, .events = POLLIN},
		{.fd = line ? r->pty.master : -1,
		 .events = (short)((is_empty(&s->down) ? POLLIN : 0) | (is_empty(&s->up) ? 0 : POLLOUT))},
		{.fd = line && r->in >= 0 ? r->in : -1, .events = is_empty(&s->up) ? POLLIN : 0},
		{.fd = line ? r->out : -1, .events = is_empty(&s->down) ? 0 : POLLOUT},
	};
	bool gone = false;

	if (poll(p, ARRAY_SIZE(p), timeout(s)) < 0)
		return;
	if (p[1].revents & POLLIN)
		(void)fill(&s->down, r->pty.master); /* no end: we hold the slave until the command has ended */
	if (p[1].revents & POLLOUT)
		(void)empty(&s->up, r->pty.master);
	if (is_empty(&s->up) && p[2].revents)
		gone = fill(&s->up, r->in) < 0;
	if (!is_empty(&s->down))
		gone = empty(&s->down, r->out) < 0 || gone;
	gone = gone || (p[2].revents | p[3].revents) & (POLLHUP | POLLERR | POLLNVAL);
	if (p[0].revents)
		read_signals(s);
	if (gone && !s->ended)
		hang_up(s);
}

/*
 * The command has ended; what it wrote may still be on its way. A read finds all of it (the kernel flushes its own
 * queues first), and after the last byte says EIO, or EAGAIN where a background process kept the terminal.
 */
static void drain(struct relaying *s)
{
	struct relay *r = s->r;
	size_t total = 0;

	while (!s->give_up) {
		if (is_empty(&s->down)) {
			if (total >= AFTERWARDS_MAX || fill(&s->down, r->pty.master) <= 0)
				return;
			total += s->down.end;
		}
		if (empty(&s->down, r->out) < 0)
			return;
		struct pollfd p[] = {{.fd = r->signals, .events = POLLIN}, {.fd = r->out, .events = POLLOUT}};
		if (!is_empty(&s->down) && poll(p, ARRAY_SIZE(p), -1) > 0 && p[0].revents)
			read_signals(s);
	}
}

int relay_run(struct relay *r)
{
	struct relaying s = {.r = r};

	for (reap(&s); !s.ended; step(&s))
		if (s.hangup_end && now_ms() >= s.hangup_end) {
			s.ended = true;
			s.code = 128 + SIGHUP;
			break;
		}
	if (r->pty.master >= 0) {
		s.give_up = false; /* what came until now was meant for the command */
		drain(&s);
		pty_close(&r->pty);
	}
	return s.code;
}
