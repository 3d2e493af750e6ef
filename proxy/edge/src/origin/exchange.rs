//! One exchange with a pool: a server chosen, a connection, the request sent, a response head received; on failure
//! another server where that is safe.

use crate::{
    client::{Client, ClientError},
    local::Local,
    log_error,
    plan::{OriginPeer, PoolPlan},
    spool::Spool,
    timer::Timer,
    tx::{OriginScratch, Try, Tx},
};
use pingora_core::protocols::Stream;
use seawall_balance::{Lease, Outcome, Tried};
use seawall_conf::model::Timeouts;
use seawall_http::{
    BodyDecoder, HeadLimits, Method, ResponseHead, ResponseTo, encode, parse_response,
};
use smallvec::SmallVec;
use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Interim responses (1xx) of one exchange at most.
const INTERIM_MAX: usize = 8;
/// First read of a response.
const HEAD_READ_BYTES: usize = 4 * 1024;
/// Read size of bodies: at 64 KiB bodies the read size is everything.
const BODY_READ_BYTES: usize = 64 * 1024;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No server is left to try.
    #[error("no live upstreams")]
    NoServer,
    /// The last server could not be reached or broke off.
    #[error("upstream failed: {0}")]
    Failed(String),
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
            FetchError::TimedOut => 504,
            FetchError::TooLarge => 413,
            FetchError::Client(ClientError::Body(_)) => 400,
            FetchError::Client(ClientError::Timeout) => 408,
            _ => 502,
        }
    }
}

/// The body to send.
pub enum OutBody<'a> {
    /// None.
    None,
    /// All of it is here: it can be sent again.
    Spooled(&'a Spool),
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

/// A response head has come; its body follows on the same connection.
pub struct Answer {
    stream: Stream,
    peer: Arc<OriginPeer>,
    lease: Lease,
    pool: Arc<PoolPlan>,
    decoder: BodyDecoder,
    body_at: usize,
    head_len: usize,
    keep: bool,
    between_bytes: Duration,
}

struct Attempt<'a> {
    local: &'a Local,
    timer: &'a Timer,
    pool: &'a Arc<PoolPlan>,
    method: Method,
    timeouts: &'a Timeouts,
}

/// What went wrong with one attempt.
enum Failure {
    Connect(String),
    /// A kept connection was closed before a byte of the response came: nothing is wrong with the server.
    Stale,
    Broken(String),
    Invalid(&'static str),
    TimedOut,
    Client(ClientError),
    TooLarge,
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

/// Whether a response is 304 to a request without a condition, or 206 to one without a range: passed on it would leave
/// the client with nothing, or with a part that looks whole. `request` is the head as it was sent.
fn is_unasked(status: u16, request: &[u8]) -> bool {
    let has = |prefix: &[u8]| {
        request.split(|b| *b == b'\n').any(|line| {
            line.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        })
    };
    match status {
        304 => !has(b"if-"),
        206 => !has(b"range:"),
        _ => false,
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

impl Attempt<'_> {
    fn text(&self, index: usize) -> &str {
        self.pool.peers.get(index).map_or("", |p| &p.text)
    }

    fn note(&self, tries: &mut SmallVec<[Try; 2]>, index: usize, status: u16, ms: u64) {
        if let Some(slot) = self.pool.peers.get(index) {
            tries.push(Try {
                address: slot.text.clone(),
                status,
                ms,
            });
        }
    }

    fn report(&self, index: usize, outcome: Outcome) {
        if let Some(transition) = self.pool.balancer.report(Instant::now(), index, outcome) {
            log_error!(
                self.local.shared,
                Warn,
                0,
                "{}",
                transition.sentence(&self.pool.name, self.text(index))
            );
        }
    }

    /// Another server is there, and the budget allows it.
    fn may_retry(&self, tried: &Tried) -> bool {
        if tried.len() >= self.pool.peers.len() {
            return false;
        }
        let allowed = self.pool.balancer.allow_retry(Instant::now());
        let metrics = &self.local.shared.metrics;
        if allowed {
            metrics.retries.inc()
        } else {
            metrics.retries_denied.inc()
        }
        allowed
    }

    /// One attempt at one server; a kept connection that turns out to be closed is replaced once.
    async fn run(
        &self,
        lease: Lease,
        scratch: &mut OriginScratch,
        body: &mut OutBody<'_>,
    ) -> (Result<Answer, (usize, Failure)>, bool) {
        let index = lease.index;
        let mut sent_body = false;
        let Some(peer) = self.pool.peers.get(index).and_then(|s| s.peer()) else {
            return (
                Err((index, Failure::Connect("host not found".into()))),
                false,
            );
        };
        let mut fresh = self.pool.keepalive == 0;
        loop {
            match self
                .exchange(&peer, fresh, scratch, body, &mut sent_body)
                .await
            {
                Ok((stream, keep)) => {
                    let head = scratch.head.as_ref();
                    let framing = head.map_or(seawall_http::Framing::None, |h| h.framing);
                    let head_len = head.map_or(0, |h| h.len);
                    let answer = Answer {
                        stream,
                        peer,
                        lease,
                        pool: self.pool.clone(),
                        decoder: BodyDecoder::new(framing),
                        body_at: head_len,
                        head_len,
                        keep,
                        between_bytes: self.timeouts.between_bytes,
                    };
                    return (Ok(answer), sent_body);
                }
                Err(Failure::Stale) if !fresh && !sent_body && self.method.is_idempotent() => {
                    fresh = true
                }
                Err(failure) => return (Err((index, failure)), sent_body),
            }
        }
    }

    async fn exchange(
        &self,
        peer: &Arc<OriginPeer>,
        fresh: bool,
        scratch: &mut OriginScratch,
        body: &mut OutBody<'_>,
        sent_body: &mut bool,
    ) -> Result<(Stream, bool), Failure> {
        let metrics = &self.pool.metrics;
        let (mut stream, reused) = match self.local.origins.get(peer, fresh).await {
            Ok(made) => made,
            Err(e) => {
                metrics.connect_failures.inc();
                return Err(Failure::Connect(e));
            }
        };
        if reused {
            metrics.reuses.inc()
        } else {
            metrics.connects.inc()
        }
        metrics.requests.inc();
        let sent = self.send(&mut stream, &scratch.out, body, sent_body).await;
        let whole = sent.is_ok();
        match sent {
            Ok(()) => {}
            Err(Failure::Broken(_)) if reused && !*sent_body => return Err(Failure::Stale),
            // An origin that refuses a body may answer and close while we still send: its answer counts.
            Err(Failure::Broken(_)) if *sent_body => {}
            Err(e) => return Err(e),
        }
        let keep = self.receive(&mut stream, scratch, reused).await?;
        // A body that broke off leaves a connection that cannot carry another request.
        Ok((stream, keep && whole))
    }

    async fn send(
        &self,
        stream: &mut Stream,
        head: &[u8],
        body: &mut OutBody<'_>,
        sent_body: &mut bool,
    ) -> Result<(), Failure> {
        self.write(stream, head).await?;
        match body {
            OutBody::None => {}
            OutBody::Spooled(spool) => self.write_spool(stream, spool, false).await?,
            OutBody::Client {
                client,
                tx,
                spool,
                chunked,
                limit,
            } => {
                *sent_body = true;
                if let Some(spool) = spool {
                    self.write_spool(stream, spool, *chunked).await?;
                }
                while let Some(range) = client.next_chunk(tx).await.map_err(Failure::Client)? {
                    if limit.is_some_and(|limit| tx.body_read > limit) {
                        client.keep_alive = false;
                        return Err(Failure::TooLarge);
                    }
                    let data = tx.rb.bytes().get(range).unwrap_or_default();
                    self.write_chunk(stream, data, *chunked).await?;
                }
                if *chunked {
                    self.write(stream, encode::LAST_CHUNK).await?;
                }
            }
        }
        self.guard(stream.flush(), self.timeouts.between_bytes)
            .await
    }

    async fn write_spool(
        &self,
        stream: &mut Stream,
        spool: &Spool,
        chunked: bool,
    ) -> Result<(), Failure> {
        let mut at = 0;
        while at < spool.len() {
            let piece = spool
                .piece(at, BODY_READ_BYTES)
                .map_err(|e| Failure::Broken(e.to_string()))?;
            at += piece.len() as u64;
            self.write_chunk(stream, &piece, chunked).await?;
        }
        Ok(())
    }

    async fn write_chunk(
        &self,
        stream: &mut Stream,
        data: &[u8],
        chunked: bool,
    ) -> Result<(), Failure> {
        if !chunked {
            return self.write(stream, data).await;
        }
        let mut framed = Vec::with_capacity(data.len() + 16);
        encode::chunk_head(&mut framed, data.len());
        framed.extend_from_slice(data);
        framed.extend_from_slice(encode::CHUNK_END);
        self.write(stream, &framed).await
    }

    async fn write(&self, stream: &mut Stream, bytes: &[u8]) -> Result<(), Failure> {
        self.guard(stream.write_all(bytes), self.timeouts.between_bytes)
            .await
    }

    async fn guard<T>(
        &self,
        io: impl Future<Output = std::io::Result<T>>,
        limit: Duration,
    ) -> Result<T, Failure> {
        self.timer.set(limit);
        match self.timer.guard(io).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(e)) => Err(Failure::Broken(e.to_string())),
            Err(_) => {
                self.pool.metrics.timeouts.inc();
                Err(Failure::TimedOut)
            }
        }
    }

    /// Receives the head of the final response; whether the connection may be kept.
    async fn receive(
        &self,
        stream: &mut Stream,
        scratch: &mut OriginScratch,
        reused: bool,
    ) -> Result<bool, Failure> {
        let OriginScratch { rb, head, out } = scratch;
        let head = head.get_or_insert_with(|| Box::new(ResponseHead::new()));
        rb.clear();
        self.timer.set(self.timeouts.first_byte);
        let to = ResponseTo {
            method: self.method,
            upgrade_asked: false,
        };
        let mut interim = 0;
        loop {
            rb.reserve(HEAD_READ_BYTES);
            let read = self.timer.guard(stream.read(rb.free())).await;
            let n = match read {
                Err(_) => {
                    self.pool.metrics.timeouts.inc();
                    return Err(Failure::TimedOut);
                }
                Ok(Err(_)) | Ok(Ok(0)) if reused && rb.is_empty() && interim == 0 => {
                    return Err(Failure::Stale);
                }
                Ok(Ok(0)) => {
                    return Err(Failure::Broken(
                        "upstream prematurely closed connection".into(),
                    ));
                }
                Ok(Err(e)) => return Err(Failure::Broken(e.to_string())),
                Ok(Ok(n)) => n,
            };
            rb.filled(n);
            while !rb.is_empty() {
                match parse_response(rb.bytes(), &to, &HeadLimits::default(), head) {
                    Ok(false) => break,
                    Ok(true) if (100..200).contains(&head.status) => {
                        interim += 1;
                        if interim > INTERIM_MAX {
                            return Err(self.invalid("too many interim responses"));
                        }
                        rb.consume(head.len);
                    }
                    Ok(true) if is_unasked(head.status, out) => {
                        return Err(self.invalid("a status that this request cannot have"));
                    }
                    Ok(true) => return Ok(head.keep_alive),
                    Err(bad) => return Err(self.invalid(bad.as_str())),
                }
            }
        }
    }

    fn invalid(&self, why: &'static str) -> Failure {
        self.local.shared.metrics.bad_responses.inc();
        Failure::Invalid(why)
    }
}

impl Answer {
    /// Whether the body has been read to its end.
    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// The next piece of the body as a range of `rb`; `None` at its end.
    pub async fn next(
        &mut self,
        timer: &Timer,
        rb: &mut crate::io::ReadBuffer,
    ) -> Result<Option<Range<usize>>, FetchError> {
        loop {
            let unread = rb.bytes().get(self.body_at..).unwrap_or_default();
            if !unread.is_empty() || self.decoder.is_done() {
                let decoded = self
                    .decoder
                    .decode(unread)
                    .map_err(|e| FetchError::Invalid(e.as_str()))?;
                let start = self.body_at + decoded.data.start;
                let data = start..start + decoded.data.len();
                self.body_at += decoded.consumed;
                if !data.is_empty() {
                    return Ok(Some(data));
                }
                if self.decoder.is_done() {
                    return Ok(None);
                }
                if decoded.consumed > 0 {
                    continue;
                }
            }
            if self.body_at == rb.len() {
                rb.truncate(self.head_len);
                self.body_at = self.head_len;
            }
            let large = self
                .decoder
                .remaining_hint()
                .is_none_or(|n| n > HEAD_READ_BYTES as u64);
            rb.reserve(if large {
                BODY_READ_BYTES
            } else {
                HEAD_READ_BYTES
            });
            timer.set(self.between_bytes);
            let n = match timer.guard(self.stream.read(rb.free())).await {
                Err(_) => return Err(FetchError::TimedOut),
                Ok(Err(e)) => return Err(FetchError::Failed(e.to_string())),
                Ok(Ok(n)) => n,
            };
            if n == 0 {
                self.keep = false;
                self.decoder
                    .on_eof()
                    .map_err(|e| FetchError::Invalid(e.as_str()))?;
                return Ok(None);
            }
            rb.filled(n);
        }
    }

    /// Hands on what has been read already, without waiting. True if that was all of the body.
    pub fn take_buffered(
        &mut self,
        rb: &mut crate::io::ReadBuffer,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<bool, FetchError> {
        loop {
            let unread = rb.bytes().get(self.body_at..).unwrap_or_default();
            let decoded = self
                .decoder
                .decode(unread)
                .map_err(|e| FetchError::Invalid(e.as_str()))?;
            let data = unread.get(decoded.data.clone()).unwrap_or_default();
            if !data.is_empty() {
                take(data);
            }
            self.body_at += decoded.consumed;
            if self.decoder.is_done() || decoded.consumed == 0 {
                return Ok(self.decoder.is_done());
            }
        }
    }

    /// Gives the connection back, if its response was read whole and nothing unasked for came behind it.
    pub fn finish(self, local: &Local, rb: &crate::io::ReadBuffer) {
        if self.keep
            && self.decoder.is_done()
            && self.body_at == rb.len()
            && self.pool.keepalive > 0
        {
            local
                .origins
                .give(self.stream, &self.peer, self.pool.keepalive_timeout);
        }
        drop(self.lease);
    }
}
