//! Waiting for a server of a full pool.

use super::{attempt::Attempt, exchange::FetchError};
use seawall_balance::{Choice, Lease, Picked, Tried};
use std::{future::poll_fn, task::Poll, time::Instant};

/// Waits in the pool's queue for a server, as long as the pool says; at once refused where as many wait as may.
pub(super) async fn wait(
    attempt: &Attempt<'_>,
    key: Option<u64>,
    prefer: Option<usize>,
    tried: &Tried,
) -> Result<Lease, FetchError> {
    let pool = attempt.pool;
    let Some(mut ticket) = pool.balancer.wait() else {
        pool.metrics.queue_full.inc();
        return Err(FetchError::Full);
    };
    pool.metrics.queued.inc();
    let timeout = pool.balancer.options().queue.timeout;
    let turn = poll_fn(|cx| {
        let choice = Choice {
            key,
            prefer,
            ..Choice::new(Instant::now(), attempt.local.random(), tried)
        };
        match ticket.poll_pick(&pool.balancer, &choice, cx.waker()) {
            Poll::Ready(Picked::Lease(lease)) => Poll::Ready(Some(lease)),
            Poll::Ready(Picked::Full | Picked::None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    // A clock of its own: this may be shorter than the thread's tick.
    match tokio::time::timeout(timeout, turn).await {
        Ok(Some(lease)) => Ok(lease),
        Ok(None) => Err(FetchError::NoServer),
        Err(_) => {
            pool.metrics.queue_timeouts.inc();
            Err(FetchError::QueueTimedOut)
        }
    }
}
