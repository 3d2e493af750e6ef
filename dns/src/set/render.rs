//! Answers rendered before anybody asks.
//!
//! A rendered body was written behind some question name, its base: an RRset's owner, the cut of a referral, the apex
//! of a denial. A real question's name ends in the base's (or, for a wildcard, in that of its parent), so all that
//! changes when the question is longer by n bytes is that everything the body points to lies n bytes later. The
//! places of those pointers are kept, and moving them is the whole work of answering. A pointer to the question's
//! first byte written by a wildcard means the question itself and stays.

use super::{ALIAS_TYPES, Followed, NONE, Shadow, ZoneSet};
use crate::dynamic::{Health, HealthId};
use crate::limits::{NAME_BYTES_MAX, RENDERED_BYTES_MAX};
use crate::message::{Owner, Section, Writer};
use crate::query::{HEADER, QName, rcode};
use crate::{RType, resolve};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the sections of an answer lie in the arena of rendered answers, to be copied behind a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rendered(NonZeroU32);

/// Bytes before each answer in the arena: the lengths of what follows, then what the header is to say.
const HEAD_BYTES: usize = 9;
/// In the byte of the code.
const AUTHORITATIVE: u8 = 0x80;

/// The sections of an answer, as they lie in the arena.
pub(crate) struct Body<'a> {
    bytes: &'a [u8],
    /// Where the pointers are that move with the question, counted from the body's start, in two bytes each.
    pointers: &'a [[u8; 2]],
    /// Where the base's question ended.
    base_end: u16,
    pub counts: [u16; 3],
    pub rcode: u16,
    pub authoritative: bool,
}

impl<'a> Body<'a> {
    pub(super) fn read(arena: &'a [u8], at: Rendered) -> Option<Self> {
        let (head, rest) = arena.get(at.0.get() as usize..)?.split_first_chunk()?;
        let [
            l0,
            l1,
            pointers,
            e0,
            e1,
            answer,
            authority,
            additional,
            code,
        ]: [u8; HEAD_BYTES] = *head;
        let (bytes, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        let (pointers, _) = rest.get(..2 * usize::from(pointers))?.as_chunks();
        Some(Self {
            bytes,
            pointers,
            base_end: u16::from_be_bytes([e0, e1]),
            counts: [answer, authority, additional].map(u16::from),
            rcode: u16::from(code & !AUTHORITATIVE),
            authoritative: code & AUTHORITATIVE != 0,
        })
    }

    /// Copies the body behind a question that ends at `at`. Gives the new end, or `None` if that is past `limit`.
    pub fn copy(&self, message: &mut [u8], at: usize, limit: usize) -> Option<usize> {
        let end = at + self.bytes.len();
        if end > limit {
            return None;
        }
        let to = message.get_mut(at..end)?;
        to.copy_from_slice(self.bytes);
        let shift = at.checked_sub(usize::from(self.base_end))? as u16;
        if shift > 0 {
            for place in self.pointers {
                let place = usize::from(u16::from_be_bytes(*place));
                let pointer = to.get_mut(place..)?.first_chunk_mut::<2>()?;
                *pointer = (u16::from_be_bytes(*pointer) + shift).to_be_bytes();
            }
        }
        Some(end)
    }
}

/// An answer behind its question, before it is kept.
struct Made {
    at: usize,
    end: usize,
    counts: [u16; 3],
    rcode: u16,
    authoritative: bool,
}

/// Where answers are made.
struct Bench {
    message: Vec<u8>,
    pointers: Vec<u16>,
}

impl Bench {
    /// Writes a question for a name; its type and class do not matter. Gives where it ends.
    fn question(&mut self, name: &[u8]) -> Option<usize> {
        self.pointers.clear();
        let end = HEADER + name.len();
        self.message.get_mut(HEADER..end)?.copy_from_slice(name);
        Some(end + 4)
    }

    fn writer(&mut self, at: usize, wildcard: bool) -> Writer<'_> {
        Writer::rendering(
            &mut self.message,
            at,
            usize::MAX,
            wildcard,
            &mut self.pointers,
        )
    }

    /// Appends an answer to the arena. One that is larger than what is counted in a byte is made when it is asked for.
    fn keep(&self, arena: &mut Vec<u8>, made: &Made) -> Option<Rendered> {
        let body = self.message.get(made.at..made.end)?;
        let count = |n: u16| u8::try_from(n).ok();
        let [answer, authority, additional] = made.counts;
        let [l0, l1] = u16::try_from(body.len()).ok()?.to_be_bytes();
        let [e0, e1] = (made.at as u16).to_be_bytes();
        let code = (made.rcode & 15) as u8 | if made.authoritative { AUTHORITATIVE } else { 0 };
        let head: [u8; HEAD_BYTES] = [
            l0,
            l1,
            u8::try_from(self.pointers.len()).ok()?,
            e0,
            e1,
            count(answer)?,
            count(authority)?,
            count(additional)?,
            code,
        ];
        if arena.is_empty() {
            // So that no answer lies at 0, which is none.
            arena.push(0);
        }
        let place = NonZeroU32::new(u32::try_from(arena.len()).ok()?)?;
        arena.extend_from_slice(&head);
        arena.extend_from_slice(body);
        let moved = self.pointers.iter().map(|p| p - made.at as u16);
        arena.extend(moved.flat_map(u16::to_be_bytes));
        Some(Rendered(place))
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
    let mut bench = Bench {
        message: vec![0; HEADER + NAME_BYTES_MAX + 4 + RENDERED_BYTES_MAX],
        pointers: Vec::new(),
    };
    // A record behind a pointer takes twelve bytes beside its data.
    let mut arena = Vec::with_capacity(set.data.len() + set.sets.len() * (12 + HEAD_BYTES));
    for zone in 0..set.zones.len() as u32 {
        let made = denial(set, zone, &mut bench);
        let denial = made.and_then(|made| bench.keep(&mut arena, &made));
        if let Some(zone) = set.zones.get_mut(zone as usize) {
            zone.denial = denial;
        }
    }
    let mut sets = Vec::new();
    for index in 0..set.nodes.len() as u32 {
        match set.node(index).map(|n| n.shadow) {
            Some(Shadow::Cut(cut)) if cut == index => {
                // A cut that is called `*` is above the names below it as any other.
                let made = resolved(set, index, RType::NS, false, &mut bench);
                let referral = made.and_then(|made| bench.keep(&mut arena, &made));
                follow(set, index, |f| f.referral = referral);
            }
            Some(Shadow::Nothing) => {
                whole_answers(set, index, &mut sets, &mut bench, &mut arena);
            }
            Some(Shadow::Redirect(top)) if top == index => {
                whole_answers(set, index, &mut sets, &mut bench, &mut arena);
            }
            _ => {}
        }
    }
    set.rendered = arena;
}

/// Notes what a cut or an alias answers.
fn follow(set: &mut ZoneSet, index: u32, note: impl FnOnce(&mut Followed)) {
    let mut followed = Followed::default();
    note(&mut followed);
    if let Some(node) = set.nodes.get_mut(index as usize) {
        node.followed = set.followed.len() as u32;
        set.followed.push(followed);
    }
}

fn whole_answers(
    set: &mut ZoneSet,
    index: u32,
    sets: &mut Vec<u32>,
    bench: &mut Bench,
    arena: &mut Vec<u8>,
) {
    let Some(node) = set.node(index) else { return };
    sets.clear();
    let mut alias = false;
    for slot in set.slots(node) {
        sets.push(slot.set);
        if let Some(choice) = set.choices.get(slot.choice as usize) {
            sets.extend(choice.candidates.iter().map(|c| c.set));
        }
        alias |= slot.rtype == RType::CNAME;
    }
    for number in &*sets {
        let made = whole(set, index, *number, bench);
        let whole = made.and_then(|made| bench.keep(arena, &made));
        if let Some(encoded) = set.sets.get_mut(*number as usize) {
            encoded.whole = whole;
        }
    }
    let Some(slots) = set.node(index).map(|n| n.slots) else {
        return;
    };
    for slot in slots.start..slots.start + slots.len {
        if let Some(slot) = set.slots.get_mut(slot as usize)
            && slot.choice == NONE
        {
            slot.whole = set.sets.get(slot.set as usize).and_then(|s| s.whole);
        }
    }
    if alias {
        let wildcard = set
            .node(index)
            .is_some_and(|n| is_wildcard(set.name(n.name)));
        let alias = ALIAS_TYPES.map(|rtype| {
            let made = resolved(set, index, rtype, wildcard, bench)?;
            bench.keep(arena, &made)
        });
        follow(set, index, |f| f.alias = alias);
    }
}

fn denial(set: &ZoneSet, zone: u32, bench: &mut Bench) -> Option<Made> {
    let apex = set.zone(zone)?;
    let soa = set.set(apex.denial_soa)?;
    let at = bench.question(set.name(apex.name))?;
    let mut writer = bench.writer(at, false);
    writer
        .rrset(Section::Authority, Owner::Question, &set.answers(soa))
        .ok()?;
    Some(Made {
        at,
        end: writer.end(),
        counts: writer.counts(),
        rcode: rcode::NOERROR,
        authoritative: true,
    })
}

/// The answer to a question for this RRset.
fn whole(set: &ZoneSet, node: u32, number: u32, bench: &mut Bench) -> Option<Made> {
    let name = set.name(set.node(node)?.name);
    let at = bench.question(name)?;
    let asked = Asked::default();
    let mut writer = bench.writer(at, is_wildcard(name));
    let complete =
        resolve::positive(set, set.set(number)?, Owner::Question, &asked, &mut writer).is_ok();
    if !complete || asked.0.into_inner() {
        return None;
    }
    Some(Made {
        at,
        end: writer.end(),
        counts: writer.counts(),
        rcode: rcode::NOERROR,
        authoritative: true,
    })
}

fn is_wildcard(name: &[u8]) -> bool {
    name.starts_with(b"\x01*")
}

/// The answer to a question for this node's name and a type; of a wildcard, for any name that it matches.
fn resolved(
    set: &ZoneSet,
    index: u32,
    qtype: RType,
    wildcard: bool,
    bench: &mut Bench,
) -> Option<Made> {
    let node = set.node(index).filter(|n| n.zone != NONE)?;
    let name = set.name(node.name);
    let at = bench.question(name)?;
    let asked = Asked::default();
    let mut writer = bench.writer(at, wildcard);
    let question = QName::read(name)?;
    let outcome = resolve::resolve(set, node.zone, &question, qtype, false, &asked, &mut writer);
    let by_name = outcome.looped && wildcard;
    if outcome.truncated || by_name || asked.0.into_inner() {
        return None;
    }
    Some(Made {
        at,
        end: writer.end(),
        counts: writer.counts(),
        rcode: outcome.rcode,
        authoritative: outcome.authoritative,
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
        *.w MX 1 mail\n*.w MX 2 *.w\n*.w MX 3 w\n*.wc CNAME www\n*.wn CNAME b.wn\na.b.ent TXT x\n*.wd NS ns.*.wd\nns.*.wd A 192.0.2.4\nd DNAME w\nd TXT y\n_s._t SRV 1 1 1 mail\n";

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
        set.slots.iter_mut().for_each(|s| s.whole = None);
        set.followed.clear();
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
            "*.wd.",
            "x.*.wd.",
            "ns.*.wd.",
            "x.wd.",
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
