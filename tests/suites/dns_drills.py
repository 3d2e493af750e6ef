#!/usr/bin/env python3
"""What the DNS server does while things go wrong, with figures: make dns-drills, or

    dns_drills.py --seawall target/release/seawall [failover] [geo] [flood] [pace] [transfer] [rollover]

failover  an origin is stopped: how long until the answer is another one, against the check's interval and 100 ms
geo       clients' networks (RFC 7871) lead to targets near them, with the scope that the answer holds for
flood     garbage and names that are not there as fast as they can be sent, and clients that send a byte now and then:
          how long a valid query takes meanwhile, how many connections are held, how memory grows
pace      latencies at half load, sent at a fixed rate whatever comes back, beside NSD (needs nsd and dnsperf)
transfer  a zone of 100,000 hosts by AXFR, record for record beside Knot DNS's, and how long each takes
rollover  keys roll by themselves in accelerated time and the daemon is killed at every step, while a resolver validates what it
          caches (needs unbound, BIND and Knot DNS); some four minutes

Ends with 1 where something is worse than it may be."""
import argparse
import ipaddress
import multiprocessing
import os
import pathlib
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent / "odd_zones"))
import dns_rollover  # noqa: E402
import servers  # noqa: E402
import wire  # noqa: E402

INTERVAL_MS = 300
FAILOVER_SLACK_MS = 100
FLOOD_LATENCY_MS = 5
HOSTS = 1000
ZONE = "$TTL 300\n@ SOA ns h 1 2 3 4 60\n@ NS ns\nns A 192.0.2.1\n" + "".join(
    f"host{n} A 198.51.{n >> 8}.{n & 255}\n" for n in range(HOSTS))


def name(text):
    return wire.to_wire([label.encode() for label in text.split(".")])


def daemon(directory, program, zone, more="", dns=""):
    """The daemon with one zone; its records and pools as YAML."""
    port, http = servers.free_port(), servers.free_port()
    (directory / "drill.test.zone").write_text(ZONE)
    (directory / "seawall.yaml").write_text(f"""version: 1
process: {{ pid: {directory}/seawall.pid, state: {directory}/state, threads: 1 }}
log: {{ access: off, error: {{ path: {directory}/seawall.error.log, level: notice }} }}
admin: unix:{directory}/admin.sock
listen: [{{ http: "{servers.ADDRESS}:{http}" }}]
sites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]
{more}dns:
  listen: "{servers.ADDRESS}:{port}"
  threads: 1
{dns}  zones:
    - name: drill.test
      file: drill.test.zone
{zone}""")
    server = servers.Server("seawall", directory, port, [str(pathlib.Path(program).resolve()), "run", "-c", "seawall.yaml"])
    server.ready(name("drill.test"))
    return server


def addresses(answer):
    return sorted(socket.inet_ntoa(r[3]) for r in wire.Message(answer).answer if r[1] == wire.A) if answer else []


class Origin:
    """Answers every request with 200, until it is stopped."""

    def __init__(self):
        self.listener = socket.create_server((servers.ADDRESS, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            with stream:
                stream.recv(4096)
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def failover(directory, program):
    took = []
    for _ in range(5):
        first, spare = Origin(), Origin()
        health = f"health: {{ path: /, interval: {INTERVAL_MS}ms, fall: 1, rise: 1 }}"
        pools = "pools:\n" + "".join(
            f'  p{n}: {{ servers: ["{servers.ADDRESS}:{o.port}"], {health} }}\n' for n, o in enumerate((first, spare)))
        records = """      records:
        - name: www
          type: A
          policy: failover
          targets: [ { address: 192.0.2.1, up: { pool: p0 } }, { address: 192.0.2.2, up: { pool: p1 } } ]
"""
        server = daemon(directory, program, records, pools)
        try:
            query = wire.query(1, name("www.drill.test"), wire.A)
            time.sleep(3 * INTERVAL_MS / 1000)
            assert addresses(server.ask_all([query])[0]) == ["192.0.2.1"]
            first.stop()
            stopped = time.monotonic()
            while addresses(server.ask_all([query])[0]) != ["192.0.2.2"]:
                time.sleep(0.001)
            took.append((time.monotonic() - stopped) * 1000)
        finally:
            server.stop()
            spare.stop()
    bound = INTERVAL_MS + FAILOVER_SLACK_MS
    print(f"failover: another answer {', '.join(f'{t:.0f}' for t in sorted(took))} ms after the origin was stopped; "
          f"checked every {INTERVAL_MS} ms, so at most {bound} ms: {verdict(max(took) <= bound)}")
    return max(took) <= bound


def mmdb(networks):
    """A database in MaxMind's format 2.0: (network, ISO code of a country, of a continent)."""
    def text(s):
        return bytes([0x40 | len(s)]) + s.encode()

    def number(n, kind=0xC0):
        raw = n.to_bytes((n.bit_length() + 7) // 8, "big")
        return bytes([kind | len(raw)]) + raw

    def mapping(fields):
        return bytes([0xE0 | len(fields)]) + b"".join(text(k) + v for k, v in fields)

    tree, data = [[None, None]], b""
    for network, country, continent in networks:
        at, network = 0, ipaddress.ip_network(network)
        bits = [int(network.network_address) >> (31 - n) & 1 for n in range(network.prefixlen)]
        for bit in bits[:-1]:
            if tree[at][bit] is None:
                tree.append([None, None])
                tree[at][bit] = len(tree) - 1
            at = tree[at][bit]
        tree[at][bits[-1]] = ("data", len(data))
        data += mapping([("continent", mapping([("code", text(continent))])), ("country", mapping([("iso_code", text(country))]))])
    count = len(tree)

    def place(child):
        return count if child is None else (count + 16 + child[1] if isinstance(child, tuple) else child)
    out = b"".join(struct.pack("!II", place(a), place(b)) for a, b in tree)
    metadata = mapping([("node_count", number(count)), ("record_size", number(32, 0xA0)), ("ip_version", number(4, 0xA0)),
                        ("database_type", text("Drill")), ("languages", b"\x01\x04" + text("en")),
                        ("binary_format_major_version", number(2, 0xA0)), ("binary_format_minor_version", number(0, 0xA0)),
                        ("build_epoch", b"\x04\x02" + (1_790_000_000).to_bytes(4, "big")), ("description", mapping([]))])
    return out + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + metadata


def geo(directory, program):
    (directory / "places.mmdb").write_bytes(mmdb([("198.51.96.0/20", "DE", "EU"), ("203.0.113.0/24", "JP", "AS"), ("192.0.2.0/24", "FR", "EU")]))
    records = """      records:
        - name: www
          type: A
          policy: geo
          targets:
            - { address: 192.0.2.1, geo: { country: [DE] } }
            - { address: 192.0.2.2, geo: { continent: [EU] } }
            - { address: 192.0.2.3, geo: { country: [JP] } }
            - { address: 192.0.2.4 }
"""
    server = daemon(directory, program, records, dns="  geo: places.mmdb\n")
    right = True
    try:
        for network, expected in [("198.51.100.0/24", "192.0.2.1"), ("192.0.2.0/24", "192.0.2.2"), ("203.0.113.0/24", "192.0.2.3"), ("100.64.0.0/24", "192.0.2.4")]:
            subnet = ipaddress.ip_network(network)
            option = struct.pack("!HHHBB", 8, 7, 1, subnet.prefixlen, 0) + subnet.network_address.packed[:3]
            query = wire.query(1, name("www.drill.test"), wire.A, 1232)
            query = query[:-2] + struct.pack("!H", len(option)) + option
            answer = server.ask_all([query])[0]
            scope = answer[answer.rindex(struct.pack("!HHH", 8, 7, 1)) + 7]
            right &= addresses(answer) == [expected]
            print(f"geo: clients in {network:<16} get {', '.join(addresses(answer)):<10} for a scope of /{scope} (expected {expected}): {verdict(addresses(answer) == [expected])}")
    finally:
        server.stop()
    return right


def resident_kib(pid_file):
    keeper = int(pid_file.read_text())
    children = pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    status = pathlib.Path(f"/proc/{children[-1]}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def pour(address, until, sent):
    """Garbage, and names that are not there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
        stream.connect(address)
        messages = [os.urandom(60), wire.query(9, name("nope.drill.test"), wire.A), os.urandom(11), wire.query(9, name("x.y.z.drill.test"), 255)]
        count = 0
        while time.monotonic() < until:
            for message in messages:
                try:
                    stream.send(message)
                    count += 1
                except OSError:
                    pass
        sent.value = count


def flood(directory, program):
    server = daemon(directory, program, "")
    try:
        return flooded(server, directory / "seawall.pid")
    finally:
        server.stop()


def flooded(server, pid_file):
    before = resident_kib(pid_file)
    slow = [socket.create_connection(server.address, 2) for _ in range(300)]
    time.sleep(0.5)
    held = 0
    for stream in slow:
        stream.setblocking(False)
        try:
            held += stream.recv(1) != b""
        except BlockingIOError:
            held += 1
        except OSError:
            pass
    until = time.monotonic() + 8
    sent = multiprocessing.Value("L", 0)
    flooding = multiprocessing.Process(target=pour, args=(server.address, until, sent))
    flooding.start()
    latencies, lost = [], 0
    query = wire.query(7, name("host1.drill.test"), wire.A)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(server.address)
        client.settimeout(1)
        while time.monotonic() < until - 0.5:
            begun = time.monotonic()
            client.send(query)
            try:
                client.recv(4096)
                latencies.append((time.monotonic() - begun) * 1000)
            except TimeoutError:
                lost += 1
            # One of the slow ones sends a byte of its query.
            try:
                slow[len(latencies) % 64].send(b"\0")
            except OSError:
                pass
            time.sleep(0.005)
    flooding.join()
    after = resident_kib(pid_file)
    for stream in slow:
        stream.close()
    latencies.sort()
    p99 = latencies[len(latencies) * 99 // 100]
    good = p99 <= FLOOD_LATENCY_MS and held <= 64 and after < before + 16 * 1024
    print(f"flood: {sent.value / 8:,.0f} datagrams a second; {len(latencies)} valid queries in {statistics.median(latencies):.2f} ms (median), "
          f"{p99:.2f} ms (p99), {latencies[-1]:.2f} ms (longest), {lost} lost; of 300 slow connections {held} are held (64 a client); "
          f"memory {before / 1024:.1f} to {after / 1024:.1f} MiB: {verdict(good)}")
    return good


def paced(address, rate, queries, seconds=5):
    """p50 and p99 in microseconds of queries sent at a rate, by dnsperf."""
    command = ["dnsperf", "-s", address[0], "-p", str(address[1]), "-d", queries, "-l", str(seconds), "-c", "4", "-q", "5000", "-Q", str(rate), "-v"]
    out = subprocess.run(command, capture_output=True, text=True).stdout
    found = sorted(float(m) * 1e6 for m in re.findall(r"^> \S+ \S+ \S+ (\d+\.\d+)$", out, re.M))
    if not found:
        raise SystemExit("dnsperf told no latencies")
    return found[len(found) // 2], found[len(found) * 99 // 100]


def pace(directory, program):
    queries = directory / "queries"
    queries.write_text("".join(f"host{n}.drill.test A\nnope{n}.drill.test A\n" for n in range(HOSTS)))
    ours = daemon(directory, program, "", dns="  rrl: off\n")
    (directory / "z").mkdir(exist_ok=True)
    (directory / "z" / "drill.test.zone").write_text(f"$ORIGIN drill.test.\n{ZONE}")
    nsd = servers.nsd(directory, [("drill.test", "z/drill.test.zone")])
    try:
        nsd.ready(name("drill.test"))
        fastest = subprocess.run(["dnsperf", "-s", servers.ADDRESS, "-p", str(nsd.address[1]), "-d", str(queries), "-l", "3", "-c", "4"],
                                 capture_output=True, text=True).stdout
        rate = int(float(re.search(r"Queries per second:\s+([\d.]+)", fastest)[1]) / 2)
        ratios = []
        for _ in range(5):
            theirs, own = paced(nsd.address, rate, str(queries)), paced(ours.address, rate, str(queries))
            ratios.append(own[1] / theirs[1])
            print(f"pace: at {rate:,} a second NSD {theirs[0]:.0f} us (median) {theirs[1]:.0f} us (p99), seawall {own[0]:.0f} us {own[1]:.0f} us, ratio {ratios[-1]:.2f}")
        middle = statistics.median(ratios)
        print(f"pace: p99 is {middle:.2f} of NSD's, median of five, at most 1.2: {verdict(middle <= 1.2)}")
        return middle <= 1.2
    finally:
        nsd.stop()
        ours.stop()


def hosts(count):
    """A zone of some 165 records a hundred hosts."""
    lines = ["$ORIGIN drill.test.", "$TTL 300", "@ SOA ns h 1 7200 3600 1209600 60", "@ NS ns", "ns A 192.0.2.1", "*.wild A 192.0.2.99"]
    for n in range(count):
        lines.append(f"host{n:06} A 198.51.{n >> 8 & 255}.{n & 255}")
        if n % 2 == 0:
            lines.append(f"host{n:06} AAAA 2001:db8::{n & 0xffff:x}:{n >> 16:x}")
        if n % 10 == 0:
            lines.append(f"alias{n:06} CNAME host{n:06}")
        if n % 20 == 0:
            lines.append(f'host{n:06} TXT "host number {n} some text here"')
    return "\n".join(lines) + "\n"


def transfer(directory, program):
    (directory / "hosts.zone").write_text(hosts(100_000))
    zones = [("drill.test", "hosts.zone")]
    found, took = [], []
    for make in (servers.knot, lambda d, z: servers.seawall(d, z, program)):
        begun = time.monotonic()
        server = make(directory, zones)
        try:
            server.ready(name("drill.test"))
            loaded = time.monotonic() - begun
            begun = time.monotonic()
            for _ in range(3):
                octets = server.pull(name("drill.test"))
            took.append((server.name, loaded, (time.monotonic() - begun) / 3, octets))
            found.append(sorted(server.transfer(name("drill.test")) or []))
        finally:
            server.stop()
    same = found[0] == found[1] and len(found[0]) > 160_000
    times = "; ".join(f"{server} answers {loaded:.1f} s after its start and sends {octets / 1e6:.1f} MB in {sent:.2f} s" for server, loaded, sent, octets in took)
    print(f"transfer: {len(found[1]):,} records, {'the same' if same else 'NOT the same'} as Knot's {len(found[0]):,}; {times}: {verdict(same)}")
    return same


def verdict(good):
    return "as it should be" if good else "WORSE THAN IT MAY BE"


def main():
    drills = {"failover": failover, "geo": geo, "flood": flood, "pace": pace, "transfer": transfer, "rollover": dns_rollover.rollover}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seawall", required=True)
    parser.add_argument("drills", nargs="*", metavar="drill", help=", ".join(drills))
    options = parser.parse_args()
    results = []
    for wanted in options.drills or drills:
        with tempfile.TemporaryDirectory(prefix=f"dns-{wanted}-") as directory:
            results.append(drills[wanted](pathlib.Path(directory).resolve(), options.seawall))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
