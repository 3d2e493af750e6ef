//! The connections of one thread to its origins: those that are idle are kept here, within each pool's `keepalive`.
//!
//! Nothing watches an idle connection: whether the origin has said something, or goodbye, is looked at when the
//! connection is taken, and in a sweep once a second that also drops those that were kept long enough. A thread keeps
//! its own, so nothing is locked.

use super::io::OriginIo;
use crate::plan::{OriginPeer, PoolPlan};
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

/// How often idle connections are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The idle connections of one thread.
pub struct Origins {
    /// By pool: least recently used first.
    idle: RefCell<HashMap<u64, VecDeque<Idle>, ahash::RandomState>>,
    swept: Cell<Instant>,
}

struct Idle {
    peer: u64,
    io: OriginIo,
    until: Instant,
}

impl Default for Origins {
    fn default() -> Self {
        Self {
            idle: RefCell::default(),
            swept: Cell::new(Instant::now()),
        }
    }
}

impl Origins {
    /// An idle connection to this peer. `certain` asks the kernel whether it is still open: for requests that cannot be
    /// sent twice.
    pub fn take(&self, pool: &PoolPlan, peer: &OriginPeer, certain: bool) -> Option<OriginIo> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(&pool.key)?;
        loop {
            // The one used last is the warmest, and the others may grow old and go.
            let at = kept.iter().rposition(|i| i.peer == peer.reuse_hash())?;
            let Idle { mut io, .. } = kept.remove(at)?;
            let usable = if certain {
                io.is_silent_now()
            } else {
                io.is_silent()
            };
            if usable {
                return Some(io);
            }
        }
    }

    /// Keeps a connection for the next request; at the pool's limit the one that idled longest goes.
    pub fn give(&self, io: OriginIo, pool: &PoolPlan, peer: &OriginPeer) {
        if pool.keepalive == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let kept = idle.entry(pool.key).or_default();
        while kept.len() >= pool.keepalive {
            kept.pop_front();
        }
        kept.push_back(Idle {
            peer: peer.reuse_hash(),
            io,
            until: Instant::now() + pool.keepalive_timeout,
        });
    }

    /// Drops what was kept long enough and what the origin has closed. False if the last time was not long ago.
    pub fn sweep(&self, now: Instant) -> bool {
        if now.saturating_duration_since(self.swept.get()) < SWEEP_EVERY {
            return false;
        }
        self.swept.set(now);
        self.idle.borrow_mut().retain(|_, kept| {
            kept.retain_mut(|idle| idle.until > now && idle.io.is_silent());
            !kept.is_empty()
        });
        true
    }
}
