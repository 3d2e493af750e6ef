#!/usr/bin/env python3
"""What the Core Rule Set costs: CPU per request with the rules minus without, in nginx with libmodsecurity and in seawall.

    run.py --seawall BINARY [--nginx BINARY] [--rounds 7] [--seconds 2] [--only CASE,CASE]

Debian's rules at paranoia level 1, blocking, one worker each, pinned to the first core; load and origin share the second.
The rounds are interleaved, so that what the machine does meanwhile falls on both; the median of the rounds counts. CPU is
user and system time of the whole process tree from /proc. Nothing here fails on a figure: it is for people to read.
Needs nginx, libnginx-mod-http-modsecurity, modsecurity-crs and wrk.
"""

import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TICKS = os.sysconf("SC_CLK_TCK")
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
ORIGIN = 28399
# Each server without rules and with them.
PORTS = {"nginx": (28300, 28301), "seawall": (28310, 28311)}
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
FORM = "application/x-www-form-urlencoded"

# Name, title, the part of nginx's cost that is allowed, method, target, type, body.
CASES = [
    ("get", "a browser's GET", 25, "GET", "/product/42?color=red&size=XL&q=running+shoes", "", ""),
    ("attack", "an attack", 25, "GET", "/search?q=%27%20or%201%3D1%20union%20select%20null--", "", ""),
    ("json", "JSON of 16 KiB", 20, "POST", "/api/cart", "application/json",
     "[" + ",".join('{"sku":"A-%d","qty":%d,"note":"Please wrap it, it\'s a gift for O\'Brien"}' % (i, i)
                    for i in range(225)) + "]"),
    ("form", "a form of 2 KiB", 15, "POST", "/cart", FORM,
     "&".join(f"field{i}=Some+words+of+a+form%2C+number+{i}" for i in range(46))),
]

NGINX = """
load_module /usr/lib/nginx/modules/ngx_http_modsecurity_module.so;
worker_processes 1; daemon off; user root; pid nginx.pid; error_log nginx.log error;
events { worker_connections 1024; }
http {
    access_log off; keepalive_requests 1000000000; client_body_buffer_size 64k;
    client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    upstream origin { server 127.0.0.1:ORIGIN; keepalive 16; }
    server { listen 127.0.0.1:PLAIN; location / {
        proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; } }
    server { listen 127.0.0.1:GUARDED; modsecurity on; modsecurity_rules_file DIR/rules.conf; location / {
        proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
"""
ORIGIN_CONF = """
worker_processes 1; daemon off; pid origin.pid; error_log origin.log error;
events { worker_connections 1024; }
http {
    access_log off; keepalive_requests 1000000000; client_body_buffer_size 64k;
    client_body_temp_path ob; proxy_temp_path op; fastcgi_temp_path of; uwsgi_temp_path ou; scgi_temp_path os;
    server { listen 127.0.0.1:ORIGIN; location / { default_type text/plain; return 200 "ok"; } }
}
"""
RULES = """
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess Off
SecRequestBodyLimit 13107200
SecAuditEngine Off
SecRule REQUEST_HEADERS:Content-Type "^application/json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
Include /etc/modsecurity/crs/crs-setup.conf
Include /usr/share/modsecurity-crs/rules/*.conf
"""
SEAWALL = """
process: { threads: 1 }
log: { error: DIR/seawall.log }
listen: [{ http: "127.0.0.1:PLAIN" }, { http: "127.0.0.1:GUARDED" }]
wafs: { crs: { rules: owasp-crs, mode: block } }
sites:
  - { host: plain.test, to: "127.0.0.1:ORIGIN" }
  - { host: guarded.test, waf: crs, to: "127.0.0.1:ORIGIN" }
"""


def tree(pid):
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split():
            found += tree(int(child))
    return found


def cpu(pid):
    """Microseconds of a tree so far."""
    total = 0
    for process in set(tree(pid)):
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total * 1e6 / TICKS


def start(core, command, port, work):
    process = subprocess.Popen(["taskset", "-c", str(core), *command], cwd=work, **QUIET)
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"{command} ended with {process.returncode}; look at its log in {work}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def script(work, case, host):
    """What wrk sends."""
    name, _, _, method, _, kind, body = case
    fields = {"Host": host, "User-Agent": AGENT, "Accept-Language": "en-GB,en;q=0.7,de;q=0.3",
              "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
              "Accept-Encoding": "gzip, deflate, br, zstd", "Referer": "https://shop.test/category/shoes?page=2",
              "Cookie": "session=abcdef0123456789abcdef0123456789; theme=dark; _ga=GA1.2.1234567890.1234567890"}
    if body:
        fields["Content-Type"] = kind
    lines = [f'wrk.method = "{method}"', f"wrk.body = [=[{body}]=]" if body else ""]
    lines += [f'wrk.headers["{field}"] = [=[{value}]=]' for field, value in fields.items()]
    path = work / f"{name}-{host}.lua"
    path.write_text("\n".join(lines))
    return path


def load(work, case, port, host, seconds):
    """Requests answered in a closed loop."""
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c2", f"-d{seconds}s", "--timeout", "30s",
               "-s", script(work, case, host), f"http://127.0.0.1:{port}{case[4]}"]
    done = subprocess.run(command, capture_output=True, text=True)
    out = done.stdout
    refused = "Non-2xx" in out
    if done.returncode or "Socket errors" in out or refused != (case[0] == "attack" and host == "guarded.test"):
        sys.exit(f"{case[0]} at {port}: an unexpected outcome\n{out}{done.stderr}")
    requests = int(next(line for line in out.splitlines() if "requests in" in line).split()[0])
    return requests or sys.exit(f"{case[0]} at {port}: nothing was answered in {seconds} s; give it more --seconds")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seawall", required=True, type=pathlib.Path)
    parser.add_argument("--nginx", default="nginx")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    cases = [c for c in CASES if not options.only or c[0] in options.only.split(",")]
    processes = []
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as directory:
        work = pathlib.Path(directory)
        work.chmod(0o755)
        texts = {"nginx.conf": (NGINX, "nginx"), "origin.conf": (ORIGIN_CONF, "nginx"), "rules.conf": (RULES, "nginx"),
                 "seawall.yaml": (SEAWALL, "seawall")}
        for name, (text, server) in texts.items():
            plain, guarded = PORTS[server]
            text = text.replace("ORIGIN", str(ORIGIN)).replace("PLAIN", str(plain)).replace("GUARDED", str(guarded))
            (work / name).write_text(text.replace("DIR", str(work)))
        try:
            processes.append(start(1, [options.nginx, "-p", work, "-c", work / "origin.conf"], ORIGIN, work))
            pids = {}
            commands = {"nginx": [options.nginx, "-p", work, "-c", work / "nginx.conf"],
                        "seawall": [options.seawall.resolve(), "run", "-c", work / "seawall.yaml"]}
            for name, command in commands.items():
                processes.append(start(0, command, PORTS[name][1], work))
                pids[name] = processes[-1].pid
            figures = {}
            for case in cases:
                for n in range(options.rounds):
                    for name, ports in PORTS.items():
                        for guarded, port in enumerate(ports):
                            host = "guarded.test" if guarded else "plain.test"
                            before = cpu(pids[name])
                            # Without rules a few thousand requests are enough.
                            requests = load(work, case, port, host, options.seconds if guarded else 1)
                            cost = (cpu(pids[name]) - before) / requests
                            figures.setdefault((case[0], name, guarded), []).append(cost)
                    print(f"  {case[0]}: round {n + 1} of {options.rounds}", file=sys.stderr, flush=True)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
    print("CPU us a request: plain, with the rules, difference; the last two columns are the part of nginx's and the bar")
    for case in cases:
        median = {key: statistics.median(figures[(case[0], *key)]) for key in [(n, g) for n in PORTS for g in (0, 1)]}
        more = {name: median[(name, 1)] - median[(name, 0)] for name in PORTS}
        row = "".join(f"{median[(n, 0)]:9.1f} {median[(n, 1)]:10.1f} {more[n]:10.1f}  |" for n in PORTS)
        print(f"{case[1]:18} |{row} 1/{more['nginx'] / more['seawall']:.1f}  1/{case[2]}")


if __name__ == "__main__":
    main()
