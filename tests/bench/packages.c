/* packages SUITE: what the stage "volume" installs there, for the peer to install the same. */
#include "init/boot/suite.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	const struct os_suite *suite = argc > 1 ? os_suite_find(argv[1]) : NULL;

	return suite && puts(suite->packages) >= 0 ? 0 : 1;
}
