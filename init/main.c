/* zimbra-init, PID 1 of the container. Blocks signals, reads the settings, forgets the secrets, runs daemon.c. */
#include "boot/boot.h"
#include "config_table.h"
#include "daemon.h"
#include "log.h"
#include "reload.h"
#include "signals.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/*
 * Copies the environment and wipes the original: it stays readable in /proc/1/environ for the life of the container.
 * settings gets everything (config_load needs TZ and the rest), command everything but secrets and our own names.
 */
static int take_environment(struct daemon_env *out)
{
	/* What our own code asks for with getenv: the terminal's type, and the way to the mirrors. */
	static const char *const wanted[] = {"TERM", "http_proxy", "https_proxy", "no_proxy"};
	static const char *left[ARRAY_SIZE(wanted) + 2] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
	size_t n = 0, kept = 0, own = 1;

	while (environ[n])
		n++;
	const char **settings = calloc(n + 1, sizeof(*settings)), **command = calloc(n + 1, sizeof(*command));
	if (!settings || !command)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		char *copy = strdup(environ[i]);
		if (!copy)
			return -ENOMEM;
		explicit_bzero(environ[i], strlen(environ[i]));
		settings[i] = copy;
		bool ours = false;
		for (int id = 0; id < CFG_COUNT && !ours; id++) {
			size_t len = strlen(config_name((enum config_id)id));
			ours = strncmp(copy, config_name((enum config_id)id), len) == 0 &&
			       (copy[len] == '=' || strncmp(copy + len, "_FILE=", 6) == 0);
		}
		if (!ours)
			command[kept++] = copy;
		for (size_t w = 0; w < ARRAY_SIZE(wanted); w++) {
			size_t len = strlen(wanted[w]);
			if (own < ARRAY_SIZE(left) - 1 && strncmp(copy, wanted[w], len) == 0 && copy[len] == '=')
				left[own++] = copy;
		}
	}
	environ = (char **)(uintptr_t)left;
	out->settings = settings;
	out->command = command;
	return 0;
}

static int load(struct config *cfg, const struct daemon_env *env)
{
	static char text[CONFIG_FILE_MAX + 1];
	struct config_error err;
	ssize_t n = reload_read_conf(text);

	if (n < 0) {
		log_error("config", DATA_DIR "/app/zimbra.conf cannot be read: %s", strerror((int)-n));
		return -1;
	}
	if (config_load(env->settings, text, (size_t)n, reload_read_secret, cfg, &err) < 0) {
		log_error("config", "%s", err.text);
		return -1;
	}
	return 0;
}

/* Nothing that whoever started us left open goes on with us; and 0, 1, 2 are taken, so that no socket becomes one. */
static void own_descriptors(void)
{
	(void)close_range(3, ~0U, 0);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY);
}

static enum daemon_mode choose_mode(char **argv)
{
	if (!argv[1] || strcmp(argv[1], "run") == 0)
		return DAEMON_RUN;
	if (strcmp(argv[1], "run-and-enter") == 0)
		return DAEMON_ENTER;
	if (strcmp(argv[1], "run-and-enter-zimbra") == 0)
		return DAEMON_ENTER_ZIMBRA;
	return DAEMON_COMMAND;
}

int main(int argc, char **argv)
{
	static struct config cfg;
	struct daemon_env env = {0};
	int64_t begun = now_ms();

	signals_block();
	own_descriptors();
	(void)umask(022);
	if (chdir("/") < 0)
		return EXIT_CONFIG;
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)printf("zimbra-init %s\n", VERSION);
		return 0;
	}
	if (take_environment(&env) < 0 || load(&cfg, &env) < 0)
		return EXIT_CONFIG;
	enum daemon_mode mode = choose_mode(argv);
	return daemon_run(&cfg, mode, mode == DAEMON_COMMAND ? (const char *const *)argv + 1 : NULL, &env, begun);
}
