//! How an object lies on the disk: a header, the key, what is known of the answer, the body. All numbers are little-endian.
//!
//! Header, key and meta have one checksum, the body another: a restart reads only the former. What does not pass is not there.

use crate::{
    head::Head,
    key::{Key, hash_bytes},
    object::{Meta, Object},
    options::PIECE_BYTES,
    policy::{Decision, Reason},
    purge::Labels,
    slices::Sliced,
    vary::Vary,
};
use bytes::Bytes;
use std::sync::Arc;

/// Bytes of a record's header.
pub(super) const HEADER_BYTES: usize = 36;
/// Key and meta at most: heads end at 64 KiB, tags at 16 KiB.
const FRONT_BYTES_MAX: usize = 1 << 20;
/// A body is read in pieces of this size where it is larger than one.
const SLICE_BYTES: usize = 1 << 20;
const MAGIC: u32 = 0x3152_5753;

/// What a record's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    front_crc: u32,
    pub key_bytes: usize,
    pub meta_bytes: usize,
    pub body_bytes: u64,
    /// Purges that the object was judged by.
    pub judged: u64,
    pub body_crc: u32,
}

impl RecordHeader {
    /// Key and meta.
    pub fn front_bytes(&self) -> usize {
        self.key_bytes + self.meta_bytes
    }

    /// The whole record.
    pub fn record_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.front_bytes() as u64 + self.body_bytes
    }

    /// `None` if this is no header of ours.
    pub fn read(bytes: &[u8]) -> Option<RecordHeader> {
        let mut read = Reading(bytes);
        if read.u32()? != MAGIC {
            return None;
        }
        let header = RecordHeader {
            front_crc: read.u32()?,
            key_bytes: read.u32()? as usize,
            meta_bytes: read.u32()? as usize,
            body_bytes: read.u64()?,
            judged: read.u64()?,
            body_crc: read.u32()?,
        };
        let fits = header.key_bytes <= FRONT_BYTES_MAX && header.meta_bytes <= FRONT_BYTES_MAX;
        fits.then_some(header)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC.to_le_bytes());
        out.extend_from_slice(&self.front_crc.to_le_bytes());
        out.extend_from_slice(&(self.key_bytes as u32).to_le_bytes());
        out.extend_from_slice(&(self.meta_bytes as u32).to_le_bytes());
        out.extend_from_slice(&self.body_bytes.to_le_bytes());
        out.extend_from_slice(&self.judged.to_le_bytes());
        out.extend_from_slice(&self.body_crc.to_le_bytes());
    }

    /// Over all of the header but the checksum itself, then key and meta.
    fn crc(&self, front: &[u8]) -> u32 {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        self.write(&mut header);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(header.get(8..).unwrap_or_default());
        hasher.update(front);
        hasher.finalize()
    }
}

/// A record without its body, which follows piece by piece.
pub(super) fn encode(object: &Object, judged: u64) -> Vec<u8> {
    let key = object.key.as_ref().bytes;
    let mut front = Vec::with_capacity(key.len() + object.head().len() + 256);
    front.extend_from_slice(key);
    write_meta(&object.meta, &mut front);
    let mut body = crc32fast::Hasher::new();
    object.chunks().iter().for_each(|piece| body.update(piece));
    let mut header = RecordHeader {
        front_crc: 0,
        key_bytes: key.len(),
        meta_bytes: front.len() - key.len(),
        body_bytes: object.stored_bytes(),
        judged,
        body_crc: body.finalize(),
    };
    header.front_crc = header.crc(&front);
    let mut record = Vec::with_capacity(HEADER_BYTES + front.len());
    header.write(&mut record);
    record.append(&mut front);
    record
}

/// Key and meta behind a header; `None` if they are not what was written.
pub(super) fn decode_front(header: &RecordHeader, front: &[u8]) -> Option<(Key, Meta)> {
    if front.len() != header.front_bytes() || header.crc(front) != header.front_crc {
        return None;
    }
    let (key, meta) = front.split_at_checked(header.key_bytes)?;
    Some((Key::new(key), read_meta(meta, header.judged)?))
}

/// The sizes of the pieces that a body is read in.
pub(super) fn slices(body_bytes: u64) -> impl Iterator<Item = usize> {
    let mut left = body_bytes;
    std::iter::from_fn(move || {
        let next = match left {
            0 => return None,
            small if small <= PIECE_BYTES as u64 => small,
            large => large.min(SLICE_BYTES as u64),
        };
        left -= next;
        Some(next as usize)
    })
}

/// The body, if it is what was written.
pub(super) fn check_body(header: &RecordHeader, pieces: &[Bytes]) -> bool {
    let mut hasher = crc32fast::Hasher::new();
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher.finalize() == header.body_crc
}

fn write_meta(meta: &Meta, out: &mut Vec<u8>) {
    let decision = &meta.decision;
    let flags = u8::from(decision.must_revalidate)
        | u8::from(decision.shareable) << 1
        | u8::from(decision.authorized) << 2
        | u8::from(meta.sliced.is_some()) << 3;
    out.push(flags);
    for number in [
        decision.born_ms,
        decision.fresh_until_ms,
        decision.swr_until_ms,
        decision.sie_until_ms,
        decision.disconnected_until_ms,
        decision.ttl_s as u64,
        meta.response_time_ms,
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&meta.head.status().to_le_bytes());
    write_bytes(meta.head.bytes(), out);
    write_bytes(decision.reason.as_str().as_bytes(), out);
    write_bytes(meta.labels.site.as_bytes(), out);
    write_bytes(&meta.labels.url, out);
    write_bytes(meta.labels.tag_bytes(), out);
    meta.vary.write(out);
    for number in meta.sliced.iter().flat_map(Sliced::numbers) {
        out.extend_from_slice(&number.to_le_bytes());
    }
}

fn read_meta(bytes: &[u8], judged: u64) -> Option<Meta> {
    let mut read = Reading(bytes);
    let flags = read.u8()?;
    let mut decision = Decision::pass(Reason::Stored);
    decision.store = true;
    decision.must_revalidate = flags & 1 != 0;
    decision.shareable = flags & 2 != 0;
    decision.authorized = flags & 4 != 0;
    decision.born_ms = read.u64()?;
    decision.fresh_until_ms = read.u64()?;
    decision.swr_until_ms = read.u64()?;
    decision.sie_until_ms = read.u64()?;
    decision.disconnected_until_ms = read.u64()?;
    decision.ttl_s = read.u64()? as i64;
    let response_time_ms = read.u64()?;
    let status = read.u16()?;
    let head = Head::of_bytes(status, read.bytes()?)?;
    // A word that is not known here any more: it is just stored.
    decision.reason = Reason::of(read.bytes()?).unwrap_or(Reason::Stored);
    let site = std::str::from_utf8(read.bytes()?).ok()?;
    let url = read.bytes()?;
    let tags = read.bytes()?;
    let labels = Labels::new(site.into(), url.into(), tags.into());
    let vary = Vary::read(&mut read)?;
    let mut meta = Meta::new(
        head,
        decision,
        vary,
        Arc::new(labels),
        judged,
        response_time_ms,
    );
    if flags & 8 != 0 {
        meta.sliced = Some(Sliced::restored(read.u64()?, read.u64()?, read.u64()?));
    }
    Some(meta)
}

pub(crate) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// What is left to read.
pub(crate) struct Reading<'a>(pub &'a [u8]);

impl<'a> Reading<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    /// Bytes behind their length.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let count = self.u32()? as usize;
        self.take(count)
    }
}

impl Key {
    /// A key of bytes that were a key.
    fn new(bytes: &[u8]) -> Key {
        Key::of_parts(hash_bytes(bytes), bytes)
    }
}
