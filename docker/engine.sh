#!/bin/bash
# The one way to a Docker engine, shared by make and the tests.
#
#   engine.sh up           an engine that answers is used as it is; where none does, a dockerd of our own is started
#   engine.sh env          `export DOCKER_HOST=...` of the engine that up found or started; exit 1 where there is none
#   engine.sh base IMAGE   IMAGE is there: found, pulled, or made (base-image.sh)
#   engine.sh status|log   what runs; the last lines of our dockerd's log
#   engine.sh down         stops our own dockerd (its containers are stopped first, cleanly), and puts the host back as it was
#
# Which engine: $DOCKER_HOST if the caller set one; else ours if it runs; else the default one if it answers; else ours, started.
# Ours shares nothing with another engine: socket, data, containerd namespace, bridge and address pool are its own.
# ENGINE_STATE=FOLDER keeps all of it below FOLDER (a second engine beside the first). Sourced, it only defines its functions.
set -euo pipefail

engine_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$engine_dir/lib.sh"

[[ -z ${ENGINE_STATE-} ]] || ENGINE_STATE=$(realpath --canonicalize-missing "$ENGINE_STATE")
engine_data=${ENGINE_STATE:-/var/lib/zimbra-engine}
engine_run=${ENGINE_STATE:+$ENGINE_STATE/run}
engine_run=${engine_run:-/run/zimbra-engine}
engine_host=unix://$engine_run/docker.sock
engine_log=$engine_data/dockerd.log
engine_bridge=zimbra0
[[ -z ${ENGINE_STATE-} ]] || engine_bridge=zimbra$(cksum <<<"$ENGINE_STATE" | cut --delimiter=' ' --fields=1 | cut --characters=1-8)
# Beside the others in /usr/sbin, which is not in everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin

# ---- which engine

# A dead process that nobody has reaped yet is dead.
engine_pid_runs() { # PID NAME
	local comm=
	[[ $1 =~ ^[0-9]+$ ]] && { read -r comm <"/proc/$1/comm"; } 2>/dev/null && [[ $comm == "$2"* ]] &&
		! grep --quiet '^State:[[:space:]]*[ZX]' "/proc/$1/status" 2>/dev/null
}

engine_own_pid() {
	local pid
	pid=$(cat "$engine_run/dockerd.pid" 2>/dev/null) || return 1
	engine_pid_runs "$pid" dockerd && tr '\0' '\n' <"/proc/$pid/cmdline" | grep --fixed-strings --line-regexp --quiet -- "$engine_host" &&
		echo "$pid"
}

engine_answers() { timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# Sets engine_kind (own or given) and exports DOCKER_HOST where it is needed. 1 = no engine.
engine_select() {
	engine_kind=none
	command -v docker >/dev/null || return 1
	if [[ -n ${DOCKER_HOST-} && $DOCKER_HOST != "$engine_host" ]]; then
		engine_answers || die "no engine answers at DOCKER_HOST=$DOCKER_HOST; start it, or unset DOCKER_HOST"
		engine_kind=given
	elif engine_own_pid >/dev/null && DOCKER_HOST=$engine_host engine_answers; then
		export DOCKER_HOST=$engine_host
		engine_kind=own
	else
		unset DOCKER_HOST
		engine_answers || return 1
		# shellcheck disable=SC2034 # for those who source this file
		engine_kind=given
	fi
}

# ---- what our own one needs from the host

engine_ip() { # A.B.C.D -> number
	local a b c d
	IFS=. read -r a b c d <<<"$1"
	echo $(((a << 24) + (b << 16) + (c << 8) + d))
}

engine_overlap() { # NET/LEN NET/LEN
	local len mask
	len=$((${1#*/} < ${2#*/} ? ${1#*/} : ${2#*/}))
	mask=$((len == 0 ? 0 : (0xffffffff << (32 - len)) & 0xffffffff))
	[[ $(($(engine_ip "${1%/*}") & mask)) -eq $(($(engine_ip "${2%/*}") & mask)) ]]
}

# What this host talks to by address: routes, its own addresses, its name servers; not the bridges of our own networks, which a
# dockerd that was killed leaves behind and the next one takes over.
engine_taken() {
	local ours
	ours="^(.* )?$(cat "$engine_data/pool" 2>/dev/null || echo none)\.(12[89]|1[3-9].|2..)\."
	{
		ip -4 -o route show table all | sed -E 's/^(local|broadcast|blackhole|unreachable|prohibit|throw|multicast) //' | cut --delimiter=' ' --fields=1
		ip -4 -o addr | awk '{ print $4 }'
		sed -n 's/^nameserver[[:space:]]*//p' /etc/resolv.conf
	} | grep --invert-match --extended-regexp "$ours" | grep --extended-regexp '^[0-9]+\.[0-9.]+(/[0-9]+)?$' | sed '/\//!s|$|/32|' | sort --unique
}

# First a /16 that nothing here uses: its first /24 for the bridge, its upper half for networks that are made later.
engine_pool() {
	local pool net taken
	taken=$(engine_taken)
	for pool in "$(cat "$engine_data/pool" 2>/dev/null)" 172.30 172.29 172.28 172.27 172.26 10.213 10.187 10.149 192.168; do
		[[ -n $pool ]] || continue
		for net in $taken; do
			! engine_overlap "$pool.0.0/16" "$net" || continue 2
		done
		echo "$pool" | tee "$engine_data/pool"
		return
	done
	die "no free address range for containers: every candidate is used by a route of this host (ip route)"
}

# overlayfs needs a file system below it that can hold it: tried, in a mount namespace that takes the trial with it.
engine_driver() {
	local try=$engine_data/try-overlay
	rm --recursive --force "$try"
	mkdir --parents "$try"/{a,b,w,m}
	# shellcheck disable=SC2016 # $0 is the inner shell's
	if unshare --mount sh -c 'cd "$0" && mount -t overlay overlay -o lowerdir=a,upperdir=b,workdir=w m && : >m/x' "$try" 2>/dev/null; then
		echo overlay2
	else
		echo vfs
	fi
	rm --recursive --force "$try"
}

# dockerd calls `iptables`. Both kinds may be installed and only one work on this kernel: the system's choice first, the other one
# by a link in dockerd's own PATH (the system's alternative stays as it is). Tried in a network namespace of its own.
engine_iptables_path() {
	local kind works='-t nat -A POSTROUTING -m addrtype --dst-type LOCAL -j MASQUERADE'
	for kind in iptables iptables-nft iptables-legacy; do
		command -v "$kind" >/dev/null || continue
		# shellcheck disable=SC2086 # a list of arguments
		unshare --net "$kind" $works 2>/dev/null || continue
		unshare --net "$kind" -A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT 2>/dev/null || continue
		[[ $kind != iptables ]] || { echo "$PATH"; return; }
		mkdir --parents "$engine_run/bin"
		ln --symbolic --force "$(command -v "$kind")" "$engine_run/bin/iptables"
		ln --symbolic --force "$(command -v "${kind/ip/ip6}")" "$engine_run/bin/ip6tables"
		echo "$engine_run/bin:$PATH"
		return
	done
	die "no iptables that works: the kernel refuses rules for nat and conntrack (neither nf_tables nor the legacy tables, or no NET_ADMIN)"
}

# Starts only what is named, with nothing of the caller: no descriptor (make's jobserver, a test's pipe), no variable but proxies.
engine_detach() {
	local fd keep
	mapfile -t keep < <(env | grep --extended-regexp --ignore-case '^(https?|no|all)_proxy=' || true)
	# Best effort: without SYS_RESOURCE the hard limit stays, and containers get that.
	ulimit -Hn 1048576 2>/dev/null || true
	ulimit -Sn "$(ulimit -Hn)" 2>/dev/null || true
	cd /
	for fd in "/proc/$BASHPID/fd/"*; do
		fd=${fd##*/}
		((fd <= 2)) || eval "exec $fd>&-"
	done
	exec setsid --fork env --ignore-environment PATH="$PATH" HOME=/root "${keep[@]}" "$@" </dev/null >>"$engine_log" 2>&1
}

engine_why_not() {
	say "engine: dockerd did not start; the last lines of $engine_log:"
	{ grep --invert-match --extended-regexp 'level=(info|debug)' "$engine_log" || true; } | tail --lines=12 | sed 's/^/  /' >&2
	[[ -d /sys/fs/cgroup && $(stat --file-system --format=%T /sys/fs/cgroup) =~ ^(cgroup2fs|tmpfs|cgroupfs)$ ]] ||
		say "engine: /sys/fs/cgroup is not mounted; Debian's package cgroupfs-mount does that"
	die "no engine"
}

# dockerd and its containerd believe a pid file whose number lives, whoever that is by now (after a reboot, or in a copied machine).
engine_drop_stale() {
	local pid
	for pid in "$engine_run/dockerd.pid:dockerd" "$engine_run/exec/containerd/containerd.pid:containerd"; do
		engine_pid_runs "$(cat "${pid%:*}" 2>/dev/null)" "${pid##*:}" || rm --force "${pid%:*}"
	done
	! ip link show "$engine_bridge" >/dev/null 2>&1 || ip link delete "$engine_bridge"
}

engine_start() {
	local pool mtu driver path try free pid
	[[ $(id --user) -eq 0 ]] || die "no engine answers, and starting one needs root; run as root, or start Docker and set DOCKER_HOST"
	((${#engine_host} < 108)) || die "ENGINE_STATE is too long for a socket's name: $ENGINE_STATE"
	"$engine_dir/packages.sh" engine
	mkdir --parents "$engine_data" "$engine_run"
	exec {lock}>"$engine_run/lock"
	flock "$lock"
	if ! engine_select; then # nobody else was faster
		engine_drop_stale
		driver=$(engine_driver)
		path=$(engine_iptables_path)
		pool=$(engine_pool)
		mtu=$(ip -4 -o route show default | sed -n '1s/.* dev \([^ ]*\).*/\1/p')
		mtu=$(cat "/sys/class/net/${mtu:-lo}/mtu" 2>/dev/null || echo 1500)
		((mtu <= 1500)) || mtu=1500
		free=$(df --output=avail --block-size=1M "$engine_data" | tail --lines=1)
		((free >= 6000)) || say "engine: only $((free)) MiB free in $engine_data; images and a volume need about 6000"
		engine_remember_host "$path"
		ip link add "$engine_bridge" type bridge
		ip addr add "$pool.0.1/24" dev "$engine_bridge"
		ip link set "$engine_bridge" up
		[[ ! -e $engine_log ]] || mv "$engine_log" "$engine_log.old"
		(PATH=$path engine_detach dockerd \
			--host "$engine_host" --pidfile "$engine_run/dockerd.pid" \
			--data-root "$engine_data/data" --exec-root "$engine_run/exec" \
			--containerd-namespace "$engine_bridge" --containerd-plugins-namespace "$engine_bridge-plugins" \
			--storage-driver "$driver" --bridge "$engine_bridge" --mtu "$mtu" \
			--default-address-pool "base=$pool.128.0/17,size=24" --raw-logs)
		for ((try = 0; ; try++)); do
			engine_select && break
			# The pid file comes a moment after the process.
			((try < 20)) || engine_own_pid >/dev/null || engine_why_not
			((try < 300)) || engine_why_not
			sleep 0.2
		done
		pid=$(engine_own_pid)
		say "engine: started dockerd $pid ($driver, containers in $pool.0.0/16, data in $engine_data)"
	fi
	exec {lock}>&-
}

# ---- and how the host gets back what it had

engine_chains='DOCKER DOCKER-USER DOCKER-FORWARD DOCKER-BRIDGE DOCKER-CT DOCKER-INTERNAL DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2'

# dockerd turns forwarding on and leaves its chains behind. Kept from before the first start: what was there already is not ours to undo.
engine_remember_host() { # PATH
	[[ ! -e $engine_run/before ]] || return 0
	{
		echo "path=$1"
		echo "forward=$(cat /proc/sys/net/ipv4/ip_forward)"
		echo "policy=$(PATH=$1 iptables -S FORWARD 2>/dev/null | sed -n 's/^-P FORWARD //p')"
		echo "chains=$(PATH=$1 iptables -S DOCKER >/dev/null 2>&1 && echo theirs || echo none)"
	} >"$engine_run/before"
}

engine_another_dockerd() {
	local dir
	for dir in /proc/[0-9]*; do
		! engine_pid_runs "${dir#/proc/}" dockerd || return 0
	done
	return 1
}

engine_before() { sed -n "s/^$1=//p" "$engine_run/before"; }

engine_restore_host() { # BRIDGE...
	local path bridge tool table rule chain pattern
	for bridge in "$@"; do
		ip link delete "$bridge" 2>/dev/null || true
	done
	[[ -e $engine_run/before ]] || return 0
	path=$(engine_before path)
	pattern=$(printf ' %s |' "$@")
	pattern=${pattern%|}
	# Another dockerd that came meanwhile uses the same chains: then only the rules of our bridges go.
	[[ $(engine_before chains) != none ]] || engine_another_dockerd || pattern="$pattern|DOCKER"
	for tool in iptables ip6tables; do
		for table in nat filter raw; do
			while read -r rule; do
				# shellcheck disable=SC2086 # a rule is a list of arguments
				PATH=$path "$tool" -t "$table" -D ${rule#-A } 2>/dev/null || true
			done < <(PATH=$path "$tool" -t "$table" -S 2>/dev/null | grep '^-A ' | grep --extended-regexp -- "$pattern")
			[[ $pattern == *DOCKER ]] || continue
			for chain in $engine_chains; do
				PATH=$path "$tool" -t "$table" -X "$chain" 2>/dev/null || true
			done
		done
	done
	[[ $pattern == *DOCKER ]] || return 0
	[[ $(engine_before policy) != ACCEPT ]] || PATH=$path iptables -P FORWARD ACCEPT
	[[ $(engine_before forward) != 0 ]] || echo 0 >/proc/sys/net/ipv4/ip_forward
	rm --force "$engine_run/before"
}

engine_down() {
	local pid bridges try
	if ! pid=$(engine_own_pid); then
		say "engine: no dockerd of ours runs"
		return 0
	fi
	export DOCKER_HOST=$engine_host
	mapfile -t bridges < <(timeout 10 docker network ls --quiet --filter driver=bridge --filter type=custom 2>/dev/null | sed 's/^/br-/')
	bridges+=("$engine_bridge")
	kill "$pid"
	# dockerd gives every container its own stop time, and then exits.
	for ((try = 0; ; try++)); do
		engine_own_pid >/dev/null || break
		((try < 3600)) || die "dockerd $pid does not end; see $engine_log"
		sleep 0.2
	done
	engine_restore_host "${bridges[@]}"
	rm --force "$engine_run/dockerd.pid" "$engine_run/docker.sock"
	say "engine: dockerd $pid stopped (data kept in $engine_data)"
}

# ---- commands

engine_up() { engine_select || engine_start; }

engine_status() {
	if ! engine_select; then
		echo "no engine answers"
		return 1
	fi
	printf '%s engine %s at %s, %s container(s) running\n' "$engine_kind" "$(docker version --format '{{.Server.Version}}')" \
		"${DOCKER_HOST:-the default socket}" "$(docker ps --quiet | wc --lines)"
}

[[ ${BASH_SOURCE[0]} == "$0" ]] || return 0

case ${1-} in
up) engine_up ;;
env)
	engine_select || die "no engine answers; start one with: $0 up"
	if [[ -n ${DOCKER_HOST-} ]]; then echo "export DOCKER_HOST=$DOCKER_HOST"; else echo "unset DOCKER_HOST"; fi
	;;
base)
	[[ $# -eq 2 ]] || die "usage: engine.sh base IMAGE"
	engine_up
	"$engine_dir/base-image.sh" "$2"
	;;
status) engine_status ;;
log) tail --lines="${2:-50}" "$engine_log" ;;
down) engine_down ;;
*) die "usage: engine.sh up | env | base IMAGE | status | log [LINES] | down" ;;
esac
