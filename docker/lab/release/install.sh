#!/bin/bash
# install.sh [-s] [-x] [--platform-override] [defaultsfile]: installs the lab
# release's packages. Called as Zimbra's: from its own folder, as root. With a
# defaults file it asks nothing; -s stops before zmsetup.pl.

# shellcheck source-path=SCRIPTDIR disable=SC2034 # read by the files that are sourced

PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
umask 022

if [ "$(id -u)" -ne 0 ]; then
    echo "Run as root!"
    exit 1
fi
if [ ! -x /usr/bin/perl ]; then
    echo "ERROR: System perl at /usr/bin/perl must be present before installation."
    exit 1
fi

MYDIR=$(cd "$(dirname "$0")" && pwd)

# shellcheck source=util/utilfunc.sh
. ./util/utilfunc.sh || exit 1
for i in ./util/modules/*sh; do
    # shellcheck source=/dev/null
    . "$i"
done

SOFTWAREONLY=no
ALLOW_PLATFORM_OVERRIDE=no
SKIPSPACECHECK=no
DEFAULTFILE=''

usage() {
    echo "$0 [-s -x -h --platform-override] [defaultsfile]"
    echo ""
    echo "-h|--help               Usage"
    echo "-s|--softwareonly       Software only installation."
    echo "-x|--skipspacecheck     Skip filesystem capacity checks."
    echo "--platform-override     Allows installer to continue on an unknown OS."
    echo "[defaultsfile]          File containing default install values."
    echo ""
    exit
}

while [ $# -ne 0 ]; do
    case $1 in
        -s | --softwareonly) SOFTWAREONLY=yes ;;
        -x | --skipspacecheck) SKIPSPACECHECK=yes ;;
        -platform-override | --platform-override) ALLOW_PLATFORM_OVERRIDE=yes ;;
        -h | -help | --help) usage ;;
        *)
            DEFAULTFILE=$1
            if [ ! -f "$DEFAULTFILE" ]; then
                echo "ERROR: Unknown option $DEFAULTFILE"
                usage
            fi
            ;;
    esac
    shift
done

# shellcheck source=util/globals.sh
. ./util/globals.sh

echo ""
echo "Operations logged to $LOGFILE"

AUTOINSTALL=no
[ -z "$DEFAULTFILE" ] || AUTOINSTALL=yes

checkExistingInstall
displayLicense
if [ $AUTOINSTALL = yes ]; then
    loadConfig "$DEFAULTFILE"
fi
removeExistingInstall
checkRequired
configurePackageServer
checkPackages

if [ $AUTOINSTALL = no ]; then
    [ $SKIPSPACECHECK = yes ] || checkRequiredSpace
    getInstallPackages
    checkPlatform
    verifyExecute
fi

history "INSTALL SESSION START"
installPackages
history "INSTALL SESSION COMPLETE"

if [ $SOFTWAREONLY = yes ]; then
    echo ""
    echo "Software Installation complete!"
    echo ""
    echo "Operations logged to $LOGFILE"
    echo ""
    exit 0
fi

if [ -n "$DEFAULTFILE" ]; then
    /opt/zimbra/libexec/zmsetup.pl -c "$DEFAULTFILE"
else
    /opt/zimbra/libexec/zmsetup.pl
fi
