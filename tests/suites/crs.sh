#!/bin/bash
# The regression tests of the OWASP Core Rule Set against the daemon, as a table with every failing test named.
#
#   tests/suites/crs.sh RUNNER TESTS RULES SETUP [RUNNER'S OPTIONS]
#
# RUNNER is a folder with `run.py`, which sends the tests and judges by the ids in a response header, and `reflect_backend.py`, the
# origin that answers what a test asks it to. TESTS is the folder of the tests, RULES that of the rules, SETUP the rule set's setup
# file: /usr/share/modsecurity-crs/rules and /etc/modsecurity/crs/crs-setup.conf for 3.3, a checkout's `rules` and
# `crs-setup.conf.example` for 4. Options are the runner's: `--min 98.1`, `--include 942`, `--json FILE`. `SEAWALL` names another
# daemon than the one of the profile `dev`; `PORT` the first of two loopback ports.
#
# Paranoia level 4, detection only, as the rule set's own workflow runs them; responses are judged, too.
set -euo pipefail
usage="usage: crs.sh RUNNER TESTS RULES SETUP [OPTIONS]"
runner=$(realpath "${1:?$usage}") tests=$(realpath "${2:?$usage}") rules=$(realpath "${3:?$usage}") setup=$(realpath "${4:?$usage}")
shift 4
root=$(cd "$(dirname "$0")/../.." && pwd)
seawall=${SEAWALL:-$root/target/debug/seawall}
origin_port=${PORT:-25890}
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
    for _ in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
    echo "nothing listens on port $1" >&2
    cat "$work"/*.log >&2
    exit 1
}

# What the tests want besides the setup: the strictest level, the limits whose rules are off by default, attributes of XML.
cat > "$work/all.conf" <<CONF
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json
Include $setup
SecAction "id:900000,phase:1,pass,t:none,nolog,setvar:tx.blocking_paranoia_level=4,setvar:tx.detection_paranoia_level=4,setvar:tx.paranoia_level=4"
SecAction "id:900300,phase:1,pass,t:none,nolog,setvar:tx.total_arg_length=6400,setvar:tx.arg_length=400,setvar:tx.arg_name_length=100,setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535,setvar:tx.crs_validate_utf8_encoding=1,setvar:tx.crs_xml_attr_inspect=1"
Include $rules/*.conf
CONF
cat > "$work/seawall.yaml" <<YAML
listen: [{ http: "127.0.0.1:$edge_port" }]
wafs: { crs: { rules: [$work/all.conf], mode: detect, paranoia: 4, response: true, report_header: X-WAF-Rules } }
sites: [{ host: "*", waf: crs, to: "127.0.0.1:$origin_port" }]
YAML

python3 "$runner/reflect_backend.py" "$origin_port" > "$work/origin.log" 2>&1 &
children+=($!)
answers "$origin_port"
"$seawall" run -c "$work/seawall.yaml" > "$work/edge.log" 2>&1 &
children+=($!)
answers "$edge_port"

python3 "$runner/run.py" --tests "$tests" --port "$edge_port" --mode header --id-header X-WAF-Rules --fail-list "$@"
