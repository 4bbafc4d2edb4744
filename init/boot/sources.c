#include "sources.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

PRINTF(3, 4) static ssize_t render(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n < 0 || (size_t)n >= size ? -ENOSPC : n;
}

/* Blanks end a field of sources.list, brackets hold options such as trusted=yes, a quote ends nothing good. */
static bool field_ok(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= 0x20 || (unsigned char)*s >= 0x7f || strchr("[]\"'\\#", *s))
			return false;
	return true;
}

ssize_t sources_render(const struct os_suite *suite, const struct os_mirrors *m, const char *signed_by, char *buf,
		       size_t size)
{
	if (!field_ok(m->main) || !field_ok(m->security) || !field_ok(signed_by))
		return -EINVAL;
	return render(buf, size,
		      "# Written by zimbra-init from ZIMBRA_OS_SUITE, ZIMBRA_OS_MIRROR, ZIMBRA_OS_SECURITY_MIRROR and\n"
		      "# ZIMBRA_OS_KEYRING. Edits stay until one of them changes.\n"
		      "deb [arch=amd64 signed-by=%s] %s %s %s\n"
		      "deb [arch=amd64 signed-by=%s] %s %s-updates %s\n"
		      "deb [arch=amd64 signed-by=%s] %s %s-security %s\n",
		      signed_by, m->main, suite->name, suite->components, signed_by, m->main, suite->name,
		      suite->components, signed_by, m->security, suite->name, suite->components);
}

/*
 * The ancestor's settings: release, security and ESM; updates, proposed and backports left out; everything that
 * nothing needs any more is removed; mail to root; never a reboot. Zimbra's own archive is no origin: it is
 * upgraded by hand.
 */
static const char ubuntu_origins[] = "\t\"${distro_id}:${distro_codename}\";\n"
				     "\t\"${distro_id}:${distro_codename}-security\";\n"
				     "\t\"${distro_id}ESMApps:${distro_codename}-apps-security\";\n"
				     "\t\"${distro_id}ESM:${distro_codename}-infra-security\";\n"
				     "//\t\"${distro_id}:${distro_codename}-updates\";\n";
static const char debian_origins[] = "\t\"origin=Debian,codename=${distro_codename},label=Debian\";\n"
				     "\t\"origin=Debian,codename=${distro_codename},label=Debian-Security\";\n"
				     "\t\"origin=Debian,codename=${distro_codename}-security,label=Debian-Security\";\n"
				     "//\t\"origin=Debian,codename=${distro_codename}-updates\";\n";

ssize_t sources_render_origins(const struct os_suite *suite, char *buf, size_t size)
{
	bool ubuntu = suite->family == OS_UBUNTU;

	return render(buf, size,
		      "// Written once by zimbra-init; yours to edit.\n"
		      "Unattended-Upgrade::%s {\n"
		      "%s"
		      "};\n"
		      "Unattended-Upgrade::Package-Blacklist {\n"
		      "};\n"
		      "%s"
		      "Unattended-Upgrade::Mail \"root\";\n"
		      "Unattended-Upgrade::MailOnlyOnError \"false\";\n"
		      "Unattended-Upgrade::Remove-Unused-Kernel-Packages \"true\";\n"
		      "Unattended-Upgrade::Remove-Unused-Dependencies \"true\";\n"
		      "Unattended-Upgrade::Automatic-Reboot \"false\";\n",
		      ubuntu ? "Allowed-Origins" : "Origins-Pattern", ubuntu ? ubuntu_origins : debian_origins,
		      ubuntu ? "Unattended-Upgrade::DevRelease \"false\";\n" : "");
}

ssize_t sources_render_auto(bool on, char *buf, size_t size)
{
	return render(buf, size,
		      "APT::Periodic::Update-Package-Lists \"1\";\n"
		      "APT::Periodic::Download-Upgradeable-Packages \"1\";\n"
		      "APT::Periodic::AutocleanInterval \"3\";\n"
		      "APT::Periodic::Unattended-Upgrade \"%d\";\n",
		      on);
}

void sources_parse_target(const char *line, const struct os_suite *suite, struct os_mirrors *m)
{
	const char *uri = strchr(line, ' ');
	size_t name = strlen(suite->name), len;
	char *into;

	if (!uri++ || strncmp(line, suite->name, name) != 0)
		return;
	/* Other schemes (file, cdrom, mirror) name something that the volume does not see. */
	if (strncmp(uri, "http://", 7) != 0 && strncmp(uri, "https://", 8) != 0)
		return;
	if (line[name] == ' ')
		into = m->main;
	else if (strncmp(line + name, "-security ", 10) == 0)
		into = m->security;
	else
		return;
	len = strlen(uri);
	while (len > 0 && uri[len - 1] == '/')
		len--;
	if (*into == '\0' && len < SOURCES_URL) {
		memcpy(into, uri, len);
		into[len] = '\0';
	}
}

ssize_t sources_add_locale(const char *text, const char *line, char *buf, size_t size)
{
	size_t len = strlen(line), text_len = strlen(text);

	for (const char *at = text; at; at = strchr(at, '\n')) {
		if (*at == '\n')
			at++;
		if (strncmp(at, line, len) == 0 && (at[len] == '\0' || strchr(" \t\r\n", at[len])))
			return render(buf, size, "%s", text);
	}
	return render(buf, size, "%s%s%s\n", text, text_len && text[text_len - 1] != '\n' ? "\n" : "", line);
}
