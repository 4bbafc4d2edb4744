/* What /proc/PID/stat and /proc/PID/status tell about a process; proc(5). */
#pragma once

#include "util.h"

#include <sys/types.h>

struct proc_info {
	pid_t parent;
	/* Effective. Not the owner of /proc/PID, which is root for everything that got file capabilities (nginx,
	 * slapd). */
	uid_t uid;
	uint64_t start_time; /* field 22, clock ticks since boot: with the pid it names a process for ever */
	bool zombie;
	char name[16];
};

/* Pure: the text of /proc/PID/stat. The name may hold blanks and parentheses. 0 or -EINVAL; uid is not in it. */
int proc_parse_stat(const char *text, size_t len, struct proc_info *out);

/* Pure: the effective uid in the text of /proc/PID/status. 0 or -EINVAL. */
int proc_parse_uid(const char *text, size_t len, uid_t *uid);

int proc_read(pid_t pid, struct proc_info *out); /* 0 or -errno: -ENOENT, -ESRCH when it is gone */
