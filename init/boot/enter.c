/*
 * Becoming a process of the jail. The order matters: descriptors first, because chroot(2) is left again
 * through an open directory even without SYS_CHROOT; the filter before the bounding set, because loading it without
 * NO_NEW_PRIVS needs SYS_ADMIN.
 */
#include "jail.h"
#include "jail_private.h"
#include "path_private.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* What Zimbra, its sudo rules, dpkg and login programs use. Everything else, also what the kernel may add, is dropped.
 */
const unsigned jail_caps[] = {
	CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,	    CAP_FSETID,	     CAP_KILL,	  CAP_SETGID,
	CAP_SETUID, CAP_SETPCAP,      CAP_NET_BIND_SERVICE, CAP_AUDIT_WRITE, CAP_SETFCAP,
};
const size_t jail_caps_count = ARRAY_SIZE(jail_caps);

/*
 * What Zimbra asks its host for. Not simply the hard limit: with "infinity" programs that walk or allocate all
 * descriptors (slapd does) take minutes and gigabytes.
 */
enum { NOFILE_SOFT = 524288 };

static bool kept(unsigned cap)
{
	for (size_t i = 0; i < jail_caps_count; i++)
		if (jail_caps[i] == cap)
			return true;
	return false;
}

static int no_open_directory(void)
{
	struct stat st;

	for (int fd = 0; fd <= 2; fd++)
		if (fstat(fd, &st) < 0 ? errno != EBADF : S_ISDIR(st.st_mode))
			return -EISDIR;
	return 0;
}

static int raise_nofile(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return -errno;
	if (rl.rlim_cur >= NOFILE_SOFT || rl.rlim_cur >= rl.rlim_max)
		return 0;
	rl.rlim_cur = rl.rlim_max < NOFILE_SOFT ? rl.rlim_max : NOFILE_SOFT;
	return setrlimit(RLIMIT_NOFILE, &rl) < 0 ? -errno : 0;
}

/* cap_max_bits() asks the running kernel: one that is younger than our headers has more. */
static int drop_bounding(void)
{
	int max = cap_max_bits();

	if (max <= 0)
		return -EINVAL;
	for (int cap = 0; cap < max; cap++)
		if (!kept((unsigned)cap) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ? -errno : 0;
}

/* Permitted and effective: what is on the list and ours already; inheritable: nothing. */
static int drop_own(void)
{
	cap_t have = cap_get_proc(), want = cap_init();
	int r = have && want ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < jail_caps_count; i++) {
		cap_value_t cap = (cap_value_t)jail_caps[i];
		cap_flag_value_t v;

		if (cap_get_flag(have, cap, CAP_PERMITTED, &v) < 0 ||
		    (v == CAP_SET && (cap_set_flag(want, CAP_PERMITTED, 1, &cap, CAP_SET) < 0 ||
				      cap_set_flag(want, CAP_EFFECTIVE, 1, &cap, CAP_SET) < 0)))
			r = -errno;
	}
	if (r == 0 && cap_set_proc(want) < 0)
		r = -errno;
	(void)cap_free(have);
	(void)cap_free(want);
	return r;
}

/* Looks instead of believing: what is not so now would be a hole for as long as the program runs. */
static int verify(void)
{
	int max = cap_max_bits();

	for (int cap = 0; cap < max; cap++)
		if (!kept((unsigned)cap) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			return -EPERM;
	return prctl(PR_GET_SECCOMP) == 2 /* SECCOMP_MODE_FILTER */ ? 0 : -EPERM;
}

int jail_enter(void)
{
	int r;

	/*
	 * Until execve(2) this is a copy of PID 1's memory, and from the moment the capabilities are the jail's own its
	 * root could read it in /proc/PID/mem. exec switches it on again.
	 */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	r = no_open_directory();
	if (r < 0)
		return r;
	{
		_cleanup_close_ int jail = jail_open_root();

		if (jail < 0)
			return jail;
		if (fchdir(jail) < 0)
			return -errno;
	}
	/* glibc's wrapper (2.34); Linux 5.9. An old engine's profile may refuse it: then nothing enters, rather than
	 * leak. */
	if (close_range(3, ~0U, 0) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return -errno;
	if (setgroups(0, NULL) < 0)
		return -errno;
	r = raise_nofile();
	if (r == 0)
		r = filter_load();
	if (r == 0)
		r = drop_bounding();
	if (r == 0)
		r = drop_own();
	if (r == 0)
		r = verify();
	(void)umask(022);
	return r;
}

int jail_enter_hook(void)
{
	return jail_enter();
}

int jail_open_pty(int *slave)
{
	_cleanup_close_ int jail = jail_open_root();
	_cleanup_close_ int master = -1;
	int unlock = 0, fd;

	if (jail < 0)
		return jail;
	master = path_openat2(jail, "dev/pts/ptmx", O_RDWR, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return -errno;
	/* The other end without a name that somebody could replace: Linux 4.13. */
	fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* path_openat2 opens everything with O_NONBLOCK; whoever copies the bytes decides that for himself. */
	*slave = fd;
	return steal_fd(&master);
}

const char *const *jail_env(const char *term)
{
	static char term_var[64] = "TERM=";
	static const char *env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				    "HOME=/root",
				    "USER=root",
				    "LOGNAME=root",
				    "SHELL=/bin/bash",
				    "LANG=C.UTF-8",
				    "container=docker",
				    NULL,
				    NULL};
	const size_t slot = ARRAY_SIZE(env) - 2;
	size_t len = term ? strlen(term) : 0;

	env[slot] = NULL;
	if (len > 0 && len < sizeof(term_var) - 5 &&
	    strspn(term, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._") == len) {
		memcpy(term_var + 5, term, len + 1);
		env[slot] = term_var;
	}
	return env;
}
