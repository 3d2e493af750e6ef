//! What is stored: a head, a body, and the times that a lookup compares with its clock.

use crate::{
    coded::CodedForms,
    head::Head,
    key::Key,
    options::{CHUNK_OVERHEAD_BYTES, OBJECT_OVERHEAD_BYTES},
    policy::Decision,
    purge::Labels,
    slices::Sliced,
    store::{FileBody, Filed},
    vary::Vary,
};
use bytes::Bytes;
use seawall_http::{Fields, Name};
use seawall_sys::pages::Pages;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
};

/// All that is known of an answer before its body.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    pub head: Head,
    pub decision: Decision,
    pub vary: Vary,
    pub labels: Arc<Labels>,
    /// Purges that had happened when its fill began.
    pub generation: u64,
    /// When it came, unix milliseconds: of several that match, the last one is served (RFC 9111 §4).
    pub response_time_ms: u64,
    /// Request fields that keep it from being served without a closer look, in the profile that looks.
    pub bars: u128,
    /// How the body is cut, where it is kept in slices.
    pub sliced: Option<Sliced>,
}

impl Meta {
    pub fn new(
        head: Head,
        decision: Decision,
        vary: Vary,
        labels: Arc<Labels>,
        generation: u64,
        response_time_ms: u64,
    ) -> Meta {
        let bar = |name: Name, barred: bool| if barred { name.bit() } else { 0 };
        let bars = crate::request::demand_bits()
            | bar(Name::Cookie, !decision.shareable)
            | bar(Name::Authorization, !decision.authorized);
        Meta {
            head,
            decision,
            vary,
            labels,
            generation,
            response_time_ms,
            bars,
            sliced: None,
        }
    }

    /// The same with the body of another, in slices or not.
    pub fn over(self, body_of: &Meta) -> Meta {
        Meta {
            sliced: body_of.sliced,
            ..self
        }
    }

    /// The same, stale since `at_ms`: its windows (RFC 5861) begin then, and are as long as they were.
    pub fn stale_since(mut self, at_ms: u64) -> Meta {
        let decision = &mut self.decision;
        let fresh_until_ms = decision.fresh_until_ms.min(at_ms);
        let earlier_ms = decision.fresh_until_ms - fresh_until_ms;
        decision.fresh_until_ms = fresh_until_ms;
        decision.swr_until_ms = decision.swr_until_ms.saturating_sub(earlier_ms);
        decision.sie_until_ms = decision.sie_until_ms.saturating_sub(earlier_ms);
        decision.disconnected_until_ms = decision.disconnected_until_ms.saturating_sub(earlier_ms);
        self
    }

    /// Age in seconds (RFC 9111 §4.2.3).
    pub fn age_s(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.decision.born_ms) / 1000
    }

    pub fn content_length(&self) -> Option<u64> {
        let digits = std::str::from_utf8(self.head.fields().get(Name::ContentLength)?).ok()?;
        digits.parse().ok()
    }
}

/// Where a body is.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Here.
    Pieces(Box<[Bytes]>),
    /// Here, in pages that the kernel can send without a copy: the same bytes, as a piece.
    Paged([Bytes; 1], Arc<Pages>),
    /// In a file of the disk tier.
    Filed(Filed),
}

impl Body {
    pub fn none() -> Body {
        Body::Pieces(Box::default())
    }

    /// Of what was received: in pages of its own where it is large enough.
    pub fn of(pieces: Box<[Bytes]>) -> Body {
        let Some(pages) = Pages::of(pieces.iter().map(|piece| &piece[..])) else {
            return Body::Pieces(pieces);
        };
        let pages = Arc::new(pages);
        Body::Paged([Bytes::from_owner(Lent(pages.clone()))], pages)
    }

    /// Bytes that it takes in memory.
    fn held_bytes(&self) -> u64 {
        match self {
            Body::Paged(_, pages) => pages.held_bytes(),
            _ => self.pieces().iter().map(|piece| piece.len() as u64).sum(),
        }
    }

    fn pieces(&self) -> &[Bytes] {
        match self {
            Body::Paged(piece, _) => piece,
            Body::Pieces(pieces) => pieces,
            Body::Filed(_) => &[],
        }
    }
}

/// Pages as the owner of [`Bytes`].
struct Lent(Arc<Pages>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref().as_ref()
    }
}

/// What a lookup looks at. It stands first in an object, beside its count of references and its key: a hit on an object that is not in the
/// processor's caches waits for memory as few times as possible.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Glance {
    pub fresh_until_ms: u64,
    pub born_ms: u64,
}

/// A stored answer. Immutable: a 304 makes a new one over the same body.
#[derive(Debug)]
#[repr(C)]
pub struct Object {
    pub(crate) glance: Glance,
    /// Purges that it has been judged by: those that came later are still to be looked at.
    judged: AtomicU64,
    hits: AtomicU32,
    /// When it was asked for last, where a cache wants to know; else when it came. Unix milliseconds.
    used_ms: AtomicU64,
    varies: bool,
    /// Whether the disk has it, or was asked to take it.
    offered: AtomicBool,
    pub(crate) key: Key,
    pub(crate) meta: Meta,
    body: Body,
    pub(crate) coded: CodedForms,
    length: u64,
    weight: u64,
}

impl Object {
    pub(crate) fn new(key: Key, meta: Meta, body: Body) -> Object {
        let pieces = body.pieces();
        let stored = pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        let length = match (&meta.sliced, &body) {
            (Some(sliced), _) => sliced.length(),
            (None, Body::Filed(filed)) => filed.length(),
            (None, _) => stored,
        };
        let weight = body.held_bytes()
            + pieces.len() as u64 * CHUNK_OVERHEAD_BYTES
            + meta.head.weight()
            + meta.vary.weight()
            + meta.labels.weight()
            + key.as_ref().bytes.len() as u64
            + OBJECT_OVERHEAD_BYTES;
        let glance = Glance {
            fresh_until_ms: meta.decision.fresh_until_ms,
            born_ms: meta.decision.born_ms,
        };
        let varies = !meta.vary.is_empty();
        Object {
            glance,
            judged: AtomicU64::new(meta.generation),
            hits: AtomicU32::new(0),
            used_ms: AtomicU64::new(meta.response_time_ms),
            varies,
            offered: AtomicBool::new(false),
            key,
            meta,
            body,
            coded: CodedForms::default(),
            length,
            weight,
        }
    }

    /// The same body under another head.
    pub(crate) fn renewed(&self, meta: Meta) -> Object {
        Object {
            coded: self.coded.clone(),
            ..Object::new(self.key.clone(), meta, self.body.clone())
        }
    }

    /// Whether its body is in a file.
    #[inline]
    pub(crate) fn filed(&self) -> Option<&Filed> {
        match &self.body {
            Body::Filed(filed) => Some(filed),
            _ => None,
        }
    }

    /// The body in pages that a pipe can be lent, where it is.
    #[inline]
    pub fn pages(&self) -> Option<&Arc<Pages>> {
        match &self.body {
            Body::Paged(_, pages) => Some(pages),
            _ => None,
        }
    }

    /// The same with its body in memory, where that is in a file. Blocks.
    pub(crate) fn loaded(&self) -> std::io::Result<Option<Object>> {
        let Some(filed) = self.filed() else {
            return Ok(None);
        };
        let body = Body::Pieces(filed.read()?);
        Ok(Some(Object::new(self.key.clone(), self.meta.clone(), body)))
    }

    /// Bytes that it has on a disk, about.
    pub(crate) fn disk_bytes(&self) -> u64 {
        self.weight + self.filed().map_or(0, Filed::length)
    }

    /// Whether a body in a file was sent a moment ago: it is in the kernel's cache.
    pub fn is_warm(&self, now_ms: u64) -> bool {
        self.filed().is_some_and(|filed| filed.is_warm(now_ms))
    }

    /// It was sent.
    pub fn note_sent(&self, now_ms: u64) {
        if let Some(filed) = self.filed() {
            filed.note_sent(now_ms);
        }
    }

    #[inline]
    pub(crate) fn is_offered(&self) -> bool {
        self.offered.load(Relaxed)
    }

    pub(crate) fn set_offered(&self, offered: bool) {
        self.offered.store(offered, Relaxed);
    }

    /// How many purges it has been judged by.
    #[inline]
    pub(crate) fn judged(&self) -> u64 {
        self.judged.load(Relaxed)
    }

    /// It was judged by the first `purges` purges.
    pub(crate) fn set_judged(&self, purges: u64) {
        self.judged.fetch_max(purges, Relaxed);
    }

    /// When it was asked for last.
    pub(crate) fn used_ms(&self) -> u64 {
        self.used_ms.load(Relaxed)
    }

    pub(crate) fn note_used(&self, now_ms: u64) {
        self.used_ms.store(now_ms, Relaxed);
    }

    /// Times that it was found since it was stored or renewed.
    pub fn hits(&self) -> u32 {
        self.hits.load(Relaxed)
    }

    /// Counts a hit. Two threads may count one; that is as good, and cheaper than to agree.
    #[inline]
    pub(crate) fn count_hit(&self) {
        self.hits
            .store(self.hits.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// The tags that its origin gave it.
    pub fn tags(&self) -> impl Iterator<Item = &[u8]> {
        self.meta.labels.tags()
    }

    /// `host/path?query` that it was stored for; empty where nobody told.
    pub fn url(&self) -> &[u8] {
        &self.meta.labels.url
    }

    /// The name of the site that it was stored for; empty where nobody told.
    pub fn site(&self) -> &str {
        &self.meta.labels.site
    }

    /// Status.
    pub fn status(&self) -> u16 {
        self.meta.head.status()
    }

    /// Status line and field lines, ready to be sent: with Date and Content-Length, without the final empty line and without
    /// Connection, Transfer-Encoding, Age and Cache-Status.
    pub fn head(&self) -> &Bytes {
        self.meta.head.bytes()
    }

    /// The fields of [`Object::head`].
    pub fn fields(&self) -> Fields<'_> {
        self.meta.head.fields()
    }

    /// The body where it is one piece, as all up to 64 KiB and most larger ones are; empty and `Some` where there is none here, see [`Hit::file`].
    pub fn body(&self) -> Option<&Bytes> {
        static EMPTY: Bytes = Bytes::new();
        match self.body.pieces() {
            [] => Some(&EMPTY),
            [body] => Some(body),
            _ => None,
        }
    }

    /// The body in order, whatever its size; nothing where it is in a file ([`Hit::file`]) or in slices.
    pub fn chunks(&self) -> &[Bytes] {
        self.body.pieces()
    }

    /// Length of the body in bytes.
    pub fn content_length(&self) -> u64 {
        self.length
    }

    /// Bytes of the body that are here: none where it is kept in slices.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.chunks().iter().map(|piece| piece.len() as u64).sum()
    }

    /// ETag as written.
    pub fn etag(&self) -> Option<&[u8]> {
        self.fields().get(Name::ETag)
    }

    /// Last-Modified as written.
    pub fn last_modified(&self) -> Option<&[u8]> {
        self.fields().get(Name::LastModified)
    }

    /// Why it was stored, and for how long.
    pub fn decision(&self) -> &Decision {
        &self.meta.decision
    }

    /// Bytes it counts for in the budget.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Whether it is an answer to a request with these fields (RFC 9111 §4.1).
    #[inline]
    pub fn selects(&self, request: &Fields<'_>) -> bool {
        !self.varies || self.meta.vary.matches(request)
    }

    /// When it came, unix milliseconds.
    pub fn response_time_ms(&self) -> u64 {
        self.meta.response_time_ms
    }

    /// Its key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Whether two objects answer the same requests of a key.
    pub(crate) fn is_same_variant(&self, other: &Object) -> bool {
        self.meta.vary == other.meta.vary
    }
}

/// An object that serves a request.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The object.
    pub object: Arc<Object>,
    /// For the Age field, seconds.
    pub age_s: u64,
    /// Freshness left in seconds, negative when stale: for Cache-Status.
    pub ttl_s: i64,
    /// The body, where it is in a file.
    pub file: Option<FileBody>,
}

impl Hit {
    /// At a moment, unix milliseconds.
    #[inline]
    pub fn new(object: Arc<Object>, now_ms: u64) -> Hit {
        let left_ms = object.glance.fresh_until_ms as i64 - now_ms as i64;
        let age_s = now_ms.saturating_sub(object.glance.born_ms) / 1000;
        let file = object.filed().and_then(Filed::open);
        Hit {
            object,
            age_s,
            ttl_s: left_ms / 1000,
            file,
        }
    }

    /// Whether its file made room between the lookup and now.
    pub fn is_lost(&self) -> bool {
        self.file.is_none() && self.object.filed().is_some()
    }
}
