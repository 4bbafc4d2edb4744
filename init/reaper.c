#include "reaper.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum {
	WATCHED = 64,
	A_ROUND = 4096,	    /* then somebody else gets a turn; signals.c comes back */
	NAMES_A_SECOND = 32 /* reading a name costs more than reaping; a storm of orphans gets no more than these */
};

static struct {
	pid_t pid;
	reaper_told *told;
	void *arg;
} watched[WATCHED];
static struct reaper_death ring[REAPER_RING];
static uint64_t deaths;
static void (*orphan_told)(void);

int reaper_watch(pid_t pid, reaper_told *told, void *arg)
{
	for (size_t i = 0; i < WATCHED; i++)
		if (watched[i].pid == 0) {
			watched[i].pid = pid;
			watched[i].told = told;
			watched[i].arg = arg;
			return 0;
		}
	return -ENOSPC;
}

void reaper_forget(pid_t pid, const void *arg)
{
	for (size_t i = 0; i < WATCHED; i++)
		if (watched[i].pid == pid && watched[i].arg == arg)
			watched[i].pid = 0;
}

void reaper_on_orphan(void (*told)(void))
{
	orphan_told = told;
}

uint64_t reaper_count(void)
{
	return deaths;
}

size_t reaper_ring(struct reaper_death out[static REAPER_RING])
{
	size_t n = deaths < REAPER_RING ? (size_t)deaths : REAPER_RING;

	for (size_t i = 0; i < n; i++)
		out[i] = ring[(deaths - 1 - i) % REAPER_RING];
	return n;
}

/* A zombie still has its name. */
static void read_name(pid_t pid, char name[static REAPER_COMM])
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, name, REAPER_COMM - 1);
	if (n < 0)
		n = 0;
	name[n] = '\0';
	name[strcspn(name, "\n")] = '\0';
}

static void remember(const siginfo_t *info, const char *name, int status)
{
	struct reaper_death *d = &ring[deaths % REAPER_RING];

	d->pid = info->si_pid;
	(void)snprintf(d->name, sizeof(d->name), "%s", name);
	d->status = status;
	d->at = now_ms();
	deaths++;
}

/* True if somebody had asked for this pid. */
static bool tell(pid_t pid, int status)
{
	bool any = false;

	for (size_t i = 0; i < WATCHED; i++)
		if (watched[i].pid == pid) {
			watched[i].pid = 0; /* first: told() may register another */
			watched[i].told(watched[i].arg, pid, status);
			any = true;
		}
	return any;
}

/* How many names may still be read in this second. */
static unsigned *name_budget(void)
{
	static int64_t second;
	static unsigned left;
	int64_t now = now_ms() / 1000;

	if (now != second) {
		second = now;
		left = NAMES_A_SECOND;
	}
	return &left;
}

unsigned reaper_run(void)
{
	bool orphans = false;
	unsigned reaped = 0;

	while (reaped < A_ROUND) {
		siginfo_t info = {0};
		char name[REAPER_COMM] = "";
		/* Looked at before it is taken, while /proc still knows its name. */
		int look = *name_budget() ? WNOWAIT : 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | look) < 0) {
			if (errno == EINTR)
				continue;
			break; /* ECHILD: nobody is left */
		}
		if (info.si_pid == 0)
			break;
		if (look) {
			siginfo_t taken;
			--*name_budget();
			read_name(info.si_pid, name);
			(void)waitid(P_PID, (id_t)info.si_pid, &taken, WEXITED | WNOHANG);
		}
		reaped++;
		int status = info.si_code == CLD_EXITED ? info.si_status & 0xff : 128 + info.si_status;
		remember(&info, name, status);
		if (!tell(info.si_pid, status))
			orphans = true;
	}
	if (orphans && orphan_told)
		orphan_told();
	return reaped;
}
