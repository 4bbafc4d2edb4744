/* Small texts of /proc and /sys. */
#pragma once

#include "../util.h"

/* The file's text, cut at size - 1, without its last newline; "" when it cannot be read. */
void kernel_read(const char *path, char *buf, size_t size);
