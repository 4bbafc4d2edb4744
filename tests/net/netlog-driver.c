/*
 * PID 1's side of FIREWALL_LOG without the rest of PID 1, for tests/net: workers.c with its real table, the real worker
 * beside it (../libexec/zimbra-init), the log on stderr. Runs until TERM.
 */
#include "../../init/log.h"
#include "../../init/logring.h"
#include "../../init/reaper.h"
#include "../../init/signals.h"
#include "../../init/workers.h"

#include <signal.h>

static void signalled(const struct signalfd_siginfo *si)
{
	if (si->ssi_signo == SIGTERM)
		loop_quit();
}

int main(void)
{
	static const char *const env[] = {"FIREWALL_LOG=on", NULL};
	static struct config cfg;
	struct config_error err;

	signals_block();
	if (config_load(env, NULL, 0, NULL, &cfg, &err) < 0 || loop_open() < 0 ||
	    signals_open(signalled, reaper_run) < 0 || logring_open(true) < 0)
		return 2;
	workers_update(&cfg);
	loop_run();
	workers_stop();
	log_info("driver", "stopped");
	logring_drain(1000);
	config_free(&cfg);
	return 0;
}
