/* The one table of settings: README, zctl config and the error messages come from here. */
#include "config_table.h"

#include <string.h>

/* A table, two lines a row: */
/* clang-format off */
const struct setting config_settings[CFG_COUNT] = {
	[CFG_EXTERNAL_HOST_FQDN] = {"EXTERNAL_HOST_FQDN", NULL, TYPE_FQDN, "",
		.help = "name of the mail server; unset: ZIMBRA_HOST_FQDN, else the container's host name"},
	[CFG_MAIL_DOMAINS] = {"MAIL_DOMAINS", NULL, TYPE_DOMAINS, "",
		.help = "mail domains, the first one is created with the admin account; unset: the host's domain"},
	[CFG_ADDITIONAL_MAIL_DOMAINS] = {"ADDITIONAL_MAIL_DOMAINS", NULL, TYPE_DOMAINS, "",
		.help = "more mail domains, created at installation"},
	[CFG_TLS_CRT_FILE_PATH] = {"TLS_CRT_FILE_PATH", NULL, TYPE_PATH, "/app/tls/zimbra.crt",
		.help = "certificate, as seen from the volume's root (read by the certificate watcher)"},
	[CFG_TLS_KEY_FILE_PATH] = {"TLS_KEY_FILE_PATH", NULL, TYPE_PATH, "/app/tls/zimbra.key",
		.help = "private key, as seen from the volume's root (read by the certificate watcher)"},
	[CFG_FIREWALL_ALLOW_TCP_PORTS_IN] = {"FIREWALL_ALLOW_TCP_PORTS_IN", NULL, TYPE_PORTS,
		"25,80,110,143,443,465,587,993,995,5222,5223", .reload = true,
		.help = "public TCP ports; 7071 and 9071 stay shut even if listed"},
	[CFG_FIREWALL_ALLOW_UDP_PORTS_IN] = {"FIREWALL_ALLOW_UDP_PORTS_IN", NULL, TYPE_PORTS, "", .reload = true,
		.help = "public UDP ports"},
	[CFG_FIREWALL_ADMIN_FROM] = {"FIREWALL_ADMIN_FROM", NULL, TYPE_PREFIXES, "", .reload = true,
		.help = "networks that may reach the admin ports 7071 and 9071"},
	[CFG_FIREWALL_LOG] = {"FIREWALL_LOG", NULL, TYPE_SWITCH, "off", .reload = true,
		.help = "on: packets that the filter drops are told in the log, a few of each class"},
	[CFG_FIREWALL_ADMIN_PUBLIC] = {"FIREWALL_ADMIN_PUBLIC", NULL, TYPE_SWITCH, "off", .reload = true,
		.help = "on: everybody may reach the admin ports 7071 and 9071"},
	[CFG_FIREWALL_LOCAL_FROM] = {"FIREWALL_LOCAL_FROM", NULL, TYPE_PREFIXES, "", .reload = true,
		.help = "local networks: they may reach 80, 110, 143, 389 and 636 where these are not public"},
	[CFG_FIREWALL_PEERS] = {"FIREWALL_PEERS", NULL, TYPE_PREFIXES, "", .reload = true,
		.help = "the other servers of a Zimbra of several: they may reach the ports between servers"},
	[CFG_FIREWALL_TRUSTED] = {"FIREWALL_TRUSTED", NULL, TYPE_PREFIXES, "", .reload = true,
		.help = "networks without limits per source, and never banned"},
	[CFG_FIREWALL_NEVER_BAN] = {"FIREWALL_NEVER_BAN", NULL, TYPE_PREFIXES, "", .reload = true,
		.help = "networks that are never banned"},
	[CFG_FIREWALL_NODE] = {"FIREWALL_NODE", NULL, TYPE_PREFIXES, "", .reload = true,
		.help = "addresses behind which all clients may come (Kubernetes: status.hostIP): no limits, no bans"},
	[CFG_FIREWALL_REVERSE_PATH] = {"FIREWALL_REVERSE_PATH", NULL, TYPE_CHOICE, "loose", "off|loose|strict",
		.reload = true, .help = "loose: a source must have a route back; strict: on the same interface"},
	[CFG_FIREWALL_NEW_PER_SOURCE] = {"FIREWALL_NEW_PER_SOURCE", NULL, TYPE_NUMBER, "100", .min = 0, .max = 1000000,
		.reload = true, .help = "new connections that one source may make per second; 0: no limit"},
	[CFG_FIREWALL_NEW_BURST] = {"FIREWALL_NEW_BURST", NULL, TYPE_NUMBER, "500", .min = 1, .max = 1000000,
		.reload = true, .help = "new connections that one source may make at once"},
	[CFG_FIREWALL_CONNECTIONS_PER_SOURCE] = {"FIREWALL_CONNECTIONS_PER_SOURCE", NULL, TYPE_NUMBER, "2000",
		.min = 0, .max = 1000000, .reload = true,
		.help = "connections that one source may have at the same time; 0: no limit"},
	[CFG_FIREWALL_HANDSHAKES] = {"FIREWALL_HANDSHAKES", NULL, TYPE_NUMBER, "50000", .min = 0, .max = 10000000,
		.reload = true, .help = "ends of handshakes per second, of all sources; 0: no limit"},
	[CFG_FIREWALL_ECHO] = {"FIREWALL_ECHO", NULL, TYPE_NUMBER, "5", .min = 1, .max = 100000, .reload = true,
		.help = "pings that are answered per second and family"},
	[CFG_FIREWALL_BLOCK_METADATA] = {"FIREWALL_BLOCK_METADATA", NULL, TYPE_SWITCH, "off", .reload = true,
		.help = "on: nothing in the container reaches a cloud's metadata service"},
	[CFG_ZIMBRA_FIREWALL] = {"ZIMBRA_FIREWALL", NULL, TYPE_CHOICE, "on", "off|on|monitor", .reload = true,
		.help = "off: no packet filter of ours; monitor: it counts what it would drop, and drops nothing"},
	[CFG_ZIMBRA_HOST_FQDN] = {"ZIMBRA_HOST_FQDN", NULL, TYPE_FQDN, "",
		.help = "name of the mail server, where EXTERNAL_HOST_FQDN is not set"},
	[CFG_ZIMBRA_OS_SUITE] = {"ZIMBRA_OS_SUITE", NULL, TYPE_CHOICE, "jammy", "jammy|bookworm",
		.help = "system to install on an empty volume"},
	[CFG_ZIMBRA_OS_MIRROR] = {"ZIMBRA_OS_MIRROR", NULL, TYPE_URL, "",
		.help = "package mirror; unset: the suite's archive (Debian: as in the image's apt sources)"},
	[CFG_ZIMBRA_OS_SECURITY_MIRROR] = {"ZIMBRA_OS_SECURITY_MIRROR", NULL, TYPE_URL, "",
		.help = "mirror of the security suite; unset: the suite's own"},
	[CFG_ZIMBRA_OS_KEYRING] = {"ZIMBRA_OS_KEYRING", NULL, TYPE_PATH, "",
		.help = "keyring file in the container that signs the mirror, instead of the archive's own keys"},
	[CFG_ZIMBRA_UNATTENDED_UPGRADES] = {"ZIMBRA_UNATTENDED_UPGRADES", NULL, TYPE_SWITCH, "on",
		.help = "install the system's security updates daily"},
	[CFG_ZIMBRA_TIMEZONE] = {"ZIMBRA_TIMEZONE", "TZ", TYPE_TIMEZONE, "Etc/UTC",
		.help = "time zone of the installation, e.g. Europe/Berlin"},
	[CFG_ZIMBRA_LOCALE] = {"ZIMBRA_LOCALE", NULL, TYPE_LOCALE, "en_US.UTF-8",
		.help = "locale of the installation"},
	[CFG_ZIMBRA_RELEASE] = {"ZIMBRA_RELEASE", NULL, TYPE_RELEASE, "",
		.help = "path of the release to install (a .tgz in the container or on the volume)"},
	[CFG_ZIMBRA_RELEASE_SHA256] = {"ZIMBRA_RELEASE_SHA256", NULL, TYPE_SHA256, "",
		.help = "its SHA-256, 64 hexadecimal digits; unset: not compared"},
	[CFG_ZIMBRA_ADMIN_PASSWORD] = {"ZIMBRA_ADMIN_PASSWORD", NULL, TYPE_PASSWORD, "",
		.help = "password of the admin account; unset: generated, kept in /data/app/.state/admin-password"},
	[CFG_ZIMBRA_START_TIMEOUT] = {"ZIMBRA_START_TIMEOUT", NULL, TYPE_NUMBER, "900", .min = 10, .max = 7200,
		.reload = true, .help = "seconds that zmcontrol start may take"},
	[CFG_ZIMBRA_STOP_TIMEOUT] = {"ZIMBRA_STOP_TIMEOUT", NULL, TYPE_NUMBER, "300", .min = 5, .max = 7200,
		.reload = true, .help = "seconds for a clean stop; give the container a longer one (--stop-timeout)"},
	[CFG_ZIMBRA_MIN_DISK] = {"ZIMBRA_MIN_DISK", NULL, TYPE_NUMBER, "8192", .min = 0, .max = 1L << 30,
		.help = "MiB that must be free on the volume before an installation; 0: do not look"},
	[CFG_ZIMBRA_MIN_MEMORY] = {"ZIMBRA_MIN_MEMORY", NULL, TYPE_NUMBER, "4096", .min = 0, .max = 1L << 30,
		.help = "MiB of memory that the container must have; 0: do not look"},
	[CFG_ZIMBRA_MIN_NOFILE] = {"ZIMBRA_MIN_NOFILE", NULL, TYPE_NUMBER, "524288", .min = 0, .max = 1L << 30,
		.help = "open files (hard limit) that the container must be allowed; 0: do not look"},
	[CFG_ZIMBRA_ALLOW_NOT_PID1] = {"ZIMBRA_ALLOW_NOT_PID1", NULL, TYPE_SWITCH, "off",
		.help = "on: run although zimbra-init is not PID 1 (the installation could then kill it)"},
};
/* clang-format on */

const char *config_name(enum config_id id)
{
	return config_settings[id].name;
}

const char *config_help(enum config_id id)
{
	return config_settings[id].help;
}

bool config_secret(enum config_id id)
{
	return config_settings[id].type == TYPE_PASSWORD;
}

bool config_reloadable(enum config_id id)
{
	return config_settings[id].reload;
}

const char *config_source_name(enum config_source s)
{
	switch (s) {
	case CONFIG_ENV:
		return "environment";
	case CONFIG_ENV_FILE:
		return "file";
	case CONFIG_VOLUME:
		return "zimbra.conf";
	case CONFIG_DEFAULT:
	default:
		return "default";
	}
}

const char *config_expected(enum config_id id)
{
	switch (config_settings[id].type) {
	case TYPE_SWITCH:
		return "on or off";
	case TYPE_NUMBER:
		return "a whole number"; /* the bounds are added where it is printed */
	case TYPE_CHOICE:
		return config_settings[id].choices;
	case TYPE_FQDN:
		return "a full host name with a dot, e.g. mail.example.org";
	case TYPE_DOMAINS:
		return "domains separated by commas, e.g. example.org,example.net";
	case TYPE_PORTS:
		return "ports and ranges from 1 to 65535, separated by commas, e.g. 25,80,5000-5010";
	case TYPE_PREFIXES:
		return "addresses or networks without host bits, separated by commas, e.g. "
		       "192.0.2.7,198.51.100.0/24,2001:db8::/32";
	case TYPE_URL:
		return "an http:// or https:// URL without user, query and fragment";
	case TYPE_PATH:
		return "an absolute path without \"..\"";
	case TYPE_RELEASE:
		return "an absolute path of a .tgz (a URL is refused until downloads exist)";
	case TYPE_SHA256:
		return "64 hexadecimal digits";
	case TYPE_TIMEZONE:
		return "a name below /usr/share/zoneinfo, e.g. Europe/Berlin";
	case TYPE_LOCALE:
		return "a UTF-8 locale, e.g. en_US.UTF-8 or C.UTF-8";
	case TYPE_PASSWORD:
	default:
		return "6 to 128 letters, digits and -_.,:@%+=/ (it passes through Zimbra's installer, which runs "
		       "shells)";
	}
}

/* Levenshtein with one row; names are short. */
static size_t distance(const char *a, const char *b)
{
	size_t row[CONFIG_NAME_MAX + 1];
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j];
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = above;
		}
	}
	return row[n];
}

const char *config_closest(const char *name)
{
	const char *best = NULL;
	size_t least = strlen(name) / 3 + 1;

	if (strlen(name) > CONFIG_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < CFG_COUNT; i++) {
		size_t d = distance(name, config_settings[i].name);
		if (d < least) {
			least = d;
			best = config_settings[i].name;
		}
	}
	return best;
}
