/* The one system call below path.h, for the files of this folder that need other resolve flags. */
#pragma once

#include "../util.h"

#include <linux/openat2.h>

/* openat2(2), O_CLOEXEC always, O_NONBLOCK | O_NOCTTY unless O_PATH; a descriptor or -errno. */
int path_openat2(int dir, const char *path, uint64_t flags, uint64_t resolve);
