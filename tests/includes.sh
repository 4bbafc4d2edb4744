#!/bin/bash
# Includes run one way (init/README.md). TAP, one test a rule; offending lines behind "#".
#   knock/, tls/ -> init/worker/ only · init/ -> firewall/ · firewall/ -> nothing of ours · init/worker/ -> nothing outside
#   init/netlog/, a worker, -> init/worker/ only · nothing of PID 1 -> init/netlog/ (it knows a worker by its messages)
#   init/zimbra/ alone knows Zimbra: nothing but init/*.c (the core) includes it
set -euo pipefail
cd "$(dirname "$0")/.."

# FILE:LINE FOLDER/OF/THE/INCLUDED/FILE.h, of every #include "..." in the given folder.
includes() { # FOLDER
	[[ -d $1 ]] || return 0
	local file line path
	{ grep --recursive --line-number --include='*.[ch]' --extended-regexp '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$1" || true; } |
		while IFS=: read -r file line path; do
			path=${path#*\"}
			printf '%s:%s %s\n' "$file" "$line" "$(realpath --canonicalize-missing --relative-to=. "${file%/*}/${path%%\"*}")"
		done
}

number=0 code=0
rule() { # NAME FOLDER ALLOWED-REGEX [REGEX of files in the folder that have a rule of their own]
	local bad
	number=$((number + 1))
	bad=$(includes "$2" | awk -v allowed="$3" -v but="${4-}" '$2 !~ allowed && (but == "" || $1 !~ but)')
	if [[ -z $bad ]]; then
		printf 'ok %d - %s\n' "$number" "$1"
	else
		printf 'not ok %d - %s\n' "$number" "$1"
		while IFS= read -r line; do printf '# %s\n' "$line"; done <<<"$bad"
		code=1
	fi
}

# Nothing is found where the scan itself is broken.
[[ -n $(includes init) && -n $(includes firewall) ]] || { echo '# no include found at all'; exit 1; }

echo '1..10'
rule 'firewall/ includes nothing else of ours' firewall '^firewall/'
rule 'init/ includes init/ and firewall/ only' init '^(init|firewall)/'
rule 'init/worker/ includes nothing outside of it' init/worker '^init/worker/'
rule 'init/boot/ does not know Zimbra, zctl or the guard' init/boot '^(firewall/|init/[^/]+$|init/(boot|worker)/)'
rule 'init/zctl/ does not know Zimbra or the boot' init/zctl '^(firewall/|init/[^/]+$|init/(zctl|worker)/)'
rule 'init/netlog/ includes netlog/ and init/worker/ only' init/netlog '^init/(netlog|worker)/'
rule 'init/fwctl/ does not know Zimbra or the boot' init/fwctl '^(firewall/|init/[^/]+$|init/(fwctl|zctl)/)'
rule 'nothing includes a worker or fwctl' init '^(firewall/|init/([^/]+|(boot|zimbra|zctl|worker)/.*)$)' '^init/(netlog|fwctl)/'
rule 'knock/ includes knock/ and init/worker/ only' knock '^(knock|init/worker)/'
rule 'tls/ includes tls/ and init/worker/ only' tls '^(tls|init/worker)/'
exit "$code"
