//! Answers for HTTPS (RFC 8484). What carries them is a web server, which lives elsewhere.

use super::{Shared, guarded};
use crate::counters::Snapshot;
use crate::limits::{HTTPS_ROOM_BYTES, TCP_BYTES};
use crate::query::{HEADER, record_name_len};
use crate::{Client, Out, Transport, Verdict};
use std::cell::RefCell;
use std::net::IpAddr;

thread_local! {
    /// Where answers are written; most are small, and the rest is asked for again with all the room there is.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; HTTPS_ROOM_BYTES].into());
}

/// An answer, and how long it may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsAnswer {
    /// The message.
    pub message: Vec<u8>,
    /// The least TTL of what is answered or denied, in seconds (RFC 8484 §5.1).
    pub max_age_s: u32,
}

impl Shared {
    /// Answers a question that came in a request. `None` for what is no question. Never waits.
    pub fn answer_https(&self, query: &[u8], client: IpAddr) -> Option<HttpsAnswer> {
        let serving = self.serving();
        let client = Client {
            addr: client,
            transport: Transport::Https,
            health: &*serving.health,
            guard: Some(&serving.guard),
        };
        let mut tally = Snapshot::default();
        let mut write = |room: &mut [u8]| {
            let mut out = Out::new(room);
            let verdict = guarded(&serving.zones, query, &client, &mut out);
            let Verdict::Reply(len) = verdict else {
                tally.count(Transport::Https, verdict, &[]);
                return None;
            };
            Some(out.written(len).to_vec())
        };
        let mut message = SCRATCH.with_borrow_mut(|room| write(room));
        if message.as_deref().is_some_and(is_truncated) {
            message = write(&mut vec![0; TCP_BYTES]);
        }
        if let Some(message) = &message {
            tally.count(Transport::Https, Verdict::Reply(message.len()), message);
            serving.note(client.addr, Transport::Https, message);
        }
        self.counters.add(&tally);
        let message = message?;
        let max_age_s = least_ttl(&message).unwrap_or(0);
        Some(HttpsAnswer { message, max_age_s })
    }
}

fn is_truncated(message: &[u8]) -> bool {
    message.get(2).is_some_and(|flags| flags & 2 != 0)
}

/// The least TTL of answer and authority. A denial's SOA has the TTL that the denial holds for (RFC 2308 §5).
fn least_ttl(message: &[u8]) -> Option<u32> {
    let header = message.first_chunk::<HEADER>()?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let mut at = HEADER;
    for _ in 0..word(4) {
        at += record_name_len(message.get(at..)?)? + 4;
    }
    let records = if word(6) > 0 { word(6) } else { word(8) };
    let mut least = None;
    for _ in 0..records {
        at += record_name_len(message.get(at..)?)?;
        let [_, _, _, _, a, b, c, d, l0, l1] = *message.get(at..)?.first_chunk()?;
        let ttl = u32::from_be_bytes([a, b, c, d]);
        least = Some(least.map_or(ttl, |l: u32| l.min(ttl)));
        at += 10 + usize::from(u16::from_be_bytes([l0, l1]));
    }
    least
}
