"""The zones of the bench and what is asked of them: a small one, one of 100,000 hosts, a signed one."""
import random
import subprocess

SMALL, LARGE, SIGNED = "small.test", "large.test", "signed.test"
HOSTS = {SMALL: 1000, LARGE: 100_000, SIGNED: 1000}
QUESTIONS = 20_000
HEAD = """$TTL 300
@ 3600 SOA ns1 hostmaster 2026010101 7200 3600 1209600 60
@ 3600 NS ns1
@ 3600 NS ns2
ns1 3600 A 127.0.0.53
ns1 3600 AAAA fd00::53
ns2 3600 A 127.0.0.54
@ A 192.0.2.1
@ AAAA 2001:db8::1
@ MX 10 mail
@ TXT "v=spf1 -all"
@ CAA 0 issue "ca.test"
mail A 192.0.2.25
*.wild A 192.0.2.99
"""


def lines(hosts):
    """Hosts with an address each, half of them with two, every tenth with an alias, every twentieth with a text."""
    for n in range(hosts):
        yield f"host{n:06d} A 198.51.{n >> 8 & 255}.{n & 255}\n"
        if n % 2 == 0:
            yield f"host{n:06d} AAAA 2001:db8::{n & 0xffff:x}:{n >> 16:x}\n"
        if n % 10 == 0:
            yield f"alias{n:06d} CNAME host{n:06d}\n"
        if n % 20 == 0:
            yield f'host{n:06d} TXT "host number {n} some text here"\n'


def write(directory):
    """Zone files; gives (origin, file) of each."""
    served = []
    for origin, hosts in HOSTS.items():
        file = f"{origin}.zone"
        (directory / file).write_text(f"$ORIGIN {origin}.\n{HEAD}" + "".join(lines(hosts)))
        if origin == SIGNED:
            file = sign(directory, origin, file)
        served.append((origin, file))
    return served


def sign(directory, origin, file):
    """Signed ahead, with NSEC and algorithm 13, so that all serve the same."""
    def run(*command):
        return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True).stdout.strip()
    keys = [run("ldns-keygen", "-a", "ECDSAP256SHA256", *flags, origin + ".") for flags in (["-k"], [])]
    run("ldns-signzone", "-o", origin + ".", "-f", f"{file}.signed", file, *keys)
    return f"{file}.signed"


def hit(rng, origin):
    return f"host{rng.randrange(HOSTS[origin]):06d}.{origin} A"


def nothing(rng, origin):
    return f"nx{rng.randrange(HOSTS[origin])}.{origin} A"


def mixed(rng, origin):
    """Of a hundred: sixty addresses, fifteen of IPv6 (half of which are not there), ten aliases, five of a wildcard, ten names that are not there."""
    n, chance = rng.randrange(HOSTS[origin]), rng.random()
    if chance < 0.60:
        return f"host{n:06d}.{origin} A"
    if chance < 0.75:
        return f"host{n:06d}.{origin} AAAA"
    if chance < 0.85:
        return f"alias{n // 10 * 10:06d}.{origin} A"
    if chance < 0.90:
        return f"x{n}.wild.{origin} A"
    return nothing(rng, origin)


def questions(path, ask, origin):
    """Writes what dnsperf asks."""
    rng = random.Random(f"{origin} {ask.__name__}")
    path.write_text("".join(ask(rng, origin) + "\n" for _ in range(QUESTIONS)))
