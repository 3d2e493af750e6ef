//! The algorithm of RFC 1034 §4.3.2, as RFC 2308, 4592, 6604, 6672, 8482 and 9471 amended it, into a message writer.
//!
//! Every answer can be made here. Most are not: they were rendered ahead, by this same code (see [`crate::set::Rendered`]).

use crate::RType;
use crate::dynamic::Health;
use crate::limits::{ALIASES_MAX, NAME_BYTES_MAX};
use crate::message::{Full, Owner, Section, Writer};
use crate::query::{QName, rcode};
use crate::set::{Answers, EncodedSet, Find, Match, Node, Shadow, ZoneSet};

/// What the header is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub rcode: u16,
    pub authoritative: bool,
    pub truncated: bool,
}

impl Outcome {
    /// A code and nothing else.
    pub fn only(rcode: u16) -> Self {
        Self {
            rcode,
            authoritative: false,
            truncated: false,
        }
    }

    const ANSWER: Self = Self {
        rcode: rcode::NOERROR,
        authoritative: true,
        truncated: false,
    };

    /// RFC 2181 §9: what has to be there did not fit.
    fn or_truncated(self, written: Result<(), Full>) -> Self {
        Self {
            truncated: self.truncated || written.is_err(),
            ..self
        }
    }
}

/// One step along a chain of aliases.
#[allow(
    clippy::large_enum_variant,
    reason = "a box would be an allocation for each alias"
)]
enum Step {
    Done(Outcome),
    Follow(QName),
}

/// What one answer is made from.
struct Resolver<'a> {
    zones: &'a ZoneSet,
    zone: u32,
    qtype: RType,
    health: &'a dyn Health,
    /// Names of aliases that were followed; one that comes again is a loop.
    followed: [Option<&'a Node>; ALIASES_MAX],
}

/// Writes the sections of an answer to a question for a name within `zone`.
pub(crate) fn resolve(
    zones: &ZoneSet,
    zone: u32,
    name: &QName,
    qtype: RType,
    health: &dyn Health,
    writer: &mut Writer<'_>,
) -> Outcome {
    let mut resolver = Resolver {
        zones,
        zone,
        qtype,
        health,
        followed: [None; ALIASES_MAX],
    };
    let mut step = resolver.step(name, Owner::Question, 0, writer);
    for hop in 1..=ALIASES_MAX {
        match step {
            Step::Done(outcome) => return outcome,
            // Only this zone's data: resolvers ask the next zone themselves, whoever sends it along (RFC 2181 §5.4.1).
            Step::Follow(target) if zones.zone_of(&target, qtype) != Some(zone) => {
                return Outcome::ANSWER;
            }
            Step::Follow(target) => {
                step = resolver.step(&target, Owner::Name(target.wire()), hop, writer)
            }
        }
    }
    match step {
        Step::Done(outcome) => outcome,
        Step::Follow(_) => Outcome::ANSWER,
    }
}

/// Writes an RRset that was asked for, and the addresses of the hosts it names.
pub(crate) fn positive(
    zones: &ZoneSet,
    set: &EncodedSet,
    owner: Owner<'_>,
    health: &dyn Health,
    writer: &mut Writer<'_>,
) -> Result<(), Full> {
    writer.rrset(Section::Answer, owner, &zones.answers(set))?;
    for target in zones.targets(set) {
        let Some(node) = zones.node(*target) else {
            continue;
        };
        // What does not fit is left out whole; the client can ask for it.
        let _ = addresses(zones, node, health, writer);
    }
    Ok(())
}

fn addresses(
    zones: &ZoneSet,
    node: &Node,
    health: &dyn Health,
    writer: &mut Writer<'_>,
) -> Result<(), Full> {
    let mut all = Ok(());
    for rtype in [RType::A, RType::AAAA] {
        let Some(set) = zones
            .slot(node, rtype)
            .and_then(|slot| zones.choose(slot, health))
        else {
            continue;
        };
        all = all.and(writer.rrset(
            Section::Additional,
            Owner::Name(zones.name(node.name)),
            &zones.answers(set),
        ));
    }
    all
}

impl<'a> Resolver<'a> {
    fn step(
        &mut self,
        name: &QName,
        owner: Owner<'_>,
        hop: usize,
        writer: &mut Writer<'_>,
    ) -> Step {
        match self.zones.locate(self.zone, name, self.qtype) {
            Match::Cut(node) => Step::Done(self.referral(node, name, owner, hop, writer)),
            Match::Redirect(node) => self.redirect(node, name, owner, hop, writer),
            Match::Exact(node) | Match::Wildcard(node) => self.node(node, owner, hop, writer),
            Match::Nothing => Step::Done(self.denial(rcode::NXDOMAIN, writer)),
        }
    }

    fn node(
        &mut self,
        node: &'a Node,
        owner: Owner<'_>,
        hop: usize,
        writer: &mut Writer<'_>,
    ) -> Step {
        let zones = self.zones;
        let wanted = match self.qtype {
            RType::ANY => self.least(node),
            qtype => zones
                .slot(node, qtype)
                .and_then(|slot| zones.choose(slot, self.health)),
        };
        if let Some(set) = wanted {
            return Step::Done(Outcome::ANSWER.or_truncated(positive(
                zones,
                set,
                owner,
                self.health,
                writer,
            )));
        }
        let Some(alias) = zones
            .slot(node, RType::CNAME)
            .and_then(|slot| zones.set(slot.set))
        else {
            return Step::Done(self.denial(rcode::NOERROR, writer));
        };
        if self.is_loop(node, hop) {
            return Step::Done(Outcome::ANSWER);
        }
        let answers = zones.answers(alias);
        if writer.rrset(Section::Answer, owner, &answers).is_err() {
            return Step::Done(Outcome::ANSWER.or_truncated(Err(Full)));
        }
        match answers.records().next().and_then(QName::read) {
            Some(target) => Step::Follow(target),
            None => Step::Done(Outcome::ANSWER),
        }
    }

    /// RFC 8482 §4.1: one RRset is an answer to ANY; the smallest is of least use to an amplifier.
    fn least(&self, node: &Node) -> Option<&'a EncodedSet> {
        let sets = self
            .zones
            .slots(node)
            .iter()
            .filter_map(|slot| self.zones.choose(slot, self.health));
        sets.min_by_key(|set| set.data.len)
    }

    /// RFC 2308 §2: the SOA says for how long there is nothing.
    fn denial(&self, rcode: u16, writer: &mut Writer<'_>) -> Outcome {
        let outcome = Outcome {
            rcode,
            ..Outcome::ANSWER
        };
        let Some(apex) = self.zones.zone(self.zone) else {
            return outcome;
        };
        let Some(soa) = self.zones.set(apex.denial_soa) else {
            return outcome;
        };
        let owner = Owner::Name(self.zones.name(apex.name));
        outcome.or_truncated(writer.rrset(Section::Authority, owner, &self.zones.answers(soa)))
    }

    fn referral(
        &self,
        cut: &Node,
        name: &QName,
        owner: Owner<'_>,
        hop: usize,
        writer: &mut Writer<'_>,
    ) -> Outcome {
        // The first name in the answer decides about AA (RFC 1035 §4.1.1).
        let outcome = Outcome {
            authoritative: hop > 0,
            ..Outcome::ANSWER
        };
        let zones = self.zones;
        let Some(set) = zones
            .slot(cut, RType::NS)
            .and_then(|slot| zones.set(slot.set))
        else {
            return outcome;
        };
        let cut_name = zones.name(cut.name);
        let owner = if cut_name.len() == name.wire().len() {
            owner
        } else {
            Owner::Name(cut_name)
        };
        if writer
            .rrset(Section::Authority, owner, &zones.answers(set))
            .is_err()
        {
            return outcome.or_truncated(Err(Full));
        }
        let hosts = || {
            zones
                .targets(set)
                .iter()
                .filter_map(|target| zones.node(*target))
        };
        let is_below = |node: &&Node| matches!(node.shadow, Shadow::Cut(top) if zones.node(top).is_some_and(|t| std::ptr::eq(t, cut)));
        let mut written = Ok(());
        for node in hosts().filter(is_below) {
            // RFC 9471 §3.1: glue below the cut cannot be learned elsewhere.
            written = written.and(addresses(zones, node, self.health, writer));
        }
        for node in hosts().filter(|n| !is_below(n)) {
            let _ = addresses(zones, node, self.health, writer);
        }
        outcome.or_truncated(written)
    }

    /// RFC 6672 §3.2: the DNAME itself, and the CNAME it amounts to for this name.
    fn redirect(
        &mut self,
        top: &'a Node,
        name: &QName,
        owner: Owner<'_>,
        hop: usize,
        writer: &mut Writer<'_>,
    ) -> Step {
        let zones = self.zones;
        let Some(set) = zones
            .slot(top, RType::DNAME)
            .and_then(|slot| zones.set(slot.set))
        else {
            return Step::Done(self.denial(rcode::NXDOMAIN, writer));
        };
        let answers = zones.answers(set);
        if writer
            .rrset(Section::Answer, Owner::Name(zones.name(top.name)), &answers)
            .is_err()
        {
            return Step::Done(Outcome::ANSWER.or_truncated(Err(Full)));
        }
        let prefix_len = name.wire().len().saturating_sub(top.name.len as usize);
        let (Some(prefix), Some(target)) =
            (name.wire().get(..prefix_len), answers.records().next())
        else {
            return Step::Done(Outcome::ANSWER);
        };
        let len = prefix.len() + target.len();
        let mut data = [0u8; 2 + NAME_BYTES_MAX];
        if len > NAME_BYTES_MAX {
            return Step::Done(Outcome {
                rcode: rcode::YXDOMAIN,
                ..Outcome::ANSWER
            });
        }
        let bytes = (len as u16)
            .to_be_bytes()
            .into_iter()
            .chain(prefix.iter().chain(target).copied());
        data.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let data = data.get(..2 + len).unwrap_or_default();
        let alias = Answers::made(RType::CNAME, set.ttl, data);
        if writer.rrset(Section::Answer, owner, &alias).is_err() {
            return Step::Done(Outcome::ANSWER.or_truncated(Err(Full)));
        }
        let looping = self.is_loop(top, hop);
        match alias.records().next().and_then(QName::read) {
            Some(target) if !looping && self.qtype != RType::CNAME => Step::Follow(target),
            _ => Step::Done(Outcome::ANSWER),
        }
    }

    /// Remembers that an alias is followed, and tells whether it was before.
    fn is_loop(&mut self, node: &'a Node, hop: usize) -> bool {
        if self
            .followed
            .iter()
            .flatten()
            .any(|seen| std::ptr::eq(*seen, node))
        {
            return true;
        }
        if let Some(place) = self.followed.get_mut(hop) {
            *place = Some(node);
        }
        false
    }
}
