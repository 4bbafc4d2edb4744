/*
 * What the last life of this volume left: pidfiles whose numbers are somebody else's by now, and sockets that nobody
 * listens on. Zimbra's scripts believe both ("another instance of manager is already running").
 * Everything else that dies with a boot is below /run, which is new.
 */
#include "jail_private.h"
#include "path.h"
#include "path_private.h"

#include "../log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* So many names are looked at in one folder: the jail may have made millions. */
enum { ENTRIES_MAX = 100000 };

/* Seen by nobody but us; on the jail's /run, which lives exactly as long as this container's processes. */
#define SWEPT "run/zimbra-init.swept"

static const char *const folders[] = {
	"opt/zimbra/log",		  /* mailboxd, nginx, mysql, clamd, opendkim, zmconfigd, ... */
	"opt/zimbra/zmstat/pid",	  /* zmstat-* */
	"opt/zimbra/data/ldap/state/run", /* slapd.pid, ldapi */
	"opt/zimbra/data/sasl2/state",	  /* saslauthd.pid, mux */
	"opt/zimbra/data/postfix/spool/pid",
	"opt/zimbra/data/postfix/spool/public",
	"opt/zimbra/data/postfix/spool/private",
	"opt/zimbra/data/tmp/mysql", /* mysql.sock */
	"opt/zimbra/data/amavisd",
	"opt/zimbra/data/amavisd/tmp",
	"opt/zimbra/data/clamav",
	"opt/zimbra/data/opendkim",
	"opt/zimbra/data/dns",
	"opt/zimbra/db",
};

static bool is_stale(int dir, const char *name)
{
	size_t len = strlen(name);
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
		return false;
	return S_ISSOCK(st.st_mode) || (len > 4 && strcmp(name + len - 4, ".pid") == 0);
}

static unsigned sweep(int jail, const char *path)
{
	_cleanup_close_ int fd =
		path_openat2(jail, path, O_RDONLY | O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	unsigned removed = 0, failed = 0, seen = 0;
	struct dirent *e;
	DIR *dir;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return 0;
	(void)steal_fd(&fd);
	while (seen++ < ENTRIES_MAX && (e = readdir(dir))) {
		if (!is_stale(dirfd(dir), e->d_name))
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0) == 0)
			removed++;
		else if (errno != ENOENT && failed++ == 0)
			log_warn("jail", "cannot remove the stale /%s/%s: %s", path, e->d_name, strerror(errno));
	}
	if (seen > ENTRIES_MAX)
		log_warn("jail", "/%s has too many files; stale pidfiles may be left", path);
	(void)closedir(dir);
	return removed;
}

void stale_sweep(int jail)
{
	_cleanup_close_ int swept = path_open_any(jail, SWEPT);
	unsigned removed = 0;

	/* A stage that is tried again must not take the pidfiles of what runs since the first try. */
	if (swept >= 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		removed += sweep(jail, folders[i]);
	if (removed)
		log_info("jail", "removed %u stale pidfiles and sockets", removed);
	(void)path_write(jail, SWEPT, "", 0, 0600);
}
