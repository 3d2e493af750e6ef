//! From a query's bytes to an answer's: header, EDNS, and the choice between a rendered answer and making one.

use crate::dynamic::{Health, HealthId};
use crate::geo::Geo;
use crate::guard::Guard;
use crate::limits::{PADDED_BLOCK_BYTES, TCP_BYTES, UDP_EDNS_BYTES, UDP_PLAIN_BYTES};
use crate::message::Writer;
use crate::query::{
    CLIENT_SUBNET, COOKIE, Edns, HEADER, PADDING, Query, Question, Subnet, rcode, record_name_len,
};
use crate::resolve::{Outcome, resolve};
use crate::rrl::Limit;
use crate::set::{ALIAS_TYPES, Body, Find, Match, NONE, Rendered, ZoneSet};
use crate::{DropReason, RType, ZoneCounts, Zones};
use seawall_nets::Place;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
/// Opcode, RD and CD are the client's own (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
const COPIED: u16 = 0x7910;
const OPT_BYTES: usize = 11;
/// A cookie and a network.
const OPTIONS_BYTES_MAX: usize = 4 + 24 + 4 + 20;
const OPCODE_QUERY: u8 = 0;
const OPCODE_NOTIFY: u8 = 4;
const CLASS_IN: u16 = 1;
const CLASS_ANY: u16 = 255;

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A datagram: answers are cut to what the client takes.
    Udp,
    /// A stream: answers are whole.
    Tcp,
    /// A stream within TLS (RFC 7858).
    Tls,
    /// A request over HTTPS (RFC 8484).
    Https,
    /// A stream of a QUIC connection (RFC 9250).
    Quic,
}

impl Transport {
    /// All of them, in the order of [`crate::Snapshot::transports`].
    pub const ALL: [Transport; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https, Self::Quic];

    /// Whether others see but the length of what is said.
    fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Https | Self::Quic)
    }

    /// As a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Https => "https",
            Self::Quic => "quic",
        }
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// The client's address.
    pub addr: IpAddr,
    /// How the query came.
    pub transport: Transport,
    /// What dynamic records ask.
    pub health: &'a dyn Health,
    /// What keeps answers from being abused; without it there are no cookies and no limits.
    pub guard: Option<&'a Guard>,
}

/// Where an answer is written; reused from answer to answer. Its length is one more limit on the answer's.
pub struct Out<'a> {
    bytes: &'a mut [u8],
}

impl<'a> Out<'a> {
    /// Writes into `bytes`, of which there must be at least 512.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes }
    }

    /// The first `len` bytes, as [`Verdict::Reply`] gave them.
    pub fn written(&self, len: usize) -> &[u8] {
        self.bytes.get(..len).unwrap_or_default()
    }
}

/// What becomes of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// So many bytes of [`Out`] are sent.
    Reply(usize),
    /// Nothing is sent.
    Drop(DropReason),
}

/// Answers one query. Neither allocates nor waits.
pub fn answer(zones: &Zones, query: &[u8], client: &Client<'_>, out: &mut Out<'_>) -> Verdict {
    let Some(parsed) = Query::read(query) else {
        return Verdict::Drop(DropReason::Short);
    };
    if parsed.flags & QR != 0 {
        return Verdict::Drop(DropReason::Response);
    }
    if out.bytes.len() < UDP_PLAIN_BYTES {
        return Verdict::Drop(DropReason::NoRoom);
    }
    let edns = parsed.edns.unwrap_or_default();
    let limit = match (client.transport, edns) {
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.payload).clamp(UDP_PLAIN_BYTES, UDP_EDNS_BYTES)
        }
        (Transport::Udp, None) => UDP_PLAIN_BYTES,
        _ => TCP_BYTES,
    };
    let limit = limit.min(out.bytes.len());
    let mut reply = Reply {
        message: &mut *out.bytes,
        limit,
        end: HEADER,
        edns,
        options: Options::default(),
        padded: client.transport.is_encrypted() && edns.is_some_and(|e| e.padded),
        counts: [0; 3],
    };
    let known = reply.answer_cookie(client);
    let scope_at = reply.answer_subnet();
    let asker = Asker::new(client, edns.and_then(|e| e.subnet), query);
    let asked_by = Client {
        health: &asker,
        ..*client
    };
    reply.copy_question(query, parsed.question.as_ref());
    let behind_question = reply.end;
    let (mut outcome, counts) = sections(zones, &parsed, &asked_by, &mut reply);
    reply.set_scope(scope_at, &asker);
    let limited = if known || client.transport != Transport::Udp {
        Limit::Send
    } else {
        limit_of(zones, &parsed, client, outcome, reply.counts[0] > 0)
    };
    match limited {
        Limit::Send => {}
        Limit::Drop => return Verdict::Drop(DropReason::RateLimit),
        Limit::Truncate => {
            (reply.end, reply.counts) = (behind_question, [0; 3]);
            outcome.truncated = true;
        }
    }
    if let Some(counts) = counts {
        counts.count(outcome.rcode);
    }
    Verdict::Reply(reply.finish(query, &parsed, outcome))
}

/// Health, as this client asks for it.
struct Asker<'a> {
    health: &'a dyn Health,
    geo: Option<&'a dyn Geo>,
    address: IpAddr,
    draw: u32,
    by_client: AtomicBool,
    /// Bits of the client's address that the answer depends on, if some policy has looked at it.
    bits: AtomicU8,
}

impl<'a> Asker<'a> {
    fn new(client: &Client<'a>, subnet: Option<Subnet>, query: &[u8]) -> Self {
        let id = query.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
        let address = match client.addr {
            IpAddr::V4(a) => u32::from(a),
            IpAddr::V6(a) => u128::from(a) as u32,
        };
        // The id is the client's own chance: it can choose among targets only for itself.
        let draw =
            (u64::from(id) << 32 | u64::from(address)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        Self {
            health: client.health,
            geo: client.guard.and_then(|g| g.geo.as_deref()),
            address: subnet
                .filter(|s| s.bits > 0)
                .map_or(client.addr, |s| s.address),
            draw: draw as u32,
            by_client: AtomicBool::new(false),
            bits: AtomicU8::new(0),
        }
    }
}

impl Health for Asker<'_> {
    fn is_up(&self, id: HealthId) -> bool {
        self.health.is_up(id)
    }

    fn client(&self) -> Option<IpAddr> {
        self.bits.fetch_max(u8::MAX, Ordering::Relaxed);
        Some(self.address)
    }

    fn place(&self) -> Place {
        let Some(geo) = self.geo else {
            return Place::default();
        };
        let place = geo.place(self.address);
        self.bits
            .fetch_max(place.bits.unwrap_or(u8::MAX), Ordering::Relaxed);
        place
    }

    fn draw(&self) -> u32 {
        self.draw
    }

    fn note(&self, by_client: bool) {
        self.by_client.fetch_or(by_client, Ordering::Relaxed);
    }
}

/// What the limits say of an answer: each name that exists counts for itself, what does not exist by its zone, and what
/// is refused all together.
fn limit_of(
    zones: &Zones,
    query: &Query,
    client: &Client<'_>,
    outcome: Outcome,
    answered: bool,
) -> Limit {
    let Some(rrl) = client.guard.and_then(|g| g.rrl.as_ref()) else {
        return Limit::Send;
    };
    let question = query.question.as_ref();
    let name = match question.filter(|_| outcome.authoritative || answered) {
        Some(question) if answered => question.name.wire(),
        Some(question) => zones
            .zone_of(&question.name, RType(question.qtype))
            .flatten()
            .map_or(&[][..], |zone| zone.apex_name()),
        None => &[],
    };
    rrl.count(client.addr, outcome.rcode as u8, name, seconds())
}

/// Seconds since 1970, as cookies and limits count them.
fn seconds() -> u32 {
    crate::tsig::now() as u32
}

/// Options of the answer's OPT.
struct Options {
    bytes: [u8; OPTIONS_BYTES_MAX],
    len: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bytes: [0; OPTIONS_BYTES_MAX],
            len: 0,
        }
    }
}

impl Options {
    fn put(&mut self, code: u16, parts: &[&[u8]]) {
        let len: usize = parts.iter().map(|p| p.len()).sum();
        let mut end = self.len;
        let head = [code.to_be_bytes(), (len as u16).to_be_bytes()];
        if self.len + 4 + len > OPTIONS_BYTES_MAX {
            return;
        }
        for part in std::iter::once(head.as_flattened()).chain(parts.iter().copied()) {
            if let Some(to) = self.bytes.get_mut(end..end + part.len()) {
                to.copy_from_slice(part);
                end += part.len();
            }
        }
        self.len = end;
    }
}

/// An answer while it is made.
struct Reply<'a> {
    message: &'a mut [u8],
    limit: usize,
    end: usize,
    edns: Option<Edns>,
    options: Options,
    /// Whether its length is to tell nothing.
    padded: bool,
    counts: [u16; 3],
}

/// Why there is nothing to look up, if so.
fn refusal(query: &Query, transport: Transport) -> Option<u16> {
    match query.opcode() {
        OPCODE_QUERY => {}
        // A NOTIFY asks a question too (RFC 1996 §3.7), so that one without is malformed before it is not for us.
        OPCODE_NOTIFY if query.question.is_none() => return Some(rcode::FORMERR),
        _ => return Some(rcode::NOTIMP),
    }
    let (Some(question), Ok(edns)) = (&query.question, query.edns) else {
        return Some(rcode::FORMERR);
    };
    if edns.is_some_and(|e| e.version > 0) {
        return Some(rcode::BADVERS);
    }
    match RType(question.qtype) {
        // RFC 5936 §4.2: there is no transfer in a datagram.
        RType::AXFR if transport == Transport::Udp => Some(rcode::NOTIMP),
        RType::IXFR if !query.has_authority => Some(rcode::FORMERR),
        RType::AXFR | RType::IXFR => Some(rcode::REFUSED),
        _ if !matches!(question.class, CLASS_IN | CLASS_ANY) => Some(rcode::REFUSED),
        _ => None,
    }
}

/// Decides what the answer says and writes its sections. Gives where it is counted, if it is of a zone.
fn sections<'z>(
    zones: &'z Zones,
    query: &Query,
    client: &Client<'_>,
    reply: &mut Reply<'_>,
) -> (Outcome, Option<&'z ZoneCounts>) {
    if let Some(rcode) = refusal(query, client.transport) {
        return (Outcome::only(rcode), None);
    }
    let Some(question) = &query.question else {
        return (Outcome::only(rcode::FORMERR), None);
    };
    let Some(served) = zones.served_for(&question.name, RType(question.qtype)) else {
        return (Outcome::only(rcode::REFUSED), None);
    };
    let outcome = match &served.zone {
        Some(zone) => of_zone(zone, question, client, reply),
        None => Outcome::only(rcode::SERVFAIL),
    };
    (outcome, Some(&served.counts))
}

fn of_zone(
    zone: &ZoneSet,
    question: &Question,
    client: &Client<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    let behind_question = reply.end;
    let outcome = look_up(zone, 0, question, client.health, reply);
    if question.class == CLASS_IN {
        return outcome;
    }
    // RFC 1035 §6.2: who asks for any class is never answered with authority, as we know but one: what there is,
    // and no word about what there is not.
    if outcome.authoritative
        && reply.counts[1] > 0
        && let Some(end) = behind_records(reply.message, behind_question, reply.counts[0])
        && is_soa(reply.message, end)
    {
        (reply.end, reply.counts) = (end, [reply.counts[0], 0, 0]);
    }
    Outcome {
        authoritative: false,
        ..outcome
    }
}

/// Whether a denial begins here; what shows that a wildcard may answer begins with its proof.
fn is_soa(message: &[u8], at: usize) -> bool {
    let record = message.get(at..).unwrap_or_default();
    let rtype = record_name_len(record).and_then(|len| record.get(len..)?.first_chunk());
    rtype.is_some_and(|t| u16::from_be_bytes(*t) == RType::SOA.0)
}

/// Where so many records end that we have written ourselves.
fn behind_records(message: &[u8], mut at: usize, count: u16) -> Option<usize> {
    for _ in 0..count {
        at += record_name_len(message.get(at..)?)? + 8;
        let len: [u8; 2] = *message.get(at..)?.first_chunk()?;
        at += 2 + usize::from(u16::from_be_bytes(len));
    }
    Some(at)
}

fn look_up(
    zones: &ZoneSet,
    zone: u32,
    question: &Question,
    health: &dyn Health,
    reply: &mut Reply<'_>,
) -> Outcome {
    let room = reply.limit - reply.opt_bytes();
    // Answers are rendered ahead without signatures only: with them they are made of encoded parts.
    let secure =
        reply.edns.is_some_and(|e| e.dnssec_ok) && zones.zone(zone).is_some_and(|z| z.signed);
    if !secure
        && let Some((rendered, rcode)) = rendered(zones, zone, question, health)
        && let Some(end) = rendered.copy(reply.message, reply.end, room)
    {
        (reply.end, reply.counts) = (end, rendered.counts);
        return Outcome {
            rcode,
            authoritative: rendered.authoritative,
            truncated: false,
            looped: false,
        };
    }
    let mut writer = Writer::new(&mut *reply.message, reply.end, room);
    let outcome = resolve(
        zones,
        zone,
        &question.name,
        RType(question.qtype),
        secure,
        health,
        &mut writer,
    );
    (reply.end, reply.counts) = (writer.end(), writer.counts());
    outcome
}

/// The answer that was rendered ahead, if there is one, and its code.
fn rendered<'z>(
    zones: &'z ZoneSet,
    zone: u32,
    question: &Question,
    health: &dyn Health,
) -> Option<(Body<'z>, u16)> {
    let (found, rcode) = rendered_at(zones, zone, question, health)?;
    let body = zones.rendered(found)?;
    let rcode = rcode.unwrap_or(body.rcode);
    Some((body, rcode))
}

/// Where it lies; with the code of a denial, as those are rendered once for all of them.
fn rendered_at(
    zones: &ZoneSet,
    zone: u32,
    question: &Question,
    health: &dyn Health,
) -> Option<(Rendered, Option<u16>)> {
    let qtype = RType(question.qtype);
    let denial = |rcode| Some((zones.zone(zone)?.denial?, Some(rcode)));
    match zones.locate(zone, &question.name, qtype) {
        Match::Exact(node) | Match::Wildcard { node, .. } => {
            if let Some(slot) = zones.slot(node, qtype) {
                let whole = if slot.choice == NONE {
                    slot.whole
                } else {
                    zones.choose(slot, health)?.whole
                };
                return Some((whole?, None));
            }
            let followed = ALIAS_TYPES.iter().position(|t| *t == qtype);
            let alias = followed.and_then(|n| *zones.followed(node).alias.get(n)?);
            if let Some(alias) = alias {
                return Some((alias, None));
            }
            let nothing = zones.slots(node).is_empty();
            // Signatures lie with what they cover, not under a type of their own.
            let no_data = nothing
                || (!matches!(qtype, RType::ANY | RType::RRSIG)
                    && zones.slot(node, RType::CNAME).is_none());
            if no_data {
                denial(rcode::NOERROR)
            } else {
                None
            }
        }
        Match::Cut(node) => Some((zones.followed(node).referral?, None)),
        Match::Redirect(_) => None,
        Match::Nothing { .. } => denial(rcode::NXDOMAIN),
    }
}

impl Reply<'_> {
    /// The question goes back byte for byte, its case included.
    fn copy_question(&mut self, query: &[u8], question: Option<&Question>) {
        let Some(question) = question.and_then(|q| query.get(HEADER..q.end)) else {
            return;
        };
        let end = HEADER + question.len();
        if let Some(to) = self.message.get_mut(HEADER..end) {
            to.copy_from_slice(question);
            self.end = end;
        }
    }

    /// How many bytes OPT takes.
    fn opt_bytes(&self) -> usize {
        if self.edns.is_some() {
            OPT_BYTES + self.options.len
        } else {
            0
        }
    }

    /// Puts our cookie beside the client's. Tells whether the client had one of ours.
    fn answer_cookie(&mut self, client: &Client<'_>) -> bool {
        let secrets = client.guard.and_then(|g| g.cookies.as_ref());
        let (Some(secrets), Some(cookie)) = (secrets, self.edns.and_then(|e| e.cookie)) else {
            return false;
        };
        let (known, ours) = secrets.check(&cookie, client.addr, seconds());
        self.options.put(COOKIE, &[&cookie.client, &ours]);
        known
    }

    /// RFC 7871 §7.2.1: the network goes back, with the bits that the answer holds for, none at first. Gives the place
    /// of that number.
    fn answer_subnet(&mut self) -> Option<usize> {
        let subnet = self.edns.and_then(|e| e.subnet)?;
        let (family, bytes) = match subnet.address {
            IpAddr::V4(a) => (1, a.to_ipv6_mapped().octets()),
            IpAddr::V6(a) => (2, a.octets()),
        };
        let from = if family == 1 { 12 } else { 0 };
        let len = usize::from(subnet.bits.div_ceil(8));
        let address = bytes.get(from..from + len).unwrap_or_default();
        self.options
            .put(CLIENT_SUBNET, &[&[0, family, subnet.bits, 0], address]);
        Some(self.options.len.saturating_sub(len + 1))
    }

    /// An answer that was chosen by where the client is holds for that network, or for the larger one that the database
    /// knows no difference in (RFC 7871 §7.2.1).
    fn set_scope(&mut self, at: Option<usize>, asker: &Asker<'_>) {
        let subnet = self.edns.and_then(|e| e.subnet);
        let by_client = asker.by_client.load(Ordering::Relaxed);
        if let (Some(place), Some(subnet), true) = (
            at.and_then(|at| self.options.bytes.get_mut(at)),
            subnet,
            by_client,
        ) {
            *place = subnet.bits.min(asker.bits.load(Ordering::Relaxed));
        }
    }

    /// How long the option is that fills the last block, its own head included; 0 where none is wanted or has room.
    fn padding(&self) -> usize {
        let len = self.end + self.opt_bytes() + 4;
        let whole = len.next_multiple_of(PADDED_BLOCK_BYTES).min(self.limit);
        if self.padded && whole >= len {
            4 + whole - len
        } else {
            0
        }
    }

    /// Writes that option (RFC 7830 §3).
    fn pad(&mut self, padding: usize) {
        let end = self.end + padding;
        let Some(to) = self.message.get_mut(self.end..end) else {
            return;
        };
        if let Some((head, fill)) = to.split_first_chunk_mut() {
            let [code0, code1] = PADDING.to_be_bytes();
            let [len0, len1] = (fill.len() as u16).to_be_bytes();
            *head = [code0, code1, len0, len1];
            fill.fill(0);
            self.end = end;
        }
    }

    /// Writes OPT and header. Gives the length of the message.
    fn finish(mut self, query: &[u8], parsed: &Query, outcome: Outcome) -> usize {
        let additional = self.counts[2] + u16::from(self.edns.is_some());
        if let Some(edns) = self.edns {
            let padding = self.padding();
            let [len0, len1] = ((self.options.len + padding) as u16).to_be_bytes();
            let [size0, size1] = (UDP_EDNS_BYTES as u16).to_be_bytes();
            let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
            let opt = [
                0,
                0,
                41,
                size0,
                size1,
                (outcome.rcode >> 4) as u8,
                0,
                dnssec_ok,
                0,
                len0,
                len1,
            ];
            let options = self
                .options
                .bytes
                .get(..self.options.len)
                .unwrap_or_default();
            let end = self.end + OPT_BYTES + options.len();
            if let Some(to) = self.message.get_mut(self.end..end)
                && let Some((fixed, rest)) = to.split_first_chunk_mut()
            {
                *fixed = opt;
                rest.copy_from_slice(options);
                self.end = end;
            }
            self.pad(padding);
        }
        let flags = QR
            | parsed.flags & COPIED
            | if outcome.authoritative { AA } else { 0 }
            | if outcome.truncated { TC } else { 0 }
            | outcome.rcode & 15;
        let questions = u16::from(parsed.question.is_some());
        let id = query.first_chunk::<2>().copied().unwrap_or_default();
        let words = [
            id,
            flags.to_be_bytes(),
            questions.to_be_bytes(),
            self.counts[0].to_be_bytes(),
            self.counts[1].to_be_bytes(),
            additional.to_be_bytes(),
        ];
        if let (Some(to), Some(header)) = (
            self.message.first_chunk_mut::<HEADER>(),
            words.as_flattened().first_chunk(),
        ) {
            *to = *header;
        }
        self.end
    }
}
