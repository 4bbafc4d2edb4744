/* A pidfile, as the zimbra user may have written it. */
#include "../../init/zimbra/zimbra.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pid_t pid = -1;
	int r = zimbra_pidfile_parse((const char *)data, size, &pid);

	if (r != 0 && r != -EINVAL)
		__builtin_trap();
	if (r == 0 ? pid < 2 || pid > 4194304 : pid != -1)
		__builtin_trap();
	return 0;
}
