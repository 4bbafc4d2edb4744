/* The log of PID 1: what is kept, and what is lost and said so. */
#include "logring_fixture.h"

#include <ctype.h>

static void format_body(void)
{
	uint64_t lost;

	open_ring(false);
	log_error("volume", "it is %d", 7);
	log_warn(NULL, "careful");
	log_info("x", "a\nb\tc\x7f\x1b[31m\xc3\xa4");
	char *text = read_all(0, &lost);
	for (char *line = text; *line; line = strchr(line, '\n') + 1) {
		static const char like[] = "0000-00-00T00:00:00.000Z ";
		for (size_t i = 0; i < STAMP; i++)
			CHECK(like[i] == '0' ? isdigit((unsigned char)line[i]) != 0 : line[i] == like[i]);
	}
	CHECK_STR(strtok(text, "\n") + STAMP, "volume: error: it is 7");
	CHECK_STR(strtok(NULL, "\n") + STAMP, "init: warning: careful");
	CHECK_STR(strtok(NULL, "\n") + STAMP, "x: a?b c??[31m\xc3\xa4");
	CHECK(strtok(NULL, "\n") == NULL);
}

static void lines_are_stamped_and_clean(void **state)
{
	(void)state;
	in_child(format_body);
}

static void long_body(void)
{
	static char big[5000];
	uint64_t lost;

	open_ring(false);
	memset(big, 'y', sizeof(big) - 1);
	log_info("t", "%s", big);
	logring_relay(NULL, big, sizeof(big) - 1);
	logring_relay("t", big, sizeof(big) - 1);
	char *text = read_all(0, &lost);
	for (int i = 0; i < 3; i++) {
		char *end = strchr(text, '\n');
		CHECK(end - text > 1000 && end - text <= LOG_LINE_MAX + STAMP);
		text = end + 1;
	}
	CHECK_STR(text, "");
}

static void long_lines_are_cut(void **state)
{
	(void)state;
	in_child(long_body);
}

static void relay_body(void)
{
	static const char raw[] = "a\0b\rc\td\x01"
				  "e";
	uint64_t lost;

	open_ring(false);
	logring_relay(NULL, raw, sizeof(raw) - 1);
	logring_relay("tag", raw, sizeof(raw) - 1);
	logring_relay("tag", "%s%n", 4);
	char *text = read_all(0, &lost);
	CHECK_STR(strtok(text, "\n") + STAMP, "a?b?c d?e");
	CHECK_STR(strtok(NULL, "\n") + STAMP, "tag: a?b?c d?e");
	CHECK_STR(strtok(NULL, "\n") + STAMP, "tag: %s%n");
}

static void lines_of_children_are_cleaned(void **state)
{
	(void)state;
	in_child(relay_body);
}

static void last_body(void)
{
	uint64_t lost;

	open_ring(false);
	CHECK_EQ(logring_last(5), 0);
	for (int i = 1; i <= 10; i++)
		log_info("n", "line %d", i);
	CHECK_EQ(logring_last(0), logring_end());
	CHECK_STR(read_all(logring_last(1), &lost) + STAMP, "n: line 10\n");
	char *two = read_all(logring_last(2), &lost);
	CHECK_STR(strtok(two, "\n") + STAMP, "n: line 9");
	CHECK_STR(strtok(NULL, "\n") + STAMP, "n: line 10");
	CHECK_EQ(logring_last(10), 0);
	CHECK_EQ(logring_last(11), 0);
	CHECK_EQ(logring_last(SIZE_MAX), 0);
}

static void last_lines(void **state)
{
	(void)state;
	in_child(last_body);
}

static void wrap_body(void)
{
	uint64_t lost;

	open_ring(false);
	write_numbers(1, 5000);
	CHECK(logring_end() > 2 * LOGRING_SIZE);
	uint64_t first = logring_last(SIZE_MAX);
	CHECK(first >= logring_end() - LOGRING_SIZE);
	CHECK(logring_end() - first > LOGRING_SIZE - 2000);
	char *text = read_all(first, &lost);
	CHECK_EQ(lost, 0);
	int expected = number_of(text);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		CHECK_EQ(line[10], 'T');
		CHECK_EQ(number_of(line), expected++);
	}
	CHECK_EQ(expected, 5001);
	CHECK_EQ(number_of(read_all(logring_last(1), &lost)), 5000);
	CHECK_EQ(number_of(read_all(logring_last(300), &lost)), 4701);
	/* More lines than are kept: all that is kept. */
	CHECK_EQ(logring_last(100000), first);
}

static void ring_wraps_at_whole_lines(void **state)
{
	(void)state;
	in_child(wrap_body);
}

static void lost_body(void)
{
	char buf[4096];
	uint64_t pos, lost, before;

	open_ring(false);
	write_numbers(1, 10);
	before = pos = logring_last(3);
	write_numbers(11, 5000);
	size_t n = logring_read(&pos, buf, sizeof(buf), &lost);
	CHECK(n > 0 && lost > 0);
	CHECK_EQ(before + lost + n, pos);
	CHECK_EQ(buf[n - 1], '\n');
	CHECK_EQ(buf[10], 'T');
	n = logring_read(&pos, buf, sizeof(buf), &lost);
	CHECK(n > 0);
	CHECK_EQ(lost, 0);
}

static void overwritten_part_is_reported_lost(void **state)
{
	(void)state;
	in_child(lost_body);
}

static void pieces_body(void)
{
	static char joined[65536];
	uint64_t pos = 0, lost;
	size_t used = 0;

	open_ring(false);
	write_numbers(1, 300);
	for (;;) {
		char piece[200];
		size_t n = logring_read(&pos, piece, sizeof(piece), &lost);
		if (n == 0)
			break;
		CHECK_EQ(piece[n - 1], '\n');
		memcpy(joined + used, piece, n);
		used += n;
	}
	CHECK_EQ(pos, logring_end());
	CHECK_STR(joined, read_all(0, &lost));
}

static void small_buffer_gets_whole_lines(void **state)
{
	(void)state;
	in_child(pieces_body);
}

static unsigned heard;

static void hear(void)
{
	heard++;
}

static void listener_body(void)
{
	open_ring(false);
	logring_on_line(hear);
	write_numbers(1, 7);
	CHECK_EQ(heard, 7);
}

static void listener_hears_every_line(void **state)
{
	(void)state;
	in_child(listener_body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_stamped_and_clean),	 cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(lines_of_children_are_cleaned), cmocka_unit_test(last_lines),
		cmocka_unit_test(ring_wraps_at_whole_lines),	 cmocka_unit_test(overwritten_part_is_reported_lost),
		cmocka_unit_test(small_buffer_gets_whole_lines), cmocka_unit_test(listener_hears_every_line),
	};

	return cmocka_run_group_tests_name("logring", tests, NULL, NULL);
}
