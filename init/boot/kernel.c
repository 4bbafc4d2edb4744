#include "kernel.h"

#include <fcntl.h>

void kernel_read(const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n;

	while (fd >= 0 && have < size - 1 && (n = read(fd, buf + have, size - 1 - have)) > 0)
		have += (size_t)n;
	if (have > 0 && buf[have - 1] == '\n')
		have--;
	buf[have] = '\0';
}
