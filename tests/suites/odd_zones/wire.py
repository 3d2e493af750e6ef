"""DNS messages, as far as comparing answers needs it: questions are written, answers read with their names expanded."""
import struct

A, NS, CNAME, SOA, PTR, MX, TXT, RP, AAAA, SRV, NAPTR, DNAME, DS, RRSIG, NSEC, DNSKEY, NSEC3, SVCB, HTTPS = (
    1, 2, 5, 6, 12, 15, 16, 17, 28, 33, 35, 39, 43, 46, 47, 48, 50, 64, 65)
ANY = 255
NAMES = {v: k for k, v in list(globals().items()) if isinstance(v, int)}


def type_name(number):
    return NAMES.get(number, f"TYPE{number}")


def to_wire(labels):
    """Labels as bytes, the root left out."""
    return b"".join(bytes([len(l)]) + l for l in labels) + b"\0"


def labels_of(wire):
    at, found = 0, []
    while wire[at]:
        found.append(wire[at + 1:at + 1 + wire[at]])
        at += 1 + wire[at]
    return found


def shown(wire):
    def byte(b):
        return chr(b) if 33 <= b < 127 and chr(b) not in '.\\"();@$' else (f"\\{chr(b)}" if 33 <= b < 127 else f"\\{b:03}")
    return ".".join("".join(byte(b) for b in l) for l in labels_of(wire)) + "."


def query(qid, name, qtype, size=None, do=False, rd=False):
    flags = 0x0100 if rd else 0
    message = struct.pack("!6H", qid, flags, 1, 0, 0, 0 if size is None else 1) + name + struct.pack("!HH", qtype, 1)
    if size is not None:
        message += b"\0" + struct.pack("!HHIH", 41, size, 0x8000 if do else 0, 0)
    return message


class Broken(Exception):
    pass


def name_at(message, at):
    """A name with its pointers followed, and where it ends. Pointers have to lead backwards."""
    out, end, least = b"", None, at
    while True:
        if at >= len(message):
            raise Broken("name past the end")
        length = message[at]
        if length >= 0xC0:
            if at + 2 > len(message):
                raise Broken("pointer past the end")
            end = at + 2 if end is None else end
            to = (length & 0x3F) << 8 | message[at + 1]
            if to >= least:
                raise Broken("pointer that leads forward")
            at = least = to
            continue
        if length > 63:
            raise Broken("label type")
        out += message[at:at + 1 + length]
        at += 1 + length
        if length == 0:
            return out, (at if end is None else end)


# How many bytes stand before the first name of a type's data, and how many names there are.
WITH_NAMES = {NS: (0, 1), CNAME: (0, 1), PTR: (0, 1), DNAME: (0, 1), MX: (2, 1), SOA: (0, 2), RP: (0, 2), SRV: (6, 1), RRSIG: (18, 1),
              NSEC: (0, 1), SVCB: (2, 1), HTTPS: (2, 1)}


def data_at(message, rtype, at, length):
    before, count = WITH_NAMES.get(rtype, (length, 0))
    out, place = message[at:at + before], at + before
    for _ in range(count):
        name, place = name_at(message, place)
        out += name.lower()
    if count and place > at + length:
        raise Broken("data past its end")
    return out + message[place:at + length] if count else out


class Message:
    """An answer; its records as (owner in lower case, type, TTL, data with its names in lower case)."""

    def __init__(self, message):
        if len(message) < 12:
            raise Broken("short")
        self.qid, self.flags, *counts = struct.unpack("!6H", message[:12])
        at = 12
        self.question = None
        for _ in range(counts[0]):
            name, end = name_at(message, at)
            self.question = message[at:end + 4]
            at = end + 4
        self.rcode, self.sections, self.edns = self.flags & 15, [], False
        for count in counts[1:]:
            records = []
            for _ in range(count):
                owner, at = name_at(message, at)
                if at + 10 > len(message):
                    raise Broken("record past the end")
                rtype, _, ttl, length = struct.unpack("!HHIH", message[at:at + 10])
                at += 10
                if at + length > len(message):
                    raise Broken("data past the end")
                if rtype == 41:
                    self.edns, self.rcode = True, self.rcode | ttl >> 24 << 4
                else:
                    records.append((owner.lower(), rtype, ttl, data_at(message, rtype, at, length)))
                at += length
            self.sections.append(records)
        if at != len(message):
            raise Broken("bytes behind the end")
        self.answer, self.authority, self.additional = self.sections

    @property
    def authoritative(self):
        return bool(self.flags & 0x0400)

    @property
    def truncated(self):
        return bool(self.flags & 0x0200)
