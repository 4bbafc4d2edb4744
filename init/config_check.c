/* The types of settings: pure functions from text to canonical text. */
#include "config_table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* isalnum() of the C locale, whatever the process's is. */
static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool all_in(const char *s, const char *more)
{
	for (; *s; s++)
		if (!alnum(*s) && !strchr(more, *s))
			return false;
	return true;
}

static int check_switch(const char *value, char *out, long *number)
{
	static const char *const on[] = {"on", "1", "yes", "true"}, *const off[] = {"off", "0", "no", "false"};

	for (size_t i = 0; i < ARRAY_SIZE(on); i++) {
		bool is_on = strcasecmp(value, on[i]) == 0;
		if (is_on || strcasecmp(value, off[i]) == 0) {
			*number = is_on;
			(void)strcpy(out, is_on ? "on" : "off");
			return 0;
		}
	}
	return -EINVAL;
}

static int check_number(const struct setting *s, const char *value, char *out, long *number)
{
	char *end;

	if (value[0] < '0' || value[0] > '9')
		return -EINVAL;
	errno = 0;
	*number = strtol(value, &end, 10);
	if (errno || *end || *number < s->min || *number > s->max)
		return -EINVAL;
	(void)snprintf(out, CONFIG_VALUE_MAX, "%ld", *number);
	return 0;
}

/* The position among the choices, -1: none of them. */
static long choice_of(const char *choices, const char *value)
{
	size_t len = strlen(value);
	long at = 0;

	for (const char *p = choices; p; p = strchr(p, '|'), at++) {
		p += *p == '|';
		if (len && strncmp(p, value, len) == 0 && (p[len] == '|' || p[len] == '\0'))
			return at;
	}
	return -1;
}

static int check_choice(const struct setting *s, const char *value, char *out, long *number)
{
	char word[CONFIG_VALUE_MAX];
	long ignored;

	if (strchr(value, '|')) /* "a|b" is no choice, it is the list of them */
		return -EINVAL;
	*number = choice_of(s->choices, value);
	/* Where on and off are choices, so are their twins. */
	if (*number < 0 && check_switch(value, word, &ignored) == 0)
		*number = choice_of(s->choices, value = word);
	if (*number < 0)
		return -EINVAL;
	(void)snprintf(out, CONFIG_VALUE_MAX, "%s", value);
	return 0;
}

/* RFC 1123, 2.1: letters, digits, inner hyphens, labels of 1-63; here with at least one dot, 253 in all. */
static int check_fqdn(const char *value, size_t len, char *out)
{
	size_t label = 0, dots = 0;

	if (len > 0 && value[len - 1] == '.')
		len--; /* a root dot is fine, Zimbra wants it without */
	if (len == 0 || len > 253)
		return -EINVAL;
	for (size_t i = 0; i <= len; i++) {
		char c = i < len ? value[i] : '.';
		if (c == '.') {
			if (label == 0 || label > 63 || value[i - 1] == '-')
				return -EINVAL;
			dots += i < len;
			label = 0;
		} else if (alnum(c) || (c == '-' && label > 0)) {
			label++;
		} else {
			return -EINVAL;
		}
		if (i < len)
			out[i] = (char)tolower((unsigned char)c);
	}
	out[len] = '\0';
	return dots ? 0 : -EINVAL;
}

static int check_domains(const char *value, char *out)
{
	size_t used = 0;

	while (*value) {
		value += strspn(value, " ,");
		size_t len = strcspn(value, " ,");
		if (len == 0)
			break;
		if (used)
			out[used++] = ',';
		int r = check_fqdn(value, len, out + used);
		if (r < 0)
			return r;
		used += strlen(out + used);
		value += len;
	}
	out[used] = '\0';
	return 0;
}

static int check_ports(const char *value, char *out)
{
	struct fw_ranges list;
	size_t used = 0;
	int r = fw_ports_parse(value, strlen(value), &list);

	if (r < 0)
		return r;
	out[0] = '\0';
	for (size_t i = 0; i < list.n; i++) {
		const char *comma = i ? "," : "";
		int n = list.v[i].first == list.v[i].last
				? snprintf(out + used, CONFIG_VALUE_MAX - used, "%s%u", comma, list.v[i].first)
				: snprintf(out + used, CONFIG_VALUE_MAX - used, "%s%u-%u", comma, list.v[i].first,
					   list.v[i].last);
		used += (size_t)n;
	}
	return 0;
}

static int check_prefixes(const char *value, char *out)
{
	static struct fw_prefixes list; /* 4 KiB: not on the stack of PID 1 */
	int r = fw_prefixes_parse(value, strlen(value), &list);

	if (r < 0)
		return r;
	(void)snprintf(out, CONFIG_VALUE_MAX, "%s", value);
	return 0;
}

static int check_url(const char *value, char *out)
{
	const char *rest = strncmp(value, "http://", 7) == 0	? value + 7
			   : strncmp(value, "https://", 8) == 0 ? value + 8
								: NULL;

	/* The characters that apt's one-line format, a shell and a URL all leave alone. */
	if (!rest || !alnum(rest[0]) || !all_in(rest, "-._~/:%+"))
		return -EINVAL;
	(void)strcpy(out, value);
	for (size_t len = strlen(out); out[len - 1] == '/'; len--)
		out[len - 1] = '\0';
	return 0;
}

static int check_path(const char *value, char *out)
{
	if (value[0] != '/' || !all_in(value, "-._~/+@:=,"))
		return -EINVAL;
	for (const char *p = value; (p = strstr(p, "/..")); p += 3)
		if (p[3] == '/' || p[3] == '\0')
			return -EINVAL;
	(void)strcpy(out, value);
	return 0;
}

static int check_sha256(const char *value, char *out)
{
	if (strlen(value) != 64)
		return -EINVAL;
	for (size_t i = 0; i < 64; i++) {
		if (!isxdigit((unsigned char)value[i]))
			return -EINVAL;
		out[i] = (char)tolower((unsigned char)value[i]);
	}
	out[64] = '\0';
	return 0;
}

/* A name below /usr/share/zoneinfo, which it must not leave. */
static int check_timezone(const char *value, char *out)
{
	if (!alnum(value[0]) || !all_in(value, "-_+/") || strlen(value) > 64 || strstr(value, "//"))
		return -EINVAL;
	(void)strcpy(out, value);
	return 0;
}

static int check_locale(const char *value, char *out)
{
	if (!alnum(value[0]) || !all_in(value, "-_.@") || strlen(value) > 32)
		return -EINVAL;
	if (!strcasestr(value, "UTF-8") && !strcasestr(value, "utf8"))
		return -EINVAL;
	(void)strcpy(out, value);
	return 0;
}

static int check_password(const char *value, char *out)
{
	size_t len = strlen(value);

	if (len < 6 || len > 128 || !all_in(value, "-_.,:@%+=/"))
		return -EINVAL;
	(void)strcpy(out, value);
	return 0;
}

int config_check(const struct setting *s, const char *value, char out[static CONFIG_VALUE_MAX], long *number)
{
	*number = 0;
	out[0] = '\0';
	if (strlen(value) >= CONFIG_VALUE_MAX)
		return -E2BIG;
	/* Set to nothing = not set, as in every compose file; a list may be empty on purpose. */
	if (value[0] == '\0' && s->fallback[0] == '\0')
		return 0;
	switch (s->type) {
	case TYPE_SWITCH:
		return check_switch(value, out, number);
	case TYPE_NUMBER:
		return check_number(s, value, out, number);
	case TYPE_CHOICE:
		return check_choice(s, value, out, number);
	case TYPE_FQDN:
		return check_fqdn(value, strlen(value), out);
	case TYPE_DOMAINS:
		return check_domains(value, out);
	case TYPE_PORTS:
		return check_ports(value, out);
	case TYPE_PREFIXES:
		return check_prefixes(value, out);
	case TYPE_URL:
		return check_url(value, out);
	case TYPE_PATH:
	case TYPE_RELEASE:
		return check_path(value, out);
	case TYPE_SHA256:
		return check_sha256(value, out);
	case TYPE_TIMEZONE:
		return check_timezone(value, out);
	case TYPE_LOCALE:
		return check_locale(value, out);
	case TYPE_PASSWORD:
		return check_password(value, out);
	default:
		return -EINVAL;
	}
}
