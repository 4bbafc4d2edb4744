#include "user.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { GROUPS = 256 };

#define _cleanup_file_ __attribute__((cleanup(close_file)))
static void close_file(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

/* A FIFO of that name must not hold us up. */
static FILE *open_regular(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return NULL;
	}
	FILE *f = fdopen(fd, "re");
	if (f)
		(void)steal_fd(&fd);
	return f;
}

static bool copy(char *to, size_t size, const char *from)
{
	return snprintf(to, size, "%s", from) < (int)size;
}

int user_find(const char *name, struct user *u)
{
	_cleanup_file_ FILE *f = open_regular("/etc/passwd");
	const struct passwd *p;

	if (!f)
		return -errno;
	while ((p = fgetpwent(f)) != NULL) {
		if (strcmp(p->pw_name, name) != 0)
			continue;
		u->uid = p->pw_uid;
		u->gid = p->pw_gid;
		if (!copy(u->name, sizeof(u->name), p->pw_name) || !copy(u->home, sizeof(u->home), p->pw_dir) ||
		    !copy(u->shell, sizeof(u->shell), *p->pw_shell ? p->pw_shell : "/bin/sh"))
			return -ENAMETOOLONG;
		return 0;
	}
	return -ENOENT;
}

static size_t groups_of(const struct user *u, gid_t *gids)
{
	_cleanup_file_ FILE *f = open_regular("/etc/group");
	const struct group *g;
	size_t n = 0;

	gids[n++] = u->gid;
	while (f && n < GROUPS && (g = fgetgrent(f)) != NULL)
		for (char **m = g->gr_mem; g->gr_gid != u->gid && *m; m++)
			if (strcmp(*m, u->name) == 0) {
				gids[n++] = g->gr_gid;
				break;
			}
	return n;
}

int user_become(const struct user *u)
{
	gid_t gids[GROUPS];

	if (setgroups(groups_of(u, gids), gids) < 0)
		return -errno;
	if (setresgid(u->gid, u->gid, u->gid) < 0 || setresuid(u->uid, u->uid, u->uid) < 0)
		return -errno;
	return 0;
}
