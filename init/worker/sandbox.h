/* The system call filter of a worker: what is not on its list kills it. */
#pragma once

#include "worker.h"

/* Makes the filter, with all that needs memory; 0 or -errno. */
int sandbox_prepare(const struct worker_self *self, void **filter);

/* In force from here on; 0 or -errno. Nothing is freed: that might be a system call which is gone by then. */
int sandbox_enter(void *filter);
