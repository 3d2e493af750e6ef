//! What a connection and its requests share beside the protocol: places, counts, and tasks that wait for the next request.

use super::{
    resets::Resets,
    session::Session,
    task::{self, Job, Slot},
};
use crate::{local::Local, thread::watched, tx::ConnInfo};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use tokio::task::spawn_local;

/// Tasks kept for the next requests of a connection.
const SPARE_MAX: usize = 32;

/// What a connection and its requests share.
pub(super) struct Hub {
    pub(super) local: Rc<Local>,
    pub(super) session: Rc<Session>,
    /// The connection; its requests are counted here.
    info: ConnInfo,
    requests: Cell<u64>,
    /// Requests at once, those remembered as reset among them.
    streams_max: u32,
    /// Resets at once.
    resets_max: u32,
    running: Cell<u32>,
    /// Requests that were reset or broke while they ran.
    lost: RefCell<Resets>,
    /// Requests that were reset after their answer.
    late: RefCell<Resets>,
    /// How long the connection may idle, as the last route says.
    pub(super) idle: Cell<Duration>,
    /// How long a write may take, as the last route says.
    pub(super) timeout: Cell<Duration>,
    /// A route's `keepalive_requests` was reached.
    pub(super) retires: Cell<bool>,
    spare: RefCell<Vec<Rc<Slot>>>,
    /// The connection is over, or has been idle: tasks end with their request.
    dismissed: Cell<bool>,
}

impl Hub {
    pub(super) fn new(
        local: Rc<Local>,
        info: ConnInfo,
        streams_max: u32,
        resets_max: u32,
        idle: Duration,
    ) -> Self {
        Self {
            local,
            session: Rc::new(Session::new()),
            info,
            requests: Cell::new(0),
            streams_max,
            resets_max,
            running: Cell::new(0),
            lost: RefCell::default(),
            late: RefCell::default(),
            idle: Cell::new(idle),
            timeout: Cell::new(Duration::from_secs(60)),
            retires: Cell::new(false),
            spare: RefCell::default(),
            dismissed: Cell::new(false),
        }
    }

    pub(super) fn info(&self) -> &ConnInfo {
        &self.info
    }

    /// Requests being served.
    pub(super) fn running(&self) -> u32 {
        self.running.get()
    }

    /// Whether as many requests run as may.
    pub(super) fn is_full(&self) -> bool {
        self.running.get() >= self.streams_max
    }

    /// Takes a place for a request. False when as many run, or were reset lately, as may; one that was answered before its
    /// reset came has cost its origin as much.
    pub(super) fn begin(&self) -> bool {
        let now = crate::clock::now_ms;
        let taken = self.running.get() + self.lost.borrow_mut().count(now);
        let with_late = taken.saturating_add(self.late.borrow_mut().count(now));
        if taken >= self.streams_max || with_late >= self.streams_max.max(self.resets_max) {
            return false;
        }
        self.running.set(self.running.get() + 1);
        true
    }

    /// Gives the place back; of a request that was reset it stays taken for a while.
    pub(super) fn end(&self, was_lost: bool) {
        self.running.set(self.running.get().saturating_sub(1));
        if was_lost {
            self.lost.borrow_mut().note(crate::clock::now_ms());
        }
        self.session.wake();
    }

    /// A reset came for a stream that was closed.
    pub(super) fn reset_late(&self) {
        self.late.borrow_mut().note(crate::clock::now_ms());
    }

    /// How many requests the connection has had, this one counted.
    pub(super) fn next_request(&self) -> u64 {
        let before = self.requests.get();
        self.requests.set(before + 1);
        before
    }

    /// Room for a request: of a task that waits, or of a new one.
    pub(super) fn slot(self: &Rc<Self>) -> Rc<Slot> {
        if let Some(slot) = self.spare.borrow_mut().pop() {
            return slot;
        }
        let slot = Rc::new(Slot::default());
        let working = task::work(self.clone(), slot.clone());
        spawn_local(watched(&self.local, self.info.serial, working));
        slot
    }

    /// Has a request served.
    pub(super) fn serve(&self, slot: &Slot, job: Job) {
        self.dismissed.set(false);
        slot.give(job);
    }

    /// A task has served its request. False if it is to end.
    pub(super) fn keep(&self, slot: &Rc<Slot>) -> bool {
        let mut spare = self.spare.borrow_mut();
        let keeps = spare.len() < SPARE_MAX && !self.dismissed.get();
        if keeps {
            spare.push(slot.clone());
        }
        keeps
    }

    /// Ends the tasks that wait: the connection is over, or idle and gives memory back.
    pub(super) fn dismiss(&self) {
        self.dismissed.set(true);
        for slot in self.spare.take() {
            slot.dismiss();
        }
    }
}
