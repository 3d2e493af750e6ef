#!/bin/bash
# An alert fires and resolves: Seawall, Prometheus and Alertmanager as Debian has them, and a receiver of Slack's shape.
#
#     packaging/drill/alerts.sh SEAWALL-BINARY
#
# Everything listens on the loopback and ends with the script, which takes a minute and a half. The rules are those that are
# shipped; only the pauses of Alertmanager are shorter. Also runs every expression of the dashboard against what was scraped.
set -euo pipefail
binary="$(realpath "$1")"
cd "$(dirname "$0")/.."
dir="$(mktemp -d)"
pids=()
finish() { for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done; wait 2> /dev/null || true; rm -rf "$dir"; }
trap finish EXIT
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
http=$(port) metrics=$(port) origin=$(port) prom=$(port) am=$(port) slack=$(port) dns=$(port)

mkdir "$dir/www"; echo shop > "$dir/www/index.html"
printf '$TTL 60\n@ SOA ns h 1 60 60 60 60\n@ NS ns\nns A 192.0.2.1\n' > "$dir/a.test.zone"
cat > "$dir/seawall.yaml" << END
version: 1
process: { state: $dir/state, pid: $dir/pid }
log: { access: $dir/access.log, error: $dir/error.log }
listen: [{ http: "127.0.0.1:$http" }]
metrics: "127.0.0.1:$metrics"
dns: { listen: ["127.0.0.1:$dns"], zones: [{ name: a.test, file: $dir/a.test.zone }] }
caches: { c: { memory: 8MiB } }
wafs: { w: { rules: builtin, mode: block } }
pools: { shop: { servers: ["127.0.0.1:$origin"], health: { path: /, interval: 200ms, fall: 1, rise: 1 } } }
sites: [{ host: a.test, to: shop, waf: w, cache: c }]
END
cat > "$dir/prometheus.yml" << END
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [$PWD/prometheus/seawall.rules.yml]
alerting: { alertmanagers: [{ static_configs: [{ targets: ["127.0.0.1:$am"] }] }] }
scrape_configs: [{ job_name: seawall, static_configs: [{ targets: ["127.0.0.1:$metrics"] }] }]
END
sed -e "s|http://127.0.0.1:9099/slack|http://127.0.0.1:$slack/slack|" -e 's/group_wait: .*/group_wait: 1s/' -e 's/group_interval: .*/group_interval: 1s/' \
    prometheus/alertmanager.yml > "$dir/alertmanager.yml"
cat > "$dir/receiver.py" << 'END'
import http.server, json, sys

class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = message["attachments"][0]
        print(said["title"], "|", said["text"].strip(), flush=True)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
END
python3 "$dir/receiver.py" "$slack" > "$dir/channel" & pids+=($!)
"$binary" run -c "$dir/seawall.yaml" > "$dir/out" 2>&1 & pids+=($!)
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/tsdb" --web.listen-address="127.0.0.1:$prom" > "$dir/prom.log" 2>&1 & pids+=($!)
prometheus-alertmanager --config.file="$dir/alertmanager.yml" --storage.path="$dir/am" --web.listen-address="127.0.0.1:$am" --cluster.listen-address= > "$dir/am.log" 2>&1 & pids+=($!)
python3 -m http.server "$origin" --bind 127.0.0.1 --directory "$dir/www" > /dev/null 2>&1 & shop=$!; pids+=("$shop")

ask() { curl -so /dev/null -m 2 -H 'Host: a.test' "http://127.0.0.1:$http/$1" || true; }
said() {
    for _ in $(seq "$2"); do
        if grep -q "$1" "$dir/channel"; then return 0; fi
        ask "?n=$RANDOM"
        sleep 0.5
    done
    echo "NOT OK: the channel never said: $1"; cat "$dir/channel"; tail -n 3 "$dir/prom.log" "$dir/am.log"; return 1
}
sleep 2
for n in $(seq 20); do ask "$n"; ask "?q=%27%20or%201%3D1--"; done
curl -s "http://127.0.0.1:$metrics/metrics" | grep -q '^seawall_server_up{.*} 1$' || { echo "NOT OK: the pool is not up"; exit 1; }
[ ! -s "$dir/channel" ] && echo "ok: the channel is silent while all is well"
began=$(date +%s)
kill "$shop"
said '^FIRING SeawallPoolDown' 240
echo "ok: $(grep -m 1 '^FIRING SeawallPoolDown' "$dir/channel")"
echo "ok: $(($(date +%s) - began)) s after the origin was killed (the rule waits for 30 s)"
python3 -m http.server "$origin" --bind 127.0.0.1 --directory "$dir/www" > /dev/null 2>&1 & pids+=($!)
said '^RESOLVED SeawallPoolDown' 240
echo "ok: $(grep -m 1 '^RESOLVED SeawallPoolDown' "$dir/channel")"
curl -s "http://127.0.0.1:$metrics/metrics" | promtool check metrics && echo "ok: promtool finds nothing in /metrics"
python3 - "$prom" grafana/seawall.json << 'END'
import json, sys, urllib.parse, urllib.request
port, board = sys.argv[1:]
empty, asked = [], 0
for panel in json.load(open(board))["panels"]:
    for target in panel.get("targets", []):
        expr = target["expr"].replace("$__rate_interval", "1m")
        url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expr})
        answer = json.load(urllib.request.urlopen(url))
        assert answer["status"] == "success", expr
        asked += 1
        if not answer["data"]["result"]:
            empty.append(panel["title"])
print(f"ok: {asked} expressions of the dashboard are answered" + (f"; without data here: {', '.join(empty)}" if empty else ", none of them empty"))
END
