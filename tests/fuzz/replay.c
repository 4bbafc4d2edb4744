/*
 * Gives every file of a corpus to a fuzz target once, without libFuzzer: replay_NAME FOLDER.
 * Each input is tried whole and cut off at every length up to 512, in memory of exactly that size.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 1 << 20, CUT_MAX = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long runs;

static void give(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);

	if (!exact)
		abort();
	memcpy(exact, bytes, n);
	(void)LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	runs++;
}

static int replay(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	FILE *f = fopen(path, "re");

	if (!f)
		return -1;
	size_t n = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	(void)fprintf(stderr, "# %s\n", path); /* the last of these lines names the input of a crash */
	for (size_t cut = 0; cut < n && cut <= CUT_MAX; cut++)
		give(bytes, cut);
	give(bytes, n);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned files = 0;
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;

	if (!dir) {
		(void)fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		char path[4096];
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		if (replay(path) < 0) {
			(void)printf("not ok 1 - %s cannot be read\n", path);
			return 1;
		}
		files++;
	}
	(void)closedir(dir);
	(void)printf("1..1\n%s 1 - %u inputs, %lu runs\n", files ? "ok" : "not ok", files, runs);
	return files ? 0 : 1;
}
