//! Waiting for a server below its `max_conns`, first come first served.
//!
//! A request that finds the pool full takes a [`Ticket`] and polls it. A lease that drops signals the first in the
//! queue that is not signalled yet; a change of state (a server comes back, a reload allows more) signals them all. A
//! ticket may look for a server when it is the first of the signalled: so nobody overtakes. Where it looks in vain (the
//! room was at a server of another generation of the pool), the signal goes on to the next behind it.
//!
//! A new ticket is signalled where there may be room that nobody was told of: when it is the first, when the one before
//! it waits for another generation, and when there were more signals than waiting (they are counted until somebody
//! looks in vain).
//!
//! Why nothing is lost between a look in vain and the wait: the queue's length is raised before the look at the
//! servers, and a lease that drops lowers the server's count before it looks at the length, both in one order that all
//! threads agree on. One of the two sees the other. A signal during the look is kept, and the ticket looks again.
//!
//! Only time makes room without a signal (an ejection that runs out): whoever looks next finds it.

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
    /// How many of them are signalled.
    signalled: usize,
    /// How many are signalled or looking.
    ready: usize,
    /// Signals when all were signalled already.
    spare: usize,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    generation: u64,
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

    /// There is room for one more.
    pub(crate) fn signal(&self) {
        if self.len() > 0 {
            self.change(|waiting| waiting.signal_from(0));
        }
    }

    /// There may be room for many.
    pub(crate) fn signal_all(&self) {
        if self.len() > 0 {
            self.change(Waiting::signal_all);
        }
    }

    fn enter(&self, size: u32, generation: u64) -> Option<u64> {
        let mut waiting = self.waiting.lock();
        if waiting.entries.len() >= size.min(QUEUE_SIZE_MAX) as usize {
            return None;
        }
        let before = waiting.entries.back();
        let is_new = before.is_none_or(|before| before.generation != generation);
        let signalled = is_new || waiting.spare > 0;
        if !is_new {
            waiting.spare = waiting.spare.saturating_sub(1);
        }
        let id = waiting.next_id;
        waiting.next_id += 1;
        waiting.entries.push_back(Entry {
            id,
            generation,
            signalled: false,
            looking: false,
            waker: None,
        });
        let place = waiting.entries.len() - 1;
        waiting.set(place, |entry| entry.signalled = signalled);
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

    /// Changes one entry, and the counts with it.
    fn set(&mut self, place: usize, set: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(place) {
            self.ready -= usize::from(entry.is_ready());
            self.signalled -= usize::from(entry.signalled);
            set(entry);
            self.ready += usize::from(entry.is_ready());
            self.signalled += usize::from(entry.signalled);
        }
    }

    /// Signals the first from this place on that is not signalled; says if there was one.
    fn signal_behind(&mut self, place: usize) -> bool {
        if self.signalled == self.entries.len() {
            return false;
        }
        let mut entries = self.entries.iter().skip(place);
        let behind = entries.position(|entry| !entry.signalled);
        if let Some(behind) = behind {
            self.set(place + behind, |entry| entry.signalled = true);
        }
        behind.is_some()
    }

    fn signal_from(&mut self, place: usize) {
        if !self.signal_behind(place) {
            self.spare = self.spare.saturating_add(1);
        }
    }

    fn signal_all(&mut self) {
        for entry in &mut self.entries {
            entry.signalled = true;
        }
        self.signalled = self.entries.len();
        self.ready = self.entries.len();
        // How much room there is nobody knows.
        self.spare = usize::MAX;
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
            // There is no room for this generation. Any that came up since would have been signalled to it.
            self.spare = 0;
            self.signal_behind(place + 1);
        }
    }

    /// This one leaves. A signal it has not used is the next one's.
    fn remove(&mut self, id: u64, used: bool) {
        let Some(place) = self.place(id) else { return };
        let unused = self
            .entries
            .get(place)
            .is_some_and(|entry| entry.signalled || (entry.looking && !used));
        self.set(place, |entry| {
            entry.signalled = false;
            entry.looking = false;
        });
        self.entries.remove(place);
        if self.entries.is_empty() {
            // Newcomers look for themselves.
            self.spare = 0;
        } else if unused {
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
        let id = queue.enter(self.options.queue.size, self.generation)?;
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
