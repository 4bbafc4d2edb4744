#!/bin/bash
# `make test`: runs the tests of the given parts (unit net e2e; none: all) and adds them up. The last line is the result.
#
#   TEST_SEED=N   repeats a run with random parts; printed at the start, exported to every test
#   SOAK=1        the big counts (make soak)
# All parts always run; exit 1 if anything failed, crashed, hung or did not run at all.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

san=build/san
results=build/results
python=/usr/bin/python3 # Debian's, which has pytest and scapy; the first python3 in PATH may be somebody's own
cores=$(nproc)

export SOAK=${SOAK-}
export TEST_SEED=${TEST_SEED:-$((RANDOM * 32768 + RANDOM))}
export FW_DRIVER=$PWD/$san/tests/fw-driver E2E_PROGRAMS=$PWD/build/tests/e2e
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8
unset PYTHONPATH PYTHONHOME PYTEST_ADDOPTS CMOCKA_TEST_FILTER

passed=0 failed=0 skipped=0
failures=() skips=() durations=()
running=""
begin=""

say() { printf '%s\n' "$*"; }
fail() { # WHAT
	failed=$((failed + 1))
	failures+=("$1")
}

# Runs in the background and waits, so that Ctrl-C is handled at once; timeout(1) makes a process group of it.
limited() { # SECONDS COMMAND...
	local code
	timeout --kill-after=10 "$@" </dev/null &
	running=$!
	wait "$running"
	code=$?
	running=
	return "$code"
}

report() {
	local text
	say "== result"
	for text in "${skips[@]}"; do say "  skipped  $text"; done
	for text in "${failures[@]}"; do say "  FAILED   $text"; done
	[[ $failed -eq 0 ]] || say "  again with the same random parts: make test TEST_SEED=$TEST_SEED"
	for text in "${durations[@]}"; do say "  took     $text"; done
	say "  took     all $(took "$begin")"
	say "$passed passed, $failed failed, $skipped skipped"
}

stop() {
	trap - INT TERM HUP
	if [[ -n $running ]]; then
		kill -TERM "$running" 2>/dev/null
		wait "$running"
	fi
	fail "interrupted"
	report
	exit 130
}
trap stop INT TERM HUP

now() { date +%s.%N; }
took() { # START
	awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'
}

build() { # LOG TARGET... : -k, so that what compiles is tested even if something else does not
	local log=$1
	shift
	make --jobs="$cores" --keep-going SANITIZE=1 "$@" >"$log" 2>&1 && return
	say "the build of $* failed; its errors (all of it: $log):"
	grep --extended-regexp --after-context=4 'error:|undefined reference|multiple definition|\*\*\*' "$log" | head --lines=40 | sed 's/^/  /'
	fail "build of $*"
}

# --- unit programs: TAP ------------------------------------------------------------------------------------------

# Prints "passed failed skipped announced" of a log, then a line "F name" or "S name: reason" for each that did not pass.
tap() { # LOG
	awk '
		/^# SKIP-REASON: / { reason = substr($0, 16); next }
		/^1\.\.[0-9]+$/ { announced += substr($0, 4); next }
		/^(not )?ok [0-9]+ # SKIP/ { s++; sub(/^.*# SKIP */, ""); line[++n] = "S " $0 ": " (reason ? reason : "no reason given"); reason = ""; next }
		/^ok [0-9]+ / { p++; next }
		/^not ok [0-9]+ / { f++; sub(/^not ok [0-9]+ - /, ""); line[++n] = "F " $0; next }
		END { print p + 0, f + 0, s + 0, announced + 0; for (i = 1; i <= n; i++) print line[i] }
	' "$1"
}

program() { # NAME COMMAND...
	local name=$1 log=$results/$1.log start code p f s announced kind text lines status=passed
	shift
	start=$(now)
	CMOCKA_MESSAGE_OUTPUT=TAP limited "$([[ -n $SOAK ]] && echo 1800 || echo 120)" "$@" >"$log" 2>&1
	code=$?
	{
		read -r p f s announced
		mapfile -t lines
	} < <(tap "$log")
	for text in "${lines[@]}"; do
		kind=${text%% *}
		text="$name: ${text#* }"
		if [[ $kind == F ]]; then failures+=("$text"); else skips+=("$text"); fi
	done
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if [[ $code -eq 124 || $code -eq 137 ]]; then
		fail "$name: killed after $((p + f + s)) of $announced tests: it hung, or something sent KILL"
	elif [[ $((p + f + s)) -lt $announced || $code -gt 125 ]]; then
		fail "$name: crashed (exit $code) after $((p + f + s)) of $announced tests"
	elif [[ $code -ne 0 && $f -eq 0 ]]; then
		fail "$name: exit $code although no test failed (a sanitizer's report?)"
	elif [[ $((p + f + s)) -eq 0 ]]; then
		fail "$name: ran no test"
	fi
	[[ $code -eq 0 ]] || status=FAILED
	printf '  %-28s %3d passed %3d failed %3d skipped  %8s\n' "$name" "$p" "$f" "$s" "$(took "$start")"
	[[ $status == passed ]] || grep --invert-match --extended-regexp '^(ok |1\.\.)' "$log" | tail --lines=60 | sed 's/^/    /'
}

part_unit() {
	local source name
	docker/packages.sh build test || { fail "packages for the unit tests"; return; }
	say "unit: building with the sanitizers"
	build "$results/build-unit.log" unit-programs
	program includes tests/includes.sh
	for source in tests/unit/test_*.c; do
		name=$(basename "$source" .c)
		[[ -x $san/tests/$name ]] || { fail "$name: not built"; continue; }
		program "$name" "$san/tests/$name"
	done
	for source in tests/fuzz/fuzz_*.c; do
		name=$(basename "$source" .c)
		name=${name#fuzz_}
		[[ -x $san/tests/replay_$name ]] || { fail "replay_$name: not built"; continue; }
		program "replay_$name" "$san/tests/replay_$name" "tests/fuzz/corpus/$name"
	done
}

# --- Python: junit -----------------------------------------------------------------------------------------------

# As tap(), from pytest's XML files, added up. An error in a fixture's teardown is a second verdict on the same test: counted as failed.
junit() { # FILE...
	"$python" - "$@" <<-'END'
		import sys, xml.etree.ElementTree as tree
		p = f = s = 0
		lines = []
		for case in (case for file in sys.argv[1:] for case in tree.parse(file).getroot().iter("testcase")):
		    name = f'{case.get("classname", "").rsplit(".", 1)[-1]}: {case.get("name")}'.replace("\n", " ")
		    bad, skip = [case.find(t) for t in ("failure", "error")], case.find("skipped")
		    if any(b is not None for b in bad):
		        f += 1
		        lines.append("F " + name)
		    elif skip is not None:
		        s += 1
		        lines.append("S " + name + ": " + " ".join((skip.get("message") or "no reason given").split()))
		    else:
		        p += 1
		print(p, f, s)
		print(*lines, sep="\n")
	END
}

# One process for the folder, or, with JOBS, one for each file and so many at a time; what they say comes when they are through.
pytests() { # NAME SECONDS [JOBS]
	local name=$1 seconds=$2 jobs=${3-} xmls=() files code p f s kind text lines
	local options=(-p no:cacheprovider -q -rfE --durations=10 --durations-min=2)
	rm --force --recursive "${results:?}/$name" "$results/$name".*
	mkdir "$results/$name"
	if [[ -z $jobs ]]; then
		xmls=("$results/$name/all.xml")
		limited "$seconds" "$python" -m pytest "${options[@]}" --junitxml="${xmls[0]}" "tests/$name" > >(tee "$results/$name.log") 2>&1
	else
		files=("tests/$name"/test_*.py)
		for text in "${files[@]}"; do xmls+=("$results/$name/$(basename "$text" .py).xml"); done
		# shellcheck disable=SC2016 # the inner shell's. It never ends by a signal, which would stop xargs
		limited "$seconds" xargs --arg-file=<(printf '%s\n' "${files[@]}") --max-args=1 --max-procs="$jobs" \
			bash -c 'out=$0/$(basename "${!#}" .py); "${@:1:$#-1}" --junitxml="$out.xml" "${!#}" >"$out.log" 2>&1
				code=$?; cat "$out.log"; [[ $code -eq 0 ]]' \
			"$results/$name" "$python" -m pytest "${options[@]}" > >(tee "$results/$name.log") 2>&1
	fi
	code=$?
	# xargs says 123 for any that failed.
	[[ $code -ne 123 ]] || code=1
	if ! text=$(junit "${xmls[@]}" 2>&1); then
		fail "$name: pytest ended with exit $code and not all of its reports"
		return
	fi
	{
		read -r p f s
		mapfile -t lines
	} <<<"$text"
	for text in "${lines[@]}"; do
		[[ -n $text ]] || continue
		kind=${text%% *}
		text=${text#* }
		if [[ $kind == F ]]; then failures+=("$text"); else skips+=("$text"); fi
	done
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	if [[ $((p + f + s)) -eq 0 ]]; then
		fail "$name: ran no test (exit $code)"
	elif [[ $code -ne 0 && ($code -ne 1 || $f -eq 0) ]]; then
		fail "$name: pytest ended with exit $code"
	fi
	printf '  %-28s %3d passed %3d failed %3d skipped\n' "$name" "$p" "$f" "$s"
}

there() { # FOLDER: are there tests in it?
	compgen -G "tests/$1/test_*.py" >/dev/null && return
	say "  $1: no tests in tests/$1"
	return 1
}

part_net() {
	there net || return
	docker/packages.sh build test || { fail "packages for the network tests"; return; }
	build "$results/build-net.log" net-programs
	# Workers also as they are delivered: with the sanitizers their filter lets more through.
	build "$results/build-workers.log" SANITIZE= worker-programs
	# Each test has namespaces of its own, and mostly waits. (All of e2e/ shares one server.)
	pytests net "$([[ -n $SOAK ]] && echo 14400 || echo 600)" "$cores"
}

part_e2e() {
	there e2e || return
	docker/packages.sh build engine test || { fail "packages for the end-to-end tests"; return; }
	make --jobs="$cores" --silent e2e-programs || fail "build of e2e-programs"
	# Under a name of its own: zimbra:dev is what somebody works with.
	export E2E_IMAGE=${E2E_IMAGE:-zimbra:e2e}
	if ! limited 1200 make image lab IMAGE="$E2E_IMAGE"; then
		fail "make image lab"
		return
	fi
	pytests e2e "$([[ -n $SOAK ]] && echo 43200 || echo 1500)"
}

# --- main --------------------------------------------------------------------------------------------------------

parts=("$@")
[[ ${#parts[@]} -gt 0 ]] || parts=(unit net e2e)
begin=$(now)
mkdir --parents "$results"
say "TEST_SEED=$TEST_SEED${SOAK:+ SOAK=$SOAK}"
for part in "${parts[@]}"; do
	[[ $part =~ ^(unit|net|e2e)$ ]] || { say "run.sh: no such part: $part (unit net e2e)"; exit 2; }
	say "== $part"
	start=$(now)
	"part_$part"
	durations+=("$part $(took "$start")")
done

[[ $((passed + failed + skipped)) -gt 0 ]] || fail "nothing ran"
report
[[ $failed -eq 0 ]]
