//! Answers rendered before anybody asks.
//!
//! A rendered body was written behind some question name, its base: an RRset's owner, the cut of a referral, the apex
//! of a denial. A real question's name ends in the base's (or, for a wildcard, in that of its parent), so all that
//! changes when the question is longer by n bytes is that everything the body points to lies n bytes later. The
//! places of those pointers are kept, and moving them is the whole work of answering. A pointer to the question's
//! first byte written by a wildcard means the question itself and stays.

use super::{NONE, Shadow, ZoneSet};
use crate::dynamic::{Health, HealthId};
use crate::limits::{NAME_BYTES_MAX, RENDERED_BYTES_MAX};
use crate::message::{Owner, Section, Writer};
use crate::query::{HEADER, QName, rcode};
use crate::{RType, resolve};
use std::sync::atomic::{AtomicBool, Ordering};

/// Types an alias is followed for ahead of time: what browsers ask.
const ALIAS_TYPES: [RType; 3] = [RType::A, RType::AAAA, RType::HTTPS];

/// The sections of an answer, to be copied behind a question.
pub(crate) struct Rendered {
    body: Box<[u8]>,
    /// Where the pointers are that move with the question, counted from the body's start.
    pointers: Box<[u16]>,
    /// Where the base's question ended.
    base_end: u16,
    pub counts: [u16; 3],
    pub rcode: u16,
    pub authoritative: bool,
}

impl Rendered {
    /// Copies the body behind a question that ends at `at`. Gives the new end, or `None` if that is past `limit`.
    pub fn copy(&self, message: &mut [u8], at: usize, limit: usize) -> Option<usize> {
        let end = at + self.body.len();
        if end > limit {
            return None;
        }
        let to = message.get_mut(at..end)?;
        to.copy_from_slice(&self.body);
        let shift = at.checked_sub(usize::from(self.base_end))? as u16;
        if shift > 0 {
            for place in &self.pointers {
                let pointer = to.get_mut(usize::from(*place)..)?.first_chunk_mut::<2>()?;
                *pointer = (u16::from_be_bytes(*pointer) + shift).to_be_bytes();
            }
        }
        Some(end)
    }
}

/// Notices when an answer depends on health and so cannot be rendered ahead.
#[derive(Default)]
struct Asked(AtomicBool);

impl Health for Asked {
    fn is_up(&self, _: HealthId) -> bool {
        self.0.store(true, Ordering::Relaxed);
        true
    }

    fn note(&self, _: bool) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Renders what can be.
pub(super) fn render(set: &mut ZoneSet) {
    let mut buffer = vec![0; HEADER + NAME_BYTES_MAX + 4 + RENDERED_BYTES_MAX];
    for zone in 0..set.zones.len() as u32 {
        let denial = denial(set, zone, &mut buffer);
        if let Some(zone) = set.zones.get_mut(zone as usize) {
            zone.denial = denial;
        }
    }
    for index in 0..set.nodes.len() as u32 {
        match set.node(index).map(|n| n.shadow) {
            Some(Shadow::Cut(cut)) if cut == index => {
                let referral = resolved(set, index, RType::NS, &mut buffer);
                if let Some(node) = set.nodes.get_mut(index as usize) {
                    node.referral = referral;
                }
            }
            Some(Shadow::Nothing) => whole_answers(set, index, &mut buffer),
            Some(Shadow::Redirect(top)) if top == index => whole_answers(set, index, &mut buffer),
            _ => {}
        }
    }
}

fn whole_answers(set: &mut ZoneSet, index: u32, buffer: &mut [u8]) {
    let Some(node) = set.node(index) else { return };
    let mut numbers = Vec::new();
    let mut alias = false;
    for slot in set.slots(node) {
        numbers.push(slot.set);
        numbers.extend(slot.candidates.of(&set.candidates).iter().map(|c| c.set));
        alias |= slot.rtype == RType::CNAME;
    }
    for number in numbers {
        let whole = whole(set, index, number, buffer);
        if let Some(encoded) = set.sets.get_mut(number as usize) {
            encoded.whole = whole;
        }
    }
    if alias {
        let types = ALIAS_TYPES
            .iter()
            .filter_map(|t| Some((*t, resolved(set, index, *t, buffer)?)))
            .collect();
        if let Some(node) = set.nodes.get_mut(index as usize) {
            node.alias = types;
        }
    }
}

/// Writes a question for a name; its type and class do not matter. Gives where it ends.
fn question(buffer: &mut [u8], name: &[u8]) -> Option<usize> {
    let end = HEADER + name.len();
    buffer.get_mut(HEADER..end)?.copy_from_slice(name);
    Some(end + 4)
}

fn denial(set: &ZoneSet, zone: u32, buffer: &mut [u8]) -> Option<Rendered> {
    let apex = set.zone(zone)?;
    let soa = set.set(apex.denial_soa)?;
    let at = question(buffer, set.name(apex.name))?;
    let mut pointers = Vec::new();
    let mut writer = Writer::rendering(buffer, at, usize::MAX, false, &mut pointers);
    writer
        .rrset(Section::Authority, Owner::Question, &set.answers(soa))
        .ok()?;
    let (end, counts) = (writer.end(), writer.counts());
    finish(buffer, at, end, counts, pointers, rcode::NOERROR, true)
}

/// The answer to a question for this RRset.
fn whole(set: &ZoneSet, node: u32, number: u32, buffer: &mut [u8]) -> Option<Rendered> {
    let name = set.name(set.node(node)?.name);
    let at = question(buffer, name)?;
    let (asked, mut pointers) = (Asked::default(), Vec::new());
    let mut writer = Writer::rendering(
        buffer,
        at,
        usize::MAX,
        name.starts_with(b"\x01*"),
        &mut pointers,
    );
    let complete =
        resolve::positive(set, set.set(number)?, Owner::Question, &asked, &mut writer).is_ok();
    let (end, counts) = (writer.end(), writer.counts());
    if !complete || asked.0.into_inner() {
        return None;
    }
    finish(buffer, at, end, counts, pointers, rcode::NOERROR, true)
}

/// The answer to a question for this node's name and a type.
fn resolved(set: &ZoneSet, index: u32, qtype: RType, buffer: &mut [u8]) -> Option<Rendered> {
    let node = set.node(index).filter(|n| n.zone != NONE)?;
    let name = set.name(node.name);
    let at = question(buffer, name)?;
    let (asked, mut pointers) = (Asked::default(), Vec::new());
    let mut writer = Writer::rendering(
        buffer,
        at,
        usize::MAX,
        name.starts_with(b"\x01*"),
        &mut pointers,
    );
    let outcome = resolve::resolve(
        set,
        node.zone,
        &QName::read(name)?,
        qtype,
        false,
        &asked,
        &mut writer,
    );
    let (end, counts) = (writer.end(), writer.counts());
    let by_name = outcome.looped && name.starts_with(b"\x01*");
    if outcome.truncated || by_name || asked.0.into_inner() {
        return None;
    }
    finish(
        buffer,
        at,
        end,
        counts,
        pointers,
        outcome.rcode,
        outcome.authoritative,
    )
}

fn finish(
    buffer: &[u8],
    at: usize,
    end: usize,
    counts: [u16; 3],
    pointers: Vec<u16>,
    rcode: u16,
    authoritative: bool,
) -> Option<Rendered> {
    let body = buffer.get(at..end)?.into();
    let pointers = pointers.iter().map(|p| p - at as u16).collect();
    Some(Rendered {
        body,
        pointers,
        base_end: at as u16,
        counts,
        rcode,
        authoritative,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AlwaysUp, Client, Name, Out, Transport, Verdict, Zone, Zones, answer};
    use hickory_proto::op::Message;
    use seawall_diag::SourceMap;
    use std::sync::Arc;

    const ZONE: &str = "$TTL 300\n@ SOA ns1 hostmaster 1 2 3 4 5\n@ NS ns1\n@ NS ns.sub\nns1 A 192.0.2.1\n@ MX 1 mail\n@ MX 2 mail.sub\n\
        mail A 192.0.2.2\nmail AAAA ::2\nwww CNAME mail\nout CNAME www.other.test.\nnx CNAME nothing\nsub NS ns.sub\nsub NS ns1\nns.sub A 192.0.2.3\n\
        *.w MX 1 mail\n*.w MX 2 *.w\n*.w MX 3 w\n*.wc CNAME www\n*.wn CNAME b.wn\na.b.ent TXT x\nd DNAME w\nd TXT y\n_s._t SRV 1 1 1 mail\n";

    fn zones() -> ZoneSet {
        let mut sources = SourceMap::default();
        let file = sources.add("zone", ZONE.to_owned());
        ZoneSet::new(vec![Zone::parse("z.test", &mut sources, file).unwrap()])
    }

    /// The same zones with nothing rendered ahead.
    fn bare() -> ZoneSet {
        let mut set = zones();
        set.zones.iter_mut().for_each(|z| z.denial = None);
        set.sets.iter_mut().for_each(|s| s.whole = None);
        for node in &mut set.nodes {
            (node.referral, node.alias) = (None, Vec::new());
        }
        set
    }

    /// The answer as another decoder sees it: one may point to more than the other.
    fn reply(set: &Arc<ZoneSet>, name: &str, qtype: RType) -> Message {
        let mut query = vec![0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        query.extend_from_slice(crate::Name::parse(name, None).unwrap().wire());
        query.extend(qtype.0.to_be_bytes());
        query.extend([0, 1]);
        let mut buffer = [0; 2048];
        let client = Client {
            addr: [127, 0, 0, 1].into(),
            transport: Transport::Tcp,
            health: &AlwaysUp,
            guard: None,
        };
        let mut out = Out::new(&mut buffer);
        let mut zones = Zones::default();
        zones.insert(&Name::parse("z.test.", None).unwrap(), Arc::clone(set));
        match answer(&zones, &query, &client, &mut out) {
            Verdict::Reply(len) => Message::from_vec(out.written(len)).unwrap(),
            Verdict::Drop(reason) => panic!("{reason:?}"),
        }
    }

    #[test]
    fn what_is_rendered_ahead_is_what_would_be_written() {
        let (rendered, bare) = (Arc::new(zones()), Arc::new(bare()));
        let names = [
            "",
            "www.",
            "mail.",
            "out.",
            "nx.",
            "nope.",
            "a.b.nope.",
            "sub.",
            "x.sub.",
            "long-name-below.x.sub.",
            "ns.sub.",
            "*.w.",
            "a.w.",
            "much-longer-than-that.a.w.",
            "x.wc.",
            "x.y.wc.",
            "b.wn.",
            "c.wn.",
            "ent.",
            "b.ent.",
            "x.b.ent.",
            "d.",
            "x.d.",
            "_s._t.",
        ];
        let types = [
            RType::A,
            RType::AAAA,
            RType::MX,
            RType::NS,
            RType::SOA,
            RType::TXT,
            RType::HTTPS,
            RType::ANY,
            RType::SRV,
            RType::DS,
        ];
        for name in names {
            for qtype in types {
                let name = format!("{name}z.test.");
                assert_eq!(
                    reply(&rendered, &name, qtype),
                    reply(&bare, &name, qtype),
                    "{name} {qtype}"
                );
            }
        }
        assert!(
            rendered.zones[0].denial.is_some()
                && rendered.sets.iter().filter(|s| s.whole.is_some()).count() > 10
        );
    }
}
