#include "confine.h"
#include "../util.h"

#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* The jail's, and what mounting, chroot(2) and device nodes take. Not among them: NET_ADMIN, our firewall. */
static const unsigned kept[] = {
	CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FOWNER,	CAP_FSETID,	CAP_KILL,      CAP_SETGID, CAP_SETUID,
	CAP_SETPCAP, CAP_SETFCAP,      CAP_AUDIT_WRITE, CAP_SYS_CHROOT, CAP_SYS_ADMIN, CAP_MKNOD,
};

static int drop_capabilities(void)
{
	for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++) {
		bool keep = false;
		for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
			keep = keep || kept[i] == cap;
		/* EINVAL: newer than the kernel. exec of root then has what is left in the bounding set. */
		if (!keep && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EINVAL)
			return -errno;
	}
	return 0;
}

/* The process between: it ends as process 1 of the namespace ends, and that one ends when it does. */
static _Noreturn void wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int confine_bootstrap(void)
{
	pid_t pid;

	if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0)
		wait_for(pid);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	return drop_capabilities();
}
