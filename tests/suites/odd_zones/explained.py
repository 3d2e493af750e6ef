"""Why an answer of ours may be like nobody's: each rule is a difference that was looked into, and says why ours stays as it is."""
import wire


def why(z, query, ours, most, server, agreed):
    """The reason of a difference between facets, or None: then it is a finding. `agreed` tells whether most peers say the same."""
    differing = {k for k in ours.keys() | most.keys() if ours.get(k) != most.get(k)}
    if differing <= {"denial", "denial signed"} and empty_wildcard(ours, most, query, server):
        return "the denial of an empty wildcard: without the NSEC before what is below it delv refuses the answer, as it does Knot's and BIND's"
    if differing == {"answer"} and endless(ours["answer"], most["answer"]):
        return "aliases that lead on without end: each server stops where it likes"
    if differing == {"glue"} and from_wildcards(z, most["glue"] - ours["glue"]) and not ours["glue"] - most["glue"]:
        return "glue that a wildcard below the delegation would give: BIND adds none either"
    if not agreed and near_backslash(z, query):
        return "names with a label that ends in a backslash: NSD reads them otherwise from the file, and one peer is no majority"
    return None


def below(name, ancestor):
    return wire.labels_of(name)[-len(wire.labels_of(ancestor)):] == wire.labels_of(ancestor)


def empty_wildcard(ours, most, query, server):
    """Whether all we add are NSEC that lead from before a wildcard to below it: it has no records of its own (RFC 4592 §2.2.2)."""
    more = ours["denial"] - most["denial"]
    if most["denial"] - ours["denial"] or not more:
        return False
    answer = server.ask_tcp(query)
    nsecs = {r[0]: r[3] for r in wire.Message(answer).authority if r[1] == wire.NSEC}

    def shows(owner):
        following = wire.labels_of(nsecs.get(owner, b"\0"))
        stars = [following[n:] for n in range(1, len(following)) if following[n] == b"*"]
        return any(not below(owner, wire.to_wire(star)) and below(query_name(query), wire.to_wire(star[1:])) for star in stars)
    return all(shows(owner) for owner, _ in more)


def near_backslash(z, query):
    """Whether the name stands at, below or just above one that NSD does not have as it is written."""
    for key in z.sets:
        ends = [n for n, label in enumerate(key) if label.endswith(b"\\")]
        if ends and (below(query_name(query), z.wire(key)) or (key[ends[-1] + 1:] and below(query_name(query), z.wire(key[ends[-1] + 1:])))):
            return True
    return False


def query_name(query):
    return wire.to_wire([l.lower() for l in wire.labels_of(query[12:])])


def endless(ours, most):
    """Whether one answer goes on where the other stops, and both are aliases only."""
    shorter, longer = sorted((ours, most), key=len)
    return shorter < longer and len(shorter) > 1 and all(r[1] in (wire.CNAME, wire.DNAME) for r in longer)


def from_wildcards(z, glue):
    owned = {z.wire(key) for key in z.sets}
    return bool(glue) and all(r[0] not in owned for r in glue)
