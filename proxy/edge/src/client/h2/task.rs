//! The task of a stream: its request through the pipeline, unless the client gives it up; then the next stream's.

use super::{Stream, hub::Hub};
use crate::{
    client::{Client, ClientError, h1::note_failure},
    io::Io,
    local::Pinned,
    log_error, pipeline,
    step::Step,
    timer::Timer,
    tx::Tx,
};
use seawall_http::{Refusal, Version, http2::Code};
use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    task::{Poll, Waker},
};

/// A request to be served, whose stream is open.
pub(super) struct Job {
    pub(super) tx: Box<Tx>,
    pub(super) plan: Pinned,
    pub(super) composed: Result<(), Refusal>,
    pub(super) place: Place,
}

/// Where a task waits for its next request, and the stream that it uses.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) stream: Rc<Stream>,
    next: RefCell<Next>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Default)]
enum Next {
    #[default]
    Wait,
    Serve(Box<Job>),
    Leave,
}

impl Slot {
    /// Gives a request to the task, which waits for one.
    pub(super) fn give(&self, job: Job) {
        self.wake_with(Next::Serve(Box::new(job)));
    }

    /// Ends the task, which waits.
    pub(super) fn dismiss(&self) {
        self.wake_with(Next::Leave);
    }

    fn wake_with(&self, next: Next) {
        *self.next.borrow_mut() = next;
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    async fn next(&self) -> Option<Box<Job>> {
        poll_fn(|cx| match std::mem::take(&mut *self.next.borrow_mut()) {
            Next::Serve(job) => Poll::Ready(Some(job)),
            Next::Leave => Poll::Ready(None),
            Next::Wait => {
                let mut slot = self.waker.borrow_mut();
                if !slot.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                    *slot = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        })
        .await
    }
}

/// The place of a request in its connection, given back also when its task ends by a panic.
pub(super) struct Place {
    hub: Rc<Hub>,
    stream: Rc<Stream>,
    was_lost: Cell<bool>,
}

impl Place {
    /// A place that the hub gave, and the stream.
    pub(super) fn new(hub: Rc<Hub>, stream: Rc<Stream>) -> Self {
        Self {
            hub,
            stream,
            was_lost: Cell::new(true),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.stream.close();
        self.hub.end(self.was_lost.get());
    }
}

/// Serves requests of a connection one after the other.
pub(super) async fn work(hub: Rc<Hub>, slot: Rc<Slot>) {
    let io = Io::Stream(slot.stream.clone());
    let mut client = Client::new(&hub.local, io, hub.info().clone());
    while let Some(job) = slot.next().await {
        serve(&hub, &mut client, &slot.stream, *job).await;
        client.timer.set(Timer::FAR);
        if !hub.keep(&slot) {
            return;
        }
    }
}

/// Serves a request that has a place in the hub.
async fn serve(hub: &Hub, client: &mut Client, stream: &Stream, job: Job) {
    let Job {
        mut tx,
        plan,
        composed,
        place,
    } = job;
    let local = &hub.local;
    client.info.requests = hub.next_request();
    match composed {
        Ok(()) => {
            client.prepare(local, &mut tx, &plan);
            let lost = run(hub, client, stream, &mut tx, &plan).await;
            place.was_lost.set(lost);
        }
        Err(refusal) => {
            tx.step = Step::Head;
            tx.rb.clear();
            tx.head.clear();
            tx.head.version = Version::Http2;
            client.refuse(local, &mut tx, &plan, refusal).await;
            place.was_lost.set(false);
        }
    }
    drop(place);
    local.give_tx(tx);
}

/// Runs the pipeline until it has answered or the client has gone. True if the request was lost.
async fn run(hub: &Hub, client: &mut Client, stream: &Stream, tx: &mut Tx, plan: &Pinned) -> bool {
    let local = &hub.local;
    let served = {
        let mut running = pin!(pipeline::run(local, client, tx, plan));
        poll_fn(|cx| {
            // First: a stream that was reset before its turn came asks nothing of anybody, and what it breaks is nobody's
            // fault.
            if stream.poll_gone(cx).is_ready() {
                return Poll::Ready(None);
            }
            running.as_mut().poll(cx).map(Some)
        })
        .await
    };
    hub.idle.set(client.idle);
    hub.timeout.set(client.timeout);
    match served {
        Some(Ok(())) => {
            if !client.keep_alive && client.body.is_done() {
                hub.retires.set(true);
            }
            false
        }
        Some(Err(e)) => {
            note_failure(local, client, tx, &e);
            stream.reset(match e {
                ClientError::Truncated => Code::INTERNAL_ERROR,
                ClientError::Body(_) => Code::PROTOCOL_ERROR,
                _ => Code::CANCEL,
            });
            true
        }
        None => {
            local.shared.metrics.http2.abandoned.inc();
            log_error!(
                local.shared,
                Info,
                client.info.serial,
                "client reset the stream at step {}, client: {}",
                tx.step.as_str(),
                client.info.peer_text
            );
            pipeline::abandoned(local, client, tx, plan);
            true
        }
    }
}
