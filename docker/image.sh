#!/bin/bash
# Builds the image, with whatever builder the engine has. IMAGE, BASE_IMAGE, VERSION, BUILD_LOG from the environment.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=${here%/*}
# shellcheck source-path=SCRIPTDIR source=engine.sh
. "$here/engine.sh"

image=${IMAGE:-zimbra:dev}
base=${BASE_IMAGE:-debian:bookworm-slim}
log=${BUILD_LOG:-$root/build/image.log}

engine_up
"$here/base-image.sh" "$base"

# Without the buildx plugin newer clients fall back to the classic builder by themselves, but refuse where BuildKit was asked for.
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0

mkdir --parents "$(dirname "$log")"
say "image: building $image on $base (everything it prints: $log)"
labels=(--label "org.opencontainers.image.base.name=$base")
[[ -z ${VERSION-} ]] || labels+=(--label "org.opencontainers.image.version=$VERSION")
# What it does right now, on a terminal only: the classic builder says "Step 3/9 : RUN ...", BuildKit "#5 [builder 2/5] RUN ...".
steps() {
	local line
	while read -r line; do
		[[ $line =~ ^(Step\ [0-9]+/|#[0-9]+\ \[) ]] || continue
		printf '\r\033[K%.*s' "$((${COLUMNS:-80} - 1))" "$line" >&2
	done
	printf '\r\033[K' >&2
}
[[ -t 2 ]] || steps() { cat >/dev/null; }

# --force-rm: a failed step leaves no stopped container behind, which would keep the engine alive.
if ! docker build --force-rm --build-arg "BASE_IMAGE=$base" "${labels[@]}" --tag "$image" "$root" </dev/null 2>&1 | tee "$log" | steps; then
	say "image: failed; the last lines of $log:"
	tail --lines=40 "$log" | sed 's/^/  /' >&2
	die "no image"
fi
say "image: $image is $(docker image inspect --format '{{.Id}}' "$image" | cut --characters=8-19), $(docker image inspect --format '{{.Size}}' "$image" | numfmt --to=iec)"
