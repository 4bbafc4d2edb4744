/* mountinfo in the shapes of proc(5), broken lines, and who refused a mount. */
#include "../../init/boot/mounts.h"
#include "support.h"

static struct mount_entry e;

static int next(const char *text, size_t *pos)
{
	return mounts_next(text, strlen(text), pos, &e);
}

static void lines(void **state)
{
	static const char text[] =
		"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
		"\n"
		"22 27 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:5 master:1 propagate_from:2 - proc proc rw\n"
		"50 22 0:21 /sys /proc/sys ro,relatime - proc proc rw\n"
		"51 22 0:6 /a\\040b /with\\040blank\\011tab\\134x rw - tmpfs  ro,size=4k\n"
		"52 22 0:6 / /ro rw unbindable - tmpfs none ro";
	size_t pos = 0;

	(void)state;
	assert_int_equal(next(text, &pos), 1);
	assert_int_equal(e.id, 36);
	assert_int_equal(e.parent, 35);
	assert_int_equal(e.major, 98);
	assert_int_equal(e.minor, 0);
	assert_string_equal(e.root, "/mnt1");
	assert_string_equal(e.point, "/mnt2");
	assert_string_equal(e.fstype, "ext3");
	assert_string_equal(e.source, "/dev/root");
	assert_false(e.read_only || e.nosuid || e.shared);
	assert_int_equal(next(text, &pos), 1);
	assert_true(e.shared && e.nosuid && e.nodev && e.noexec && !e.read_only);
	assert_int_equal(next(text, &pos), 1);
	assert_true(e.read_only && !e.shared);
	assert_int_equal(next(text, &pos), 1);
	assert_string_equal(e.root, "/a b");
	assert_string_equal(e.point, "/with blank\ttab\\x");
	assert_int_equal(next(text, &pos), 1);
	assert_string_equal(e.point, "/ro");
	assert_true(e.read_only);
	assert_int_equal(next(text, &pos), 0);
	assert_int_equal(next(text, &pos), 0);
}

static void broken_lines(void **state)
{
	static const char *const bad[] = {
		"x",
		"36",
		"36 35",
		"36 35 98",
		"36 35 98: / / rw - a b c",
		"36 35 :0 / / rw - a b c",
		"36 35 98:0 / / rw",
		"36 35 98:0 / / rw -",
		"36 35 98:0 / / rw shared:1",
		"-1 35 98:0 / / rw - a b c",
		"99999999999 35 98:0 / / rw - a b c",
		"4294967296 35 98:0 / / rw - a b c",
		"36 35 98:0 / / rw - aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b c",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		size_t pos = 0;

		assert_int_equal(next(bad[i], &pos), -EPROTO);
		assert_int_equal(next(bad[i], &pos), 0);
	}
}

/* An escape cut off by the end, and by the end of the text: no byte behind it is read (the sanitizer looks). */
static void cut_escapes(void **state)
{
	static const char *const texts[] = {"1 2 0:1 \\", "1 2 0:1 \\0", "1 2 0:1 \\04", "1 2 0:1 / /a\\04 rw - a b c",
					    "1 2 0:1 / /a\\999 rw - a b c"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		size_t len = strlen(texts[i]), pos = 0;
		char *exact = malloc(len);

		assert_non_null(exact);
		memcpy(exact, texts[i], len);
		(void)mounts_next(exact, len, &pos, &e);
		assert_int_equal(pos, len);
		free(exact);
	}
	assert_string_equal(e.point, "/a\\999");
}

static void long_paths(void **state)
{
	char *text = malloc(3 * PATH_MAX);
	size_t n = 0, pos = 0;

	(void)state;
	assert_non_null(text);
	n += (size_t)sprintf(text, "1 2 0:1 / /");
	memset(text + n, 'a', PATH_MAX - 2);
	n += PATH_MAX - 2;
	n += (size_t)sprintf(text + n, " rw - a b c\n1 2 0:1 / /");
	memset(text + n, 'b', PATH_MAX - 1);
	n += PATH_MAX - 1;
	n += (size_t)sprintf(text + n, " rw - a b c\n");
	assert_int_equal(mounts_next(text, n, &pos, &e), 1);
	assert_int_equal(strlen(e.point), PATH_MAX - 1);
	assert_int_equal(mounts_next(text, n, &pos, &e), -EPROTO);
	assert_int_equal(mounts_next(text, n, &pos, &e), 0);
	free(text);
}

static void below(void **state)
{
	(void)state;
	assert_true(mounts_below("/data", "/data"));
	assert_true(mounts_below("/data/proc", "/data"));
	assert_false(mounts_below("/database", "/data"));
	assert_false(mounts_below("/dat", "/data"));
	assert_true(mounts_below("/x", "/"));
}

static void own(void **state)
{
	(void)state;
	assert_int_equal(mounts_find("/proc", &e), 1);
	assert_string_equal(e.fstype, "proc");
	assert_int_equal(mounts_find("/no/such/mount", &e), 0);
}

static void refusals(void **state)
{
	static const struct {
		struct refusal r;
		const char *who, *remedy;
	} t[] = {
		{{EPERM, false, true, "docker-default (enforce)"}, "SYS_ADMIN", "--cap-add SYS_ADMIN"},
		{{EACCES, true, true, "docker-default (enforce)"},
		 "AppArmor profile \"docker-default",
		 "apparmor=unconfined"},
		{{EACCES, true, true, "system_u:system_r:container_t:s0:c1,c2"}, "SELinux", "label=disable"},
		{{EPERM, true, true, "unconfined"}, "seccomp", "--security-opt seccomp="},
		{{EPERM, true, true, "docker-default (enforce)"}, "seccomp", "--security-opt seccomp="},
		{{EPERM, true, false, ""}, "", "dmesg"},
		{{ENOSYS, true, true, ""}, "", "Linux 5.6"},
		{{EINVAL, true, true, ""}, "", "dmesg"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		const char *remedy;
		char who[384];

		refusal_explain(&t[i].r, who, sizeof(who), &remedy);
		assert_non_null(strstr(who, t[i].who));
		assert_true(t[i].who[0] || !who[0]);
		assert_non_null(strstr(remedy, t[i].remedy));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),      cmocka_unit_test(broken_lines), cmocka_unit_test(cut_escapes),
		cmocka_unit_test(long_paths), cmocka_unit_test(below),	      cmocka_unit_test(own),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
