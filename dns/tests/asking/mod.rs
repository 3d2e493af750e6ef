//! Asking a set of zones as a resolver would, and reading the answer with somebody else's decoder.

#![allow(dead_code, reason = "each test file asks in its own way")]

use hickory_proto::op::Message;
use hickory_proto::rr::{RData, Record};
use hickory_proto::serialize::binary::BinEncodable;
use seawall_diag::SourceMap;
use seawall_dns::{AlwaysUp, Client, Health, Out, RType, Transport, Verdict, Zone, Zones, answer};

/// Header of a small zone: SOA with a minimum below its TTL, two servers.
pub const HEAD: &str = "$TTL 300\n\
    @ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 60\n\
    @ 3600 NS ns1\n\
    @ 3600 NS ns2.other.test.\n\
    ns1 A 192.0.2.53\n";

/// The zone `example.test` of [`HEAD`] and these lines.
pub fn zone(lines: &str) -> Zone {
    zone_named("example.test", lines)
}

pub fn zone_named(name: &str, lines: &str) -> Zone {
    let mut sources = SourceMap::default();
    let file = sources.add("zone", format!("{HEAD}{lines}"));
    Zone::parse(name, &mut sources, file)
        .unwrap_or_else(|found| panic!("{:#?}", found.lines(&sources)))
}

/// Zones by name, each of a whole file.
pub fn zones_of(files: &[(&str, &str)]) -> Zones {
    let mut sources = SourceMap::default();
    let zones = files.iter().map(|(name, text)| {
        let file = sources.add(*name, (*text).to_owned());
        Zone::parse(name, &mut sources, file)
            .unwrap_or_else(|found| panic!("{:#?}", found.lines(&sources)))
    });
    Zones::new(zones.collect())
}

pub fn set(lines: &str) -> Zones {
    Zones::new(vec![zone(lines)])
}

/// A name in wire form, byte for byte.
pub fn wire_name(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name
        .trim_end_matches('.')
        .split('.')
        .filter(|l| !l.is_empty())
    {
        wire.push(label.len() as u8);
        wire.extend(label.bytes());
    }
    wire.push(0);
    wire
}

/// A query under construction.
#[derive(Clone)]
pub struct Ask {
    pub name: Vec<u8>,
    pub qtype: RType,
    pub class: u16,
    pub flags: u16,
    pub edns: Option<(u16, u8, bool)>,
    pub transport: Transport,
}

impl Ask {
    pub fn new(name: &str, qtype: &str) -> Self {
        let qtype = RType::parse(qtype).unwrap();
        Self {
            name: wire_name(name),
            qtype,
            class: 1,
            flags: 0,
            edns: None,
            transport: Transport::Udp,
        }
    }

    pub fn tcp(mut self) -> Self {
        self.transport = Transport::Tcp;
        self
    }

    pub fn edns(mut self, payload: u16) -> Self {
        self.edns = Some((payload, 0, false));
        self
    }

    /// With EDNS and its DO bit, for signatures.
    pub fn secure(mut self, payload: u16) -> Self {
        self.edns = Some((payload, 0, true));
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut query = vec![0xAB, 0xCD];
        query.extend(self.flags.to_be_bytes());
        query.extend([0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())]);
        query.extend(&self.name);
        query.extend(self.qtype.0.to_be_bytes());
        query.extend(self.class.to_be_bytes());
        if let Some((payload, version, dnssec_ok)) = self.edns {
            query.extend([0, 0, 41]);
            query.extend(payload.to_be_bytes());
            query.extend([0, version, u8::from(dnssec_ok) << 7, 0, 0, 0]);
        }
        query
    }

    pub fn of(&self, zones: &Zones) -> Answer {
        self.with(zones, &AlwaysUp)
    }

    pub fn with(&self, zones: &Zones, health: &dyn Health) -> Answer {
        let mut buffer = vec![0; 65_535];
        let mut out = Out::new(&mut buffer);
        let client = Client {
            addr: [127, 0, 0, 1].into(),
            transport: self.transport,
            health,
            guard: None,
        };
        match answer(zones, &self.bytes(), &client, &mut out) {
            Verdict::Reply(len) => Answer::read(out.written(len)),
            Verdict::Drop(reason) => panic!("dropped: {reason:?}"),
        }
    }
}

/// Asks over UDP with EDNS at its largest.
pub fn ask(zones: &Zones, name: &str, qtype: &str) -> Answer {
    Ask::new(name, qtype).edns(1232).of(zones)
}

/// An answer as hickory-proto reads it, in lines.
#[derive(Debug)]
pub struct Answer {
    pub bytes: Vec<u8>,
    pub message: Message,
    pub rcode: u16,
    pub aa: bool,
    pub tc: bool,
    pub answers: Vec<String>,
    pub authority: Vec<String>,
    pub additional: Vec<String>,
}

impl Answer {
    pub fn read(bytes: &[u8]) -> Self {
        let message = Message::from_vec(bytes).unwrap_or_else(|e| panic!("{e}: {bytes:02x?}"));
        Self {
            bytes: bytes.to_vec(),
            rcode: u16::from(message.metadata.response_code),
            aa: message.metadata.authoritative,
            tc: message.metadata.truncation,
            answers: lines(&message.answers),
            authority: lines(&message.authorities),
            additional: lines(&message.additionals),
            message,
        }
    }

    /// What most tests look at: code, AA, answer, authority.
    pub fn shape(&self) -> (u16, bool, Vec<&str>, Vec<&str>) {
        (
            self.rcode,
            self.aa,
            self.answers.iter().map(String::as_str).collect(),
            self.authority.iter().map(String::as_str).collect(),
        )
    }
}

impl Answer {
    /// The code, then the records of all sections in their order as `owner type`, the owner relative to
    /// `example.test`, a signature as `owner +type`.
    pub fn order(&self) -> Vec<String> {
        let code = match self.rcode {
            0 => "NOERROR".to_owned(),
            3 => "NXDOMAIN".to_owned(),
            other => other.to_string(),
        };
        let mut order = vec![code];
        let sections = [
            &self.message.answers,
            &self.message.authorities,
            &self.message.additionals,
        ];
        for record in sections.into_iter().flatten() {
            let name = record.name.to_lowercase().to_string();
            let owner = name.trim_end_matches("example.test.").trim_end_matches('.');
            let owner = if owner.is_empty() { "@" } else { owner };
            let rtype = RType(record.record_type().into());
            if rtype != RType::RRSIG {
                order.push(format!("{owner} {rtype}"));
                continue;
            }
            let data = record.data.to_bytes().unwrap();
            let covered = RType(u16::from_be_bytes([data[0], data[1]]));
            order.push(format!("{owner} +{covered}"));
        }
        order
    }
}

/// `name ttl type data`, in lower case and sorted: servers may rotate.
fn lines(records: &[Record]) -> Vec<String> {
    let mut lines: Vec<_> = records
        .iter()
        .map(|r| {
            format!(
                "{} {} {} {}",
                r.name.to_lowercase(),
                r.ttl,
                r.record_type(),
                data(&r.data)
            )
        })
        .collect();
    lines.sort();
    lines
}

/// The decoder knows no DNAME: its data is a name.
fn data(data: &RData) -> String {
    match data {
        RData::Unknown { code, rdata } if u16::from(*code) == RType::DNAME.0 => {
            name_of(&rdata.anything)
        }
        data => data.to_string(),
    }
}

fn name_of(mut wire: &[u8]) -> String {
    let mut name = String::new();
    while let Some((len, rest)) = wire.split_first().filter(|(len, _)| **len > 0) {
        let (label, rest) = rest.split_at(usize::from(*len));
        name += &String::from_utf8_lossy(label);
        name.push('.');
        wire = rest;
    }
    name
}
