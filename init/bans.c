#include "bans.h"
#include "bans_file.h"
#include "boot/boot.h"
#include "boot/path.h"
#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
	SAVE_AFTER_MS = 5 * 1000,      /* of the first change: more of them may follow */
	SAVE_EVERY_MS = 3 * 60 * 1000, /* of changes that never end */
	PIECE = 128		       /* bans in one read of the pipe: not more than PIPE_BUF, so each comes whole */
};

_Static_assert(PIECE * sizeof(struct fw_ban) <= 4096, "a piece is one write to a pipe, pipe(7)");

static struct child saver = {.output = {.fd = -1}}, loader = {.output = {.fd = -1}};
static struct loop_timer save_timer;
static int64_t saved_at;     /* 0: not yet */
static bool unsaved, ending; /* changed since the last save began; the last one is under way or over */
static bool keep_file;	     /* some of what it holds is not in the kernel */
static void (*on_saved)(void);

static struct {
	struct loop_watch pipe;
	bool running, again; /* one more is due */
	size_t done, refused;
	char why[NEVER_WHY];
} load = {.pipe = {.fd = -1}};

static int open_data(void)
{
	int fd = open(DATA_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* --- saving ---------------------------------------------------------------------------------------------------- */

static int save_body(void *arg)
{
	const bool *keep = arg;
	struct bans_list list;
	struct fw_error err = {0};
	char text[256];
	_cleanup_close_ int data = open_data();
	int r = bans_list_read(&list, &err);

	if (r < 0) {
		log_warn("firewall", "the bans cannot be read: %s", fw_error_text(&err, text, sizeof(text)));
		return 1;
	}
	r = data < 0 ? data : bans_file_write(data, &list, (int64_t)time(NULL), *keep);
	if (r < 0)
		log_warn("firewall", "the bans cannot be saved in " DATA_DIR "/" BANS_FILE ": %s", strerror(-r));
	free(list.v);
	return r < 0;
}

static void save_now(void);

static void save_due(struct loop_timer *t)
{
	(void)t;
	if (!unsaved || saver.pid || load.running)
		return;
	if (wall_has_bans())
		save_now();
	else
		unsaved = false; /* they went with the table: the file is what is left of them */
}

static void plan(int64_t in_ms)
{
	if (ending || save_timer.armed)
		return;
	save_timer.fire = save_due;
	loop_timer_set(&save_timer, in_ms);
}

static void all_saved(void)
{
	void (*told)(void) = on_saved;

	on_saved = NULL;
	if (told)
		told();
}

static void saved(struct child *c, int status)
{
	(void)c;
	saved_at = now_ms();
	if (status)
		unsaved = true;
	else
		keep_file = false; /* the old one lies beside it */
	if (ending && unsaved && status == 0)
		save_now(); /* changed while the former was written */
	else if (ending)
		all_saved();
	else if (unsaved)
		plan(SAVE_EVERY_MS);
}

static void save_now(void)
{
	unsaved = false;
	saver.tag = NULL;
	saver.ended = saved;
	int r = child_run(&saver, save_body, &keep_file, -1);
	if (r == 0)
		return;
	log_warn("firewall", "the bans cannot be saved: %s", strerror(-r));
	unsaved = true;
	plan(SAVE_EVERY_MS);
	all_saved();
}

static void changed(void)
{
	int64_t rest = saved_at ? saved_at + SAVE_EVERY_MS - now_ms() : 0;

	unsaved = true;
	plan(rest > SAVE_AFTER_MS ? rest : SAVE_AFTER_MS);
}

bool bans_save_last(void (*done)(void))
{
	ending = true;
	loop_timer_stop(&save_timer);
	/* Half of a file's bans must not replace the file. */
	if (load.running || (!saver.pid && !(unsaved && wall_has_bans())))
		return false;
	on_saved = done;
	if (!saver.pid)
		save_now();
	return saver.pid > 0;
}

void bans_give_up(void)
{
	on_saved = NULL;
	child_kill(&saver, SIGKILL);
}

/* --- restoring ------------------------------------------------------------------------------------------------- */

enum { LOADER_FD = 3 };

struct piece {
	size_t n;
	struct fw_ban v[PIECE];
};

static int send_piece(struct piece *p)
{
	ssize_t n = p->n ? write(LOADER_FD, p->v, p->n * sizeof(p->v[0])) : 0;

	p->n = 0;
	return n < 0 ? -errno : 0;
}

static int take(const struct fw_ban *ban, void *arg)
{
	struct piece *p = arg;

	p->v[p->n++] = *ban;
	return p->n == PIECE ? send_piece(p) : 0;
}

/* A file that is not right in every byte is not believed at all, but somebody may want to look what was in it. */
static int load_body(void *arg)
{
	static struct piece piece;
	_cleanup_close_ int data = open_data();
	int r = data < 0 ? data : bans_file_read(data, (int64_t)time(NULL), take, &piece);

	(void)arg;
	if (r == 0)
		r = send_piece(&piece);
	if (r == 0)
		return 0;
	int aside = data < 0 || r == -EPIPE ? -EIO : path_set_aside(data, BANS_FILE);
	log_warn("firewall", "the bans of " DATA_DIR "/" BANS_FILE " are not restored: %s; the file is %s",
		 r == -EBADMSG ? "it is damaged" : strerror(-r),
		 aside < 0 ? "left where it is" : "kept beside it as .bans.aside-*");
	return aside < 0;
}

static void load_start(void);

/* The child's end and the pipe's come in any order. */
static void loaded(void)
{
	if (loader.pid || load.pipe.fd >= 0)
		return;
	load.running = false;
	if (load.refused)
		log_warn("firewall", "%zu bans are not restored: %s", load.refused, load.why);
	if (load.done)
		log_info("firewall", "%zu bans restored", load.done);
	if (load.again)
		load_start();
	else if (unsaved)
		plan(SAVE_AFTER_MS);
}

static void load_ended(struct child *c, int status)
{
	(void)c;
	if (status)
		keep_file = true;
	loaded();
}

static void close_pipe(void)
{
	int fd = load.pipe.fd;

	loop_remove(&load.pipe);
	load.pipe.fd = -1;
	if (fd >= 0)
		(void)close(fd);
}

static void pipe_ready(struct loop_watch *w, uint32_t ev)
{
	struct fw_ban bans[PIECE];
	struct wall_restored r = {0};
	ssize_t n = read(w->fd, bans, sizeof(bans));

	(void)ev;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_pipe();
		loaded();
		return;
	}
	wall_ban_again(bans, (size_t)n / sizeof(bans[0]), &r);
	if (r.failed) { /* what the kernel did not take stays in the file */
		if (!keep_file)
			log_warn("firewall", "not all bans can be restored: %s", r.why);
		keep_file = true;
	} else if (r.refused && !load.refused) {
		(void)snprintf(load.why, sizeof(load.why), "%s", r.why);
	}
	load.refused += r.refused;
	load.done += r.done;
}

static void load_start(void)
{
	int p[2];

	child_kill(&saver, SIGKILL); /* it may have looked at the new table, which has none yet */
	if (load.running) {
		load.again = true;
		return;
	}
	load.again = false;
	load.done = load.refused = 0;
	if (ending || pipe2(p, O_CLOEXEC) < 0)
		return;
	_cleanup_close_ int in = p[0], out = p[1];
	load.pipe.ready = pipe_ready;
	loader.tag = NULL;
	loader.ended = load_ended;
	int r = fcntl(in, F_SETFL, O_NONBLOCK) < 0 ? -errno : child_run(&loader, load_body, NULL, out);
	if (r == 0) {
		load.running = true;
		r = loop_add(&load.pipe, in, EPOLLIN);
	}
	if (r < 0) {
		log_warn("firewall", "the bans cannot be restored: %s", strerror(-r));
		keep_file = true;
		return;
	}
	(void)steal_fd(&in);
}

/* --------------------------------------------------------------------------------------------------------------- */

void bans_open(void)
{
	wall_on_empty(load_start);
}

static int busy(char *why, size_t size)
{
	if (ending) {
		(void)snprintf(why, size, "the container stops: bans are saved already");
		return -ESHUTDOWN;
	}
	if (load.running) {
		(void)snprintf(why, size, "the bans of the last run are being restored: again in a few seconds");
		return -EBUSY;
	}
	return 0;
}

int bans_add(const struct fw_ban *ban, char *why, size_t size)
{
	int r = busy(why, size);

	if (r == 0)
		r = wall_ban(ban, why, size);
	if (r == 0)
		changed();
	return r;
}

int bans_remove(const struct fw_prefix *who, char *why, size_t size)
{
	int r = busy(why, size);

	if (r == 0)
		r = wall_unban(who, why, size);
	if (r == 0)
		changed();
	return r;
}
