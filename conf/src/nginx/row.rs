//! A row of the directive table: where a directive may stand, what it takes, what becomes of it.

/// What becomes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does what it does in nginx.
    Native,
    /// It changes nothing that a client could see: tuning of machinery that is not ours.
    NoEffect,
    /// It does nearly what it does in nginx; the note says what differs.
    Approximated(&'static str),
    /// Its room is not built: an error, unless it says `off`.
    NotYet,
}

/// Where directives may stand, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contexts(pub(super) u16);

/// Contexts of `http` directives that nest, in nginx's words.
pub(super) const HSL: Contexts =
    Contexts(Contexts::HTTP.0 | Contexts::SERVER.0 | Contexts::LOCATION.0);
pub(super) const HSLI: Contexts = Contexts(HSL.0 | Contexts::IF_LOCATION.0);
pub(super) const HSLE: Contexts = Contexts(HSL.0 | Contexts::LIMIT_EXCEPT.0);
pub(super) const HS: Contexts = Contexts(Contexts::HTTP.0 | Contexts::SERVER.0);
pub(super) const REWRITE: Contexts = Contexts(
    Contexts::SERVER.0 | Contexts::IF_SERVER.0 | Contexts::LOCATION.0 | Contexts::IF_LOCATION.0,
);

impl Contexts {
    /// The file itself.
    pub const MAIN: Self = Self(1);
    /// `events`
    pub const EVENTS: Self = Self(2);
    /// `http`
    pub const HTTP: Self = Self(4);
    /// `server` in `http`
    pub const SERVER: Self = Self(8);
    /// `location`
    pub const LOCATION: Self = Self(16);
    /// `if` in `server`
    pub const IF_SERVER: Self = Self(32);
    /// `if` in `location`
    pub const IF_LOCATION: Self = Self(64);
    /// `upstream`
    pub const UPSTREAM: Self = Self(128);
    /// `stream`
    pub const STREAM: Self = Self(256);
    /// `server` in `stream`
    pub const STREAM_SERVER: Self = Self(512);
    /// `upstream` in `stream`
    pub const STREAM_UPSTREAM: Self = Self(1024);
    /// `limit_except`
    pub const LIMIT_EXCEPT: Self = Self(2048);
    /// Everywhere.
    pub const ANY: Self = Self(4095);

    /// Whether all of this set is within `stream`.
    pub(crate) const fn is_stream_only(self) -> bool {
        self.0 & (255 | Self::LIMIT_EXCEPT.0) == 0
    }

    /// Whether one of the other set is in this one.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// How many arguments a directive takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// From, to (both included).
    Range(u8, u8),
    /// `on` or `off`.
    Flag,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Where it may stand.
    pub contexts: Contexts,
    /// What it takes.
    pub arity: Arity,
    /// Whether it has a block.
    pub block: bool,
    /// Whether it may stand more than once in a block.
    pub repeats: bool,
    /// What becomes of it.
    pub status: Status,
}

pub(super) const fn row(
    name: &'static str,
    contexts: Contexts,
    from: u8,
    to: u8,
    status: Status,
) -> Row {
    Row {
        name,
        contexts,
        arity: Arity::Range(from, to),
        block: false,
        repeats: false,
        status,
    }
}

pub(super) const fn flag(name: &'static str, contexts: Contexts, status: Status) -> Row {
    Row {
        name,
        contexts,
        arity: Arity::Flag,
        block: false,
        repeats: false,
        status,
    }
}

/// May stand more than once.
pub(super) const fn many(
    name: &'static str,
    contexts: Contexts,
    from: u8,
    to: u8,
    status: Status,
) -> Row {
    Row {
        repeats: true,
        ..row(name, contexts, from, to, status)
    }
}

pub(super) const fn block(name: &'static str, contexts: Contexts, from: u8, to: u8) -> Row {
    Row {
        block: true,
        repeats: true,
        ..row(name, contexts, from, to, Status::Native)
    }
}

pub(super) const fn block_once(name: &'static str, contexts: Contexts) -> Row {
    Row {
        block: true,
        ..row(name, contexts, 0, 0, Status::Native)
    }
}

pub(super) const N: Status = Status::Native;
pub(super) const X: Status = Status::NoEffect;
pub(super) const M: Contexts = Contexts::MAIN;
pub(super) const U: Contexts = Contexts::UPSTREAM;
pub(super) const S: Contexts = Contexts::STREAM;
pub(super) const SV: Contexts = Contexts::STREAM_SERVER;
pub(super) const SU: Contexts = Contexts::STREAM_UPSTREAM;
pub(super) const SS: Contexts = Contexts(S.0 | SV.0);
pub(super) const ANY_NUMBER: u8 = u8::MAX;
