//! TSIG (RFC 8945): messages signed with a shared secret.
//!
//! HMAC with SHA-256, SHA-384 and SHA-512; truncated signatures and the older hashes are refused. Times may differ by
//! the fudge the signer gives, at most [`FUDGE_S_MAX`].

use crate::query::HEADER;
use crate::wire::{Header, count, name, put_record, question, record};
use crate::{Name, RType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384, Sha512};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds by which clocks may differ, and what we ask others to allow (RFC 8945 §10).
pub const FUDGE_S: u16 = 300;
/// The most that a signer can ask us to allow.
pub const FUDGE_S_MAX: u64 = 3600;
/// Messages of a transfer that may come between two signed ones (RFC 8945 §5.3.1).
pub(crate) const UNSIGNED_MAX: usize = 99;

const CLASS_ANY: u16 = 255;

pub(crate) const BADSIG: u16 = 16;
pub(crate) const BADKEY: u16 = 17;
pub(crate) const BADTIME: u16 = 18;
/// The whole message was not accepted for its signature.
pub(crate) const NOTAUTH: u16 = 9;

/// What signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `hmac-sha256`
    HmacSha256,
    /// `hmac-sha384`
    HmacSha384,
    /// `hmac-sha512`
    HmacSha512,
}

impl Algorithm {
    const ALL: [(Algorithm, &str); 3] = [
        (Self::HmacSha256, "hmac-sha256"),
        (Self::HmacSha384, "hmac-sha384"),
        (Self::HmacSha512, "hmac-sha512"),
    ];

    /// By its name, in any case, with or without a dot at its end.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_end_matches('.');
        Self::ALL
            .iter()
            .find(|(_, n)| n.eq_ignore_ascii_case(text))
            .map(|(a, _)| *a)
    }

    fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(a, _)| *a == self)
            .map_or("", |(_, n)| n)
    }

    /// One label and the root.
    fn wire(self) -> Vec<u8> {
        let name = self.name();
        let mut wire = vec![name.len() as u8];
        wire.extend_from_slice(name.as_bytes());
        wire.push(0);
        wire
    }
}

/// A shared secret.
#[derive(PartialEq, Eq)]
pub struct Key {
    name: Name,
    algorithm: Algorithm,
    secret: Box<[u8]>,
}

impl Key {
    /// A key; its name is compared without regard to case.
    pub fn new(name: &Name, algorithm: Algorithm, secret: Vec<u8>) -> Self {
        Self {
            name: name.lower(),
            algorithm,
            secret: secret.into(),
        }
    }

    /// Reads a key as `tsig-keygen` writes it (`key "NAME" { algorithm ...; secret "..."; };`), or as `dig -y` takes it
    /// (`[ALGORITHM:]NAME:SECRET`).
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (name, algorithm, secret) = if text.starts_with("key") {
            let words: Vec<&str> = text
                .split(|c: char| c.is_whitespace() || matches!(c, '"' | ';' | '{' | '}'))
                .filter(|w| !w.is_empty())
                .collect();
            let behind = |word: &str| {
                let at = words.iter().position(|w| w.eq_ignore_ascii_case(word))?;
                words.get(at + 1).copied()
            };
            (behind("key")?, behind("algorithm")?, behind("secret")?)
        } else {
            let (rest, secret) = text.rsplit_once(':')?;
            let (algorithm, name) = rest.split_once(':').unwrap_or(("hmac-sha256", rest));
            (name, algorithm, secret)
        };
        let name = Name::parse(name, Some(&Name::root())).ok()?;
        let secret = STANDARD.decode(secret).ok().filter(|s| !s.is_empty())?;
        Some(Self::new(&name, Algorithm::parse(algorithm)?, secret))
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    fn mac(&self, parts: &[&[u8]]) -> Vec<u8> {
        fn run<M: Mac + hmac::digest::KeyInit>(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
            // A key of any length is one.
            let Ok(mut mac) = <M as Mac>::new_from_slice(secret) else {
                return Vec::new();
            };
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes().to_vec()
        }
        match self.algorithm {
            Algorithm::HmacSha256 => run::<Hmac<Sha256>>(&self.secret, parts),
            Algorithm::HmacSha384 => run::<Hmac<Sha384>>(&self.secret, parts),
            Algorithm::HmacSha512 => run::<Hmac<Sha512>>(&self.secret, parts),
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({}, {}, ***)", self.name, self.algorithm.name())
    }
}

/// Keys by name.
#[derive(Clone, Debug, Default)]
pub struct Keys(HashMap<Name, Arc<Key>>);

impl Keys {
    /// Adds a key.
    pub fn insert(&mut self, key: Arc<Key>) {
        self.0.insert(key.name.clone(), key);
    }

    fn get(&self, name: &Name) -> Option<&Arc<Key>> {
        self.0.get(&name.lower())
    }
}

/// The TSIG record of a message.
pub(crate) struct Signature {
    /// Where it starts.
    pub start: usize,
    pub key: Name,
    algorithm: Vec<u8>,
    time: u64,
    fudge: u16,
    mac: Vec<u8>,
    original_id: u16,
    error: u16,
    other: Vec<u8>,
}

/// Finds the TSIG record, which is the last one. `Err` for a message that cannot be read to its end.
pub(crate) fn find(message: &[u8]) -> Result<Option<Signature>, ()> {
    let header = Header::read(message).ok_or(())?;
    let mut at = HEADER;
    for _ in 0..header.counts[0] {
        at = question(message, at).ok_or(())?.3;
    }
    let records: u32 = header.counts[1..].iter().map(|n| u32::from(*n)).sum();
    let mut last = None;
    for _ in 0..records {
        let start = at;
        let (_, behind_name) = name(message, at).ok_or(())?;
        let fixed = message
            .get(behind_name..)
            .and_then(|m| m.first_chunk::<10>())
            .ok_or(())?;
        at = behind_name + 10 + usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        last = Some((start, RType(u16::from_be_bytes([fixed[0], fixed[1]]))));
    }
    if at != message.len() {
        return Err(());
    }
    match last {
        Some((start, RType::TSIG)) if header.counts[3] > 0 => {
            read(message, start).map(Some).ok_or(())
        }
        _ => Ok(None),
    }
}

fn read(message: &[u8], start: usize) -> Option<Signature> {
    let (received, _) = record(message, start)?;
    let data = &received.data[..];
    let len = crate::name::wire_len(data)?;
    let (algorithm, rest) = data.split_at_checked(len)?;
    let ([t0, t1, t2, t3, t4, t5, f0, f1, m0, m1], rest) = rest.split_first_chunk()?;
    let (mac, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*m0, *m1])))?;
    let ([i0, i1, e0, e1, o0, o1], rest) = rest.split_first_chunk()?;
    let other = rest.get(..usize::from(u16::from_be_bytes([*o0, *o1])))?;
    Some(Signature {
        start,
        key: received.owner,
        algorithm: algorithm.to_ascii_lowercase(),
        time: u64::from_be_bytes([0, 0, *t0, *t1, *t2, *t3, *t4, *t5]),
        fudge: u16::from_be_bytes([*f0, *f1]),
        mac: mac.to_vec(),
        original_id: u16::from_be_bytes([*i0, *i1]),
        error: u16::from_be_bytes([*e0, *e1]),
        other: other.to_vec(),
    })
}

/// Who signed a query, and what the answer's signature continues.
#[derive(Clone)]
pub(crate) struct Signer {
    pub key: Arc<Key>,
    mac: Vec<u8>,
    /// Whether something was signed already, so that only times are repeated (RFC 8945 §5.3.1).
    continued: bool,
}

/// What is wrong with a query's signature: what the answer says, and who signs it, if anybody can.
pub(crate) struct Refusal {
    pub error: u16,
    signature: Signature,
    signer: Option<Signer>,
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// The message without its signature, as it was signed.
fn unsigned(message: &[u8], signature: &Signature) -> Vec<u8> {
    let mut plain = message.get(..signature.start).unwrap_or_default().to_vec();
    count(&mut plain, 3, -1);
    if let Some(id) = plain.first_chunk_mut() {
        *id = signature.original_id.to_be_bytes();
    }
    plain
}

fn variables(
    key: &Key,
    time: u64,
    fudge: u16,
    error: u16,
    other: &[u8],
    timers_only: bool,
) -> Vec<u8> {
    let mut out = Vec::new();
    let time = time.to_be_bytes();
    let time = time.get(2..).unwrap_or_default();
    if !timers_only {
        out.extend_from_slice(key.name.wire());
        out.extend(CLASS_ANY.to_be_bytes());
        out.extend([0; 4]);
        out.extend(key.algorithm.wire());
    }
    out.extend_from_slice(time);
    out.extend(fudge.to_be_bytes());
    if !timers_only {
        out.extend(error.to_be_bytes());
        out.extend((other.len() as u16).to_be_bytes());
        out.extend_from_slice(other);
    }
    out
}

/// Checks a query's signature.
pub(crate) fn verify(
    message: &[u8],
    signature: Signature,
    keys: &Keys,
    now: u64,
) -> Result<Signer, Box<Refusal>> {
    let refuse = |error, signature, signer| {
        Err(Box::new(Refusal {
            error,
            signature,
            signer,
        }))
    };
    let key = keys
        .get(&signature.key)
        .filter(|k| k.algorithm.wire() == signature.algorithm)
        .cloned();
    let Some(key) = key else {
        return refuse(BADKEY, signature, None);
    };
    let plain = unsigned(message, &signature);
    let said = variables(
        &key,
        signature.time,
        signature.fudge,
        signature.error,
        &signature.other,
        false,
    );
    if !same(&key.mac(&[&plain, &said]), &signature.mac) {
        return refuse(BADSIG, signature, None);
    }
    let signer = Signer {
        mac: signature.mac.clone(),
        key,
        continued: false,
    };
    if now.abs_diff(signature.time) > u64::from(signature.fudge).min(FUDGE_S_MAX) {
        return refuse(BADTIME, signature, Some(signer));
    }
    Ok(signer)
}

/// Compares without telling by its time where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && !a.is_empty() && a.iter().zip(b).fold(0, |d, (a, b)| d | (a ^ b)) == 0
}

/// Signs a query of ours.
pub(crate) fn sign_query(message: &mut Vec<u8>, key: &Arc<Key>, now: u64) -> Signer {
    let mac = key.mac(&[message, &variables(key, now, FUDGE_S, 0, &[], false)]);
    append(
        message,
        &key.name,
        &key.algorithm.wire(),
        now,
        FUDGE_S,
        &mac,
        0,
        &[],
    );
    Signer {
        key: Arc::clone(key),
        mac,
        continued: false,
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "they are the fields of the record"
)]
fn append(
    message: &mut Vec<u8>,
    key: &Name,
    algorithm: &[u8],
    time: u64,
    fudge: u16,
    mac: &[u8],
    error: u16,
    other: &[u8],
) {
    let id = message.first_chunk::<2>().copied().unwrap_or_default();
    let mut data = algorithm.to_vec();
    data.extend(time.to_be_bytes().into_iter().skip(2));
    data.extend(fudge.to_be_bytes());
    data.extend((mac.len() as u16).to_be_bytes());
    data.extend_from_slice(mac);
    data.extend(id);
    data.extend(error.to_be_bytes());
    data.extend((other.len() as u16).to_be_bytes());
    data.extend_from_slice(other);
    put_record(message, key, RType::TSIG, CLASS_ANY, 0, &data);
    count(message, 3, 1);
}

impl Signer {
    /// Bytes that [`Self::sign`] adds at most.
    pub const BYTES_MAX: usize = 255 + 10 + 16 + 16 + 64 + 16;

    /// Signs an answer, or the next message of one.
    pub fn sign(&mut self, message: &mut Vec<u8>, now: u64) {
        self.sign_with(message, now, FUDGE_S, 0, &[]);
    }

    fn sign_with(
        &mut self,
        message: &mut Vec<u8>,
        time: u64,
        fudge: u16,
        error: u16,
        other: &[u8],
    ) {
        let len = (self.mac.len() as u16).to_be_bytes();
        let said = variables(&self.key, time, fudge, error, other, self.continued);
        let mac = self.key.mac(&[&len, &self.mac, message, &said]);
        append(
            message,
            &self.key.name,
            &self.key.algorithm.wire(),
            time,
            fudge,
            &mac,
            error,
            other,
        );
        (self.mac, self.continued) = (mac, true);
    }
}

impl Refusal {
    /// Ends an answer that says why: unsigned, but for a wrong time, which the client can believe (RFC 8945 §5.2.3).
    pub fn finish(self, message: &mut Vec<u8>, now: u64) {
        let Signature {
            key,
            algorithm,
            time,
            fudge,
            ..
        } = &self.signature;
        match self.signer {
            Some(mut signer) => {
                let ours = now.to_be_bytes();
                signer.sign_with(
                    message,
                    *time,
                    *fudge,
                    self.error,
                    ours.get(2..).unwrap_or_default(),
                );
            }
            None => append(message, key, algorithm, *time, *fudge, &[], self.error, &[]),
        }
    }
}

/// Checks the signatures of an answer's messages, of which only some need to have one.
pub(crate) struct Stream {
    signer: Signer,
    /// What came since the last signed message.
    pending: Vec<u8>,
    unsigned: usize,
    /// Whether the last message was signed, as the last of an answer has to be.
    pub complete: bool,
}

impl Stream {
    pub fn new(signer: Signer) -> Self {
        Self {
            signer,
            pending: Vec::new(),
            unsigned: 0,
            complete: false,
        }
    }

    /// Takes a message. `Err` where it is not signed as it has to be.
    pub fn take(&mut self, message: &[u8], now: u64) -> Result<(), &'static str> {
        let found = find(message).map_err(|()| "a message that cannot be read")?;
        let Some(signature) = found else {
            self.unsigned += 1;
            self.complete = false;
            if !self.signer.continued || self.unsigned > UNSIGNED_MAX {
                return Err("a message without a signature");
            }
            self.pending.extend_from_slice(message);
            return Ok(());
        };
        if signature.error != 0 || signature.key.lower() != *self.signer.key.name() {
            return Err("the primary refused our signature");
        }
        let key = Arc::clone(&self.signer.key);
        let len = (self.signer.mac.len() as u16).to_be_bytes();
        let plain = unsigned(message, &signature);
        let said = variables(
            &key,
            signature.time,
            signature.fudge,
            signature.error,
            &signature.other,
            self.signer.continued,
        );
        if !same(
            &key.mac(&[&len, &self.signer.mac, &self.pending, &plain, &said]),
            &signature.mac,
        ) {
            return Err("a wrong signature");
        }
        if now.abs_diff(signature.time) > u64::from(signature.fudge).min(FUDGE_S_MAX) {
            return Err("a signature of another time");
        }
        self.signer.mac = signature.mac;
        self.signer.continued = true;
        self.pending.clear();
        (self.unsigned, self.complete) = (0, true);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;

    fn keys() -> (Keys, Arc<Key>) {
        let name = Name::parse("Key.test.", None).unwrap();
        let key = Arc::new(Key::new(&name, Algorithm::HmacSha256, b"secret".to_vec()));
        let mut keys = Keys::default();
        keys.insert(Arc::clone(&key));
        (keys, key)
    }

    fn query() -> Vec<u8> {
        wire::ask(7, 0, &Name::parse("z.test.", None).unwrap(), RType::SOA)
    }

    #[test]
    fn keys_are_read_as_others_write_them() {
        for text in [
            "key \"k.test\" {\n\talgorithm hmac-sha512;\n\tsecret \"c2VjcmV0\";\n};\n",
            "hmac-sha512:k.test:c2VjcmV0",
        ] {
            let key = Key::read(text).unwrap();
            assert_eq!(format!("{key:?}"), "Key(k.test., hmac-sha512, ***)");
            assert_eq!(&*key.secret, b"secret");
        }
        assert!(Key::read("k.test:c2VjcmV0").is_some());
        for text in [
            "",
            "k",
            "hmac-md5:k:c2VjcmV0",
            "k:",
            "key \"k\" { secret \"c2VjcmV0\"; };",
        ] {
            assert!(Key::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_was_signed_is_verified_and_what_was_changed_is_not() {
        let (keys, key) = keys();
        let mut message = query();
        sign_query(&mut message, &key, 1000);
        let check = |message: &[u8], now| {
            let signature = find(message).unwrap().unwrap();
            verify(message, signature, &keys, now)
                .map(|_| ())
                .map_err(|r| r.error)
        };
        assert_eq!(check(&message, 1300), Ok(()));
        assert_eq!(check(&message, 1301), Err(BADTIME));
        let mut forged = message.clone();
        forged[13] ^= 1;
        assert_eq!(check(&forged, 1000), Err(BADSIG));
        let other = Arc::new(Key::new(
            &Name::parse("other.", None).unwrap(),
            Algorithm::HmacSha256,
            vec![1],
        ));
        let mut message = query();
        sign_query(&mut message, &other, 1000);
        assert_eq!(check(&message, 1000), Err(BADKEY));
        assert!(find(&query()).unwrap().is_none());
        assert!(find(&message[..message.len() - 1]).is_err());
    }

    #[test]
    fn an_answer_of_many_messages_is_signed_as_one() {
        let (keys, key) = keys();
        let mut asked = query();
        let ours = sign_query(&mut asked, &key, 1000);
        let mut theirs = verify(&asked, find(&asked).unwrap().unwrap(), &keys, 1000)
            .ok()
            .unwrap();
        let mut stream = Stream::new(ours);
        for _ in 0..3 {
            let mut message = query();
            theirs.sign(&mut message, 1000);
            assert_eq!(stream.take(&message, 1000), Ok(()));
        }
        assert_eq!(
            stream.take(&query(), 1000),
            Ok(()),
            "some may come unsigned"
        );
        assert!(!stream.complete, "the last one may not");
        let mut message = query();
        theirs.sign(&mut message, 1000);
        assert!(
            stream.take(&message, 1000).is_err(),
            "the signer did not know of the one between"
        );
        let mut stream = Stream::new(sign_query(&mut query(), &key, 1000));
        assert!(
            stream.take(&query(), 1000).is_err(),
            "the first has to be signed"
        );
    }
}
