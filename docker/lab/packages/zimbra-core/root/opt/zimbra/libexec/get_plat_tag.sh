#!/bin/bash
# DEBIAN12_64, UBUNTU22_64, …: distribution, major version, word size.
id=unknown version=''
if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && echo "${ID:-unknown}")
    version=$(. /etc/os-release && echo "${VERSION_ID%%.*}")
fi
case $(uname -m) in
    x86_64 | aarch64) bits=_64 ;;
    *) bits='' ;;
esac
echo "${id^^}${version}${bits}"
