//! Pools whose servers are found while the daemon runs: each set that is found is a generation of the pool.

use super::{
    PoolPlan,
    pool::{Member, address_text},
};
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use seawall_conf::model::{Address, Source};
use std::{
    net::SocketAddr,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Servers of a pool at most, however many a name, a service or a file says.
pub const MEMBERS_MAX: usize = 1024;

/// What was found for a pool.
pub struct Found {
    /// The generation that serves; `None` until something was found.
    live: ArcSwapOption<PoolPlan>,
    /// What each of the pool's sources said last.
    last: Mutex<Vec<Vec<Member>>>,
    /// Whether every source has been asked once.
    asked: AtomicBool,
}

/// A generation of a pool, pinned.
pub enum Live<'a> {
    /// The only one.
    Fixed(&'a Arc<PoolPlan>),
    /// The one that serves now.
    Found(Arc<PoolPlan>),
}

impl Deref for Live<'_> {
    type Target = Arc<PoolPlan>;

    fn deref(&self) -> &Arc<PoolPlan> {
        match self {
            Live::Fixed(pool) => pool,
            Live::Found(pool) => pool,
        }
    }
}

impl Found {
    /// For these sources; what the sources of the plan before said is known from the start.
    pub fn new(sources: &[Source], before: Option<(&[Source], &Found)>) -> Self {
        let known = |source: &Source| -> Vec<Member> {
            let Some((sources, found)) = before else {
                return Vec::new();
            };
            let at = sources.iter().position(|s| s.kind == source.kind);
            let said = at.and_then(|at| found.last.lock().get(at).cloned());
            // What is said of each server may have changed with the configuration; where it is has not.
            let mut said = said.unwrap_or_default();
            for member in &mut said {
                *member = Member::found(source, member);
            }
            said
        };
        let last: Vec<Vec<Member>> = sources.iter().map(known).collect();
        Self {
            live: ArcSwapOption::empty(),
            asked: AtomicBool::new(last.iter().any(|members| !members.is_empty())),
            last: Mutex::new(last),
        }
    }

    /// All that the sources said.
    pub fn members(&self) -> Vec<Member> {
        self.last.lock().iter().flatten().cloned().collect()
    }

    /// Whether servers are known, or have been asked for in vain.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Every source has been asked once.
    pub fn asked(&self) {
        self.asked.store(true, Ordering::Release);
    }
}

impl PoolPlan {
    /// The generation that serves now.
    pub fn live(self: &Arc<Self>) -> Live<'_> {
        match self.found.as_ref().map(|found| found.live.load_full()) {
            Some(Some(live)) => Live::Found(live),
            _ => Live::Fixed(self),
        }
    }

    /// Takes what one of the sources says. The new generation, if that changes anything.
    pub fn take_members(self: &Arc<Self>, source: usize, said: Vec<Member>) -> Option<Arc<Self>> {
        let found = self.found.as_ref()?;
        {
            let mut last = found.last.lock();
            let before = last.get_mut(source)?;
            if before.len() == said.len() && before.iter().zip(&said).all(|(a, b)| a.is(b)) {
                return None;
            }
            *before = said;
        }
        let live = self.live();
        let written = self.written();
        let members = written.into_iter().chain(found.members());
        let next = live.with_members(distinct(members));
        found.live.store(Some(next.clone()));
        Some(next)
    }
}

/// Each address once: the first that names it is meant.
pub fn distinct(members: impl Iterator<Item = Member>) -> Vec<Member> {
    let mut seen = std::collections::HashSet::new();
    let fresh = members.filter(|m| seen.insert(address_text(&m.server.address)));
    fresh.take(MEMBERS_MAX).collect()
}

impl Member {
    /// A server that a source names.
    pub fn at(source: &Source, address: SocketAddr, name: Option<String>) -> Self {
        let mut server = source.server.clone();
        server.address = Address::Ip(address);
        Self {
            name,
            server,
            own: None,
        }
    }

    /// The same server as its source describes it now.
    fn found(source: &Source, known: &Member) -> Self {
        let mut next = known.clone();
        let address = std::mem::replace(&mut next.server, source.server.clone()).address;
        next.server.address = address;
        next.with_own()
    }

    /// With what is said of this server alone (an SRV record, a line of a file) over what is said of all.
    pub fn with_own(mut self) -> Self {
        if let Some(own) = &self.own {
            self.server.weight = own.weight;
            self.server.backup = own.backup;
            self.server.down = own.down;
            self.server.drain = own.drain;
            self.server.max_conns = own.max_conns;
        }
        self
    }

    /// Whether it is the same server, described the same.
    fn is(&self, other: &Member) -> bool {
        let all = |m: &Member| {
            let s = &m.server;
            (
                s.address.clone(),
                m.name.clone(),
                s.weight,
                s.backup,
                s.down,
                s.drain,
                s.max_conns,
            )
        };
        all(self) == all(other)
    }
}
