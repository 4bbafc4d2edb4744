#include "ports.h"

/*
 * Peers need what the servers of one Zimbra say to each other: the published ports of one another, and the class of
 * internal services that listen for other hosts. What listens on the loopback interface only is nobody's.
 */
const struct fw_port fw_ports[] = {
	/* port, name, class, local, peer, what */
	{25, "smtp", FW_PORT_PUBLIC, false, true, "postfix"},
	{80, "http", FW_PORT_PUBLIC, true, true, "nginx"},
	{110, "pop3", FW_PORT_PUBLIC, true, true, "nginx"},
	{143, "imap", FW_PORT_PUBLIC, true, true, "nginx"},
	{389, "ldap", FW_PORT_INTERNAL, true, true, "slapd"},
	{443, "https", FW_PORT_PUBLIC, false, true, "nginx"},
	{465, "smtps", FW_PORT_PUBLIC, false, true, "postfix"},
	{587, "submission", FW_PORT_PUBLIC, false, true, "postfix"},
	{636, "ldaps", FW_PORT_INTERNAL, true, true, "slapd"},
	{993, "imaps", FW_PORT_PUBLIC, false, true, "nginx"},
	{995, "pop3s", FW_PORT_PUBLIC, false, true, "nginx"},
	{3310, "clamd", FW_PORT_INTERNAL, false, false, "clamd"},
	{3443, "https-clientcert", FW_PORT_INTERNAL, false, true, "nginx"},
	{5222, "xmpp", FW_PORT_PUBLIC, false, true, "mailboxd"},
	{5223, "xmpps", FW_PORT_PUBLIC, false, true, "mailboxd"},
	{5269, "xmpp-server", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{7025, "lmtp", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{7026, "milter", FW_PORT_INTERNAL, false, false, "mailboxd"},
	{7047, "convertd", FW_PORT_INTERNAL, false, true, "convertd"},
	{7071, "admin", FW_PORT_GATED, false, true, "mailboxd"},
	{7072, "lookup", FW_PORT_INTERNAL, false, true, "mailboxd, for nginx"},
	{7073, "mta-auth", FW_PORT_INTERNAL, false, true, "mailboxd, for saslauthd: a full admin interface"},
	{7074, "doc-callback", FW_PORT_INTERNAL, false, false, "mailboxd"},
	{7084, "onlyoffice", FW_PORT_INTERNAL, false, false, "onlyoffice"},
	{7085, "onlyoffice-ssl", FW_PORT_INTERNAL, false, false, "onlyoffice"},
	{7110, "pop3-backend", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{7143, "imap-backend", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{7171, "zmconfigd", FW_PORT_INTERNAL, false, true, "zmconfigd"},
	{7306, "mysql", FW_PORT_INTERNAL, false, false, "mysqld"},
	{7307, "mysql-logger", FW_PORT_INTERNAL, false, false, "mysqld"},
	{7308, "mysql-antispam", FW_PORT_INTERNAL, false, false, "mysqld"},
	{7780, "spell", FW_PORT_INTERNAL, false, true, "httpd"},
	{7993, "imaps-backend", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{7995, "pop3s-backend", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{8080, "http-backend", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{8143, "imapd", FW_PORT_INTERNAL, false, true, "imapd"},
	{8443, "https-backend", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{8465, "opendkim", FW_PORT_INTERNAL, false, false, "opendkim"},
	{8735, "mailbox-link", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{8736, "shared-config", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{8993, "imapds", FW_PORT_INTERNAL, false, true, "imapd"},
	{9071, "admin-proxy", FW_PORT_GATED, false, true, "nginx"},
	{9443, "clientcert-backend", FW_PORT_INTERNAL, false, true, "mailboxd"},
	{10024, "amavis", FW_PORT_INTERNAL, false, false, "amavisd"},
	{10025, "reinjection", FW_PORT_INTERNAL, false, false, "postfix"},
	{10026, "amavis-orig", FW_PORT_INTERNAL, false, false, "amavisd"},
	{10027, "reinjection-orig", FW_PORT_INTERNAL, false, false, "postfix"},
	{10028, "content-filter", FW_PORT_INTERNAL, false, false, "postfix"},
	{10029, "archive", FW_PORT_INTERNAL, false, false, "postfix"},
	{10030, "reinjection-dkim", FW_PORT_INTERNAL, false, false, "postfix"},
	{10031, "policyd", FW_PORT_INTERNAL, false, false, "cbpolicyd"},
	{10032, "amavis-archive", FW_PORT_INTERNAL, false, false, "amavisd"},
	{10663, "logger", FW_PORT_INTERNAL, false, false, "zmlogger"},
	{11211, "memcached", FW_PORT_INTERNAL, false, true, "memcached"},
	{23232, "amavis-services", FW_PORT_INTERNAL, false, false, "amavis-services"},
	{23233, "snmp-responder", FW_PORT_INTERNAL, false, false, "snmp-responder"},
};
const size_t fw_ports_count = sizeof(fw_ports) / sizeof(fw_ports[0]);

const char *fw_port_class_name(enum fw_port_class c)
{
	switch (c) {
	case FW_PORT_PUBLIC:
		return "public";
	case FW_PORT_GATED:
		return "gated";
	case FW_PORT_INTERNAL:
	default:
		return "internal";
	}
}

const struct fw_port *fw_port_find(uint16_t port)
{
	for (size_t i = 0; i < fw_ports_count; i++)
		if (fw_ports[i].port == port)
			return &fw_ports[i];
	return NULL;
}
