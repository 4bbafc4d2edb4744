/* What the installers leave behind and print, as pure functions. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/*
 * What follows the name: _10.1.17.GA.4200002.UBUNTU24.64-1_amd64.deb, -8.8.15_GA_3869.UBUNTU18_64-20190918, without the
 * package's own revision and architecture.
 */
static void take_version(const char *package, struct zi_history *out)
{
	static const char *const ends[] = {"-", "_amd64", "_all", ".deb", " ", "\r"};
	size_t len;

	if (*package != '_' && *package != '-')
		return;
	package++;
	len = strlen(package);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		const char *end = strstr(package, ends[i]);
		if (end && (size_t)(end - package) < len)
			len = (size_t)(end - package);
	}
	if (len >= sizeof(out->version))
		len = sizeof(out->version) - 1;
	for (size_t i = 0; i < len; i++)
		if (package[i] < 0x21 || package[i] > 0x7e)
			return;
	memcpy(out->version, package, len);
	out->version[len] = '\0';
}

/*
 * Lines are "EPOCH: WHAT", appended by install.sh (INSTALL SESSION ..., INSTALLED package) and by zmsetup.pl
 * (CONFIG SESSION ..., CONFIGURED step). A session that starts makes all before it history.
 */
static void history_line(const char *line, struct zi_history *out)
{
	static const char core[] = "INSTALLED zimbra-core", upgraded[] = "UPGRADED zimbra-core";
	size_t digits = strspn(line, "0123456789");

	if (digits == 0 || strncmp(line + digits, ": ", 2) != 0)
		return;
	line += digits + 2;
	if (starts(line, "INSTALL SESSION START")) {
		*out = (struct zi_history){.state = ZI_STARTED};
	} else if (starts(line, core)) {
		out->state = ZI_PACKAGES;
		take_version(line + sizeof(core) - 1, out);
	} else if (starts(line, upgraded)) {
		out->state = ZI_PACKAGES;
		take_version(line + sizeof(upgraded) - 1, out);
	} else if (out->state >= ZI_PACKAGES) {
		if (starts(line, "CONFIG SESSION START"))
			out->state = ZI_CONFIGURING;
		else if (strcmp(line, "CONFIGURED END") == 0)
			out->state = ZI_CONFIGURED;
	}
}

void zi_history_parse(const char *text, size_t len, struct zi_history *out)
{
	char line[256];

	*out = (struct zi_history){0};
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		/* No newline yet: the writer was killed in the middle of it. */
		if (end && n < sizeof(line)) {
			memcpy(line, text, n);
			line[n] = '\0';
			history_line(line, out);
		}
		n += end != NULL;
		text += n;
		len -= n;
	}
}

/* What zmsetup.pl says on a new single server, in its order (applyConfig). A percentage of steps, not of time. */
static const char *const setup_steps[] = {
	"Installing LDAP configuration database",
	"Setting defaults",
	"Checking for port conflicts",
	"Saving config in",
	"Setting local config values",
	"Initializing core config",
	"Setting up CA",
	"Deploying CA to",
	"Creating SSL zimbra-store certificate",
	"Creating new zimbra-ldap SSL certificate",
	"Creating new zimbra-mta SSL certificate",
	"Creating new zimbra-proxy SSL certificate",
	"Installing mailboxd SSL certificates",
	"Installing MTA SSL certificates",
	"Installing LDAP SSL certificate",
	"Installing Proxy SSL certificate",
	"Initializing ldap",
	"Setting replication password",
	"Setting Postfix password",
	"Setting amavis password",
	"Setting nginx password",
	"Setting BES searcher password",
	"Creating server entry for",
	"Setting Zimbra IP Mode",
	"Saving CA in ldap",
	"Saving SSL Certificate in ldap",
	"Setting spell check URL",
	"Setting service ports on",
	"Initializing mta config",
	"Setting services on",
	"Creating domain",
	"Setting default domain name",
	"Creating admin account",
	"Creating root alias",
	"Creating postmaster alias",
	"Creating user",
	"Setting spam training and Anti-virus quarantine accounts",
	"Initializing store sql database",
	"Setting zimbraSmtpHostname for",
	"Configuring SNMP",
	"Setting up syslog.conf",
	"Starting servers",
	"Enabling jetty logging",
	"Installing common zimlets",
	"Restarting mailboxd",
	"Creating galsync account for default domain",
	"Setting up zimbra crontab",
	"Moving /tmp/zmsetup",
};

/* Of install.sh: the lines that tell where it is, between a licence and lists of packages. */
static const char *const install_steps[] = {
	"Checking for existing installation",
	"Checking for installable packages",
	"Importing Zimbra GPG key",
	"Configuring package repository",
	"Beginning Installation",
	"Downloading packages",
	"Installing repo packages",
	"Installing local packages",
	"Installing extra packages",
	"Removing existing packages",
	"Shutting down zimbra mail",
	"Removing /opt/zimbra",
	"Removing deployed webapp",
	"Running Post Installation",
	"Software Installation complete",
};

static const char *const troubles[] = {"ERROR",	    "Error", "error:",	"failed",    "Failed",
				       "Unable to", "Abort", "WARNING", "is missing"};

/* One line of clean ASCII without the dots and the verdict behind it. */
static void tell(struct zi_doing *out, const char *line)
{
	size_t n = 0;

	for (; *line && !starts(line, "...") && n < sizeof(out->text) - 1; line++)
		out->text[n++] = *line >= 0x20 && *line < 0x7f ? *line : '?';
	while (n > 0 && strchr(" :-", out->text[n - 1]))
		n--;
	out->text[n] = '\0';
}

void zi_installer_line(const char *line, struct zi_doing *out)
{
	*out = (struct zi_doing){.percent = -1};
	line += strspn(line, " \t\r");
	for (size_t i = 0; i < ARRAY_SIZE(troubles); i++)
		out->trouble = out->trouble || strstr(line, troubles[i]);

	for (size_t i = 0; i < ARRAY_SIZE(setup_steps); i++) {
		if (starts(line, setup_steps[i])) {
			out->percent = (int)(i * 100 / ARRAY_SIZE(setup_steps));
			tell(out, line);
			return;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(install_steps); i++) {
		if (starts(line, install_steps[i])) {
			tell(out, line);
			return;
		}
	}
	/* "    zimbra-store...FOUND ...", "zimbra-core  will be installed." */
	if (starts(line, "zimbra-") && !strstr(line, "NOT FOUND"))
		tell(out, line);
}

size_t zi_last_lines(const char *text, size_t len, size_t n)
{
	size_t at = len;

	if (at > 0 && text[at - 1] == '\n')
		at--;
	while (at > 0) {
		if (text[at - 1] == '\n' && --n == 0)
			break;
		at--;
	}
	return at;
}

void zi_blank_secret(char *text, const char *secret)
{
	size_t len = strlen(secret);

	if (len == 0)
		return;
	for (char *p = text; (p = strstr(p, secret)); p += len)
		memset(p, '*', len);
}

static bool is_comment(const char *line, size_t len)
{
	while (len > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	return len > 0 && *line == '#';
}

ssize_t zi_rsyslog_conf(const char *text, size_t len, char *out, size_t size)
{
	static const char note[] = "# a container cannot read the kernel's log: ";
	size_t used = 0;
	bool changed = false;

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) + 1 : len;
		bool loads = memmem(text, n, "imklog", 6) && !is_comment(text, n);

		if (used + n + (loads ? sizeof(note) - 1 : 0) > size)
			return -E2BIG;
		if (loads) {
			memcpy(out + used, note, sizeof(note) - 1);
			used += sizeof(note) - 1;
			changed = true;
		}
		memcpy(out + used, text, n);
		used += n;
		text += n;
		len -= n;
	}
	return changed ? (ssize_t)used : 0;
}
