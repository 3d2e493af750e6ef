"""Keys that roll in accelerated time under a validating resolver that never fails: the drill `rollover` of dns_drills.py.

The parent is BIND, signed, and follows CDS by BIND's own dnssec-cds; the zone has us as its primary and Knot DNS as a secondary; the
client is unbound, whose cache spans the steps, and now and then delv, which validates what lies in unbound's cache. The daemon is
killed at every step of every rollover that its file of keys shows."""
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time

import servers
import wire

# All in seconds. A cache holds what it got for TTL; the secondary asks for it every two seconds.
TTL, PROPAGATION, PARENT_TTL = 2, 5, 5
KSK_LIFETIME, ZSK_LIFETIME = 25, 12
SECONDS_MAX = 240
# What has to be seen before the drill is over.
ROLLED = {"ksk": 2, "zsk": 3}
ZONE = f"""$TTL {TTL}
@ SOA ns h 1 1 1 600 {TTL}
@ NS ns
@ NS ns2
ns A {servers.ADDRESS}
ns2 A {servers.ADDRESS}
www A 192.0.2.1
alias CNAME www
*.wild A 192.0.2.2
a.deep A 192.0.2.3
"""
NOERROR, NXDOMAIN = 0, 3
ED25519 = "15"


def name(text):
    return wire.to_wire([label.encode() for label in text.split(".")])


def said(*command, stdin=None):
    done = subprocess.run([str(c) for c in command], input=stdin, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


class Daemon:
    """Us, killed and started again at will."""

    def __init__(self, directory, program, denial, secondary, parent):
        self.directory, self.program = directory, str(pathlib.Path(program).resolve())
        self.port, http = servers.free_port(), servers.free_port()
        self.kills = 0
        (directory / "roll.test.zone").write_text(ZONE)
        (directory / "seawall.yaml").write_text(f"""version: 1
process: {{ pid: {directory}/seawall.pid, state: {directory}/state, threads: 1 }}
log: {{ access: off, error: {{ path: {directory}/seawall.error.log, level: notice }} }}
admin: unix:{directory}/admin.sock
listen: [{{ http: "{servers.ADDRESS}:{http}" }}]
sites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]
dns:
  listen: "{servers.ADDRESS}:{self.port}"
  threads: 1
  rrl: off
  zones:
    - name: roll.test
      file: roll.test.zone
      transfer: {{ to: {servers.ADDRESS} }}
      notify: "{servers.ADDRESS}:{secondary}"
      dnssec:
        denial: {denial}
        ksk_lifetime: {KSK_LIFETIME}s
        zsk_lifetime: {ZSK_LIFETIME}s
        dnskey_ttl: {TTL}s
        propagation: {PROPAGATION}s
        parent_ttl: {PARENT_TTL}s
        parent: "{servers.ADDRESS}:{parent}"
        validity: 40s
        refresh: 20s
""")
        self.keys = directory / "state" / "dnssec" / "roll.test.keys"
        self.start()

    def start(self):
        self.server = servers.Server("seawall", self.directory, self.port, [self.program, "run", "-c", "seawall.yaml"])
        self.server.ready(name("roll.test"))

    def kill(self):
        """The keeper and its worker, with the signal that nobody hears."""
        keeper = self.server.process.pid
        children = pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        for pid in [keeper, *map(int, children)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.server.process.wait()
        self.kills += 1

    def ring(self):
        """(role, part of the key, state, whether it is known to be published, whether the parent leads to it, algorithm) of each key."""
        found = []
        for line in self.keys.read_text().splitlines() if self.keys.exists() else []:
            if line.startswith("key "):
                _, role, algorithm, state, *fields = line.split()
                fields = dict(f.split("=", 1) for f in fields)
                found.append((role, fields["public"][:12], state, "since" in fields, fields["delegated"], algorithm))
        return tuple(found)

    def take(self, algorithm):
        """Another algorithm, by a reload."""
        file = self.directory / "seawall.yaml"
        file.write_text(file.read_text().replace("      dnssec:\n", f"      dnssec:\n        algorithm: {algorithm}\n"))
        said(self.program, "reload", "-c", file)

    def ds(self):
        return said(self.program, "dns", "ds", "roll.test", "-c", self.directory / "seawall.yaml")


class Parent:
    """The zone `test`, signed by BIND. It follows what its child asks for as its registrar would: by a script, every second."""

    def __init__(self, directory):
        self.directory = directory / "parent"
        self.directory.mkdir()
        self.port, self.changes = servers.free_port(), 0
        (self.directory / "test.zone").write_text(
            f"$TTL {TTL}\n@ SOA ns h 1 60 60 600 {TTL}\n@ NS ns\nns A {servers.ADDRESS}\nroll NS ns.roll\nroll NS ns2.roll\n"
            f"ns.roll A {servers.ADDRESS}\nns2.roll A {servers.ADDRESS}\n")
        (self.directory / "named.conf").write_text(f"""options {{ directory "{self.directory}"; listen-on port {self.port} {{ {servers.ADDRESS}; }};
  listen-on-v6 {{ none; }}; recursion no; pid-file "{self.directory}/named.pid"; session-keyfile "{self.directory}/session.key"; notify no; }};
controls {{}};
dnssec-policy "one" {{ keys {{ csk lifetime unlimited algorithm ecdsap256sha256; }}; dnskey-ttl 60; }};
zone "test" {{ type primary; file "{self.directory}/test.zone"; dnssec-policy "one"; allow-update {{ {servers.ADDRESS}; }}; }};
""")
        user = os.environ.get("USER") or "root"
        self.server = servers.Server("named", directory, self.port, ["named", "-f", "-c", str(self.directory / "named.conf"), "-n", "1", "-u", user])
        self.server.ready(name("test"))
        until = time.monotonic() + 30
        while not (key := self.dig("DNSKEY", "test")).strip():
            if time.monotonic() > until:
                raise SystemExit("the parent is not signed")
            time.sleep(0.1)
        self.anchor = said("dnssec-dsfromkey", "-2", "-f", "-", "test", stdin=key).strip()
        self.dsset = self.directory / "dsset-roll.test."

    def dig(self, rtype, owner):
        return said("dig", "+noall", "+answer", f"@{servers.ADDRESS}", "-p", self.port, owner, rtype)

    def update(self, lines):
        said("nsupdate", stdin=f"server {servers.ADDRESS} {self.port}\nzone test\n{lines}\nsend\n")

    def begin(self, ds):
        """The first DS, by hand."""
        self.dsset.write_text(ds)
        # dnssec-cds takes its time for that of the last signatures that it believed.
        os.utime(self.dsset, (0, 0))
        self.update("\n".join(f"update add roll.test. {TTL} {line.split(' ', 1)[1]}" for line in ds.splitlines()))

    def follow(self, child_port):
        asked = [said("dig", "+noall", "+answer", "+dnssec", f"@{servers.ADDRESS}", "-p", child_port, "roll.test", rtype)
                 for rtype in ("DNSKEY", "CDS", "CDNSKEY")]
        child = self.directory / "child"
        child.write_text("".join(asked))
        done = subprocess.run(["dnssec-cds", "-u", "-i", "-T", str(TTL), "-d", str(self.dsset), "-f", str(child), "roll.test"],
                              capture_output=True, text=True, cwd=self.directory)
        changes = "\n".join(line for line in done.stdout.splitlines() if line.startswith("update"))
        if done.returncode:
            return done.stderr
        if changes:
            self.changes += 1
            self.update(changes)
        return ""


def secondary(directory, port, primary):
    """Knot DNS, which copies the zone from us."""
    (directory / "copy").mkdir()
    (directory / "copy.conf").write_text(f"""server:
  rundir: "{directory}/copy"
  listen: {servers.ADDRESS}@{port}
  udp-workers: 1
  tcp-workers: 2
  background-workers: 1
  automatic-acl: on
log:
  - target: stderr
    any: info
database:
  storage: "{directory}/copy"
remote:
  - id: us
    address: {servers.ADDRESS}@{primary}
zone:
  - domain: roll.test
    storage: "{directory}/copy"
    zonefile-sync: -1
    refresh-min-interval: 2
    refresh-max-interval: 2
    retry-min-interval: 1
    retry-max-interval: 1
    master: us
""")
    return servers.Server("knotd", directory, port, ["knotd", "-c", "copy.conf"])


def resolver(directory, anchor, parent, authoritative):
    """Unbound, which trusts the parent's key and validates with no tolerance of clocks."""
    port = servers.free_port()
    (directory / "anchor").write_text(anchor + "\n")
    stub = "".join(f"  stub-addr: {servers.ADDRESS}@{p}\n" for p in authoritative)
    (directory / "unbound.conf").write_text(f"""server:
  interface: {servers.ADDRESS}
  port: {port}
  do-ip6: no
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{directory}"
  pidfile: "{directory}/unbound.pid"
  use-syslog: no
  logfile: ""
  num-threads: 1
  do-not-query-localhost: no
  module-config: "validator iterator"
  trust-anchor-file: "{directory}/anchor"
  trust-anchor-signaling: no
  val-sig-skew-min: 0
  val-sig-skew-max: 0
  val-log-level: 2
  harden-algo-downgrade: yes
  infra-host-ttl: 1
  cache-min-ttl: 0
  prefetch: no
  serve-expired: no
  local-zone: "test." nodefault
stub-zone:
  name: "test"
  stub-addr: {servers.ADDRESS}@{parent}
stub-zone:
  name: "roll.test"
{stub}""")
    return servers.Server("unbound", directory, port, ["unbound", "-d", "-c", "unbound.conf"])


class Client(threading.Thread):
    """Asks the resolver all the time. What does not come back validated is a failure."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.address, self.stopping = address, False
        self.asked, self.failures = {}, []

    def questions(self, n):
        yield "positive", "www.roll.test", wire.A, NOERROR
        yield "positive", "alias.roll.test", wire.A, NOERROR
        yield "NODATA", "www.roll.test", wire.TXT, NOERROR
        yield "NODATA", "deep.roll.test", wire.A, NOERROR
        yield "NXDOMAIN", "nope.roll.test", wire.A, NXDOMAIN
        yield "wildcard", "x.wild.roll.test", wire.A, NOERROR
        yield "keys", "roll.test", wire.DNSKEY, NOERROR
        # What lies in no cache has its signatures from now and its keys from before.
        yield "NXDOMAIN", f"n{n}.roll.test", wire.A, NXDOMAIN
        yield "wildcard", f"w{n}.wild.roll.test", wire.A, NOERROR
        yield "NODATA", f"w{n}.wild.roll.test", wire.TXT, NOERROR

    def run(self):
        n = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
            stream.connect(self.address)
            stream.settimeout(20)
            while not self.stopping:
                for kind, owner, rtype, code in self.questions(n):
                    n += 1
                    self.asked[kind] = self.asked.get(kind, 0) + 1
                    stream.send(wire.query(n & 0xFFFF, name(owner), rtype, 1232, True, True))
                    try:
                        while struct.unpack("!H", (answer := stream.recv(4096))[:2])[0] != n & 0xFFFF:
                            pass
                    except OSError as silence:
                        self.failures.append(f"{owner} {wire.type_name(rtype)}: {silence}")
                        continue
                    validated, got = bool(answer[3] & 0x20), answer[3] & 15
                    if not validated or got != code:
                        self.failures.append(f"{owner} {wire.type_name(rtype)}: code {got}, {'validated' if validated else 'NOT validated'}")
                    time.sleep(0.005)


DELV = [("www.roll.test", "A", "; fully validated"), ("x.wild.roll.test", "A", "; fully validated"),
        ("www.roll.test", "TXT", "; negative response, fully validated"), ("nope.roll.test", "A", "; negative response, fully validated")]


def delv(directory, port, anchor, question):
    """What BIND's validator says of what the resolver has, checked by nobody before (CD)."""
    owner, rtype, expected = question
    fields = anchor.split()
    tag, algorithm, digest, hash_ = fields[-4:]
    file = directory / "delv.anchor"
    file.write_text(f'trust-anchors {{ test. static-ds {tag} {algorithm} {digest} "{hash_}"; }};\n')
    done = subprocess.run(["delv", "-a", str(file), "+root=test", f"@{servers.ADDRESS}", "-p", str(port), owner, rtype], capture_output=True, text=True)
    text = done.stdout + done.stderr
    return "" if expected in text else f"delv {owner} {rtype}: {text}"


def rollover(directory, program):
    right = True
    for denial, algorithm in (("nsec", None), ("nsec3", None), ("nsec", "ed25519")):
        inside = directory / f"{denial}-{algorithm}"
        inside.mkdir()
        right &= rolled(inside, program, denial, algorithm)
    return right


def rolled(directory, program, denial, algorithm):
    """Automatic rollovers, or with `algorithm` the change to that."""
    started = []
    try:
        parent = Parent(directory)
        started.append(parent.server)
        copy_port = servers.free_port()
        ours = Daemon(directory, program, denial, copy_port, parent.port)
        started.append(ours)
        copy = secondary(directory, copy_port, ours.port)
        started.append(copy)
        copy.ready(name("roll.test"))
        parent.begin(ours.ds())
        unbound = resolver(directory, parent.anchor, parent.port, [ours.port, copy_port])
        started.append(unbound)
        return watched(directory, denial, algorithm, parent, ours, copy_port, unbound)
    finally:
        for server in started:
            (server.server if isinstance(server, Daemon) else server).stop()


def watched(directory, denial, algorithm, parent, ours, copy_port, unbound):
    wait_for_ds(parent)
    while unbound.process.poll() is None and not unbound.ask_all([wire.query(1, name("test"), wire.SOA, rd=True)])[0]:
        time.sleep(0.1)
    client = Client(unbound.address)
    client.start()
    begun, second = time.monotonic(), 0
    killed_at, tags, wrong, checks = set(), {"ksk": set(), "zsk": set()}, [], 0
    steps = 0
    if algorithm:
        ours.take(algorithm)

    def is_over(ring):
        active = all(key[2] == "active" for key in ring)
        if algorithm:
            return active and all(key[5] == ED25519 for key in ring)
        return active and all(len(tags[role]) > count for role, count in ROLLED.items())
    over = False
    while time.monotonic() < begun + SECONDS_MAX and not client.failures and not wrong:
        ring = ours.ring()
        for role, key, *_ in ring:
            tags[role].add(key)
        # The first ring of all is no step.
        if ring not in killed_at and ring:
            steps += 1
            killed_at.add(ring)
            if steps > 1:
                ours.kill()
                ours.start()
        over = is_over(ring)
        if over:
            break
        if time.monotonic() > begun + second:
            second += 1
            if problem := parent.follow(copy_port):
                wrong.append(f"the parent does not follow: {problem}")
            if problem := delv(directory, unbound.address[1], parent.anchor, DELV[second % len(DELV)]):
                wrong.append(problem)
            checks += 1
        time.sleep(0.001)
    client.stopping = True
    client.join(30)
    took = time.monotonic() - begun
    enough = min(client.asked.values(), default=0) > took
    good = over and enough and not client.failures and not wrong and ours.kills >= 4
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(client.asked.items()))
    print(f"rollover ({f'{denial}, to {algorithm}' if algorithm else denial}): {len(tags['ksk']) - 1} KSK and {len(tags['zsk']) - 1} ZSK rollovers in {took:.0f} s, {parent.changes} changes at the parent, "
          f"{ours.kills} kills; unbound asked {sum(client.asked.values())} times ({kinds}), {len(client.failures)} failures; delv {checks} times, "
          f"{len(wrong)} failures: {'as it should be' if good else 'WORSE THAN IT MAY BE'}")
    for problem in (client.failures + wrong)[:10]:
        print(f"    {problem}")
    if not good:
        print("    " + "\n    ".join((directory / "unbound.log").read_text().splitlines()[-20:]))
        print("    " + "\n    ".join((directory / "seawall.error.log").read_text().splitlines()[-40:]))
        print("    " + str(ours.ring()))
    return good


def wait_for_ds(parent):
    until = time.monotonic() + 20
    while "DS" not in parent.dig("DS", "roll.test"):
        if time.monotonic() > until:
            raise SystemExit("the parent has no DS")
        time.sleep(0.1)
