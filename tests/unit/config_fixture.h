/* For the tests of the settings: loads them, and checks what config_load promises in either case. */
#pragma once

#include "../../init/config_table.h"

#include "support.h"

static struct config cfg;
static struct config_error err;

/* Files that NAME_FILE may name. */
static inline ssize_t read_file(const char *path, char *buf, size_t max)
{
	static const struct {
		const char *path, *text;
		size_t len;
	} files[] = {
		{"/secrets/password", "from-a-file\r\n", 13}, {"/secrets/plain", "from-a-file", 11},
		{"/secrets/zero", "from\0here\n", 10},	      {"/secrets/empty", "", 0},
		{"/secrets/newlines", "\n\r\n", 3},	      {"/secrets/two-lines", "one\ntwo", 7},
		{"/secrets/bad", "hunter2 and blanks", 18},   {"/secrets/fqdn", "mail.file.example\n", 18},
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (strcmp(files[i].path, path) == 0) {
			assert_true(files[i].len <= max);
			memcpy(buf, files[i].text, files[i].len);
			return (ssize_t)files[i].len;
		}
	return strcmp(path, "/secrets/large") == 0 ? -EFBIG : -ENOENT;
}

static inline int load(const char *file, const char *const *env)
{
	size_t len = file ? strlen(file) : 0;
	char *exact = malloc(len ? len : 1);

	assert_non_null(exact);
	if (file)
		memcpy(exact, file, len);
	config_free(&cfg);
	int r = config_load(env, file ? exact : NULL, len, read_file, &cfg, &err);
	free(exact);
	if (r == 0) {
		for (int id = 0; id < CFG_COUNT; id++)
			assert_non_null(cfg.value[id]);
		assert_string_equal(err.text, "");
	} else {
		static const struct config zero;
		assert_int_equal(r, -EINVAL);
		assert_true(err.text[0] != '\0');
		assert_memory_equal(&cfg, &zero, sizeof(cfg));
	}
	return r;
}

#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void accept(const char *file, const char *const *env)
{
	if (load(file, env) != 0)
		fail_msg("refused: %s", err.text);
}

/* Refused, and the text says all of these. */
static inline void refuse(const char *file, const char *const *env, const char *const *says)
{
	if (load(file, env) == 0)
		fail_msg("accepted %s%s", file ? file : "", env[0] ? env[0] : "");
	for (; *says; says++)
		if (!strstr(err.text, *says))
			fail_msg("\"%s\" does not say \"%s\"", err.text, *says);
}

static inline void is(enum config_id id, const char *value, enum config_source source)
{
	assert_string_equal(config_str(&cfg, id), value);
	assert_int_equal(cfg.source[id], source);
}

static const char *const none[] = {NULL};
