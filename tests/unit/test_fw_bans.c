/* Bans without a kernel: who may be banned, how networks melt and are cut, how boundaries become networks, the file. */
#include "../../firewall/banset.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants its friends first. */
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct fw_prefix prefix(const char *s)
{
	struct fw_prefix p = {0};

	assert_int_equal(fw_prefix_parse(s, strlen(s), &p), 0);
	return p;
}

static struct fw_span span(const char *s, uint64_t left_ms)
{
	struct fw_prefix p = prefix(s);

	return (struct fw_span){fw_interval_of_prefix(&p), left_ms};
}

static const char *shown(const struct fw_span *s, size_t width)
{
	static char buf[4][120];
	static unsigned turn;
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN];
	int family = width == 4 ? AF_INET : AF_INET6;
	char *at = buf[turn++ % 4];

	assert_non_null(inet_ntop(family, s->at.first, first, sizeof(first)));
	assert_non_null(inet_ntop(family, s->at.last, last, sizeof(last)));
	(void)snprintf(at, sizeof(buf[0]), "%s-%s %llu", first, last, (unsigned long long)s->left_ms);
	return at;
}

static void test_never(void **state)
{
	static const struct {
		const char *who;
		int err;
		const char *why;
	} cases[] = {
		{"192.0.2.1", 0, ""},
		{"10.0.0.0/8", 0, ""},
		{"2001:db9::/32", 0, ""},
		{"2000::/16", 0, ""},
		{"127.0.0.1", -EINVAL, "loopback"},
		{"126.0.0.0/7", -EINVAL, "so large that it must be a mistake"},
		{"0.0.0.0", -EINVAL, "unspecified"},
		{"0.1.2.3", -EINVAL, "unspecified"},
		{"224.0.0.0/8", -EINVAL, "multicast"},
		{"239.1.2.3", -EINVAL, "multicast"},
		{"255.255.255.255", -EINVAL, "broadcast"},
		{"255.0.0.0/8", -EINVAL, "broadcast"},
		{"::", -EINVAL, "unspecified or loopback"},
		{"::1", -EINVAL, "unspecified or loopback"},
		{"::/64", -EINVAL, "unspecified or loopback"},
		{"ff02::1", -EINVAL, "multicast"},
		{"203.0.113.7", -EACCES, "never to be banned: 203.0.113.0/28"},
		{"203.0.113.0/24", -EACCES, "never to be banned: 203.0.113.0/28"},
		{"203.0.113.16", 0, ""},
		{"2001:db8:ffff::1", -EACCES, "never to be banned: 2001:db8:ffff::1"},
		{"2001:db8:ffff::/48", -EACCES, "never to be banned: 2001:db8:ffff::1"},
	};
	struct fw_prefixes never = {.n = 2, .v = {prefix("203.0.113.0/28"), prefix("2001:db8:ffff::1")}};
	struct fw_prefix mapped = {.family = AF_INET6, .len = 128, .addr = {[10] = 0xff, [11] = 0xff, [15] = 1}};
	struct fw_prefix bad[] = {{.family = 0, .len = 8},
				  {.family = AF_INET, .len = 33},
				  {.family = AF_INET, .len = 8, .addr = {10, 1}},
				  {.family = AF_INET6, .len = 129}};
	char why[FW_BAN_WHY];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fw_prefix p = prefix(cases[i].who);

		why[0] = '\0';
		assert_int_equal(fw_ban_check(&p, &never, why, sizeof(why)), cases[i].err);
		assert_string_equal(why, cases[i].why);
		assert_int_equal(fw_ban_check(&p, NULL, NULL, 0), cases[i].err == -EACCES ? 0 : cases[i].err);
	}
	assert_int_equal(fw_ban_check(&mapped, NULL, why, sizeof(why)), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(fw_ban_check(&bad[i], NULL, why, sizeof(why)), -EINVAL);
	/* Without a socket: nothing is sent for what may not be. */
	struct fw_ban ban = {.who = bad[0]};
	struct fw_error e;
	assert_int_equal(fw_ban_add(NULL, &ban, 1, NULL, NULL, &e), -EINVAL);
	assert_string_equal(e.detail, "not a network");
	assert_int_equal(fw_ban_del(NULL, &bad[2], NULL), -EINVAL);
}

static void test_melt(void **state)
{
	struct fw_spans list = {0};
	static const char *const want[] = {"10.0.0.0-10.0.0.255 30", "10.0.1.0-10.0.1.255 7",
					   "11.0.0.0-11.255.255.255 0"};
	const struct {
		const char *who;
		uint64_t left;
	} given[] = {
		{"11.0.0.0/8", 5}, {"10.0.0.128/25", 30}, {"10.0.1.0/24", 7}, {"11.9.0.0/16", 0}, {"10.0.0.0/24", 10},
	};

	(void)state;
	fw_spans_melt(&list);
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		struct fw_span s = span(given[i].who, given[i].left);

		assert_int_equal(fw_spans_add(&list, &s), 0);
	}
	fw_spans_melt(&list);
	assert_int_equal(list.n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(shown(&list.v[i], 4), want[i]);

	struct fw_span probe = span("10.0.2.0/24", 0);
	assert_false(fw_spans_hits(&list, &probe));
	probe = span("9.255.255.255", 0);
	assert_false(fw_spans_hits(&list, &probe));
	probe = span("12.0.0.0", 0);
	assert_false(fw_spans_hits(&list, &probe));
	probe = span("10.0.0.255", 0);
	assert_true(fw_spans_hits(&list, &probe));
	probe = span("8.0.0.0/5", 0);
	assert_true(fw_spans_hits(&list, &probe));
	fw_spans_free(&list);
	assert_false(fw_spans_hits(&list, &probe));
}

static void test_cut(void **state)
{
	static const struct {
		const char *from, *hole, *left[2];
	} cases[] = {
		{"10.0.0.0/24", "10.0.0.0/25", {"10.0.0.128-10.0.0.255 9"}},
		{"10.0.0.0/24", "10.0.0.128/25", {"10.0.0.0-10.0.0.127 9"}},
		{"10.0.0.0/24", "10.0.0.7", {"10.0.0.0-10.0.0.6 9", "10.0.0.8-10.0.0.255 9"}},
		{"10.0.0.0/24", "10.0.0.0/16", {NULL}},
		{"10.0.0.0/24", "10.0.0.0/24", {NULL}},
		{"255.255.255.0/24", "255.255.255.255", {"255.255.255.0-255.255.255.254 9"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fw_span from = span(cases[i].from, 9), hole = span(cases[i].hole, 0), out[2];
		size_t n = fw_span_cut(&from, &hole, 4, out);

		assert_int_equal(n, (cases[i].left[0] != NULL) + (cases[i].left[1] != NULL));
		for (size_t k = 0; k < n; k++)
			assert_string_equal(shown(&out[k], 4), cases[i].left[k]);
	}
}

struct said {
	char text[512];
};

static int say(const struct fw_span *s, void *data)
{
	struct said *to = data;
	size_t n = strlen(to->text);

	(void)snprintf(to->text + n, sizeof(to->text) - n, "%s; ", shown(s, 4));
	return 0;
}

/* "+ADDRESS" a begin, "-ADDRESS" an end. */
static void paired(const char *boundaries, const char *want)
{
	struct said said = {0};
	struct fw_pairing p = {.each = say, .data = &said, .width = 4};
	char copy[256], *at = NULL;

	(void)snprintf(copy, sizeof(copy), "%s", boundaries);
	for (char *w = strtok_r(copy, " ", &at); w; w = strtok_r(NULL, " ", &at)) {
		struct fw_boundary b = {.is_end = w[0] == '-', .left_ms = 3};

		assert_int_equal(inet_pton(AF_INET, w + 1, b.key), 1);
		assert_int_equal(fw_pairing_take(&p, &b), 0);
	}
	assert_int_equal(fw_pairing_done(&p), 0);
	assert_string_equal(said.text, want);
}

static void test_pairing(void **state)
{
	(void)state;
	paired("", "");
	paired("-10.0.0.2 +10.0.0.0", "10.0.0.0-10.0.0.1 3; ");
	paired("+10.0.0.0 -10.0.0.2", "10.0.0.0-10.0.0.1 3; ");
	paired("+240.0.0.0", "240.0.0.0-255.255.255.255 3; ");
	/* What nft adds to begin with: an end before any begin. */
	paired("-0.0.0.0", "");
	paired("-0.0.0.0 +10.0.0.0 -10.0.0.2", "10.0.0.0-10.0.0.1 3; ");
	paired("-10.0.0.2 +10.0.0.0 -0.0.0.0", "10.0.0.0-10.0.0.1 3; ");
	paired("-0.0.0.0 +0.0.0.0 -1.0.0.0", "0.0.0.0-0.255.255.255 3; ");
	/* Neighbours, with the end between them and without. */
	paired("-3.0.0.0 +2.0.0.0 -2.0.0.0 +1.0.0.0", "2.0.0.0-2.255.255.255 3; 1.0.0.0-1.255.255.255 3; ");
	paired("+1.0.0.0 -2.0.0.0 +2.0.0.0 -3.0.0.0", "1.0.0.0-1.255.255.255 3; 2.0.0.0-2.255.255.255 3; ");
	paired("-3.0.0.0 +2.0.0.0 +1.0.0.0", "2.0.0.0-2.255.255.255 3; 1.0.0.0-1.255.255.255 3; ");
	paired("+1.0.0.0 +2.0.0.0 -3.0.0.0", "1.0.0.0-1.255.255.255 3; 2.0.0.0-2.255.255.255 3; ");
	/* The last one has no end, as nothing lies behind it. */
	paired("+240.0.0.0 -2.0.0.0 +1.0.0.0", "240.0.0.0-255.255.255.255 3; 1.0.0.0-1.255.255.255 3; ");
	paired("+1.0.0.0 -2.0.0.0 +240.0.0.0", "1.0.0.0-1.255.255.255 3; 240.0.0.0-255.255.255.255 3; ");
	paired("+2.0.0.0 -2.0.0.0 +1.0.0.0", "2.0.0.0-255.255.255.255 3; 1.0.0.0-1.255.255.255 3; ");
}

struct list {
	struct fw_ban v[64];
	size_t n;
};

static int take(const struct fw_ban *ban, void *data)
{
	struct list *to = data;

	to->v[to->n++] = *ban;
	return 0;
}

static size_t write_all(const struct fw_ban *bans, size_t n, int64_t now_s, char *text, size_t size)
{
	struct fw_ban_writer w;
	size_t len = fw_bans_write_begin(&w, now_s, text, size);

	for (size_t i = 0; i < n; i++)
		len += fw_bans_write(&w, &bans[i], text + len, size - len);
	return len + fw_bans_write_end(&w, text + len, size - len);
}

static void test_file(void **state)
{
	const struct fw_ban bans[] = {
		{prefix("192.0.2.1"), 3600000}, {prefix("10.0.0.0/8"), 0},	{prefix("2001:db8::/32"), 1},
		{prefix("2001:db8::1"), 5001},	{prefix("192.0.2.2"), 1000000},
	};
	char text[1024];
	struct list got = {0};
	size_t n = write_all(bans, 5, 1000, text, sizeof(text));

	(void)state;
	assert_memory_equal(text, "zimbra-bans 1 1000\n192.0.2.1 3600\n10.0.0.0/8 -\n2001:db8::/32 1\n", 61);
	/* Right but for its checksum. */
	assert_int_equal(fw_bans_parse("zimbra-bans 1 0\nend 0 00000000\n", 31, 0, take, &got), -EBADMSG);
	assert_int_equal(fw_bans_parse(text, n, 1000, take, &got), 0);
	assert_int_equal(got.n, 5);
	assert_int_equal(got.v[0].left_ms, 3600000);
	assert_int_equal(got.v[1].left_ms, 0);
	assert_int_equal(got.v[2].left_ms, 1000);
	assert_int_equal(got.v[3].left_ms, 6000);
	/* Ten seconds later two are over. */
	got.n = 0;
	assert_int_equal(fw_bans_parse(text, n, 1010, take, &got), 0);
	assert_int_equal(got.n, 3);
	assert_int_equal(got.v[0].left_ms, 3590000);
	assert_int_equal(got.v[1].left_ms, 0);
	/* A clock that went back, or is not set. */
	for (int64_t now = -5; now < 1000; now += 335) {
		got.n = 0;
		assert_int_equal(fw_bans_parse(text, n, now, take, &got), 0);
		assert_int_equal(got.n, 5);
		assert_int_equal(got.v[0].left_ms, 3600000);
	}
	/* Every byte counts, and so does every missing one. */
	got.n = 0;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(fw_bans_parse(text, i, 1000, take, &got), -EBADMSG);
		text[i] ^= 1;
		assert_int_equal(fw_bans_parse(text, n, 1000, take, &got), -EBADMSG);
		text[i] ^= 1;
	}
	assert_int_equal(got.n, 0);
	/* None is a list too. */
	n = write_all(NULL, 0, 7, text, sizeof(text));
	assert_int_equal(fw_bans_parse(text, n, 8, take, &got), 0);
	assert_int_equal(got.n, 0);
}

static int refuse(const struct fw_ban *ban, void *data)
{
	(void)ban;
	(void)data;
	return -ENOSPC;
}

static void test_file_ended_by_its_reader(void **state)
{
	const struct fw_ban ban = {prefix("192.0.2.1"), 3600000};
	char text[256];
	size_t n = write_all(&ban, 1, 1000, text, sizeof(text));

	(void)state;
	assert_int_equal(fw_bans_parse(text, n, 1000, refuse, NULL), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never), cmocka_unit_test(test_melt),
		cmocka_unit_test(test_cut),   cmocka_unit_test(test_pairing),
		cmocka_unit_test(test_file),  cmocka_unit_test(test_file_ended_by_its_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
