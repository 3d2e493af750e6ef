//! A zone on its way out, in as many messages as it takes.

use crate::authority::Version;
use crate::limits::{TCP_BYTES, TRANSFER_MESSAGE_BYTES};
use crate::message::{Owner, Section, Writer};
use crate::set::{Answers, Stored};
use crate::tsig::{Signer, now};
use crate::zone::Record;
use crate::{RType, ZoneSet};
use std::sync::Arc;

/// A transfer that was granted.
pub(crate) struct Outgoing {
    pub zone: Arc<ZoneSet>,
    /// Steps from the client's version on; `None` for the whole zone.
    pub versions: Option<Vec<Version>>,
    /// The answer's header and question.
    pub head: Vec<u8>,
    pub signer: Option<Signer>,
}

/// A record to be sent.
struct Item<'a> {
    owner: &'a [u8],
    rtype: RType,
    ttl: u32,
    framed: &'a [u8],
}

impl<'a> From<Stored<'a>> for Item<'a> {
    fn from(stored: Stored<'a>) -> Self {
        Self {
            owner: stored.owner,
            rtype: stored.rtype,
            ttl: stored.ttl,
            framed: stored.framed,
        }
    }
}

impl Outgoing {
    /// Hands each message to `send` until that gives false.
    pub fn send(mut self, send: &mut dyn FnMut(Vec<u8>) -> bool) {
        let zone = Arc::clone(&self.zone);
        let Some(soa) = zone.soa() else { return };
        let Some(versions) = self.versions.take() else {
            let rest = zone.stored().filter(|s| s.rtype != RType::SOA);
            let all = std::iter::once(soa).chain(rest).chain(std::iter::once(soa));
            self.pack(all.map(Item::from), send);
            return;
        };
        // The client has it already: the SOA alone says so (RFC 1995 §4).
        let last = (!versions.is_empty()).then_some(soa);
        let framed = Framed::of(&versions);
        let steps = framed.iter().map(Framed::item);
        let all = std::iter::once(Item::from(soa))
            .chain(steps)
            .chain(last.map(Item::from));
        self.pack(all, send);
    }

    fn pack<'a>(
        mut self,
        items: impl Iterator<Item = Item<'a>>,
        send: &mut dyn FnMut(Vec<u8>) -> bool,
    ) {
        let mut items = items.peekable();
        let mut buffer = vec![0; TCP_BYTES];
        let spare = if self.signer.is_some() {
            Signer::BYTES_MAX
        } else {
            0
        };
        while items.peek().is_some() {
            let mut written = self.fill(&mut buffer, TRANSFER_MESSAGE_BYTES - spare, &mut items);
            if written.1 == 0 {
                written = self.fill(&mut buffer, TCP_BYTES - spare, &mut items);
            }
            let (end, count) = written;
            if count == 0 {
                return;
            }
            let mut message = buffer.get(..end).unwrap_or_default().to_vec();
            if let Some(place) = message.get_mut(6..8) {
                place.copy_from_slice(&count.to_be_bytes());
            }
            if let Some(signer) = &mut self.signer {
                signer.sign(&mut message, now());
            }
            if !send(message) {
                return;
            }
        }
    }

    /// Writes as many records as fit. Gives the message's end and their number.
    fn fill<'a>(
        &self,
        buffer: &mut [u8],
        limit: usize,
        items: &mut std::iter::Peekable<impl Iterator<Item = Item<'a>>>,
    ) -> (usize, u16) {
        let at = self.head.len();
        if let Some(place) = buffer.get_mut(..at) {
            place.copy_from_slice(&self.head);
        }
        let mut writer = Writer::new(buffer, at, limit);
        while let Some(item) = items.peek() {
            let answers = Answers::made(item.rtype, item.ttl, item.framed);
            if writer
                .rrset(Section::Answer, Owner::Name(item.owner), &answers)
                .is_err()
            {
                break;
            }
            items.next();
        }
        (writer.end(), writer.counts()[0])
    }
}

/// A record of a difference with its data's length before it.
struct Framed<'a> {
    record: &'a Record,
    framed: Vec<u8>,
}

impl<'a> Framed<'a> {
    fn new(record: &'a Record) -> Self {
        let mut framed = (record.data.len() as u16).to_be_bytes().to_vec();
        framed.extend_from_slice(&record.data);
        Self { record, framed }
    }

    /// RFC 1995 §4: the old SOA and what went, the new SOA and what came.
    fn of(versions: &'a [Version]) -> Vec<Self> {
        let step = |v: &'a Version| {
            let went = std::iter::once(&v.soa_before).chain(&v.difference.removed);
            went.chain(std::iter::once(&v.soa_after))
                .chain(&v.difference.added)
                .map(Self::new)
        };
        versions.iter().flat_map(step).collect()
    }

    fn item(&self) -> Item<'_> {
        Item {
            owner: self.record.owner.wire(),
            rtype: self.record.rtype,
            ttl: self.record.ttl,
            framed: &self.framed,
        }
    }
}
