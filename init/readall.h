/* Reading a descriptor to its end: one loop for all who do. */
#pragma once

#include "util.h"

#include <sys/types.h>

/* Until the end of the file, or until max bytes are there (then there may be more); EINTR is no end. Bytes or -errno.
 */
ssize_t read_up_to(int fd, char *buf, size_t max);
