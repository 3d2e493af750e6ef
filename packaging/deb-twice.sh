#!/bin/bash
# Builds the package twice, each time from nothing, and compares the bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
place="$(mktemp -d "${TMPDIR:-/var/tmp}/seawall-twice.XXXXXX")"
trap 'rm -rf "$place"' EXIT
for turn in first second; do
    CARGO_TARGET_DIR="$place/target" packaging/build-deb.sh --out "$place/$turn" "$@" | tail -n 1 > "$place/$turn.name"
    rm -rf "${place:?}/target"
done
first="$(cat "$place/first.name")" second="$(cat "$place/second.name")"
sha256sum "$first" "$second"
if cmp "$first" "$second"; then
    echo "ok: twice the same $(stat -c %s "$first") bytes: $(basename "$first")"
else
    for turn in first second; do
        mkdir "$place/$turn.x"
        dpkg-deb -x "$(cat "$place/$turn.name")" "$place/$turn.x"
    done
    diff -rq "$place/first.x" "$place/second.x" || true
    echo "NOT OK: two builds differ"
    exit 1
fi
