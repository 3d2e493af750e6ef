//! A log of queries, or of every so-manyth one.
//!
//! A server's thread copies the few bytes that a line is made of into a queue that is as long as it is from the start:
//! it neither allocates nor waits. Whoever reads the queue writes the lines; when it is full, entries are lost and
//! counted.

use crate::limits::{NAME_BYTES_MAX, QUERY_LOG_QUEUE};
use crate::name::{labels, wire_len};
use crate::query::HEADER;
use crate::{RCODES, RType, Transport};
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where servers put what they answered.
pub struct QueryLog {
    every: u32,
    seen: AtomicU32,
    lost: AtomicU64,
    queue: SyncSender<LoggedQuery>,
}

/// One answered query.
#[derive(Clone)]
pub struct LoggedQuery {
    at: SystemTime,
    client: IpAddr,
    transport: Transport,
    name: [u8; NAME_BYTES_MAX],
    name_len: u8,
    qtype: RType,
    rcode: u8,
    bytes: u16,
    every: u32,
}

impl QueryLog {
    /// A log of every `every`-th query, and where its entries come out. It ends when the log is dropped.
    pub fn new(every: u32) -> (Self, Receiver<LoggedQuery>) {
        let (queue, entries) = sync_channel(QUERY_LOG_QUEUE);
        let log = Self {
            every: every.max(1),
            seen: AtomicU32::new(0),
            lost: AtomicU64::new(0),
            queue,
        };
        (log, entries)
    }

    /// Notes an answer, if it is its turn.
    pub(crate) fn note(&self, client: IpAddr, transport: Transport, reply: &[u8]) {
        let turn = self.seen.fetch_add(1, Ordering::Relaxed);
        if !turn.is_multiple_of(self.every) {
            return;
        }
        let Some(entry) = LoggedQuery::of(client, transport, reply, self.every) else {
            return;
        };
        if self.queue.try_send(entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Entries that found no room.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl LoggedQuery {
    /// Read from an answer, which has its question in it; `None` where it asked none.
    fn of(client: IpAddr, transport: Transport, reply: &[u8], every: u32) -> Option<Self> {
        let rcode = reply.get(3)? & 15;
        let asked = reply.get(HEADER..)?;
        let question = reply
            .get(5)
            .filter(|count| **count == 1)
            .and(wire_len(asked));
        let wire = asked.get(..question?)?;
        let qtype = asked.get(wire.len()..)?.first_chunk()?;
        let mut name = [0; NAME_BYTES_MAX];
        name.get_mut(..wire.len())?.copy_from_slice(wire);
        Some(Self {
            at: SystemTime::now(),
            client,
            transport,
            name,
            name_len: wire.len() as u8,
            qtype: RType(u16::from_be_bytes(*qtype)),
            rcode,
            bytes: reply.len().min(usize::from(u16::MAX)) as u16,
            every,
        })
    }
}

/// A line of JSON, without its end.
impl fmt::Display for LoggedQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = since.subsec_millis();
        write!(
            f,
            "{{\"time\":{}.{millis:03},\"client\":\"{}\",\"transport\":\"{}\",\"name\":\"",
            since.as_secs(),
            self.client,
            self.transport.name()
        )?;
        written_name(
            f,
            self.name
                .get(..usize::from(self.name_len))
                .unwrap_or_default(),
        )?;
        let rcode = RCODES.get(usize::from(self.rcode)).copied();
        write!(
            f,
            "\",\"type\":\"{}\",\"rcode\":\"{}\",\"bytes\":{},\"sample\":{}}}",
            self.qtype,
            rcode.unwrap_or_default(),
            self.bytes,
            self.every
        )
    }
}

/// As a zone file writes it, with its backslashes doubled as JSON wants them.
fn written_name(f: &mut fmt::Formatter<'_>, wire: &[u8]) -> fmt::Result {
    let mut empty = true;
    for label in labels(wire) {
        empty = false;
        for byte in label {
            match byte {
                b'.' => f.write_str(r"\\.")?,
                b'"' => f.write_str(r#"\\\""#)?,
                b'\\' => f.write_str(r"\\\\")?,
                0x21..=0x7e => f.write_char(char::from(*byte))?,
                _ => write!(f, "\\\\{byte:03}")?,
            }
        }
        f.write_char('.')?;
    }
    if empty { f.write_char('.') } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(name: &str, rcode: u8) -> Vec<u8> {
        let mut reply = vec![0, 1, 0x84, rcode, 0, 1, 0, 0, 0, 0, 0, 0];
        reply.extend_from_slice(crate::Name::parse(name, None).unwrap().wire());
        reply.extend([0, 1, 0, 1]);
        reply
    }

    #[test]
    fn every_third_query_is_a_line_of_json() {
        let (log, entries) = QueryLog::new(3);
        let client = [192, 0, 2, 1].into();
        for n in 0..7 {
            log.note(client, Transport::Udp, &reply(&format!("q{n}.test."), 3));
        }
        let lines: Vec<String> = entries.try_iter().map(|e| e.to_string()).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        let tail = "\"client\":\"192.0.2.1\",\"transport\":\"udp\",\"name\":\"q3.test.\",\"type\":\"A\",\"rcode\":\"NXDOMAIN\",\"bytes\":25,\"sample\":3}";
        assert!(lines[1].ends_with(tail), "{}", lines[1]);
    }

    #[test]
    fn names_are_escaped_for_json() {
        let (log, entries) = QueryLog::new(1);
        log.note(
            [192, 0, 2, 1].into(),
            Transport::Tcp,
            &reply("a\\\"b\\.\\000\\\\.test.", 0),
        );
        log.note([192, 0, 2, 1].into(), Transport::Tcp, &reply(".", 0));
        log.note([192, 0, 2, 1].into(), Transport::Tcp, &[0; 12]);
        let lines: Vec<String> = entries.try_iter().map(|e| e.to_string()).collect();
        assert_eq!(lines.len(), 2, "one had no question");
        assert!(
            lines[0].contains(r#""name":"a\\\"b\\.\\000\\\\.test.","#),
            "{}",
            lines[0]
        );
        assert!(lines[1].contains(r#""name":".","#), "{}", lines[1]);
    }

    #[test]
    fn what_nobody_fetches_is_lost_and_counted() {
        let (log, entries) = QueryLog::new(1);
        for _ in 0..QUERY_LOG_QUEUE + 5 {
            log.note([192, 0, 2, 1].into(), Transport::Udp, &reply("a.", 0));
        }
        assert_eq!(
            (log.lost(), entries.try_iter().count()),
            (5, QUERY_LOG_QUEUE)
        );
    }
}
