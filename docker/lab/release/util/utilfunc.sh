# shellcheck shell=bash disable=SC2154
# The questions that install.sh asks of the machine, and of a person.

isFQDN() { [[ $1 == *?.?* ]]; }

history() {
    mkdir -p /opt/zimbra
    echo "$(date +%s): $1" >> /opt/zimbra/.install_history
    sync -d /opt/zimbra/.install_history
}

askYN() {
    local answer
    while :; do
        echo ""
        echo -n "$1 [$2] "
        read -r answer || exit 1
        case ${answer:-$2} in
            y | Y | yes | Yes | YES) response=yes; return ;;
            n | N | no | No | NO) response=no; return ;;
        esac
        echo "A Yes/No answer is required"
    done
}

displayLicense() {
    echo ""
    echo ""
    cat "$MYDIR/docs/zcl.txt"
    echo ""
    echo ""
    if [ -z "$DEFAULTFILE" ]; then
        askYN "Do you agree with the terms of the software license agreement?" "N"
        [ "$response" = yes ] || exit 1
    fi
    echo ""
}

loadConfig() {
    perl -pi -e 's/\r//' "$1"
    echo ""
    echo -n "Loading configuration data from $1..."
    # shellcheck source=/dev/null
    source "$1"
    echo "done"
}

pkgVersion() { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2> /dev/null | sed -n 's/^installed //p'; }

checkExistingInstall() {
    local i v home shell
    if [ -L /opt ] || [ -L /opt/zimbra ]; then
        echo "Installation cannot continue if either /opt or /opt/zimbra are symbolic links."
        exit 1
    fi
    echo "Checking for existing installation..."
    for i in $PACKAGES $CORE_PACKAGES; do
        v=$(pkgVersion "$i")
        if [ -n "$v" ]; then
            echo "    $i...FOUND $i-$v"
            INSTALLED=yes
        else
            echo "    $i...NOT FOUND"
        fi
    done
    if [ "$INSTALLED" = no ] && id zimbra > /dev/null 2>&1; then
        home=$(getent passwd zimbra | cut -d: -f6)
        shell=$(getent passwd zimbra | cut -d: -f7)
        if [ "$home" != /opt/zimbra ]; then
            echo "Error - zimbra user exists with incorrect home directory: $home"
            echo "Exiting"
            exit 1
        fi
        if [ "${shell##*/}" != bash ]; then
            echo "Error - zimbra user exists with incorrect shell: $shell"
            echo "Exiting"
            exit 1
        fi
    fi
}

# REMOVE=yes in the defaults file: as Zimbra's, it wipes what is below /opt/zimbra, mount points included.
removeExistingInstall() {
    local p mp
    [ "${REMOVE:-no}" = yes ] || return 0
    [ "$INSTALLED" = yes ] || [ -e /opt/zimbra/.install_history ] || return 0
    echo ""
    echo "Removing existing packages"
    echo ""
    [ ! -x /opt/zimbra/bin/zmcontrol ] || su - zimbra -c "zmcontrol stop" > /dev/null 2>&1
    for p in $PACKAGES $CORE_PACKAGES; do
        dpkg-query -W "$p" > /dev/null 2>&1 || continue
        echo -n "   $p..."
        dpkg --purge --force-depends --force-remove-reinstreq "$p" >> "$LOGFILE" 2>&1 < /dev/null
        echo "done"
    done
    echo ""
    echo "Removing deployed webapp directories"
    for mp in $(mount | awk '$3 ~ "^/opt/zimbra/" { print $3 }'); do
        rm -rf "${mp:?}"/*
        umount -f "$mp"
    done
    rm -rf /opt/zimbra
    INSTALLED=no
}

checkRequired() {
    local line ip re
    if ! getent hosts 127.0.0.1 | head -n 1 | grep -Eq '^[0-9.]+[[:space:]]+localhost(\.localdomain)?([[:space:]]|$)'; then
        cat << EOF

  ERROR: Installation can not proceeed.  Please fix your /etc/hosts file
  to contain:

  127.0.0.1 localhost.localdomain localhost

EOF
        exit 1
    fi
    if ! isFQDN "$HOSTNAME"; then
        echo ""
        echo "  ERROR: Installation can not proceeed.  The host name is not fully qualified: $(hostname)"
        echo ""
        exit 1
    fi
    re=${HOSTNAME//./\\.}
    line=$(sed -e 's/#.*//' /etc/hosts | grep -Ei "[[:space:]]$re([[:space:]]|\$)" | head -n 1)
    ip=$(awk '{ print $1 }' <<< "$line")
    # getent echoes an address in its own form only when it is one
    if [ -z "$ip" ] || ! [[ $ip =~ ^[0-9a-fA-F.:]+$ ]] || ! getent ahosts "$ip" > /dev/null || [[ $ip == 127.* ]]; then
        cat << 'EOF'

  ERROR: Installation can not proceeed.  Please fix your /etc/hosts file
  to contain:

  <ip> <FQHN> <HN>

  Where <IP> is the ip address of the host, 
  <FQHN> is the FULLY QUALIFIED host name, and
  <HN> is the (optional) hostname-only portion

EOF
        exit 1
    fi
}

checkRequiredSpace() {
    local kb
    echo "Checking required space for zimbra-core"
    kb=$(df -Pk /tmp | awk 'NR == 2 { print $4 }')
    if [ "$((kb / 1024))" -lt 100 ]; then
        echo "/tmp must have at least 100MB of availble space to install."
        exit 1
    fi
}

checkPlatform() {
    local built
    built=$(cat "$MYDIR/.BUILD_PLATFORM")
    [ "$PLATFORM" != "$built" ] || return 0
    echo ""
    echo "You appear to be installing packages on a platform different"
    echo "than the platform for which they were built."
    echo ""
    echo "This platform is $PLATFORM"
    echo "Packages found: $built"
    echo "This may or may not work."
    echo ""
    if [ "$ALLOW_PLATFORM_OVERRIDE" != yes ]; then
        echo "Installation can not continue without manual override."
        echo "You can override this safety check with $0 --platform-override"
        exit 1
    fi
    askYN "Install anyway?" "N"
    [ "$response" = yes ] || { echo "Exiting..."; exit 1; }
}

verifyExecute() {
    askYN "The system will be modified.  Continue?" "N"
    [ "$response" = yes ] || { echo "Exiting - the system is unchanged"; exit 1; }
}
