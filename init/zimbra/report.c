/* Why an installation failed, in the installer's own words. */
#include "../boot/path.h"
#include "../log.h"
#include "internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { TAIL = 32 * 1024, IN_FAILURE = 6 };

/* install.sh: mktemp -t install.log.XXXXXXXX; zmsetup.pl: /tmp/zmsetup.DATE.log, moved to /opt/zimbra/log at the end.
 */
static const struct {
	const char *dir, *pattern;
} places[] = {
	{"tmp", "install.log.*"},
	{"tmp", "zmsetup.*.log"},
	{"opt/zimbra/log", "zmsetup*.log"},
};

struct newest {
	char path[512];
	struct timespec when;
};

static void look(int data, const char *dir, const char *pattern, struct newest *best)
{
	_cleanup_close_ int at = path_open_dir(data, dir);
	int list = at < 0 ? -1 : openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = list < 0 ? NULL : fdopendir(list);
	struct dirent *e;

	if (!d) {
		if (list >= 0)
			(void)close(list);
		return;
	}
	while ((e = readdir(d))) {
		struct stat st;

		if (fnmatch(pattern, e->d_name, FNM_PERIOD) != 0 ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		if (st.st_mtim.tv_sec < best->when.tv_sec ||
		    (st.st_mtim.tv_sec == best->when.tv_sec && st.st_mtim.tv_nsec < best->when.tv_nsec))
			continue;
		if ((size_t)snprintf(best->path, sizeof(best->path), "%s/%s", dir, e->d_name) < sizeof(best->path))
			best->when = st.st_mtim;
	}
	(void)closedir(d);
}

static ssize_t read_tail(int data, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = path_open_read(data, path);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	n = pread(fd, buf, size - 1, st.st_size > (off_t)(size - 1) ? st.st_size - (off_t)(size - 1) : 0);
	if (n < 0)
		return -errno;
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\0')
			buf[i] = '?';
	buf[n] = '\0';
	return n;
}

void zi_recent_add(struct zi_recent *r, const char *line)
{
	char *slot = r->line[r->n++ % ZI_LAST_LINES];

	(void)snprintf(slot, sizeof(r->line[0]), "%s", line);
}

/* What it printed: the only trace of a failure before its own log exists (checkRequired's long texts). */
static void report_recent(const char *tag, const struct zi_recent *r, const char *secret)
{
	size_t kept = r->n < ZI_LAST_LINES ? r->n : ZI_LAST_LINES;

	for (size_t i = r->n - kept; i < r->n; i++) {
		char line[sizeof(r->line[0])];

		(void)snprintf(line, sizeof(line), "%s", r->line[i % ZI_LAST_LINES]);
		zi_blank_secret(line, secret);
		log_error(tag, "> %s", line);
	}
}

static void append(struct failure *f, const char *text)
{
	size_t used = strlen(f->text);

	(void)snprintf(f->text + used, sizeof(f->text) - used, "%s", text);
}

void zi_report(struct stage_ctx *ctx, const struct zi_recent *recent, const char *secret, struct failure *f)
{
	_cleanup_free_ char *text = malloc(TAIL);
	_cleanup_close_ int root = zi_jail_root(ctx);
	struct newest best = {0};
	char *line, *rest, head[600];
	ssize_t len;

	report_recent(ctx->name, recent, secret);
	for (size_t i = 0; root >= 0 && i < ARRAY_SIZE(places); i++)
		look(root, places[i].dir, places[i].pattern, &best);
	if (!text || !best.path[0])
		return;
	len = read_tail(root, best.path, text, TAIL);
	if (len <= 0)
		return;
	zi_blank_secret(text, secret);

	(void)snprintf(head, sizeof(head), "\nthe last lines of /%s (in the jail):\n", best.path);
	append(f, head);
	append(f, text + zi_last_lines(text, (size_t)len, IN_FAILURE));
	rest = text + zi_last_lines(text, (size_t)len, ZI_LAST_LINES);
	while ((line = strsep(&rest, "\n")))
		if (*line)
			log_error(ctx->name, "| %s", line);
}
