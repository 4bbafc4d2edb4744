/* The pure part of the firewall library: lists of ports and prefixes, and what becomes of them. */
#include "../../firewall/firewall.h"
#include "../../firewall/interval.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants its friends first. */
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The text without its '\0', in memory of its own: reading one byte too far is then seen by the sanitizer. */
static char *exact(const char *s, size_t n)
{
	char *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	memcpy(copy, s, n);
	return copy;
}

static int ports(const char *s, struct fw_ranges *out)
{
	char *copy = exact(s, strlen(s));
	int r = fw_ports_parse(copy, strlen(s), out);

	free(copy);
	return r;
}

static int prefix_n(const char *s, size_t n, struct fw_prefix *out)
{
	char *copy = exact(s, n);
	int r = fw_prefix_parse(copy, n, out);

	free(copy);
	return r;
}

static const char *ranges_text(const struct fw_ranges *list, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < list->n && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%u-%u", i ? "," : "", list->v[i].first, list->v[i].last);
	return buf;
}

static void test_ports(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {
		{"", ""},
		{"  \t", ""},
		{"25", "25-25"},
		{"25,80,110", "25-25,80-80,110-110"},
		{" 25 , 80,\t110 ", "25-25,80-80,110-110"},
		{"110,80,25", "25-25,80-80,110-110"},
		{"25,25,25", "25-25"},
		{"25,26,27", "25-27"},
		{"27,25,26", "25-27"},
		{"5000-5010", "5000-5010"},
		{"5000 - 5010", "5000-5010"},
		{"1-10,5-20,30,21", "1-21,30-30"},
		{"10-20,1-100", "1-100"},
		{"1-2,5-6,9-10,3-8", "1-10"},
		{"1-65535", "1-65535"},
		{"65535,1", "1-1,65535-65535"},
		{"7-7", "7-7"},
		{"0025", "25-25"},
		{"25,80,", "25-25,80-80"},
		{"25, ", "25-25"},
	};
	char text[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct fw_ranges list = {.n = 99};

		assert_int_equal(ports(good[i].in, &list), 0);
		assert_string_equal(ranges_text(&list, text, sizeof(text)), good[i].out);
	}
}

static void test_ports_refused(void **state)
{
	static const struct {
		const char *in;
		int error;
	} bad[] = {
		{",", -EINVAL},
		{"25,,", -EINVAL},
		{",25", -EINVAL},
		{"25,,80", -EINVAL},
		{"25 80", -EINVAL},
		{"smtp", -EINVAL},
		{"+25", -EINVAL},
		{"25;80", -EINVAL},
		{"0x19", -EINVAL},
		{"-5", -EINVAL},
		{"5-", -EINVAL},
		{"-", -EINVAL},
		{"1-2-3", -EINVAL},
		{"25\n", -EINVAL},
		{"2 5", -EINVAL},
		{"25.0", -EINVAL},
		{"0", -ERANGE},
		{"65536", -ERANGE},
		{"99999999999999999999", -ERANGE},
		{"0-10", -ERANGE},
		{"20-10", -ERANGE},
		{"1-65536", -ERANGE},
		{"4294967321", -ERANGE},
	};
	struct fw_ranges before, list;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(&list, &before, sizeof(list));
		assert_int_equal(ports(bad[i].in, &list), bad[i].error);
		assert_memory_equal(&list, &before, sizeof(list));
	}
	/* A '\0' inside is not an end. */
	assert_int_equal(fw_ports_parse("25\0,80", 6, &list), -EINVAL);
	assert_int_equal(fw_ports_parse(NULL, 0, &list), 0);
}

static void test_ports_bound(void **state)
{
	struct fw_ranges list;
	char text[4096];
	size_t at = 0;

	(void)state;
	for (unsigned i = 0; i < FW_RANGES_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u", i ? "," : "", 100 + 2 * i);
	assert_int_equal(ports(text, &list), 0);
	assert_int_equal(list.n, FW_RANGES_MAX);
	/* One that melts into the others still fits; one more that does not, does not. */
	(void)snprintf(text + at, sizeof(text) - at, ",101");
	assert_int_equal(ports(text, &list), 0);
	assert_int_equal(list.n, FW_RANGES_MAX - 1);
	(void)snprintf(text + at, sizeof(text) - at, ",10");
	assert_int_equal(ports(text, &list), -E2BIG);
}

static void test_cut(void **state)
{
	static const struct {
		const char *in, *out;
		size_t n;
	} cases[] = {
		{"25,80", "25-25,80-80", 0},
		{"7071", "", 1},
		{"25,7071,80", "25-25,80-80", 1},
		{"7071,9071", "", 2},
		{"7000-7100", "7000-7070,7072-7100", 1},
		{"7071-7100", "7072-7100", 1},
		{"7000-7071", "7000-7070", 1},
		{"1-65535", "1-7070,7072-9070,9072-65535", 2},
		{"9071-9072,1", "1-1,9072-9072", 1},
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t cut[FW_ADMIN_COUNT] = {0};
		struct fw_ranges list;

		assert_int_equal(ports(cases[i].in, &list), 0);
		assert_int_equal(fw_ranges_cut(&list, cut), cases[i].n);
		assert_string_equal(ranges_text(&list, text, sizeof(text)), cases[i].out);
		assert_false(fw_ranges_has(&list, 7071));
		assert_false(fw_ranges_has(&list, 9071));
		for (size_t k = 0; k < cases[i].n; k++)
			assert_true(cut[k] == 7071 || cut[k] == 9071);
	}
}

/* The longest list there can be, both cuts inside of ranges; and a list that nobody's parser made. */
static void test_cut_without_room(void **state)
{
	struct fw_ranges list = {0};
	uint16_t cut[FW_ADMIN_COUNT];

	(void)state;
	for (uint16_t i = 0; i < FW_RANGES_MAX; i++)
		assert_int_equal(
			fw_ranges_add(&list, (struct fw_range){(uint16_t)(7000 + 20 * i), (uint16_t)(7018 + 20 * i)}),
			0);
	assert_int_equal(fw_ranges_cut(&list, cut), 2);
	assert_int_equal(list.n, FW_RANGES_MAX + 2);

	list.n = 0;
	for (uint16_t i = 0; i < FW_RANGES_MAX + FW_ADMIN_COUNT; i++)
		list.v[list.n++] = (struct fw_range){(uint16_t)(7000 + 20 * i), (uint16_t)(7018 + 20 * i)};
	assert_int_equal(fw_ranges_cut(&list, cut), 2);
	assert_int_equal(list.n, FW_RANGES_MAX + FW_ADMIN_COUNT);
	assert_false(fw_ranges_has(&list, 7071));
	assert_false(fw_ranges_has(&list, 9071));
}

/* Against the obvious: one bit per port. */
static void test_ranges_model(void **state)
{
	static bool model[65536];
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct fw_ranges list = {0};

		memset(model, 0, sizeof(model));
		for (int k = 0; k < 40; k++) {
			unsigned a = 1 + (unsigned)rand_r(&seed) % 300, b = a + (unsigned)rand_r(&seed) % 12;

			assert_int_equal(fw_ranges_add(&list, (struct fw_range){(uint16_t)a, (uint16_t)b}), 0);
			for (unsigned p = a; p <= b; p++)
				model[p] = true;
		}
		for (unsigned p = 0; p < 400; p++)
			assert_int_equal(fw_ranges_has(&list, (uint16_t)p), model[p]);
		for (size_t i = 1; i < list.n; i++)
			assert_true(list.v[i].first > list.v[i - 1].last + 1);
	}
}

static void test_prefix(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {
		{"192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.1", "192.0.2.1"},
		{"192.0.2.1/32", "192.0.2.1"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"128.0.0.0/1", "128.0.0.0/1"},
		{"2001:DB8::/32", "2001:db8::/32"},
		{"2001:db8::1", "2001:db8::1"},
		{"2001:db8:0:0:0:0:0:1/128", "2001:db8::1"},
		{"::/0", "::/0"},
		{"::", "::"},
		{"fe80::/10", "fe80::/10"},
		{"64:ff9b::192.0.2.0/120", "64:ff9b::c000:200/120"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char text[FW_PREFIX_STRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct fw_prefix p, again;

		assert_int_equal(prefix_n(good[i].in, strlen(good[i].in), &p), 0);
		assert_string_equal(fw_prefix_format(&p, text, sizeof(text)), good[i].out);
		assert_int_equal(prefix_n(text, strlen(text), &again), 0);
		assert_memory_equal(&p, &again, sizeof(p));
	}
}

static void test_prefix_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/24",
		"192.0.2.0/",
		"192.0.2.0/33",
		"192.0.2.0/-1",
		"192.0.2.0/+24",
		"192.0.2.0/ 24",
		"192.0.2.0/024",
		"192.0.2.0/24/24",
		"192.0.2.0/24 ",
		" 192.0.2.0/24",
		"192.0.2",
		"192.0.2.0.0",
		"192.0.2.256",
		"192.0.02.1",
		"0xc0000200",
		"192.0.2.1/24",
		"10.1.2.3/8",
		"1.0.0.0/0",
		"128.0.0.0/0",
		"2001:db8::1/64",
		"::1/0",
		"2001:db8::/129",
		"2001:db8:::",
		"2001:db8::g",
		"fe80::1%eth0",
		"[::1]",
		"::ffff:192.0.2.1",
		"::ffff:0:0/96",
		"localhost",
		"any",
		"192.0.2.0/4294967320",
		"2001:db8:0:0:0:0:0:0:1",
		"12345678901234567890123456789012345678901234567890",
	};
	struct fw_prefix p, before;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		p = before;
		assert_int_equal(prefix_n(bad[i], strlen(bad[i]), &p), -EINVAL);
		assert_memory_equal(&p, &before, sizeof(p));
	}
	assert_int_equal(prefix_n("192.0.2.1\0", 10, &p), -EINVAL);
	assert_int_equal(prefix_n("192.0.2.0/2\0", 12, &p), -EINVAL);
	assert_int_equal(fw_prefix_parse(NULL, 0, &p), -EINVAL);
}

static void test_prefixes(void **state)
{
	struct fw_prefixes list;
	char text[FW_PREFIX_STRLEN], many[8192];
	size_t at = 0;

	(void)state;
	assert_int_equal(fw_prefixes_parse("", 0, &list), 0);
	assert_int_equal(list.n, 0);
	assert_int_equal(fw_prefixes_parse(" 192.0.2.0/24, ::1 ", 19, &list), 0);
	assert_int_equal(list.n, 2);
	assert_string_equal(fw_prefix_format(&list.v[1], text, sizeof(text)), "::1");
	assert_int_equal(fw_prefixes_parse("192.0.2.0/24,", 13, &list), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(fw_prefixes_parse(",192.0.2.0/24", 13, &list), -EINVAL);
	assert_int_equal(fw_prefixes_parse("192.0.2.0/24 ::1", 16, &list), -EINVAL);

	for (unsigned i = 0; i <= FW_PREFIXES_MAX; i++) {
		assert_int_equal(fw_prefixes_parse(many, i ? at - 1 : 0, &list), 0);
		at += (size_t)snprintf(many + at, sizeof(many) - at, "10.0.%u.%u,", i / 256, i % 256);
	}
	assert_int_equal(list.n, FW_PREFIXES_MAX);
	assert_int_equal(fw_prefixes_parse(many, at - 1, &list), -E2BIG);
}

static void test_keys(void **state)
{
	uint8_t key[FW_KEY_MAX] = {0x00, 0xff};

	(void)state;
	assert_true(fw_key_next(key, 2));
	assert_memory_equal(key, ((uint8_t[]){0x01, 0x00}), 2);
	assert_true(fw_key_prev(key, 2));
	assert_memory_equal(key, ((uint8_t[]){0x00, 0xff}), 2);
	key[0] = 0xff;
	assert_false(fw_key_next(key, 2));
	assert_memory_equal(key, ((uint8_t[]){0, 0, 0}), 3);
	assert_false(fw_key_prev(key, 2));
	assert_memory_equal(key, ((uint8_t[]){0xff, 0xff, 0}), 3);
}

static struct fw_prefix pfx(const char *s)
{
	struct fw_prefix p;

	assert_int_equal(fw_prefix_parse(s, strlen(s), &p), 0);
	return p;
}

/* Prefixes to intervals, melted, and back: the fewest prefixes that say the same. */
static void test_merge(void **state)
{
	static const struct {
		uint8_t family;
		const char *in[5], *out[5];
	} cases[] = {
		{AF_INET, {"10.0.0.0/8", "10.1.0.0/16"}, {"10.0.0.0/8"}},
		{AF_INET, {"10.1.0.0/16", "10.0.0.0/8"}, {"10.0.0.0/8"}},
		{AF_INET, {"10.0.0.0/25", "10.0.0.128/25"}, {"10.0.0.0/24"}},
		{AF_INET, {"10.0.0.128/25", "10.0.1.0/24"}, {"10.0.0.128/25", "10.0.1.0/24"}},
		{AF_INET, {"0.0.0.0/0", "255.255.255.255", "1.2.3.4"}, {"0.0.0.0/0"}},
		{AF_INET, {"128.0.0.0/1", "255.0.0.0/8"}, {"128.0.0.0/1"}},
		{AF_INET, {"192.0.2.3", "192.0.2.1", "192.0.2.2"}, {"192.0.2.1", "192.0.2.2/31"}},
		{AF_INET6, {"::/0", "2001:db8::/32"}, {"::/0"}},
		{AF_INET6, {"2001:db8::/33", "2001:db8:8000::/33"}, {"2001:db8::/32"}},
		{AF_INET6, {"::1", "::"}, {"::/127"}},
		{AF_INET6,
		 {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::/64"},
		 {"ffff:ffff:ffff:ffff::/64"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fw_interval iv[5];
		struct fw_prefixes out = {0};
		size_t n = 0, expected = 0;

		for (; n < 5 && cases[i].in[n]; n++) {
			struct fw_prefix p = pfx(cases[i].in[n]);

			iv[n] = fw_interval_of_prefix(&p);
		}
		n = fw_intervals_merge(iv, n, cases[i].family == AF_INET ? 4 : 16);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(fw_interval_to_prefixes(&iv[k], cases[i].family, &out), 0);
		for (; expected < 5 && cases[i].out[expected]; expected++) {
			struct fw_prefix p = pfx(cases[i].out[expected]);

			assert_true(expected < out.n);
			assert_memory_equal(&out.v[expected], &p, sizeof(p));
		}
		assert_int_equal(out.n, expected);
	}
	assert_int_equal(fw_intervals_merge(NULL, 0, 4), 0);
}

static void test_split_bound(void **state)
{
	struct fw_prefixes out = {.n = FW_PREFIXES_MAX - 1};
	struct fw_interval iv = {.first = {0, 0, 0, 1}, .last = {0xff, 0xff, 0xff, 0xfe}};

	(void)state;
	assert_int_equal(fw_interval_to_prefixes(&iv, AF_INET, &out), -E2BIG);
	assert_int_equal(out.n, FW_PREFIXES_MAX);
	out.n = 0;
	assert_int_equal(fw_interval_to_prefixes(&iv, AF_INET, &out), 0);
	assert_int_equal(out.n, 62);
}

/* Anything may be said; what is taken keeps the promises of firewall.h. */
static void test_noise(void **state)
{
	static const char alphabet[] = "0123456789abcdef.:/,- \t\0x";
	unsigned seed = 7071;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		char noise[40];
		size_t n = (size_t)rand_r(&seed) % sizeof(noise);
		struct fw_prefixes prefixes;
		struct fw_ranges list;
		char *copy;

		for (size_t i = 0; i < n; i++)
			noise[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		copy = exact(noise, n);
		if (fw_ports_parse(copy, n, &list) == 0)
			for (size_t i = 0; i < list.n; i++)
				assert_true(list.v[i].first > 0 && list.v[i].first <= list.v[i].last &&
					    (i == 0 || list.v[i].first > list.v[i - 1].last + 1));
		if (fw_prefixes_parse(copy, n, &prefixes) == 0)
			for (size_t i = 0; i < prefixes.n; i++)
				assert_true(fw_prefix_is_network(&prefixes.v[i]));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_ports_refused),
		cmocka_unit_test(test_ports_bound),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_without_room),
		cmocka_unit_test(test_ranges_model),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_prefix_refused),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_split_bound),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("firewall: parse", tests, NULL, NULL);
}
