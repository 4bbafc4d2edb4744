/* How a worker gives up what it does not need, before it reads a byte: the order is in README.md. */
#include "sandbox.h"
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int limit(int what, rlim_t value)
{
	const struct rlimit l = {value, value};

	return setrlimit((__rlimit_resource_t)what, &l) < 0 ? -errno : 0;
}

static int limits(const struct worker_self *self)
{
	int r = limit(RLIMIT_CORE, 0);

	if (r == 0)
		r = limit(RLIMIT_NPROC, 0);
	if (r == 0)
		r = limit(RLIMIT_FSIZE, 0);
	/* No further descriptor. (poll(2) refuses more entries than this, so it cannot be less.) */
	if (r == 0)
		r = limit(RLIMIT_NOFILE, (rlim_t)WORKER_FD + (rlim_t)self->fds);
#ifndef __SANITIZE_ADDRESS__ /* which reserves terabytes */
	if (r == 0)
		r = limit(RLIMIT_AS, 64 << 20);
#endif
	return r;
}

/* A folder that has been removed: nobody, root included, can ever put anything into it. */
static int empty_root(void)
{
	char path[] = "/run/zimbra-worker-XXXXXX";

	if (!mkdtemp(path))
		return -errno;
	int r = chdir(path) < 0 ? -errno : 0;
	if (rmdir(path) < 0 && r == 0)
		r = -errno;
	if (r == 0 && chroot(".") < 0)
		r = -errno;
	return r;
}

/* Before the ids: it needs SETPCAP, and no moment is wanted in which an ordinary user holds capabilities. */
static int no_capabilities_ever(void)
{
	int max = cap_max_bits(); /* of the running kernel, which may be younger than our headers */

	for (int cap = 0; cap < max; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	return max <= 0 ? -EINVAL : prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ? -errno : 0;
}

static int become(uid_t uid)
{
	gid_t gid = (gid_t)uid;

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	/* At once, since the change has set it to fs.suid_dumpable of the host: the jail's root may become this user
	 * too. */
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

/* Looks instead of believing, and tries the way back. */
static int verify(uid_t uid)
{
	uid_t u[3];
	gid_t g[3];
	int max = cap_max_bits();

	if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
		return -errno;
	for (int i = 0; i < 3; i++)
		if (u[i] != uid || g[i] != (gid_t)uid)
			return -EPERM;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -EPERM;
	if (getgroups(0, NULL) != 0 || setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0 || chroot("/") == 0)
		return -EPERM;
	for (int cap = 0; cap < max; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 0)
			return -EPERM;
	cap_t have = cap_get_proc(), none = cap_init();
	int same = have && none ? cap_compare(have, none) : -1;
	(void)cap_free(have);
	(void)cap_free(none);
	return same == 0 ? 0 : -EPERM;
}

static int bind_to_parent(void)
{
	/* After the change of the user, which resets it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

int worker_confine(const struct worker_self *self, const char **step)
{
	void *filter;

	*step = "libraries";
	int r = sandbox_prepare(self, &filter);
	if (r < 0)
		return r;
	*step = "descriptors";
	if (close_range((unsigned)(WORKER_FD + self->fds), ~0U, 0) < 0)
		return -errno;
	*step = "limits";
	r = limits(self);
	if (r < 0)
		return r;
	*step = "an empty root";
	r = empty_root();
	if (r < 0)
		return r;
	*step = "the bounding set";
	r = no_capabilities_ever();
	if (r < 0)
		return r;
	*step = "the user";
	r = become(self->uid);
	if (r < 0)
		return r;
	*step = "the look whether all is dropped";
	r = verify(self->uid);
	if (r < 0)
		return r;
	*step = "no_new_privs";
	r = bind_to_parent();
	if (r < 0)
		return r;
	*step = "the filter";
	return sandbox_enter(filter);
}

void worker_start(const struct worker_self *self)
{
	const char *step;
	struct stat st;

	if (fstat(WORKER_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		(void)fprintf(stderr, "zimbra-%s: started by zimbra-init, not by hand\n", self->name);
		_exit(2);
	}
	int r = worker_confine(self, &step);
	if (r < 0) {
		worker_log(WORKER_ERROR, "cannot drop its privileges: %s: %s", step, strerror(-r));
		_exit(1);
	}
	if (!worker_send(WORKER_READY, NULL, 0))
		_exit(0);
}
