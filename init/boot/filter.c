/*
 * The jail's seccomp deny-list. It backs the bounding set up: what needs a capability that the jail lacks is refused
 * by the kernel already, but a hole in one of these calls would not be refused by the missing capability. Everything is
 * answered with an error, never a kill: programs that merely probe must go on. It is inherited for ever, sudo included.
 */
#include "jail_private.h"

#include <fcntl.h>
#include <linux/personality.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080 /* linux/sched.h, Linux 5.6 */
#endif
#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif
#define SYS_OPEN_TREE_ATTR 467 /* Linux 6.15; younger than our headers */

/* Refused whatever the arguments, with EPERM. */
static const int denied[] = {
	/* Mounts: what is read-only or masked must stay so. */
	SCMP_SYS(mount),
	SCMP_SYS(umount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(open_tree),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fsmount),
	SCMP_SYS(fspick),
	SCMP_SYS(mount_setattr),
	SYS_OPEN_TREE_ATTR,
	/* Another root or other namespaces: the way out of a chroot. */
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	/*
	 * Other processes' memory and descriptors. Workers outside the jail have fewer capabilities than its root, who
	 * may take any uid: only a worker's "not dumpable" and this stand between.
	 */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	/* Files by number instead of by name pass every root. (name_to_handle_at only makes numbers: allowed.) */
	SCMP_SYS(open_by_handle_at),
	/* The kernel itself: replacing it, extending it, its log. */
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(create_module),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(syslog),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(nfsservctl),
	/* Favourites of kernel exploits that no mail server needs. */
	SCMP_SYS(userfaultfd),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
	/*
	 * io_uring does its own system calls, so no filter sees them, and it had a long row of holes; Docker's profile
	 * (25.0) refuses it too. MariaDB, nginx and node fall back by themselves.
	 */
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
	/* The machine: power, swap, accounting, quotas, I/O ports, clocks, names. */
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(quotactl_fd),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
};

/* Namespaces, for clone(2) and unshare(2). */
static const uint64_t new_namespace[] = {
	CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET,
};

/* The kernel looks at the low half of an int argument only (CVE-2019-10063): so do the comparisons. */
static struct scmp_arg_cmp low32(unsigned arg, uint64_t mask, uint64_t value)
{
	return SCMP_CMP64(arg, SCMP_CMP_MASKED_EQ, mask & 0xffffffff, value);
}

static int deny_namespaces(scmp_filter_ctx ctx)
{
	/* Its flags are in memory, where no filter can look. ENOSYS makes glibc take clone(2) instead. */
	int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(new_namespace); i++) {
		struct scmp_arg_cmp flag = low32(0, new_namespace[i], new_namespace[i]);

		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &flag);
		if (r == 0)
			r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1, &flag);
	}
	/* In clone(2) this bit belongs to the exit signal. */
	return r ? r
		 : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1,
				    low32(0, CLONE_NEWTIME, CLONE_NEWTIME));
}

/* Typing into the terminal of whoever started us, and copy and paste on the console. */
static int deny_ioctls(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, low32(1, ~0ULL, TIOCSTI));

	return r ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1, low32(1, ~0ULL, TIOCLINUX));
}

/*
 * Only the address families that a mail server speaks: the others are loaded as modules on demand, rarely used and
 * often broken, and AF_VSOCK reaches the machine's host. AF_PACKET lacks its capability anyway.
 */
static int deny_families(scmp_filter_ctx ctx, int call)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1, SCMP_CMP64(0, SCMP_CMP_GT, AF_NETLINK));

	for (unsigned family = 0; r == 0 && family < AF_NETLINK; family++)
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1,
					     SCMP_CMP64(0, SCMP_CMP_EQ, family));
	return r;
}

/*
 * PID 1 runs as uid 0 like the jail's root, and some calls ask for no more than an equal uid. With prlimit(2)
 * RLIMIT_CPU is a SIGKILL that even an init obeys, and RLIMIT_NOFILE starves it. (Nice values, affinity and the like
 * are safe: they compare capabilities too, cap_safe_nice() in security/commoncap.c. /proc/1 is read-only: kernelfs.c.)
 */
static int protect_init(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1, SCMP_CMP64(0, SCMP_CMP_NE, 0));

	/*
	 * No signal to PID 1 at all, though it would not obey: a pending one swallows the next of the same number, so a
	 * loop of TERM from here would keep the engine's own TERM out (signal(7), standard signals do not queue). An
	 * owner of I/O signals (F_SETOWN_EX, in memory) could be PID 1, hence no choice of the signal either. kill(-1)
	 * spares PID 1, and it shares its process group with nobody in here.
	 */
	const struct {
		int call;
		unsigned nargs;
		struct scmp_arg_cmp arg[2];
	} signals[] = {
		{SCMP_SYS(kill), 2, {low32(0, ~0ULL, 1), SCMP_CMP64(1, SCMP_CMP_NE, 0)}},
		{SCMP_SYS(tkill), 2, {low32(0, ~0ULL, 1), SCMP_CMP64(1, SCMP_CMP_NE, 0)}},
		{SCMP_SYS(tgkill), 2, {low32(0, ~0ULL, 1), SCMP_CMP64(2, SCMP_CMP_NE, 0)}},
		{SCMP_SYS(tgkill), 2, {low32(1, ~0ULL, 1), SCMP_CMP64(2, SCMP_CMP_NE, 0)}},
		{SCMP_SYS(rt_sigqueueinfo), 1, {low32(0, ~0ULL, 1)}},
		{SCMP_SYS(rt_tgsigqueueinfo), 1, {low32(0, ~0ULL, 1)}},
		{SCMP_SYS(fcntl), 2, {low32(1, ~0ULL, F_SETSIG), SCMP_CMP64(2, SCMP_CMP_NE, 0)}},
	};
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(signals); i++)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), signals[i].call, signals[i].nargs,
					   signals[i].arg);
	/* By descriptor, which may be PID 1's. ENOSYS: the few who use it fall back to kill(2). */
	return r ? r : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(pidfd_send_signal), 0);
}

/*
 * personality(2): asking (0xffffffff) and the plain ones, as Docker's profile; the rest switches protections off.
 * libseccomp compares an argument once per rule: first every bit that is not of a plain one, while the top bit is
 * clear; then the top bit, unless all others are set.
 */
static int deny_personalities(scmp_filter_ctx ctx)
{
	const uint64_t top = 1U << 31, plain = PER_LINUX32 | UNAME26;
	int r = 0;

	for (unsigned bit = 0; r == 0 && bit < 31; bit++) {
		uint64_t b = 1U << bit;

		if (!(b & plain))
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(personality), 1,
					     low32(0, top | b, b));
		if (r == 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(personality), 1,
					     low32(0, top | b, top));
	}
	return r;
}

static int fill(scmp_filter_ctx ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(denied); i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
		/* A call that this architecture does not have. */
		if (r == -EDOM)
			r = 0;
	}
	if (r == 0)
		r = deny_namespaces(ctx);
	if (r == 0)
		r = deny_ioctls(ctx);
	if (r == 0)
		r = deny_families(ctx, SCMP_SYS(socket));
	if (r == 0)
		r = deny_families(ctx, SCMP_SYS(socketpair));
	if (r == 0)
		r = protect_init(ctx);
	return r ? r : deny_personalities(ctx);
}

static int load(bool privileged)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return -ENOMEM;
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, privileged ? 0 : 1);
	/*
	 * Nothing of Zimbra is 32-bit. The other entries into the kernel (int 0x80, x32) are refused whole, as by a
	 * kernel without them, instead of holding a second list.
	 */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	/* A binary tree instead of a line of comparisons; Linux 5.11 skips it anyway for calls that are always allowed.
	 */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* The kernel's own errno from seccomp_load, not ECANCELED. */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (r == 0)
		r = fill(ctx);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

int filter_load(void)
{
	return load(true);
}

int filter_load_unprivileged(void)
{
	return load(false);
}
