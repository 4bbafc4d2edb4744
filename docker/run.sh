#!/bin/bash
# make run: from nothing to a running container with the lab release, on this machine's engine or one of our own.
#
#   NAME=zimbra VOLUME=zimbra-data   container and volume; a second run on the same volume installs nothing
#   DETACH=1                         returns when ready, last line `ready address=A name=N`; else follows the log until Ctrl-C
#   PUBLISH=1                        publishes the image's ports on the host
#   HOST_NAME=mail.example.test      the container's FQDN
#   ZIMBRA_RELEASE=FILE              another release than the lab's
#   STOP_TIMEOUT=600 RUN_FLAGS="..." seconds before Docker kills at a stop; more flags for docker run
#
# ZIMBRA_* FIREWALL_* KNOCK_* TLS_* NOTIFY_* and the ancestor's variables are handed on.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=${here%/*}
# shellcheck source-path=SCRIPTDIR source=engine.sh
. "$here/engine.sh"

name=${NAME:-zimbra}
volume=${VOLUME:-zimbra-data}
image=${IMAGE:-zimbra:dev}
host_name=${HOST_NAME:-mail.example.test}
# Always longer than PID 1 takes by itself, so that the engine never has to kill.
stop_timeout=${STOP_TIMEOUT:-$((${ZIMBRA_STOP_TIMEOUT:-300} + 300))}
want_nofile=524288
release=${ZIMBRA_RELEASE:-$root/build/zcs-lab.tgz}

inspect() { docker container inspect --format "$1" "$name" 2>/dev/null; }
is_running() { [[ $(inspect '{{.State.Running}}') == true ]]; }

# The engine first, with all packages at once, so that NO_APT=1 names them all.
if engine_select; then "$here/packages.sh" run; else "$here/packages.sh" run engine; fi
engine_up
"$here/image.sh"

# ---- the flags

flags=(--detach --name "$name" --hostname "$host_name" --volume "$volume:/data" --stop-timeout "$stop_timeout")
# NET_ADMIN: the rule set. SYS_ADMIN: the jail's mounts, and a system call filter that lets sudo work.
flags+=(--cap-add NET_ADMIN --cap-add SYS_ADMIN)
# Docker's default AppArmor profile denies every mount. Asked of the engine, which may be on another machine.
if docker info --format '{{.SecurityOptions}}' | grep --quiet apparmor; then
	if grep --quiet '^zimbra-init ' /sys/kernel/security/apparmor/profiles 2>/dev/null; then
		flags+=(--security-opt apparmor=zimbra-init)
	else
		flags+=(--security-opt apparmor=unconfined)
	fi
fi
# Zimbra's servers count on many descriptors; never --init: PID 1 must be zimbra-init.
case $release in
http://* | https://*) flags+=(--env "ZIMBRA_RELEASE=$release") ;;
*)
	[[ -f $release ]] || die "no such release: $release (make lab builds the lab's)"
	release=$(realpath "$release")
	flags+=(--volume "$release:/release/${release##*/}:ro" --env "ZIMBRA_RELEASE=/release/${release##*/}")
	;;
esac
[[ -n ${ZIMBRA_OS_SUITE-} ]] || flags+=(--env ZIMBRA_OS_SUITE=bookworm)
# By name only: a value would be seen in the list of processes.
while read -r variable; do
	[[ $variable == ZIMBRA_RELEASE ]] || flags+=(--env "$variable")
done < <(compgen -e | grep --extended-regexp '^(ZIMBRA|FIREWALL|KNOCK|TLS|NOTIFY)_|^(EXTERNAL_HOST_FQDN|(ADDITIONAL_)?MAIL_DOMAINS)$' || true)
if [[ -n ${PUBLISH-} && ${PUBLISH-} != 0 ]]; then
	# IPv4 only: to a container without IPv6, Docker's proxy would bring every IPv6 client under the bridge's own address.
	while read -r port; do
		[[ -z $port ]] || flags+=(--publish "0.0.0.0:${port%/*}:$port")
	done < <(docker image inspect --format '{{range $port, $_ := .Config.ExposedPorts}}{{println $port}}{{end}}' "$image")
fi
# shellcheck disable=SC2206 # a list of flags, split on purpose
flags+=(${RUN_FLAGS-})

# What makes a running container another one than the asked for: the image, a flag, a handed-on value, the release's content.
config=$({
	docker image inspect --format '{{.Id}}' "$image"
	printf '%s\n' "${flags[@]}"
	env | grep --extended-regexp '^(ZIMBRA|FIREWALL|KNOCK|TLS|NOTIFY|EXTERNAL|MAIL|ADDITIONAL)_' | sort || true
	[[ ! -f $release ]] || stat --format='%s %Y' "$release"
} | sha256sum | cut --characters=1-16)

# ---- the container

stop_and_remove() {
	say "stopping $name (up to $stop_timeout s) ..."
	docker stop "$name" >/dev/null 2>&1 || true
	say "$name ended with exit code $(inspect '{{.State.ExitCode}}'); volume $volume kept"
	docker rm --force "$name" >/dev/null 2>&1 || true
}

# Its complaint is its output, which the caller needs.
start() { # FLAG...
	# shellcheck disable=SC2069 # meant: only the complaint, not the container's id
	docker run "${flags[@]}" --label "zimbra-init.config=$config" "$@" "$image" run 2>&1 >/dev/null
}

attached=
if inspect '{{.Id}}' >/dev/null; then
	ours=$(inspect '{{index .Config.Labels "zimbra-init.config"}}')
	[[ -n $ours && $ours != '<no value>' ]] ||
		die "a container named $name exists that make run did not start; choose another NAME="
	if is_running && [[ $ours == "$config" ]]; then
		say "$name is already running this image with these settings: attaching"
		attached=1
	elif is_running; then
		say "$name is running another image or other settings: replaced"
		stop_and_remove
	else
		docker rm --force "$name" >/dev/null
	fi
fi
if [[ -z $attached ]]; then
	if ! error=$(start --ulimit "nofile=$want_nofile:$want_nofile"); then
		docker rm --force "$name" >/dev/null 2>&1 || true
		[[ $error == *rlimit* ]] || die "docker run: $error"
		# This engine may not raise the limit (no SYS_RESOURCE, as in a nested machine): what it has must do, and PID 1 is told so.
		limit=$(docker run --rm --entrypoint /bin/sh "$image" -c 'ulimit -Hn')
		say "the engine cannot raise nofile to $want_nofile: going on with its own limit, $limit"
		[[ -n ${ZIMBRA_MIN_NOFILE-} ]] || flags+=(--env "ZIMBRA_MIN_NOFILE=$limit")
		error=$(start --ulimit "nofile=$limit:$limit") || {
			docker rm --force "$name" >/dev/null 2>&1 || true
			die "docker run: $error"
		}
	fi
	say "started $name on volume $volume as $host_name"
fi

# ---- its progress, then its log

interrupted() {
	trap '' INT TERM HUP
	[[ -z ${logs-} ]] || kill "$logs" 2>/dev/null || true
	echo >&2
	if [[ -n $attached ]]; then
		say "detached; $name goes on (make stop NAME=$name stops it)"
	else
		stop_and_remove
	fi
	exit "$1"
}
logs=
trap 'interrupted 130' INT
trap 'interrupted 143' TERM
trap 'interrupted 129' HUP

code=0
python3 "$here/progress.py" "$name" || code=$?
[[ $code -ne 130 ]] || interrupted 130
if [[ $code -ne 0 ]]; then
	say "the last lines of its log (all of it: docker logs $name):"
	docker logs --tail 40 "$name" 2>&1 | sed 's/^/  /' >&2
	if is_running; then
		say "$name is left running for a look: make zctl NAME=$name ARGS=stages; make stop NAME=$name ends it"
	fi
	exit 1
fi

address=$(inspect '{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}' | head --lines=1)
echo
echo "address     $address ($host_name)"
docker exec "$name" zctl status --json | python3 -c '
import json, sys
wall = json.load(sys.stdin).get("firewall") or {}
for kind in ("tcp", "udp"):
    if wall.get(kind):
        print(f"open {kind}   ", " ".join(str(p) for p in wall[kind]))
'
echo
docker exec "$name" zctl status || true
echo

if [[ -n ${DETACH-} && ${DETACH-} != 0 ]]; then
	echo "ready address=$address name=$name"
	exit 0
fi
if [[ -n $attached ]]; then say "its log follows; Ctrl-C detaches"; else say "its log follows; Ctrl-C stops the container cleanly"; fi
docker logs --follow --tail 10 "$name" &
logs=$!
wait "$logs" || true
logs=
trap - INT TERM HUP
# The log ends when the container does: by `zctl stop`, `make stop`, or because it failed.
code=$(inspect '{{.State.ExitCode}}' || echo 0)
say "$name ended with exit code $code; volume $volume kept"
[[ $code -eq 0 ]]
