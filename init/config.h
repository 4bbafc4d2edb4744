/*
 * The settings: environment variables with our prefixes and the ancestor's names, each also as NAME_FILE
 * (secrets mounted as files), or the same names as KEY=value lines in /data/app/zimbra.conf; the environment wins.
 *
 * Reading is pure: config_load takes texts and gives values or one error that names the variable, its value, what
 * was expected and the closest known name.
 */
#pragma once

#include "../firewall/firewall.h"
#include "util.h"

enum config_id {
	CFG_EXTERNAL_HOST_FQDN,
	CFG_MAIL_DOMAINS,
	CFG_ADDITIONAL_MAIL_DOMAINS,
	CFG_TLS_CRT_FILE_PATH,
	CFG_TLS_KEY_FILE_PATH,
	CFG_FIREWALL_ALLOW_TCP_PORTS_IN,
	CFG_FIREWALL_ALLOW_UDP_PORTS_IN,
	CFG_FIREWALL_ADMIN_FROM,
	CFG_FIREWALL_ADMIN_PUBLIC, /* on, off */
	CFG_FIREWALL_LOCAL_FROM,
	CFG_FIREWALL_PEERS,
	CFG_FIREWALL_TRUSTED,
	CFG_FIREWALL_NEVER_BAN,
	CFG_FIREWALL_NODE,
	CFG_FIREWALL_REVERSE_PATH, /* off, loose, strict: enum fw_reverse_path */
	CFG_FIREWALL_NEW_PER_SOURCE,
	CFG_FIREWALL_NEW_BURST,
	CFG_FIREWALL_CONNECTIONS_PER_SOURCE,
	CFG_FIREWALL_HANDSHAKES,
	CFG_FIREWALL_ECHO,
	CFG_FIREWALL_BLOCK_METADATA, /* on, off */
	CFG_FIREWALL_LOG,	     /* on, off */
	CFG_ZIMBRA_FIREWALL,	     /* off, on, monitor: enum config_firewall */
	CFG_ZIMBRA_HOST_FQDN,
	CFG_ZIMBRA_OS_SUITE,  /* jammy, bookworm */
	CFG_ZIMBRA_OS_MIRROR, /* URL, or empty: the suite's default */
	CFG_ZIMBRA_OS_SECURITY_MIRROR,
	CFG_ZIMBRA_OS_KEYRING,		/* path in the image of the keyring to trust instead of the pinned keys */
	CFG_ZIMBRA_UNATTENDED_UPGRADES, /* on, off */
	CFG_ZIMBRA_TIMEZONE,		/* Europe/Berlin; TZ is the fallback */
	CFG_ZIMBRA_LOCALE,
	CFG_ZIMBRA_RELEASE, /* path (in the container, or on the volume) */
	CFG_ZIMBRA_RELEASE_SHA256,
	CFG_ZIMBRA_ADMIN_PASSWORD, /* secret */
	CFG_ZIMBRA_START_TIMEOUT,  /* seconds */
	CFG_ZIMBRA_STOP_TIMEOUT,   /* seconds */
	CFG_ZIMBRA_MIN_DISK,	   /* MiB free on the volume before an installation; 0: do not check */
	CFG_ZIMBRA_MIN_MEMORY,	   /* MiB */
	CFG_ZIMBRA_MIN_NOFILE,	   /* descriptors, hard limit */
	CFG_ZIMBRA_ALLOW_NOT_PID1, /* on, off */
	CFG_COUNT
};

enum config_firewall { FIREWALL_OFF, FIREWALL_ON, FIREWALL_MONITOR };

enum config_source { CONFIG_DEFAULT, CONFIG_ENV, CONFIG_ENV_FILE, CONFIG_VOLUME };

struct config {
	char *value[CFG_COUNT]; /* canonical text, never NULL after config_load; "" = unset */
	long number[CFG_COUNT]; /* of numbers, 0/1 of switches, which one of choices */
	enum config_source source[CFG_COUNT];
	/* Parsed once, with 7071 and 9071 already cut out of the public list. What the kernel can do is not in it. */
	struct fw_policy policy;
	bool admin_port_cut; /* the list named 7071 or 9071: warned about at start */
};

struct config_error {
	char text[512];
};

static inline const char *config_str(const struct config *c, enum config_id id)
{
	return c->value[id];
}
static inline long config_num(const struct config *c, enum config_id id)
{
	return c->number[id];
}
static inline bool config_on(const struct config *c, enum config_id id)
{
	return c->number[id] != 0;
}

/* Reads a NAME_FILE: at most max bytes into buf; bytes or -errno. Passed in, so that config_load stays pure. */
typedef ssize_t config_read_file(const char *path, char *buf, size_t max);

/* 0, or -EINVAL with the error filled; *out is then zero. file: text of zimbra.conf, NULL if there is none. */
int config_load(const char *const *env, const char *file, size_t file_len, config_read_file *read_file,
		struct config *out, struct config_error *err);
void config_free(struct config *c);

/* Static facts of a setting. */
const char *config_name(enum config_id id);
const char *config_help(enum config_id id); /* one line: what it does, unit */
const char *config_expected(enum config_id id);
bool config_secret(enum config_id id);	   /* never shown */
bool config_reloadable(enum config_id id); /* may change by HUP without a restart of the container */
const char *config_source_name(enum config_source s);

/* True for a name that starts with one of our prefixes but belongs to Kubernetes' service links. */
bool config_is_service_link(const char *name, const char *value);
