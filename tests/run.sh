#!/bin/bash
# `make test`: formatting, lints, the samples and every test, with the daemon built in the same profile.
#
# Ends with `N passed, N failed` over all test binaries, which is also left in `<target>/test-counts`. A step that
# fails before there are tests (formatting, a lint, a build) counts as one failure, so that the line never looks green
# when the run was not.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target"
log="$target/test.log"
counts="$target/test-counts"
: > "$log"
broken=0

# Each step says how long it took, and `finish` repeats it, so that a run that became slow shows where.
times=()
step() {
    local name="$1" began=$SECONDS status=0
    echo
    echo "== $name"
    shift
    "$@" || status=$?
    times+=("$((SECONDS - began)) s  $name")
    [ "$status" -eq 0 ] || { echo "failed: $*" >&2; broken=$((broken + 1)); return 1; }
}

finish() {
    local passed failed
    read -r passed failed < <(awk '/^test result:/ { p += $4; f += $6 } END { print p + 0, f + 0 }' "$log")
    failed=$((failed + broken))
    echo "$passed passed, $failed failed" > "$counts"
    echo
    echo "== how long it took"
    printf '%s\n' "${times[@]}"
    echo "== the test binaries that took longest"
    slowest
    echo
    cat "$counts"
    [ "$failed" -eq 0 ]
}

slowest() {
    awk '/^ +Running / { name = $2 == "unittests" ? $4 : $3; gsub(/^.*deps.|-[0-9a-f]*.$/, "", name) }
         /^test result:.*finished in/ { t = $NF; sub(/s$/, "", t); if (t + 0 >= 1) printf "%s s  %s\n", t, name }' "$log" | sort -rn | head -n 10
}

# All test binaries, and with them the programs that they start: cargo builds a package's programs for its own end to end
# tests. One build for the whole workspace, because one of two packages alone would have other features of what they depend
# on, and so nearly everything would be built twice.
every_binary() {
    # Whatever another build left there is not what is tested.
    rm -f "$target/ci/seawall" "$target/ci/origin-demo"
    cargo test --profile ci --workspace --no-run && [ -x "$target/ci/seawall" ] && [ -x "$target/ci/origin-demo" ]
}

every_test() {
    # A test binary that dies without a `test result:` line fails the run through cargo's status.
    cargo test --profile ci --workspace --no-fail-fast 2>&1 | tee "$log"
}

samples() {
    local sample place
    for sample in conf/samples/*.yaml conf/samples/*.conf; do
        case "$sample" in
        *.tests.yaml) "$target/ci/seawall" test "$sample" || return 1 ;;
        *) "$target/ci/seawall" check -c "$sample" || return 1 ;;
        esac
    done
    # nginx's own test opens the logs: those of a copy are beside it.
    place="$(mktemp -d)"
    for sample in conf/samples/*.conf; do
        sed "s|/var/log/nginx/|logs/|" "$sample" > "$place/nginx.conf"
        mkdir -p "$place/logs"
        "$target/ci/seawall" -t -p "$place" -c nginx.conf || { rm -rf "$place"; return 1; }
    done
    rm -rf "$place"
}

step "what the build and the tests need" packaging/dev/install.sh build test || { finish; exit 1; }
step "no secrets" packaging/dev/pre-commit --tree || true
step "a secret would be found" packaging/dev/pre-commit --test || true
step "formatting" cargo fmt --all --check || true
step "lints" cargo clippy --profile ci --workspace --all-targets -- -D warnings || true
step "every program and test" every_binary || { finish; exit 1; }
step "samples" samples || true
step "mistakes are refused at their lines" packaging/drill/mistakes.sh "$target/ci/seawall" || true
if cargo deny --version >/dev/null 2>&1; then
    step "dependencies" cargo deny check || true
else
    echo
    echo "== dependencies: cargo-deny is not installed, so they are not checked here (make deny does)"
fi
status=0
step "tests" every_test || status=$?
# A failed test is in the counts already; only a run that failed without one counts by itself.
if [ "$status" -ne 0 ] && awk '/^test result:/ && $6 > 0 { found = 1 } END { exit !found }' "$log"; then
    broken=$((broken - 1))
fi
finish
