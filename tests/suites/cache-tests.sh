#!/bin/bash
# The public suite of HTTP caches (github http-tests/cache-tests) against the daemon, as a table.
#
#   tests/suites/cache-tests.sh CHECKOUT [ID]
#
# CHECKOUT is a clone of the suite with its package `undici` installed (`npm install --no-save undici@7`). With an ID only that case is
# run, with its messages. `SEAWALL` names another daemon than the one of the profile `dev`; `PEER=http://HOST:PORT` another cache, whose
# origin is the suite's server at 127.0.0.1:`ORIGIN_PORT` (default 25880). Needs node.
#
# It starts the suite's origin and the edge on loopback ports, and stops both. The route allows what a site that knows its origin would
# allow: heuristics, Set-Cookie stored, and cookies ignored.
set -euo pipefail
checkout=${1:?usage: cache-tests.sh CHECKOUT [ID]}
id=${2:-}
root=$(cd "$(dirname "$0")/../.." && pwd)
seawall=${SEAWALL:-$root/target/debug/seawall}
origin_port=${ORIGIN_PORT:-25880}
edge_port=$((origin_port + 1))
work=$(mktemp -d)
children=()
finish() {
    for pid in "${children[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap finish EXIT

answers() {
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
    echo "nothing listens on port $1" >&2
    cat "$work"/*.log >&2
    exit 1
}

(cd "$checkout" && exec env npm_config_protocol=http npm_config_port="$origin_port" npm_config_pidfile="$work/origin.pid" \
    node test-engine/server/server.mjs) > "$work/origin.log" 2>&1 &
children+=($!)
answers "$origin_port"

if [ -z "${PEER:-}" ]; then
    cat > "$work/seawall.yaml" <<YAML
listen: [{ http: "127.0.0.1:$edge_port" }]
caches: { default: 64MiB }
sites:
  - host: "*"
    to: "127.0.0.1:$origin_port"
    cache: { heuristics: true, set_cookie: store, ignore_cookies: all, languages: by_preference }
YAML
    "$seawall" run -c "$work/seawall.yaml" > "$work/edge.log" 2>&1 &
    children+=($!)
    answers "$edge_port"
fi

(cd "$checkout" && npm_config_base="${PEER:-http://127.0.0.1:$edge_port}" npm_package_config_id="$id" \
    node --no-warnings test-engine/cli.mjs) > "$work/results.json"
[ -z "$id" ] || { cat "$work/results.json"; exit; }

cat > "$work/table.mjs" <<JS
import fs from 'fs'
const tests = (await import('file://$(cd "$checkout" && pwd)/tests/index.mjs')).default
const { determineTestResult, resultTypes } = await import('file://$(cd "$checkout" && pwd)/test-engine/lib/results.mjs')
const results = JSON.parse(fs.readFileSync('$work/results.json'))
const sum = { required: [0, 0], optimal: [0, 0], check: [0, 0] }
const rows = []
for (const suite of tests) {
  const row = { required: [0, 0], optimal: [0, 0], check: [0, 0] }
  for (const test of suite.tests) {
    if (test.browser_only) continue
    const kind = test.kind ?? 'required'
    const verdict = determineTestResult(tests, test.id, results)
    const good = verdict === resultTypes.pass || verdict === resultTypes.yes
    for (const of of [row, sum]) { of[kind][1] += 1; of[kind][0] += good ? 1 : 0 }
    if (!good && kind !== 'check') {
      const name = Object.keys(resultTypes).find(key => resultTypes[key] === verdict)
      rows.push([kind, test.id, name, results[test.id]?.[1] ?? ''])
    }
  }
  const of = kind => row[kind].join('/').padStart(9)
  console.log(suite.id.padEnd(24) + of('required') + of('optimal') + of('check'))
}
console.log('sum'.padEnd(24) + ['required', 'optimal', 'check'].map(k => sum[k].join('/').padStart(9)).join(''))
console.log()
for (const row of rows) console.log(row.join('  '))
JS
echo "                         required  optimal    check"
node "$work/table.mjs"
