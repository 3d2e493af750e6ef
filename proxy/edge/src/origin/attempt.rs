//! One attempt at one server: connect, send the request, receive the head of the response.

use super::{
    answer::{Answer, HEAD_READ_BYTES, Http1Body, SHORT_READ_BYTES, Source},
    exchange::OutBody,
    fastcgi, http2,
    io::OriginIo,
    preface::preface,
    request::says,
    response::pass_lines,
    upload::{self, Upload, UploadError},
};
use crate::{
    client::ClientError,
    io::ReadBuffer,
    local::Local,
    log_error,
    plan::{OriginPeer, PoolPlan, RetryPlan},
    spool::Spool,
    timer::{Elapsed, Timer},
    tx::{OriginScratch, Try},
};
use seawall_balance::{Lease, Outcome, Tried};
use seawall_conf::model::Timeouts;
use seawall_http::{BodyDecoder, HeadLimits, Method, ResponseHead, ResponseTo, parse_response};
use smallvec::SmallVec;
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};

/// Interim responses (1xx) of one exchange at most.
pub(super) const INTERIM_MAX: usize = 8;

#[derive(Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) local: &'a Local,
    pub(super) timer: &'a Timer,
    pub(super) pool: &'a Arc<PoolPlan>,
    pub(super) method: Method,
    pub(super) timeouts: &'a Timeouts,
    /// Retries in place of the pool's.
    pub(super) retry: Option<&'a RetryPlan>,
    /// Milliseconds that the try under way took to have a connection.
    pub(super) connect_ms: &'a Cell<Option<u32>>,
}

/// What went wrong with one attempt.
pub(super) enum Failure {
    Connect(String),
    ConnectTimedOut,
    /// A kept connection was closed before a byte of the response came: nothing is wrong with the server.
    Stale,
    /// The server has said that it did not look at the request (RFC 9113 §8.7).
    Unprocessed,
    Broken(String),
    Invalid(&'static str),
    TimedOut,
    Client(ClientError),
    TooLarge,
}

/// Whether a response is 304 to a request without a condition, or 206 to one without a range: passed on it would leave
/// the client with nothing, or with a part that looks whole. `request` is the head as it was sent.
pub(super) fn is_unasked(status: u16, request: &[u8]) -> bool {
    match status {
        304 => !says(request, b"if-"),
        206 => !says(request, b"range:"),
        _ => false,
    }
}

/// Reads what has come of a head. While nothing has, no buffer is held: origins may take their time.
fn poll_head(
    cx: &mut Context<'_>,
    local: &Local,
    stream: &mut OriginIo,
    rb: &mut ReadBuffer,
    short: bool,
) -> Poll<std::io::Result<usize>> {
    local.lend_read(rb);
    rb.reserve(HEAD_READ_BYTES);
    let free = rb.free();
    let most = if short {
        free.len().min(SHORT_READ_BYTES)
    } else {
        free.len()
    };
    let mut free = ReadBuf::new(free.get_mut(..most).unwrap_or_default());
    let read = Pin::new(stream).poll_read(cx, &mut free);
    let n = free.filled().len();
    if read.is_pending() && rb.is_empty() {
        local.give_read(rb);
    }
    read.map_ok(|()| n)
}

impl Attempt<'_> {
    pub(super) fn retry(&self) -> &RetryPlan {
        self.retry.unwrap_or(&self.pool.retry)
    }

    pub(super) fn text(&self, index: usize) -> &str {
        self.pool.peers.get(index).map_or("", |p| &p.text)
    }

    /// Keeps what became of a try that began then and took so long.
    pub(super) fn note(
        &self,
        tries: &mut SmallVec<[Try; 2]>,
        index: usize,
        status: u16,
        (began, took): (Instant, Duration),
    ) {
        let connect_ms = self.connect_ms.take();
        if let Some(slot) = self.pool.peers.get(index) {
            tries.push(Try {
                address: slot.text.clone(),
                status,
                began,
                ms: took.as_millis() as u64,
                connect_ms,
            });
        }
    }

    pub(super) fn report(&self, now: Instant, index: usize, outcome: Outcome) {
        if let Some(transition) = self.pool.balancer.report(now, index, outcome) {
            log_error!(
                self.local.shared,
                Warn,
                0,
                "{}",
                transition.sentence(&self.pool.name, self.text(index))
            );
        }
    }

    /// Another server is there, it is not too late, and the budget allows it.
    pub(super) fn may_retry(&self, attempts: u32, started: Instant, tried: &Tried) -> bool {
        let retry = self.retry();
        let is_late = !retry.within.is_zero() && started.elapsed() >= retry.within;
        if attempts >= retry.attempts || is_late || tried.len() >= self.pool.peers.len() {
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
    pub(super) async fn run(
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
        let mut fresh = false;
        loop {
            let made = if self.pool.wire.http2 {
                // Boxed: most requests have no use for its state.
                Box::pin(self.exchange_http2(&peer, fresh, scratch, body, &mut sent_body)).await
            } else {
                self.exchange(&peer, fresh, scratch, body, &mut sent_body)
                    .await
            };
            match made {
                Ok(from) => {
                    let answer = Answer {
                        from,
                        peer,
                        lease,
                        pool: self.pool.clone(),
                        between_bytes: self.timeouts.between_bytes,
                        meter: None,
                    };
                    return (Ok(answer), sent_body);
                }
                Err(Failure::Unprocessed) if !fresh && !sent_body => fresh = true,
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
    ) -> Result<Source, Failure> {
        let metrics = &self.pool.metrics;
        let (mut stream, reused) = self.connection(peer, fresh, body).await?;
        metrics.requests.inc();
        if fastcgi::is_job(&scratch.out) {
            stream = stream.fastcgi(&self.local.shared);
        }
        let mut whole = true;
        match self.send(&mut stream, &scratch.out, body).await {
            Ok(()) => {}
            Err(Failure::Broken(_)) if reused => return Err(Failure::Stale),
            // An origin that refuses a body may answer and close while we still send: its answer counts.
            Err(Failure::Broken(_)) if !body.is_none() => whole = false,
            Err(e) => return Err(e),
        }
        let mut upload = whole.then(|| self.upload(body, sent_body)).flatten();
        let keep = self
            .receive(
                &mut stream,
                scratch,
                reused && !*sent_body,
                body,
                &mut upload,
            )
            .await?;
        let (framing, head_len, status) = match &scratch.head {
            Some(head) => (head.framing, head.len, head.status),
            None => (seawall_http::Framing::None, 0, 0),
        };
        let cut = upload.as_ref().is_some_and(|u| u.is_refused()) || status >= 400;
        whole &= upload.is_none();
        if cut {
            // Whoever refuses reads no more, and it does not help to send it (RFC 9112 §9.5).
            upload = None;
        }
        if let Some((client, _)) = body.asker().filter(|_| cut) {
            client.keep_alive &= client.may_drain();
        }
        Ok(Source::Http1(Http1Body {
            io: stream,
            decoder: BodyDecoder::new(framing),
            body_at: head_len,
            head_len,
            upload: upload.map(Box::new),
            // A body that broke off leaves a connection that cannot carry another request; one that began with a PROXY
            // header is one client's.
            keep: keep && whole && self.pool.wire.proxy_protocol.is_none(),
        }))
    }

    /// What is left to send behind the head, beside the answer.
    fn upload(&self, body: &OutBody<'_>, sent_body: &mut bool) -> Option<Upload> {
        let between = self.timeouts.between_bytes;
        match body {
            OutBody::None | OutBody::Bare { .. } => None,
            OutBody::Held { spool, .. } | OutBody::Kept { spool }
                if spool.in_memory().is_some() =>
            {
                None
            }
            OutBody::Held { spool, .. } | OutBody::Kept { spool } => {
                Some(Upload::held(spool.share(), between))
            }
            OutBody::Client {
                spool,
                chunked,
                limit,
                ..
            } => {
                *sent_body = true;
                let spool = spool.as_ref().map(Spool::share);
                Some(Upload::following(spool, *chunked, *limit, between))
            }
        }
    }

    async fn exchange_http2(
        &self,
        peer: &Arc<OriginPeer>,
        fresh: bool,
        scratch: &mut OriginScratch,
        body: &mut OutBody<'_>,
        sent_body: &mut bool,
    ) -> Result<Source, Failure> {
        let asking = http2::Asking {
            local: self.local,
            timer: self.timer,
            pool: self.pool,
            method: self.method,
            timeouts: self.timeouts,
        };
        let incoming = http2::exchange(&asking, peer, fresh, scratch, body, sent_body).await?;
        // Connections are shared by many requests: what one of them waited for is not told apart.
        self.connect_ms.set(Some(0));
        Ok(Source::Http2(Box::new(incoming)))
    }

    /// A connection that is kept, or a new one; true if it was used before.
    async fn connection(
        &self,
        peer: &Arc<OriginPeer>,
        fresh: bool,
        body: &mut OutBody<'_>,
    ) -> Result<(OriginIo, bool), Failure> {
        let metrics = &self.pool.metrics;
        let certain = !self.method.is_idempotent();
        if !fresh && let Some(io) = self.local.origins.take(self.pool, peer, certain) {
            metrics.reuses.inc();
            self.connect_ms.set(Some(0));
            return Ok((io, true));
        }
        let first = self.pool.wire.proxy_protocol.map(|version| {
            let client = body.asker().map(|(client, _)| &client.info);
            preface(version, client)
        });
        self.timer.set(self.timeouts.connect);
        let began = Instant::now();
        // Boxed: the state of a connect is many times that of a request, and most requests need none.
        let connect = Box::pin(OriginIo::connect(
            peer,
            first.as_deref().unwrap_or_default(),
        ));
        match guard_left(self.timer, body, connect).await? {
            Ok(Ok(io)) => {
                metrics.connects.inc();
                let took = began.elapsed().as_millis();
                self.connect_ms.set(u32::try_from(took).ok());
                Ok((io, false))
            }
            Ok(Err(e)) => {
                metrics.connect_failures.inc();
                Err(Failure::Connect(e))
            }
            Err(_) => {
                metrics.connect_failures.inc();
                metrics.timeouts.inc();
                Err(Failure::ConnectTimedOut)
            }
        }
    }

    /// Sends the head, and a small body that is here already.
    async fn send(
        &self,
        stream: &mut OriginIo,
        head: &[u8],
        body: &OutBody<'_>,
    ) -> Result<(), Failure> {
        let behind = body.held().and_then(Spool::in_memory).unwrap_or_default();
        let mut written = 0;
        let parts = [head, behind, &[]];
        let write = poll_fn(|cx| upload::poll_write_parts(cx, stream, parts, &mut written));
        self.guard(write, self.timeouts.between_bytes).await?;
        self.guard(stream.flush(), self.timeouts.between_bytes)
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

    /// Receives the head of the final response, while the body is sent; whether the connection may be kept.
    async fn receive(
        &self,
        stream: &mut OriginIo,
        scratch: &mut OriginScratch,
        reused: bool,
        body: &mut OutBody<'_>,
        upload: &mut Option<Upload>,
    ) -> Result<bool, Failure> {
        let OriginScratch {
            rb,
            head,
            out,
            asked,
            ..
        } = scratch;
        let head = head.get_or_insert_with(|| Box::new(ResponseHead::new()));
        rb.clear();
        self.timer.set(self.timeouts.first_byte);
        let to = ResponseTo {
            method: self.method,
            upgrade_asked: asked.upgrade,
        };
        let mut interim = 0;
        loop {
            let read = poll_fn(|cx| {
                if let Poll::Ready(read) = poll_head(cx, self.local, stream, rb, asked.splices) {
                    return Poll::Ready(Ok(read));
                }
                self.poll_meanwhile(cx, stream, body, upload).map(Err)
            });
            let n = match read.await {
                Err(failure) => return Err(failure),
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
                    Ok(true) if (100..200).contains(&head.status) && head.status != 101 => {
                        interim += 1;
                        if interim > INTERIM_MAX {
                            return Err(self.invalid("too many interim responses"));
                        }
                        if asked.interim.passes(head.status) {
                            Box::pin(self.pass_interim(head, rb.bytes(), body)).await?;
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

    /// What goes on while an answer is waited for: the body is sent, the client may leave, time passes. Ready with what
    /// ends the waiting.
    fn poll_meanwhile(
        &self,
        cx: &mut Context<'_>,
        stream: &mut OriginIo,
        body: &mut OutBody<'_>,
        upload: &mut Option<Upload>,
    ) -> Poll<Failure> {
        let mut by_client = false;
        if let Some((client, tx)) = body.asker() {
            if let Some(sending) = upload {
                match sending.poll(cx, stream, client, tx, self.timer) {
                    Poll::Ready(Ok(())) => {
                        *upload = None;
                        self.timer.set(self.timeouts.first_byte);
                    }
                    Poll::Ready(Err(UploadError::Refused(_))) => {
                        sending.refuse();
                        self.timer.set(self.timeouts.first_byte);
                    }
                    Poll::Ready(Err(e)) => return Poll::Ready(failed(e)),
                    Poll::Pending => by_client = sending.by_client,
                }
            } else if client.poll_left(tx, cx).is_ready() {
                return Poll::Ready(Failure::Client(ClientError::Left));
            }
        }
        self.timer.poll_elapsed(cx).map(|_| {
            if by_client {
                return Failure::Client(ClientError::Timeout);
            }
            self.pool.metrics.timeouts.inc();
            Failure::TimedOut
        })
    }

    /// Tells the client of an interim response (RFC 9110 §15.2); what follows has its whole time again.
    async fn pass_interim(
        &self,
        head: &ResponseHead,
        bytes: &[u8],
        body: &mut OutBody<'_>,
    ) -> Result<(), Failure> {
        if let Some((client, tx)) = body.asker() {
            let mut lines = Vec::new();
            pass_lines(head.fields(bytes), false, &mut lines);
            let told = client.interim(tx, head.status, &lines).await;
            told.map_err(Failure::Client)?;
        }
        self.timer.set(self.timeouts.first_byte);
        Ok(())
    }

    fn invalid(&self, why: &'static str) -> Failure {
        self.local.shared.metrics.bad_responses.inc();
        Failure::Invalid(why)
    }
}

fn failed(e: UploadError) -> Failure {
    match e {
        UploadError::Client(e) => Failure::Client(e),
        UploadError::TooLarge => Failure::TooLarge,
        UploadError::Refused(e) | UploadError::Lost(e) => Failure::Broken(e.to_string()),
    }
}

/// Runs a future until the timer's deadline, unless the client who asks leaves before.
pub(super) async fn guard_left<F: Future>(
    timer: &Timer,
    body: &mut OutBody<'_>,
    future: F,
) -> Result<Result<F::Output, Elapsed>, Failure> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(Ok(value)));
        }
        if let Some((client, tx)) = body.asker()
            && client.poll_left(tx, cx).is_ready()
        {
            return Poll::Ready(Err(Failure::Client(ClientError::Left)));
        }
        timer.poll_elapsed(cx).map(|late| Ok(Err(late)))
    })
    .await
}
