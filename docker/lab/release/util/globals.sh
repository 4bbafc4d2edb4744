# shellcheck shell=bash disable=SC2034
# First values; the defaults file is sourced over them.

LOGFILE=$(mktemp -t install.log.XXXXXXXX 2> /dev/null) || {
    echo "Failed to create tmpfile"
    exit 1
}
PLATFORM=$(bin/get_plat_tag.sh)

CORE_PACKAGES="zimbra-core"
PACKAGES="zimbra-ldap zimbra-logger zimbra-mta zimbra-dnscache zimbra-snmp zimbra-store zimbra-apache zimbra-spell zimbra-convertd zimbra-memcached zimbra-proxy zimbra-archiving"

# Packages of Zimbra's that have nothing to stand for them here: asked for, they are named and passed over.
NOT_IN_LAB="zimbra-logger zimbra-dnscache zimbra-snmp zimbra-apache zimbra-spell zimbra-convertd zimbra-archiving zimbra-imapd zimbra-drive zimbra-chat zimbra-patch zimbra-mta-patch zimbra-proxy-patch zimbra-ldap-patch zimbra-onlyoffice"
PACKAGE_DIR=$MYDIR/packages

INSTALLED=no
REMOVE=no
UPGRADE=no
INSTALL_PACKAGES=''
HOSTNAME=$(hostname --fqdn)
isFQDN "$HOSTNAME" || HOSTNAME=''
STARTSERVERS=yes
CREATEDOMAIN=${HOSTNAME#*.}
CREATEADMIN="admin@${CREATEDOMAIN}"
CREATEADMINPASS=''
