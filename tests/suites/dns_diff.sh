#!/bin/bash
# Thousands of questions about one zone, asked of us and of NSD, Knot DNS and BIND: a table of how often each says what most say.
#
#   tests/suites/dns_diff.sh CONFORMANCE_DIR [MODE...]
#
# CONFORMANCE_DIR has `dns_diff.py` (needs python3-dnspython and python3-cryptography), `peers.sh` and `diff.test.zone`. Modes, by
# default all: `unsigned`; `nsec` and `nsec3`, signed by ldns-signzone and served by all as it is; `own-nsec` and `own-nsec3`,
# signed by us and given to the peers as our AXFR has it. Signed ones are asked with DO set and every signature and denial of ours
# is checked. `SEEDS="1 2 3 4 5"` and `N=1000` say how much is asked, `SEAWALL` names another daemon than the one of the
# profile `dev`, `PORT` our loopback port; the peers are at 25001 to 25003. `DETAILS=FILE` keeps what every run printed. `PYTHON`
# names a Python other than Debian's.
#
# Ends with 1 where fewer than 99.7 % of the well-formed questions of a run are answered as most or one of the peers do, an
# answer cannot be read, or a signature or denial does not hold.
set -euo pipefail
suite=$(realpath "${1:?usage: dns_diff.sh CONFORMANCE_DIR [MODE...]}")
shift
root=$(cd "$(dirname "$0")/../.." && pwd)
seawall=$(realpath "${SEAWALL:-$root/target/debug/seawall}")
port=${PORT:-25010}
seeds=${SEEDS:-1 2 3 4 5}
count=${N:-1000}
python=${PYTHON:-/usr/bin/python3}
PATH=$PATH:/usr/sbin
work=$(mktemp -d)
details=${DETAILS:-$work/details}
: > "$details"
ours=

stop() {
    [ -z "$ours" ] || { kill "$ours" 2>/dev/null || true; wait "$ours" 2>/dev/null || true; ours=; }
    local pid
    for pid in "$work"/peers/*.pid; do
        [ -f "$pid" ] || continue
        pid=$(cat "$pid" 2>/dev/null) || continue
        kill "$pid" 2>/dev/null || continue
        # The next mode takes the same ports.
        while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    done
    rm -rf "$work/peers"
}
trap 'stop; rm -rf "$work"' EXIT

# serve FILE DNSSEC: starts us with this zone.
serve() {
    cat > "$work/seawall.yaml" <<YAML
version: 1
process: { pid: $work/seawall.pid, state: $work/state, threads: 1 }
log: { access: off, error: { path: $work/error.log, level: notice } }
admin: unix:$work/admin.sock
listen: [{ http: "127.0.0.1:$((port + 1))" }]
sites: [{ host: a.test, respond: { status: 200, body: ok } }]
dns:
  listen: "127.0.0.1:$port"
  threads: 1
  cookies: off
  rrl: off
  zones:
    - { name: diff.test, file: $1, transfer: { to: 127.0.0.1 }, notify: off, dnssec: $2 }
YAML
    "$seawall" run -c "$work/seawall.yaml" > "$work/seawall.log" 2>&1 &
    ours=$!
    for _ in $(seq 300); do
        dig +time=1 +tries=1 @127.0.0.1 -p "$port" diff.test SOA 2>/dev/null | grep -q "ANSWER: 1" && return
        sleep 0.1
    done
    echo "we do not answer" >&2
    cat "$work/seawall.log" "$work/error.log" >&2
    exit 1
}

# zone MODE: makes $work/diff.test.zone and starts us with it.
zone() {
    local file="$work/diff.test.zone" keys=()
    rm -rf "$file" "$work"/K* "$work/state"
    cp "$suite/diff.test.zone" "$file"
    chmod u+w "$file"
    case "$1" in
        unsigned) serve "$file" false ;;
        nsec | nsec3)
            cd "$work"
            keys=("$(ldns-keygen -a ECDSAP256SHA256 -k diff.test.)" "$(ldns-keygen -a ECDSAP256SHA256 diff.test.)")
            if [ "$1" = nsec ]; then
                ldns-signzone -o diff.test. -f signed "$file" "${keys[@]}"
            else
                ldns-signzone -n -t 0 -o diff.test. -f signed "$file" "${keys[@]}"
            fi
            mv signed "$file"
            cd - > /dev/null
            serve "$file" false
            ;;
        own-nsec | own-nsec3)
            serve "$file" "{ denial: ${1#own-} }"
            dig +noall +answer +onesoa @127.0.0.1 -p "$port" diff.test AXFR > "$work/transferred"
            mv "$work/transferred" "$file"
            ldns-verify-zone "$file" > /dev/null || { echo "ldns-verify-zone refuses our AXFR" >&2; failed=1; }
            ;;
        *) echo "unknown mode $1" >&2; exit 2 ;;
    esac
}

failed=0
[ $# -gt 0 ] || set -- unsigned nsec nsec3 own-nsec own-nsec3
echo "mode       seed  like most: ours    NSD   Knot   BIND   like most or one, ours   signatures and denials"
for mode in "$@"; do
    zone "$mode"
    bash "$suite/peers.sh" start "$work/peers" "$work/diff.test.zone" > "$work/peers.log" 2>&1 || { cat "$work/peers.log" >&2; exit 1; }
    checks=()
    [ "$mode" = unsigned ] || checks=(--dnssec --validate)
    for seed in $seeds; do
        echo "== $mode, seed $seed" >> "$details"
        "$python" "$suite/dns_diff.py" --peer nsd=127.0.0.1:25001 --peer knot=127.0.0.1:25002 --peer bind=127.0.0.1:25003 \
            --sut ours=127.0.0.1:"$port" --zone diff.test="$work/diff.test.zone" --seed "$seed" --n "$count" "${checks[@]}" \
            --json "$work/result.json" >> "$details" 2>&1 || { tail -20 "$details" >&2; exit 1; }
        "$python" - "$mode" "$seed" "$work/result.json" <<'PY' || failed=1
import json, sys
mode, seed, path = sys.argv[1:]
servers = json.load(open(path))["servers"]
ours = servers["ours"]
# What is like nobody's, of the well-formed: differences of whose kind no peer has any are in `sigs`.
said = [f"{servers[name]['wellformed']:6.2f}" for name in ("ours", "nsd", "knot", "bind")]
checked = ours["validate"]
held = f"{checked.get('ok', 0)} of {checked.get('checked', 0)}" if checked else "-"
print(f"{mode:<10} {seed:>4}            {' '.join(said)}   {ours['any_peer']:>22.2f}   {held}")
unread = any("unparsable" in kind or "garbage" in kind for kind in ours["sigs"])
sys.exit(ours["any_peer"] < 99.7 or ours["wellformed"] < 97 or unread or checked.get("ok") != checked.get("checked"))
PY
    done
    stop
done
exit "$failed"
