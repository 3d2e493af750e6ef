//! A validating client made of hickory-proto: what it accepts, a resolver of somebody else's accepts.

#![allow(dead_code, reason = "each test file validates in its own way")]

use hickory_proto::dnssec::Verifier;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, RRSIG};
use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

/// The keys in these records.
pub fn keys(records: &[Record]) -> Vec<DNSKEY> {
    let keys = records.iter().filter_map(|r| match &r.data {
        RData::DNSSEC(DNSSECRData::DNSKEY(key)) => Some(key.clone()),
        _ => None,
    });
    keys.collect()
}

/// The signatures in these records that cover an RRset.
pub fn signatures<'a>(records: &'a [Record], name: &Name, rtype: RecordType) -> Vec<&'a RRSIG> {
    let found = records.iter().filter(|r| r.name == *name);
    let found = found.filter_map(|r| match &r.data {
        RData::DNSSEC(DNSSECRData::RRSIG(sig)) if sig.input().type_covered == rtype => Some(sig),
        _ => None,
    });
    found.collect()
}

/// Whether an RRset among these records has a signature by one of these keys that holds now.
pub fn is_valid(
    records: &[Record],
    name: &Name,
    rtype: RecordType,
    keys: &[DNSKEY],
    now: u64,
) -> Result<(), String> {
    let set: Vec<&Record> = records
        .iter()
        .filter(|r| r.name == *name && r.record_type() == rtype)
        .collect();
    let mut why = format!("{name} {rtype} has no signature");
    for sig in signatures(records, name, rtype) {
        let input = sig.input();
        let (from, to) = (input.sig_inception.get(), input.sig_expiration.get());
        if !(u64::from(from)..u64::from(to)).contains(&now) {
            why = format!("{name} {rtype}: {now} is outside of {from}..{to}");
            continue;
        }
        let by = keys
            .iter()
            .filter(|k| k.calculate_key_tag().ok() == Some(input.key_tag));
        for key in by {
            match key.verify_rrsig(name, DNSClass::IN, sig, set.iter().copied()) {
                Ok(()) => return Ok(()),
                Err(e) => why = format!("{name} {rtype}: {e}"),
            }
        }
        if why.contains("no signature") {
            why = format!("{name} {rtype}: key {} is not known", input.key_tag);
        }
    }
    Err(why)
}

/// Checks every RRset of answer and authority that this zone answers for. Gives how many.
pub fn all_valid(message: &Message, keys: &[DNSKEY], now: u64) -> Result<usize, String> {
    let mut checked = 0;
    for section in [&message.answers, &message.authorities] {
        let mut sets: Vec<(&Name, RecordType)> = section
            .iter()
            .filter(|r| r.record_type() != RecordType::RRSIG)
            .map(|r| (&r.name, r.record_type()))
            .collect();
        sets.dedup();
        for (name, rtype) in sets {
            let referral = rtype == RecordType::NS && !message.metadata.authoritative;
            if !referral {
                is_valid(section, name, rtype, keys, now)?;
                checked += 1;
            }
        }
    }
    Ok(checked)
}

/// The tag of the key that a key's bytes have.
pub fn tag(key: &DNSKEY) -> u16 {
    key.calculate_key_tag().unwrap()
}
