//! One exchange with a pool: a server chosen, a connection, the request sent, a response head received; on failure
//! another server where that is safe.

use super::{
    answer::Answer,
    attempt::{Attempt, Failure},
    hedge, queue,
};
use crate::{
    client::{Client, ClientError},
    local::Local,
    log_error,
    plan::PoolPlan,
    spool::Spool,
    timer::Timer,
    tx::{OriginScratch, Try, Tx},
};
use seawall_balance::{Allow, Breaker, BreakerState, Choice, Outcome, Picked, Tried};
use seawall_conf::model::Timeouts;
use seawall_http::{BodyError, Method};
use smallvec::SmallVec;
use std::{
    cell::Cell,
    sync::Arc,
    time::{Duration, Instant},
};

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No server is left to try.
    #[error("no live upstreams")]
    NoServer,
    /// Every server has as many requests as it may, and as many wait as may.
    #[error("every server has its max_conns, and the queue is full")]
    Full,
    /// No server had room in time.
    #[error("no server had room while the request waited in the queue")]
    QueueTimedOut,
    /// The circuit breaker is open.
    #[error("the circuit breaker of the upstream is open")]
    BreakerOpen,
    /// The last server could not be reached or broke off.
    #[error("upstream failed: {0}")]
    Failed(String),
    /// No connection was made in time.
    #[error("upstream timed out (while connecting)")]
    ConnectTimedOut,
    /// It did not answer in time.
    #[error("upstream timed out")]
    TimedOut,
    /// What it sent is not HTTP.
    #[error("upstream sent an invalid response: {0}")]
    Invalid(&'static str),
    /// The client failed while its body was passed on.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The client's body is larger than the route allows.
    #[error("request body too large")]
    TooLarge,
}

impl FetchError {
    /// The status a client gets.
    pub fn status(&self) -> u16 {
        match self {
            FetchError::TimedOut | FetchError::ConnectTimedOut => 504,
            FetchError::Full | FetchError::QueueTimedOut | FetchError::BreakerOpen => 503,
            FetchError::TooLarge => 413,
            FetchError::Client(ClientError::Body(BodyError::TooLarge)) => 413,
            FetchError::Client(ClientError::Body(_)) => 400,
            FetchError::Client(ClientError::Timeout) => 408,
            _ => 502,
        }
    }

    /// `Retry-After`, in seconds, where coming back is worth while.
    pub fn retry_after_s(&self) -> Option<u64> {
        let is_load = matches!(
            self,
            FetchError::Full | FetchError::QueueTimedOut | FetchError::BreakerOpen
        );
        is_load.then_some(RETRY_AFTER_S)
    }
}

/// What a client is told to wait where a pool is full or its breaker open.
const RETRY_AFTER_S: u64 = 1;

/// The body to send, and the client who is told of interim responses while the answer is waited for.
pub enum OutBody<'a> {
    /// None, and nobody to tell.
    None,
    /// None.
    Bare {
        /// Who asks.
        client: &'a mut Client,
        /// The request.
        tx: &'a mut Tx,
    },
    /// All of it is here: it can be sent again.
    Held {
        /// Who asks.
        client: &'a mut Client,
        /// The request.
        tx: &'a mut Tx,
        /// The body.
        spool: &'a Spool,
    },
    /// All of it is here, and there is nobody to tell.
    Kept {
        /// The body.
        spool: &'a Spool,
    },
    /// The part that was inspected, then the rest as the client sends it.
    Client {
        /// Who sends it.
        client: &'a mut Client,
        /// Its request.
        tx: &'a mut Tx,
        /// What was read already.
        spool: Option<Spool>,
        /// Whether it is sent in chunks.
        chunked: bool,
        /// Bytes allowed.
        limit: Option<u64>,
    },
}

impl OutBody<'_> {
    /// Who is told of interim responses.
    pub(super) fn asker(&mut self) -> Option<(&mut Client, &mut Tx)> {
        match self {
            OutBody::None | OutBody::Kept { .. } => None,
            OutBody::Bare { client, tx }
            | OutBody::Held { client, tx, .. }
            | OutBody::Client { client, tx, .. } => Some((client, tx)),
        }
    }

    /// All of the body, if it is here.
    pub(super) fn held(&self) -> Option<&Spool> {
        match self {
            OutBody::Held { spool, .. } | OutBody::Kept { spool } => Some(spool),
            _ => None,
        }
    }

    /// Whether there is nothing to send.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, OutBody::None | OutBody::Bare { .. })
    }
}

/// Sends `scratch.out` (and a body) to a server of the pool and receives a response head into `scratch`.
#[allow(clippy::too_many_arguments)]
pub async fn fetch(
    local: &Local,
    timer: &Timer,
    pool: &Arc<PoolPlan>,
    method: Method,
    timeouts: &Timeouts,
    scratch: &mut OriginScratch,
    mut body: OutBody<'_>,
    tries: &mut SmallVec<[Try; 2]>,
) -> Result<Answer, FetchError> {
    let retry = scratch.retry.take();
    let connect_ms = Cell::new(None);
    let attempt = Attempt {
        local,
        timer,
        pool,
        method,
        timeouts,
        retry: retry.as_deref(),
        connect_ms: &connect_ms,
    };
    let breaker = pool.balancer.breaker();
    let allowed = breaker.map(|b| b.allow(Instant::now()));
    if allowed == Some(Allow::Open) {
        pool.metrics.breaker_refusals.inc();
        return Err(FetchError::BreakerOpen);
    }
    pool.balancer.on_request();
    let result = attempt.every_server(scratch, &mut body, tries).await;
    if let (true, Some(head)) = (scratch.ignored != 0, &mut scratch.head) {
        head.disregard(scratch.ignored);
    }
    if let (Some(breaker), Some(allowed)) = (breaker, allowed) {
        attempt.tell_breaker(breaker, allowed, &result, scratch);
    }
    result
}

impl Attempt<'_> {
    /// Tries servers until one answers, or nothing more may be tried.
    async fn every_server(
        &self,
        scratch: &mut OriginScratch,
        body: &mut OutBody<'_>,
        tries: &mut SmallVec<[Try; 2]>,
    ) -> Result<Answer, FetchError> {
        let pool = self.pool;
        let retry = self.retry();
        let mut began = Instant::now();
        let started = began;
        let mut tried = Tried::new();
        let mut last = FetchError::NoServer;
        for n in 1..=retry.attempts {
            if n > 1 {
                began = Instant::now();
            }
            let choice = Choice {
                key: scratch.bound.key,
                prefer: scratch.bound.prefer,
                ..Choice::new(began, self.local.random(), &tried)
            };
            let lease = match pool.balancer.pick_with(&choice) {
                Picked::Lease(lease) => lease,
                Picked::None => break,
                // Who has been to a server already says what came of it rather than wait once more.
                Picked::Full if n > 1 => break,
                Picked::Full => {
                    let (key, prefer) = (choice.key, choice.prefer);
                    let turn = Box::pin(queue::wait(self, key, prefer, &tried));
                    let lease = match body.asker() {
                        Some((client, tx)) => client.unless_left(tx, turn).await??,
                        None => turn.await?,
                    };
                    // What the queue took is not the server's.
                    began = Instant::now();
                    lease
                }
            };
            tried.insert(lease.index);
            let (result, sent_body) = match hedge::after(self, body).filter(|_| n == 1) {
                None => self.run(lease, scratch, body).await,
                // Boxed, as all that is rare: a request holds only the state of the path it takes.
                Some(after) => Box::pin(hedge::run(self, lease, scratch, &mut tried, after)).await,
            };
            let ended = Instant::now();
            let took = ended.saturating_duration_since(began);
            let error = match result {
                Ok(answer) => {
                    let index = answer.lease.index;
                    let status = scratch.head.as_ref().map_or(0, |h| h.status);
                    let outcome = Outcome::Answered {
                        status,
                        latency: took,
                    };
                    self.note(tries, index, status, (began, took));
                    self.report(ended, index, outcome);
                    if let Some(hedge) = pool.balancer.hedge() {
                        hedge.observe(took);
                    }
                    // The first look is a bit: most answers are none that is ever tried again.
                    if !retry.on.statuses.contains(status)
                        || !self.may_repeat(&outcome, sent_body, true, scratch)
                        || !self.may_retry(n, started, &tried)
                    {
                        return Ok(answer);
                    }
                    FetchError::Failed(format!("status {status}"))
                }
                Err((index, failure)) => {
                    self.note(tries, index, 0, (began, took));
                    let sent = !matches!(
                        failure,
                        Failure::Connect(_) | Failure::ConnectTimedOut | Failure::Unprocessed
                    );
                    let (outcome, repeats, error) = judge(failure, retry.invalid);
                    log_error!(
                        self.local.shared,
                        Error,
                        0,
                        "{error} while asking upstream \"{}\", server: {}",
                        pool.name,
                        self.text(index)
                    );
                    let Some(outcome) = outcome else {
                        return Err(error);
                    };
                    self.report(ended, index, outcome);
                    if !(repeats
                        && self.may_repeat(&outcome, sent_body, sent, scratch)
                        && self.may_retry(n, started, &tried))
                    {
                        return Err(error);
                    }
                    error
                }
            };
            last = error;
            let wait = retry.backoff.delay(n - 1, self.local.random());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
        Err(last)
    }

    /// Whether what became of a request lets it be sent again.
    fn may_repeat(
        &self,
        outcome: &Outcome,
        sent_body: bool,
        sent: bool,
        scratch: &OriginScratch,
    ) -> bool {
        // A body that has gone out and was not kept cannot be sent again, whatever the policy.
        if sent_body {
            return false;
        }
        let idempotent = self.retry().is_idempotent(self.method, &scratch.out);
        seawall_balance::retryable(&self.retry().on, idempotent, outcome, sent)
    }

    fn tell_breaker(
        &self,
        breaker: &Breaker,
        allowed: Allow,
        result: &Result<Answer, FetchError>,
        scratch: &OriginScratch,
    ) {
        let ok = match result {
            Ok(_) => {
                let status = scratch.head.as_ref().map_or(0, |h| h.status);
                let latency = Duration::ZERO;
                !Outcome::Answered { status, latency }.is_error()
            }
            // What the client did says nothing of the pool, and a pool that is full is not broken.
            Err(
                FetchError::Client(_)
                | FetchError::TooLarge
                | FetchError::Full
                | FetchError::QueueTimedOut,
            ) => return,
            Err(_) => false,
        };
        if let Some(state) = breaker.report(Instant::now(), allowed, ok) {
            let what = match state {
                BreakerState::Open => "open: too many requests fail",
                BreakerState::HalfOpen => "half open",
                BreakerState::Closed => "closed: its probes succeeded",
            };
            log_error!(
                self.local.shared,
                Warn,
                0,
                "pool {}: the circuit breaker is {what}",
                self.pool.name
            );
        }
    }
}

/// What a failure means for the server, whether another may be asked at all, and what is said if not.
fn judge(failure: Failure, invalid_repeats: bool) -> (Option<Outcome>, bool, FetchError) {
    match failure {
        Failure::Connect(e) => (Some(Outcome::ConnectFailed), true, FetchError::Failed(e)),
        Failure::ConnectTimedOut => {
            let e = FetchError::ConnectTimedOut;
            (Some(Outcome::ConnectFailed), true, e)
        }
        Failure::Stale => {
            let e = FetchError::Failed("connection closed before a response".into());
            (Some(Outcome::Broken), true, e)
        }
        Failure::Unprocessed => {
            let e = FetchError::Failed("the request was not processed".into());
            (Some(Outcome::Broken), true, e)
        }
        Failure::Broken(e) => (Some(Outcome::Broken), true, FetchError::Failed(e)),
        Failure::Invalid(why) => (
            Some(Outcome::Broken),
            invalid_repeats,
            FetchError::Invalid(why),
        ),
        Failure::TimedOut => (Some(Outcome::TimedOut), true, FetchError::TimedOut),
        Failure::Client(e) => (None, false, FetchError::Client(e)),
        Failure::TooLarge => (None, false, FetchError::TooLarge),
    }
}
