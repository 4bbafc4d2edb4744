/* zimbra-netlog: reads the packets that our filter's rules want told, says to PID 1 who wanted what. */
#pragma once

#include "../worker/worker.h"

/* Which calls it needs, under which user. */
extern const struct worker_self netlog_self;

/* Until PID 1 is gone. */
void netlog_run(void);
