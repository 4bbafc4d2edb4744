#!/bin/bash
# `make bench`: PID 1 beside tini, dumb-init and catatonit; the bootstrap beside mmdebstrap; the firewall beside iptables, nft and
# ipset. What and how: README.md here.
#
#   BENCH_QUICK=1          fewer rounds, a shorter window
#   BENCH_ONLY="A B"       only these parts: memory orphans start health volume, firewall (which needs no engine)
#   BENCH_FIREWALL="A B"   of the firewall only: load leak drop bans flood quiet
#   BENCH_ORPHANS=20000    how many orphans in a storm
#   BENCH_ROUNDS=N         rounds of every pair
#
# Never passes or fails on a time: exit 1 only where something could not be measured. The numbers: build/bench.json,
# build/bench-firewall.json.
set -euo pipefail
cd "$(dirname "$0")/../.."

code=0 firewall=yes
rest=()
if [[ ${BENCH_ONLY-} ]]; then
	firewall=
	read -ra only <<<"$BENCH_ONLY"
	for part in "${only[@]}"; do
		if [[ $part == firewall ]]; then firewall=yes; else rest+=("$part"); fi
	done
fi
cc=${CC:-gcc}
[[ $cc != cc ]] || cc=gcc
export PYTHONDONTWRITEBYTECODE=1
docker/packages.sh build bench
mkdir --parents build/bench

program() { # NAME ARGUMENT OF THE COMPILER...
	"$cc" -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -o "build/bench/$1" "${@:2}"
}

if [[ ! ${BENCH_ONLY-} || ${#rest[@]} -gt 0 ]]; then
	docker/packages.sh build engine bench run
	docker/engine.sh up
	engine=$(docker/engine.sh env)
	eval "$engine"
	export IMAGE=zimbra:bench
	MAKEFLAGS='' MFLAGS='' make --no-print-directory image lab >&2
	# Static: it runs in any root.
	program orphans -static tests/bench/orphans.c
	program packages -I. tests/bench/packages.c init/boot/suite.c
	BENCH_ONLY="${rest[*]}" /usr/bin/python3 tests/bench/bench.py || code=$?
fi
if [[ $firewall && $code -le 1 ]]; then
	program flood tests/bench/flood.c
	MAKEFLAGS='' MFLAGS='' make --no-print-directory build/fwctl >&2
	/usr/bin/python3 tests/bench/firewall.py || code=$?
fi
exit "$code"
