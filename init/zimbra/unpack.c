/*
 * A release file: found, hashed, unpacked. The file may lie on the volume, where the jail can change it at any time,
 * and its names are a stranger's: tar runs in the jail, and nothing of the result is used before the hash of the very
 * bytes that tar was given has been compared.
 */
#include "../boot/boot.h"
#include "../boot/jail.h"
#include "../boot/path.h"
#include "../log.h"
#include "internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const sha256sum[] = {"/usr/bin/sha256sum", NULL};

static const char partial[] = "/" ZI_PARTIAL;

/* -o: as root tar would give the files to the numbers in the archive, which are somebody's on the build machine. */
static const char *const untar[] = {"/bin/tar", "-x", "-z", "-o", "-f", "-", "-C", partial, NULL};

static int open_container(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? steal_fd(&fd) : -EINVAL;
}

/* /data is the jail's own ground: what lies there is opened below it and nowhere else. */
static int open_release(int data, const char *path)
{
	if (strncmp(path, DATA_DIR "/", sizeof(DATA_DIR)) == 0)
		return path_open_read(data, path + sizeof(DATA_DIR));
	int fd = open_container(path);
	return fd == -ENOENT ? path_open_read(data, path + 1) : fd;
}

int release_setting_check(const struct config *cfg, struct failure *f)
{
	const char *path = config_str(cfg, CFG_ZIMBRA_RELEASE);
	static const char remedy[] = "set ZIMBRA_RELEASE to the path of a release, e.g. "
				     "-v /srv/zcs.tgz:/release/zcs.tgz:ro -e ZIMBRA_RELEASE=/release/zcs.tgz";

	if (!path[0])
		return failure_set(f, FAILURE_FATAL, remedy,
				   "ZIMBRA_RELEASE is not set, and no Zimbra is installed on the volume");
	if (strstr(path, "://"))
		return failure_set(f, FAILURE_FATAL, remedy,
				   "ZIMBRA_RELEASE=%s is an URL: this version does not download, it wants a path",
				   path);
	if (path[0] != '/')
		return failure_set(f, FAILURE_FATAL, remedy, "ZIMBRA_RELEASE=%s is no absolute path", path);
	return 0;
}

int zi_release_open(struct stage_ctx *ctx, struct zi_file *file, struct failure *f)
{
	static const char remedy[] = "mount the release read-only into the container, or copy it below " DATA_DIR
				     ", and check ZIMBRA_RELEASE";
	const char *path = config_str(ctx->cfg, CFG_ZIMBRA_RELEASE);
	unsigned char magic[2];
	struct stat st;

	file->fd = -1;
	if (release_setting_check(ctx->cfg, f) < 0)
		return -1;
	_cleanup_close_ int fd = open_release(ctx->data, path);
	if (fd == -ENOENT)
		return failure_set(f, FAILURE_HOLD, remedy,
				   "ZIMBRA_RELEASE=%s: no such file, neither in the container nor on the volume", path);
	if (fd == -EINVAL)
		return failure_set(f, FAILURE_HOLD, remedy, "ZIMBRA_RELEASE=%s is no regular file", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return failure_set(f, FAILURE_HOLD, remedy, "cannot open ZIMBRA_RELEASE=%s: %s", path,
				   strerror(fd < 0 ? -fd : errno));
	if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic) || magic[0] != 0x1f || magic[1] != 0x8b)
		return failure_set(f, FAILURE_HOLD, remedy, "ZIMBRA_RELEASE=%s is no .tgz (gzip, RFC 1952)", path);
	file->size = st.st_size;
	file->fd = steal_fd(&fd);
	return 0;
}

struct meter {
	struct stage_ctx *ctx;
	const char *what;
	int64_t size;
	int shown;
};

static void show(void *arg, int64_t bytes)
{
	struct meter *m = arg;
	int percent = m->size > 0 ? (int)(bytes * 100 / m->size) : 100;

	if (percent > 100)
		percent = 100; /* it grows */
	if (percent == m->shown)
		return;
	m->shown = percent;
	stage_doing(m->ctx, percent, "%s (%lld MB)", m->what, (long long)(m->size / 1000000));
}

/* "HASH  -" of sha256sum. */
static bool take_hash(const char *text, char out[static ZI_SHA256])
{
	if (strspn(text, "0123456789abcdef") != ZI_SHA256 - 1)
		return false;
	memcpy(out, text, ZI_SHA256 - 1);
	out[ZI_SHA256 - 1] = '\0';
	return true;
}

static int read_failed(struct stage_ctx *ctx, int err, struct failure *f)
{
	return failure_set(f, FAILURE_RETRY, "check the file and the disk it lies on",
			   "cannot read ZIMBRA_RELEASE=%s: %s", config_str(ctx->cfg, CFG_ZIMBRA_RELEASE),
			   strerror(-err));
}

int zi_release_hash(struct stage_ctx *ctx, struct zi_file *file, struct failure *f)
{
	const char *path = config_str(ctx->cfg, CFG_ZIMBRA_RELEASE),
		   *want = config_str(ctx->cfg, CFG_ZIMBRA_RELEASE_SHA256);
	struct meter m = {ctx, "checking the release", file->size, -1};
	char text[128] = "";
	struct zi_sink sink = {.argv = sha256sum, .output = text, .output_size = sizeof(text)};
	int r = zi_feed(file->fd, &sink, 1, show, &m);

	if (r < 0)
		return read_failed(ctx, r, f);
	if (sink.status != 0 || !take_hash(text, file->sha256))
		return failure_set(f, FAILURE_RETRY, "the image needs coreutils: rebuild or pull it again",
				   "%s ended with status %d", sha256sum[0], sink.status);
	if (want[0] && strcasecmp(want, file->sha256) != 0)
		return failure_set(
			f, FAILURE_HOLD,
			"get the release again, or correct ZIMBRA_RELEASE_SHA256 if another one is meant",
			"%s is not what ZIMBRA_RELEASE_SHA256 says; nothing was unpacked\nexpected %s\nfound    %s",
			path, want, file->sha256);
	if (!want[0])
		log_info(ctx->name, "ZIMBRA_RELEASE_SHA256 is not set; %s has %s", path, file->sha256);
	return 0;
}

/* A name that may become part of a path and of a command line. */
static bool plain_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < ZI_TOP && name[0] != '.' && name[0] != '-' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+~-") == len;
}

int zi_release_top(int data, const char *dir, char top[static ZI_TOP])
{
	_cleanup_close_ int at = path_open_dir(data, dir), script = -1, list = -1;
	char path[ZI_TOP + 64];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	if (at < 0)
		return at;
	list = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (list < 0)
		return -errno;
	d = fdopendir(list);
	if (!d)
		return -errno;
	(void)steal_fd(&list);
	while (n < 2 && (e = readdir(d))) {
		/* "answers": ours, of an installation that was interrupted */
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    strncmp(e->d_name, "answers", 7) == 0)
			continue;
		n++;
		if (plain_name(e->d_name))
			memcpy(top, e->d_name, strlen(e->d_name) + 1);
		else
			n = 2;
	}
	(void)closedir(d);
	if (n != 1)
		return n ? -ENOTUNIQ : -ENOENT;
	(void)snprintf(path, sizeof(path), "%s/%s/install.sh", dir, top);
	script = path_open_read(data, path);
	return script < 0 ? script : 0;
}

static int unpack_failed(struct stage_ctx *ctx, const char *why, struct failure *f)
{
	(void)path_remove_tree(ctx->data, ZI_PARTIAL);
	return failure_set(
		f, FAILURE_HOLD,
		"ZIMBRA_RELEASE must be a .tgz of the shape that Zimbra publishes: one folder with install.sh",
		"ZIMBRA_RELEASE=%s: %s", config_str(ctx->cfg, CFG_ZIMBRA_RELEASE), why);
}

int zi_release_unpack(struct stage_ctx *ctx, const struct zi_file *file, char top[static ZI_TOP], struct failure *f)
{
	struct meter m = {ctx, "unpacking the release", file->size, -1};
	char text[128], hash[ZI_SHA256];
	struct zi_sink sinks[] = {
		{.argv = sha256sum, .output = text, .output_size = sizeof(text)},
		{.argv = untar, .before_exec = jail_enter_hook},
	};
	int r = zi_jail_sh(ctx->name, 300,
			   "rm -rf /" ZI_PARTIAL " /" ZI_RELEASE " && mkdir -p /opt && mkdir -m 0700 /" ZI_PARTIAL);

	if (r != 0)
		return failure_set(f, FAILURE_RETRY, "look at /data/opt: is the volume full or read-only?",
				   "cannot make /data/" ZI_PARTIAL " (status %d)", r);
	r = zi_feed(file->fd, sinks, ARRAY_SIZE(sinks), show, &m);
	if (r < 0)
		return read_failed(ctx, r, f);
	if (sinks[0].status != 0 || !take_hash(text, hash) || strcmp(hash, file->sha256) != 0)
		return unpack_failed(ctx, "it changed while it was unpacked; nothing of it is used", f);
	if (sinks[1].status != 0) {
		(void)path_remove_tree(ctx->data, ZI_PARTIAL);
		return failure_set(f, FAILURE_RETRY, "is the archive whole, and is there room on the volume?",
				   "ZIMBRA_RELEASE=%s: tar ended with status %d",
				   config_str(ctx->cfg, CFG_ZIMBRA_RELEASE), sinks[1].status);
	}
	r = zi_release_top(ctx->data, ZI_PARTIAL, top);
	if (r == -ENOTUNIQ)
		return unpack_failed(ctx, "it holds more than one folder", f);
	if (r < 0)
		return unpack_failed(ctx, "it holds no folder with install.sh", f);
	r = zi_jail_sh(ctx->name, 300, "sync -f /" ZI_PARTIAL " && mv -T /" ZI_PARTIAL " /" ZI_RELEASE);
	if (r != 0)
		return failure_set(f, FAILURE_RETRY, "look at /data/opt",
				   "cannot rename /data/" ZI_PARTIAL " (status %d)", r);
	return 0;
}
