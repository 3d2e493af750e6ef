//! HTTP/1: at least two hundred requests that are malformed, ambiguous, or merely unusual.

mod chunks;
mod coding;
mod connection;
mod fields;
mod host;
mod length;
mod request_line;
mod run;
mod target;

pub use run::{Seen, run};
use std::borrow::Cow;

/// One request, or several on one connection.
#[derive(Clone, Copy)]
pub struct Case {
    /// What is wrong or unusual about it.
    pub name: &'static str,
    /// Where that is ruled on.
    pub section: &'static str,
    sent: Sent,
    /// Whether the message is whole, so that another request may follow on the connection.
    whole: bool,
    /// Every outcome allowed.
    pub allowed: &'static [Outcome],
}

#[derive(Clone, Copy)]
enum Sent {
    Bytes(&'static [u8]),
    Made(fn() -> Vec<u8>),
}

/// What may become of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Refused with this status: no whole request reaches the origin.
    Refused(u16),
    /// The connection is closed without a word.
    Closed,
    /// So many requests reach the origin, in a form that can be read in one way only.
    Passed(usize),
    /// So many answers that are successes, without the origin's part.
    Answered(usize),
    /// So many pass, then one is refused with this status.
    Then(usize, u16),
}

impl Case {
    /// The bytes.
    pub fn bytes(&self) -> Cow<'static, [u8]> {
        match self.sent {
            Sent::Bytes(bytes) => Cow::Borrowed(bytes),
            Sent::Made(make) => Cow::Owned(make()),
        }
    }
}

/// A whole message that has these outcomes.
const fn case(
    name: &'static str,
    section: &'static str,
    bytes: &'static [u8],
    allowed: &'static [Outcome],
) -> Case {
    Case {
        name,
        section,
        sent: Sent::Bytes(bytes),
        whole: true,
        allowed,
    }
}

/// A message that breaks off where it stands.
const fn broken(
    name: &'static str,
    section: &'static str,
    bytes: &'static [u8],
    allowed: &'static [Outcome],
) -> Case {
    Case {
        whole: false,
        ..case(name, section, bytes, allowed)
    }
}

/// A message too long to be written out.
const fn made(
    name: &'static str,
    section: &'static str,
    make: fn() -> Vec<u8>,
    allowed: &'static [Outcome],
) -> Case {
    Case {
        name,
        section,
        sent: Sent::Made(make),
        whole: true,
        allowed,
    }
}

const BAD: &[Outcome] = &[Outcome::Refused(400)];
const BAD_OR_CLOSED: &[Outcome] = &[Outcome::Refused(400), Outcome::Closed];
const PASS: &[Outcome] = &[Outcome::Passed(1)];
const BAD_OR_PASS: &[Outcome] = &[Outcome::Refused(400), Outcome::Passed(1)];

/// Every case, room by room.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [
        request_line::CASES,
        target::CASES,
        host::CASES,
        fields::CASES,
        length::CASES,
        coding::CASES,
        chunks::CASES,
        connection::CASES,
    ]
    .into_iter()
    .flatten()
}
