"""What makes the load: wrk for HTTP/1, h2load for HTTP/2 and the open loop, openssl for handshakes."""

import pathlib
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time

from servers import HERE, on_core

# As curl and browsers without the post-quantum group would: what the peer's OpenSSL has.
CIPHER = "TLS_AES_128_GCM_SHA256"


def cipher_note():
    version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"handshakes: TLS 1.3, {CIPHER}, X25519, ECDSA P-256; the client and nginx on {version}"


def run(command, pinned=True):
    done = subprocess.run(on_core(1 if pinned else None, command), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wrk(url, seconds, pinned=True):
    """Requests answered in a closed loop of 32 connections."""
    out = run(["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", HERE / "browser.lua", url], pinned)
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"errors under load:\n{out}")
    return int(next(line for line in out.splitlines() if "requests in" in line).split()[0])


def many(url, seconds):
    """Requests for one of many objects each."""
    out = run(["env", f"BENCH_PATH=/{url.split('/', 3)[3]}", "wrk", "-t1", "-c32", f"-d{seconds}s", "-s", HERE / "many.lua", url])
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"errors under load:\n{out}")
    return int(next(line for line in out.splitlines() if "requests in" in line).split()[0])


def browser_fields():
    """The fields of browser.lua, for h2load."""
    found = re.findall(r'headers\["([^"]+)"\] = "(.*)"', (HERE / "browser.lua").read_text())
    return [option for name, value in found if name != "Host" for option in ("-H", f"{name}: {value}")]


def h2(url, seconds):
    """Requests answered over 8 connections of HTTP/2, 10 streams each."""
    out = run(["h2load", "-c8", "-m10", f"-D{seconds}", *browser_fields(), url])
    counted = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored", out)
    if not counted or counted[3] != "0" or counted[4] != "0" or "h2" not in out:
        sys.exit(f"errors under load:\n{out}")
    return int(counted[2])


def open_loop(url, rate, seconds):
    """The 99th percentile (us) of requests that are sent at a rate, whether the earlier ones are answered or not."""
    clients = 32
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as directory:
        log = pathlib.Path(directory) / "log"
        run(["h2load", "--h1", f"-c{clients}", f"-D{seconds}", f"--rps={rate / clients:.1f}",
             f"--log-file={log}", *browser_fields(), url])
        rows = [line.split("\t") for line in log.read_text().splitlines()]
    times = sorted(int(r[2]) for r in rows if r[1] == "200")
    if len(times) < 100 or len(times) < len(rows):
        sys.exit(f"{len(rows) - len(times)} of {len(rows)} requests of the open loop failed")
    return times[len(times) * 99 // 100]


def handshakes(port, seconds):
    """Full handshakes, one after the other, each on a connection of its own."""
    out = run(["openssl", "s_time", "-new", "-connect", f"127.0.0.1:{port}", "-ciphersuites", CIPHER,
               "-time", str(seconds)])
    return int(re.search(r"(\d+) connections in \d+ real seconds", out)[1])


def idle_bytes(server, count, tls):
    """Resident bytes that a connection costs which was used once and stays open."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def opened(n):
        for _ in range(n):
            connection = socket.create_connection(("127.0.0.1", server.https_port if tls else server.http_port))
            if tls:
                connection = context.wrap_socket(connection, server_hostname="bench.test")
            connection.sendall(b"GET /fixed HTTP/1.1\r\nHost: bench.test\r\n\r\n")
            if b"hello" not in connection.recv(4096):
                sys.exit("an unexpected answer")
            yield connection

    # The first ones make the process allocate what it keeps for all.
    kept = list(opened(200))
    before = server.resident()
    kept += list(opened(count))
    time.sleep(0.5)
    cost = (server.resident() - before) / count
    for connection in kept:
        connection.close()
    return cost
