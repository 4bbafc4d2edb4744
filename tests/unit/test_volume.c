/* What a volume is taken for, how it may be mounted, and moving a finished system into place after any interruption. */
#include "../../init/boot/merge.h"
#include "../../init/boot/path.h"
#include "../../init/boot/volume.h"
#include "support.h"

#include <sys/mount.h>
#include <sys/stat.h>

static struct volume_facts facts;
static char what[128];

static enum volume_kind classify(const char *names)
{
	char text[1024], *save = NULL;

	(void)snprintf(text, sizeof(text), "%s", names);
	facts.n = 0;
	for (char *n = strtok_r(text, " ", &save); n; n = strtok_r(NULL, " ", &save))
		(void)snprintf(facts.name[facts.n++], sizeof(facts.name[0]), "%s", n);
	return volume_classify(&facts, what, sizeof(what));
}

static void reset(void)
{
	memset(&facts, 0, sizeof(facts));
}

static void test_empty(void **state)
{
	(void)state;
	reset();
	assert_int_equal(classify(""), VOLUME_EMPTY);
	assert_int_equal(classify("lost+found app"), VOLUME_EMPTY);
	facts.missing = "usr"; /* of course it is */
	assert_int_equal(classify("app"), VOLUME_EMPTY);
}

static void test_partial(void **state)
{
	(void)state;
	reset();
	facts.missing = "usr";
	facts.partial = true;
	assert_int_equal(classify(".bootstrap.partial app"), VOLUME_PARTIAL);
	/* Nothing of ours is at the top before READY. */
	assert_int_equal(classify(".bootstrap.partial app etc"), VOLUME_FOREIGN);
	assert_string_equal(what, "etc");
	facts.partial = false;
	facts.ready = true;
	assert_int_equal(classify(".bootstrap.ready"), VOLUME_PARTIAL);
	assert_int_equal(classify(".bootstrap.ready bin usr lost+found var"), VOLUME_PARTIAL);
	assert_int_equal(classify(".bootstrap.ready usr Photos"), VOLUME_FOREIGN);
	assert_string_equal(what, "Photos");
	/* Everything is in place, the marker is not yet. */
	facts.missing = NULL;
	assert_int_equal(classify(".bootstrap.ready bin boot dev etc home lib lib64 media mnt opt proc root run sbin "
				  "srv sys tmp usr var"),
			 VOLUME_PARTIAL);
}

static void test_ours(void **state)
{
	(void)state;
	reset();
	facts.marker = true;
	assert_int_equal(classify("bin etc usr var app my-own-folder"), VOLUME_OURS);
	facts.ready = facts.partial = true;
	assert_int_equal(classify(".bootstrap.ready .bootstrap.partial usr"), VOLUME_OURS);
	facts.missing = "bin/sh";
	assert_int_equal(classify("etc usr app"), VOLUME_DAMAGED);
	assert_string_equal(what, "bin/sh");
	assert_int_equal(classify("app"), VOLUME_DAMAGED);
	/* Ours stays ours, whatever marks the ancestor may have left. */
	facts.missing = NULL;
	facts.ancestor = true;
	assert_int_equal(classify("etc opt usr"), VOLUME_OURS);
}

static void test_griffinplus(void **state)
{
	(void)state;
	reset();
	facts.ancestor = true;
	assert_int_equal(classify("app bin etc opt usr var .dont_start_zimbra"), VOLUME_GRIFFINPLUS);
	assert_int_equal(classify("app"), VOLUME_EMPTY); /* only its scripts: nothing that could be lost */
}

static void test_foreign(void **state)
{
	char many[1024] = "";

	(void)state;
	reset();
	assert_int_equal(classify("bin etc usr"), VOLUME_FOREIGN); /* a system, but not ours */
	assert_string_equal(what, "bin, etc, usr");
	assert_int_equal(classify("database.db app"), VOLUME_FOREIGN);
	assert_string_equal(what, "database.db");
	for (int i = 0; i < 40; i++)
		(void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "some-file-%d ", i);
	assert_int_equal(classify(many), VOLUME_FOREIGN);
	assert_true(strlen(what) < sizeof(what));
	assert_string_equal(what + strlen(what) - 3, "...");
	facts.more = true;
	assert_int_equal(classify("app"), VOLUME_FOREIGN);
	facts.more = false;
	assert_int_equal(classify("evil\nname"), VOLUME_FOREIGN);
	assert_string_equal(what, "evil?name");
}

static void test_mount(void **state)
{
	struct volume_mount m = {.is_mount = true};
	struct failure f;

	(void)state;
	assert_int_equal(volume_judge_mount(&m, &f), 0);
	static const struct {
		struct volume_mount m;
		const char *text, *remedy;
	} bad[] = {
		{{.is_mount = false, .nosuid = true}, "would be lost", "-v zimbra-data:/data"},
		{{.is_mount = true, .read_only = true, .nodev = true}, "read-only", "readOnly: false"},
		{{.is_mount = true, .nosuid = true}, "mounted nosuid", "without nosuid "},
		{{.is_mount = true, .nodev = true}, "mounted nodev", "without nodev "},
		{{.is_mount = true, .noexec = true}, "mounted noexec", "mountOptions"},
		{{.is_mount = true, .nosuid = true, .nodev = true, .noexec = true},
		 "mounted nosuid nodev noexec",
		 "remount"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(volume_judge_mount(&bad[i].m, &f), -1);
		assert_int_equal(f.kind, FAILURE_FATAL);
		assert_non_null(strstr(f.text, bad[i].text));
		assert_non_null(strstr(f.remedy, bad[i].remedy));
	}
}

static void test_anonymous(void **state)
{
#define HEX16 "0123456789abcdef"
	static const char info[] =
		"614 612 0:52 / / rw,relatime - overlay overlay rw\n"
		"631 614 254:1 /var/lib/docker/volumes/" HEX16 HEX16 HEX16 HEX16 "/_data /data rw - ext4 /dev/vda1 rw\n"
		"632 614 254:1 /var/lib/docker/volumes/zimbra-data/_data /named rw - ext4 /dev/vda1 rw\n"
		"633 614 254:1 /volumes/" HEX16 "/_data /short rw - ext4 /dev/vda1 rw\n"
		"broken";

	(void)state;
	assert_true(volume_is_anonymous(info, "/data"));
	assert_false(volume_is_anonymous(info, "/named"));
	assert_false(volume_is_anonymous(info, "/short"));
	assert_false(volume_is_anonymous(info, "/"));
	assert_false(volume_is_anonymous("", "/data"));
}

/* --- on a disk --- */

static char top[] = "/tmp/zimbra-test-volume-XXXXXX";
static int data;

static int setup(void **state)
{
	(void)state;
	memcpy(top, "/tmp/zimbra-test-volume-XXXXXX", sizeof(top));
	if (!mkdtemp(top) || chdir(top) < 0)
		return -1;
	data = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return data < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC), r;

	(void)state;
	assert_int_equal(chdir("/"), 0);
	(void)close(data);
	r = path_remove_tree(tmp, strrchr(top, '/') + 1);
	(void)close(tmp);
	return r;
}

static void put(const char *path, const char *text)
{
	assert_int_equal(path_write(data, path, text, strlen(text), 0644), 0);
}

static void dirs(const char *path)
{
	int fd = path_make_dirs(data, path, 0755);

	assert_true(fd >= 0);
	(void)close(fd);
}

static void test_look(void **state)
{
	(void)state;
	assert_int_equal(volume_look(data, &facts), 0);
	assert_int_equal(facts.n, 0);
	assert_string_equal(facts.missing, "usr");
	/* Folders on the way to a mount hold nothing. */
	dirs("opt/zimbra");
	dirs("app/tls");
	assert_int_equal(volume_look(data, &facts), 0);
	assert_int_equal(facts.n, 0);
	put("app/tls/zimbra.key", "k");
	assert_int_equal(symlink("/etc", "link"), 0);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(volume_look(data, &facts), 0);
	assert_int_equal(facts.n, 3);
	assert_false(facts.ancestor);
	dirs("etc");
	put("etc/hosts", "x");
	assert_int_equal(volume_look(data, &facts), 0);
	assert_true(facts.ancestor); /* with opt/zimbra */
	assert_int_equal(volume_classify(&facts, what, sizeof(what)), VOLUME_GRIFFINPLUS);
}

static void test_look_missing(void **state)
{
	(void)state;
	dirs("usr/lib");
	dirs("usr/bin");
	dirs("etc");
	dirs("var/lib/dpkg");
	put("usr/bin/dpkg", "x");
	put("etc/passwd", "x");
	put("var/lib/dpkg/status", "x");
	assert_int_equal(volume_look(data, &facts), 0);
	assert_string_equal(facts.missing, "bin/sh");
	/* Absolute links are the volume's own. */
	assert_int_equal(symlink("/usr/bin", "bin"), 0);
	assert_int_equal(symlink("/bin/busybox", "usr/bin/sh"), 0);
	assert_int_equal(volume_look(data, &facts), 0);
	assert_string_equal(facts.missing, "bin/sh");
	put("usr/bin/busybox", "x");
	assert_int_equal(volume_look(data, &facts), 0);
	assert_null(facts.missing);
}

static int dir_fd(const char *name)
{
	int fd = openat(data, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static int merge(void)
{
	int from = dir_fd("ready"), to = dir_fd("."), r;

	what[0] = '\0';
	r = merge_into(from, to, what, sizeof(what));
	(void)close(from);
	(void)close(to);
	return r;
}

static void check_merged(void)
{
	char buf[16];
	struct stat st;

	assert_int_equal(path_read(data, "etc/deep/er/file", buf, 15), 1);
	assert_int_equal(path_read(data, "usr/bin/sh", buf, 15), 1);
	assert_int_equal(fstatat(data, "bin", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(fstatat(data, "etc", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(rmdir("ready"), 0); /* nothing was left */
}

static void make_ready(void)
{
	dirs("ready/etc/deep/er");
	dirs("ready/usr/bin");
	dirs("ready/opt");
	put("ready/etc/deep/er/file", "x");
	put("ready/usr/bin/sh", "x");
	assert_int_equal(symlink("usr/bin", "ready/bin"), 0);
	assert_int_equal(chmod("ready/etc", 0750), 0);
}

static void test_merge(void **state)
{
	(void)state;
	make_ready();
	assert_int_equal(merge(), 0);
	check_merged();
}

static void test_merge_onto_folders(void **state)
{
	(void)state;
	make_ready();
	dirs("etc/deep");
	dirs("bin"); /* where we have a link */
	dirs("opt/zimbra/data");
	assert_int_equal(merge(), 0);
	check_merged();
	assert_int_equal(access("opt/zimbra/data", F_OK), 0);
}

/* As if it had been killed after the first k renames, for every k. */
static void test_merge_interrupted(void **state)
{
	static const char *const moved[] = {"etc", "usr", "bin", "opt"};

	(void)state;
	for (unsigned bits = 0; bits < 1U << ARRAY_SIZE(moved); bits++) {
		make_ready();
		for (size_t i = 0; i < ARRAY_SIZE(moved); i++)
			if (bits & 1U << i)
				assert_int_equal(renameat(dir_fd("ready"), moved[i], data, moved[i]), 0);
		assert_int_equal(merge(), 0);
		check_merged();
		for (size_t i = 0; i < ARRAY_SIZE(moved); i++)
			assert_int_equal(path_remove_tree(data, moved[i]), 0);
	}
}

static void test_merge_in_the_way(void **state)
{
	char buf[16];

	(void)state;
	make_ready();
	dirs("usr/bin");
	put("usr/bin/sh", "somebody's");
	assert_int_equal(merge(), -EEXIST);
	assert_string_equal(what, "usr/bin/sh");
	assert_int_equal(path_read(data, "usr/bin/sh", buf, 15), 10);
	/* A link to elsewhere is not entered. */
	assert_int_equal(path_unlink(data, "usr/bin/sh"), 0);
	assert_int_equal(path_remove_tree(data, "etc"), 0);
	assert_int_equal(symlink("/tmp", "etc"), 0);
	assert_int_equal(path_remove_tree(data, "ready"), 0);
	make_ready();
	assert_int_equal(merge(), -EEXIST);
	assert_string_equal(what, "etc");
}

static void body_mounts(void)
{
	struct volume_mount m;

	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	data = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC); /* the old one is of the old namespace */
	CHECK(data >= 0);
	CHECK(volume_look_mount(data, &m) == 0);
	CHECK(!m.is_mount);
	/* A mount at opt/zimbra leaves the volume empty and survives the move; one over etc is in the way. */
	CHECK(mkdir("opt", 0755) == 0 && mkdir("opt/zimbra", 0755) == 0);
	CHECK(mount("none", "opt/zimbra", "tmpfs", MS_NOSUID, NULL) == 0);
	int fd = open("opt/zimbra/mail", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && close(fd) == 0);
	CHECK(volume_look(data, &facts) == 0);
	CHECK_EQ(facts.n, 1); /* ready */
	CHECK(merge() == 0);
	CHECK(access("opt/zimbra/mail", F_OK) == 0);
	CHECK(mkdir("ready/var", 0755) == 0 && mkdir("ready/var/log", 0755) == 0);
	CHECK(mkdir("var", 0755) == 0);
	CHECK(mount("none", "var", "tmpfs", 0, NULL) == 0);
	CHECK_EQ(merge(), -EXDEV);
	CHECK_STR(what, "var");
	/* The volume itself: flags of the mount are seen. */
	fd = open("opt/zimbra", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK(volume_look_mount(fd, &m) == 0);
	CHECK(m.is_mount && m.nosuid && !m.nodev && m.in_memory && !m.read_only && m.free_mib > 0);
	CHECK(mount("none", "opt/zimbra", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV | MS_NOEXEC, NULL) == 0);
	CHECK(volume_look_mount(fd, &m) == 0);
	CHECK(m.read_only && m.nodev && m.noexec);
}

static void test_mounts(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip_because("mounts need root");
	make_ready();
	in_child(body_mounts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_partial),
		cmocka_unit_test(test_ours),
		cmocka_unit_test(test_griffinplus),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_mount),
		cmocka_unit_test(test_anonymous),
		cmocka_unit_test_setup_teardown(test_look, setup, teardown),
		cmocka_unit_test_setup_teardown(test_look_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_merge_onto_folders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_merge_interrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_merge_in_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mounts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
