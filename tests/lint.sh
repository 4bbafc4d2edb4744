#!/bin/bash
# `make lint`: everything that can be said about the sources without running them. All checks run; exit 1 if one complains.
# shellcheck disable=SC2317 # the checks are called by name
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

cores=$(nproc)
status=0

list() { # EXTENSION-REGEX FOLDER...
	local pattern=$1 folder
	shift
	for folder in "$@"; do
		[[ ! -d $folder ]] || find "$folder" -type f -regextype posix-extended -regex ".*\.($pattern)" -not -path '*/build/*'
	done | sort
}

check() { # NAME COMMAND...
	local name=$1 start=$SECONDS
	shift
	if "$@"; then
		printf 'lint: %-20s ok      %4d s\n' "$name" "$((SECONDS - start))"
	else
		printf 'lint: %-20s FAILED  %4d s\n' "$name" "$((SECONDS - start))"
		status=1
	fi
}

mapfile -t all < <(list 'c|h' init knock tls firewall tests)
mapfile -t programs < <(list c init knock tls firewall)

format() { clang-format --dry-run -Werror "${all[@]}"; }

tidy() {
	# shellcheck disable=SC2016 # the inner shell's $@: the files come before the compiler's flags
	printf '%s\n' "${programs[@]}" |
		xargs --max-procs="$cores" --max-args=4 sh -c 'clang-tidy --quiet "$@" -- -std=c17 -D_GNU_SOURCE -DVERSION=\"lint\" -Wall -Wextra 2>&1' tidy |
		grep --invert-match --extended-regexp '^[0-9]+ warnings? (and [0-9]+ errors? )?generated|^Suppressed|^Use -header-filter|^[0-9]+ warnings? treated'
	return "$((PIPESTATUS[1] != 0))"
}

# memleak: it does not know attribute cleanup, and the sanitizer build finds the real ones; unknownMacro: jansson's loops.
cpp() {
	cppcheck --quiet -j"$cores" --error-exitcode=1 --enable=warning,portability,performance --std=c11 -D_GNU_SOURCE --inline-suppr \
		--suppress=missingIncludeSystem --suppress=memleak --suppress=unknownMacro "${programs[@]}"
}

shell() {
	local scripts
	mapfile -t scripts < <(
		grep --recursive --files-with-matches --binary-files=without-match --exclude-dir=build --exclude-dir=.git \
			--extended-regexp '^#!(/usr)?/bin/(env )?(ba|da)?sh' .ci docker init tests 2>/dev/null
		list sh docker init tests
	)
	mapfile -t scripts < <(printf '%s\n' "${scripts[@]}" | sort --unique)
	shellcheck --external-sources "${scripts[@]}"
}

python() {
	local files
	mapfile -t files < <(list py docker tests)
	# Compiles in memory: no __pycache__ beside the sources.
	[[ ${#files[@]} -eq 0 ]] || /usr/bin/python3 -c 'import sys
for f in sys.argv[1:]: compile(open(f).read(), f, "exec")' "${files[@]}"
}

includes() { tests/includes.sh | { ! grep --extended-regexp '^(not ok|#)'; }; }

clang_build() {
	make --silent --jobs="$cores" --keep-going CC=clang B=build/clang all unit-programs 2>&1 |
		grep --extended-regexp --after-context=3 '(warning|error):|\*\*\*'
	return "$((PIPESTATUS[0] != 0))"
}

# groff knows the man macros that it reads: an undefined one, or a wrong argument, is a warning.
man_pages() {
	local page said bad=0
	command -v man >/dev/null || return 0
	for page in $(list '[1-8]' init knock tls); do
		said=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
		[[ -z $said ]] || { printf '%s: %s\n' "$page" "$said"; bad=1; }
	done
	return "$bad"
}

# Only said: a long file is a question, not an error.
long_files() {
	local file lines
	while read -r lines file; do
		[[ $file == total || $lines -le 500 ]] || printf 'lint: %s has %s lines; could it be two files?\n' "$file" "$lines"
	done < <({ printf '%s\n' "${all[@]}"; list 'sh|py' docker tests; } | xargs wc --lines)
	return 0
}

check clang-format format
check 'include directions' includes
check shellcheck shell
check python python
check 'man pages' man_pages
check 'build with clang' clang_build
check clang-tidy tidy
check cppcheck cpp
check 'length of files' long_files
exit "$status"
