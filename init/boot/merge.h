/* Moving what was built beside to where it belongs, so that it can be stopped anywhere and gone on with. */
#pragma once

#include "../util.h"

/*
 * Renames every entry of folder `from` into `to` (descriptors for reading, one file system). A folder that is already
 * there is entered and gets owner and mode of its namesake; a mount point there stays what it is, as long as nothing
 * has to go into it. 0, or -errno with the path (below `to`) that was in the way.
 */
int merge_into(int from, int to, char *where, size_t size);
