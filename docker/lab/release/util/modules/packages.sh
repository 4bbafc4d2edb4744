# shellcheck shell=bash disable=SC2154
# Finding and installing packages. The lab's own are in packages/; what they
# depend on comes from the jail's suite.

# The distribution's services, none of which may ever be started by its own scripts.
DISTRO_SERVICES="nginx dovecot postfix slapd saslauthd memcached"

apt() {
    DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical NEEDRESTART_SUSPEND=1 \
        apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o DPkg::Lock::Timeout=60 "$@" < /dev/null >> "$LOGFILE" 2>&1
}

packageFile() { compgen -G "$PACKAGE_DIR/$1_[0-9]*.deb"; }

notInLab() { [[ " $NOT_IN_LAB " == *" $1 "* ]]; }

configurePackageServer() {
    # whose dovecot, nginx and postfix understand the configuration that is generated
    case $PLATFORM in
        DEBIAN12_64 | UBUNTU22_64 | UBUNTU24_64) ;;
        *)
            echo "Aborting, unknown platform: $PLATFORM"
            exit 1
            ;;
    esac
    echo ""
    if [ -z "${USE_ZIMBRA_PACKAGE_SERVER:-}" ]; then
        askYN "Use Zimbra's package repository" "Y"
        USE_ZIMBRA_PACKAGE_SERVER=$response
    fi
    [ "$USE_ZIMBRA_PACKAGE_SERVER" = yes ] || return 0
    echo ""
    echo "Configuring package repository"
    # The lab's repository is the one that the jail has
    if ! apt update; then
        echo "ERROR: Unable to install packages via apt-get"
        echo "Please fix system to allow normal package installation before proceeding"
        exit 1
    fi
}

checkPackages() {
    local i
    echo ""
    echo "Checking for installable packages"
    echo ""
    for i in $CORE_PACKAGES $PACKAGES; do
        if packageFile "$i" > /dev/null; then
            echo "Found $i (local)"
        elif [[ " $CORE_PACKAGES " == *" $i "* ]]; then
            echo "ERROR: Required Core package $i not found in $PACKAGE_DIR"
            echo "Exiting"
            exit 1
        fi
    done
    echo ""
}

getInstallPackages() {
    local i
    echo ""
    echo "Select the packages to install"
    INSTALL_PACKAGES=$CORE_PACKAGES
    for i in $PACKAGES; do
        packageFile "$i" > /dev/null || continue
        askYN "Install $i" "Y"
        [ "$response" = no ] || INSTALL_PACKAGES="$INSTALL_PACKAGES $i"
    done
}

# The distribution's init script gives way to one that does nothing, before its
# package is there and for good: an update must not start or stop our servers.
muteServices() {
    local s f
    mkdir -p /etc/init.d
    for s in $DISTRO_SERVICES; do
        f=/etc/init.d/$s
        dpkg-divert --quiet --local --rename --divert "$f.distrib" --add "$f" >> "$LOGFILE" 2>&1 || return 1
        printf '#!/bin/sh\n# zmcontrol runs this server; the distribution'"'"'s script is beside, as %s.distrib\nexit 0\n' "$s" > "$f.zm"
        chmod 755 "$f.zm"
        mv -f "$f.zm" "$f"
    done
}

# The servers' users, made first and in one order: an installation that was cut
# short and taken up again has the same numbers as one that was not.
systemUsers() {
    local name home shell
    while read -r name home shell; do
        getent group "$name" > /dev/null || groupadd -r "$name" || return 1
        [ "$shell" != - ] || continue
        getent passwd "$name" > /dev/null || useradd -r -M -g "$name" -d "$home" -s "$shell" "$name" || return 1
    done << 'EOF'
zimbra /opt/zimbra /bin/bash
postfix /var/spool/postfix /usr/sbin/nologin
postdrop - -
dovecot /usr/lib/dovecot /usr/sbin/nologin
dovenull /nonexistent /usr/sbin/nologin
openldap /var/lib/ldap /bin/false
memcache /nonexistent /bin/false
EOF
}

preseed() { debconf-set-selections < "$MYDIR/data/debconf.seed" >> "$LOGFILE" 2>&1; }

installError() {
    echo ""
    echo "ERROR: Unable to install required packages"
    echo "Fix the issues with remote package installation and rerun the installer"
    echo ""
    tail -n 15 "$LOGFILE"
    exit 1
}

installPackages() {
    local pkg errors=0 names=() files=() distro=()
    echo ""
    echo "Beginning Installation - see $LOGFILE for details..."
    echo ""
    # what an installation that was cut short left half done
    dpkg --configure -a --force-confdef --force-confold < /dev/null >> "$LOGFILE" 2>&1

    [[ " $INSTALL_PACKAGES " == *" zimbra-core "* ]] || INSTALL_PACKAGES="zimbra-core $INSTALL_PACKAGES"
    for pkg in $INSTALL_PACKAGES; do
        if packageFile "$pkg" > /dev/null; then
            printf "%48s %s\n" "$pkg" "will be installed."
            names+=("$pkg")
            files+=("$(packageFile "$pkg")")
        elif notInLab "$pkg"; then
            printf "%48s %s\n" "$pkg" "is not part of the lab release; skipped."
        else
            printf "%48s %s\n" "$pkg" "is missing.                                    ERROR"
            errors=$((errors + 1))
        fi
    done
    if [ $errors -gt 0 ]; then
        echo ""
        echo "Unable to find missing packages in repository. System is not modified."
        exit 1
    fi

    muteServices || installError
    systemUsers >> "$LOGFILE" 2>&1 || installError
    preseed || installError
    mapfile -t distro < <(for pkg in "${files[@]}"; do
        dpkg-deb -f "$pkg" Depends | tr ',' '\n' | sed 's/[|(].*//; s/[[:space:]]//g' | grep -v '^zimbra-'
    done | sort -u)

    announce "Downloading packages" "${distro[@]}"
    apt --fix-broken install || installError
    apt --download-only install "${distro[@]}" || {
        echo "Unable to download packages from repository. System is not modified."
        exit 1
    }
    echo "done"

    announce "Installing repo packages" "${distro[@]}"
    apt install "${distro[@]}" || installError
    echo "done"

    announce "Installing local packages" "${names[@]}"
    # the same version again mends what is missing of it
    apt --reinstall --allow-downgrades install "${files[@]}" || installError
    echo "done"

    for pkg in "${files[@]}"; do
        history "INSTALLED $(basename "$pkg")"
    done
    echo ""
    echo "Running Post Installation Configuration:"
}

announce() {
    local banner=$1 p
    shift
    echo ""
    echo "$banner ($#):" | tee -a "$LOGFILE"
    for p in "$@"; do
        echo "   $p" | tee -a "$LOGFILE"
    done
    echo -n "      ..."
    echo "" >> "$LOGFILE"
}
