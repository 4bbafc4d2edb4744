#!/bin/bash
# build.sh OUT.tgz: packs the lab release. The same sources give the same
# bytes: names sorted, one time stamp, owner root, modes from the file's kind.
# LAB_PLATFORM (DEBIAN12_64) names the platform in the tarball, as Zimbra's does;
# the content is the same for all.
set -euo pipefail

if [ $# -ne 1 ]; then
    echo "usage: $0 OUT.tgz" >&2
    exit 1
fi
for tool in dpkg-deb tar gzip; do
    command -v $tool > /dev/null || { echo "$0: $tool is missing (Debian: dpkg, tar, gzip)" >&2; exit 1; }
done

here=$(cd "$(dirname "$0")" && pwd)
version=10.1.0
build=1001
stamp=20261121000000
platform=${LAB_PLATFORM:-DEBIAN12_64}
[[ $platform =~ ^[A-Z0-9_]+$ ]] || { echo "$0: LAB_PLATFORM=$platform: expected something like DEBIAN12_64" >&2; exit 1; }
debversion=$version.GA.$build
name=zcs-lab-${version}_GA_$build.$platform.$stamp
SOURCE_DATE_EPOCH=$(date -u -d "${stamp:0:4}-${stamp:4:2}-${stamp:6:2}" +%s)
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
top=$work/$name

# the executable bit is all that is kept of a mode
plain() { find "$1" -type d -exec chmod 755 {} + -o -type f -perm -100 -exec chmod 755 {} + -o -type f -exec chmod 644 {} +; }

mkdir -p "$top/packages" "$top/bin"
cp -R "$here/release/." "$top/"
cp "$here/packages/zimbra-core/root/opt/zimbra/libexec/get_plat_tag.sh" "$top/bin/"
echo "$platform" > "$top/.BUILD_PLATFORM"
echo FOSS > "$top/.BUILD_TYPE"
echo "$build" > "$top/.BUILD_NUM"
echo "${version}_GA" > "$top/.BUILD_RELEASE"

for dir in "$here"/packages/*/; do
    pkg=$(basename "$dir")
    stage=$work/$pkg
    mkdir -p "$stage/DEBIAN"
    cp -R "$dir/root/." "$stage/"
    if [ "$pkg" = zimbra-core ]; then
        echo "$debversion" > "$stage/opt/zimbra/.version"
    fi
    sed "s/@VERSION@/$debversion/" "$dir/control" > "$stage/DEBIAN/control"
    cat >> "$stage/DEBIAN/control" <<EOF
Version: $debversion
Architecture: all
Section: mail
Priority: optional
Maintainer: zimbra-init <root@localhost>
EOF
    for script in preinst postinst triggers; do
        if [ -f "$dir/$script" ]; then
            cp "$dir/$script" "$stage/DEBIAN/"
        fi
    done
    plain "$stage"
    if [ -d "$stage/etc/sudoers.d" ]; then
        chmod 440 "$stage"/etc/sudoers.d/*
    fi
    find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zgzip -z9 --build "$stage" "$top/packages/${pkg}_${debversion}_all.deb" > /dev/null
done

plain "$top"
out=$1
mkdir -p "$(dirname "$out")"
tar -C "$work" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -n -9 > "$out.new"
mv -f "$out.new" "$out"
