#include "kill.h"
#include "proc.h"
#include "workers.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { PIDS_MAX = 4096 };

/* Of the last walk: a child of ours was dead and not reaped. It may have left another process, which came too late. */
static bool unreaped;

/* Calls for every one of "everybody" that lives; false from each() ends the walk. */
static void for_descendants(bool (*each)(pid_t pid, const struct proc_info *info, void *arg), void *arg)
{
	static struct {
		pid_t pid, parent;
		bool ours;
	} all[PIDS_MAX];
	size_t n = 0;
	DIR *dir = opendir("/proc");

	unreaped = false;
	if (!dir)
		return;
	for (struct dirent *e; n < PIDS_MAX && (e = readdir(dir));) {
		struct proc_info info;
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		if (pid <= 0 || pid == getpid() || workers_has(pid) || proc_read(pid, &info) < 0)
			continue;
		if (info.zombie) {
			unreaped |= info.parent == getpid();
			continue;
		}
		all[n].pid = pid;
		all[n].parent = info.parent;
		all[n].ours = false;
		n++;
	}
	(void)closedir(dir);
	/* A child may have a lower pid than its parent (they wrap), so until nothing changes. */
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			bool ours = getpid() == 1 || all[i].parent == getpid();
			for (size_t j = 0; j < n && !ours; j++)
				ours = all[j].ours && all[j].pid == all[i].parent;
			if (ours && !all[i].ours)
				all[i].ours = more = true;
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct proc_info info;
		if (!all[i].ours || proc_read(all[i].pid, &info) < 0)
			continue;
		if (info.zombie)
			unreaped |= info.parent == getpid();
		else if (!each(all[i].pid, &info, arg))
			return;
	}
}

static bool send_one(pid_t pid, const struct proc_info *info, void *arg)
{
	(void)info;
	(void)kill(pid, *(int *)arg);
	return true;
}

void kill_everything(int sig)
{
	if (getpid() == 1)
		(void)kill(-1, sig);
	else
		for_descendants(send_one, &sig);
}

static bool found(pid_t pid, const struct proc_info *info, void *arg)
{
	(void)pid;
	(void)info;
	*(bool *)arg = true;
	return false;
}

bool kill_anyone_left(void)
{
	bool any = false;

	for_descendants(found, &any);
	return any || unreaped;
}

struct text {
	char *at;
	size_t left;
	bool first;
};

static bool name_one(pid_t pid, const struct proc_info *info, void *arg)
{
	struct text *t = arg;
	int n = snprintf(t->at, t->left, "%s%s(%d)", t->first ? "" : " ", info->name, (int)pid);

	if (n < 0 || (size_t)n >= t->left) {
		*t->at = '\0'; /* whole names or none */
		return false;
	}
	t->first = false;
	t->at += n;
	t->left -= (size_t)n;
	return true;
}

void kill_list(char *text, size_t size)
{
	struct text t = {text, size, true};

	text[0] = '\0';
	for_descendants(name_one, &t);
}
