"""The servers of the bench: an origin, nginx and seawall, from the configurations of this folder."""

import os
import pathlib
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
NAMES = ("nginx", "seawall")
# Caches beside the two, where they are installed.
PEERS = ("haproxy", "varnish")
HTTP = {"nginx": 28090, "seawall": 28091, "haproxy": 28092, "varnish": 28094, "disk": 28093}
HTTPS = {"nginx": 28190, "seawall": 28191}
ORIGIN = 28099
TICKS = os.sysconf("SC_CLK_TCK")
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def on_core(core, command):
    """The command, pinned to a core if one is given."""
    return command if core is None else ["taskset", "-c", str(core), *command]


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


class Server:
    """One of the two."""

    def __init__(self, name, process):
        self.name, self.process, self.pid = name, process, process.pid
        self.http_port, self.https_port = HTTP[name], HTTPS.get(name)

    def http(self, path):
        return f"http://127.0.0.1:{self.http_port}{path}"

    def https(self, path):
        return f"https://127.0.0.1:{self.https_port}{path}"

    def resident(self):
        """Resident bytes of the whole tree."""
        return sum(int(line.split()[1]) * 1024
                   for p in set(tree(self.pid))
                   for line in pathlib.Path(f"/proc/{p}/status").read_text().splitlines()
                   if line.startswith("VmRSS"))


class Servers:
    """Origin, nginx and seawall, stopped at the end of the `with`."""

    def __init__(self, work, options, threads, pinned):
        self.processes, self.servers = [], {}
        try:
            self.start(work, options, threads, pinned)
        except BaseException:
            self.stop()
            raise

    def start(self, work, options, threads, pinned):
        work.chmod(0o755)
        text = (HERE / "origin.conf").read_text()
        (work / "origin.conf").write_text(text.replace("@BODY@", "x" * 1024))
        for name in ("large", "cached64"):
            (work / name).write_bytes(b"x" * 65536)
        origin = subprocess.Popen(
            on_core(1 if pinned else None, [options.nginx, "-p", work, "-c", work / "origin.conf"]), **QUIET)
        self.processes.append(origin)
        wait_for(ORIGIN, origin)
        for name, binary in (("nginx", options.nginx), ("seawall", options.seawall)):
            prefix = work / name
            self.furnish(prefix, name, threads)
            command = [binary, "-p", f"{prefix}/", "-c", "nginx.conf", "-e", "error.log"]
            process = subprocess.Popen(on_core(0 if pinned else None, command), **QUIET)
            self.processes.append(process)
            wait_for(HTTP[name], process)
            self.servers[name] = Server(name, process)

    def start_peers(self, work):
        """HAProxy and Varnish, one thread each on the first core; and seawall before a disk."""
        (work / "varnish").mkdir()
        commands = {
            "haproxy": ["haproxy", "-db", "-f", HERE / "haproxy.cfg"],
            "varnish": ["varnishd", "-F", "-n", work / "varnish", "-a", f"127.0.0.1:{HTTP['varnish']}", "-f",
                        HERE / "varnish.vcl", "-s", "malloc,64m", "-p", "thread_pools=1"],
        }
        for name, command in commands.items():
            self.start_one(name, command)

    def start_disk(self, work, binary):
        """seawall whose memory is too small for what is asked for."""
        directory = work / "disk"
        directory.mkdir()
        text = (HERE / "disk.yaml").read_text().replace("@DIR@", str(directory))
        (directory / "seawall.yaml").write_text(text.replace("unix:admin.sock", f"unix:{directory}/admin.sock"))
        self.start_one("disk", [binary, "run", "-c", directory / "seawall.yaml"])

    def start_one(self, name, command):
        process = subprocess.Popen(on_core(0, command), **QUIET)
        self.processes.append(process)
        wait_for(HTTP[name], process)
        self.servers[name] = Server(name, process)

    def furnish(self, prefix, name, threads):
        (prefix / "files").mkdir(parents=True)
        (prefix / "files" / "1k").write_bytes(b"x" * 1024)
        (prefix / "files" / "1m").write_bytes(b"x" * (1 << 20))
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=bench.test", "-addext", "subjectAltName=DNS:bench.test,IP:127.0.0.1",
             "-keyout", prefix / "bench.key", "-out", prefix / "bench.pem"], check=True, **QUIET)
        text = (HERE / "nginx.conf").read_text()
        text = text.replace("127.0.0.1:28090", f"127.0.0.1:{HTTP[name]}")
        text = text.replace("127.0.0.1:28190", f"127.0.0.1:{HTTPS[name]}")
        text = text.replace("worker_processes 1;", f"worker_processes {threads};")
        # Paths of the configuration are relative to the prefix in both, but for certificates in nginx.
        text = text.replace("bench.pem", str(prefix / "bench.pem")).replace("bench.key", str(prefix / "bench.key"))
        (prefix / "nginx.conf").write_text(text)

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()

    def __getitem__(self, name):
        return self.servers[name]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
