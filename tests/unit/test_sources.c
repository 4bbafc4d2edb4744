/* The texts for apt, compared with golden ones; what a setting may not smuggle into them; mirrors of the image's apt.
 */
#include "../../init/boot/keyring.h"
#include "../../init/boot/settings.h"
#include "../../init/boot/sources.h"
#include "golden.h"

static const struct os_mirrors ubuntu = {"http://archive.ubuntu.com/ubuntu", "http://security.ubuntu.com/ubuntu"};
static const struct os_mirrors debian = {"http://mirror.example/debian", "http://mirror.example/debian-security"};

static void same_as_golden(const char *name, const char *text)
{
	char *want = golden(name);

	assert_string_equal(text, want);
	free(want);
}

static void test_sources(void **state)
{
	const struct os_suite *jammy = os_suite_find("jammy"), *bookworm = os_suite_find("bookworm");
	char buf[SOURCES_TEXT];

	(void)state;
	assert_true(sources_render(jammy, &ubuntu, jammy->keyring, buf, sizeof(buf)) > 0);
	same_as_golden("sources-jammy.list", buf);
	assert_true(sources_render(bookworm, &debian, bookworm->keyring, buf, sizeof(buf)) > 0);
	same_as_golden("sources-bookworm.list", buf);
	assert_int_equal(sources_render(bookworm, &debian, bookworm->keyring, buf, 100), -ENOSPC);
}

static void test_sources_refuse(void **state)
{
	static const char *const bad[] = {"",		"http://a/x [trusted=yes]", "http://a/b\nc", "http://a/ b",
					  "http://a/]", "http://\xc3\xa4/"};
	const struct os_suite *s = os_suite_find("bookworm");
	char buf[SOURCES_TEXT];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct os_mirrors m = debian;
		(void)snprintf(m.main, sizeof(m.main), "%s", bad[i]);
		assert_int_equal(sources_render(s, &m, s->keyring, buf, sizeof(buf)), -EINVAL);
		m = debian;
		(void)snprintf(m.security, sizeof(m.security), "%s", bad[i]);
		assert_int_equal(sources_render(s, &m, s->keyring, buf, sizeof(buf)), -EINVAL);
		assert_int_equal(sources_render(s, &debian, bad[i], buf, sizeof(buf)), -EINVAL);
	}
}

static void test_upgrades(void **state)
{
	char buf[SOURCES_TEXT];

	(void)state;
	assert_true(sources_render_origins(os_suite_find("jammy"), buf, sizeof(buf)) > 0);
	same_as_golden("50unattended-upgrades-jammy", buf);
	assert_true(sources_render_origins(os_suite_find("bookworm"), buf, sizeof(buf)) > 0);
	same_as_golden("50unattended-upgrades-bookworm", buf);
	assert_true(sources_render_auto(true, buf, sizeof(buf)) > 0);
	same_as_golden("20auto-upgrades-on", buf);
	assert_true(sources_render_auto(false, buf, sizeof(buf)) > 0);
	same_as_golden("20auto-upgrades-off", buf);
}

static void test_suites(void **state)
{
	static const char *const mta[] = {"postfix", "exim4", "sendmail", "bsd-mailx", "mailutils"};
	static const char *const suite[] = {"jammy", "bookworm"};

	(void)state;
	assert_null(os_suite_find("woody"));
	assert_null(os_suite_find(""));
	for (size_t i = 0; i < ARRAY_SIZE(suite); i++) {
		const struct os_suite *s = os_suite_find(suite[i]);
		assert_non_null(s);
		assert_non_null(strstr(s->packages, "pax,"));
		assert_null(strstr(s->packages, ",,"));
		assert_null(strchr(s->packages, ' '));
		for (size_t k = 0; k < ARRAY_SIZE(mta); k++)
			assert_null(strstr(s->packages, mta[k]));
	}
}

static void test_targets(void **state)
{
	static const char *const lines[] = {
		"",
		"bookworm",
		"bookworm-backports http://other.example/debian/",
		"bookworm file:///srv/mirror/",
		"bookwormy http://no.example/",
		"bookworm-updates http://updates.example/debian/",
		"bookworm http://one.example/debian/",
		"bookworm https://two.example/debian/",
		"bookworm-security https://sec.example/debian-security//",
	};
	struct os_mirrors m = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		sources_parse_target(lines[i], os_suite_find("bookworm"), &m);
	assert_string_equal(m.main, "http://one.example/debian");
	assert_string_equal(m.security, "https://sec.example/debian-security");
}

static void test_locale(void **state)
{
	char buf[256];

	(void)state;
	assert_true(sources_add_locale("# de_DE.UTF-8 UTF-8\n", "de_DE.UTF-8 UTF-8", buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "# de_DE.UTF-8 UTF-8\nde_DE.UTF-8 UTF-8\n");
	assert_true(sources_add_locale("x\nde_DE.UTF-8 UTF-8  \ny", "de_DE.UTF-8 UTF-8", buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "x\nde_DE.UTF-8 UTF-8  \ny");
	assert_true(sources_add_locale("no newline", "a b", buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "no newline\na b\n");
	assert_true(sources_add_locale("", "a b", buf, sizeof(buf)) > 0);
	assert_string_equal(buf, "a b\n");
	assert_int_equal(sources_add_locale("x", "a b", buf, 4), -ENOSPC);
}

static void list_keys(void *arg, const char *line)
{
	keyring_take_line(arg, line);
}

static void test_pinned_keys(void **state)
{
	struct keyring_listing l = {0};

	(void)state;
	/* The whole ubuntu-archive-keyring: both keys, and the one of the CD images, which we do not trust. */
	golden_lines("gpg-ubuntu-archive-keyring.txt", list_keys, &l);
	assert_int_equal(l.pinned, 3);
	assert_int_equal(l.strangers, 1);
	assert_string_equal(l.stranger, "843938DF228D22F7B3742BC0D94AA3F0EFE21092");
	assert_false(keyring_listing_good(&l));

	memset(&l, 0, sizeof(l));
	keyring_take_line(&l, "pub:-:4096:1:871920D1991BC93C:1537196506:::-:::scSC::::::23::0:");
	keyring_take_line(&l, "fpr:::::::::F6ECB3762474EDA9D21B7022871920D1991BC93C:");
	assert_true(keyring_listing_good(&l));
	/* A subkey's fingerprint is nobody's. */
	keyring_take_line(&l, "sub:-:4096:1:AAAAAAAAAAAAAAAA:1537196506::::::e::::::23:");
	keyring_take_line(&l, "fpr:::::::::AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:");
	assert_true(keyring_listing_good(&l));

	/* Short, prefixed, other, missing. */
	static const char *const bad[] = {
		"fpr:::::::::871920D1991BC93C:", "fpr:::::::::F6ECB3762474EDA9D21B7022871920D1991BC93CA:",
		"fpr:::::::::6ECB3762474EDA9D21B7022871920D1991BC93C:", "fpr:", "fpr:::::::::"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(&l, 0, sizeof(l));
		keyring_take_line(&l, "pub:-:");
		keyring_take_line(&l, bad[i]);
		assert_false(keyring_listing_good(&l));
	}
	memset(&l, 0, sizeof(l));
	assert_false(keyring_listing_good(&l));
}

static void test_settings(void **state)
{
	struct journal j = {0};

	(void)state;
	assert_false(settings_has(&j, "zone"));
	assert_int_equal(settings_note(&j, "zone", "Etc/UTC"), 0);
	assert_int_equal(settings_note(&j, "sources", "deb x"), 0);
	assert_true(settings_same(&j, "zone", "Etc/UTC"));
	assert_false(settings_same(&j, "zone", "Europe/Berlin"));
	assert_int_equal(settings_note(&j, "zone", "Europe/Berlin"), 0);
	assert_true(settings_same(&j, "zone", "Europe/Berlin"));
	assert_true(settings_same(&j, "sources", "deb x"));
	assert_false(settings_has(&j, "one"));
	assert_false(settings_has(&j, "zon"));
	/* All parts of stage "system" fit. */
	static const char *const part[] = {"packages", "origins", "upgrades", "locale"};
	for (size_t i = 0; i < ARRAY_SIZE(part); i++)
		assert_int_equal(settings_note(&j, part[i], "x"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(part); i++)
		assert_true(settings_same(&j, part[i], "x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),	    cmocka_unit_test(test_sources_refuse),
		cmocka_unit_test(test_upgrades),    cmocka_unit_test(test_suites),
		cmocka_unit_test(test_targets),	    cmocka_unit_test(test_locale),
		cmocka_unit_test(test_pinned_keys), cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
