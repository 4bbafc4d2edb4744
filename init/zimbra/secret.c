/*
 * Secrets that an installation needs twice when it is interrupted: kept in the state folder, which the jail cannot see.
 */
#include "../boot/boot.h"
#include "../boot/path.h"
#include "internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
enum { LETTERS = sizeof(alphabet) - 1, FAIR = 256 - 256 % LETTERS };

static int draw(size_t len, char *out)
{
	for (size_t n = 0; n < len;) {
		unsigned char byte[64];
		ssize_t got = getrandom(byte, sizeof(byte), 0);

		if (got < 0 && errno != EINTR)
			return -errno;
		/* Bytes from 248 on would favour the first letters. */
		for (ssize_t i = 0; i < got && n < len; i++)
			if (byte[i] < FAIR)
				out[n++] = alphabet[byte[i] % LETTERS];
	}
	out[len] = '\0';
	return 0;
}

int zi_secret(int data, const char *name, size_t len, char *out, size_t size)
{
	char path[128];
	_cleanup_close_ int dir = -1;
	ssize_t n;
	int r;

	if (len + 1 >= size)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), STATE_DIR "/%s", name);
	n = path_read(data, path, out, size - 1);
	if (n > 0) {
		out[strcspn(out, "\r\n")] = '\0';
		if (strlen(out) == len && strspn(out, alphabet) == len)
			return 0;
	} else if (n < 0 && n != -ENOENT && n != -EFBIG) {
		return (int)n;
	}

	r = draw(len, out);
	if (r < 0)
		return r;
	dir = path_make_dirs(data, STATE_DIR, 0700);
	if (dir < 0)
		return dir;
	out[len] = '\n';
	r = path_write(data, path, out, len + 1, 0600);
	out[len] = '\0';
	return r;
}
