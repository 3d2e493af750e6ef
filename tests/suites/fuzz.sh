#!/bin/bash
# A fuzz target of `waf/fuzz` or `proxy/http/fuzz`, for some minutes, with the stable compiler and without cargo-fuzz.
#
#   tests/suites/fuzz.sh CRATE TARGET [SECONDS] [LIBFUZZER'S OPTIONS]     tests/suites/fuzz.sh waf multipart 600
#
# The corpus grows in `target/fuzz/corpus/TARGET`, and what breaks is left beside it. There is no address sanitizer: the code
# is safe Rust, and without it a target runs several times as often. `FUZZ_DICT` names a dictionary, `FUZZ_BUILD=only` stops
# once all targets are built.
set -euo pipefail
usage="usage: fuzz.sh CRATE TARGET [SECONDS] [OPTIONS]"
crate=${1:?$usage} target=${2:?$usage} seconds=${3:-600}
shift $(($# < 3 ? $# : 3))
root=$(cd "$(dirname "$0")/../.." && pwd)
out=${FUZZ_TARGET:-$root/target/fuzz}
llvm="-Cllvm-args=-sanitizer-coverage"
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module $llvm-level=4 $llvm-inline-8bit-counters $llvm-pc-table $llvm-trace-compares \
-Cdebug-assertions -Coverflow-checks -Ccodegen-units=4"
triple=$(rustc -vV | sed -n 's/^host: //p')
# Named, so that build scripts and macros are not instrumented.
(cd "$root/$crate/fuzz" && cargo build --release --target "$triple" --target-dir "$out" ${FUZZ_BUILD:+--bins})
[ "${FUZZ_BUILD:-}" != only ] || exit 0
corpus=$out/corpus/$target
mkdir -p "$corpus"
exec "$out/$triple/release/$target" "$corpus" -artifact_prefix="$corpus-" -max_total_time="$seconds" -timeout=25 -rss_limit_mb=2048 \
    -max_len=8192 -print_final_stats=1 ${FUZZ_DICT:+-dict="$FUZZ_DICT"} "$@"
