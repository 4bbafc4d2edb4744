/* Request packets of the control socket: every way to be malformed. */
#include "../../init/control.h"

#include "support.h"

struct packet {
	struct control_request r;
	char text[CONTROL_REQUEST_MAX];
};

/* As it came from the socket: in memory of exactly that size. */
static int parse(const struct packet *p, size_t len, struct control_args *out, char **copy)
{
	*copy = malloc(len ? len : 1);
	assert_non_null(*copy);
	memcpy(*copy, p, len);
	memset(out, 0xee, sizeof(*out));
	return control_parse_request(*copy, len, out);
}

static int result_of(const struct packet *p, size_t len)
{
	struct control_args args;
	char *copy;
	int r = parse(p, len, &args, &copy);

	if (r == 0) /* what was accepted lies in the packet, its end included */
		for (size_t i = 0; i < args.n; i++)
			assert_true(args.arg[i] >= copy && args.arg[i] + strlen(args.arg[i]) < copy + len);
	free(copy);
	return r;
}

static struct packet request(enum control_op op, const char *text, size_t len)
{
	struct packet p = {
		.r = {.magic = CONTROL_MAGIC, .version = CONTROL_VERSION, .op = (uint16_t)op, .len = (uint32_t)len}};

	memcpy(p.text, text, len);
	return p;
}

/* A good packet with the arguments of a string literal, which brings its own last '\0'. */
#define REQUEST(op, literal) request(op, literal, sizeof(literal))
#define SIZE(literal)	     (sizeof(struct control_request) + sizeof(literal))

static void good(void **state)
{
	struct control_args args;
	char *copy;
	struct packet p = REQUEST(CONTROL_LOG, "follow\0"
					       "25\0");

	(void)state;
	for (int op = CONTROL_STATUS; op < CONTROL_OPS; op++) {
		p.r.op = (uint16_t)op;
		p.r.len = 0;
		assert_int_equal(parse(&p, sizeof(p.r), &args, &copy), 0);
		assert_int_equal(args.op, op);
		assert_int_equal(args.n, 0);
		free(copy);
	}
	p = REQUEST(CONTROL_LOG, "follow\0"
				 "25");
	assert_int_equal(parse(&p,
			       SIZE("follow\0"
				    "25"),
			       &args, &copy),
			 0);
	assert_int_equal(args.op, CONTROL_LOG);
	assert_int_equal(args.n, 2);
	assert_string_equal(args.arg[0], "follow");
	assert_string_equal(args.arg[1], "25");
	free(copy);
	p = REQUEST(CONTROL_HEALTH, "\0"); /* two empty ones */
	assert_int_equal(parse(&p, SIZE("\0"), &args, &copy), 0);
	assert_int_equal(args.n, 2);
	assert_string_equal(args.arg[0], "");
	assert_string_equal(args.arg[1], "");
	free(copy);
}

static void every_truncation(void **state)
{
	struct packet p = REQUEST(CONTROL_HEALTH, "ready");

	(void)state;
	for (size_t len = 0; len < SIZE("ready"); len++)
		assert_int_equal(result_of(&p, len), -EBADMSG);
	assert_int_equal(result_of(&p, SIZE("ready")), 0);
	assert_int_equal(result_of(&p, SIZE("ready") + 1), -EBADMSG);
}

static void length_that_lies(void **state)
{
	static const uint32_t lies[] = {0, 1, 5, 7, 1023, 1024, 65535, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
	struct packet p = REQUEST(CONTROL_HEALTH, "ready");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		p.r.len = lies[i];
		assert_int_equal(result_of(&p, SIZE("ready")), -EBADMSG);
		assert_int_equal(result_of(&p, sizeof(p.r)), lies[i] ? -EBADMSG : 0);
	}
}

static void wrong_header(void **state)
{
	struct packet p = REQUEST(CONTROL_STATUS, "");

	(void)state;
	p.r.magic = __builtin_bswap32(CONTROL_MAGIC);
	assert_int_equal(result_of(&p, SIZE("")), -EBADMSG);
	p.r.magic = 0;
	assert_int_equal(result_of(&p, SIZE("")), -EBADMSG);
	p.r.magic = CONTROL_MAGIC;
	for (unsigned version = 0; version <= 0xffff; version++) {
		p.r.version = (uint16_t)version;
		assert_int_equal(result_of(&p, SIZE("")), version == CONTROL_VERSION ? 0 : -EPROTO);
	}
	p.r.version = CONTROL_VERSION;
	for (unsigned op = 0; op <= 0xffff; op++) {
		p.r.op = (uint16_t)op;
		assert_int_equal(result_of(&p, SIZE("")), op >= CONTROL_STATUS && op < CONTROL_OPS ? 0 : -EOPNOTSUPP);
	}
}

static void argument_without_an_end(void **state)
{
	struct packet p = request(CONTROL_HEALTH, "ready", 5);

	(void)state;
	assert_int_equal(result_of(&p, sizeof(p.r) + 5), -EBADMSG);
	p = request(CONTROL_LOG,
		    "follow\0"
		    "2",
		    8);
	assert_int_equal(result_of(&p, sizeof(p.r) + 8), -EBADMSG);
}

static void too_many_arguments(void **state)
{
	struct packet p = REQUEST(CONTROL_LOG, "\0\0\0\0\0\0\0"); /* 8 */

	(void)state;
	assert_int_equal(result_of(&p, SIZE("\0\0\0\0\0\0\0")), 0);
	p = REQUEST(CONTROL_LOG, "\0\0\0\0\0\0\0\0");
	assert_int_equal(result_of(&p, SIZE("\0\0\0\0\0\0\0\0")), -E2BIG);
}

static void too_large(void **state)
{
	struct packet p = REQUEST(CONTROL_LOG, "");
	size_t most = CONTROL_REQUEST_MAX - sizeof(p.r);

	(void)state;
	memset(p.text, 'x', sizeof(p.text));
	p.r.len = (uint32_t)most;
	p.text[most - 1] = '\0';
	assert_int_equal(result_of(&p, sizeof(p.r) + most), 0);
	p.text[most - 1] = 'x';
	p.text[most] = '\0';
	p.r.len++;
	assert_int_equal(result_of(&p, sizeof(p.r) + most + 1), -EBADMSG);
}

static void memory_is_never_left_as_it_was(void **state)
{
	struct control_args args;
	char *copy;
	struct packet p = REQUEST(CONTROL_HEALTH, "ready");

	(void)state;
	p.r.magic++;
	assert_int_equal(parse(&p, SIZE("ready"), &args, &copy), -EBADMSG);
	assert_int_equal(args.n, 0);
	for (size_t i = 0; i < CONTROL_ARGS_MAX; i++)
		assert_null(args.arg[i]);
	free(copy);
}

/* --- bans ------------------------------------------------------------------------------------------------------ */

static int ban(enum control_op op, const char *who, const char *time, struct fw_ban *out, char why[CONTROL_WHY])
{
	struct control_args a = {.op = op, .n = (who != NULL) + (time != NULL), .arg = {who, time}};

	memset(out, 0xee, sizeof(*out));
	memset(why, 0, CONTROL_WHY);
	return control_parse_ban(&a, out, why, CONTROL_WHY);
}

static void good_bans(void **state)
{
	static const struct {
		const char *who, *time, *means;
		uint64_t seconds;
	} good[] = {
		{"192.0.2.7", NULL, "192.0.2.7", 3600},		{"192.0.2.7/32", "1", "192.0.2.7", 1},
		{"198.51.100.0/24", "-", "198.51.100.0/24", 0}, {"2001:DB8:0::/32", "forever", "2001:db8::/32", 0},
		{"::2", "3153600000", "::2", 3153600000},	{"192.0.2.7", "007", "192.0.2.7", 7},
	};
	char why[CONTROL_WHY], text[FW_PREFIX_STRLEN];
	struct fw_ban b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(ban(CONTROL_BAN, good[i].who, good[i].time, &b, why), 0);
		assert_string_equal(fw_prefix_format(&b.who, text, sizeof(text)), good[i].means);
		assert_int_equal(b.left_ms, good[i].seconds * 1000);
		assert_int_equal(ban(CONTROL_UNBAN, good[i].who, NULL, &b, why), 0);
		assert_string_equal(fw_prefix_format(&b.who, text, sizeof(text)), good[i].means);
	}
}

static void bad_bans(void **state)
{
	static const struct {
		const char *who, *time, *says;
	} bad[] = {
		{NULL, NULL, "an address or network is needed"},
		{"", NULL, "`'"},
		{"10.1.2.3/8", NULL, "`10.1.2.3/8' is not"},
		{"::ffff:192.0.2.1", NULL, "`::ffff:192.0.2.1' is not"},
		{"mail.example.test", NULL, "`mail.example.test' is not"},
		{" 192.0.2.7", NULL, "is not"},
		{"192.0.2.7", "0", "`0' is not a number of seconds"},
		{"192.0.2.7", "", "`' is not a number of seconds"},
		{"192.0.2.7", "1h", "`1h'"},
		{"192.0.2.7", "+1", "`+1'"},
		{"192.0.2.7", "3153600001", "3153600000"},
		{"192.0.2.7", "99999999999999999999999999999", "is not a number"},
	};
	char why[CONTROL_WHY], huge[900];
	struct fw_ban b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(ban(CONTROL_BAN, bad[i].who, bad[i].time, &b, why), -EINVAL);
		assert_non_null(strstr(why, bad[i].says));
	}
	assert_int_equal(ban(CONTROL_UNBAN, "192.0.2.7", "60", &b, why), -EINVAL);
	assert_non_null(strstr(why, "nothing else"));
	memset(huge, '1', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(ban(CONTROL_BAN, huge, huge, &b, why), -EINVAL);
	assert_true(memchr(why, '\0', CONTROL_WHY) != NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(every_truncation),
		cmocka_unit_test(length_that_lies),
		cmocka_unit_test(wrong_header),
		cmocka_unit_test(argument_without_an_end),
		cmocka_unit_test(too_many_arguments),
		cmocka_unit_test(too_large),
		cmocka_unit_test(memory_is_never_left_as_it_was),
		cmocka_unit_test(good_bans),
		cmocka_unit_test(bad_bans),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
