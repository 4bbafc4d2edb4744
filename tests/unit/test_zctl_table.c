/* Tables of zctl: alignment, columns that give way, columns that are not there. */
#include "../../init/zctl/table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void check(struct table *t, unsigned columns, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	table_print(f, t, columns);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(text, expected);
	table_free(t);
}

static const struct table_column three[] = {{"NAME"}, {"PID", .right = true}, {"NOTE", .wrap = true}};

static void aligned(void **state)
{
	struct table t = {.column = three, .columns = 3, .indent = 2};

	(void)state;
	table_add(&t, PLAIN, "größe");
	table_add(&t, PLAIN, "%d", 7);
	table_add(&t, PLAIN, "first");
	table_add(&t, PLAIN, "数");
	table_add(&t, PLAIN, "%d", 12345);
	table_end_row(&t);
	check(&t, 80,
	      "  NAME     PID  NOTE\n"
	      "  größe      7  first\n"
	      "  数     12345\n");
}

static void empty_column(void **state)
{
	struct table t = {.column = three, .columns = 3};

	(void)state;
	table_add(&t, PLAIN, "a");
	table_add(&t, PLAIN, "%s", "");
	table_add(&t, PLAIN, "b");
	check(&t, 80,
	      "NAME  NOTE\n"
	      "a     b\n");
	check(&t, 80, "");
}

static void wrapped(void **state)
{
	struct table t = {.column = three, .columns = 3};

	(void)state;
	table_add(&t, PLAIN, "name");
	table_add(&t, PLAIN, "1");
	table_add(&t, PLAIN, "some words that go,on,and on");
	table_add(&t, PLAIN, "next");
	table_add(&t, PLAIN, "2");
	table_add(&t, PLAIN, "averylongwordwithoutblanks");
	check(&t, 25,
	      "NAME  PID  NOTE\n"
	      "name    1  some words\n"
	      "           that go,on,and\n"
	      "           on\n"
	      "next    2  averylongwordw\n"
	      "           ithoutblanks\n");
}

static void no_limit(void **state)
{
	struct table t = {.column = three, .columns = 3};

	(void)state;
	table_add(&t, PLAIN, "n");
	table_add(&t, PLAIN, "1");
	table_add(&t, PLAIN, "%0100d", 0);
	_cleanup_free_ char *expected = text_printf("NAME  PID  NOTE\nn       1  %0100d\n", 0);
	check(&t, 0, expected);
}

/* Narrower than anything that could be read: it runs over rather than losing text or never ending. */
static void too_narrow(void **state)
{
	struct table t = {.column = three, .columns = 3};

	(void)state;
	table_add(&t, PLAIN, "n");
	table_add(&t, PLAIN, "1");
	table_add(&t, PLAIN, "数据数据数据数据");
	check(&t, 5,
	      "NAME  PID  NOTE\n"
	      "n       1  数据数据数据\n"
	      "           数据\n");
}

static void no_titles(void **state)
{
	static const struct table_column two[] = {{0}, {.wrap = true}};
	struct table t = {.column = two, .columns = 2, .indent = 1};

	(void)state;
	table_add(&t, PLAIN, "key");
	table_add(&t, PLAIN, "value");
	table_add(&t, PLAIN, "longer key");
	table_add(&t, PLAIN, "a\nb");
	check(&t, 80,
	      " key         value\n"
	      " longer key  a?b\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(aligned),  cmocka_unit_test(empty_column), cmocka_unit_test(wrapped),
		cmocka_unit_test(no_limit), cmocka_unit_test(too_narrow),   cmocka_unit_test(no_titles),
	};

	(void)setenv("NO_COLOR", "1", 1); /* somebody may run this on a terminal */
	text_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
