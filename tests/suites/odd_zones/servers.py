"""The servers that are compared: each started with all zones, on a port of its own, and ended by its pid."""
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import time
import wire

ADDRESS = "127.0.0.1"


def free_port():
    """A port that is free for datagrams and streams."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket() as streams:
            datagrams.bind((ADDRESS, 0))
            port = datagrams.getsockname()[1]
            try:
                streams.bind((ADDRESS, port))
                return port
            except OSError:
                continue


class Server:
    """A running server, and the questions it is asked."""

    def __init__(self, name, directory, port, command):
        self.name, self.address = name, (ADDRESS, port)
        log = open(directory / f"{name}.log", "wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory, start_new_session=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.connect(self.address)
        self.socket.setblocking(False)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def ask_all(self, queries):
        """Answers to a few queries that are under way together, by their place; None for what stays silent."""
        answers = [None] * len(queries)
        for _ in range(4):
            open_ids = {struct.unpack("!H", q[:2])[0]: n for n, q in enumerate(queries) if answers[n] is None}
            for place in open_ids.values():
                try:
                    self.socket.send(queries[place])
                except OSError:
                    pass
            until = time.monotonic() + 1
            while open_ids and time.monotonic() < until:
                if not select.select([self.socket], [], [], until - time.monotonic())[0]:
                    break
                try:
                    answer = self.socket.recv(65535)
                except OSError:
                    continue
                place = open_ids.pop(struct.unpack("!H", answer[:2])[0], None) if len(answer) > 11 else None
                if place is not None:
                    answers[place] = answer
            if not open_ids:
                break
        return answers

    def stream(self):
        return socket.create_connection(self.address, 5)

    def ask_tcp(self, query):
        with self.stream() as stream:
            stream.sendall(struct.pack("!H", len(query)) + query)
            return framed(stream)

    def transfer(self, name):
        """All records of a zone by AXFR; None where it is refused."""
        records, soas = [], 0
        with self.stream() as stream:
            question = wire.query(7, name, 252)
            stream.sendall(struct.pack("!H", len(question)) + question)
            while soas < 2:
                message = wire.Message(framed(stream))
                if message.rcode or not message.answer:
                    return None
                records += message.answer
                soas += sum(r[1] == wire.SOA for r in message.answer)
        return records[:-1]

    def pull(self, name):
        """How many octets a transfer has, read as fast as they come: the last message is the one that ends with the first one's SOA."""
        octets, soa = 0, None
        with self.stream() as stream:
            question = wire.query(7, name, 252)
            stream.sendall(struct.pack("!H", len(question)) + question)
            reader = stream.makefile("rb", 1 << 20)
            while True:
                message = reader.read(struct.unpack("!H", reader.read(2))[0])
                octets += len(message)
                if soa is None:
                    soa = wire.Message(message).answer[0][3]
                # Names of the SOA's data may be compressed; its numbers are not.
                if octets > len(message) and message.rfind(soa[-20:]) >= len(message) - 64:
                    return octets

    def ready(self, *names, patience=60):
        """Waits until one of these zones is answered for."""
        until = time.monotonic() + patience
        while time.monotonic() < until and self.process.poll() is None:
            answers = self.ask_all([wire.query(n + 1, name, wire.SOA) for n, name in enumerate(names)])
            if any(answer and wire.Message(answer).authoritative for answer in answers):
                return
            time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer; see its log")


def framed(stream):
    def exactly(count):
        out = b""
        while len(out) < count:
            part = stream.recv(count - len(out))
            if not part:
                raise OSError("the stream ended")
            out += part
        return out
    return exactly(struct.unpack("!H", exactly(2))[0])


def nsd(directory, zones):
    port = free_port()
    text = f"""server:
  ip-address: {ADDRESS}@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  database: ""
  pidfile: "{directory}/nsd.pid"
  logfile: "{directory}/nsd.own.log"
  xfrdfile: "{directory}/nsd.xfrd"
  zonelistfile: "{directory}/nsd.zones"
  xfrdir: "{directory}"
  rrl-ratelimit: 0
  minimal-responses: no
remote-control:
  control-enable: no
"""
    text += "".join(f'zone:\n  name: "{o}"\n  zonefile: "{f}"\n  provide-xfr: {ADDRESS} NOKEY\n' for o, f in zones)
    (directory / "nsd.conf").write_text(text)
    return Server("nsd", directory, port, ["nsd", "-d", "-c", "nsd.conf"])


def knot(directory, zones):
    port = free_port()
    (directory / "knot").mkdir()
    text = f"""server:
  rundir: "{directory}/knot"
  listen: {ADDRESS}@{port}
  udp-workers: 1
  tcp-workers: 2
  background-workers: 1
  automatic-acl: off
log:
  - target: stderr
    any: warning
database:
  storage: "{directory}/knot"
acl:
  - id: transfers
    address: {ADDRESS}
    action: transfer
template:
  - id: default
    storage: "{directory}"
    zonefile-sync: -1
    acl: transfers
    semantic-checks: off
zone:
"""
    text += "".join(f'  - domain: "{o}"\n    file: "{f}"\n' for o, f in zones)
    (directory / "knot.conf").write_text(text)
    return Server("knot", directory, port, ["knotd", "-c", "knot.conf"])


def bind(directory, zones):
    port = free_port()
    (directory / "bind").mkdir()
    text = f"""options {{ directory "{directory}/bind"; listen-on port {port} {{ {ADDRESS}; }}; listen-on-v6 {{ none; }}; recursion no;
  pid-file "{directory}/bind.pid"; session-keyfile "{directory}/bind/session.key"; minimal-responses no; minimal-any no;
  allow-transfer {{ {ADDRESS}; }}; notify no; check-names primary ignore; check-integrity no; check-mx ignore; check-mx-cname ignore;
  check-srv-cname ignore; check-sibling no; dnssec-validation no; }};
controls {{}};
"""
    text += "".join(f'zone "{o}" {{ type primary; file "{directory}/{f}"; }};\n' for o, f in zones)
    (directory / "named.conf").write_text(text)
    user = os.environ.get("USER") or "root"
    return Server("bind", directory, port, ["named", "-f", "-c", "named.conf", "-n", "1", "-u", user])


def seawall(directory, zones, program, limited=False):
    """The daemon; with its defaults against floods where it is `limited`."""
    port, http = free_port(), free_port()
    text = f"""version: 1
process: {{ pid: {directory}/seawall.pid, state: {directory}/state, threads: 1 }}
log: {{ access: off, error: {{ path: {directory}/seawall.error.log, level: notice }} }}
admin: unix:{directory}/admin.sock
listen: [{{ http: "{ADDRESS}:{http}" }}]
sites: [{{ host: a.test, respond: {{ status: 200, body: ok }} }}]
dns:
  listen: "{ADDRESS}:{port}"
  threads: 1
"""
    if not limited:
        text += "  cookies: off\n  rrl: off\n"
    text += "  zones:\n"
    text += "".join(f'    - {{ name: {o.lower()}, file: {f}, transfer: {{ to: [{ADDRESS}] }}, notify: off }}\n' for o, f in zones)
    (directory / "seawall.yaml").write_text(text)
    return Server("seawall", directory, port, [str(pathlib.Path(program).resolve()), "run", "-c", "seawall.yaml"])
