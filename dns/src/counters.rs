//! What was answered, counted. A server tallies a batch in plain numbers and adds it to the shared ones at once.

use crate::query::{HEADER, rcode};
use crate::{RType, Transport, Verdict};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a query got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// Less than a header.
    Short,
    /// It is itself an answer: answering it could start a loop between two servers.
    Response,
    /// The query was longer than what is taken.
    Oversize,
    /// The sender's port is 0, where no answer can go.
    NoPort,
    /// The buffer for answers is too small.
    NoRoom,
    /// A connection over a limit, closed at once.
    ConnectionLimit,
    /// The client's network has had its share of such answers (see [`crate::RrlOptions`]).
    RateLimit,
    /// Answering it panicked, which is a bug of ours: it is lost, the server is not.
    Panic,
    /// What the transport forbids (RFC 9250 §4.3.3); the connection is closed.
    Protocol,
}

impl DropReason {
    /// All of them, in the order of [`Snapshot::dropped`].
    pub const ALL: [DropReason; 9] = [
        Self::Short,
        Self::Response,
        Self::Oversize,
        Self::NoPort,
        Self::NoRoom,
        Self::ConnectionLimit,
        Self::RateLimit,
        Self::Panic,
        Self::Protocol,
    ];

    /// As a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Response => "response",
            Self::Oversize => "oversize",
            Self::NoPort => "no_port",
            Self::NoRoom => "no_room",
            Self::ConnectionLimit => "connection_limit",
            Self::RateLimit => "rate_limit",
            Self::Panic => "panic",
            Self::Protocol => "protocol",
        }
    }
}

/// Types that are counted apart; the rest is `other`. In the order of [`Snapshot::qtypes`].
pub const QTYPE_CLASSES: [(&str, Option<RType>); 14] = [
    ("A", Some(RType::A)),
    ("AAAA", Some(RType::AAAA)),
    ("HTTPS", Some(RType::HTTPS)),
    ("NS", Some(RType::NS)),
    ("SOA", Some(RType::SOA)),
    ("MX", Some(RType::MX)),
    ("TXT", Some(RType::TXT)),
    ("CNAME", Some(RType::CNAME)),
    ("SRV", Some(RType::SRV)),
    ("PTR", Some(RType::PTR)),
    ("DS", Some(RType::DS)),
    ("DNSKEY", Some(RType::DNSKEY)),
    ("ANY", Some(RType::ANY)),
    ("other", None),
];

/// Codes that are counted apart, by number: those of the header.
pub const RCODES: [&str; 16] = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE", "11", "12", "13", "14", "15",
];

/// Counts. As a tally of a batch, and as what [`Counters::snapshot`] gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Answers by code, in the order of [`RCODES`]; BADVERS counts as its lower half, NOERROR.
    pub rcodes: [u64; RCODES.len()],
    /// Answers by type asked for, in the order of [`QTYPE_CLASSES`].
    pub qtypes: [u64; QTYPE_CLASSES.len()],
    /// Answers by transport, in the order of [`Transport::ALL`].
    pub transports: [u64; Transport::ALL.len()],
    /// Answers with TC.
    pub truncated: u64,
    /// What got no answer, in the order of [`DropReason::ALL`].
    pub dropped: [u64; DropReason::ALL.len()],
}

impl Snapshot {
    /// Counts one query and what became of it.
    pub fn count(&mut self, transport: Transport, verdict: Verdict, reply: &[u8]) {
        match verdict {
            Verdict::Drop(reason) => self.count_drop(reason),
            Verdict::Reply(_) => {
                if let Some([_, _, flags, code, _, questions]) = reply.first_chunk() {
                    bump(&mut self.rcodes, usize::from(code & 15));
                    self.truncated += u64::from(flags >> 1 & 1);
                    if *questions == 1 {
                        bump(&mut self.qtypes, qtype_class(reply));
                    }
                }
                bump(&mut self.transports, transport as usize);
            }
        }
    }

    /// Counts something that got no answer.
    pub fn count_drop(&mut self, reason: DropReason) {
        bump(
            &mut self.dropped,
            DropReason::ALL
                .iter()
                .position(|r| *r == reason)
                .unwrap_or(0),
        );
    }

    /// All answers.
    pub fn answers(&self) -> u64 {
        self.transports.iter().sum()
    }
}

fn bump(array: &mut [u64], index: usize) {
    if let Some(place) = array.get_mut(index) {
        *place += 1;
    }
}

/// The class of the type in a question that this crate copied into its answer.
fn qtype_class(reply: &[u8]) -> usize {
    let name = reply
        .get(HEADER..)
        .and_then(crate::name::wire_len)
        .unwrap_or(0);
    let qtype = reply
        .get(HEADER + name..)
        .and_then(|t| t.first_chunk())
        .map(|t| RType(u16::from_be_bytes(*t)));
    QTYPE_CLASSES
        .iter()
        .position(|(_, t)| *t == qtype)
        .unwrap_or(QTYPE_CLASSES.len() - 1)
}

/// Counts shared by all threads.
#[derive(Debug, Default)]
pub struct Counters {
    rcodes: [AtomicU64; RCODES.len()],
    qtypes: [AtomicU64; QTYPE_CLASSES.len()],
    transports: [AtomicU64; Transport::ALL.len()],
    truncated: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl Counters {
    /// Adds a tally.
    pub fn add(&self, tally: &Snapshot) {
        let truncated = [tally.truncated];
        for (shared, local) in [
            (&self.rcodes[..], &tally.rcodes[..]),
            (&self.qtypes, &tally.qtypes),
            (&self.transports, &tally.transports),
            (std::slice::from_ref(&self.truncated), &truncated),
            (&self.dropped, &tally.dropped),
        ] {
            for (shared, local) in shared.iter().zip(local).filter(|(_, n)| **n > 0) {
                shared.fetch_add(*local, Ordering::Relaxed);
            }
        }
    }

    /// The counts so far.
    pub fn snapshot(&self) -> Snapshot {
        let load = |a: &AtomicU64| a.load(Ordering::Relaxed);
        Snapshot {
            rcodes: self.rcodes.each_ref().map(load),
            qtypes: self.qtypes.each_ref().map(load),
            transports: self.transports.each_ref().map(load),
            truncated: load(&self.truncated),
            dropped: self.dropped.each_ref().map(load),
        }
    }
}

/// Answers of one zone by code: NOERROR, NXDOMAIN, all others. They outlive reloads of the zone.
#[derive(Debug, Default)]
pub struct ZoneCounts([AtomicU64; 3]);

impl ZoneCounts {
    /// Labels of the counts.
    pub const RCODES: [&str; 3] = ["NOERROR", "NXDOMAIN", "other"];

    pub(crate) fn count(&self, rcode: u16) {
        let at = match rcode {
            rcode::NOERROR => 0,
            rcode::NXDOMAIN => 1,
            _ => 2,
        };
        if let Some(count) = self.0.get(at) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counts so far, in the order of [`Self::RCODES`].
    pub fn now(&self) -> [u64; 3] {
        self.0.each_ref().map(|n| n.load(Ordering::Relaxed))
    }
}
