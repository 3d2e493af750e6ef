//! Large bodies in slices: an object that has a head and no body, and beside it a piece of the body an object each.
//!
//! What a client asks of a large body is mostly a part, and a body of some GiB fits no memory. So an answer whose body is larger than
//! [`Options::whole_bytes_max`](crate::Options::whole_bytes_max), or of which somebody wants a part that lies far behind, is stored as a head alone, under its own key and with everything that
//! holds for any answer: freshness, variants, validation, purges. Its body is fetched in parts of one size, which are objects of
//! their own: each can be evicted, written to the disk and fetched again by itself, and all who want one share one fetching.
//!
//! A slice belongs to one head. Its key is the head's with a number in it that was drawn when the head was stored; a head that is replaced or
//! purged leaves slices that nobody finds, and no two representations are ever mixed (RFC 9111 §3.4 would allow to combine by a strong
//! validator: here it is a condition, and not enough). What is not exactly the part that was asked for, of the very representation, is not stored.

use crate::{
    cache::Cache,
    fill::{Claim, Fill, FillReader, Reservation, Terms},
    head::Head,
    key::{Key, KeyBuf},
    load::Load,
    object::{Body, Hit, Meta, Object},
    policy::{ResponseMeta, Rules},
    purge::Labels,
    request::{Class, Request},
};
use bytes::Bytes;
use seawall_http::{Fields, Method, Name, date, etag};
use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::{Arc, OnceLock},
};

/// The smallest and the largest slice.
pub const SLICE_BYTES: (u64, u64) = (64 << 10, 32 << 20);
/// The longest body that is kept in slices: what is larger passes.
pub const SLICED_BYTES_MAX: u64 = 1 << 44;
/// Last-Modified is as good as a strong validator where Date lies so many seconds behind it (RFC 9110 §8.8.2.2).
const STRONG_AFTER_S: u64 = 60;
/// The part of a key that no request can have: a NUL is in no field and no target.
const SLICE_PART: &[u8] = b"\0slice";

/// How a body is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sliced {
    length: u64,
    slice_bytes: u64,
    id: u64,
}

impl Sliced {
    /// A body of that length, cut for the first time.
    pub(crate) fn new(length: u64, slice_bytes: u64) -> Sliced {
        Sliced::restored(length, slice_bytes, RandomState::new().hash_one(length))
    }

    /// One that was stored before.
    pub(crate) fn restored(length: u64, slice_bytes: u64, id: u64) -> Sliced {
        Sliced {
            length,
            slice_bytes: slice_bytes.clamp(SLICE_BYTES.0, SLICE_BYTES.1),
            id,
        }
    }

    /// What it is restored from.
    pub(crate) fn numbers(&self) -> [u64; 3] {
        [self.length, self.slice_bytes, self.id]
    }

    /// Bytes of the whole body.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes of a slice but the last.
    pub fn slice_bytes(&self) -> u64 {
        self.slice_bytes
    }

    /// How many slices there are.
    pub fn count(&self) -> u64 {
        self.length.div_ceil(self.slice_bytes)
    }

    /// The slice that an offset lies in.
    pub fn slice_at(&self, offset: u64) -> u64 {
        offset / self.slice_bytes
    }

    /// The first byte of a slice, and the one behind it.
    pub fn span(&self, n: u64) -> (u64, u64) {
        let from = n.saturating_mul(self.slice_bytes).min(self.length);
        (from, from.saturating_add(self.slice_bytes).min(self.length))
    }
}

/// What `Content-Range` says: first and last byte, and how many there are in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first byte.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// Bytes of the whole.
    pub complete: u64,
}

impl Part {
    /// Of a 206 with one part whose whole length is known; `None` for everything else (RFC 9110 §14.4).
    pub fn of(fields: &Fields<'_>) -> Option<Part> {
        let mut values = fields.all(Name::ContentRange);
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        let (unit, rest) = value.split_at_checked(6)?;
        if !unit.eq_ignore_ascii_case(b"bytes ") {
            return None;
        }
        let text = std::str::from_utf8(rest).ok()?;
        let (range, complete) = text.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |digits: &str| {
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| is_number)
        };
        let part = Part {
            first: number(first)?,
            last: number(last)?,
            complete: number(complete)?,
        };
        (part.first <= part.last && part.last < part.complete).then_some(part)
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// Why an answer is not the slice that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotASlice {
    /// Another part, another representation, or the whole: what is stored of the head does not hold any more.
    #[error(
        "the origin's answer is not the part that was asked for, of the representation that is stored"
    )]
    Changed,
    /// The origin failed: what is stored may still hold.
    #[error("the origin answered a request for a part with a failure")]
    Failed,
}

/// Where a slice is.
#[allow(clippy::large_enum_variant)]
pub enum Slice {
    /// Here.
    Here(Hit),
    /// On the disk: wait for [`Load::ready`], and ask again.
    Load(Load),
    /// Somebody fetches it: read along.
    Join(FillReader),
    /// Fetch it: with [`Fill::respond_slice`], then push and finish.
    Lead(Fill),
}

/// Slices are nobody's in particular: the head was judged.
fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(Rules::default)
}

fn request(now_ms: u64) -> Request<'static> {
    Request {
        method: Method::Get,
        fields: Fields::EMPTY,
        now_ms,
    }
}

impl Object {
    /// How its body is cut, where it is kept in slices: then [`Object::chunks`] has none of it.
    pub fn sliced(&self) -> Option<Sliced> {
        self.meta.sliced
    }

    fn slice_key(&self, sliced: Sliced, n: u64) -> Key {
        let mut key = KeyBuf::after(self.key.as_ref());
        key.part(SLICE_PART);
        key.part(&sliced.id.to_le_bytes());
        key.part(&n.to_le_bytes());
        key.finish().to_key()
    }
}

impl Cache {
    /// Looks a slice up, or begins to fetch it. `None` where there is no such slice.
    pub fn slice(self: &Arc<Self>, of: &Object, n: u64, now_ms: u64) -> Option<Slice> {
        let sliced = of.sliced().filter(|sliced| n < sliced.count())?;
        let key = of.slice_key(sliced, n);
        let key = key.as_ref();
        let request = request(now_ms);
        let found = self.find_slice(key);
        if let Some(slice) = found.and_then(|slice| self.in_use(slice, now_ms)) {
            self.note_hit(&slice);
            return Some(Slice::Here(Hit::new(slice, now_ms)));
        }
        if let Some(load) = self.bring_up(key, &request) {
            return Some(Slice::Load(load));
        }
        let mut place = self.fills.lock(key);
        // A commit takes the same lock.
        if let Some(slice) = self.find_slice(key) {
            return Some(Slice::Here(Hit::new(slice, now_ms)));
        }
        let terms = Terms {
            now_ms,
            not_before_ms: 0,
        };
        Some(match place.claim(self, key, Class::default(), terms) {
            Claim::Running(shared) => Slice::Join(FillReader::new(shared, &request, rules())),
            Claim::Leader(shared) => {
                shared.put_at(of.meta.labels.clone());
                Slice::Lead(Fill::new(self.clone(), shared, None, rules()))
            }
        })
    }

    /// Whether a slice is in memory.
    pub fn has_slice(&self, of: &Object, n: u64) -> bool {
        let sliced = of.sliced().filter(|sliced| n < sliced.count());
        sliced.is_some_and(|sliced| {
            let key = of.slice_key(sliced, n);
            self.find_slice(key.as_ref()).is_some()
        })
    }

    /// How many slices of a body are in memory or on the disk, of the first so many.
    pub fn count_slices(&self, of: &Object, most: u64) -> u64 {
        let Some(sliced) = of.sliced() else { return 0 };
        let is_here = |n: &u64| {
            let key = of.slice_key(sliced, *n);
            self.contains(key.as_ref())
        };
        (0..sliced.count().min(most)).filter(is_here).count() as u64
    }

    fn find_slice(&self, key: crate::key::KeyRef<'_>) -> Option<Arc<Object>> {
        let found = self.store.find(key, &Fields::EMPTY)?;
        self.unpurged(found).and_then(|slice| self.at_hand(slice))
    }

    /// Keeps a slice that came by in an answer that is sent as a whole. False if it has not its length, there is no room, or a purge came first.
    fn keep_slice(&self, of: &Object, n: u64, body: &[u8]) -> bool {
        let Some(sliced) = of.sliced().filter(|sliced| n < sliced.count()) else {
            return false;
        };
        let (from, to) = sliced.span(n);
        if body.len() as u64 != to - from {
            return false;
        }
        let key = of.slice_key(sliced, n);
        let meta = slice_meta(&of.meta, to - from, of.meta.generation);
        let object = Arc::new(Object::new(key.clone(), meta, Body::of(pieces(body))));
        let _place = self.fills.lock(key.as_ref());
        if self.store.has_variant(&object) {
            return false;
        }
        match self.left_by_purges(&object) {
            Some(left) => self.store.insert(left, None, 0),
            None => false,
        }
    }

    /// Forgets a head whose slices do not come any more as they were.
    pub fn give_up_slices(&self, of: &Arc<Object>) {
        self.discard(of);
    }
}

/// Cuts a body that goes by as a whole. Nobody waits for its slices: how fast it goes by is one client's affair.
pub struct Cutter {
    cache: Arc<Cache>,
    of: Arc<Object>,
    next: u64,
    buffer: Vec<u8>,
    /// The buffer's bytes in the budget of fills.
    _room: Reservation,
}

impl Cutter {
    /// For a body from its beginning; `None` where there is no room for one slice.
    pub fn new(cache: &Arc<Cache>, of: &Arc<Object>) -> Option<Cutter> {
        let sliced = of.sliced()?;
        let mut room = Reservation::none(cache.clone());
        room.grow_to(sliced.slice_bytes).then(|| Cutter {
            cache: cache.clone(),
            of: of.clone(),
            next: 0,
            buffer: Vec::new(),
            _room: room,
        })
    }

    /// Takes what follows. Slices that are whole are stored.
    pub fn push(&mut self, mut data: &[u8]) {
        let Some(sliced) = self.of.sliced() else {
            return;
        };
        while !data.is_empty() && self.next < sliced.count() {
            let (from, to) = sliced.span(self.next);
            let missing = (to - from) as usize - self.buffer.len();
            let (now, later) = data.split_at(missing.min(data.len()));
            self.buffer.extend_from_slice(now);
            data = later;
            if now.len() == missing {
                self.cache.keep_slice(&self.of, self.next, &self.buffer);
                self.buffer.clear();
                self.next += 1;
            }
        }
    }
}

/// A body in pieces as a fill would have made them.
fn pieces(body: &[u8]) -> Box<[Bytes]> {
    body.chunks(crate::options::PIECE_BYTES)
        .map(Bytes::copy_from_slice)
        .collect()
}

/// A slice is as good as its head, which is looked at first: its own times do not count.
pub(crate) fn slice_meta(of: &Meta, length: u64, generation: u64) -> Meta {
    let head = Head::of_response(
        206,
        &Fields::EMPTY,
        &[],
        crate::policy::Profile::Rfc9111,
        of.response_time_ms,
    );
    let mut decision = of.decision.clone();
    decision.fresh_until_ms = u64::MAX >> 1;
    let labels: Arc<Labels> = of.labels.clone();
    Meta::new(
        head.with_content_length(length),
        decision,
        Default::default(),
        labels,
        generation,
        of.response_time_ms,
    )
}

/// Whether two answers with the validator of this one are the same to the byte (RFC 9110 §8.8.1, §8.8.2.2).
pub(crate) fn has_strong_validator(fields: &Fields<'_>) -> bool {
    if let Some(tag) = fields.get(Name::ETag) {
        return etag::strong_eq(tag, tag);
    }
    let time = |name| fields.get(name).and_then(date::parse);
    time(Name::LastModified)
        .zip(time(Name::Date))
        .is_some_and(|(modified, now)| now >= modified + STRONG_AFTER_S)
}

/// Whether the origin says that it can give parts.
pub(crate) fn gives_parts(fields: &Fields<'_>) -> bool {
    fields
        .list(Name::AcceptRanges)
        .any(|unit| unit.eq_ignore_ascii_case(b"bytes"))
}

/// Whether an answer is that slice of that head.
pub(crate) fn check(of: &Object, n: u64, response: &ResponseMeta<'_>) -> Result<u64, NotASlice> {
    let Some(sliced) = of.sliced() else {
        return Err(NotASlice::Changed);
    };
    match response.status {
        206 => {}
        500.. | 403 | 429 => return Err(NotASlice::Failed),
        _ => return Err(NotASlice::Changed),
    }
    let fields = &response.fields;
    let (from, to) = sliced.span(n);
    let wanted = Part {
        first: from,
        last: to.saturating_sub(1),
        complete: sliced.length,
    };
    let mine = of.fields();
    let same_body = match (mine.get(Name::ETag), fields.get(Name::ETag)) {
        (Some(mine), Some(theirs)) => etag::strong_eq(mine, theirs),
        (None, None) => {
            mine.has(Name::LastModified)
                && mine.get(Name::LastModified) == fields.get(Name::LastModified)
        }
        _ => false,
    };
    let same_coding = mine
        .all(Name::ContentEncoding)
        .eq(fields.all(Name::ContentEncoding));
    let is_it = Part::of(fields) == Some(wanted) && same_body && same_coding;
    let says_length = fields.get(Name::ContentLength);
    let has_length = says_length.is_none_or(|said| said == (to - from).to_string().as_bytes());
    match is_it && has_length {
        true => Ok(to - from),
        false => Err(NotASlice::Changed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn part(value: &str) -> Option<Part> {
        Part::of(&testing::Head::new(&[("Content-Range", value)]).fields())
    }

    #[test]
    fn content_range_is_read_strictly() {
        let of = |first, last, complete| {
            Some(Part {
                first,
                last,
                complete,
            })
        };
        for (value, expected) in [
            ("bytes 0-9/10", of(0, 9, 10)),
            ("Bytes 5-5/10", of(5, 5, 10)),
            ("bytes 0-10/10", None),
            ("bytes 5-4/10", None),
            ("bytes 0-9/*", None),
            ("bytes */10", None),
            ("bytes 0-9", None),
            ("bytes=0-9/10", None),
            ("bytes  0-9/10", None),
            ("bytes +0-9/10", None),
            ("bytes 0-9/10 ", None),
            ("bytes 0-9/99999999999999999999", None),
            ("lines 0-9/10", None),
            ("", None),
        ] {
            assert_eq!(part(value), expected, "{value}");
        }
        let twice = testing::Head::new(&[
            ("Content-Range", "bytes 0-9/10"),
            ("Content-Range", "bytes 0-9/10"),
        ]);
        assert_eq!(Part::of(&twice.fields()), None);
    }

    #[test]
    fn slices_cover_the_body_without_gaps() {
        for length in [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20] {
            let sliced = Sliced::new(length, 1 << 20);
            let mut at = 0;
            for n in 0..sliced.count() {
                let (from, to) = sliced.span(n);
                assert!(from == at && to > from);
                assert_eq!(sliced.slice_at(from), n);
                assert_eq!(sliced.slice_at(to - 1), n);
                at = to;
            }
            assert_eq!(at, length);
            assert_eq!(sliced.span(sliced.count() + 5), (length, length));
        }
        assert_ne!(Sliced::new(1, 1 << 20), Sliced::new(1, 1 << 20));
    }

    #[test]
    fn a_strong_validator_is_an_entity_tag_or_a_date_long_before() {
        let strong =
            |lines: &[(&str, &str)]| has_strong_validator(&testing::Head::new(lines).fields());
        let (old, now) = (
            ("Last-Modified", "Sun, 06 Nov 1994 08:48:37 GMT"),
            ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        );
        let fresh = ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(strong(&[("ETag", "\"1\"")]));
        assert!(!strong(&[("ETag", "W/\"1\""), old, now]));
        assert!(strong(&[old, now]));
        assert!(!strong(&[fresh, now]));
        assert!(!strong(&[old]));
        assert!(!strong(&[]));
    }
}
