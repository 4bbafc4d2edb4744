#include "ask.h"

#include "commands.h"
#include "help.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX = 64 << 20 }; /* whoever answers is PID 1, but a bug there must not eat our memory */

void answer_free(struct answer *a)
{
	json_decref(a->json);
	free(a->text);
	a->json = NULL;
	a->text = NULL;
}

static int collect(void *arg, int code, const char *bytes, size_t len)
{
	struct answer *a = arg;

	if (len > ANSWER_MAX - a->len)
		return -EPROTO;
	if (a->len + len + 1 > a->room) {
		a->room = 2 * (a->len + len) + 1;
		a->text = text_alloc(a->text, a->room);
	}
	(void)memcpy(a->text + a->len, bytes, len);
	a->len += len;
	a->text[a->len] = '\0';
	a->code = code;
	return 0;
}

static int collect_all(enum control_op op, const char *const arg[], size_t args, int timeout_ms, struct answer *out)
{
	struct client_call call = {
		.op = op, .timeout_ms = timeout_ms, .frame = collect, .frame_arg = out, .args = args};

	if (args > ARRAY_SIZE(call.arg))
		return -E2BIG;
	for (size_t i = 0; i < args; i++)
		call.arg[i] = arg[i];
	*out = (struct answer){0};
	return client_call(&call);
}

static int read_json(struct answer *out)
{
	out->json = json_loadb(out->text, out->len, 0, NULL);
	if (json_is_object(out->json))
		return 0;
	json_decref(out->json);
	out->json = out->code < 0 ? json_object() : NULL; /* a refusal needs no words */
	return out->json ? 0 : -EPROTO;
}

int ask_with(enum control_op op, const char *const arg[], size_t args, int timeout_ms, struct answer *out)
{
	int r = collect_all(op, arg, args, timeout_ms, out);

	return r < 0 ? r : read_json(out);
}

int ask_text(enum control_op op, int timeout_ms, struct answer *out)
{
	int r = collect_all(op, NULL, 0, timeout_ms, out);

	return r < 0 || out->code >= 0 ? r : read_json(out);
}

int ask(enum control_op op, const char *arg, int timeout_ms, struct answer *out)
{
	return ask_with(op, &arg, arg != NULL, timeout_ms, out);
}

static int complain_refusal(const struct answer *a)
{
	bool denied = a->code == -EPERM || a->code == -EACCES;
	const char *error = get_text(a->json, "error");

	if (denied && !*error)
		return client_complain(a->code);
	if (!*error)
		error = a->code == -EOPNOTSUPP || a->code == -ENOSYS ? "PID 1 does not know that command (is it older?)"
								     : strerror(-a->code);
	_cleanup_free_ char *clean = text_clean(error, strlen(error));
	(void)fprintf(stderr, "zctl: %s\n", clean);
	return denied ? EXIT_DENIED : EXIT_FAILED;
}

bool answer_is_shown(int r, bool json, const struct answer *out, int *exit_code)
{
	if (r < 0) {
		*exit_code = client_complain(r);
		return false;
	}
	if (json && out->len)
		(void)printf("%s\n", out->text);
	*exit_code = out->code < 0 ? complain_refusal(out) : EXIT_YES;
	return out->code >= 0 && !json;
}

bool ask_and_print(enum control_op op, const char *arg, bool json, struct answer *out, int *exit_code)
{
	return answer_is_shown(ask(op, arg, ASK_TIMEOUT_MS, out), json, out, exit_code);
}

bool ask_for(enum control_op op, const char *name, int argc, char **argv, struct answer *out, int *exit_code)
{
	bool json = false;
	const struct arg_option option[] = {{"json", 0, &json, NULL}};
	struct args a = {.option = option, .options = ARRAY_SIZE(option)};

	return args_read(&a, name, argc, argv, exit_code) && ask_and_print(op, NULL, json, out, exit_code);
}

void ask_compare_version(const char *server)
{
	if (!*server || strcmp(server, VERSION) == 0)
		return;
	_cleanup_free_ char *clean = text_clean(server, strlen(server));
	(void)fprintf(stderr, "zctl: this is zctl %s, PID 1 is zimbra-init %s: something may be missing here\n",
		      VERSION, clean);
}

const char *get_text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

int64_t get_number(const json_t *o, const char *key, int64_t otherwise)
{
	const json_t *n = json_object_get(o, key);

	if (json_is_integer(n))
		return json_integer_value(n);
	double d = json_number_value(n); /* 0 for what is no number */
	return json_is_real(n) && d > -1e15 && d < 1e15 ? (int64_t)d : otherwise;
}

double get_real(const json_t *o, const char *key, double otherwise)
{
	const json_t *n = json_object_get(o, key);

	return json_is_number(n) ? json_number_value(n) : otherwise;
}

bool get_bool(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

const json_t *get_object(const json_t *o, const char *key)
{
	const json_t *member = json_object_get(o, key);

	return json_is_object(member) ? member : NULL;
}

const json_t *get_list(const json_t *o, const char *key)
{
	const json_t *member = json_object_get(o, key);

	return json_is_array(member) ? member : NULL;
}

char *get_joined(const json_t *o, const char *key, const char *separator)
{
	char *all = text_printf("%s", "");
	const json_t *item;
	size_t i;

	json_array_foreach (get_list(o, key), i, item) {
		char *longer;
		if (json_is_string(item))
			longer = text_printf("%s%s%s", all, *all ? separator : "", json_string_value(item));
		else if (json_is_integer(item))
			longer = text_printf("%s%s%" JSON_INTEGER_FORMAT, all, *all ? separator : "",
					     json_integer_value(item));
		else
			continue;
		free(all);
		all = longer;
	}
	return all;
}
