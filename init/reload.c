#include "reload.h"
#include "boot/boot.h"
#include "boot/path.h"
#include "child.h"
#include "config_table.h"
#include "readall.h"
#include "wall.h"
#include "workers.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static struct child child = {.output = {.fd = -1}};
static int text_fd = -1; /* memfd that the child fills: the volume may be slow, PID 1 does not wait for it */
static struct config *current;
static const char *const *env;
static bool renew_firewall;
static const struct daemon_reload *told;

ssize_t reload_read_secret(const char *path, char *buf, size_t max)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	ssize_t n = read_up_to(fd, buf, max);
	return n == (ssize_t)max ? -EFBIG : n;
}

ssize_t reload_read_conf(char *buf)
{
	_cleanup_close_ int data = open(DATA_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (data < 0)
		return errno == ENOENT ? 0 : -errno;
	ssize_t n = path_read(data, "app/zimbra.conf", buf, CONFIG_FILE_MAX);
	return n == -ENOENT || n == -ENOTDIR ? 0 : n;
}

static int body(void *arg)
{
	static char buf[CONFIG_FILE_MAX + 1];
	ssize_t n = reload_read_conf(buf);

	(void)arg;
	if (n < 0)
		return (int)-n & 0x7f;
	return write(3, buf, (size_t)n) == n ? 0 : EIO;
}

/* Moves what changed and may change from `fresh` to the current settings; the rest is only told. */
static void take_over(struct config *fresh)
{
	for (int id = 0; id < CFG_COUNT; id++) {
		if (strcmp(current->value[id], fresh->value[id]) == 0)
			continue;
		bool applied = config_reloadable((enum config_id)id);
		if (applied) {
			char *old = current->value[id];
			current->value[id] = fresh->value[id];
			fresh->value[id] = old;
			current->number[id] = fresh->number[id];
			current->source[id] = fresh->source[id];
		}
		told->changed(told->arg, (enum config_id)id, applied);
	}
	current->policy = fresh->policy;
	current->admin_port_cut = fresh->admin_port_cut;
}

static void apply(const char *text, size_t len)
{
	struct config fresh;
	struct config_error err;

	if (config_load(env, text, len, reload_read_secret, &fresh, &err) < 0) {
		told->finished(told->arg, err.text);
		return;
	}
	bool on = config_on(&fresh, CFG_ZIMBRA_FIREWALL);
	if (renew_firewall && (on || config_on(current, CFG_ZIMBRA_FIREWALL))) {
		struct fw_error fw = {0};
		char why[256];
		if ((on ? wall_open(&fresh.policy, &fw) : wall_remove(&fw)) < 0) {
			config_free(&fresh);
			told->finished(told->arg, fw_error_text(&fw, why, sizeof(why)));
			return;
		}
	}
	take_over(&fresh);
	config_free(&fresh);
	if (renew_firewall)
		workers_update(current);
	told->finished(told->arg, NULL);
}

static void ended(struct child *c, int status)
{
	static char buf[CONFIG_FILE_MAX + 1];

	(void)c;
	ssize_t n = pread(text_fd, buf, sizeof(buf), 0);
	(void)close(text_fd);
	text_fd = -1;
	if (status || n < 0) {
		char why[160];
		(void)snprintf(why, sizeof(why), DATA_DIR "/app/zimbra.conf cannot be read: %s",
			       status > 128 ? "its reader was killed" : strerror(status ? status : EIO));
		told->finished(told->arg, why);
		return;
	}
	apply(buf, (size_t)n);
}

int reload_start(struct config *cfg, const char *const *environment, bool opened, const struct daemon_reload *t)
{
	if (child.pid)
		return -EBUSY;
	current = cfg;
	env = environment;
	renew_firewall = opened;
	told = t;
	text_fd = memfd_create("zimbra.conf", MFD_CLOEXEC);
	if (text_fd < 0)
		return -errno;
	child.tag = "reload";
	child.ended = ended;
	int r = child_run(&child, body, NULL, text_fd);
	if (r < 0) {
		(void)close(text_fd);
		text_fd = -1;
	}
	return r;
}
