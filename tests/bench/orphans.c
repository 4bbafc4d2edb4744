/* orphans N: N processes without a parent, each of which ends at once: work for PID 1. Prints the milliseconds. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	long count = argc > 1 ? strtol(argv[1], NULL, 10) : 20000;
	long long begun = now_us();

	for (long i = 0; i < count; i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			pid_t orphan = fork();
			_exit(orphan < 0 ? 1 : 0); /* the child at once, and the orphan, too */
		}
		if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
			perror("orphans: fork");
			return 1;
		}
	}
	(void)printf("%.1f\n", (double)(now_us() - begun) / 1000);
	return 0;
}
