/* zimbra-netlog. No arguments: what it needs are two descriptors from zimbra-init. */
#include "netlog.h"

#include <unistd.h>

int main(void)
{
	worker_start(&netlog_self);
	netlog_run();
	_exit(0);
}
