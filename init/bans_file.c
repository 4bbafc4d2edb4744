#include "bans_file.h"
#include "boot/path.h"
#include "readall.h"
#include "util.h"

#include <string.h>
#include <sys/stat.h>

/* More than all sets together hold, and no more than PID 1's child should need memory for. */
enum { FILE_MAX = 128 << 20 };

int bans_file_write(int data, const struct bans_list *list, int64_t now_s, bool keep)
{
	struct fw_ban_writer w;
	size_t room = (list->n + 2) * FW_BAN_LINE, used;
	_cleanup_free_ char *text = malloc(room);

	if (!text)
		return -ENOMEM;
	used = fw_bans_write_begin(&w, now_s, text, FW_BAN_LINE);
	for (size_t i = 0; i < list->n; i++)
		used += fw_bans_write(&w, &list->v[i], text + used, FW_BAN_LINE);
	used += fw_bans_write_end(&w, text + used, FW_BAN_LINE);
	if (keep) {
		int r = path_set_aside(data, BANS_FILE);

		if (r < 0 && r != -ENOENT)
			return r;
	}
	return path_write(data, BANS_FILE, text, used, 0600);
}

int bans_file_read(int data, int64_t now_s, fw_ban_each *each, void *arg)
{
	_cleanup_close_ int fd = path_open_read(data, BANS_FILE);
	struct stat st;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > FILE_MAX)
		return -EFBIG;
	_cleanup_free_ char *text = malloc((size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	ssize_t used = read_up_to(fd, text, (size_t)st.st_size);
	return used < 0 ? (int)used : fw_bans_parse(text, (size_t)used, now_s, each, arg);
}
