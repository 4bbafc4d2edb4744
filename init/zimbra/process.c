/*
 * Which process a pidfile names. The zimbra user writes most of them, so the number is only a claim: it counts when the
 * process lives and belongs to a user that this service runs as. kill(pid, 0) would say yes to any process at all.
 */
#include "../boot/path.h"
#include "../proc.h"
#include "internal.h"

#include <stdio.h>
#include <string.h>

enum { PIDFILE_MAX = 256, PASSWD_MAX = 256 * 1024 };

int zimbra_user(int root, uid_t *uid)
{
	_cleanup_free_ char *text = malloc(PASSWD_MAX + 2);
	ssize_t n = text ? path_read(root, "etc/passwd", text + 1, PASSWD_MAX) : -ENOMEM;
	unsigned id;
	char *line;

	if (n < 0)
		return (int)n;
	text[0] = '\n';
	line = strstr(text, "\nzimbra:");
	if (!line || sscanf(line, "\nzimbra:%*[^:\n]:%u:", &id) != 1 || id == 0)
		return -ENOENT;
	*uid = (uid_t)id;
	return 0;
}

static bool may_be(const struct zimbra_service *s, uid_t uid, uid_t zimbra)
{
	/* rsyslogd gives root up for "syslog" on Ubuntu. */
	if (s->system)
		return uid != zimbra;
	return uid == zimbra || (s->root_owned && uid == 0);
}

int zimbra_service_pid(int root, const struct zimbra_service *s, uid_t zimbra, pid_t *pid)
{
	for (size_t i = 0; i < ZIMBRA_PIDFILES && s->pidfile[i]; i++) {
		char text[PIDFILE_MAX + 1];
		ssize_t n = path_read(root, s->pidfile[i] + 1, text, PIDFILE_MAX);
		struct proc_info info;
		pid_t named;

		if (n == -ENOENT || n == -ENOTDIR)
			continue;
		if (n < 0 || zimbra_pidfile_parse(text, (size_t)n, &named) < 0)
			return -EINVAL;
		if (proc_read(named, &info) < 0 || info.zombie || !may_be(s, info.uid, zimbra))
			return -ESRCH;
		*pid = named;
		return 0;
	}
	return -ENOENT;
}
