#!/bin/bash
# make zctl ARGS=...: zctl in the container NAME, with a terminal where there is one.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=engine.sh
. "$here/engine.sh"

engine_select || die "no engine answers: nothing runs (make run)"
flags=(--interactive)
[[ ! -t 0 || ! -t 1 ]] || flags+=(--tty)
exec docker exec "${flags[@]}" "${NAME:-zimbra}" zctl "$@"
