#!/bin/bash
# `make fuzz`: builds the fuzz targets with clang and runs each for FUZZ_SECONDS, as many at a time as there are cores.
# The corpus is copied: what a run finds stays in build/fuzz/corpus and is merged back by hand (tests/README.md).
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${FUZZ_SECONDS:-60}
cores=$(nproc)

one() { # NAME
	local name=$1 log=build/fuzz/$1.log dict=() code=0 executions
	mkdir --parents "build/fuzz/corpus/$name" "build/fuzz/found/$name"
	[[ ! -d tests/fuzz/corpus/$name ]] || cp --recursive "tests/fuzz/corpus/$name/." "build/fuzz/corpus/$name/"
	[[ ! -f tests/fuzz/$name.dict ]] || dict=("-dict=tests/fuzz/$name.dict")
	ASAN_OPTIONS=detect_leaks=1 "build/fuzz/fuzz_$name" "${dict[@]}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
		-max_len=8192 -print_final_stats=1 -artifact_prefix="build/fuzz/found/$name/" "build/fuzz/corpus/$name" >"$log" 2>&1 || code=$?
	executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	if [[ $code -ne 0 ]]; then
		printf 'fuzz: %-12s FAILED (exit %s); the end of %s:\n' "$name" "$code" "$log"
		tail --lines=40 "$log" | sed 's/^/  /'
	elif [[ ${executions:-0} -eq 0 ]]; then
		printf 'fuzz: %-12s FAILED: not one execution (%s)\n' "$name" "$log"
		code=1
	else
		printf 'fuzz: %-12s ok, %s executions in %s s\n' "$name" "$executions" "$seconds"
	fi
	return "$code"
}

if [[ ${1-} == --one ]]; then
	one "$2"
	exit
fi
make --silent --jobs="$cores" fuzz-programs
printf '%s\n' "$@" | xargs --max-procs="$cores" --max-args=1 "$0" --one
