//! What happened to a certificate, step by step, for people.

use super::limits::{EVENT_BYTES_MAX, EVENTS_MAX};
use std::{collections::VecDeque, time::SystemTime};

/// A step on the way to a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A stored certificate was read, or could not be.
    Load,
    /// When the next order is due, and why.
    Schedule,
    /// The account at the CA.
    Account,
    /// The order was placed.
    Order,
    /// A proof of control was put where the CA looks for it.
    Challenge,
    /// The CA looked for the proofs.
    Validation,
    /// The certificate was asked for and fetched.
    Issue,
    /// The certificate was checked: its key, names and dates.
    Check,
    /// It was written to the disk.
    Store,
    /// It is served from now on.
    Install,
    /// The CA was asked when it would like the certificate to be renewed.
    RenewalInfo,
}

impl Step {
    /// For the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Schedule => "schedule",
            Self::Account => "account",
            Self::Order => "order",
            Self::Challenge => "challenge",
            Self::Validation => "validation",
            Self::Issue => "issue",
            Self::Check => "check",
            Self::Store => "store",
            Self::Install => "install",
            Self::RenewalInfo => "renewal-info",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: SystemTime,
    /// On which step.
    pub step: Step,
    /// Whether it went well.
    pub ok: bool,
    /// In a sentence. Bounded, without control characters: a CA's words are a stranger's.
    pub text: String,
}

/// The latest [`EVENTS_MAX`] events.
#[derive(Clone, Debug, Default)]
pub struct Timeline(VecDeque<Event>);

impl Timeline {
    /// Adds an event.
    pub fn push(&mut self, at: SystemTime, step: Step, ok: bool, text: &str) {
        if self.0.len() >= EVENTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Event {
            at,
            step,
            ok,
            text: tame(text),
        });
    }

    /// From the oldest to the latest.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.0.iter()
    }
}

/// A stranger's words: bounded, on one line, harmless to a terminal.
pub(crate) fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(EVENT_BYTES_MAX));
    for character in text.chars() {
        if out.len() + character.len_utf8() > EVENT_BYTES_MAX {
            out.push('\u{2026}');
            break;
        }
        out.push(if character.is_control() {
            ' '
        } else {
            character
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_forgets_the_oldest_and_cuts_what_is_long_or_harmful() {
        let mut timeline = Timeline::default();
        for n in 0..=EVENTS_MAX {
            timeline.push(SystemTime::UNIX_EPOCH, Step::Order, true, &n.to_string());
        }
        assert_eq!(timeline.events().count(), EVENTS_MAX);
        assert_eq!(timeline.events().next().unwrap().text, "1");
        let hostile = format!("\x1b[2J\r\n{}", "\u{e4}".repeat(EVENT_BYTES_MAX));
        timeline.push(SystemTime::UNIX_EPOCH, Step::Order, false, &hostile);
        let text = &timeline.events().next_back().unwrap().text;
        assert!(text.len() <= EVENT_BYTES_MAX + 3 && !text.contains(char::is_control));
    }
}
