#!/bin/bash
# base-image.sh IMAGE: the engine has IMAGE afterwards. Found there; else pulled; else, for Debian's bookworm, made with mmdebstrap.
#
# An image made here has the apt sources of this machine (Debian's only), read from apt itself: inside the image the same mirror
# answers that answers here. Called by engine.sh base, which sees to the engine.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=engine.sh
. "$here/engine.sh"

image=${1:?usage: base-image.sh IMAGE}
suite=bookworm
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

work=
pull_pid=
cleanup() {
	[[ -z $pull_pid ]] || kill "$pull_pid" 2>/dev/null || true
	[[ -z $work ]] || rm --recursive --force "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# A registry that answers says "Pulling from" at once; one that cannot be reached can take minutes to be given up.
pull() {
	local try
	say "base image: pulling $image"
	timeout 900 docker pull "$image" >"$work/pull" 2>&1 &
	pull_pid=$!
	for ((try = 0; try < ${BASE_PULL_SECONDS:-20} * 5; try++)); do
		if grep --quiet 'Pulling from' "$work/pull" || ! kill -0 "$pull_pid" 2>/dev/null; then
			wait "$pull_pid" && { pull_pid=; return; }
			break
		fi
		sleep 0.2
	done
	kill "$pull_pid" 2>/dev/null || true
	wait "$pull_pid" 2>/dev/null || true
	pull_pid=
	say "base image: not pulled: $(tail --lines=1 "$work/pull" | cut --characters=1-200)"
	return 1
}

# URI SUITE COMPONENT of every Debian source of this machine's apt. Third-party ones are told apart by the signed Release file.
targets() {
	# shellcheck disable=SC2016 # fields of apt's
	apt-get indextargets --format '$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)' 'Created-By: Packages' |
		sed -n 's/^Debian|//p' | sort --unique --field-separator='|' --key=3,3 --key=2,2 --key=4
}

# The sources as deb822. A machine on another Debian release has the same mirror, and only the suite's name differs.
sources() {
	local codename uri release component signed list
	targets | while IFS='|' read -r codename uri release component signed; do
		codename=${codename%%-*}
		release=${release/#$codename/$suite}
		case $release in
		"$suite" | "$suite-updates" | "$suite-security" | "$suite/updates") ;;
		*) continue ;; # backports, proposed-updates: not what an image is made of
		esac
		case $uri in
		mirror+file:*)
			# A list of mirrors in a file of this machine (cloud images): its first one.
			list=${uri#mirror+file:}
			list=/${list##*(/)}
			uri=$(sed -n '/^[a-z]/{s/[[:space:]].*//;p;q}' "${list%/}")
			;;
		http:* | https:*) ;;
		*) continue ;; # a CD, a local folder
		esac
		[[ $signed == /* && -e $signed ]] || signed=$keyring
		printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n\n' "$uri" "$release" "$component" "$signed"
	done
}

# What this machine's apt needs to be told to reach that mirror goes along: proxies, date checks (a frozen mirror), retries.
# Not a value with a password in it: an image is no place for that.
options() {
	apt-config dump | grep --extended-regexp \
		'^Acquire::(Check-Valid-Until|Check-Date|Max-FutureTime|ForceIPv[46]|Retries|https?::(Proxy|Timeout|Pipeline-Depth)(::[^ ]*)?) ".+";$' |
		grep --invert-match --extended-regexp '://[^/"]*@' || true
}

make_image() {
	local include=ca-certificates extra=() file
	case $image in
	debian:bookworm* | debian:12* | zimbra-base:*) ;;
	*) die "$image could not be pulled, and only Debian's bookworm can be made here (BASE_IMAGE=debian:bookworm-slim)" ;;
	esac
	command -v apt-get >/dev/null ||
		die "$image could not be pulled, and making it needs Debian's apt; load it by hand: docker load, or docker pull where a registry answers"
	NO_APT=${NO_APT-} "$here/packages.sh" engine
	[[ -n $(targets) ]] || apt-get --quiet=2 update >&2 || true
	shopt -s extglob
	sources >"$work/debian.sources"
	[[ -s $work/debian.sources ]] || die "apt on this machine knows no Debian mirror (apt-get indextargets lists none with Origin Debian)"
	options >"$work/apt.conf"
	# As in Docker's own Debian images: no translations, lists kept compressed.
	printf '%s "%s";\n' Acquire::Languages none Acquire::GzipIndexes true >>"$work/apt.conf"
	# A mirror that signs with a key of its own: the key goes along, at the same path.
	while read -r file; do
		[[ $file == "$keyring" ]] || extra+=(--customize-hook="mkdir --parents \"\$1${file%/*}\" && cp '$file' \"\$1$file\"")
	done < <(sed -n 's/^Signed-By: //p' "$work/debian.sources" | sort --unique)

	say "base image: making $image with mmdebstrap (about a minute)"
	# Beside the engine's data and not in /tmp, which is often small, in memory, or mounted nodev.
	# shellcheck disable=SC2016 # $1 is the hook's: the new root
	TMPDIR=$work mmdebstrap --quiet --variant=minbase --architectures=amd64 --include="$include" \
		--aptopt="$work/apt.conf" \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-include=/usr/share/locale/locale.alias' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
		"${extra[@]}" \
		--customize-hook='rm --force "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*' \
		--customize-hook="cp '$work/debian.sources' \"\$1\"/etc/apt/sources.list.d/debian.sources" \
		--customize-hook='rm --force "$1"/etc/resolv.conf "$1"/etc/hostname' \
		"$suite" "$work/root.tar" "$work/debian.sources" >&2 ||
		die "mmdebstrap could not make $image (its reason is above)"
	docker import --change 'CMD ["bash"]' --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
		--change 'LABEL base.made-by=mmdebstrap' "$work/root.tar" "$image" >/dev/null
	say "base image: $image made"
}

[[ -z $(docker image ls --quiet "$image") ]] || exit 0
work=$(mktemp --directory --tmpdir="$(mkdir --parents "$engine_data" 2>/dev/null && [[ -w $engine_data ]] && echo "$engine_data" || echo "${TMPDIR:-/tmp}")" base.XXXXXX)
# Two that make the same image at once would do the work twice.
[[ ! -d $engine_run ]] || { exec {lock}>"$engine_run/base.lock"; flock "$lock"; }
[[ -z $(docker image ls --quiet "$image") ]] || exit 0
pull || make_image
