/*
 * For the state machines of PID 1: each case runs as PID 1 of a namespace and a root folder of its own (/bin, /data,
 * /run and /tmp are its own), with the real loop, reaper and log, and with real processes, which end with the case.
 * Only time goes by faster: clock_fixture.h.
 */
#pragma once

#include "../../init/boot/jail.h"
#include "../../init/reaper.h"
#include "../../init/signals.h"

#include "clock_fixture.h"

#include <dirent.h>
#include <sys/stat.h>

enum { ZIMBRA_UID = 998 };

/* --- files ----------------------------------------------------------------------------------------------------- */

/* Whole or not at all, with its folders. */
static inline void put_file(const char *path, const char *text, mode_t mode)
{
	char part[256];

	for (const char *slash = path; (slash = strchr(slash + 1, '/'));) {
		(void)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		CHECK(mkdir(part, 0755) == 0 || errno == EEXIST);
	}
	(void)snprintf(part, sizeof(part), "%s.new", path);
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
	CHECK_EQ(chmod(part, mode), 0);
	CHECK_EQ(rename(part, path), 0);
}

static inline void put(const char *path, const char *text)
{
	put_file(path, text, 0644);
}

/* "" where there is none. */
static inline const char *text_of(const char *path)
{
	static char text[65536];
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static inline bool exists_file(const char *path)
{
	return access(path, F_OK) == 0;
}

/* For the fakes: one write, so that lines of several processes do not mix. */
static inline void append(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	(void)!write(fd, text, strlen(text));
}

/* Everything of this machine but for what PID 1 reads and writes. */
static inline void make_root(void)
{
	static const char *const ours[] = {"bin", "data", "run", "tmp", "run/zimbra", "run/zimbra/jail"};
	DIR *dir = opendir("/");
	char to[300], link[256];

	CHECK(dir != NULL);
	(void)umask(022);
	CHECK_EQ(mount("tmpfs", "/run", "tmpfs", 0, "mode=755"), 0);
	CHECK_EQ(mkdir("/run/root", 0755), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		(void)snprintf(to, sizeof(to), "/run/root/%s", ours[i]);
		CHECK_EQ(mkdir(to, 0755), 0);
	}
	CHECK_EQ(chmod("/run/root/tmp", 01777), 0);
	for (struct dirent *e; (e = readdir(dir));) {
		struct stat st;
		(void)snprintf(to, sizeof(to), "/run/root/%s", e->d_name);
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || e->d_name[0] == '.')
			continue;
		if (S_ISDIR(st.st_mode) && mkdir(to, 0755) == 0)
			(void)mount(to + strlen("/run/root"), to, NULL, MS_BIND | MS_REC, NULL);
		ssize_t n = S_ISLNK(st.st_mode) ? readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1) : 0;
		link[n > 0 ? n : 0] = '\0';
		if (n > 0)
			(void)symlink(link, to); /* /bin is there already */
	}
	(void)closedir(dir);
	CHECK_EQ(chroot("/run/root"), 0);
	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(symlink("/usr/bin/sh", "/bin/sh"), 0);
	CHECK_EQ(symlink("/usr/bin/bash", "/bin/bash"), 0);
}

/* The jail is somebody else's test: the root above stands for it. */
int jail_enter(void)
{
	return 0;
}

const char *const *jail_env(const char *term)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};

	(void)term;
	return env;
}

/* What `su - zimbra -c ...` is in the jail; $4 is "/opt/zimbra/bin/zmcontrol ...", /tmp/asked counts the calls. */
static inline void fake_su(const char *script)
{
	char text[4096];

	(void)snprintf(text, sizeof(text), "#!/bin/sh\necho \"$*\" >>/tmp/asked\n%s\n", script);
	put_file("/bin/su", text, 0755);
}

static inline unsigned asked(const char *zmcontrol)
{
	return times_in(text_of("/tmp/asked"), zmcontrol);
}

/* --- processes ------------------------------------------------------------------------------------------------- */

static pid_t known[128]; /* what the test started itself; all others are helpers of PID 1 */
static size_t known_count;

static inline pid_t know(pid_t pid)
{
	CHECK(pid > 1);
	CHECK(known_count < ARRAY_SIZE(known));
	return known[known_count++] = pid;
}

/* Processes of this namespace; helpers: only those that the test did not start. Zombies count. */
static inline int processes(bool helpers)
{
	DIR *dir = opendir("/proc");
	int n = 0;

	CHECK(dir != NULL);
	for (struct dirent *e; (e = readdir(dir));) {
		long pid = strtol(e->d_name, NULL, 10);
		size_t i = 0;
		while (helpers && i < known_count && known[i] != pid)
			i++;
		n += pid > 1 && (!helpers || i == known_count);
	}
	(void)closedir(dir);
	return n;
}

static inline bool exists(pid_t pid)
{
	return kill(pid, 0) == 0;
}

static inline void exit_zero(int sig)
{
	_exit(sig == SIGUSR1 ? 0 : 3);
}

/* Waits to be killed. USR1: ends with 0, USR2: with 3. */
static inline _Noreturn void be_daemon(uid_t uid, int ready)
{
	signals_reset_in_child();
	log_set_sink(NULL);
	(void)setsid();
	(void)signal(SIGUSR1, exit_zero);
	(void)signal(SIGUSR2, exit_zero);
	if (uid && setresuid(uid, uid, uid) < 0)
		_exit(98);
	pid_t pid = getpid();
	(void)!write(ready, &pid, sizeof(pid));
	(void)close_range(3, ~0U, 0);
	for (;;)
		(void)pause();
}

/* Not a child of PID 1, as `docker exec` makes them and shells: of a parent that stays and reaps it. */
static inline _Noreturn void be_parent(uid_t uid, int ready)
{
	pid_t pid = fork();

	if (pid == 0)
		be_daemon(uid, ready);
	signals_reset_in_child();
	(void)close_range(3, ~0U, 0);
	(void)waitpid(pid, NULL, 0);
	for (;;)
		(void)pause();
}

static inline pid_t start_daemon(uid_t uid, bool child_of_ours)
{
	int ready[2];
	pid_t pid = -1;

	CHECK_EQ(pipe2(ready, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0 && child_of_ours)
		be_daemon(uid, ready[1]);
	if (child == 0)
		be_parent(uid, ready[1]);
	(void)know(child);
	CHECK_EQ(read(ready[0], &pid, sizeof(pid)), sizeof(pid));
	(void)close(ready[0]);
	(void)close(ready[1]);
	return child_of_ours ? child : know(pid);
}

/* A process that signals end, whose end PID 1 has heard of. */
static inline void end_with(pid_t pid, int sig)
{
	CHECK_EQ(kill(pid, sig), 0);
	RUN_UNTIL(!exists(pid));
	(void)turn(0); /* a pidfd may be told about after the parent is */
}

/* Until no helper is left and nothing is to be done at this moment. */
static inline void settle_down(void)
{
	do
		RUN_UNTIL(processes(true) == 0 && !alarm_is_due());
	while (turn(0) > 0);
}

/* Time goes by, as fast as PID 1 can be done with what it planned for it. */
static inline void pass(int64_t ms)
{
	int64_t end = now_ms() + ms;

	settle_down();
	while (alarm_clock.at && alarm_clock.at <= end) {
		if (alarm_clock.at > now_ms())
			skip_ms(alarm_clock.at - now_ms());
		settle_down();
	}
	if (end > now_ms())
		skip_ms(end - now_ms());
	settle_down();
}

/* --------------------------------------------------------------------------------------------------------------- */

static inline void ignore_signal(const struct signalfd_siginfo *si)
{
	(void)si;
}

static unsigned (*children_died)(void) = reaper_run; /* as in daemon.c, where it tells stop.c too */
static void (*case_body)(void);

static inline void case_main(void)
{
	make_root();
	signals_block();
	CHECK_EQ(loop_open(), 0);
	CHECK_EQ(signals_open(ignore_signal, children_died), 0);
	CHECK_EQ(logring_open(false), 0);
	case_body();
}

static inline void in_container(void (*body)(void), void (*outside)(pid_t pid1))
{
	case_body = body;
	as_pid1(case_main, outside);
}

/* TEST(name) { ... }: a function of cmocka whose body runs in a container of its own. */
#define TEST(name)                                                                                                     \
	static void name##_body(void);                                                                                 \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		(void)state;                                                                                           \
		in_container(name##_body, NULL);                                                                       \
	}                                                                                                              \
	static void name##_body(void)
