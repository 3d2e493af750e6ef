#!/usr/bin/env python3
"""NSD, Knot DNS and seawall side by side: CPU per query.

    run.py --seawall target/release/seawall [--quick] [--rounds 7] [--seconds 2] [--only mix,hit,nxdomain,large,signed,denied]

One UDP thread each, all servers on the first core, dnsperf on the second. The rounds are interleaved, so that what the
machine does meanwhile falls on all. CPU is user and system time of the whole process tree from /proc, divided by the
queries that were answered; the median of the rounds counts. Nothing here fails on a figure: machines are noisy, and
ratios are for people to read. Needs nsd, knot, dnsperf and ldnsutils."""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent.parent / "suites" / "odd_zones")]
import servers  # noqa: E402
import wire  # noqa: E402
import zones  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
SERVER_CORE, LOAD_CORE = 0, 1
NAMES = ("nsd", "knot", "seawall")
# Name, title, what is asked of which zone, with DO, and what the figure is measured by: another server's, or another of ours; and its bar.
CASES = [
    ("hit", "an address that is there", zones.hit, zones.SMALL, False, ("nsd", 1.0)),
    ("mix", "the mix", zones.mixed, zones.SMALL, False, ("nsd", 1.0)),
    ("nxdomain", "a name that is not there", zones.nothing, zones.SMALL, False, ("hit", 1.3)),
    ("large", "the mix, of 100,000 hosts", zones.mixed, zones.LARGE, False, ("mix", 1.4)),
    ("signed", "signed: an address that is there", zones.hit, zones.SIGNED, True, ("knot", 1.3)),
    ("denied", "signed: a name that is not there", zones.nothing, zones.SIGNED, True, ("knot", 1.3)),
]


def tree(pid):
    """A process and all that descend from it."""
    found = [pid]
    for task in os.listdir(f"/proc/{pid}/task"):
        for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split():
            found += tree(int(child))
    return found


def cpu(pid):
    """Seconds of user and system time of a tree so far."""
    total = 0
    for process in set(tree(pid)):
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def asked(server, questions, dnssec, seconds):
    """Asks as fast as it is answered; gives the answers and how many of them came a second."""
    command = ["taskset", "-c", str(LOAD_CORE), "dnsperf", "-s", servers.ADDRESS, "-p", str(server.address[1]), "-d", str(questions),
               "-l", str(seconds), "-c", "4", "-q", "200", *(["-D"] if dnssec else [])]
    out = subprocess.run(command, capture_output=True, text=True).stdout
    completed, rate = re.search(r"Queries completed:\s+(\d+)", out), re.search(r"Queries per second:\s+([\d.]+)", out)
    if not completed or not int(completed[1]):
        raise SystemExit(f"{server.name} answers nothing: {out}")
    return int(completed[1]), float(rate[1])


def measure(started, cases, directory, options):
    """CPU us a query and queries a second of each case and server, one pair a round."""
    figures = {}
    for key, _, ask, origin, dnssec, _ in cases:
        path = directory / f"{key}.queries"
        zones.questions(path, ask, origin)
        for server in started:
            asked(server, path, dnssec, 1)
        for n in range(options.rounds):
            for server in started:
                before = cpu(server.process.pid)
                answers, rate = asked(server, path, dnssec, options.seconds)
                cost = (cpu(server.process.pid) - before) * 1e6 / answers
                figures.setdefault((key, server.name), []).append((cost, rate))
            print(f"  {key}: round {n + 1} of {options.rounds}", file=sys.stderr, flush=True)
    return figures


def table(cases, figures):
    def cost(key, name):
        return statistics.median(f[0] for f in figures[key, name])
    print(f"{'CPU us a query (answers a second)':<36}" + "".join(f"{n:>20}" for n in NAMES) + f"{'ratio':>8}  by")
    for key, title, _, _, _, (by, bar) in cases:
        rates = {n: statistics.median(f[1] for f in figures[key, n]) for n in NAMES}
        cells = "".join(f"{f'{cost(key, n):.2f} ({rates[n]:,.0f})':>20}" for n in NAMES)
        known = (key, by) in figures or (by, "seawall") in figures
        ours = cost(key, "seawall")
        ratio = f"{ours / (cost(key, by) if by in NAMES else cost(by, 'seawall')):.2f}" if known else "-"
        print(f"{title:<36}{cells}{ratio:>8}  {by if by in NAMES else f'our {by}'}, at most {bar}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seawall", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="three rounds of a second each")
    parser.add_argument("--only", default="", help="cases, with commas")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 3, 1
    wanted = [w for w in options.only.split(",") if w]
    cases = [case for case in CASES if not wanted or case[0] in wanted]
    # What is started from here on runs there.
    os.sched_setaffinity(0, {SERVER_CORE})
    with tempfile.TemporaryDirectory(prefix="dns-bench-") as kept:
        directory = pathlib.Path(kept).resolve()
        served = zones.write(directory)
        started = []
        try:
            for make in (servers.nsd, servers.knot):
                started.append(make(directory, served))
            started.append(servers.seawall(directory, served, options.seawall))
            for server in started:
                for origin, _ in served:
                    server.ready(wire.to_wire([label.encode() for label in origin.split(".")]))
            table(cases, measure(started, cases, directory, options))
        finally:
            for server in started:
                server.stop()


if __name__ == "__main__":
    main()
