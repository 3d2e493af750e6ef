//! The pool itself: construction, carry-over, and what others ask of it.

use crate::{
    breaker::Breaker,
    budget::Budget,
    health::Health,
    hedge::Hedge,
    moment,
    options::{Initial, PoolOptions, ServerOptions},
    queue::Queue,
    random::mix,
    server::Server,
    view::View,
};
use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
};

/// What all generations of a pool share: a reload makes a new [`Pool`] while requests finish on the old one, and both
/// write the same servers' health.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// Raised after every change that a [`View`] would show.
    version: AtomicU64,
    /// Held while health changes (never on the hot path), so that a cap over several servers is exact.
    pub(crate) changes: Mutex<()>,
    /// Requests that wait for a server below its `max_conns`.
    pub(crate) queue: Arc<Queue>,
}

impl Lineage {
    /// Something a [`View`] shows has changed. It may have made room.
    pub(crate) fn changed(&self) {
        self.version.fetch_add(1, Release);
        self.queue.signal_all();
    }
}

/// A pool of servers.
#[derive(Debug)]
pub struct Pool {
    pub(crate) options: PoolOptions,
    pub(crate) servers: Box<[Arc<Server>]>,
    pub(crate) lineage: Arc<Lineage>,
    /// The place in the rotation.
    pub(crate) cursor: AtomicUsize,
    budget: Arc<Budget>,
    breaker: Option<Arc<Breaker>>,
    hedge: Option<Arc<Hedge>>,
    /// Whether requests may wait.
    pub(crate) has_queue: bool,
    /// How many came before it.
    pub(crate) generation: u64,
    view: ArcSwap<View>,
}

impl Pool {
    /// A pool. Servers whose address `previous` has too go on with their counts, health, drain and ejection (the n-th
    /// of several with the same address with the n-th), and so do the retry budget's window, the queue, and the breaker
    /// and hedging where their options are the same.
    pub fn new(mut options: PoolOptions, previous: Option<&Pool>) -> Arc<Self> {
        moment::settle();
        let mut known = known_servers(previous);
        let checked = options.checked;
        let initial = options.initial;
        let lineage = previous
            .map(|previous| Arc::clone(&previous.lineage))
            .unwrap_or_default();
        let server = |options: ServerOptions| {
            let health = known
                .get_mut(options.address.as_str())
                .and_then(Vec::pop)
                .unwrap_or_else(|| new_health(checked && initial == Initial::Down));
            Arc::new(Server {
                checked,
                queue: (options.max_conns != 0).then(|| Arc::clone(&lineage.queue)),
                options,
                health,
            })
        };
        let servers: Box<[Arc<Server>]> = std::mem::take(&mut options.servers)
            .into_iter()
            .map(server)
            .collect();
        let version = lineage.version.load(Acquire);
        let pool = Self {
            breaker: breaker(&options, previous),
            hedge: hedge(&options, previous),
            has_queue: options.queue.size > 0,
            budget: previous
                .map(|previous| Arc::clone(&previous.budget))
                .unwrap_or_default(),
            cursor: AtomicUsize::new(previous.map_or(0, |previous| previous.cursor.load(Relaxed))),
            view: ArcSwap::from_pointee(View::new(version, options.algorithm, &servers, None)),
            generation: previous.map_or(0, |previous| previous.generation + 1),
            options,
            servers,
            lineage,
        };
        // It may have more room than the one before.
        pool.lineage.queue.signal_all();
        Arc::new(pool)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.options.name
    }

    /// Its servers, by index.
    pub fn servers(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// Tries of one request in all, at least 1.
    pub fn retry_attempts(&self) -> u32 {
        self.options.retry_attempts.max(1)
    }

    /// What it was made of, without the servers.
    pub fn options(&self) -> &PoolOptions {
        &self.options
    }

    /// Its circuit breaker, if it has one: to be asked before a request, and told after it.
    pub fn breaker(&self) -> Option<&Breaker> {
        self.breaker.as_deref()
    }

    /// Its hedging, if it hedges.
    pub fn hedge(&self) -> Option<&Hedge> {
        self.hedge.as_deref()
    }

    /// Counts a request towards the budgets; retries and hedges are not counted.
    pub fn on_request(&self) {
        self.budget.on_request();
        if let Some(hedge) = &self.hedge {
            hedge.on_request();
        }
    }

    /// Whether one more retry fits the budget, which it then takes up: over the last ten seconds retries stay within
    /// their share of requests, or below [`PoolOptions::retry_min_per_s`] where there are few.
    pub fn allow_retry(&self, now: std::time::Instant) -> bool {
        self.budget.allow(
            moment::millis(now) / 1000,
            self.options.retry_budget_percent,
            self.options.retry_min_per_s,
        )
    }

    /// Whether the pool can serve: some server is neither down by its check or by configuration nor draining.
    ///
    /// Ejections do not count: only requests lift them, so a pool that DNS withdrew for its ejections would get no
    /// request and stay withdrawn.
    pub fn is_up(&self) -> bool {
        self.servers.iter().any(|server| server.is_eligible())
    }

    /// Servers that take requests. An ejected one counts again when a request or a check has proved it.
    pub fn healthy_count(&self) -> usize {
        self.servers
            .iter()
            .filter(|server| server.is_usable())
            .count()
    }

    /// Starts or stops draining a server: it finishes what it has and takes nothing new. One that is taken back starts
    /// slowly, where it has a slow start. Survives a reload. An unknown index changes nothing.
    pub fn drain(&self, now: std::time::Instant, index: usize, draining: bool) {
        if let Some(server) = self.servers.get(index) {
            let _changes = self.lineage.changes.lock();
            let before = server.health.draining.swap(draining, AcqRel);
            if before && !draining {
                let now_ms = moment::millis(now);
                server.health.recovered_at.store(now_ms, Relaxed);
            }
            self.lineage.changed();
        }
    }

    /// Sets a server's weight at run time; 0 goes back to the configured one. Survives a reload. An unknown index
    /// changes nothing.
    pub fn set_weight(&self, index: usize, weight: u32) {
        if let Some(server) = self.servers.get(index) {
            let _changes = self.lineage.changes.lock();
            server.health.weight.store(weight, Release);
            self.lineage.changed();
        }
    }

    /// The servers in use now; rebuilt by the first who asks after a change, by whichever generation.
    pub(crate) fn view(&self) -> Guard<Arc<View>> {
        let view = self.view.load();
        if view.version == self.lineage.version.load(Acquire) {
            return view;
        }
        drop(view);
        let _changes = self.lineage.changes.lock();
        // The version is read before the state it stands for: a change in between is seen as another change.
        let version = self.lineage.version.load(Acquire);
        let before = self.view.load();
        if before.version != version {
            let algorithm = self.options.algorithm;
            let view = View::new(version, algorithm, &self.servers, Some(&before));
            self.view.store(Arc::new(view));
        }
        self.view.load()
    }

    /// How many servers may be ejected at once.
    pub(crate) fn ejected_max(&self) -> usize {
        let servers = self
            .servers
            .iter()
            .filter(|server| !server.options.down)
            .count();
        match self.options.eject.at_most_percent {
            0 => 0,
            percent => {
                let share = servers * usize::from(percent) / 100;
                share.max(1).min(servers.saturating_sub(1))
            }
        }
    }

    /// What must hold at any time when no request is being handled; for tests and debug builds.
    ///
    /// Caps (on ejections, on `max_conns`) are exact within one generation: an older one knows its own, and a reload may
    /// lower them below what is.
    pub fn check_invariants(&self) -> Result<(), String> {
        let view = self.view();
        let mut primaries: Vec<usize> =
            view.primaries.from(0).chain(view.backups.from(0)).collect();
        primaries.sort_unstable();
        primaries.dedup();
        let usable: Vec<usize> = (0..self.servers.len())
            .filter(|&index| self.servers[index].is_usable())
            .collect();
        if primaries != usable {
            return Err(format!(
                "the rotation has {primaries:?}, in use are {usable:?}"
            ));
        }
        let ejected = self
            .servers
            .iter()
            .filter(|server| server.health.is_ejected())
            .count();
        let ejected_max = self.ejected_max();
        if self.generation == 0 && ejected > ejected_max {
            return Err(format!(
                "{ejected} servers are ejected, {ejected_max} may be"
            ));
        }
        let is_over = |server: &&Arc<Server>| {
            server.max_conns() != 0 && server.in_flight() > server.max_conns()
        };
        if self.generation == 0
            && let Some(server) = self.servers.iter().find(is_over)
        {
            return Err(format!("{} has more than its max_conns", server.address()));
        }
        match self
            .servers
            .iter()
            .find(|server| server.in_flight() > u32::MAX / 2)
        {
            Some(server) => Err(format!(
                "{} has released more than it took",
                server.address()
            )),
            None => Ok(()),
        }
    }
}

fn new_health(down: bool) -> Arc<Health> {
    let health = Health::default();
    health.check_down.store(down, Relaxed);
    Arc::new(health)
}

fn breaker(options: &PoolOptions, previous: Option<&Pool>) -> Option<Arc<Breaker>> {
    let wanted = options.breaker?;
    let known = previous.and_then(|previous| previous.breaker.as_ref());
    let known = known.filter(|known| *known.options() == wanted);
    let new = || Arc::new(Breaker::new(wanted, mix(options.seed)));
    Some(known.map_or_else(new, Arc::clone))
}

fn hedge(options: &PoolOptions, previous: Option<&Pool>) -> Option<Arc<Hedge>> {
    let wanted = options.hedge?;
    let known = previous.and_then(|previous| previous.hedge.as_ref());
    let known = known.filter(|known| *known.options() == wanted);
    Some(known.map_or_else(|| Arc::new(Hedge::new(wanted)), Arc::clone))
}

/// The previous pool's servers by address; each list is in reverse order, to be popped.
fn known_servers(previous: Option<&Pool>) -> HashMap<&str, Vec<Arc<Health>>> {
    let mut known: HashMap<&str, Vec<Arc<Health>>> = HashMap::new();
    for server in previous
        .iter()
        .flat_map(|previous| previous.servers.iter().rev())
    {
        known
            .entry(server.address())
            .or_default()
            .push(Arc::clone(&server.health));
    }
    known
}
