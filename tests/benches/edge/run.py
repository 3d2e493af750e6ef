#!/usr/bin/env python3
"""nginx and seawall side by side: CPU per request, and memory of an idle connection.

    run.py --seawall BINARY [--nginx BINARY] [--rounds 7] [--seconds 2] [--idle 3000]

Both run nginx.conf of this folder, one worker pinned to the first core each; wrk and the origin share the second. The
rounds are interleaved, so that what the machine does meanwhile falls on both. CPU is user and system time of the whole
process tree (keeper or master, and worker) from /proc, divided by the requests that wrk counted; the median of the
rounds counts. Nothing here fails on a figure: machines are noisy, and ratios are for people to read.
"""

import argparse
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PORTS = {"nginx": 28090, "seawall": 28091}
CASES = [
    ("proxied", "proxied, 1 KiB, a browser's head", 1.05),
    ("cached", "cache hit, 1 KiB", 0.65),
    ("fixed", "fixed answer", 0.80),
]
BYTES = 1024
TICKS = os.sysconf("SC_CLK_TCK")


def pinned(core, command, **kw):
    return subprocess.Popen(["taskset", "-c", str(core), *command], stdin=subprocess.DEVNULL, **kw)


def wait_for(port, process):
    for _ in range(200):
        if process.poll() is not None:
            sys.exit(f"{process.args} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def tree(pid):
    """A process and all that descend from it."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        children = pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split()
        for child in children:
            found += tree(int(child))
    return found


def cpu(pid):
    """Seconds of user and system time of a tree so far."""
    user = system = 0
    for process in set(tree(pid)):
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        user += int(fields[11])
        system += int(fields[12])
    return user / TICKS, system / TICKS


def load(port, path, seconds):
    """Requests answered in a round of wrk."""
    out = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", "-c32", f"-d{seconds}s", "-s", HERE / "browser.lua",
         f"http://127.0.0.1:{port}/{path}"],
        capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"errors under load:\n{out}")
    return int(next(line for line in out.splitlines() if "requests in" in line).split()[0])


def start(work, options):
    origin = (HERE / "origin.conf").read_text().replace("@BODY@", "x" * BYTES)
    (work / "origin.conf").write_text(origin)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = {"origin": pinned(1, [options.nginx, "-p", work, "-c", work / "origin.conf"], **quiet)}
    wait_for(28099, processes["origin"])
    for name, binary in (("nginx", options.nginx), ("seawall", options.seawall)):
        prefix = work / name
        prefix.mkdir()
        text = (HERE / "nginx.conf").read_text().replace("127.0.0.1:28090", f"127.0.0.1:{PORTS[name]}")
        (prefix / "nginx.conf").write_text(text)
        command = [binary, "-p", f"{prefix}/", "-c", "nginx.conf", "-e", "error.log"]
        processes[name] = pinned(0, command, **quiet)
        wait_for(PORTS[name], processes[name])
    return processes


def measure(processes, options):
    figures = {}
    for path, _, _ in CASES:
        for n in range(options.rounds):
            for name in PORTS:
                before = cpu(processes[name].pid)
                requests = load(PORTS[name], path, options.seconds)
                after = cpu(processes[name].pid)
                user, system = ((a - b) * 1e6 / requests for a, b in zip(after, before))
                figures.setdefault((path, name), []).append((user + system, user))
            print(f"  {path}: round {n + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return figures


def idle_bytes(process, port, count):
    """Resident bytes that a connection costs which was used once and stays open."""
    def rss():
        return sum(int(line.split()[1]) * 1024
                   for p in set(tree(process.pid))
                   for line in pathlib.Path(f"/proc/{p}/status").read_text().splitlines()
                   if line.startswith("VmRSS"))

    def opened(n):
        for _ in range(n):
            connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(b"GET /fixed HTTP/1.1\r\nHost: bench.test\r\n\r\n")
            if b"hello" not in connection.recv(4096):
                sys.exit("an unexpected answer")
            yield connection

    # The first ones make the process allocate what it keeps for all.
    kept = list(opened(200))
    before = rss()
    kept += list(opened(count))
    time.sleep(0.5)
    cost = (rss() - before) / count
    for connection in kept:
        connection.close()
    return cost


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seawall", required=True)
    parser.add_argument("--nginx", default=shutil.which("nginx") or "/usr/sbin/nginx")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--idle", type=int, default=3000)
    options = parser.parse_args()
    options.seawall = os.path.abspath(options.seawall)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as directory:
        work = pathlib.Path(directory)
        work.chmod(0o755)
        processes = start(work, options)
        try:
            figures = measure(processes, options)
            idle = {name: idle_bytes(processes[name], PORTS[name], options.idle) for name in PORTS}
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait()
    print(f"\n{'CPU us a request (user)':<36}{'nginx':>16}{'seawall':>16}{'ratio':>8}{'bar':>7}")
    for path, title, bar in CASES:
        total = {n: statistics.median(f[0] for f in figures[path, n]) for n in PORTS}
        user = {n: statistics.median(f[1] for f in figures[path, n]) for n in PORTS}
        cells = "".join(f"{f'{total[n]:.2f} ({user[n]:.2f})':>16}" for n in PORTS)
        print(f"{title:<36}{cells}{total['seawall'] / total['nginx']:>8.2f}{bar:>7.2f}")
    cells = "".join(f"{f'{idle[n] / 1024:.2f} KiB':>16}" for n in PORTS)
    print(f"{'an idle connection':<36}{cells}{'':>8}{'4 KiB':>7}")


if __name__ == "__main__":
    main()
