#include "suite.h"

#include <string.h>

/*
 * Zimbra's own dependencies ("zimbra-os-requirements" of its packages, zimbra-mta's sqlite3), then what its installer
 * and its scripts call without depending on it (cron, logrotate, locales, ssh-keygen, ifconfig, netstat, ip, fuser,
 * getent, wget), then what keeps the system alive (unattended-upgrades). No mail-transport-agent and nothing that
 * recommends one hard: Zimbra's installer refuses to go on beside it. resolvconf is Zimbra's wish; the answer that
 * keeps it from taking over /etc/resolv.conf is given before it is unpacked (bootstrap.c).
 */
#define PACKAGES_ZIMBRA                                                                                                \
	"file,libaio1,libcap2-bin,libexpat1,libgmp10,libidn12,libpcre3,libsocket6-perl,libstdc++6,lsb-release,"        \
	"net-tools,netcat-openbsd,pax,perl,procps,resolvconf,rsyslog,sqlite3,sudo,sysstat,unzip"
#define PACKAGES_SCRIPTS                                                                                               \
	"ca-certificates,cron,gnupg,hostname,iproute2,locales,logrotate,nano,openssh-client,psmisc,tzdata,"            \
	"unattended-upgrades,wget"

static const struct os_suite suites[] = {
	{
		.name = "jammy",
		.family = OS_UBUNTU,
		.components = "main universe",
		.mirror = "http://archive.ubuntu.com/ubuntu",
		.security_mirror = "http://security.ubuntu.com/ubuntu",
		.keyring = "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
		.packages = PACKAGES_ZIMBRA ",libperl5.34," PACKAGES_SCRIPTS,
	},
	{
		.name = "bookworm",
		.family = OS_DEBIAN,
		.components = "main",
		.keyring = "/usr/share/keyrings/debian-archive-keyring.gpg",
		.packages = PACKAGES_ZIMBRA ",libperl5.36," PACKAGES_SCRIPTS,
	},
};

const struct os_suite *os_suite_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
		if (strcmp(suites[i].name, name) == 0)
			return &suites[i];
	return NULL;
}
