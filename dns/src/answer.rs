//! From a query's bytes to an answer's: header, EDNS, and the choice between a rendered answer and making one.

use crate::dynamic::Health;
use crate::limits::{TCP_BYTES, UDP_EDNS_BYTES, UDP_PLAIN_BYTES};
use crate::message::Writer;
use crate::query::{Edns, HEADER, Query, Question, rcode};
use crate::resolve::{Outcome, resolve};
use crate::set::{Find, Match, Rendered, ZoneSet};
use crate::{DropReason, RType, Zones};
use std::net::IpAddr;

const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
/// Opcode, RD and CD are the client's own (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
const COPIED: u16 = 0x7910;
const OPT_BYTES: usize = 11;
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
        (Transport::Tcp, _) => TCP_BYTES,
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.payload).clamp(UDP_PLAIN_BYTES, UDP_EDNS_BYTES)
        }
        (Transport::Udp, None) => UDP_PLAIN_BYTES,
    };
    let limit = limit.min(out.bytes.len());
    let mut reply = Reply {
        message: &mut *out.bytes,
        limit,
        end: HEADER,
        edns,
        counts: [0; 3],
    };
    reply.copy_question(query, parsed.question.as_ref());
    let outcome = sections(zones, &parsed, client, &mut reply);
    Verdict::Reply(reply.finish(query, &parsed, outcome))
}

/// An answer while it is made.
struct Reply<'a> {
    message: &'a mut [u8],
    limit: usize,
    end: usize,
    edns: Option<Edns>,
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

/// Decides what the answer says and writes its sections.
fn sections(zones: &Zones, query: &Query, client: &Client<'_>, reply: &mut Reply<'_>) -> Outcome {
    if let Some(rcode) = refusal(query, client.transport) {
        return Outcome::only(rcode);
    }
    let Some(question) = &query.question else {
        return Outcome::only(rcode::FORMERR);
    };
    let qtype = RType(question.qtype);
    let Some(zone) = zones.zone_of(&question.name, qtype) else {
        return Outcome::only(rcode::REFUSED);
    };
    let behind_question = reply.end;
    let outcome = look_up(zone, 0, question, client.health, reply);
    if question.class == CLASS_IN {
        return outcome;
    }
    // RFC 1035 §6.2: who asks for any class is never answered with authority, as we know but one: what there is,
    // and no word about what there is not.
    if outcome.authoritative && reply.counts[0] == 0 {
        (reply.end, reply.counts) = (behind_question, [0; 3]);
    }
    Outcome {
        authoritative: false,
        ..outcome
    }
}

fn look_up(
    zones: &ZoneSet,
    zone: u32,
    question: &Question,
    health: &dyn Health,
    reply: &mut Reply<'_>,
) -> Outcome {
    let room = reply.limit - if reply.edns.is_some() { OPT_BYTES } else { 0 };
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
) -> Option<(&'z Rendered, u16)> {
    let qtype = RType(question.qtype);
    let denial = |rcode| Some((zones.zone(zone)?.denial.as_ref()?, rcode));
    match zones.locate(zone, &question.name, qtype) {
        Match::Exact(node) | Match::Wildcard { node, .. } => {
            if let Some(slot) = zones.slot(node, qtype) {
                return zones
                    .choose(slot, health)?
                    .whole
                    .as_ref()
                    .map(|r| (r, r.rcode));
            }
            if let Some((_, rendered)) = node.alias.iter().find(|(t, _)| *t == qtype) {
                return Some((rendered, rendered.rcode));
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
        Match::Cut(node) => node.referral.as_ref().map(|r| (r, r.rcode)),
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

    /// Writes OPT and header. Gives the length of the message.
    fn finish(mut self, query: &[u8], parsed: &Query, outcome: Outcome) -> usize {
        let additional = self.counts[2] + u16::from(self.edns.is_some());
        if let Some(edns) = self.edns {
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
                0,
                0,
            ];
            if let Some(to) = self.message.get_mut(self.end..self.end + OPT_BYTES) {
                to.copy_from_slice(&opt);
                self.end += OPT_BYTES;
            }
        }
        let flags = QR
            | parsed.flags & COPIED
            | if outcome.authoritative { AA } else { 0 }
            | if outcome.truncated { TC } else { 0 }
            | outcome.rcode & 15;
        let questions = u16::from(parsed.question.is_some());
        let id = query
            .first_chunk::<2>()
            .map_or(0, |id| u16::from_be_bytes(*id));
        let words = [
            id,
            flags,
            questions,
            self.counts[0],
            self.counts[1],
            additional,
        ];
        let header = words.iter().flat_map(|w| w.to_be_bytes());
        self.message
            .iter_mut()
            .zip(header)
            .for_each(|(to, from)| *to = from);
        self.end
    }
}
