//! One exchange with a pool: a server chosen, a connection, the request sent, a response head received; on failure
//! another server where that is safe.

use super::{
    answer::Answer,
    attempt::{Attempt, Failure},
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
use seawall_balance::{Outcome, Tried};
use seawall_conf::model::Timeouts;
use seawall_http::{BodyError, Method};
use smallvec::SmallVec;
use std::{sync::Arc, time::Instant};

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No server is left to try.
    #[error("no live upstreams")]
    NoServer,
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
            FetchError::TooLarge => 413,
            FetchError::Client(ClientError::Body(BodyError::TooLarge)) => 413,
            FetchError::Client(ClientError::Body(_)) => 400,
            FetchError::Client(ClientError::Timeout) => 408,
            _ => 502,
        }
    }
}

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
            OutBody::None => None,
            OutBody::Bare { client, tx }
            | OutBody::Held { client, tx, .. }
            | OutBody::Client { client, tx, .. } => Some((client, tx)),
        }
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
    let attempt = Attempt {
        local,
        timer,
        pool,
        method,
        timeouts,
    };
    pool.balancer.on_request();
    let mut tried = Tried::new();
    let mut last = FetchError::NoServer;
    for n in 1..=pool.retry.attempts.max(1) {
        let Some(lease) = pool.balancer.pick(Instant::now(), local.random(), &tried) else {
            break;
        };
        tried.insert(lease.index);
        let began = Instant::now();
        let (result, sent_body) = attempt.run(lease, scratch, &mut body).await;
        let ms = began.elapsed().as_millis() as u64;
        let safe = method.is_idempotent() && !sent_body;
        let more = n < pool.retry.attempts;
        match result {
            Ok(answer) => {
                let status = scratch.head.as_ref().map_or(0, |h| h.status);
                attempt.note(tries, answer.lease.index, status, ms);
                attempt.report(
                    answer.lease.index,
                    Outcome::Answered {
                        status,
                        latency: began.elapsed(),
                    },
                );
                if more && safe && retries_status(pool, status) && attempt.may_retry(&tried) {
                    last = FetchError::Failed(format!("status {status}"));
                    continue;
                }
                return Ok(answer);
            }
            Err((index, failure)) => {
                attempt.note(tries, index, 0, ms);
                let (outcome, retry, error) = judge(failure, pool, safe);
                if let Some(outcome) = outcome {
                    attempt.report(index, outcome);
                }
                log_error!(
                    local.shared,
                    Error,
                    0,
                    "{error} while asking upstream \"{}\", server: {}",
                    pool.name,
                    attempt.text(index)
                );
                last = error;
                if !(retry && more && attempt.may_retry(&tried)) {
                    break;
                }
            }
        }
    }
    Err(last)
}

/// What a failure means for the server, whether another may be tried, and what is said if not.
fn judge(failure: Failure, pool: &PoolPlan, safe: bool) -> (Option<Outcome>, bool, FetchError) {
    match failure {
        Failure::Connect(e) => (
            Some(Outcome::ConnectFailed),
            pool.retry.connect,
            FetchError::Failed(e),
        ),
        Failure::ConnectTimedOut => (
            Some(Outcome::ConnectFailed),
            pool.retry.connect,
            FetchError::ConnectTimedOut,
        ),
        Failure::Stale => {
            let e = FetchError::Failed("connection closed before a response".into());
            (Some(Outcome::Broken), pool.retry.connect && safe, e)
        }
        Failure::Broken(e) => (
            Some(Outcome::Broken),
            pool.retry.connect && safe,
            FetchError::Failed(e),
        ),
        Failure::Invalid(why) => (Some(Outcome::Broken), false, FetchError::Invalid(why)),
        Failure::TimedOut => (
            Some(Outcome::TimedOut),
            pool.retry.timeout && safe,
            FetchError::TimedOut,
        ),
        Failure::Client(e) => (None, false, FetchError::Client(e)),
        Failure::TooLarge => (None, false, FetchError::TooLarge),
    }
}

fn retries_status(pool: &PoolPlan, status: u16) -> bool {
    let bit = match status {
        502 => 1,
        503 => 2,
        504 => 4,
        500 => 8,
        _ => 0,
    };
    pool.retry.statuses & bit != 0
}
