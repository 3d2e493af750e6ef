//! What a connection and its streams share.

use super::Stream;
use crate::{client::Client, io::Io, local::Local, timer::Timer, tx::ConnInfo};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

/// Clients kept for the next streams of a connection.
const SPARE_MAX: usize = 32;
/// A reset is forgotten after so long, one at a time: ten a second.
const FORGET_MS: u64 = 100;

/// What a connection and its streams share.
pub(super) struct Hub {
    pub(super) local: Rc<Local>,
    /// The connection; its requests are counted here.
    info: ConnInfo,
    requests: Cell<u64>,
    /// Requests at once, and resets remembered.
    streams_max: u32,
    running: Cell<u32>,
    /// Requests that were reset or broke lately, and when the count was last right.
    lost: Cell<u32>,
    lost_at_ms: Cell<u64>,
    /// How long the connection may idle, as the last route says.
    pub(super) idle: Cell<Duration>,
    /// How long a write may take, as the last route says.
    pub(super) timeout: Cell<Duration>,
    /// A route's `keepalive_requests` was reached.
    pub(super) retires: Cell<bool>,
    spare: RefCell<Vec<(Client, Rc<Stream>)>>,
    waker: RefCell<Option<Waker>>,
}

impl Hub {
    pub(super) fn new(local: Rc<Local>, info: ConnInfo, streams_max: u32, idle: Duration) -> Self {
        Self {
            local,
            info,
            requests: Cell::new(0),
            streams_max,
            running: Cell::new(0),
            lost: Cell::new(0),
            lost_at_ms: Cell::new(0),
            idle: Cell::new(idle),
            timeout: Cell::new(Duration::from_secs(60)),
            retires: Cell::new(false),
            spare: RefCell::default(),
            waker: RefCell::default(),
        }
    }

    pub(super) fn info(&self) -> &ConnInfo {
        &self.info
    }

    /// Requests being served.
    pub(super) fn running(&self) -> u32 {
        self.running.get()
    }

    /// Takes a place for a request. False when as many run, or were reset lately, as may. Of `resets`, how many were read
    /// lately and how many may be, each stands for a request as well: one that was answered before its reset came has
    /// cost as much.
    pub(super) fn begin(&self, resets: (u32, u32)) -> bool {
        let mut lost = self.lost.get();
        if lost > 0 {
            let now = crate::clock::now_ms();
            let forgotten = now.saturating_sub(self.lost_at_ms.get()) / FORGET_MS;
            if forgotten > 0 {
                lost = lost.saturating_sub(forgotten.min(u32::MAX.into()) as u32);
                self.lost.set(lost);
                self.lost_at_ms.set(now);
            }
        }
        let running = self.running.get();
        let (read, most) = resets;
        if running.saturating_add(lost) >= self.streams_max
            || running.saturating_add(read) >= self.streams_max.max(most)
        {
            return false;
        }
        self.running.set(self.running.get() + 1);
        true
    }

    /// Gives the place back; of a request that was reset it stays taken for a while.
    pub(super) fn end(&self, was_lost: bool) {
        self.running.set(self.running.get().saturating_sub(1));
        if was_lost {
            if self.lost.get() == 0 {
                self.lost_at_ms.set(crate::clock::now_ms());
            }
            self.lost.set(self.lost.get().saturating_add(1));
        }
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    /// The connection's task wants to know when a request ends.
    pub(super) fn register(&self, cx: &Context<'_>) {
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *slot = Some(cx.waker().clone());
        }
    }

    /// A client for a stream.
    pub(super) fn take_client(&self) -> (Client, Rc<Stream>) {
        let (mut client, stream) = self.spare.borrow_mut().pop().unwrap_or_else(|| {
            let stream = Rc::new(Stream::default());
            let io = Io::Stream(stream.clone());
            (Client::new(&self.local, io, self.info.clone()), stream)
        });
        client.info.requests = self.requests.get();
        self.requests.set(self.requests.get() + 1);
        (client, stream)
    }

    /// Gives it back.
    pub(super) fn give_client(&self, client: Client, stream: Rc<Stream>) {
        stream.close();
        client.timer.set(Timer::FAR);
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push((client, stream));
        }
    }

    /// Gives memory back that an idle connection does not need.
    pub(super) fn shrink(&self) {
        let mut spare = self.spare.borrow_mut();
        if !spare.is_empty() {
            *spare = Vec::new();
        }
    }
}
