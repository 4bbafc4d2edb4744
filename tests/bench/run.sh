#!/bin/bash
# `make bench`: PID 1 beside tini, dumb-init and catatonit; the bootstrap beside mmdebstrap. What and how: README.md here.
#
#   BENCH_QUICK=1          fewer rounds, a shorter window
#   BENCH_ONLY="A B"       only these parts: memory orphans start health volume
#   BENCH_ORPHANS=20000    how many orphans in a storm
#   BENCH_ROUNDS=N         rounds of every pair
#
# Never passes or fails on a time: exit 1 only where something could not be measured. The numbers: build/bench.json.
set -euo pipefail
cd "$(dirname "$0")/../.."

docker/packages.sh build engine bench run
docker/engine.sh up
engine=$(docker/engine.sh env)
eval "$engine"
export IMAGE=zimbra:bench
MAKEFLAGS='' MFLAGS='' make --no-print-directory image lab >&2
mkdir --parents build/bench
cc=${CC:-gcc}
[[ $cc != cc ]] || cc=gcc
# Static: it runs in any root.
"$cc" -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -static -o build/bench/orphans tests/bench/orphans.c
"$cc" -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -I. -o build/bench/packages tests/bench/packages.c init/boot/suite.c
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/bench/bench.py
