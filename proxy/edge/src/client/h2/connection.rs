//! The task of one connection: takes streams, drains what was collected, keeps the deadlines.

use super::{
    CONNECTION_WINDOW_BYTES, STREAM_BUFFER_BYTES, STREAM_WINDOW_BYTES,
    deferred::Deferred,
    hub::Hub,
    task,
    watch::{Flood, Stop, Watch},
};
use crate::{
    io::{Io, ReadBuffer},
    local::Local,
    log_error,
    plan::Plan,
    thread::watched,
    timer::Timer,
    tx::ConnInfo,
};
use bytes::Bytes;
use h2::{Reason, server};
use std::{
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::task::spawn_local;

/// A connection without a request for so long gives its memory back; `keepalive` counts from then.
const PARK_AFTER: Duration = Duration::from_secs(1);
/// How long the last frames of a connection may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// Bytes read and dropped after a GOAWAY, so that it reaches the client before a reset does.
const LINGER_BYTES: usize = 256 * 1024;

/// What the connection waits for, and so which deadline it has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The next request, which may come at once.
    Idle,
    /// The next request, with what it would use given back.
    Parked,
    /// The rest of a header block.
    Head,
    /// Room in the socket, after so many bytes.
    Write(u64),
    /// Its streams, which have deadlines of their own.
    Busy,
    /// Its last frames.
    Closing,
}

/// How a connection ended.
enum End {
    /// As both sides wished, or the client simply left.
    Quiet,
    /// It was ended here; the client may still be sending.
    Refused,
}

struct Connection {
    local: Rc<Local>,
    hub: Rc<Hub>,
    wire: Deferred,
    h2: server::Connection<Deferred, Bytes>,
    timer: Rc<Timer>,
    phase: Phase,
    /// The deadline set for it.
    limit: Duration,
    head_timeout: Duration,
    drained: bool,
    /// A flood was answered.
    calmed: bool,
}

/// Serves a connection that speaks HTTP/2, from its preface on; `first` was read already.
pub async fn serve(local: Rc<Local>, io: Io, info: ConnInfo, first: ReadBuffer) {
    let plan = local.plan();
    local.shared.metrics.http2.connections.inc();
    let watch = Watch::new(
        &plan.http2,
        plan.head_limits.head_bytes,
        crate::clock::now_ms(),
    );
    let wire = Deferred::new(io, first, watch);
    let timer = local.timers.timer();
    // A drain wakes it whatever it waits for.
    timer.set_parked(true);
    timer.set(plan.head_timeout);
    let end = match shake_hands(&plan, &wire, &timer).await {
        Some(Ok(h2)) => {
            let hub = Hub::new(local.clone(), info, plan.http2.streams, plan.head_timeout);
            let mut connection = Connection {
                local: local.clone(),
                hub: Rc::new(hub),
                wire: wire.clone(),
                h2,
                timer: timer.clone(),
                phase: Phase::Busy,
                limit: Timer::FAR,
                head_timeout: plan.head_timeout,
                drained: false,
                calmed: false,
            };
            drop(plan);
            poll_fn(|cx| connection.poll(cx)).await
        }
        Some(Err(e)) => {
            local.shared.metrics.http2.errors.inc();
            let who = &info.peer_text;
            log_error!(
                local.shared,
                Info,
                info.serial,
                "client sent no HTTP/2 preface: {e}, client: {who}"
            );
            End::Refused
        }
        None => {
            local.shared.metrics.timeouts.head.inc();
            let who = &info.peer_text;
            log_error!(
                local.shared,
                Info,
                info.serial,
                "client timed out before the HTTP/2 preface, client: {who}"
            );
            End::Quiet
        }
    };
    goodbye(&wire, &timer, matches!(end, End::Refused)).await;
}

/// Sends our SETTINGS and reads the preface; `None` when it does not come in time.
async fn shake_hands(
    plan: &Plan,
    wire: &Deferred,
    timer: &Timer,
) -> Option<Result<server::Connection<Deferred, Bytes>, h2::Error>> {
    let limits = &plan.http2;
    let mut builder = server::Builder::new();
    builder
        .max_concurrent_streams(limits.streams)
        .enable_connect_protocol()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(STREAM_BUFFER_BYTES)
        // Ours answers 431 with a line in the log; h2's is behind it.
        .max_header_list_size(plan.head_limits.head_bytes.saturating_mul(2).min(1 << 24) as u32)
        .max_concurrent_reset_streams(limits.resets as usize)
        .max_pending_accept_reset_streams(limits.resets as usize)
        .max_local_error_reset_streams(Some(limits.resets as usize));
    let mut handshake = pin!(builder.handshake::<_, Bytes>(wire.clone()));
    poll_fn(|cx| {
        let polled = handshake.as_mut().poll(cx);
        // An error shows with the next read; there is nothing to say that h2 would not.
        let _ = wire.drain(cx);
        match polled {
            Poll::Ready(made) => Poll::Ready(Some(made)),
            Poll::Pending => timer.poll_elapsed(cx).map(|_| None),
        }
    })
    .await
}

/// Says goodbye, and lets the client read what was said before the socket closes over what it still sends.
async fn goodbye(wire: &Deferred, timer: &Timer, lingers: bool) {
    timer.set(GOODBYE);
    let _ = timer.guard(poll_fn(|cx| wire.drain(cx))).await;
    let _ = timer.guard(poll_fn(|cx| wire.poll_goodbye(cx))).await;
    if lingers {
        let mut left = LINGER_BYTES;
        while left > 0 {
            match timer.guard(poll_fn(|cx| wire.poll_discard(cx))).await {
                Ok(Ok(n)) if n > 0 => left = left.saturating_sub(n),
                _ => break,
            }
        }
    }
}

impl Connection {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.hub.register(cx);
        if self.timer.is_draining() && !self.drained {
            self.drained = true;
            self.h2.graceful_shutdown();
        }
        if self.hub.retires.take() && !self.drained {
            self.drained = true;
            self.h2.graceful_shutdown();
        }
        loop {
            match self.h2.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => self.accept(request, respond),
                Poll::Ready(Some(Err(e))) => return Poll::Ready(self.ended(&e)),
                Poll::Ready(None) => {
                    return Poll::Ready(if self.calmed {
                        End::Refused
                    } else {
                        End::Quiet
                    });
                }
                Poll::Pending => match self.wire.stop().filter(|_| !self.calmed) {
                    Some(stop) => self.calm(stop),
                    None => break,
                },
            }
        }
        if let Poll::Ready(Err(_)) = self.wire.drain(cx) {
            return Poll::Ready(End::Quiet);
        }
        self.poll_deadline(cx)
    }

    /// Starts a request's task, or refuses the request where too many run or were reset.
    fn accept(
        &mut self,
        request: http::Request<h2::RecvStream>,
        mut respond: server::SendResponse<Bytes>,
    ) {
        let metrics = &self.local.shared.metrics.http2;
        let info = self.hub.info();
        if self.wire.stop().is_some() || !self.hub.begin(self.wire.resets()) {
            metrics.refused.inc();
            log_error!(
                self.local.shared,
                Info,
                info.serial,
                "stream refused: limits.http2.streams run or were reset lately, client: {}",
                info.peer_text
            );
            respond.send_reset(Reason::REFUSED_STREAM);
            return;
        }
        let serving = task::serve(self.hub.clone(), request, respond);
        spawn_local(watched(&self.local, info.serial, serving));
    }

    /// Ends the connection over what was read.
    fn calm(&mut self, stop: Stop) {
        self.calmed = true;
        match stop {
            Stop::Flood(flood) => {
                self.note_flood(flood);
                self.h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            }
            Stop::NoSettings => {
                self.note_error(&"the first frame is not SETTINGS");
                self.h2.abrupt_shutdown(Reason::PROTOCOL_ERROR);
            }
        }
    }

    fn note_flood(&self, flood: Flood) {
        let info = self.hub.info();
        self.local.shared.metrics.http2.flood(flood);
        log_error!(
            self.local.shared,
            Warn,
            info.serial,
            "HTTP/2 flood: limit \"{}\" passed, client: {}",
            flood.as_str(),
            info.peer_text
        );
    }

    /// Says how h2 ended the connection.
    fn ended(&self, e: &h2::Error) -> End {
        if e.is_io() || e.is_remote() {
            return End::Quiet;
        }
        if e.reason() == Some(Reason::ENHANCE_YOUR_CALM) {
            self.note_flood(Flood::Codec);
            return End::Refused;
        }
        self.note_error(e);
        End::Refused
    }

    fn note_error(&self, e: &dyn std::fmt::Display) {
        let info = self.hub.info();
        self.local.shared.metrics.http2.errors.inc();
        log_error!(
            self.local.shared,
            Info,
            info.serial,
            "HTTP/2 connection error: {e}, client: {}",
            info.peer_text
        );
    }

    fn phase(&self) -> Phase {
        if self.phase == Phase::Closing {
            Phase::Closing
        } else if self.wire.in_head() {
            Phase::Head
        } else if self.wire.is_waiting() {
            Phase::Write(self.wire.total())
        } else if self.hub.running() == 0 {
            match self.phase {
                Phase::Parked => Phase::Parked,
                _ => Phase::Idle,
            }
        } else {
            Phase::Busy
        }
    }

    /// Keeps the deadline of what the connection waits for.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let phase = self.phase();
        let limit = match phase {
            // The client was told that the connection ends; it need not say that it heard it.
            Phase::Idle | Phase::Parked if self.drained => GOODBYE,
            Phase::Idle => PARK_AFTER,
            Phase::Parked => self.hub.idle.get(),
            Phase::Head => self.head_timeout,
            Phase::Write(_) => self.hub.timeout.get(),
            Phase::Busy => Timer::FAR,
            Phase::Closing => GOODBYE,
        };
        // A route may say another limit while the connection waits.
        if (phase, limit) != (self.phase, self.limit) {
            (self.phase, self.limit) = (phase, limit);
            self.timer.set(limit);
        }
        if self.timer.poll_elapsed(cx).is_pending() {
            return Poll::Pending;
        }
        let timeouts = &self.local.shared.metrics.timeouts;
        match phase {
            Phase::Idle if !self.drained => {
                self.phase = Phase::Parked;
                self.hub.shrink();
                self.wire.shrink();
                self.limit = self.hub.idle.get();
                self.timer.set(self.limit);
                return self.timer.poll_elapsed(cx).map(|_| End::Quiet);
            }
            Phase::Idle | Phase::Parked => self.h2.abrupt_shutdown(Reason::NO_ERROR),
            Phase::Head => {
                timeouts.head.inc();
                self.note_timeout("a request head");
                self.h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            }
            Phase::Write(_) => {
                timeouts.write.inc();
                self.note_timeout("room to write");
                return Poll::Ready(End::Quiet);
            }
            Phase::Busy => self.timer.set(Timer::FAR),
            Phase::Closing => return Poll::Ready(End::Quiet),
        }
        if phase != Phase::Busy {
            (self.phase, self.limit) = (Phase::Closing, GOODBYE);
            self.timer.set(GOODBYE);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn note_timeout(&self, what: &str) {
        let info = self.hub.info();
        log_error!(
            self.local.shared,
            Info,
            info.serial,
            "client timed out: waited for {what}, client: {}",
            info.peer_text
        );
    }
}
