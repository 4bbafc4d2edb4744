/*
 * The answers file of an unattended installation. Two programs read the same file in two ways, as root:
 * install.sh sources it with bash (zm-build rpmconf/Install/Util/utilfunc.sh, loadConfig); zmsetup.pl -c splits each
 * line at the first '=', drops every '"' and pastes values into `su - zimbra -c "... 'VALUE' ..."` (zmsetup.pl,
 * loadConfig and runAsZimbra). So a value may hold only characters that mean nothing to any of them.
 *
 * As few keys as a single server needs: a key is here because zmsetup.pl's own default (setDefaults) is wrong for us.
 * Its defaults for ports, the proxy, memory and every LDAP password (generated) are right and stay its own.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * All that a single server without dnscache needs (the container has its resolver). Other editions of the release
 * (patch packages, chat, drive) come as dependencies or not at all.
 */
#define PACKAGES                                                                                                       \
	"zimbra-core zimbra-ldap zimbra-logger zimbra-mta zimbra-snmp zimbra-store zimbra-apache zimbra-spell "        \
	"zimbra-memcached zimbra-proxy"

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool made_of(const char *s, const char *more)
{
	for (; *s; s++)
		if (!alnum(*s) && !strchr(more, *s))
			return false;
	return true;
}

bool zi_password_ok(const char *password)
{
	size_t len = strlen(password);

	return len >= 6 && len < ZI_PASSWORD && made_of(password, "-_.,:@%+=/");
}

struct out {
	char *buf;
	size_t size, used;
	const char **bad;
	int err;
};

/* KEY="VALUE"; more: the characters that this value may hold beside letters and digits. */
static void PRINTF(4, 5) put(struct out *o, const char *key, const char *more, const char *fmt, ...)
{
	char value[ZI_NETWORKS];
	va_list ap;
	int n;

	if (o->err)
		return;
	va_start(ap, fmt);
	n = vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(value)) {
		o->err = -E2BIG;
		return;
	}
	if (!made_of(value, more)) {
		*o->bad = key;
		o->err = -EINVAL;
		return;
	}
	n = snprintf(o->buf + o->used, o->size - o->used, "%s=\"%s\"\n", key, value);
	if (n < 0 || (size_t)n >= o->size - o->used)
		o->err = -E2BIG;
	else
		o->used += (size_t)n;
}

/*
 * zmsetup.pl sizes the JVM and MariaDB by MemTotal (getSystemMemory, zmmycnf), which in a container is the machine's.
 * The same shares of what the container may use: 25 % of up to 16 GB, else 20 %; 30 % for MariaDB, scaled.
 */
static void put_memory(struct out *o, const struct zi_answers *a)
{
	if (a->limit_mb == 0 || a->host_mb == 0 || a->limit_mb >= a->host_mb)
		return;
	unsigned share = a->limit_mb > 16 * 1024 ? 5 : 4;
	unsigned percent = (unsigned)((uint64_t)30 * a->limit_mb / a->host_mb);

	put(o, "MAILBOXDMEMORY", "", "%u", a->limit_mb / share);
	put(o, "MYSQLMEMORYPERCENT", "", "%u", percent ? percent : 1);
}

ssize_t zi_answers_render(const struct zi_answers *a, char *buf, size_t size, const char **bad)
{
	static const char name[] = "-.", mail[] = "-.@";
	struct out o = {.buf = buf, .size = size, .bad = bad};

	*bad = NULL;
	if (!zi_password_ok(a->admin_password)) {
		*bad = "CREATEADMINPASS";
		return -EINVAL;
	}

	/* Read by install.sh; without the first two it would ask. */
	put(&o, "INSTALL_PACKAGES", " -", "%s", PACKAGES);
	put(&o, "USE_ZIMBRA_PACKAGE_SERVER", "", "yes");
	put(&o, "PACKAGE_SERVER", ".", "repo.zimbra.com");
	put(&o, "UPGRADE", "", "no");
	put(&o, "REMOVE", "", "%s", a->remove ? "yes" : "no");

	put(&o, "HOSTNAME", name, "%s", a->fqdn);
	put(&o, "LDAPHOST", name, "%s", a->fqdn);
	put(&o, "SMTPHOST", name, "%s", a->fqdn);
	put(&o, "zimbraIPMode", "", "%s", a->ip_mode);
	/* Its default is whole subnets (zmserverips): the bridge's gateway in it, behind a proxy, is an open relay. */
	put(&o, "zimbraMtaMyNetworks", " .:/[]", "%s", a->networks);

	/* Its defaults are of a domain named like the host. */
	put(&o, "CREATEDOMAIN", name, "%s", a->domain);
	put(&o, "DOCREATEDOMAIN", "", "yes");
	put(&o, "zimbraDefaultDomainName", name, "%s", a->domain);
	put(&o, "CREATEADMIN", mail, "admin@%s", a->domain);
	put(&o, "DOCREATEADMIN", "", "yes");
	put(&o, "CREATEADMINPASS", "-_.,:@%+=/", "%s", a->admin_password);
	put(&o, "AVUSER", mail, "admin@%s", a->domain);
	put(&o, "AVDOMAIN", name, "%s", a->domain);
	put(&o, "SMTPSOURCE", mail, "admin@%s", a->domain);
	put(&o, "SMTPDEST", mail, "admin@%s", a->domain);
	put(&o, "zimbraVersionCheckNotificationEmail", mail, "admin@%s", a->domain);
	put(&o, "zimbraVersionCheckNotificationEmailFrom", mail, "admin@%s", a->domain);
	put(&o, "TRAINSASPAM", mail, "spam.%s@%s", a->suffix, a->domain);
	put(&o, "TRAINSAHAM", mail, "ham.%s@%s", a->suffix, a->domain);
	put(&o, "VIRUSQUARANTINE", mail, "virus-quarantine.%s@%s", a->suffix, a->domain);

	/* Port 80 answers, with a redirection; "https" would leave it dead. */
	put(&o, "PROXYMODE", "", "redirect");
	/* "yes" is what the code compares with: the "TRUE" of every public template means no (configSetProxyPrefs). */
	put(&o, "STRICTSERVERNAMEENABLED", "", "yes");
	put_memory(&o, a);
	/* UTC has another name among Zimbra's zones; zmsetup.pl finds it by `date +%Z`. */
	if (a->timezone[0] && strncmp(a->timezone, "Etc/", 4) != 0 && strcmp(a->timezone, "UTC") != 0)
		put(&o, "zimbraPrefTimeZoneId", "-_+/", "%s", a->timezone);
	/* Zimlets and the GAL account need running servers (applyConfig). */
	put(&o, "STARTSERVERS", "", "yes");
	return o.err ? o.err : (ssize_t)o.used;
}

int zi_networks_add(char *list, size_t size, int family, const char *address)
{
	size_t used = strlen(list);
	int n = snprintf(list + used, size - used, family == AF_INET6 ? " [%s]/128" : " %s/32", address);

	if (n < 0 || (size_t)n >= size - used) {
		list[used] = '\0';
		return -E2BIG;
	}
	return 0;
}

bool zi_list_entry(const char *list, size_t n, char out[static ZI_FQDN])
{
	for (;;) {
		list += strspn(list, ", ");
		size_t len = strcspn(list, ", ");
		if (len == 0)
			return false;
		if (n-- == 0) {
			if (len >= ZI_FQDN)
				return false;
			memcpy(out, list, len);
			out[len] = '\0';
			return true;
		}
		list += len;
	}
}

int zi_first_domain(const char *mail_domains, const char *fqdn, char out[static ZI_FQDN])
{
	const char *dot = strchr(fqdn, '.');

	if (zi_list_entry(mail_domains, 0, out))
		return 0;
	if (!dot || strlen(fqdn) >= ZI_FQDN)
		return -EINVAL;
	(void)snprintf(out, ZI_FQDN, "%s", strchr(dot + 1, '.') ? dot + 1 : fqdn);
	return 0;
}
