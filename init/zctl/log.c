/* zctl log: the ring of PID 1, and what comes after it. */
#include "ask.h"
#include "commands.h"
#include "help.h"
#include "text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_INTERRUPTED = 128 + SIGINT };

static void interrupted(int sig)
{
	(void)sig;
	_exit(EXIT_INTERRUPTED); /* every packet was flushed before the next one is waited for */
}

/* "TIME TAG: TEXT" as members; what a line does not have is missing. */
static json_t *parse_line(char *line)
{
	json_t *o = json_object();
	char *text = line, *blank = strchr(line, ' ');

	if (blank && blank > line && blank[-1] == 'Z') {
		*blank = '\0';
		(void)json_object_set_new(o, "time", json_string(line));
		text = blank + 1;
	}
	size_t word = strcspn(text, ": ");
	if (word > 0 && text[word] == ':' && text[word + 1] == ' ') {
		text[word] = '\0';
		(void)json_object_set_new(o, "tag", json_string(text));
		text += word + 2;
	}
	(void)json_object_set_new(o, "text", json_string(text));
	return o;
}

static void print_line(const char *line, size_t len, bool json)
{
	_cleanup_free_ char *clean = text_clean(line, len);

	if (!json) {
		(void)printf("%s\n", clean);
		return;
	}
	json_t *o = parse_line(clean);
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text)
		(void)printf("%s\n", text);
}

static int print_lines(void *arg, int code, const char *bytes, size_t len)
{
	const bool *json = arg;

	if (code < 0)
		return code;
	while (len > 0) {
		const char *end = memchr(bytes, '\n', len);
		size_t n = end ? (size_t)(end - bytes) : len;

		print_line(bytes, n, *json);
		n += end != NULL;
		bytes += n;
		len -= n;
	}
	return fflush(stdout) == 0 ? 0 : -EIO;
}

int cmd_log(int argc, char **argv)
{
	bool json = false, follow = false;
	const char *lines = NULL;
	const struct arg_option option[] = {
		{"json", 0, &json, NULL}, {"follow", 'f', &follow, NULL}, {"lines", 'n', NULL, &lines}};
	struct args a = {.option = option, .options = ARRAY_SIZE(option)};
	struct client_call call = {
		.op = CONTROL_LOG, .timeout_ms = ASK_TIMEOUT_MS, .frame = print_lines, .frame_arg = &json};
	int exit_code;
	long n;

	if (!args_read(&a, "log", argc, argv, &exit_code))
		return exit_code;
	if (lines && !args_number(lines, 0, 1000000, &n)) {
		_cleanup_free_ char *clean = text_clean(lines, strlen(lines));
		(void)fprintf(stderr, "zctl: log: `%s' is not a number of lines\n", clean);
		return EXIT_USAGE;
	}
	if (follow) {
		call.follow = true;
		call.arg[call.args++] = "follow";
		(void)signal(SIGINT, interrupted);
	}
	if (lines || follow)
		call.arg[call.args++] = lines ? lines : "10";
	int r = client_call(&call);
	if (r == -EPIPE) /* of client.c: nobody reads us any more, as after `zctl log -f | head' */
		return EXIT_YES;
	if (r == -EIO) {
		(void)fputs("zctl: log: what it says cannot be written\n", stderr);
		return EXIT_FAILED;
	}
	return r < 0 ? client_complain(r) : EXIT_YES;
}
