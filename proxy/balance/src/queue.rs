//! Waiting for a server below its `max_conns`, first come first served.
//!
//! A request that finds the pool full takes a [`Ticket`] and polls it. Whatever makes room (a lease that drops, a
//! server that comes back) signals the first in the queue that is not signalled yet. A ticket may pick when it is the
//! first of the signalled: so nobody overtakes, and a signal is never lost. Where it picks in vain (the room was at a
//! server of another generation of the pool), the signal goes on to the next behind it. A new ticket is
//! born signalled: room that came up before it was there was signalled to nobody.
//!
//! Why nothing is lost between a pick in vain and the wait: the queue's length is raised before the pick looks at the
//! servers, and a lease that drops lowers the server's count before it looks at the length, both in one order that all
//! threads agree on. One of the two sees the other.

use crate::{
    limits::QUEUE_SIZE_MAX,
    pick::{Choice, Picked},
    pool::Pool,
};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Poll, Waker},
};

/// The waiting requests of all generations of a pool.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    len: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next_id: u64,
    /// In the order of their ids.
    entries: VecDeque<Entry>,
    /// How many of them are ready.
    ready: usize,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    /// Room was made for it that it has not looked at yet.
    signalled: bool,
    /// It is looking now. It may be signalled again meanwhile, and then looks again.
    looking: bool,
    waker: Option<Waker>,
}

impl Entry {
    fn is_ready(&self) -> bool {
        self.signalled || self.looking
    }
}

impl Queue {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.len.load(SeqCst)
    }

    /// There is room, perhaps: signals one more.
    pub(crate) fn signal(&self) {
        if self.len() > 0 {
            self.change(|waiting| waiting.signal_from(0));
        }
    }

    fn enter(&self, size: u32) -> Option<u64> {
        let mut waiting = self.waiting.lock();
        if waiting.entries.len() >= size.min(QUEUE_SIZE_MAX) as usize {
            return None;
        }
        let id = waiting.next_id;
        waiting.next_id += 1;
        waiting.entries.push_back(Entry {
            id,
            signalled: true,
            looking: false,
            waker: None,
        });
        waiting.ready += 1;
        self.len.store(waiting.entries.len(), SeqCst);
        Some(id)
    }

    /// Changes the queue, then wakes whose turn it is, outside the lock.
    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.waiting.lock();
        change(&mut waiting);
        self.len.store(waiting.entries.len(), SeqCst);
        let waker = waiting.whose_turn().and_then(|entry| entry.waker.take());
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Waiting {
    fn place(&self, id: u64) -> Option<usize> {
        self.entries
            .binary_search_by_key(&id, |entry| entry.id)
            .ok()
    }

    /// Changes one entry, and the count of those that are ready with it.
    fn set(&mut self, place: usize, set: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(place) {
            self.ready -= usize::from(entry.is_ready());
            set(entry);
            self.ready += usize::from(entry.is_ready());
        }
    }

    /// Signals the first from this place on that is not signalled.
    fn signal_from(&mut self, place: usize) {
        let mut entries = self.entries.iter().skip(place);
        if let Some(behind) = entries.position(|entry| !entry.signalled) {
            self.set(place + behind, |entry| entry.signalled = true);
        }
    }

    fn whose_turn(&mut self) -> Option<&mut Entry> {
        if self.ready == 0 {
            return None;
        }
        self.entries.iter_mut().find(|entry| entry.is_ready())
    }

    /// Lets this one look if it is its turn; if not, its waker is told when it is.
    fn look(&mut self, id: u64, waker: &Waker) -> bool {
        let Some(place) = self.place(id) else {
            return false;
        };
        let is_turn = self.entries.get(place).is_some_and(Entry::is_ready)
            && (self.ready == 1 || self.whose_turn().is_some_and(|entry| entry.id == id));
        self.set(place, |entry| {
            entry.waker = Some(waker.clone());
            if is_turn {
                entry.signalled = false;
                entry.looking = true;
            }
        });
        is_turn
    }

    /// This one has looked in vain: the next may look, unless there was news meanwhile.
    fn looked(&mut self, id: u64) {
        let Some(place) = self.place(id) else { return };
        self.set(place, |entry| entry.looking = false);
        if !self.entries.get(place).is_some_and(Entry::is_ready) {
            self.signal_from(place + 1);
        }
    }

    /// This one leaves. A signal it has not used is the next one's.
    fn remove(&mut self, id: u64, used: bool) {
        let Some(place) = self.place(id) else { return };
        let Some(entry) = self.entries.remove(place) else {
            return;
        };
        self.ready -= usize::from(entry.is_ready());
        if entry.signalled || (entry.looking && !used) {
            self.signal_from(0);
        }
    }
}

/// A place in the queue of a full pool. Dropping it leaves the queue.
#[derive(Debug)]
pub struct Ticket {
    queue: Arc<Queue>,
    id: u64,
    is_done: bool,
}

impl Pool {
    /// A place in the queue, for a request that was told [`Picked::Full`]; `None` when as many wait as may.
    pub fn wait(&self) -> Option<Ticket> {
        let queue = Arc::clone(&self.lineage.queue);
        let id = queue.enter(self.options.queue.size)?;
        Some(Ticket {
            queue,
            id,
            is_done: false,
        })
    }

    /// How many requests wait for a server.
    pub fn waiting(&self) -> usize {
        self.lineage.queue.len()
    }
}

impl Ticket {
    /// A server, if it is this ticket's turn and there is room, or [`Picked::None`] when no server is left at all;
    /// never [`Picked::Full`]. `Pending` wakes when that may have changed. To be polled right after it was taken: room
    /// may have come up in between. With the pool that gave it, or a later generation.
    pub fn poll_pick(&mut self, pool: &Pool, choice: &Choice<'_>, waker: &Waker) -> Poll<Picked> {
        if self.is_done {
            return Poll::Ready(Picked::None);
        }
        if !self.queue.waiting.lock().look(self.id, waker) {
            return Poll::Pending;
        }
        match pool.pick_now(choice) {
            Picked::Full => {
                self.queue.change(|waiting| waiting.looked(self.id));
                Poll::Pending
            }
            picked => {
                self.leave(matches!(picked, Picked::Lease(_)));
                Poll::Ready(picked)
            }
        }
    }

    fn leave(&mut self, used: bool) {
        if !std::mem::replace(&mut self.is_done, true) {
            self.queue.change(|waiting| waiting.remove(self.id, used));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.leave(false);
    }
}
