//! Messages that are more than a question: signed ones, transfers, notifications, updates.
//!
//! The threads that answer only look whether a message is one of these; most are not, and cost a few comparisons.

use super::{Serving, Shared, guarded};
use crate::authority::ChangeError;
use crate::edit::serial_of;
use crate::limits::UDP_EDNS_BYTES;
use crate::name::wire_len;
use crate::policy::is_served;
use crate::query::HEADER;
use crate::transfer::Outgoing;
use crate::tsig::{self, NOTAUTH, Signer, now};
use crate::update::Update;
use crate::wire::{Header, count, put_record, question, record, reply};
use crate::{Client, Name, Out, RType, Transport, Verdict};
use std::net::IpAddr;
use std::sync::Arc;

const FORMERR: u16 = 1;
const SERVFAIL: u16 = 2;
const REFUSED: u16 = 5;
const QUERY: u8 = 0;
const NOTIFY: u8 = 4;
const UPDATE: u8 = 5;
/// Room for a signed answer in a datagram.
const SIGNED_BYTES: usize = 1100;

/// What becomes of such a message.
pub(crate) enum Order {
    /// It is a question after all.
    Question,
    /// This is the answer.
    Reply(Vec<u8>),
    /// A zone is sent.
    Transfer(Outgoing),
    /// A zone is changed, which takes its time.
    Change(Change),
}

/// An update that may be made.
pub(crate) struct Change {
    update: Update,
    query: Vec<u8>,
    signer: Option<Signer>,
}

/// Whether a message has to be looked at here.
pub(crate) fn is_order(message: &[u8]) -> bool {
    let Some(header) = message.first_chunk::<HEADER>() else {
        return false;
    };
    let opcode = header[2] >> 3 & 15;
    if header[2] & 0x80 != 0 || opcode != QUERY {
        return header[2] & 0x80 == 0 && matches!(opcode, NOTIFY | UPDATE);
    }
    let Some(rest) = message.get(HEADER..).and_then(|m| m.get(wire_len(m)?..)) else {
        return false;
    };
    if let [0, 251 | 252, ..] = rest {
        return true;
    }
    match u16::from_be_bytes([header[10], header[11]]) {
        0 => false,
        // OPT alone.
        1 if rest.get(4..).is_some_and(|r| r.starts_with(&[0, 0, 41])) => false,
        _ => matches!(tsig::find(message), Ok(Some(_))),
    }
}

/// Decides what becomes of a message for which [`is_order`] is true.
pub(crate) fn order(shared: &Shared, query: &[u8], from: IpAddr, transport: Transport) -> Order {
    let serving = shared.serving_now();
    let Ok(signature) = tsig::find(query) else {
        return Order::Reply(reply(query, FORMERR, false));
    };
    let (mut plain, mut signer) = (query.to_vec(), None);
    if let Some(signature) = signature {
        plain.truncate(signature.start);
        count(&mut plain, 3, -1);
        match tsig::verify(query, signature, &serving.policies.keys, now()) {
            Ok(verified) => signer = Some(verified),
            Err(refusal) => {
                let mut answer = reply(&plain, NOTAUTH, false);
                refusal.finish(&mut answer, now());
                return Order::Reply(answer);
            }
        }
    }
    let asked = Asked {
        shared,
        serving: &serving,
        query: &plain,
        from,
        transport,
        signer,
    };
    asked.decide()
}

/// A message whose signature, if it has one, is right.
struct Asked<'a> {
    shared: &'a Shared,
    serving: &'a Arc<Serving>,
    query: &'a [u8],
    from: IpAddr,
    transport: Transport,
    signer: Option<Signer>,
}

impl Asked<'_> {
    fn decide(mut self) -> Order {
        let Some(header) = Header::read(self.query) else {
            return Order::Question;
        };
        if header.opcode() == UPDATE {
            return self.update();
        }
        let asked = question(self.query, HEADER).filter(|_| header.counts[0] == 1);
        let Some((name, rtype, class, _)) = asked else {
            return self.reply(FORMERR);
        };
        match (header.opcode(), rtype) {
            (NOTIFY, _) => self.notify(&name),
            (QUERY, RType::AXFR | RType::IXFR) if class == 1 => self.transfer(&name, rtype),
            _ if self.signer.is_some() => self.answer(),
            _ => Order::Question,
        }
    }

    fn signed(&mut self, mut answer: Vec<u8>) -> Order {
        put_opt(self.query, &mut answer);
        if let Some(signer) = &mut self.signer {
            signer.sign(&mut answer, now());
        }
        Order::Reply(answer)
    }

    fn reply(&mut self, rcode: u16) -> Order {
        let answer = reply(self.query, rcode, false);
        self.signed(answer)
    }

    fn key(&self) -> Option<&Name> {
        self.signer.as_ref().map(|s| s.key.name())
    }

    /// A signed question.
    fn answer(&mut self) -> Order {
        let mut buffer = vec![
            0;
            if self.transport == Transport::Udp {
                SIGNED_BYTES
            } else {
                65_000
            }
        ];
        let client = Client {
            addr: self.from,
            transport: self.transport,
            health: &*self.serving.health,
            guard: Some(&self.serving.guard),
        };
        let mut out = Out::new(&mut buffer);
        match guarded(&self.serving.zones, self.query, &client, &mut out) {
            Verdict::Reply(len) => {
                let mut answer = out.written(len).to_vec();
                if let Some(signer) = &mut self.signer {
                    signer.sign(&mut answer, now());
                }
                Order::Reply(answer)
            }
            Verdict::Drop(_) => self.reply(SERVFAIL),
        }
    }

    /// RFC 1996 §3.7: from a primary, or signed with a key of it.
    fn notify(&mut self, zone: &Name) -> Order {
        match self.shared.notified(zone, self.from) {
            Some(true) => {
                let answer = reply(self.query, 0, true);
                self.signed(answer)
            }
            Some(false) => self.reply(REFUSED),
            None if is_served(&self.serving.zones, zone) => self.reply(REFUSED),
            None => self.reply(NOTAUTH),
        }
    }

    fn transfer(&mut self, name: &Name, rtype: RType) -> Order {
        let Some(zone) = self.serving.zones.get(name).cloned() else {
            return if self.signer.is_some() {
                self.reply(NOTAUTH)
            } else {
                Order::Question
            };
        };
        let policy = self.serving.policies.get(name);
        if !policy.is_some_and(|p| p.transfer.allows(self.from, self.key())) {
            return if self.signer.is_some() {
                self.reply(REFUSED)
            } else {
                Order::Question
            };
        }
        if self.transport == Transport::Udp {
            // RFC 1995 §2: the SOA alone sends the client to TCP.
            let whole = rtype == RType::IXFR && self.client_serial().is_some();
            let Some(soa) = zone.to_soa_record().filter(|_| whole) else {
                return Order::Question;
            };
            let mut answer = reply(self.query, 0, true);
            put_record(&mut answer, &soa.owner, RType::SOA, 1, soa.ttl, &soa.data);
            count(&mut answer, 1, 1);
            return self.signed(answer);
        }
        let versions = match rtype {
            RType::IXFR => {
                let Some(theirs) = self.client_serial() else {
                    return self.reply(FORMERR);
                };
                if Some(theirs) == zone.serial() {
                    Some(Vec::new())
                } else {
                    self.shared.versions_since(name, theirs)
                }
            }
            _ => None,
        };
        Order::Transfer(Outgoing {
            zone,
            versions,
            head: reply(self.query, 0, true),
            signer: self.signer.take(),
        })
    }

    /// The serial number of the SOA in the authority section (RFC 1995 §3).
    fn client_serial(&self) -> Option<u32> {
        let header = Header::read(self.query)?;
        let (.., at) = question(self.query, HEADER)?;
        if header.counts[1] != 0 || header.counts[2] == 0 {
            return None;
        }
        let (soa, _) = record(self.query, at)?;
        serial_of(&soa.data).filter(|_| soa.rtype == RType::SOA)
    }

    fn update(&mut self) -> Order {
        let update = match Update::read(self.query) {
            Ok(update) => update,
            Err(rcode) => return self.reply(rcode),
        };
        if !is_served(&self.serving.zones, &update.zone) {
            return self.reply(NOTAUTH);
        }
        let policy = self.serving.policies.get(&update.zone);
        let allowed = policy.is_some_and(|p| p.update.allows(self.from, self.key()));
        if !allowed || self.shared.is_copy(&update.zone) {
            return self.reply(REFUSED);
        }
        Order::Change(Change {
            update,
            query: self.query.to_vec(),
            signer: self.signer.take(),
        })
    }
}

/// RFC 6891 §6.1.1: who sends an OPT gets one, with its DO (RFC 3225 §3).
fn put_opt(query: &[u8], answer: &mut Vec<u8>) {
    let Some(header) = Header::read(query) else {
        return;
    };
    let Some((.., mut at)) = question(query, HEADER).filter(|_| header.counts[0] == 1) else {
        return;
    };
    let records = header.counts.iter().skip(1).map(|n| u32::from(*n)).sum();
    for _ in 0..records {
        let Some((received, end)) = record(query, at) else {
            return;
        };
        at = end;
        if received.rtype == RType::OPT {
            let [size0, size1] = (UDP_EDNS_BYTES as u16).to_be_bytes();
            let dnssec_ok = (received.ttl >> 8) as u8 & 0x80;
            answer.extend([0, 0, 41, size0, size1, 0, 0, dnssec_ok, 0, 0, 0]);
            count(answer, 3, 1);
            return;
        }
    }
}

impl Change {
    /// The answer where too many are made at once.
    pub fn refused(mut self) -> Vec<u8> {
        let mut answer = reply(&self.query, SERVFAIL, false);
        put_opt(&self.query, &mut answer);
        if let Some(signer) = &mut self.signer {
            signer.sign(&mut answer, now());
        }
        answer
    }

    /// Makes the change, and the answer to it. Not for a thread that serves.
    pub fn run(mut self, shared: &Shared) -> Vec<u8> {
        let mut rcode = 0;
        let made = shared.change_by(&self.update.zone, |draft| {
            self.update.apply(draft).map_err(|code| {
                rcode = code;
                ChangeError::Refused(format!("code {code}"))
            })
        });
        if made.is_err() && rcode == 0 {
            rcode = SERVFAIL;
        }
        let mut answer = reply(&self.query, rcode, false);
        put_opt(&self.query, &mut answer);
        if let Some(signer) = &mut self.signer {
            signer.sign(&mut answer, now());
        }
        answer
    }
}
