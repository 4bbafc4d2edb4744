# Sourced by the scripts of this folder: how they speak. All but results goes to stderr, so that a result can be captured.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }
