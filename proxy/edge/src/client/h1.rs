//! A client's HTTP/1 connection: parked without a buffer between requests, one boxed future while requests run.

use super::{BodyState, Length, Reply};
use crate::{
    io::Io,
    local::Local,
    log::privacy,
    log_error, pipeline,
    step::Step,
    timer::Timer,
    tx::{ConnInfo, Tx},
};
use seawall_http::{Framing, Refusal, parse_request};
use std::{future::poll_fn, io, rc::Rc, task::Poll, time::Duration};

/// A connection could not go on; nothing more can be said to the client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It closed.
    #[error("client closed the connection")]
    Closed,
    /// It closed after its whole request, while the answer was waited for.
    #[error("client prematurely closed connection, so upstream connection is closed too")]
    Left,
    /// A deadline passed.
    #[error("client timed out")]
    Timeout,
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The body was not HTTP.
    #[error("invalid request body: {0}")]
    Body(seawall_http::BodyError),
    /// The origin broke off when part of the response had been sent.
    #[error("upstream prematurely closed connection")]
    Truncated,
    /// nginx's 444.
    #[error("closed by configuration")]
    Dropped,
}

/// A client's connection.
pub struct Client {
    /// The socket.
    pub io: Io,
    /// Its deadline.
    pub timer: Rc<Timer>,
    /// What is known of it.
    pub info: ConnInfo,
    /// The body of the request being served.
    pub body: BodyState,
    /// Whether it goes on after this response.
    pub keep_alive: bool,
    /// Whether the response is sent in chunks.
    pub chunked: bool,
    /// Whether the response body is left out (HEAD, 204, 304).
    pub bodiless: bool,
    /// Whether its request is given up when it closes before the answer.
    pub abandons: bool,
    /// Bounds on the speed of its response.
    pub pace: Option<super::Pace>,
    /// The longest a write or a read of the body may take.
    pub timeout: Duration,
    /// How long it may idle after this request.
    pub idle: Duration,
    /// When its last response was sent (ms since 1970).
    answered_ms: u64,
    /// Whether its last request came soon after the response before it.
    brisk: bool,
}

enum Next {
    Park,
    Close,
    /// The client speaks HTTP/2; what was read of its preface.
    Http2(crate::io::ReadBuffer),
}

/// Bytes read and dropped before a connection with an unread body is closed, so that the response is not lost to a
/// reset (nginx: `lingering_close`).
const LINGER_BYTES: usize = 256 * 1024;
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// A request that comes so soon after the last response makes its connection a brisk one.
const BRISK_MS: u64 = 50;

/// Serves a connection until it ends.
pub async fn serve(local: Rc<Local>, io: Io, info: ConnInfo) {
    let mut client = Client::new(&local, io, info);
    // The last bytes of a TLS handshake may have brought the first request: it is decrypted already, and the socket
    // would never become readable for it.
    let mut may_be_here = client.info.tls;
    loop {
        if !std::mem::take(&mut may_be_here) && !client.park().await {
            break;
        }
        // The state of running requests lives only as long as they do: a parked connection is a few hundred bytes.
        match Box::pin(active(&local, &mut client)).await {
            Next::Park => {}
            Next::Close => break,
            Next::Http2(first) => {
                let Client { io, info, .. } = client;
                return Box::pin(super::h2::serve(local, io, info, first)).await;
            }
        }
    }
    client.timer.set(Duration::from_secs(1));
    let Client { io, timer, .. } = &mut client;
    let _ = timer.guard(poll_fn(|cx| io.poll_shutdown(cx))).await;
}

async fn active(local: &Rc<Local>, client: &mut Client) -> Next {
    let mut tx = local.take_tx();
    let next = requests(local, client, &mut tx).await;
    local.give_tx(tx);
    next
}

/// Serves requests while there are bytes.
async fn requests(local: &Rc<Local>, client: &mut Client, tx: &mut Tx) -> Next {
    let mut lingers = false;
    loop {
        tx.step = Step::Head;
        let plan = local.plan();
        match client.read_head(tx, &plan, lingers).await {
            HeadRead::Complete => {}
            HeadRead::Idle => return Next::Park,
            HeadRead::Gone => return Next::Close,
            HeadRead::Refused(_) if client.is_preface(tx, &plan) => {
                return Next::Http2(std::mem::take(&mut tx.rb));
            }
            HeadRead::Refused(refusal) => {
                client.refuse(local, tx, &plan, refusal).await;
                return Next::Close;
            }
            HeadRead::Late => {
                local.shared.metrics.timeouts.head.inc();
                log_error!(
                    local.shared,
                    Info,
                    client.info.serial,
                    "client timed out while reading client request head, client: {}",
                    client.info.peer_text
                );
                client.keep_alive = false;
                client.chunked = false;
                client.bodiless = false;
                let reply = Reply::error(408);
                let _ = client.reply(local, tx, None, None, reply).await;
                return Next::Close;
            }
        }
        // The head may have been waited for: the request begins now, and on the plan that is live now.
        drop(plan);
        let plan = local.plan();
        client.prepare(local, tx, &plan);
        lingers = client.brisk;
        let served = pipeline::run(local, client, tx, &plan).await;
        if let Err(e) = &served {
            note_failure(local, client, tx, e);
        }
        let keep = served.is_ok() && client.finish_body(tx).await;
        drop(plan);
        if !keep {
            if served.is_ok() {
                client.linger(tx).await;
            }
            return Next::Close;
        }
        client.answered_ms = tx.ended_ms;
        let taken = tx.body_at;
        tx.rb.consume(taken);
        tx.reset();
        local.give_read(&mut tx.origin.rb);
        if local.timers.leaves_parked() {
            return Next::Close;
        }
    }
}

pub(super) fn note_failure(local: &Local, client: &Client, tx: &Tx, error: &ClientError) {
    let metrics = &local.shared.metrics;
    if matches!(error, ClientError::Timeout) {
        if tx.status == 0 {
            metrics.timeouts.body.inc()
        } else {
            metrics.timeouts.write.inc()
        }
    }
    log_error!(
        local.shared,
        Info,
        client.info.serial,
        "{error} at step {}, client: {}, request: \"{} {}\"",
        tx.step.as_str(),
        client.info.peer_text,
        String::from_utf8_lossy(tx.method_text()),
        privacy::shown(
            tx.request_uri(),
            local.plan().config.syntax == seawall_conf::model::Syntax::Yaml
        )
    );
}

enum HeadRead {
    Complete,
    Idle,
    Gone,
    Late,
    Refused(Refusal),
}

impl Client {
    /// A client on `io` that came through a listener.
    pub fn new(local: &Local, io: Io, info: ConnInfo) -> Self {
        Self {
            io,
            timer: local.timers.timer(),
            info,
            body: BodyState::default(),
            keep_alive: true,
            chunked: false,
            bodiless: false,
            abandons: false,
            pace: None,
            timeout: Duration::from_secs(60),
            idle: local.plan().head_timeout,
            answered_ms: 0,
            brisk: false,
        }
    }

    /// A client that is nobody: to route a request that was never sent.
    pub fn nobody(local: &Local, listener: u32, tls: bool) -> io::Result<Self> {
        let (nowhere, _) = tokio::net::UnixStream::pair()?;
        let info = ConnInfo {
            since_ms: crate::clock::now_ms(),
            serial: 0,
            requests: 0,
            proxied: None,
            peer: None,
            peer_text: String::new(),
            local: None,
            tls,
            listener,
            clients: None,
        };
        Ok(Self::new(local, Io::Unix(nowhere), info))
    }

    /// Waits for the next request without a buffer. False when the connection is over.
    async fn park(&mut self) -> bool {
        self.timer.set(self.idle);
        self.timer.set_parked(true);
        let Client { io, timer, .. } = self;
        let ready = poll_fn(|cx| match io.poll_readable(cx) {
            Poll::Ready(r) => Poll::Ready(r.is_ok()),
            Poll::Pending if timer.leaves_parked() => Poll::Ready(false),
            Poll::Pending => timer.poll_elapsed(cx).map(|_| false),
        })
        .await;
        self.timer.set_parked(false);
        ready
    }

    /// Reads until a head is whole. One deadline runs from its first byte to its last.
    ///
    /// A connection that `lingers` has just been answered and is brisk: its next request is waited for a tick or two before
    /// it is parked, because to take a busy connection's state apart and put it together again for every request costs
    /// more than to keep it that long.
    async fn read_head(
        &mut self,
        tx: &mut Tx,
        plan: &crate::plan::Plan,
        lingers: bool,
    ) -> HeadRead {
        let mut timed = false;
        // How much has been looked at: a head cannot end in bytes without a line feed, so they are not parsed again and
        // again when they come one at a time.
        let mut seen = 0;
        loop {
            let unseen = tx.rb.bytes().get(seen..).unwrap_or_default();
            let worth = memchr::memchr(b'\n', unseen).is_some()
                || tx.rb.len() > plan.head_limits.head_bytes;
            if !tx.rb.is_empty() {
                if !timed {
                    timed = true;
                    tx.started_ms = crate::clock::now_ms();
                    tx.now_ms = tx.started_ms;
                    self.timer.set(plan.head_timeout);
                }
                seen = tx.rb.len();
            }
            if worth {
                let Tx { rb, head, .. } = tx;
                match parse_request(rb.bytes(), plan.policy, &plan.head_limits, head) {
                    Ok(true) => return HeadRead::Complete,
                    Ok(false) => {}
                    Err(refusal) => return HeadRead::Refused(refusal),
                }
            }
            tx.rb
                .reserve(if tx.rb.is_empty() { 1 } else { tx.rb.len() });
            let first = tx.rb.is_empty();
            if first && lingers {
                self.timer.set(Duration::ZERO);
            }
            let Client { io, timer, .. } = self;
            let read = poll_fn(|cx| match io.poll_read(cx, &mut tx.rb) {
                Poll::Ready(r) => Poll::Ready(Some(r)),
                // Nothing there at all: the connection goes back to its parking place.
                Poll::Pending if first && lingers && !timer.is_draining() => {
                    timer.poll_elapsed(cx).map(|_| None)
                }
                Poll::Pending if first => Poll::Ready(None),
                Poll::Pending => timer
                    .poll_elapsed(cx)
                    .map(|_| Some(Err(io::ErrorKind::TimedOut.into()))),
            })
            .await;
            match read {
                None => return HeadRead::Idle,
                Some(Ok(0)) => return HeadRead::Gone,
                // The head's last byte counts as now; one that came in one piece needs no second look at the clock.
                Some(Ok(_)) if timed => tx.now_ms = crate::clock::now_ms(),
                Some(Ok(_)) => {}
                Some(Err(e)) if e.kind() == io::ErrorKind::TimedOut => return HeadRead::Late,
                Some(Err(_)) => return HeadRead::Gone,
            }
        }
    }

    /// Sets up what a request starts with.
    pub fn prepare(&mut self, local: &Local, tx: &mut Tx, plan: &crate::plan::Plan) {
        tx.step = Step::Client;
        tx.body_at = tx.head.len;
        tx.user.resize(plan.user_slots, None);
        self.info.requests += 1;
        self.brisk = tx.started_ms.saturating_sub(self.answered_ms) < BRISK_MS;
        self.keep_alive = tx.head.keep_alive && !local.timers.is_draining();
        self.chunked = false;
        self.abandons = false;
        self.pace = None;
        self.bodiless = tx.is_head();
        self.body.begin(tx.head.framing, tx.head.expect_continue);
        let bytes = tx.rb.bytes();
        let host = tx.head.host.of(bytes);
        let name = seawall_http::uri::split_host_port(host).map_or(host, |(name, _)| name);
        tx.host
            .extend_from_slice(name.strip_suffix(b".").unwrap_or(name));
        tx.host.make_ascii_lowercase();
        if let Some(peer) = self.info.peer {
            tx.client = Some(peer.ip());
        }
        if let Some(identity) = &plan.identity {
            crate::access::identity::apply(tx, identity);
        }
    }

    /// Whether what was refused as HTTP/1 is the preface of HTTP/2, spoken by prior knowledge (RFC 9113 §3.3). Asked only
    /// of heads that were refused, and over TLS never: there ALPN decides.
    fn is_preface(&self, tx: &Tx, plan: &crate::plan::Plan) -> bool {
        let read = tx.rb.bytes();
        let preface = seawall_http::http2::PREFACE;
        self.info.requests == 0
            && !self.info.tls
            && (read.starts_with(preface) || preface.starts_with(read))
            && plan.listener(self.info.listener).is_some_and(|l| l.http2)
    }

    /// Answers a refused head: its status, one line, one counter, and the connection is over.
    pub(super) async fn refuse(
        &mut self,
        local: &Rc<Local>,
        tx: &mut Tx,
        plan: &crate::plan::Plan,
        refusal: Refusal,
    ) {
        local.shared.metrics.refused(refusal);
        let text = format!(
            "client sent invalid request head: {}, client: {}, server: {}",
            refusal.as_str(),
            self.info.peer_text,
            self.info.local.map_or_else(String::new, |a| a.to_string())
        );
        // nginx says it at `info`, where those who come from nginx have filters for it; ours is to be seen.
        match plan.policy {
            seawall_http::Policy::Nginx => {
                log_error!(local.shared, Info, self.info.serial, "{text}")
            }
            seawall_http::Policy::Rfc => {
                log_error!(local.shared, Error, self.info.serial, "{text}")
            }
        }
        self.chunked = false;
        self.bodiless = false;
        self.keep_alive = false;
        self.info.requests += 1;
        // What could not be parsed is not looked at again: no templates over it, no access log line of it.
        let reply = Reply::error(refusal.status());
        let sent = self.reply(local, tx, None, None, reply).await;
        if local.shared.tail.is_watched() {
            let ended = crate::tail::Ended {
                site: None,
                route: None,
                reached: Step::Head,
                refused: Some(refusal.as_str()),
            };
            crate::tail::tell(local, &self.info, tx, plan, &ended);
        }
        if sent.is_ok() {
            self.linger(tx).await;
        }
    }

    /// Reads and drops a little, so that the response reaches the client before a reset does.
    async fn linger(&mut self, tx: &mut Tx) {
        if self.io.is_stream() {
            return;
        }
        let Client { io, timer, .. } = self;
        if poll_fn(|cx| match io.poll_shutdown(cx) {
            Poll::Ready(r) => Poll::Ready(r.is_ok()),
            Poll::Pending => Poll::Ready(true),
        })
        .await
        {
            timer.set(LINGER_TIMEOUT);
            let mut left = LINGER_BYTES;
            while left > 0 {
                tx.rb.clear();
                tx.rb.reserve(4096);
                match timer
                    .guard(poll_fn(|cx| io.poll_read(cx, &mut tx.rb)))
                    .await
                {
                    Ok(Ok(n)) if n > 0 => left = left.saturating_sub(n),
                    _ => break,
                }
            }
        }
    }

    /// Writes two parts, together where they fit.
    pub async fn write(&mut self, a: &[u8], b: &[u8]) -> Result<(), ClientError> {
        self.timer.set(self.timeout);
        let mut cursor = 0;
        let Client { io, timer, .. } = self;
        match timer
            .guard(poll_fn(|cx| io.poll_write_all(cx, &mut cursor, a, b)))
            .await
        {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(e.into()),
            Err(_) => Err(ClientError::Timeout),
        }
    }

    /// Answers in one go.
    pub async fn reply(
        &mut self,
        local: &Local,
        tx: &mut Tx,
        site: Option<&crate::plan::SitePlan>,
        route: Option<&crate::plan::RoutePlan>,
        reply: Reply<'_>,
    ) -> Result<(), ClientError> {
        let reply = super::grpc::translate(tx, reply);
        let body = super::respond::compose(tx, site, route, &reply);
        self.head(
            local,
            tx,
            site,
            route,
            reply.status,
            Length::Known(body.len() as u64),
        );
        self.last(tx, &body).await
    }
}

/// Whether a framing carries a body.
pub fn has_body(framing: Framing) -> bool {
    !matches!(framing, Framing::None | Framing::Length(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F, A>(_: fn(A) -> F) -> usize {
        size_of::<F>()
    }

    fn parked() -> usize {
        size(|(local, io, info): (Rc<Local>, Io, ConnInfo)| serve(local, io, info))
    }

    // Named, so that the future borrows for one lifetime.
    #[allow(clippy::extra_unused_lifetimes)]
    fn running<'a>() -> usize {
        size(|(local, client): (&'a Rc<Local>, &'a mut Client)| active(local, client))
    }

    #[test]
    fn a_parked_connection_and_a_running_request_are_small() {
        // An idle connection is to cost at most 4 KiB with its task, timer and registration; a slow one little more.
        assert!(parked() <= 1024, "{} bytes", parked());
        assert!(running() + size_of::<Tx>() <= 4096, "{} bytes", running());
    }
}
