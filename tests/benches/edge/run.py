#!/usr/bin/env python3
"""nginx and seawall side by side: CPU per request, tail latency, scaling, memory of an idle connection.

    run.py --seawall BINARY [--nginx BINARY] [--rounds 7] [--seconds 2] [--idle 3000] [--only CASE,CASE]

Both run nginx.conf of this folder, one worker pinned to the first core each; load and origin share the second. The
rounds are interleaved, so that what the machine does meanwhile falls on both. CPU is user and system time of the whole
process tree (keeper or master, and worker) from /proc, divided by the requests that the load generator counted; the
median of the rounds counts. Nothing here fails on a figure: machines are noisy, and ratios are for people to read.
"""

import argparse
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import os

import load
from servers import NAMES, PEERS, Servers, cpu

# Name, title, bar, what makes the load: (server, seconds) -> requests answered.
CASES = [
    ("proxied", "proxied, 1 KiB, a browser's head", 1.00, lambda s, t: load.wrk(s.http("/proxied"), t)),
    ("large", "proxied, 64 KiB", 0.80, lambda s, t: load.wrk(s.http("/large"), t)),
    ("tls", "proxied, 1 KiB, over TLS", 0.90, lambda s, t: load.wrk(s.https("/proxied"), t)),
    ("h2", "proxied, 1 KiB, HTTP/2 over TLS", 0.80, lambda s, t: load.h2(s.https("/proxied"), t)),
    ("cached", "cache hit, 1 KiB", 0.65, lambda s, t: load.wrk(s.http("/cached"), t)),
    ("cached64", "cache hit, 64 KiB", 0.85, lambda s, t: load.wrk(s.http("/cached64"), t)),
    ("fixed", "fixed answer", 0.80, lambda s, t: load.wrk(s.http("/fixed"), t)),
    ("static", "a file of 1 KiB", 1.00, lambda s, t: load.wrk(s.http("/files/1k"), t)),
    ("megabyte", "a file of 1 MiB", 1.00, lambda s, t: load.wrk(s.http("/files/1m"), t)),
    ("handshake", "a full TLS handshake", 0.60, lambda s, t: load.handshakes(s.https_port, t)),
]


def measure(servers, cases, options):
    """CPU us a request of each case and server, (all, user), one pair a round."""
    figures = {}
    for key, _, _, work in cases:
        for n in range(options.rounds):
            for name in NAMES:
                server = servers[name]
                before = cpu(server.pid)
                requests = work(server, options.seconds)
                after = cpu(server.pid)
                user, system = ((a - b) * 1e6 / requests for a, b in zip(after, before))
                figures.setdefault((key, name), []).append((user + system, user))
            print(f"  {key}: round {n + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return figures


def tails(servers, options):
    """99th percentiles (us) at half of the load that the slower one can take, one a round."""
    most = min(load.wrk(servers[n].http("/proxied"), options.seconds) / options.seconds for n in NAMES)
    found = {name: [] for name in NAMES}
    for n in range(options.rounds):
        for name in NAMES:
            found[name].append(load.open_loop(servers[name].http("/proxied"), most / 2, options.seconds))
        print(f"  tail: round {n + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return most / 2, found


def scaling(options, work):
    """CPU us a request with one thread and with two, both on all cores with the load beside them."""
    found = {}
    for threads in (1, 2):
        directory = work / f"threads{threads}"
        directory.mkdir()
        with Servers(directory, options, threads=threads, pinned=False) as servers:
            for n in range(options.rounds):
                for name in NAMES:
                    before = sum(cpu(servers[name].pid))
                    requests = load.wrk(servers[name].http("/proxied"), options.seconds, pinned=False)
                    cost = (sum(cpu(servers[name].pid)) - before) * 1e6 / requests
                    found.setdefault((name, threads), []).append(cost)
                print(f"  threads: {threads}, round {n + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return {key: statistics.median(costs) for key, costs in found.items()}


def table(cases, figures):
    print(f"\n{'CPU us a request (user)':<36}{'nginx':>18}{'seawall':>18}{'ratio':>8}{'bar':>7}")
    for key, title, bar, _ in cases:
        total = {n: statistics.median(f[0] for f in figures[key, n]) for n in NAMES}
        user = {n: statistics.median(f[1] for f in figures[key, n]) for n in NAMES}
        cells = "".join(f"{f'{total[n]:.2f} ({user[n]:.2f})':>18}" for n in NAMES)
        print(f"{title:<36}{cells}{total['seawall'] / total['nginx']:>8.2f}{bar:>7.2f}", flush=True)


def caches(servers, work, options):
    """Hits of nginx, of seawall and of the caches beside them, and hits that come from a disk."""
    servers.start_peers(work)
    names = (*NAMES, *PEERS)
    sizes = (("/cached", "1 KiB"), ("/cached64", "64 KiB"))
    figures = {}

    def one(key, name, work):
        before = cpu(servers[name].pid)
        requests = work()
        after = cpu(servers[name].pid)
        figures.setdefault((key, name), []).append(sum(a - b for a, b in zip(after, before)) * 1e6 / requests)

    for path, _ in sizes:
        for name in names:
            load.wrk(servers[name].http(path), 1)
        for _ in range(options.rounds):
            for name in names:
                one(path, name, lambda: load.wrk(servers[name].http(path), options.seconds))
        print(f"  caches: {path} done", file=sys.stderr, flush=True)
    servers.start_disk(work, options.seawall)
    places = ("nginx", "disk")
    for name in places:
        for _ in range(2):
            # Twice each at least: what was asked for once is not on the disk yet.
            load.many(servers[name].http("/many/"), max(4, options.seconds))
    for _ in range(options.rounds):
        for name in places:
            one("/many/", name, lambda: load.many(servers[name].http("/many/"), options.seconds))
    print("\nhits, CPU us a request; in brackets seawall's share of it")
    for path, size in sizes:
        cost = {name: statistics.median(figures[path, name]) for name in names}
        cells = "  ".join(f"{name} {cost[name]:.2f} ({cost['seawall'] / cost[name]:.2f})" for name in names)
        print(f"  {size:<8}{cells}", flush=True)
    cost = {name: statistics.median(figures["/many/", name]) for name in places}
    print(f"  64 KiB from a disk: nginx {cost['nginx']:.2f}, seawall {cost['disk']:.2f} ({cost['disk'] / cost['nginx']:.2f})")


def row(title, cells, ratio, bar):
    shown = "".join(f"{cells[n]:>18}" for n in NAMES)
    print(f"{title:<36}{shown}{ratio:>8}{bar:>7}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seawall", required=True)
    parser.add_argument("--nginx", default=shutil.which("nginx") or "/usr/sbin/nginx")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--idle", type=int, default=3000)
    parser.add_argument("--only", default="", help="cases, with commas; also: tail, threads, idle; caches (only by name)")
    parser.add_argument("--work", help="where the servers' files are: a tmpfs takes disks out of the comparison")
    options = parser.parse_args()
    options.seawall = os.path.abspath(options.seawall)
    wanted = [w for w in options.only.split(",") if w]
    asked = lambda key: not wanted or key in wanted
    cases = [case for case in CASES if asked(case[0])]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(subprocess.run([options.nginx, "-V"], capture_output=True, text=True).stderr.splitlines()[0])
    print(load.cipher_note())
    with tempfile.TemporaryDirectory(prefix="seawall-bench-", dir=options.work) as directory:
        work = pathlib.Path(directory)
        work.chmod(0o755)
        first = work / "one"
        first.mkdir()
        with Servers(first, options, threads=1, pinned=True) as servers:
            table(cases, measure(servers, cases, options))
            if "caches" in wanted:
                caches(servers, first, options)
            if asked("tail"):
                rate, found = tails(servers, options)
                p99 = {n: statistics.median(found[n]) for n in NAMES}
                cells = {n: f"{p99[n]:.0f} us" for n in NAMES}
                row(f"p99 at {rate:.0f} requests/s", cells, f"{p99['seawall'] / p99['nginx']:.2f}", "1.20")
            if asked("idle"):
                for title, tls, bar in (("an idle connection", False, "4 KiB"), ("an idle TLS connection", True, "16 KiB")):
                    cost = {n: load.idle_bytes(servers[n], options.idle, tls) for n in NAMES}
                    row(title, {n: f"{cost[n] / 1024:.2f} KiB" for n in NAMES}, "", bar)
        if asked("threads"):
            cost = scaling(options, work)
            gain = {n: 2 * cost[n, 1] / cost[n, 2] for n in NAMES}
            row("two threads serve, of one", {n: f"{gain[n]:.2f}" for n in NAMES}, "", "1.80")


if __name__ == "__main__":
    main()
