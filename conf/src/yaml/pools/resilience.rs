//! What is done about servers and requests that fail: ejection, retries.

use crate::model::{Eject, Retry};
use crate::yaml::read::{Reader, Shape};
use crate::yaml::tree::Node;

const EJECT: Shape = Shape {
    what: "`eject`",
    fields: &["after", "for", "at_most"],
    not_yet: &[],
};
const RETRY: Shape = Shape {
    what: "`retry`",
    fields: &["when", "attempts", "budget"],
    not_yet: &["non_idempotent"],
};

/// What may be retried, as [`Retry`] holds it.
#[derive(Clone, Copy)]
enum When {
    Connect,
    Timeout,
    Status(u8),
}

pub(super) fn eject(reader: &mut Reader<'_>, node: &Node, mut eject: Eject) -> Eject {
    if node.is_off() {
        return Eject { after: 0, ..eject };
    }
    let Some(fields) = reader.open(node, &EJECT) else {
        return eject;
    };
    if let Some(after) = fields
        .get("after")
        .and_then(|n| reader.integer(n, 0, 100_000))
    {
        eject.after = after as u32;
    }
    eject.for_ = fields
        .get("for")
        .and_then(|n| reader.duration(n))
        .unwrap_or(eject.for_);
    eject.at_most_percent = fields
        .get("at_most")
        .and_then(|n| reader.percent(n))
        .unwrap_or(eject.at_most_percent);
    eject
}

pub(super) fn retry(reader: &mut Reader<'_>, node: &Node, mut retry: Retry) -> Retry {
    if node.is_off() {
        return Retry {
            connect: false,
            timeout: false,
            statuses: 0,
            attempts: 1,
            ..retry
        };
    }
    let Some(fields) = reader.open(node, &RETRY) else {
        return retry;
    };
    if let Some(node) = fields.get("when") {
        (retry.connect, retry.timeout, retry.statuses) = (false, false, 0);
        let words = [
            ("connect", When::Connect),
            ("timeout", When::Timeout),
            ("500", When::Status(8)),
            ("502", When::Status(1)),
            ("503", When::Status(2)),
            ("504", When::Status(4)),
        ];
        for node in reader.list(node) {
            match reader.choice(node, &words, &[]) {
                Some(When::Connect) => retry.connect = true,
                Some(When::Timeout) => retry.timeout = true,
                Some(When::Status(bit)) => retry.statuses |= bit,
                None => {}
            }
        }
    }
    if let Some(attempts) = fields
        .get("attempts")
        .and_then(|n| reader.integer(n, 1, 100))
    {
        retry.attempts = attempts as u32;
    }
    retry.budget_percent = fields
        .get("budget")
        .and_then(|n| reader.percent(n))
        .unwrap_or(retry.budget_percent);
    retry
}
