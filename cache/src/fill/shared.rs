//! What the leader of a fill and its readers share.

use super::{pieces::Pieces, reservation::Reservation, table::Terms};
use crate::{
    cache::Cache,
    key::Key,
    object::{Meta, Object},
    policy::Decision,
    purge::{Labels, Verdict},
    request::Class,
};
use bytes::Bytes;
use hashbrown::HashMap;
use parking_lot::{Mutex, MutexGuard};
use seawall_http::Fields;
use std::sync::Arc;
use tokio::sync::Notify;

/// The head of an answer that others are receiving.
#[derive(Debug)]
pub struct FillHead {
    pub(crate) meta: Meta,
    age_s: u64,
}

impl FillHead {
    pub(super) fn new(meta: Meta, now_ms: u64) -> FillHead {
        FillHead {
            age_s: meta.age_s(now_ms),
            meta,
        }
    }

    /// Status.
    pub fn status(&self) -> u16 {
        self.meta.head.status()
    }

    /// As [`Object::head`], but without Content-Length where the origin did not tell it: then the body is sent chunked.
    pub fn head(&self) -> &Bytes {
        self.meta.head.bytes()
    }

    /// The fields of [`FillHead::head`].
    pub fn fields(&self) -> Fields<'_> {
        self.meta.head.fields()
    }

    /// Age when it became known, seconds.
    pub fn age_s(&self) -> u64 {
        self.age_s
    }

    /// Length of the body, if the origin told it.
    pub fn content_length(&self) -> Option<u64> {
        self.meta.content_length()
    }

    /// Why it is stored, and for how long.
    pub fn decision(&self) -> &Decision {
        &self.meta.decision
    }
}

/// How far a fill has come.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// The origin has not answered.
    Waiting,
    /// The head is there, the body follows in the pieces.
    Streaming(Arc<FillHead>),
    /// A stored answer serves: it was validated, or stands in for a failure.
    Stored(Arc<FillHead>, Arc<Object>),
    /// Not to be shared.
    Pass,
}

/// How the leader left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Aborted,
}

pub(super) struct State {
    pub phase: Phase,
    pub pieces: Pieces,
    pub end: Option<End>,
    /// False once a limit was passed: the pieces are kept for the readers only.
    pub storable: bool,
    /// Where each reader is, by its number.
    pub readers: HashMap<u64, u64>,
    pub next_reader: u64,
    pub reservation: Reservation,
    /// Site and URL, once they were told; tags come with the head.
    pub place: Option<Arc<Labels>>,
}

impl State {
    /// Where the slowest and the fastest reader are.
    pub fn reader_range(&self) -> Option<(u64, u64)> {
        let offsets = self.readers.values().copied();
        Some((offsets.clone().min()?, offsets.max()?))
    }
}

/// One fill, in the table as long as others may join it.
pub(crate) struct Shared {
    pub(crate) key: Key,
    pub(crate) class: Class,
    /// Purges that had happened when it began.
    pub(crate) generation: u64,
    /// When it began, unix milliseconds.
    began_ms: u64,
    state: Mutex<State>,
    /// The leader has something new.
    pub(super) grown: Notify,
    /// A reader has moved on or left.
    pub(super) read: Notify,
}

impl Shared {
    pub(super) fn new(
        key: Key,
        class: Class,
        generation: u64,
        terms: Terms,
        reservation: Reservation,
    ) -> Shared {
        let state = State {
            phase: Phase::Waiting,
            pieces: Pieces::default(),
            end: None,
            storable: true,
            readers: HashMap::new(),
            next_reader: 0,
            reservation,
            place: None,
        };
        Shared {
            key,
            class,
            generation,
            began_ms: terms.now_ms,
            state: Mutex::new(state),
            grown: Notify::new(),
            read: Notify::new(),
        }
    }

    /// Where what it brings belongs, for purges.
    pub(crate) fn put_at(&self, place: Arc<Labels>) {
        self.state.lock().place = Some(place);
    }

    /// Whether it is not joined any more.
    pub(super) fn is_past(&self, cache: &Cache, terms: Terms) -> bool {
        let is_late = self.began_ms < terms.not_before_ms;
        is_late || self.generation < cache.purges.epoch() && self.is_purged(cache)
    }

    /// Whether a purge since it began may mean what it brings.
    pub(crate) fn is_purged(&self, cache: &Cache) -> bool {
        let (labels, has_head) = {
            let state = self.state.lock();
            match &state.phase {
                Phase::Streaming(head) => (Some(head.meta.labels.clone()), true),
                _ => (state.place.clone(), false),
            }
        };
        let Some(labels) = labels else { return true };
        let untouched = Verdict::Untouched
            == cache
                .purges
                .verdict(&labels, self.key.as_ref().bytes, self.generation);
        !untouched || !has_head && cache.purges.tag_since(self.generation)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Changes the state and wakes the readers.
    pub(super) fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.lock());
        self.grown.notify_waiters();
        result
    }
}
