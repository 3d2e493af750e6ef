//! The limits of a route on its requests, exact over all threads: by rate, with a wait where the limit says so, and by
//! how many are served at once.
//!
//! A limit by a claim of a token is asked behind the access step, where the token is verified; all others before it.
//!
//! A request is counted once, by the route that it reaches first, whatever internal redirects follow. What one limit
//! refuses the others have not counted.

mod connections;
mod metrics;

pub use connections::connections;
pub use metrics::{ConnectionMetrics, LimitFamily, LimitMetrics};

use crate::{
    access::request_of,
    client::{ClientError, Reply},
    content::Outcome,
    log::LogLevel,
    pipeline::Cx,
    plan::{ProvedLimits, RateLimitPlan, RoutePlan},
};
use seawall_balance::limit::{Decision, Verdict};
use std::{
    cell::Cell,
    io::Write,
    time::{Duration, Instant},
};

/// Requests of one thread that wait at once; more are refused, since each holds its connection.
pub const WAITING_MAX: usize = 4096;

thread_local! {
    static WAITING: Cell<usize> = const { Cell::new(0) };
}

/// A place among those that wait.
struct Waiting;

impl Waiting {
    fn enter() -> Option<Self> {
        let now = WAITING.get();
        (now < WAITING_MAX).then(|| {
            WAITING.set(now + 1);
            Waiting
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.set(WAITING.get().saturating_sub(1));
    }
}

/// Asks the limits of a route that know their keys only once a token is verified.
pub async fn proved(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    limits: &ProvedLimits,
) -> Result<Option<Outcome>, ClientError> {
    if std::mem::replace(&mut cx.tx.counted_proved, true) {
        return Ok(None);
    }
    if let Some(outcome) = asked(cx, route, &limits.rates).await? {
        return Ok(Some(outcome));
    }
    connections::entered(cx, route, &limits.connections).await
}

/// Asks every limit of the route. An outcome: the request was refused, and is answered.
pub async fn rate(cx: &mut Cx<'_>, route: &RoutePlan) -> Result<Option<Outcome>, ClientError> {
    if std::mem::replace(&mut cx.tx.counted, true) {
        return Ok(None);
    }
    asked(cx, route, &route.rate_limits).await
}

async fn asked(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    limits: &[RateLimitPlan],
) -> Result<Option<Outcome>, ClientError> {
    let now = Instant::now();
    let mut wait = Duration::ZERO;
    let mut counted: Vec<(&RateLimitPlan, u64)> = Vec::new();
    let mut key = Vec::new();
    let mut tightest: Option<(&RateLimitPlan, Decision)> = None;
    for limit in limits {
        key.clear();
        limit.key.render(&cx.scope(), &mut key);
        if key.is_empty() {
            continue;
        }
        let hash = limit.keys.hash(&key);
        let decision = limit.keys.table.check(&limit.limit, now, hash, 1);
        if limit.fields && tightest.is_none_or(|(_, d)| decision.remaining < d.remaining) {
            tightest = Some((limit, decision));
        }
        if cx.tx.rate_status.is_empty() {
            cx.tx.rate_status = "PASSED";
        }
        match decision.verdict {
            Verdict::Pass => counted.push((limit, hash)),
            Verdict::Delay(by) => {
                note(cx, limit, &decision);
                cx.tx.rate_status = if limit.dry_run {
                    "DELAYED_DRY_RUN"
                } else {
                    "DELAYED"
                };
                if limit.dry_run {
                    limit.metrics.dry_run.inc();
                } else {
                    wait = wait.max(by);
                }
                counted.push((limit, hash));
            }
            Verdict::Refuse { .. } if limit.dry_run => {
                cx.tx.rate_status = "REJECTED_DRY_RUN";
                limit.metrics.dry_run.inc();
                note(cx, limit, &decision);
            }
            Verdict::Refuse { retry_after } => {
                cx.tx.rate_status = "REJECTED";
                give_back(&counted);
                limit.metrics.refused.inc();
                note(cx, limit, &decision);
                return refuse(cx, route, limit, &decision, retry_after).await;
            }
        }
    }
    if let Some((limit, decision)) = tightest {
        tell(limit, &decision, &mut cx.tx.limit_lines);
    }
    if wait.is_zero() {
        return Ok(None);
    }
    let Some((limit, _)) = counted.first().copied() else {
        return Ok(None);
    };
    let Some(_waiting) = Waiting::enter() else {
        give_back(&counted);
        limit.metrics.crowded.inc();
        return cx
            .reply(Some(route), Reply::error(503))
            .await
            .map(|()| Some(Outcome::Done));
    };
    limit.metrics.delayed.inc();
    let waited = tokio::time::sleep(wait);
    cx.client.unless_left(cx.tx, waited).await?;
    cx.tx.now_ms = crate::clock::now_ms();
    Ok(None)
}

fn give_back(counted: &[(&RateLimitPlan, u64)]) {
    for (limit, hash) in counted {
        limit.keys.table.refund(&limit.limit, *hash, 1);
    }
}

/// nginx's words, at its levels: what waits is logged one lower than what is refused.
fn note(cx: &Cx<'_>, limit: &RateLimitPlan, decision: &Decision) {
    let (whole, milli) = (decision.excess_milli / 1000, decision.excess_milli % 1000);
    let dry = if limit.dry_run { ", dry run" } else { "" };
    let (errors, serial) = (&cx.local.shared.errors, cx.client.info.serial);
    let (level, text, comma) = if decision.is_allowed() {
        (lower(limit.log_level), "delaying request", ",")
    } else {
        (limit.log_level, "limiting requests", "")
    };
    if errors.enabled(level) {
        let who = request_of(cx);
        let name = &limit.name;
        errors.line(
            level,
            serial,
            format_args!("{text}{dry}, excess: {whole}.{milli:03}{comma} by {name}, {who}"),
        );
    }
}

fn lower(level: LogLevel) -> LogLevel {
    match level {
        LogLevel::Error => LogLevel::Warn,
        LogLevel::Warn => LogLevel::Notice,
        _ => LogLevel::Info,
    }
}

/// Rounded up: who comes back at the time said is let in.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// By what the limit is, and what is left of it.
fn tell(limit: &RateLimitPlan, decision: &Decision, lines: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = write!(
        lines,
        "RateLimit-Policy: \"default\";q={};w={}\r\nRateLimit: \"default\";r={};t={}\r\n",
        decision.limit,
        seconds(limit.window).max(1),
        decision.remaining,
        seconds(decision.reset)
    );
}

/// The answer says when to come back, and by what the limit is (draft-ietf-httpapi-ratelimit-headers).
async fn refuse(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    limit: &RateLimitPlan,
    decision: &Decision,
    retry_after: Duration,
) -> Result<Option<Outcome>, ClientError> {
    if !limit.tells {
        return cx
            .reply(Some(route), Reply::error(limit.status))
            .await
            .map(|()| Some(Outcome::Done));
    }
    let mut lines = Vec::with_capacity(128);
    // Writing to memory does not fail.
    let _ = write!(lines, "Retry-After: {}\r\n", seconds(retry_after).max(1));
    tell(limit, decision, &mut lines);
    let reply = Reply {
        lines: &lines,
        ..Reply::error(limit.status)
    };
    cx.reply(Some(route), reply)
        .await
        .map(|()| Some(Outcome::Done))
}
