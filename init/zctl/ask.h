/* A question whose answer is one JSON text, and help in reading one that may come from an older or newer PID 1. */
#pragma once

#include "client.h"

#include <jansson.h>

struct answer {
	char *text; /* as it came */
	size_t len, room;
	int code;     /* control_reply.code of the last packet */
	json_t *json; /* an object, never NULL after success */
};

#define _cleanup_answer_ __attribute__((cleanup(answer_free)))
void answer_free(struct answer *a);

/* Some read all bans there are from the kernel, or all rules. */
enum { ASK_TIMEOUT_MS = 10000, LONG_ANSWER_MS = 120 * 1000 };

/*
 * 0 and an answer (also one with a negative code, a refusal), or -errno as client_call. arg may be NULL.
 * A long timeout costs nothing: PID 1 answers in microseconds or is in trouble.
 */
int ask(enum control_op op, const char *arg, int timeout_ms, struct answer *out);

/* The same with several arguments. */
int ask_with(enum control_op op, const char *const arg[], size_t args, int timeout_ms, struct answer *out);

/* The same where the answer is no JSON, but a refusal is: out->json is then set. */
int ask_text(enum control_op op, int timeout_ms, struct answer *out);

/*
 * What most commands are: no option but --json, one question. True: the answer is to be shown. False: *exit_code says
 * what happened, and it has been said (the JSON printed, the help shown, the error explained).
 */
bool ask_for(enum control_op op, const char *name, int argc, char **argv, struct answer *out, int *exit_code);

/* The latter half of it, for commands with options of their own. */
bool ask_and_print(enum control_op op, const char *arg, bool json, struct answer *out, int *exit_code);

/* And the last of it: r is what ask() returned. */
bool answer_is_shown(int r, bool json, const struct answer *a, int *exit_code);

/* One line on stderr if PID 1 is of another version than this program. */
void ask_compare_version(const char *server);

/* Missing members and members of another type read as "", 0 or false, or as the default given. */
const char *get_text(const json_t *o, const char *key);
int64_t get_number(const json_t *o, const char *key, int64_t otherwise); /* null, too */
double get_real(const json_t *o, const char *key, double otherwise);
bool get_bool(const json_t *o, const char *key);
const json_t *get_object(const json_t *o, const char *key); /* NULL if missing or null */
const json_t *get_list(const json_t *o, const char *key);   /* NULL if missing; json_array_foreach takes NULL */

/* The texts and numbers of a list with a separator between them; freed by the caller. */
char *get_joined(const json_t *o, const char *key, const char *separator);
