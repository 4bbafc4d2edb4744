/* Which process a pidfile names; secrets that survive an interruption; one reading for several programs. */
#include "../../init/boot/boot.h"
#include "../../init/boot/path.h"
#include "../../init/zimbra/internal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

static char dir[64];
static int root = -1;

static int make_root(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/zimbra-process.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -1 : 0;
}

static int remove_root(void **state)
{
	char command[128];

	(void)state;
	(void)close(root);
	(void)snprintf(command, sizeof(command), "rm -rf -- %s", dir);
	return system(command);
}

static void put(const char *path, const char *text)
{
	char folder[128];

	(void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
	int fd = path_make_dirs(root, folder, 0755);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(path_write(root, path, text, strlen(text), 0644), 0);
}

static void put_pid(const char *path, pid_t pid)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%d\n", (int)pid);
	put(path, text);
}

/* A process that waits to be killed, as `uid`. */
static pid_t sleeper(uid_t uid)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (uid != geteuid() && setresuid(uid, uid, uid) < 0)
			_exit(1);
		for (;;)
			(void)pause();
	}
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void user(void **state)
{
	uid_t uid = 0;

	(void)state;
	assert_int_equal(zimbra_user(root, &uid), -ENOENT);
	put("etc/passwd", "root:x:0:0::/root:/bin/sh\nxzimbra:x:7:7::/:/bin/sh\n");
	assert_int_equal(zimbra_user(root, &uid), -ENOENT);
	put("etc/passwd", "root:x:0:0::/root:/bin/sh\nzimbra:x:998:998::/opt/zimbra:/bin/bash\n");
	assert_int_equal(zimbra_user(root, &uid), 0);
	assert_int_equal(uid, 998);
	put("etc/passwd", "zimbra::4711:1:::");
	assert_int_equal(zimbra_user(root, &uid), -ENOENT); /* no password field at all: not a line of useradd's */
	put("etc/passwd", "zimbra:x:0:0::/opt/zimbra:/bin/bash\n");
	assert_int_equal(zimbra_user(root, &uid), -ENOENT); /* never root */
	put("etc/passwd", "zimbra:x:");
	assert_int_equal(zimbra_user(root, &uid), -ENOENT);
}

static void pidfiles(void **state)
{
	const struct zimbra_service *ldap = zimbra_service_find("ldap"), *mailbox = zimbra_service_find("mailbox");
	const char *file = ldap->pidfile[0] + 1;
	pid_t pid = 0, child;

	(void)state;
	if (geteuid() != 0)
		skip(); /* other users' processes are needed */
	child = sleeper(12345);
	while (access("/proc/self", F_OK) == 0 && zimbra_service_pid(root, ldap, 12345, &pid) != 0) {
		put_pid(file, child); /* until it has changed its user */
		(void)usleep(1000);
	}
	assert_int_equal(pid, child);
	assert_int_equal(zimbra_service_pid(root, ldap, 999, &pid), -ESRCH);
	assert_int_equal(zimbra_service_pid(root, zimbra_service_find("dnscache"), 12345, &pid), -ENOENT);

	/* A root process is mailboxd's manager, never slapd. */
	put_pid(file, getpid());
	assert_int_equal(zimbra_service_pid(root, ldap, 12345, &pid), -ESRCH);
	put_pid("opt/zimbra/log/zmmailboxd_manager.pid", getpid());
	assert_int_equal(zimbra_service_pid(root, mailbox, 12345, &pid), 0);
	assert_int_equal(pid, getpid());
	/* The first file that is there counts, even if it lies. */
	put_pid("opt/zimbra/log/zmmailboxd_java.pid", child);
	assert_int_equal(zimbra_service_pid(root, mailbox, 12345, &pid), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(path_unlink(root, "opt/zimbra/log/zmmailboxd_manager.pid"), 0);
	assert_int_equal(zimbra_service_pid(root, mailbox, 12345, &pid), 0);
	assert_int_equal(pid, child);

	/* A zombie is no service, though kill(pid, 0) says yes. */
	put_pid(file, child);
	assert_int_equal(kill(child, SIGKILL), 0);
	siginfo_t si;
	assert_int_equal(waitid(P_PID, (id_t)child, &si, WEXITED | WNOWAIT), 0);
	assert_int_equal(kill(child, 0), 0);
	assert_int_equal(zimbra_service_pid(root, ldap, 12345, &pid), -ESRCH);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(zimbra_service_pid(root, ldap, 12345, &pid), -ESRCH);

	put(file, "no number\n");
	assert_int_equal(zimbra_service_pid(root, ldap, 12345, &pid), -EINVAL);
	/* Planted: a link out of the volume, a FIFO that blocks, a folder. */
	char path[256], command[1024];
	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	(void)snprintf(command, sizeof(command), "rm -f %s; mkfifo %s", path, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(zimbra_service_pid(root, ldap, 12345, &pid), -EINVAL);
	(void)snprintf(command, sizeof(command), "rm -f %s; mkdir %s", path, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(zimbra_service_pid(root, ldap, 12345, &pid), -EINVAL);
	(void)snprintf(command, sizeof(command), "rmdir %s; echo %d >%s.out; ln -s /%s.out %s", path, (int)getpid(),
		       dir, dir, path);
	assert_int_equal(system(command), 0);
	assert_int_equal(zimbra_service_pid(root, ldap, geteuid(), &pid), -ENOENT);
	(void)snprintf(command, sizeof(command), "rm -f %s.out", dir);
	assert_int_equal(system(command), 0);
}

static void system_daemons(void **state)
{
	const struct zimbra_service *rsyslog = zimbra_service_find("rsyslog");
	pid_t pid, child;

	(void)state;
	if (geteuid() != 0)
		skip();
	child = sleeper(104); /* "syslog" of Ubuntu */
	put_pid("run/rsyslogd.pid", child);
	assert_int_equal(zimbra_service_pid(root, rsyslog, 12345, &pid), 0);
	end(child);
	child = sleeper(12345);
	put_pid("run/rsyslogd.pid", child);
	for (int i = 0; i < 1000 && zimbra_service_pid(root, rsyslog, 12345, &pid) == 0; i++)
		(void)usleep(1000);
	assert_int_equal(zimbra_service_pid(root, rsyslog, 12345, &pid), -ESRCH);
	end(child);
}

static void secrets(void **state)
{
	char one[64], two[64], text[128];
	struct stat st;

	(void)state;
	assert_int_equal(zi_secret(root, "admin-password", 20, one, sizeof(one)), 0);
	assert_int_equal(strlen(one), 20);
	assert_true(zi_password_ok(one));
	assert_int_equal(zi_secret(root, "admin-password", 20, two, sizeof(two)), 0);
	assert_string_equal(one, two);
	(void)snprintf(text, sizeof(text), "%s/" STATE_DIR "/admin-password", dir);
	assert_int_equal(stat(text, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 21);
	/* Cut or changed: made anew rather than used. */
	assert_int_equal(path_write(root, STATE_DIR "/admin-password", "abc\n", 4, 0600), 0);
	assert_int_equal(zi_secret(root, "admin-password", 20, two, sizeof(two)), 0);
	assert_int_equal(strlen(two), 20);
	assert_string_not_equal(one, two);
	assert_int_equal(path_write(root, STATE_DIR "/admin-password", "'; rm -rf / #aaaaaaa\n", 21, 0600), 0);
	assert_int_equal(zi_secret(root, "admin-password", 20, two, sizeof(two)), 0);
	assert_true(zi_password_ok(two));
	assert_int_equal(zi_secret(root, "x", 64, two, sizeof(two)), -EINVAL);
}

static void count(void *arg, int64_t bytes)
{
	*(int64_t *)arg = bytes;
}

static void feed(void **state)
{
	static const char *const sum[] = {"/usr/bin/sha256sum", NULL},
				 *const few[] = {"/usr/bin/head", "-c", "3", NULL},
				 *const fail[] = {"/bin/false", NULL}, *const none[] = {"/nonexistent", NULL};
	enum { SIZE = 3 * 1000 * 1000 };
	char a[128], b[128], c[16];
	struct zi_sink sinks[] = {{.argv = sum, .output = a, .output_size = sizeof(a)},
				  {.argv = few, .output = c, .output_size = sizeof(c)},
				  {.argv = fail},
				  {.argv = none},
				  {.argv = sum, .output = b, .output_size = sizeof(b)}};
	int64_t seen = 0;
	int fd = memfd_create("feed", MFD_CLOEXEC);
	char *bytes = calloc(1, SIZE);

	(void)state;
	assert_true(fd >= 0);
	assert_non_null(bytes);
	memcpy(bytes, "abcdef", 6);
	assert_int_equal(write(fd, bytes, SIZE), SIZE);
	free(bytes);
	assert_int_equal(zi_feed(fd, sinks, ARRAY_SIZE(sinks), count, &seen), 0);
	assert_int_equal(seen, SIZE);
	assert_int_equal(sinks[0].status, 0);
	assert_int_equal(strlen(a), 68);
	assert_string_equal(a, b);
	assert_int_equal(sinks[1].status, 0);
	assert_string_equal(c, "abc");
	assert_int_equal(sinks[2].status, 1);
	assert_int_equal(sinks[3].status, 127);

	/* The empty file, and its well-known hash (FIPS 180-4 test vectors). */
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(zi_feed(fd, sinks, 1, NULL, NULL), 0);
	assert_memory_equal(a, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 64);
	(void)close(fd);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(zi_feed(fd, sinks, 1, NULL, NULL), -EISDIR);
	(void)close(fd);
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left behind */
	assert_int_equal(errno, ECHILD);
}

static void top_folder(void **state)
{
	char top[ZI_TOP], command[256];

	(void)state;
	assert_int_equal(zi_release_top(root, "rel", top), -ENOENT);
	put("rel/zcs-10.1.17_GA/install.sh", "#!/bin/bash\n");
	assert_int_equal(zi_release_top(root, "rel", top), 0);
	assert_string_equal(top, "zcs-10.1.17_GA");
	put("rel/answers", "");
	assert_int_equal(zi_release_top(root, "rel", top), 0);
	put("rel/other/x", "");
	assert_int_equal(zi_release_top(root, "rel", top), -ENOTUNIQ);
	put("rel2/zcs/readme", "");
	assert_int_equal(zi_release_top(root, "rel2", top), -ENOENT);
	put("rel3/a b/install.sh", "");
	assert_int_equal(zi_release_top(root, "rel3", top), -ENOTUNIQ);
	put("rel4/-rf/install.sh", "");
	assert_int_equal(zi_release_top(root, "rel4", top), -ENOTUNIQ);
	(void)snprintf(command, sizeof(command), "mkdir -p %s/rel5/zcs && ln -s /etc/hostname %s/rel5/zcs/install.sh",
		       dir, dir);
	assert_int_equal(system(command), 0);
	assert_true(zi_release_top(root, "rel5", top) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(user, make_root, remove_root),
		cmocka_unit_test_setup_teardown(pidfiles, make_root, remove_root),
		cmocka_unit_test_setup_teardown(system_daemons, make_root, remove_root),
		cmocka_unit_test_setup_teardown(secrets, make_root, remove_root),
		cmocka_unit_test_setup_teardown(feed, make_root, remove_root),
		cmocka_unit_test_setup_teardown(top_folder, make_root, remove_root),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
