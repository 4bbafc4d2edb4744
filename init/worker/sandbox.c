#include "sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What libc does on its own account, and the way out. */
static const int always[] = {
	SCMP_SYS(exit_group), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), /* poll(2) after SIGSTOP and SIGCONT */
	SCMP_SYS(clock_gettime),						 /* where the vDSO has no clock */
};

#ifdef WORKER_TRAP
/*
 * Test builds only: memory for the sanitizers, a report on stderr, and with WORKER_SECCOMP=trap a word about the call
 * before the end. Never in production: a handler is code that an intruder has made run.
 */
static const int in_tests[] = {
	SCMP_SYS(write), SCMP_SYS(mmap),	SCMP_SYS(munmap), SCMP_SYS(madvise), SCMP_SYS(sched_yield),
	SCMP_SYS(futex), SCMP_SYS(sigaltstack), SCMP_SYS(getpid), SCMP_SYS(gettid),
};

static void trapped(int sig, siginfo_t *info, void *context)
{
	char text[96], *name = seccomp_syscall_resolve_num_arch(info->si_arch, info->si_syscall);
	int n = snprintf(text, sizeof(text), "worker: system call %d (%s) is not allowed\n", info->si_syscall,
			 name ? name : "?");

	(void)sig;
	(void)context;
	(void)!write(STDERR_FILENO, text, (size_t)n);
	/* The handler is gone (SA_RESETHAND): the same thing again is the end, by the same signal. */
	(void)getppid();
}

static uint32_t otherwise(void)
{
	const char *mode = getenv("WORKER_SECCOMP");
	struct sigaction sa = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO | (int)SA_RESETHAND | SA_NODEFER};

	if (!mode || strcmp(mode, "trap") != 0)
		return SCMP_ACT_KILL_PROCESS;
	(void)sigaction(SIGSYS, &sa, NULL);
	return SCMP_ACT_TRAP;
}
#else
static const int in_tests[] = {-1};

static uint32_t otherwise(void)
{
	return SCMP_ACT_KILL_PROCESS;
}
#endif

static int fill(scmp_filter_ctx ctx, const struct worker_self *self)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(always) / sizeof(always[0]); i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, always[i], 0);
	for (size_t i = 0; r == 0 && i < sizeof(in_tests) / sizeof(in_tests[0]) && in_tests[i] >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, in_tests[i], 0);
	for (size_t i = 0; r == 0 && i < self->count; i++) {
		const struct worker_call *c = &self->calls[i];
		/* The kernel looks at the low half of a descriptor only, and so does this. */
		r = c->fd < 0 ? seccomp_rule_add(ctx, SCMP_ACT_ALLOW, c->call, 0)
			      : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, c->call, 1,
						 SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, 0xffffffff, (uint64_t)c->fd));
		if (r == -EDOM) /* a call that this architecture does not have */
			r = 0;
	}
	return r;
}

int sandbox_prepare(const struct worker_self *self, void **filter)
{
	scmp_filter_ctx ctx = seccomp_init(otherwise());

	if (!ctx)
		return -ENOMEM;
	/* no_new_privs is set by then; other entries into the kernel (int 0x80, x32) are the end as well. */
	int r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_API_SYSRAWRC, 1); /* the kernel's own errno */
	if (r == 0)
		r = fill(ctx, self);
	if (r < 0)
		seccomp_release(ctx);
	else
		*filter = ctx;
	return r;
}

int sandbox_enter(void *filter)
{
	return seccomp_load(filter);
}
