//! The algorithm of RFC 1034 §4.3.2, as RFC 2308, 4592, 6604, 6672, 8482 and 9471 amended it, into a message writer.
//!
//! Every answer can be made here. Most are not: they were rendered ahead, by this same code (see [`crate::set::Rendered`]).

use crate::RType;
use crate::dynamic::Health;
use crate::limits::{ALIASES_MAX, NAME_BYTES_MAX, PROOFS_MAX};
use crate::message::{Full, Owner, Section, Writer};
use crate::query::{QName, rcode};
use crate::set::{Answers, EncodedSet, Find, Match, NONE, Node, Shadow, ZoneSet};

/// What the header is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub rcode: u16,
    pub authoritative: bool,
    pub truncated: bool,
    /// Whether an alias was met twice: then the answer depends on the very name that is asked for.
    pub looped: bool,
}

impl Outcome {
    /// A code and nothing else.
    pub fn only(rcode: u16) -> Self {
        Self {
            rcode,
            authoritative: false,
            truncated: false,
            looped: false,
        }
    }

    const ANSWER: Self = Self {
        rcode: rcode::NOERROR,
        authoritative: true,
        truncated: false,
        looped: false,
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
    /// Whether signatures and proofs are wanted and there are some (RFC 4035 §3.1).
    secure: bool,
    /// Records that deny and are still to be written, as they stand behind the answer section.
    proofs: [u32; PROOFS_MAX],
    proofs_len: usize,
    /// Aliases that were followed, by node and the hash of the name: the same name again is a loop, another one below
    /// the same wildcard or DNAME is not.
    followed: [Option<(&'a Node, u64)>; ALIASES_MAX],
    looped: bool,
}

/// Writes the sections of an answer to a question for a name within `zone`.
pub(crate) fn resolve(
    zones: &ZoneSet,
    zone: u32,
    name: &QName,
    qtype: RType,
    secure: bool,
    health: &dyn Health,
    writer: &mut Writer<'_>,
) -> Outcome {
    let mut resolver = Resolver {
        zones,
        zone,
        qtype,
        health,
        secure,
        proofs: [NONE; PROOFS_MAX],
        proofs_len: 0,
        followed: [None; ALIASES_MAX],
        looped: false,
    };
    let outcome = resolver.run(name, writer);
    Outcome {
        looped: resolver.looped,
        ..outcome
    }
}

impl<'a> Resolver<'a> {
    /// Follows aliases to their end.
    fn run(&mut self, name: &QName, writer: &mut Writer<'_>) -> Outcome {
        let (zones, zone, qtype) = (self.zones, self.zone, self.qtype);
        let mut step = self.step(name, Owner::Question, 0, writer);
        for hop in 1..=ALIASES_MAX {
            match step {
                Step::Done(outcome) => return outcome,
                // Only this zone's data: resolvers ask the next zone themselves, whoever sends it along (RFC 2181 §5.4.1).
                Step::Follow(target) if zones.zone_of(&target, qtype) != Some(zone) => {
                    return self.close(Outcome::ANSWER, writer);
                }
                Step::Follow(target) => {
                    step = self.step(&target, Owner::Name(target.wire()), hop, writer)
                }
            }
        }
        match step {
            Step::Done(outcome) => outcome,
            Step::Follow(_) => self.close(Outcome::ANSWER, writer),
        }
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
    hosts(zones, set, health, false, writer);
    Ok(())
}

/// Writes the addresses of the hosts that an RRset names.
fn hosts(
    zones: &ZoneSet,
    set: &EncodedSet,
    health: &dyn Health,
    secure: bool,
    writer: &mut Writer<'_>,
) {
    for target in zones.targets(set) {
        let Some(node) = zones.node(*target) else {
            continue;
        };
        // What does not fit is left out whole; the client can ask for it.
        let _ = addresses(zones, node, health, secure, writer);
    }
}

/// Writes an RRset, with its signatures where they are wanted: both or neither.
fn put(
    zones: &ZoneSet,
    section: Section,
    owner: Owner<'_>,
    set: &EncodedSet,
    secure: bool,
    writer: &mut Writer<'_>,
) -> Result<(), Full> {
    let answers = zones.answers(set);
    if secure {
        writer.signed(section, owner, &answers, &zones.signatures(set))
    } else {
        writer.rrset(section, owner, &answers)
    }
}

fn addresses(
    zones: &ZoneSet,
    node: &Node,
    health: &dyn Health,
    secure: bool,
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
        let owner = Owner::Name(zones.name(node.name));
        all = all.and(put(zones, Section::Additional, owner, set, secure, writer));
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
            Match::Exact(node) => self.node(node, None, name, owner, hop, writer),
            Match::Wildcard { node, encloser } => {
                if self.secure {
                    // What the wildcard answers holds as long as the name itself is shown not to be there.
                    self.prove_missing(encloser, name, !self.has_answer(node));
                }
                self.node(node, Some(encloser), name, owner, hop, writer)
            }
            Match::Nothing { encloser } => {
                if self.secure {
                    self.prove_missing(encloser, name, true);
                    self.prove(self.zones.node(encloser).map_or(NONE, |n| n.wild_proof));
                }
                Step::Done(self.denial(rcode::NXDOMAIN, writer))
            }
        }
    }

    /// Whether a node has an answer to the question, if only an alias.
    fn has_answer(&self, node: &Node) -> bool {
        let slots = self.zones.slots(node);
        match self.qtype {
            RType::ANY | RType::RRSIG => !slots.is_empty(),
            RType::NSEC => slots.iter().any(|s| s.rtype == RType::NSEC),
            // A withdrawn record is none.
            qtype => slots.iter().any(|s| {
                let is_there = s.rtype == qtype && self.zones.choose(s, self.health).is_some();
                is_there || s.rtype == RType::CNAME
            }),
        }
    }

    /// Answers from a node: the name asked for, or the wildcard below `encloser`.
    fn node(
        &mut self,
        node: &'a Node,
        encloser: Option<u32>,
        name: &QName,
        owner: Owner<'_>,
        hop: usize,
        writer: &mut Writer<'_>,
    ) -> Step {
        let zones = self.zones;
        let wanted = match self.qtype {
            RType::ANY => self.least(node),
            RType::RRSIG if self.has_answer(node) => {
                return Step::Done(self.signatures(node, owner, writer));
            }
            qtype => zones
                .slot(node, qtype)
                .and_then(|slot| zones.choose(slot, self.health)),
        };
        if let Some(set) = wanted {
            let written = put(zones, Section::Answer, owner, set, self.secure, writer);
            if written.is_err() {
                return Step::Done(Outcome::ANSWER.or_truncated(written));
            }
            let outcome = self.close(Outcome::ANSWER, writer);
            hosts(zones, set, self.health, self.secure, writer);
            return Step::Done(outcome);
        }
        // RFC 4035 §2.5: NSEC stands beside an alias, so that who asks for it asks for the alias's own.
        let alias = zones
            .slot(node, RType::CNAME)
            .filter(|_| self.qtype != RType::NSEC)
            .and_then(|slot| zones.set(slot.set));
        let Some(alias) = alias else {
            if self.secure {
                let withdrawn = zones
                    .slot(node, self.qtype)
                    .and_then(|s| zones.denial_of(s));
                match (withdrawn, encloser.and_then(|e| zones.node(e))) {
                    (Some(denial), _) => self.prove_withdrawn(denial),
                    (None, Some(encloser)) => self.prove(encloser.wild_proof),
                    (None, None) => self.prove_types(node),
                }
            }
            return Step::Done(self.denial(rcode::NOERROR, writer));
        };
        if self.is_loop(node, name, hop) {
            return Step::Done(self.close(Outcome::ANSWER, writer));
        }
        let written = put(zones, Section::Answer, owner, alias, self.secure, writer);
        if written.is_err() {
            return Step::Done(Outcome::ANSWER.or_truncated(written));
        }
        match zones.answers(alias).records().next().and_then(QName::read) {
            Some(target) => Step::Follow(target),
            None => Step::Done(self.close(Outcome::ANSWER, writer)),
        }
    }

    /// The signatures at a name, for who asks for them by type. As with ANY a part of them is an answer.
    fn signatures(&mut self, node: &Node, owner: Owner<'_>, writer: &mut Writer<'_>) -> Outcome {
        let zones = self.zones;
        let mut some = false;
        for slot in zones.slots(node) {
            let Some(set) = zones.choose(slot, self.health) else {
                continue;
            };
            let sigs = zones.signatures(set);
            if sigs.is_empty() {
                continue;
            }
            let written = writer.rrset(Section::Answer, owner, &sigs);
            if written.is_err() {
                return Outcome::ANSWER.or_truncated(written);
            }
            some = true;
        }
        if some {
            self.close(Outcome::ANSWER, writer)
        } else {
            self.denial(rcode::NOERROR, writer)
        }
    }

    fn prove_missing(&mut self, encloser: u32, name: &QName, whole: bool) {
        let (zones, zone) = (self.zones, self.zone);
        zones.prove_missing(zone, encloser, name, whole, &mut |proof| self.prove(proof));
    }

    fn prove_types(&mut self, node: &Node) {
        let (zones, zone) = (self.zones, self.zone);
        zones.prove_types(zone, node, &mut |proof| self.prove(proof));
    }

    /// Remembers a proof for the authority section, once.
    fn prove(&mut self, proof: u32) {
        let known = self.proofs.get(..self.proofs_len).unwrap_or_default();
        if proof == NONE || known.contains(&proof) {
            return;
        }
        if let Some(place) = self.proofs.get_mut(self.proofs_len) {
            *place = proof;
            self.proofs_len += 1;
        }
    }

    /// Remembers what denies a withdrawn record, in the place of the chain's record of the same name.
    fn prove_withdrawn(&mut self, denial: u32) {
        let zones = self.zones;
        let owner = |proof: u32| zones.proof(proof).map(|p| zones.name(p.owner));
        let known = self.proofs.iter_mut().take(self.proofs_len);
        match known.into_iter().find(|p| owner(**p) == owner(denial)) {
            Some(place) => *place = denial,
            None => self.prove(denial),
        }
    }

    /// Writes the proofs that an answer needs. Without one of them it is not whole.
    fn close(&mut self, outcome: Outcome, writer: &mut Writer<'_>) -> Outcome {
        let zones = self.zones;
        let proofs = self.proofs.iter().take(self.proofs_len);
        for proof in proofs.filter_map(|p| zones.proof(*p)) {
            let Some(set) = zones.set(proof.set) else {
                continue;
            };
            let owner = Owner::Name(zones.name(proof.owner));
            let written = put(zones, Section::Authority, owner, set, true, writer);
            if written.is_err() {
                return outcome.or_truncated(written);
            }
        }
        self.proofs_len = 0;
        outcome
    }

    /// RFC 8482 §4.1: one RRset is an answer to ANY; the smallest is of least use to an amplifier.
    fn least(&self, node: &Node) -> Option<&'a EncodedSet> {
        let sets = self
            .zones
            .slots(node)
            .iter()
            .filter_map(|slot| self.zones.choose(slot, self.health));
        sets.min_by_key(|set| set.data_len)
    }

    /// RFC 2308 §2: the SOA says for how long there is nothing.
    fn denial(&mut self, rcode: u16, writer: &mut Writer<'_>) -> Outcome {
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
        let written = put(
            self.zones,
            Section::Authority,
            owner,
            soa,
            self.secure,
            writer,
        );
        match written {
            Ok(()) => self.close(outcome, writer),
            Err(_) => outcome.or_truncated(written),
        }
    }

    fn referral(
        &mut self,
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
        let delegated = self.delegation(cut, cut_name, writer);
        if delegated.is_err() {
            return outcome.or_truncated(delegated);
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
            written = written.and(addresses(zones, node, self.health, self.secure, writer));
        }
        for node in hosts().filter(|n| !is_below(n)) {
            let _ = addresses(zones, node, self.health, self.secure, writer);
        }
        outcome.or_truncated(written)
    }

    /// RFC 4035 §3.1.4: a referral says how the zone below is signed, or proves that it is not.
    fn delegation(&mut self, cut: &Node, name: &[u8], writer: &mut Writer<'_>) -> Result<(), Full> {
        if !self.secure {
            return Ok(());
        }
        let zones = self.zones;
        let ds = zones.slot(cut, RType::DS).and_then(|s| zones.set(s.set));
        if let Some(ds) = ds {
            put(
                zones,
                Section::Authority,
                Owner::Name(name),
                ds,
                true,
                writer,
            )?;
        } else {
            self.prove_types(cut);
        }
        if self.close(Outcome::ANSWER, writer).truncated {
            return Err(Full);
        }
        Ok(())
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
        let at = Owner::Name(zones.name(top.name));
        // One that leads below itself is said once, however often it is followed.
        let mut followed = self.followed.iter().flatten();
        if !followed.any(|(seen, _)| std::ptr::eq(*seen, top)) {
            let written = put(zones, Section::Answer, at, set, self.secure, writer);
            if written.is_err() {
                return Step::Done(Outcome::ANSWER.or_truncated(written));
            }
        }
        let prefix_len = name.wire().len().saturating_sub(zones.name(top.name).len());
        let (Some(prefix), Some(target)) =
            (name.wire().get(..prefix_len), answers.records().next())
        else {
            return Step::Done(Outcome::ANSWER);
        };
        let len = prefix.len() + target.len();
        let mut data = [0u8; 2 + NAME_BYTES_MAX];
        if len > NAME_BYTES_MAX {
            let outcome = Outcome {
                rcode: rcode::YXDOMAIN,
                ..Outcome::ANSWER
            };
            return Step::Done(self.close(outcome, writer));
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
        let looping = self.is_loop(top, name, hop);
        match alias.records().next().and_then(QName::read) {
            Some(target) if !looping && self.qtype != RType::CNAME => Step::Follow(target),
            _ => Step::Done(self.close(Outcome::ANSWER, writer)),
        }
    }

    /// Remembers that an alias is followed, and tells whether it was before.
    fn is_loop(&mut self, node: &'a Node, name: &QName, hop: usize) -> bool {
        let hash = self.zones.hash_of(NONE, name.wire());
        for (seen, by) in self.followed.iter().flatten() {
            if std::ptr::eq(*seen, node) {
                self.looped = true;
                if *by == hash {
                    return true;
                }
            }
        }
        if let Some(place) = self.followed.get_mut(hop) {
            *place = Some((node, hash));
        }
        false
    }
}
