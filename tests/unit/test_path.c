/* path.h against what the jail's root may plant: nothing outside changes, nothing blocks. */
#include "../../init/boot/path.h"
#include "support.h"

#include <sys/mount.h>
#include <sys/stat.h>

static char top[] = "/tmp/zimbra-test-path-XXXXXX";
static int outside, root;

/* TOP/outside is what must not change, TOP/root is the volume. */
static int setup(void **state)
{
	(void)state;
	memcpy(top, "/tmp/zimbra-test-path-XXXXXX", sizeof(top));
	if (!mkdtemp(top) || chdir(top) < 0 || mkdir("outside", 0755) < 0 || mkdir("root", 0755) < 0)
		return -1;
	outside = open("outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	root = open("root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (outside < 0 || root < 0 || fchdir(root) < 0)
		return -1;
	/* Whatever blocks on a FIFO ends the test instead. */
	(void)alarm(20);
	return 0;
}

static int teardown(void **state)
{
	int all = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = chdir("/");

	(void)state;
	(void)alarm(0);
	(void)close(root);
	(void)close(outside);
	if (r == 0)
		r = path_remove_tree(all, strrchr(top, '/') + 1);
	(void)close(all);
	return r;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(close(fd), 0);
}

static void holds(const char *path, const char *text)
{
	char buf[256] = "";
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
	assert_int_equal(close(fd), 0);
	assert_string_equal(buf, text);
}

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void closes(int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

static void reads(void **state)
{
	char buf[16];

	(void)state;
	put("f", "0123456789");
	assert_int_equal(path_read(root, "f", buf, 15), 10);
	assert_string_equal(buf, "0123456789");
	assert_int_equal(path_read(root, "f", buf, 10), 10);
	assert_int_equal(path_read(root, "f", buf, 9), -EFBIG);
	assert_int_equal(path_read(root, "missing", buf, 9), -ENOENT);
	put("empty", "");
	assert_int_equal(path_read(root, "empty", buf, 9), 0);
	assert_string_equal(buf, "");
}

static void reads_planted(void **state)
{
	char buf[64];

	(void)state;
	put("../outside/f", "secret");
	assert_int_equal(symlink("../outside/f", "up"), 0);
	assert_int_equal(symlink("../../../../../../../../etc/passwd", "far"), 0);
	assert_int_equal(symlink("/etc/passwd", "absolute"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_int_equal(symlink("/proc/self/root/etc/passwd", "magic"), 0);
	assert_int_equal(mkfifo("fifo", 0666), 0);
	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(path_read(root, "up", buf, 60), -ENOENT);
	assert_int_equal(path_read(root, "far", buf, 60), -ENOENT);
	assert_int_equal(path_read(root, "absolute", buf, 60), -ENOENT);
	assert_int_equal(path_read(root, "magic", buf, 60), -ENOENT);
	assert_int_equal(path_read(root, "loop", buf, 60), -ELOOP);
	assert_int_equal(path_read(root, "fifo", buf, 60), -EINVAL);
	assert_int_equal(path_read(root, "dir", buf, 60), -EINVAL);
	assert_int_equal(path_open_any(root, "up"), -ELOOP);
	closes(path_open_any(root, "fifo"));
	assert_int_equal(path_open_dir(root, "fifo"), -ENOTDIR);
	/* An absolute link is the jail's own absolute. */
	assert_int_equal(mkdir("etc", 0755), 0);
	put("etc/passwd", "ours");
	assert_int_equal(path_read(root, "absolute", buf, 60), 4);
	assert_int_equal(path_read(root, "far", buf, 60), 4);
}

static void reads_no_kernel_files(void **state)
{
	char buf[65536];
	int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(path_read(slash, "proc/version", buf, sizeof(buf) - 1), -EINVAL);
	assert_int_equal(path_read(slash, "proc/self/root/etc/hosts", buf, sizeof(buf) - 1), -ELOOP);
	closes(slash);
}

static void writes(void **state)
{
	struct stat st;
	mode_t before = umask(077);

	(void)state;
	put("f", "old");
	assert_int_equal(path_write(root, "f", "new", 3, 0644), 0);
	(void)umask(before);
	holds("f", "new");
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(path_write(root, "f", "", 0, 0600), 0);
	holds("f", "");
	assert_int_equal(path_write(root, "no/f", "x", 1, 0644), -ENOENT);
	assert_int_equal(path_write(root, "", "x", 1, 0644), -EINVAL);
	assert_int_equal(path_write(root, "..", "x", 1, 0644), -EINVAL);
	assert_int_equal(path_write(root, "d/", "x", 1, 0644), -EINVAL);
	/* What a killed writer left is gone after the next. */
	put(".f.zimbra-init", "half");
	assert_int_equal(path_write(root, "f", "whole", 5, 0644), 0);
	holds("f", "whole");
	assert_false(there(".f.zimbra-init"));
}

static void writes_over_planted(void **state)
{
	(void)state;
	put("../outside/f", "untouched");
	assert_int_equal(symlink("../outside/f", "link"), 0);
	assert_int_equal(symlink("../outside/f", ".link.zimbra-init"), 0);
	assert_int_equal(path_write(root, "link", "new", 3, 0644), 0);
	holds("link", "new");
	holds("../outside/f", "untouched");
	assert_int_equal(mkfifo("fifo", 0666), 0);
	assert_int_equal(mkfifo(".fifo.zimbra-init", 0666), 0);
	assert_int_equal(path_write(root, "fifo", "new", 3, 0644), 0);
	holds("fifo", "new");
	assert_int_equal(mkdir(".f.zimbra-init", 0755), 0);
	assert_int_equal(path_write(root, "f", "new", 3, 0644), 0);
	holds("f", "new");
	/* The folder itself is a link out of the root. */
	assert_int_equal(symlink("../outside", "dir"), 0);
	assert_int_equal(path_write(root, "dir/f", "new", 3, 0644), -ENOENT);
	holds("../outside/f", "untouched");
}

static void writes_not_over_folders(void **state)
{
	(void)state;
	assert_int_equal(mkdir("d", 0755), 0);
	put("d/keep", "x");
	assert_int_equal(path_write(root, "d", "new", 3, 0644), -EISDIR);
	holds("d/keep", "x");
	assert_false(there(".d.zimbra-init"));
	assert_int_equal(path_unlink(root, "d"), -EISDIR);
	assert_int_equal(path_set_aside(root, "d"), 0);
	assert_false(there("d"));
	assert_int_equal(path_write(root, "d", "new", 3, 0644), 0);
}

/* app/ is on the volume, but links of the jail must not lead there. */
static void keeps_out_of_app(void **state)
{
	char buf[16];

	(void)state;
	assert_int_equal(mkdir("app", 0755), 0);
	assert_int_equal(mkdir("apple", 0755), 0);
	put("app/key", "secret");
	put("apple/f", "fine");
	assert_int_equal(symlink("/app", "etc"), 0);
	assert_int_equal(symlink("app/key", "link"), 0);
	assert_int_equal(symlink("apple", "other"), 0);
	assert_int_equal(path_read(root, "etc/key", buf, 15), -ELOOP);
	assert_int_equal(path_read(root, "link", buf, 15), -ELOOP);
	assert_int_equal(path_write(root, "etc/hosts", "x", 1, 0644), -ELOOP);
	assert_int_equal(path_unlink(root, "etc/key"), -ELOOP);
	assert_int_equal(path_open_dir(root, "etc"), -ELOOP);
	assert_int_equal(path_make_dirs(root, "etc/new", 0755), -ELOOP);
	assert_int_equal(path_remove_tree(root, "etc/key"), -ELOOP);
	assert_int_equal(path_read(root, "app/key", buf, 15), 6);
	assert_int_equal(path_read(root, "other/f", buf, 15), 4);
	assert_false(there("app/hosts"));
}

static void makes_dirs(void **state)
{
	struct stat st;
	mode_t before = umask(077);

	(void)state;
	closes(path_make_dirs(root, "a/b//c", 0751));
	(void)umask(before);
	assert_int_equal(stat("a/b", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	closes(path_make_dirs(root, "a/b/c", 0700));
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	put("a/f", "");
	assert_int_equal(path_make_dirs(root, "a/f/g", 0755), -ENOTDIR);
	assert_int_equal(symlink("../outside", "out"), 0);
	assert_int_equal(path_make_dirs(root, "out/x", 0755), -ENOENT);
	assert_false(there("../outside/x"));
	assert_int_equal(symlink("/a", "in"), 0);
	closes(path_make_dirs(root, "in/y", 0755));
	assert_true(there("a/y"));
	assert_int_equal(path_make_dirs(root, "", 0755), -EINVAL);
}

static void claims(void **state)
{
	(void)state;
	closes(path_claim_dir(root, "new", 0755));
	assert_int_equal(symlink("../outside", "link"), 0);
	closes(path_claim_dir(root, "link", 0755));
	assert_int_equal(mkfifo("fifo", 0666), 0);
	closes(path_claim_dir(root, "fifo", 0755));
	assert_int_equal(rmdir("fifo"), 0);
	assert_int_equal(rmdir("link"), 0);
	assert_int_equal(path_claim_dir(root, "a/b", 0755), -EINVAL);
	assert_int_equal(path_claim_dir(root, "..", 0755), -EINVAL);
}

static void unlinks(void **state)
{
	(void)state;
	put("../outside/f", "untouched");
	assert_int_equal(symlink("../outside/f", "link"), 0);
	assert_int_equal(path_unlink(root, "link"), 0);
	assert_int_equal(path_unlink(root, "link"), 0);
	assert_int_equal(path_unlink(root, "no/such"), 0);
	holds("../outside/f", "untouched");
}

static void removes_trees(void **state)
{
	(void)state;
	put("../outside/f", "untouched");
	assert_int_equal(mkdir("t", 0755), 0);
	assert_int_equal(mkdir("t/d", 0000), 0);
	assert_int_equal(symlink("../../outside", "t/out"), 0);
	assert_int_equal(symlink("/", "t/d/slash"), 0);
	assert_int_equal(mkfifo("t/d/fifo", 0), 0);
	put("t/f", "x");
	assert_int_equal(path_remove_tree(root, "t"), 0);
	assert_false(there("t"));
	holds("../outside/f", "untouched");
	assert_int_equal(path_remove_tree(root, "t"), 0);
	assert_int_equal(symlink("../outside", "link"), 0);
	assert_int_equal(path_remove_tree(root, "link"), 0);
	assert_int_equal(symlink("../outside", "dir"), 0);
	assert_int_equal(path_remove_tree(root, "dir/f"), 0);
	assert_int_equal(path_remove_tree(root, "."), -EINVAL);
	holds("../outside/f", "untouched");
}

/* Deeper than any stack, any PATH_MAX and our number of open folders. */
static void removes_deep_trees(void **state)
{
	enum { DEPTH = 3000 };

	(void)state;
	assert_int_equal(mkdir("deep", 0755), 0);
	assert_int_equal(chdir("deep"), 0);
	for (int i = 0; i < DEPTH; i++) {
		if (i % 50 == 0)
			put("f", "x");
		assert_int_equal(mkdir("a", 0755), 0);
		assert_int_equal(chdir("a"), 0);
	}
	assert_int_equal(fchdir(root), 0);
	assert_int_equal(path_remove_tree(root, "deep"), 0);
	assert_false(there("deep"));
}

static void mounted(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		_exit(CHECK_SKIPPED);
	/* The open one is of the old namespace, where nothing will be mounted. */
	root = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CHECK_EQ(mkdir("m", 0755), 0);
	CHECK_EQ(mkdir("m/on", 0755), 0);
	/* The same device: only the mount itself tells. */
	CHECK_EQ(mount("../outside", "m/on", NULL, MS_BIND, NULL), 0);
	CHECK_EQ(path_remove_tree(root, "m"), -EXDEV);
	CHECK_EQ(access("../outside/f", F_OK), 0);
	CHECK_EQ(umount2("m/on", MNT_DETACH), 0);
	CHECK_EQ(path_remove_tree(root, "m"), 0);
}

static void crosses_no_mount(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	put("../outside/f", "untouched");
	pid = fork();
	if (pid == 0) {
		begin_child();
		mounted();
		_exit(0);
	}
	status = wait_status(pid);
	if (status == CHECK_SKIPPED)
		skip_because("no mount namespace of our own here (CAP_SYS_ADMIN)");
	assert_int_equal(status, 0);
	holds("../outside/f", "untouched");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads),
		TEST(reads_planted),
		TEST(reads_no_kernel_files),
		TEST(writes),
		TEST(writes_over_planted),
		TEST(writes_not_over_folders),
		TEST(keeps_out_of_app),
		TEST(makes_dirs),
		TEST(claims),
		TEST(unlinks),
		TEST(removes_trees),
		TEST(removes_deep_trees),
		TEST(crosses_no_mount),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
