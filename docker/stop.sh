#!/bin/bash
# make stop: stops and removes the container NAME, keeps its volume; our own dockerd goes too when it has no container left.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=engine.sh
. "$here/engine.sh"

name=${NAME:-zimbra}

if ! engine_select; then
	say "no engine answers: nothing to stop"
	exit 0
fi
if docker container inspect "$name" >/dev/null 2>&1; then
	say "stopping $name ..."
	docker stop "$name" >/dev/null # within the --stop-timeout that it was started with
	code=$(docker container inspect --format '{{.State.ExitCode}}' "$name")
	docker rm --force "$name" >/dev/null
	say "$name ended with exit code $code and is removed; its volume is kept"
else
	say "no container $name"
fi
# shellcheck disable=SC2154 # set by engine_select
if [[ $engine_kind == own ]]; then
	left=$(docker ps --all --format '{{.Names}}' | tr '\n' ' ')
	if [[ -n $left ]]; then
		say "our own engine goes on: it has the containers $left"
	else
		engine_down
	fi
fi
