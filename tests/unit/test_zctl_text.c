/* Words of zctl: durations, sizes, and what may reach a terminal. */
#include "../../init/zctl/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void duration(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{-1, "-"},	    {0, "0s"},	       {59, "59s"},
		{60, "1m 00s"},	    {3599, "59m 59s"}, {3600, "1h 00m"},
		{86399, "23h 59m"}, {86400, "1d 00h"}, {INT64_MAX, "106751991167300d 15h"},
	};
	char buf[DURATION_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(text_duration(buf, cases[i].seconds), cases[i].text);
}

static void seconds(void **state)
{
	char buf[DURATION_MAX];

	(void)state;
	assert_string_equal(text_seconds(buf, 0), "0.0s");
	assert_string_equal(text_seconds(buf, 0.44), "0.4s");
	assert_string_equal(text_seconds(buf, 9.94), "9.9s");
	assert_string_equal(text_seconds(buf, 9.96), "10s");
	assert_string_equal(text_seconds(buf, 59.6), "1m 00s");
	assert_string_equal(text_seconds(buf, -0.1), "-");
	assert_string_equal(text_seconds(buf, (double)NAN), "-");
	assert_string_equal(text_seconds(buf, (double)INFINITY), "-");
}

static void bytes(void **state)
{
	char buf[DURATION_MAX];

	(void)state;
	assert_string_equal(text_bytes(buf, 0), "0");
	assert_string_equal(text_bytes(buf, 1023), "1023");
	assert_string_equal(text_bytes(buf, 1024), "1.0 KiB");
	assert_string_equal(text_bytes(buf, 1048575), "1.0 MiB");
	assert_string_equal(text_bytes(buf, UINT64_MAX), "16.0 EiB");
}

static void check_clean(const char *in, size_t len, const char *out)
{
	_cleanup_free_ char *clean = text_clean(in, len);

	assert_string_equal(clean, out);
}

static void clean(void **state)
{
	(void)state;
	check_clean("", 0, "");
	check_clean("größe 数据", strlen("größe 数据"), "größe 数据");
	check_clean("a\033[31mb\r\n\tc\177", 12, "a?[31mb???c?");
	check_clean("a\0b", 3, "a?b");
	check_clean("\302\23331m", 5, "?31m");	     /* CSI of C1: some terminals obey it */
	check_clean("\342\200\256evil", 7, "?evil"); /* right-to-left override */
	check_clean("\xff\xc3", 2, "??");	     /* never, and cut off */
	check_clean("\xed\xa0\x80", 3, "???");	     /* a surrogate */
	check_clean("\xc0\xaf", 2, "??");	     /* an overlong '/' */
}

static void width(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("größe"), 5);
	assert_int_equal(text_width("数据"), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1); /* a combining accent */
	assert_int_equal(text_fit("größe", 3), 4);
	assert_int_equal(text_fit("数据", 3), 3); /* not half a character */
	assert_int_equal(text_fit("数据", 1), 0);
	assert_int_equal(text_fit("abc", 80), 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(duration), cmocka_unit_test(seconds), cmocka_unit_test(bytes),
		cmocka_unit_test(clean),    cmocka_unit_test(width),
	};

	text_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
