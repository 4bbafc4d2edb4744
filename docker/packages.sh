#!/bin/bash
# Prints, then installs, the Debian packages that a command of the Makefile lacks.
#
#   packages.sh SET...          SET: build engine run test lint bench fuzz
#   packages.sh --list SET...   only prints every name of the sets (the Dockerfile's builder stage)
#   NO_APT=1                    prints what is missing and stops, exit 1
#
# Standalone on purpose (no lib.sh): the builder stage copies this file alone.
set -euo pipefail

# SET PACKAGE PROBE. The probe finds the same thing where it did not come from Debian's package: a command that is there
# counts as there (docker-ce's dockerd, LLVM's clang-format); libraries and Python modules are probed only on other systems.
table() {
	cat <<-'END'
		build   gcc                     cmd:gcc
		build   libc6-dev               file:/usr/include/stdio.h
		build   make                    cmd:make
		build   pkg-config              cmd:pkg-config
		build   libmnl-dev              lib:libmnl
		build   libnftnl-dev            lib:libnftnl
		build   libcap-dev              lib:libcap
		build   libseccomp-dev          lib:libseccomp
		build   libcurl4-openssl-dev    lib:libcurl
		build   libssl-dev              lib:openssl
		build   libjansson-dev          lib:jansson
		engine  docker.io               cmd:dockerd
		engine  iptables                cmd:iptables
		engine  iproute2                cmd:ip
		engine  mmdebstrap              cmd:mmdebstrap
		engine  ca-certificates         file:/etc/ssl/certs/ca-certificates.crt
		engine  mount                   cmd:mount
		run     python3-minimal         cmd:python3
		test    libcmocka-dev           lib:cmocka
		test    python3                 file:/usr/bin/python3
		test    python3-pytest          py:pytest
		test    python3-scapy           py:scapy
		test    iproute2                cmd:ip
		test    nftables                cmd:nft
		test    nmap                    cmd:nmap
		test    mmdebstrap              cmd:mmdebstrap
		test    debootstrap             cmd:debootstrap
		test    curl                    cmd:curl
		test    openssl                 cmd:openssl
		test    procps                  cmd:ps
		lint    clang-format            cmd:clang-format
		lint    clang-tidy              cmd:clang-tidy
		lint    shellcheck              cmd:shellcheck
		lint    cppcheck                cmd:cppcheck
		bench   tini                    cmd:tini
		bench   dumb-init               cmd:dumb-init
		bench   catatonit               cmd:catatonit
		bench   hyperfine               cmd:hyperfine
		bench   mmdebstrap              cmd:mmdebstrap
		bench   debootstrap             cmd:debootstrap
		bench   python3                 file:/usr/bin/python3
		bench   nftables                cmd:nft
		bench   iptables                cmd:iptables
		bench   ipset                   cmd:ipset
		bench   conntrack               cmd:conntrack
		bench   ethtool                 cmd:ethtool
		bench   iproute2                cmd:ip
		bench   procps                  cmd:sysctl
		fuzz    clang                   cmd:clang
		fuzz    libclang-rt-14-dev      file:/usr/lib/llvm-14/lib/clang
	END
	# A kernel with AppArmor makes dockerd load its profile with apparmor_parser, and fail every container without it.
	if [[ $(cat /sys/module/apparmor/parameters/enabled 2>/dev/null) == Y ]]; then
		echo 'engine apparmor cmd:apparmor_parser'
	fi
}

say() { printf '%s\n' "$*" >&2; }
die() { say "packages: $*"; exit 1; }

found() { # PROBE
	case $1 in
	cmd:*) PATH=$PATH:/usr/sbin:/sbin command -v "${1#cmd:}" >/dev/null ;;
	lib:*) pkg-config --exists "${1#lib:}" 2>/dev/null ;;
	py:*) /usr/bin/python3 -c "import ${1#py:}" 2>/dev/null ;;
	file:*) [[ -e ${1#file:} ]] ;;
	esac
}

# Names on stdout, one per line. On Debian dpkg is asked once for all; elsewhere only the probes can tell.
lacking() {
	local set package probe installed=
	[[ $system != debian12 ]] ||
		installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p')
	while read -r set package probe; do
		[[ " $sets " == *" $set "* ]] || continue
		if [[ $system == debian12 ]]; then
			grep --quiet --fixed-strings --line-regexp -- "$package" <<<"$installed" && continue
			[[ $probe != cmd:* ]] || ! found "$probe" || continue
		else
			! found "$probe" || continue
		fi
		echo "$package"
	done <<<"$all" | sort --unique
}

# apt knows every name: also true with a broken third-party source, as long as Debian's own lists are there.
known() { [[ $(apt-cache show --no-all-versions "$@" 2>/dev/null | grep --count '^Package: ') -ge $# ]]; }

# A package that holds a service would start it (docker.io its dockerd, which would be the wrong one). policy-rc.d is Debian's way
# to forbid that. What was there is moved aside and put back, also after an interruption, at the latest by the next call.
policy=/usr/sbin/policy-rc.d
aside=$policy.before-zimbra
mark='# temporary, by zimbra-init docker/packages.sh'

policy_restore() {
	if [[ -e $aside || -L $aside ]]; then
		mv --force "$aside" "$policy"
	elif [[ -e $policy ]] && grep --quiet --fixed-strings "$mark" "$policy"; then
		rm --force "$policy"
	fi
}

policy_deny() {
	policy_restore
	[[ ! -e $policy && ! -L $policy ]] || mv "$policy" "$aside"
	trap policy_restore EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy"
	chmod 0755 "$policy"
}

update() {
	# Its exit code is that of the worst source; whether it was enough is seen by the names it now knows.
	say "packages: apt-get update"
	apt-get --quiet=2 update >&2 || true
}

install() {
	DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --yes --no-install-recommends \
		--option DPkg::Lock::Timeout=300 --option Dpkg::Use-Pty=0 install "$@" >&2 </dev/null
}

# ---- main

[[ $# -gt 0 ]] || die "usage: packages.sh [--list] SET... (build engine run test lint bench fuzz)"
list=
[[ $1 != --list ]] || { list=1; shift; }
sets=$*
all=$(table)
for set in "$@"; do
	grep --quiet "^$set " <<<"$all" || die "no such set: $set"
done
if [[ $list ]]; then
	while read -r set package probe; do
		[[ " $sets " != *" $set "* ]] || echo "$package"
	done <<<"$all" | sort --unique
	exit 0
fi

[[ $(uname --kernel-name) == Linux && $(uname --machine) == x86_64 ]] ||
	die "this machine is $(uname --kernel-name)/$(uname --machine); Zimbra, and so this project, runs on Linux/x86_64 only"

# shellcheck disable=SC1091 # a file of the host
os=$(. /etc/os-release 2>/dev/null || true; echo "${ID-} ${VERSION_ID-}")
system=other
[[ $os != "debian 12" ]] || ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null || system=debian12

mapfile -t names < <(lacking)
[[ ${#names[@]} -gt 0 ]] || exit 0

[[ $system == debian12 ]] ||
	die "missing on this machine ($os; installed by itself only on Debian 12 with apt): what Debian calls ${names[*]}"
say "packages: missing: ${names[*]}"
[[ -z ${NO_APT-} || ${NO_APT-} == 0 ]] || die "NO_APT is set; install them with: apt-get install --no-install-recommends ${names[*]}"
[[ $(id --user) -eq 0 ]] || die "not root; install them with: sudo apt-get install --no-install-recommends ${names[*]}"

updated=
known "${names[@]}" || { update; updated=1; }
for name in "${names[@]}"; do
	known "$name" || die "$name is not in any package list: apt's sources need a Debian 12 mirror that answers (apt-get update says more)"
done

policy_deny
if ! install "${names[@]}"; then
	# Lists older than the mirror name files that are gone.
	[[ -z $updated ]] || die "apt-get could not install: ${names[*]} (its reason is above)"
	update
	install "${names[@]}" || die "apt-get could not install: ${names[*]} (its reason is above)"
fi
