"""Small odd zones by seed: what RFC 1034, 2308, 4035, 4592, 5155, 6672 and 9471 leave room to get wrong, in every mix."""
import random
import wire

LABELS = ["a", "b", "c", "d", "www", "mail", "ns", "x-1", "_t", "*", "A", "Mixed", "z"]
ODD = ["a\\.b", "sp\\032c", "\\000\\255", "\\042q", "l" * 63, "0", "-", "\\@", "\\;s", "ent", "\\\\"]
OUTSIDE = ["www.other.test.", "ns.elsewhere.test.", "a.b.c.nowhere.", "."]


def label_bytes(text):
    out, at = bytearray(), 0
    while at < len(text):
        if text[at] != "\\":
            out.append(ord(text[at]))
            at += 1
        elif text[at + 1].isdigit():
            out.append(int(text[at + 1:at + 4]))
            at += 4
        else:
            out.append(ord(text[at + 1]))
            at += 2
    return bytes(out)


def split(text):
    """A relative name's labels as written."""
    parts, part, at = [], "", 0
    while at < len(text):
        if text[at] == "\\":
            part += text[at:at + 2]
            at += 2
        elif text[at] == ".":
            parts.append(part)
            part = ""
            at += 1
        else:
            part += text[at]
            at += 1
    return parts + [part]


class Zone:
    """A zone while it grows. Owners are relative names as written; `@` is the apex."""

    def __init__(self, origin, rng):
        self.origin, self.rng = origin, rng
        self.sets = {}  # key of the owner -> type -> [data]
        self.written = {}  # key -> as written
        self.ttls = {}
        # The zone above it that is served beside it.
        self.parent = None
        self.below_dname = rng.random() < 0.03

    def key(self, owner):
        return () if owner == "@" else tuple(label_bytes(l).lower() for l in split(owner))

    def wire(self, key):
        return wire.to_wire(list(key) + [label_bytes(l).lower() for l in split(self.origin)])

    def put(self, owner, rtype, data, ttl=None):
        """Adds a record where it may stand. Tells whether it does."""
        key = self.key(owner)
        if len(self.wire(key)) > 255:
            return False
        have = self.sets.get(key, {})
        alone = rtype == "CNAME"
        if ("CNAME" in have and rtype != "CNAME") or (alone and have) or (rtype == "DNAME" and "DNAME" in have):
            return False
        # RFC 4592 leaves open what a wildcard would redirect; a DNAME stands beside no NS but the apex's.
        if rtype == "DNAME" and key and key[0] == b"*":
            return False
        if key and ((rtype == "NS" and "DNAME" in have) or (rtype == "DNAME" and "NS" in have)):
            return False
        if alone and not key:
            return False
        # Most servers refuse a zone with data below a DNAME: few zones have it.
        if not self.below_dname and (any("DNAME" in self.sets.get(key[n:], {}) for n in range(1, len(key) + 1))
                                     or (rtype == "DNAME" and any(k != key and k[len(k) - len(key):] == key for k in self.sets))):
            return False
        records = self.sets.setdefault(key, {}).setdefault(rtype, [])
        if data in records:
            return False
        self.written.setdefault(key, owner)
        self.ttls.setdefault((key, rtype), ttl if ttl is not None else self.rng.choice([300, 300, 300, 0, 60, 86400]))
        records.append(data)
        return True

    def name(self, depth=None):
        rng = self.rng
        depth = depth or rng.choice([1, 1, 1, 2, 2, 3, 4])
        pool = LABELS if rng.random() < 0.85 else LABELS + ODD
        return ".".join(rng.choice(pool) for _ in range(depth))

    def some(self):
        """A name that is there, below one that is, or anywhere."""
        rng = self.rng
        if self.written and rng.random() < 0.6:
            owner = rng.choice(list(self.written.values()))
            if owner == "@":
                return owner
            return owner if rng.random() < 0.7 else f"{rng.choice(LABELS)}.{owner}"
        return self.name()

    def target(self):
        rng = self.rng
        if rng.random() < 0.15:
            return rng.choice(OUTSIDE)
        return "@" if rng.random() < 0.05 else self.some()

    def text(self):
        order = sorted(self.sets, key=lambda k: (k != (), self.rng.random()))
        lines = [f"$ORIGIN {self.origin}."]
        for key in order:
            for rtype, records in sorted(self.sets[key].items(), key=lambda s: s[0] != "SOA"):
                for data in records:
                    lines.append(f"{self.written[key]} {self.ttls[(key, rtype)]} IN {rtype} {data}")
        return "\n".join(lines) + "\n"

    def names(self):
        """All names that exist, with the empty ones between, as keys."""
        found = set()
        for key in self.sets:
            found.update(key[n:] for n in range(len(key) + 1))
        return sorted(found)

    def types(self):
        return sorted({t for sets in self.sets.values() for t in sets})


def plain(z):
    for _ in range(z.rng.randint(1, 4)):
        owner = z.some()
        z.put(owner, "A", f"192.0.2.{z.rng.randint(1, 254)}")
        if z.rng.random() < 0.4:
            z.put(owner, "AAAA", f"2001:db8::{z.rng.randint(1, 9999):x}")
        if z.rng.random() < 0.3:
            z.put(owner, "TXT", '"text" "more"')


def wildcard(z):
    above = z.rng.choice(["", "", f".{z.name(1)}", f".{z.name(2)}"])
    rtype, data = z.rng.choice([("A", "192.0.2.99"), ("TXT", '"wild"'), ("MX", f"5 {z.target()}"), ("CNAME", z.target()),
                                ("AAAA", "2001:db8::99"), ("SRV", f"1 1 1 {z.target()}")])
    z.put(f"*{above}", rtype, data)
    if z.rng.random() < 0.4 and above:
        z.put(f"exists{above}", "TXT", '"blocks"')
    if z.rng.random() < 0.3:
        z.put(f"deep.er{above}", "A", "192.0.2.98")
    if z.rng.random() < 0.2:
        z.put(f"below.*{above}", "A", "192.0.2.97")


def aliases(z):
    last = z.name(1)
    for _ in range(z.rng.randint(1, 5)):
        following = z.target()
        z.put(last, "CNAME", following)
        if following.endswith(".") or following == "@":
            break
        last = following
    if z.rng.random() < 0.3:
        z.put(last if last != "@" else "end", "A", "192.0.2.77")


def loop(z):
    a, b = z.name(1), z.name(2)
    z.put(a, "CNAME", b)
    z.put(b, "CNAME", z.rng.choice([a, b]))


def redirect(z):
    owner = z.rng.choice([z.name(1), z.name(2), "@"])
    target = z.rng.choice([z.name(1), z.name(2), "@", z.rng.choice(OUTSIDE[:3]), "l" * 63 + "." + "m" * 63])
    if owner == "@" and not target.endswith("."):
        target = "www.other.test."
    z.put(owner, "DNAME", target)
    if owner != "@" and z.rng.random() < 0.4:
        z.put(owner, *z.rng.choice([("A", "192.0.2.5"), ("TXT", '"beside"'), ("MX", "1 mail")]))
    if not target.endswith(".") and target != "@":
        z.put(f"a.{target}", "A", "192.0.2.6")
        if z.rng.random() < 0.3:
            z.put(f"*.{target}", "A", "192.0.2.7")


def cut(z):
    owner = z.rng.choice([z.name(1), z.name(2), f"{z.name(1)}.{z.name(1)}"])
    if owner.startswith("*"):
        owner = f"cut{owner[1:]}"
    for n in range(z.rng.randint(1, 3)):
        host = z.rng.choice([f"ns{n}.{owner}", owner, f"ns.glue.{z.name(1)}", f"ns{n}", z.rng.choice(OUTSIDE[:2]), z.some()])
        if host == "@":
            host = "ns"
        z.put(owner, "NS", host)
        if not host.endswith(".") and z.rng.random() < 0.8:
            z.put(host, "A", f"192.0.2.{z.rng.randint(100, 120)}")
            if z.rng.random() < 0.5:
                z.put(host, "AAAA", f"2001:db8::{z.rng.randint(100, 120)}")
    if z.rng.random() < 0.4:
        z.put(owner, "DS", "12345 13 2 " + "0123456789ABCDEF" * 4)
    if z.rng.random() < 0.3:
        z.put(f"hidden.{owner}", "TXT", '"nobody sees this"')
    if z.rng.random() < 0.2:
        z.put(owner, "A", "192.0.2.66")
    if z.rng.random() < 0.2:
        z.put(f"*.{owner}", "A", "192.0.2.67")
    if z.rng.random() < 0.2:
        inner = f"inner.{owner}"
        z.put(inner, "NS", f"ns.{inner}")
        z.put(f"ns.{inner}", "A", "192.0.2.68")
    if z.rng.random() < 0.3:
        z.put(z.name(1), "CNAME", f"x.{owner}")
    if z.rng.random() < 0.2:
        z.put(z.name(1), "MX", f"1 mail.{owner}")


def star(z):
    """A cut that is called `*`: what is below it is delegated, what it would match is delegated otherwise by each server."""
    owner = f"*.{z.name(1)}"
    z.put(owner, "NS", z.rng.choice([f"ns.{owner}", "ns9", OUTSIDE[1]]))
    z.put(f"ns.{owner}", "A", "192.0.2.31")
    if z.rng.random() < 0.3:
        z.put(owner, "DS", "12345 13 2 " + "0123456789ABCDEF" * 4)


def mail(z):
    owner = z.some()
    for n in range(z.rng.randint(1, 3)):
        z.put(owner, "MX", f"{n} {z.target()}")
    z.put(f"_s._tcp.{z.name(1)}", "SRV", f"1 2 3 {z.target()}")


def large(z):
    owner = z.name(1)
    kind = z.rng.choice(["A", "TXT", "MX"])
    for n in range(z.rng.choice([20, 40, 70])):
        z.put(owner, kind, {"A": f"203.0.113.{n + 1}", "TXT": f'"{n:02}{"x" * 60}"', "MX": f"{n} m{n}"}[kind])
    if z.rng.random() < 0.3:
        z.put(z.name(1), "CNAME", owner)


def others(z):
    choices = [("HTTPS", "1 . alpn=h2"), ("SVCB", f"0 {z.target()}"), ("CAA", '0 issue "ca.test"'), ("PTR", z.target()),
               ("NAPTR", '1 2 "u" "E2U+sip" "!^.*$!sip:x!" .'), ("TYPE65280", "\\# 4 0A000001"), ("LOC", "52 22 23 N 4 53 32 E 0m"),
               ("SSHFP", "4 2 " + "AB" * 32), ("TLSA", "3 1 1 " + "CD" * 32), ("HINFO", '"x" "y"'), ("RP", f"{z.target()} .")]
    for _ in range(z.rng.randint(1, 4)):
        z.put(z.some(), *z.rng.choice(choices))


def deep(z):
    z.put(".".join(z.rng.choice("abcd") for _ in range(z.rng.choice([5, 12, 40]))), "A", "192.0.2.44")


FEATURES = [(plain, 6), (wildcard, 6), (aliases, 5), (loop, 1), (redirect, 4), (cut, 6), (mail, 3), (large, 1), (others, 3), (deep, 1), (star, 1)]


def apex(z):
    rng = z.rng
    minimum = rng.choice([0, 1, 60, 300, 86400])
    z.put("@", "SOA", f"ns1 hostmaster {rng.randint(1, 4294967295)} 7200 3600 1209600 {minimum}", rng.choice([0, 60, 3600]))
    for n in range(1, rng.randint(2, 4)):
        inside = rng.random() < 0.7
        z.put("@", "NS", f"ns{n}" if inside else rng.choice(OUTSIDE[:2]), 3600)
        if inside:
            z.put(f"ns{n}", "A", f"127.0.0.{n}")
            if rng.random() < 0.5:
                z.put(f"ns{n}", "AAAA", f"fd00::{n}")
    if rng.random() < 0.5:
        z.put("@", "A", "192.0.2.1")
    if rng.random() < 0.3:
        z.put("@", "MX", f"10 {z.target()}")


def zone(seed, number):
    """One zone; the same for the same seed and number."""
    rng = random.Random(f"{seed} {number}")
    z = Zone(f"z{number}.{rng.choice(['odd', 'Odd', 'very.odd', 'o-d'])}.test", rng)
    apex(z)
    kinds, weights = zip(*FEATURES)
    for make in rng.choices(kinds, weights, k=rng.choice([0, 1, 2, 3, 4, 6, 9])):
        make(z)
    return z


def zones(seed, count):
    """Zones; every eighth has a child that is served beside it."""
    found = []
    for number in range(count):
        z = zone(seed, number)
        found.append(z)
        if number % 8 == 0:
            rng = random.Random(f"{seed} {number} child")
            cuts = [k for k, sets in z.sets.items() if "NS" in sets and k and len(k) == 1 and k[0].isalnum()]
            label = rng.choice(cuts)[0].decode() if cuts and rng.random() < 0.7 else "child"
            child = Zone(f"{label}.{z.origin}", rng)
            child.parent = z
            apex(child)
            for make in rng.choices([plain, wildcard, aliases, cut], k=2):
                make(child)
            found.append(child)
    return found


def questions(z, rng, most):
    """Names that are there, beside what is there, above and below it, by types that are there and that are not."""
    there = z.names()
    names = set(there)
    for key in there:
        for label in (b"nope", b"*", b"a", b"\0", b"zzz"):
            names.add((label, *key))
        names.add((b"x", b"y", *key))
        if key:
            names.add((key[0] + b"-", *key[1:]))
    stars = {key[1:] for key, sets in z.sets.items() if "NS" in sets and key and key[0] == b"*"}
    known = set(there)

    def is_left_open(name):
        """Whether a wildcard would delegate it (RFC 4592, section 4.2)."""
        return any(name[n:] in stars and name[n - 1:] not in known for n in range(1, len(name) + 1))
    names = sorted(n for n in names if len(z.wire(n)) <= 255 and not is_left_open(n))
    types = [wire.A, wire.AAAA, wire.NS, wire.SOA, wire.CNAME, wire.MX, wire.TXT, wire.DS, wire.DNAME, wire.SRV, wire.NSEC, wire.DNSKEY,
             wire.HTTPS, wire.RRSIG, wire.ANY, 65280]
    common = [wire.A] * 6 + [wire.AAAA, wire.MX, wire.TXT]
    asked = set()
    # Every name that exists is asked for at least once.
    for key in there:
        asked.add((key, rng.choice(types)))
    while len(asked) < most:
        asked.add((rng.choice(names), rng.choice(types if rng.random() < 0.5 else common)))
    asked = sorted(asked)
    rng.shuffle(asked)
    for key, qtype in asked[:most]:
        name = z.wire(key)
        if rng.random() < 0.3:
            # Lengths are no letters: they end at 63.
            name = bytes(b ^ 0x20 if 65 <= b & 0xDF <= 90 and rng.random() < 0.5 else b for b in name)
        yield name, qtype
