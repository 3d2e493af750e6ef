//! A second request beside a slow one: whichever is answered first is passed on, the other is cancelled.

use super::{
    answer::Answer,
    attempt::{Attempt, Failure},
    exchange::OutBody,
};
use crate::tx::OriginScratch;
use seawall_balance::{Choice, Lease, Outcome, Picked, Tried};
use seawall_http::Method;
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::{Duration, Instant},
};

/// What an attempt came to.
type Attempted = (Result<Answer, (usize, Failure)>, bool);

/// What came first.
enum First {
    Original(Attempted),
    Hedge(Attempted),
}

/// After how long a request is worth a second one; `None` for those that are never sent twice.
pub(super) fn after(attempt: &Attempt<'_>, body: &OutBody<'_>) -> Option<Duration> {
    let hedge = attempt.pool.balancer.hedge()?;
    let is_safe = matches!(attempt.method, Method::Get | Method::Head) && body.is_none();
    hedge.after().filter(|_| is_safe)
}

/// Runs an attempt, and after `after` a second one on another server if the budget allows.
pub(super) async fn run(
    attempt: &Attempt<'_>,
    lease: Lease,
    scratch: &mut OriginScratch,
    tried: &mut Tried,
    after: Duration,
) -> Attempted {
    let mut other = OriginScratch {
        out: scratch.out.clone(),
        bound: scratch.bound,
        asked: scratch.asked,
        ..OriginScratch::default()
    };
    match race(attempt, lease, scratch, &mut other, tried, after).await {
        First::Original(attempted) => attempted,
        First::Hedge(attempted) => {
            if attempted.0.is_ok() {
                attempt.pool.metrics.hedge_wins.inc();
            }
            *scratch = other;
            attempted
        }
    }
}

async fn race(
    attempt: &Attempt<'_>,
    lease: Lease,
    scratch: &mut OriginScratch,
    other_scratch: &mut OriginScratch,
    tried: &mut Tried,
    after: Duration,
) -> First {
    let key = scratch.bound.key;
    let mut body = OutBody::None;
    let mut original = pin!(attempt.run(lease, scratch, &mut body));
    if let Ok(answered) = tokio::time::timeout(after, original.as_mut()).await {
        return First::Original(answered);
    }
    let Some(lease) = second(attempt, key, tried) else {
        return First::Original(original.await);
    };
    tried.insert(lease.index);
    attempt.pool.metrics.hedges.inc();
    // Deadlines of its own: the connection's timer stands for the first.
    let timer = attempt.local.timers.timer();
    let other = Attempt {
        timer: &timer,
        ..*attempt
    };
    let mut other_body = OutBody::None;
    let mut hedge = pin!(other.run(lease, other_scratch, &mut other_body));
    match first(original.as_mut(), hedge.as_mut()).await {
        First::Original((Err(failed), _)) => {
            note(attempt, &failed);
            First::Hedge(hedge.await)
        }
        First::Hedge((Err(failed), _)) => {
            note(attempt, &failed);
            First::Original(original.await)
        }
        answered => answered,
    }
}

/// Another server, if there is one and the budget allows it.
fn second(attempt: &Attempt<'_>, key: Option<u64>, tried: &Tried) -> Option<Lease> {
    let balancer = &attempt.pool.balancer;
    let now = Instant::now();
    if tried.len() >= attempt.pool.peers.len() || !balancer.hedge()?.allow(now) {
        return None;
    }
    let choice = Choice {
        key,
        ..Choice::new(now, attempt.local.random(), tried)
    };
    match balancer.pick_with(&choice) {
        Picked::Lease(lease) => Some(lease),
        Picked::Full | Picked::None => None,
    }
}

async fn first(
    mut original: Pin<&mut impl Future<Output = Attempted>>,
    mut hedge: Pin<&mut impl Future<Output = Attempted>>,
) -> First {
    poll_fn(|cx| {
        if let Poll::Ready(attempted) = original.as_mut().poll(cx) {
            return Poll::Ready(First::Original(attempted));
        }
        hedge.as_mut().poll(cx).map(First::Hedge)
    })
    .await
}

/// The one that failed while the other goes on counts against its server all the same.
fn note(attempt: &Attempt<'_>, (index, failure): &(usize, Failure)) {
    let outcome = match failure {
        Failure::Connect(_) | Failure::ConnectTimedOut => Outcome::ConnectFailed,
        Failure::TimedOut => Outcome::TimedOut,
        Failure::Client(_) | Failure::TooLarge => return,
        _ => Outcome::Broken,
    };
    attempt.report(Instant::now(), *index, outcome);
}
