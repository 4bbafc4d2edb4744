#include "proc.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

int proc_parse_stat(const char *text, size_t len, struct proc_info *out)
{
	const char *open = memchr(text, '(', len), *close_ = memrchr(text, ')', len);
	char rest[512];
	int parent;
	unsigned long long start;
	char state;

	if (!open || !close_ || close_ < open)
		return -EINVAL;
	size_t n = (size_t)(close_ - open) - 1;
	if (n >= sizeof(out->name))
		n = sizeof(out->name) - 1;
	size_t left = len - (size_t)(close_ + 1 - text);
	if (left >= sizeof(rest))
		left = sizeof(rest) - 1;
	memcpy(rest, close_ + 1, left);
	rest[left] = '\0';
	/* Fields 3 (state), 4 (ppid) ... 22 (starttime). */
	if (sscanf(rest, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &state,
		   &parent, &start) != 3)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	memcpy(out->name, open + 1, n);
	out->parent = parent;
	out->zombie = state == 'Z' || state == 'X';
	out->start_time = start;
	return 0;
}

int proc_parse_uid(const char *text, size_t len, uid_t *uid)
{
	static const char key[] = "\nUid:\t";
	const char *line = memmem(text, len, key, sizeof(key) - 1);
	char rest[64];
	unsigned effective;

	if (!line)
		return -EINVAL;
	line += sizeof(key) - 1;
	size_t left = len - (size_t)(line - text);
	(void)snprintf(rest, sizeof(rest), "%.*s", (int)(left < sizeof(rest) ? left : sizeof(rest) - 1), line);
	if (sscanf(rest, "%*u %u", &effective) != 1)
		return -EINVAL;
	*uid = (uid_t)effective;
	return 0;
}

static ssize_t read_whole(pid_t pid, const char *file, char *text, size_t size)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size);
	return n < 0 ? -errno : n;
}

int proc_read(pid_t pid, struct proc_info *out)
{
	char text[2048];
	uid_t uid;
	ssize_t n = read_whole(pid, "status", text, sizeof(text));
	int r = n < 0 ? (int)n : proc_parse_uid(text, (size_t)n, &uid);

	if (r < 0)
		return r;
	n = read_whole(pid, "stat", text, sizeof(text));
	r = n < 0 ? (int)n : proc_parse_stat(text, (size_t)n, out);
	if (r == 0)
		out->uid = uid;
	return r;
}
