/* Further mail domains: MAIL_DOMAINS after its first, and all of ADDITIONAL_MAIL_DOMAINS. */
#include "../boot/jail.h"
#include "../log.h"
#include "../run.h"
#include "internal.h"

#include <stdio.h>
#include <string.h>

struct answer {
	bool exists;
	char last[160];
};

static void hear(void *arg, const char *line)
{
	struct answer *a = arg;

	if (strstr(line, "DOMAIN_EXISTS"))
		a->exists = true;
	if (line[0])
		(void)snprintf(a->last, sizeof(a->last), "%s", line);
}

static int as_zimbra(const char *tag, const char *command, int timeout_s, struct answer *a)
{
	const char *const argv[] = {"/bin/su", "-", "zimbra", "-c", command, NULL};
	const struct run r = {.argv = argv,
			      .env = zimbra_env,
			      .tag = tag,
			      .timeout_s = timeout_s,
			      .line = hear,
			      .arg = a,
			      .before_exec = jail_enter_hook};
	int status, err = run_program(&r, &status);

	return err < 0 ? err : status;
}

/* -l: straight to slapd, so it works before mailboxd runs, as zmsetup.pl's own calls do ("zmprov -r -m -l"). */
static void create(struct stage_ctx *ctx, const char *domain)
{
	char command[ZI_FQDN + 64];
	struct answer a = {0};
	int r;

	/* It becomes a part of a shell's command line. The settings are checked; this is the place where it matters. */
	if (strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(domain) || domain[0] == '-') {
		log_error(ctx->name, "mail domain %s has a character that a domain cannot have: not created", domain);
		return;
	}
	stage_doing(ctx, -1, "creating mail domain %s", domain);
	(void)snprintf(command, sizeof(command), "/opt/zimbra/bin/zmprov -l cd %s", domain);
	r = as_zimbra(ctx->name, command, 180, &a);
	if (r == 0)
		log_info(ctx->name, "created mail domain %s", domain);
	else if (a.exists)
		log_info(ctx->name, "mail domain %s is there already", domain);
	else
		log_error(ctx->name, "cannot create mail domain %s (status %d): %s; later: zmprov cd %s", domain, r,
			  a.last, domain);
}

void zi_create_domains(struct stage_ctx *ctx, const char *fqdn)
{
	const char *lists[] = {config_str(ctx->cfg, CFG_MAIL_DOMAINS),
			       config_str(ctx->cfg, CFG_ADDITIONAL_MAIL_DOMAINS)};
	char first[ZI_FQDN], domain[ZI_FQDN];
	struct answer a = {0};
	bool up = false;

	if (zi_first_domain(lists[0], fqdn, first) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		for (size_t n = 0; zi_list_entry(lists[i], n, domain); n++) {
			if (strcmp(domain, first) == 0)
				continue;
			/* After a kill between the installation and here nothing runs. */
			if (!up)
				(void)as_zimbra(ctx->name, "/opt/zimbra/bin/ldap status || /opt/zimbra/bin/ldap start",
						180, &a);
			up = true;
			create(ctx, domain);
		}
	}
}
