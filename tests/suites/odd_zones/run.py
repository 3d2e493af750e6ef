#!/usr/bin/env python3
"""Serves many small odd zones by the daemon, NSD, Knot DNS and BIND, asks all of them the same, and tells where ours differs from
what most of them say and from each of them.

    run.py --seawall target/debug/seawall [--zones 300] [--seed 1] [--questions 60] [--sign none|nsec|nsec3|optout] [--show 3]

Ends with 1 where an answer of ours is like nobody's for no reason of explained.py, cannot be read, or a transferred zone is not
what Knot transfers. Needs nsd, knot, bind9 and, to sign, ldnsutils; nothing else."""
import argparse
import collections
import pathlib
import random
import subprocess
import sys
import tempfile
import explained
import servers
import wire
import zones

AT_ONCE = 40
SIGNING = {"nsec": [], "nsec3": ["-n", "-t", "0"], "optout": ["-n", "-p", "-t", "0"]}


def write(directory, all_zones, signing):
    """Zone files, signed if so; gives (origin, file) of each."""
    found = []
    for number, z in enumerate(all_zones):
        path = directory / f"{number}.zone"
        path.write_text(z.text())
        if signing != "none":
            path = sign(directory, path, z.origin, signing)
        if path:
            found.append((z, path.name))
    return found


def sign(directory, path, origin, signing):
    """Signed by somebody else, so that all serve the same. None where the signer refuses the zone."""
    def run(*command):
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None
    origin = origin.lower() + "."
    keys = [run("ldns-keygen", "-a", "ECDSAP256SHA256", *flags, origin) for flags in (["-k"], [])]
    out = path.with_suffix(".signed")
    done = None if None in keys else run("ldns-signzone", *SIGNING[signing], "-o", origin, "-f", out.name, path.name, *keys)
    return out if done is not None and out.exists() else None


def facets(message, z, do):
    """What an answer says, without what each server may choose for itself."""
    say = {"code": message.rcode, "aa": message.authoritative}
    plain = [r for r in message.answer if r[1] != wire.RRSIG]
    say["answer"] = frozenset(plain)
    soas = frozenset(r for r in message.authority if r[1] == wire.SOA)
    if soas:
        say["soa"] = soas
    servers_of = [r for r in message.authority if r[1] == wire.NS]
    if servers_of and not message.authoritative and not soas:
        say["referral"] = frozenset(r for r in message.authority if r[1] in (wire.NS, wire.DS))
        cut, hosts = servers_of[0][0], {r[3] for r in servers_of}
        say["glue"] = frozenset(r for r in message.additional
                                if r[1] in (wire.A, wire.AAAA) and r[0] in hosts and r[0].endswith(cut))
    if do:
        def signatures(section):
            return frozenset((owner, data[:2], data[3]) for owner, rtype, _, data in section if rtype == wire.RRSIG)
        say["signatures"] = signatures(message.answer)
        say["denial"] = frozenset(r[:2] for r in message.authority if r[1] in (wire.NSEC, wire.NSEC3))
        if not servers_of or message.authoritative:
            say["denial signed"] = frozenset(s for s in signatures(message.authority) if s[1] != b"\0\2")
        else:
            say["denial signed"] = signatures(message.authority)
    return say


def judged(answer, query, server, z, do, qtype):
    """What was said, over a stream if the datagram was cut; a string where it cannot be read or nothing came."""
    if answer is None:
        return "silence"
    try:
        message = wire.Message(answer)
        if message.truncated:
            message = wire.Message(server.ask_tcp(query))
        if message.question != query[12:12 + len(message.question or b"")]:
            return "another question"
    except (wire.Broken, OSError) as broken:
        return f"broken: {broken}"
    say = facets(message, z, do)
    if qtype in (wire.ANY, wire.RRSIG) and message.answer:
        # RFC 8482: any part of what is there is an answer.
        say = {"code": message.rcode, "aa": message.authoritative, "answer": "some"}
    return tuple(sorted(say.items()))


class Tally:
    def __init__(self, peers):
        self.asked = self.like_most = self.like_some = self.split = 0
        self.explained = collections.Counter()
        self.peers = {p.name: 0 for p in peers}
        self.differences = collections.defaultdict(list)

    def add(self, z, query, ours, theirs, server):
        """`theirs` are the peers' words by their names; `server` is ours, to ask again."""
        self.asked += 1
        counts = collections.Counter(theirs.values())
        most, votes = counts.most_common(1)[0]
        agreed = votes * 2 > len(theirs)
        self.split += not agreed
        for name, said in theirs.items():
            self.peers[name] += said == most if agreed else 1
        if (ours == most) if agreed else (ours in counts):
            self.like_most += 1
            self.like_some += 1
            return
        alone = ours not in counts
        self.like_some += not alone
        a, b = (dict(x) if isinstance(x, tuple) else {"all": x} for x in (ours, most))
        reasons = (explained.why(z, query, a, dict(said), server, agreed) for said in theirs.values() if isinstance(said, tuple))
        reason = next((r for r in reasons if r), None) if alone and isinstance(ours, tuple) else None
        if reason:
            self.explained[reason] += 1
            return
        differing = tuple(sorted(k for k in a.keys() | b.keys() if a.get(k) != b.get(k)))
        self.differences[(alone, differing, a.get("code"), b.get("code"))].append((z, query, a, b))

    def show(self, most):
        print(f"{self.asked} questions; peers split on {self.split}; like most (or, where they split, like one) {share(self.like_most, self.asked)}; "
              f"like one at least {share(self.like_some, self.asked)}")
        print("peers like most: " + ", ".join(f"{name} {share(n, self.asked)}" for name, n in self.peers.items()))
        for reason, count in self.explained.most_common():
            print(f"alone, explained: {count} times {reason}")
        for (alone, facets_, ours, theirs), found in sorted(self.differences.items(), key=lambda d: (not d[0][0], -len(d[1]))):
            print(f"{'ALONE' if alone else 'like a minority'}: {len(found)} times {', '.join(facets_)}: code {ours}, most say {theirs}")
            for z, query, a, b in found[:most]:
                end = len(wire.to_wire(wire.labels_of(query[12:])))
                qtype = int.from_bytes(query[12 + end:14 + end], "big")
                print(f"    {z.origin} ({z.file}): {wire.shown(query[12:])} {wire.type_name(qtype)}")
                for facet in facets_:
                    print(f"        {facet}: ours {readable(a.get(facet))}\n        {' ' * len(facet)}  most {readable(b.get(facet))}")


def share(part, whole):
    return f"{part} ({100 * part / max(1, whole):.2f} %)"


def readable(value):
    if not isinstance(value, frozenset):
        return value
    def record(r):
        name, rest = wire.shown(r[0]), r[1:]
        return f"{name} " + " ".join(wire.type_name(x) if n == 0 and isinstance(x, int) else (x.hex() if isinstance(x, bytes) else str(x))
                                     for n, x in enumerate(rest))
    return "{" + "; ".join(sorted(map(record, value)))[:400] + "}"


def same_transfer(z, ours, knot):
    """Whether a zone is transferred record for record as Knot does it."""
    a, b = (server.transfer(z.wire(())) for server in (ours, knot))
    if b is None:
        return True
    if a is None or sorted(a) != sorted(b):
        only = [(n, set(x or []) - set(y or [])) for n, x, y in (("only ours", a, b), ("only Knot's", b, a))]
        print(f"{z.origin} ({z.file}) is transferred otherwise: " + "; ".join(f"{n} {readable(frozenset(x))}" for n, x in only))
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seawall", required=True)
    parser.add_argument("--zones", type=int, default=300)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sign", choices=["none", *SIGNING], default="none")
    parser.add_argument("--show", type=int, default=3)
    parser.add_argument("--keep", help="a directory for the zones and logs, which is left there")
    options = parser.parse_args()
    kept = tempfile.TemporaryDirectory(prefix="odd-zones-")
    directory = pathlib.Path(options.keep or kept.name).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    served = write(directory, zones.zones(options.seed, options.zones), options.sign)
    for z, file in served:
        z.file = file
    files = [(z.origin, file) for z, file in served]
    started = []
    try:
        started = [make(directory, files) for make in (servers.nsd, servers.knot, servers.bind)]
        ours = servers.seawall(directory, files, options.seawall)
        started.append(ours)
        return compare(options, served, started)
    finally:
        for server in started:
            server.stop()


def compare(options, served, started):
    *peers, ours = started
    for server in started:
        # Not every server takes every zone, but none leaves the last ten out.
        server.ready(*(z.wire(()) for z, _ in served[-10:]))
    rng, tally, wrong = random.Random(options.seed), Tally(peers), 0
    left_out, served_by = collections.Counter(), {}
    for z, _ in served:
        soa = wire.query(1, z.wire(()), wire.SOA)
        loaded = {s.name for s in started if (a := s.ask_all([soa])[0]) and wire.Message(a).rcode == 0 and wire.Message(a).answer}
        willing = [p for p in peers if p.name in loaded]
        left_out.update(p.name for p in peers if p.name not in loaded)
        if ours.name not in loaded:
            if len(willing) > 1:
                print(f"{z.origin} ({z.file}) is served by {', '.join(p.name for p in willing)} and not by us")
                wrong += 1
            continue
        served_by[z.origin] = loaded
        if z.parent:
            # What is asked of the child's DS is answered by its parent.
            willing = [p for p in willing if p.name in served_by.get(z.parent.origin, ())]
        if len(willing) < 2:
            # One server's word is no measure.
            continue
        wrong += not ("knot" not in loaded or same_transfer(z, ours, next(p for p in peers if p.name == "knot")))
        asked = list(zones.questions(z, rng, options.questions))
        for start in range(0, len(asked), AT_ONCE):
            queries, dos = [], []
            for n, (name, qtype) in enumerate(asked[start:start + AT_ONCE]):
                do = options.sign != "none" and rng.random() < 0.7
                size = rng.choice([512, 1232, 4096]) if do else rng.choice([None, 512, 1232])
                queries.append(wire.query(n + 1, name, qtype, size, do, rng.random() < 0.3))
                dos.append(do)
            answers = {s.name: s.ask_all(queries) for s in [ours, *willing]}
            for n, query in enumerate(queries):
                qtype = asked[start + n][1]
                said = {s.name: judged(answers[s.name][n], query, s, z, dos[n], qtype) for s in [ours, *willing]}
                tally.add(z, query, said.pop(ours.name), said, ours)
    print(f"{len(served)} zones, seed {options.seed}, signed: {options.sign}; not served by " + (", ".join(f"{n}: {c}" for n, c in left_out.items()) or "nobody"))
    tally.show(options.show)
    alone = sum(len(found) for (alone, *_), found in tally.differences.items() if alone)
    return 1 if alone or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
