/*
 * The settings as a whole: the bytes up to the first 0xff are zimbra.conf, what follows are entries of the
 * environment, each ended by another 0xff. A NAME_FILE's content is its own path, without the first byte.
 */
#include "../../init/config_table.h"

#include <string.h>

enum { ENTRIES = 32, END = 0xff };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)                                                                                                     \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			__builtin_trap();                                                                              \
	} while (0)

static ssize_t read_file(const char *path, char *buf, size_t max)
{
	size_t n = strlen(path + 1);

	if (path[0] != '/')
		return -ENOENT;
	if (n > max)
		return -EFBIG;
	memcpy(buf, path + 1, n);
	return (ssize_t)n;
}

/* What was accepted is canonical, and the admin ports are never public. */
static void check(const struct config *c)
{
	static char again[CONFIG_VALUE_MAX];
	long number;

	for (int id = 0; id < CFG_COUNT; id++) {
		MUST(c->value[id] != NULL);
		MUST(config_check(&config_settings[id], c->value[id], again, &number) == 0);
		MUST(strcmp(again, c->value[id]) == 0);
		MUST(number == c->number[id]);
		MUST(c->source[id] != CONFIG_DEFAULT || strchr(config_settings[id].fallback, ',') ||
		     strcmp(c->value[id], config_settings[id].fallback) == 0);
	}
	MUST(!fw_ranges_has(&c->policy.public_tcp, 7071));
	MUST(!fw_ranges_has(&c->policy.public_tcp, 9071));
	MUST(c->policy.public_tcp.n <= FW_RANGES_MAX + FW_ADMIN_COUNT && c->policy.admin_from.n <= FW_PREFIXES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct config zero;
	const char *env[ENTRIES + 1] = {0};
	char *copy[ENTRIES] = {0};
	size_t n = 0;
	const uint8_t *end = size ? memchr(data, END, size) : NULL;
	size_t file_len = end ? (size_t)(end - data) : size;

	for (size_t at = file_len + 1; at < size && n < ENTRIES;) {
		const uint8_t *stop = memchr(data + at, END, size - at);
		size_t len = stop ? (size_t)(stop - data) - at : size - at;
		copy[n] = strndup((const char *)data + at, len);
		MUST(copy[n] != NULL);
		env[n] = copy[n];
		n++;
		at += len + 1;
	}
	struct config cfg;
	struct config_error err;
	int r = config_load(env, size ? (const char *)data : NULL, file_len, read_file, &cfg, &err);
	MUST(r == 0 || r == -EINVAL);
	MUST(memchr(err.text, '\0', sizeof(err.text)) != NULL);
	if (r == 0) {
		MUST(err.text[0] == '\0');
		check(&cfg);
		config_free(&cfg);
	} else {
		MUST(err.text[0] != '\0');
	}
	MUST(memcmp(&cfg, &zero, sizeof(cfg)) == 0);
	while (n > 0)
		free(copy[--n]);
	return 0;
}
