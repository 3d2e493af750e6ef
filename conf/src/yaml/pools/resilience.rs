//! What is done about servers and requests that fail: ejection, retries, the circuit breaker.

use crate::model::{Breaker, Eject, EjectRatio, Retry};
use crate::yaml::read::{Fields, Reader, Shape};
use crate::yaml::tree::{Node, Value};
use std::time::Duration;

pub(in crate::yaml) const EJECT: Shape = Shape {
    what: "`eject`",
    fields: &["after", "ratio", "for", "at_longest", "at_most"],
    not_yet: &[],
};
pub(in crate::yaml) const RETRY: Shape = Shape {
    what: "`retry`",
    fields: &[
        "when",
        "attempts",
        "budget",
        "backoff",
        "methods",
        "non_idempotent",
        "idempotency_key",
        "within",
    ],
    not_yet: &[],
};
pub(in crate::yaml) const RATIO: Shape = Shape {
    what: "`ratio`",
    fields: &["errors", "min_requests", "window"],
    not_yet: &[],
};
pub(in crate::yaml) const BACKOFF: Shape = Shape {
    what: "`backoff`",
    fields: &["base", "cap"],
    not_yet: &[],
};
pub(in crate::yaml) const BREAKER: Shape = Shape {
    what: "`breaker`",
    fields: &["failures", "min_requests", "window", "open_for", "probes"],
    not_yet: &[],
};

/// Five failures in a row, ten seconds, half of the pool.
pub(super) const EJECT_DEFAULT: Eject = Eject {
    after: 5,
    ratio: None,
    for_: Duration::from_secs(10),
    at_longest: Duration::from_secs(300),
    at_most_percent: 50,
};

/// What is retried unless said: connections that could not be made, once.
pub(super) fn retry_default() -> Retry {
    Retry {
        connect: true,
        timeout: false,
        statuses: Vec::new(),
        invalid: false,
        non_idempotent: false,
        idempotency_key: false,
        methods: Vec::new(),
        attempts: 2,
        budget_percent: 20,
        backoff: Duration::ZERO,
        backoff_max: Duration::from_secs(1),
        within: Duration::ZERO,
    }
}

/// What may be retried, as [`Retry`] holds it.
#[derive(Clone, Copy)]
enum When {
    Connect,
    Timeout,
    Invalid,
    Status(u16),
}

pub(super) fn eject(reader: &mut Reader<'_>, node: &Node, mut eject: Eject) -> Eject {
    if node.is_off() {
        return Eject {
            after: 0,
            ratio: None,
            ..eject
        };
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
    if let Some(node) = fields.get("ratio").filter(|n| !n.is_off()) {
        eject.ratio = ratio(reader, node);
    }
    if let Some(longest) = fields.get("at_longest").and_then(|n| reader.duration(n)) {
        eject.at_longest = longest;
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
            attempts: 1,
            ..retry_default()
        };
    }
    let Some(fields) = reader.open(node, &RETRY) else {
        return retry;
    };
    if let Some(node) = fields.get("when") {
        (retry.connect, retry.timeout) = (false, false);
        retry.statuses.clear();
        let words = [
            ("connect", When::Connect),
            ("timeout", When::Timeout),
            ("invalid", When::Invalid),
            ("425", When::Status(425)),
            ("429", When::Status(429)),
            ("500", When::Status(500)),
            ("502", When::Status(502)),
            ("503", When::Status(503)),
            ("504", When::Status(504)),
            ("507", When::Status(507)),
        ];
        for node in reader.list(node) {
            match reader.choice(node, &words, &[]) {
                Some(When::Connect) => retry.connect = true,
                Some(When::Timeout) => retry.timeout = true,
                Some(When::Invalid) => retry.invalid = true,
                Some(When::Status(status)) => retry.statuses.push(status),
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
    if let Some(node) = fields.get("backoff").filter(|n| !n.is_off()) {
        backoff(reader, node, &mut retry);
    }
    if let Some(node) = fields.get("methods") {
        let words = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"].map(|m| (m, m));
        let all = reader.list(node).iter();
        let all = all.filter_map(|n| reader.choice(n, &words, &[]).map(str::to_owned));
        retry.methods = all.collect();
    }
    let mut flag = |name| fields.get(name).and_then(|n| reader.boolean(n));
    retry.non_idempotent = flag("non_idempotent").unwrap_or(false);
    retry.idempotency_key = flag("idempotency_key").unwrap_or(false);
    if let Some(within) = fields.get("within").and_then(|n| reader.duration(n)) {
        retry.within = within;
    }
    retry
}

fn backoff(reader: &mut Reader<'_>, node: &Node, retry: &mut Retry) {
    if let Value::Scalar { .. } = node.value {
        retry.backoff = reader.duration(node).unwrap_or_default();
        return;
    }
    let Some(fields) = reader.open(node, &BACKOFF) else {
        return;
    };
    let mut time = |name| fields.get(name).and_then(|n| reader.duration(n));
    retry.backoff = time("base").unwrap_or_default();
    retry.backoff_max = time("cap").unwrap_or(retry.backoff_max);
}

fn ratio(reader: &mut Reader<'_>, node: &Node) -> Option<EjectRatio> {
    let mut ratio = EjectRatio {
        percent: 50,
        min_requests: 20,
        window: Duration::from_secs(10),
    };
    if let Value::Scalar { .. } = node.value {
        ratio.percent = reader.percent(node)?;
        return Some(ratio);
    }
    let fields = reader.open(node, &RATIO)?;
    if let Some(percent) = fields.get("errors").and_then(|n| reader.percent(n)) {
        ratio.percent = percent;
    }
    (ratio.min_requests, ratio.window) = window(reader, &fields);
    Some(ratio)
}

/// How much must be seen in how long.
fn window(reader: &mut Reader<'_>, fields: &Fields<'_>) -> (u32, Duration) {
    let requests = fields
        .get("min_requests")
        .and_then(|n| reader.integer(n, 1, 1_000_000));
    let window = fields.get("window").and_then(|n| reader.duration(n));
    (
        requests.map_or(20, |n| n as u32),
        window.unwrap_or(Duration::from_secs(10)),
    )
}

pub(super) fn breaker(reader: &mut Reader<'_>, node: &Node) -> Option<Breaker> {
    let mut breaker = Breaker {
        failures_percent: 50,
        min_requests: 20,
        window: Duration::from_secs(10),
        open_for: Duration::from_secs(5),
        probes: 3,
    };
    if let Value::Scalar { .. } = node.value {
        if !matches!(node.scalar(), Some("true" | "on")) {
            breaker.failures_percent = reader.percent(node)?;
        }
        return Some(breaker);
    }
    let fields = reader.open(node, &BREAKER)?;
    if let Some(percent) = fields.get("failures").and_then(|n| reader.percent(n)) {
        breaker.failures_percent = percent;
    }
    (breaker.min_requests, breaker.window) = window(reader, &fields);
    if let Some(open) = fields.get("open_for").and_then(|n| reader.duration(n)) {
        breaker.open_for = open;
    }
    if let Some(probes) = fields
        .get("probes")
        .and_then(|n| reader.integer(n, 1, 1000))
    {
        breaker.probes = probes as u32;
    }
    Some(breaker)
}
