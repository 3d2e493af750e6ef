//! The edge as the daemon handles it: start, reload, drain, purge, status.

use crate::{
    access::Passwords,
    caching::{self, CachedQuery, Inspected, PurgeError, PurgeTarget, purge_everywhere},
    filter::Encoders,
    health,
    log::{AccessLogs, ErrorLog, Unopened},
    log_error,
    metrics::Metrics,
    plan::{Environment, Plan},
    shared::Shared,
    thread::{self, Command, Socket},
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use seawall_cache::{Durable, Manner};
use seawall_conf::model::{Address, Config};
use seawall_diag::{Diagnostics, SourceMap};
use seawall_tls::{CertMap, Resolver, acme::Acme};
use std::{
    collections::HashMap,
    fs::File,
    io,
    net::{Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, task::JoinSet};

/// What the edge asks of whoever holds privileges: the keeper.
pub trait Host: Send + Sync {
    /// Opens a log for appending.
    fn open_log(&self, path: &Path) -> io::Result<File>;
    /// Puts a log away that has grown to its limit, and opens it anew.
    fn rotate_log(&self, path: &Path) -> io::Result<File>;
    /// Reads a whole file: keys, certificates, rules.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// `count` listening sockets that share an address, the same ones each time it is asked for.
    fn listen(&self, address: &Address, count: usize) -> io::Result<Vec<OwnedFd>>;
    /// `count` sockets for datagrams that share an address, the same ones each time it is asked for.
    fn listen_udp(&self, address: SocketAddr, count: usize) -> io::Result<Vec<OwnedFd>>;
    /// These addresses are listened on, the second ones for datagrams; sockets of others may be closed.
    fn retain(&self, addresses: &[Address], datagrams: &[SocketAddr]);
}

/// Puts away access logs that have grown to their limit, until the edge is gone.
async fn rotate_logs(edge: Weak<Edge>) {
    let Some(shared) = edge.upgrade().map(|edge| edge.shared.clone()) else {
        return;
    };
    loop {
        shared.logs.due().await;
        let Some(edge) = edge.upgrade() else { return };
        // The keeper renames files, which may take its time.
        let done = tokio::task::spawn_blocking(move || {
            let failed = edge.shared.logs.rotate(&|path| edge.host.rotate_log(path));
            edge.tell_unopened(failed);
        });
        let _ = done.await;
    }
}

/// Why a configuration is not live.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is wrong.
    #[error("the configuration has errors")]
    Invalid(SourceMap, Diagnostics),
    /// An address cannot be listened on.
    #[error("bind() to {address} failed ({error})")]
    Bind {
        /// The address.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// The process cannot run it.
    #[error("{0}")]
    System(String),
}

/// A running edge.
pub struct Edge {
    shared: Arc<Shared>,
    host: Arc<dyn Host>,
    threads: Vec<mpsc::UnboundedSender<Command>>,
    joins: Mutex<Vec<JoinHandle<()>>>,
    ids: Arc<Mutex<HashMap<Bound, u32>>>,
    live: Mutex<HashMap<u32, Bound>>,
    checks: Mutex<JoinSet<()>>,
    control: tokio::runtime::Handle,
    started: Instant,
    /// Whether an address that somebody else has is waited for.
    patient: bool,
    missing: Mutex<Vec<(Wanted, String)>>,
}

/// The longest drain: one "for ever" is a century, as an Instant cannot hold everything a Duration can.
const DRAIN_MAX: Duration = Duration::from_secs(100 * 365 * 86_400);
/// How long a worker thread may take to end once its drain is over, and then the access logs to be written.
pub const UNWIND: Duration = Duration::from_secs(1);
/// How often a drain is looked at.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// How long a purge waits for its worker thread.
const PURGE_WAIT: Duration = Duration::from_secs(5);
/// How long starting waits for names of servers to resolve; those that do not are served without.
const RESOLVE_WAIT: Duration = Duration::from_secs(2);

/// Sockets by listener, and the listeners whose address somebody else has, each with the reason.
type Bindings = (HashMap<u32, Vec<OwnedFd>>, Vec<(Wanted, String)>);

/// What a socket is bound to: an address, and whether it is for datagrams.
type Bound = (Address, bool);

fn listener_id(ids: &Mutex<HashMap<Bound, u32>>, address: &Address, udp: bool) -> u32 {
    let mut ids = ids.lock();
    let next = ids.len() as u32 + 1;
    *ids.entry((address.clone(), udp)).or_insert(next)
}

fn compile(
    config: Config,
    previous: Option<&Plan>,
    metrics: &Metrics,
    logs: &AccessLogs,
    (resolver, acme): (&Arc<Resolver>, &Acme),
    host: &dyn Host,
    ids: &Mutex<HashMap<Bound, u32>>,
) -> Result<(Plan, Diagnostics), LoadError> {
    let environment = Environment {
        metrics,
        logs,
        open_log: &|path| host.open_log(path),
        read: &|path| host.read(path),
        dry_run: false,
        resolver,
        acme,
        listener_id: &|address, udp| listener_id(ids, address, udp),
    };
    Plan::compile(config, previous, &environment)
        .map_err(|(sources, errors)| LoadError::Invalid(sources, errors))
}

impl Edge {
    /// Compiles the configuration, binds its listeners and starts the worker threads. `patient`: without the addresses that somebody else
    /// has, which are [tried again](Self::listen_missing).
    pub fn start(
        config: Config,
        host: Arc<dyn Host>,
        errors: Arc<dyn ErrorLog>,
        control: tokio::runtime::Handle,
        patient: bool,
    ) -> Result<(Arc<Self>, Diagnostics), LoadError> {
        let system = |e: &dyn std::fmt::Display| LoadError::System(e.to_string());
        let metrics = Metrics::new().map_err(|e| system(&e))?;
        let logs = AccessLogs::default();
        let ids = Arc::new(Mutex::new(HashMap::new()));
        let threads = match config.process.threads {
            0 => std::thread::available_parallelism().map_or(1, |n| n.get()),
            n => n,
        };
        let resolver = Resolver::new(CertMap::default());
        let acme = Arc::new(Acme::default());
        let kept = (&resolver, &*acme);
        let (plan, warnings) = compile(config, None, &metrics, &logs, kept, &*host, &ids)?;
        resolver.store(plan.certificate_map.lock().take().unwrap_or_default());
        let tls =
            seawall_tls::server_config(resolver.clone(), &[b"http/1.1"]).map_err(|e| system(&e))?;
        let tls_http2 = seawall_tls::server_config(resolver.clone(), &[b"h2", b"http/1.1"])
            .map_err(|e| system(&e))?;
        let shared = Arc::new(Shared {
            generation: AtomicU64::new(plan.generation),
            plan: ArcSwap::from_pointee(plan),
            metrics,
            logs,
            errors,
            connections: AtomicUsize::new(0),
            serial: AtomicU64::new(0),
            encoders: Encoders::default(),
            waf_events: crate::waf_events::WafEvents::default(),
            resolver,
            acme,
            drain_by: Mutex::default(),
            dns: std::sync::OnceLock::new(),
            tail: Default::default(),
            passwords: Passwords::new()
                .ok_or_else(|| LoadError::System("the system gives no random numbers".into()))?,
            genuine: Default::default(),
            tls,
            tls_http2,
        });
        let plan = shared.plan.load_full();
        let checks = health::start(&shared, &plan, &control);
        wait_for_names(&plan);
        let (senders, joins) = start_threads(&shared, threads).map_err(|e| system(&e))?;
        let edge = Arc::new(Self {
            shared,
            host,
            threads: senders,
            joins: Mutex::new(joins),
            ids,
            live: Mutex::default(),
            checks: Mutex::new(checks),
            control,
            started: Instant::now(),
            patient,
            missing: Mutex::default(),
        });
        let wanted = edge.wanted(&plan.config);
        let (sockets, missing) = edge.bind(&wanted, patient)?;
        edge.hand_out(&wanted, sockets, missing);
        edge.control.spawn(rotate_logs(Arc::downgrade(&edge)));
        Ok((edge, warnings))
    }

    /// Makes another configuration live. If anything fails the old one serves on.
    pub fn reload(&self, config: Config) -> Result<Diagnostics, LoadError> {
        let previous = self.shared.plan.load_full();
        let made = self.prepare(config, &previous);
        match &made {
            Ok(_) => self.shared.metrics.reloads.inc(),
            Err(_) => self.shared.metrics.reload_failures.inc(),
        }
        let (plan, warnings, wanted, (sockets, missing)) = made?;
        let certificates = plan.certificate_map.lock().take();
        let generation = plan.generation;
        let plan = Arc::new(plan);
        self.shared.plan.store(plan.clone());
        self.shared.generation.store(generation, Ordering::Release);
        if let Some(map) = certificates {
            self.shared.resolver.store(map);
        }
        *self.checks.lock() = health::start(&self.shared, &plan, &self.control);
        self.hand_out(&wanted, sockets, missing);
        Ok(warnings)
    }

    #[allow(clippy::type_complexity)]
    fn prepare(
        &self,
        config: Config,
        previous: &Plan,
    ) -> Result<(Plan, Diagnostics, Vec<Wanted>, Bindings), LoadError> {
        let shared = &self.shared;
        let (plan, warnings) = compile(
            config,
            Some(previous),
            &shared.metrics,
            &shared.logs,
            (&shared.resolver, &shared.acme),
            &*self.host,
            &self.ids,
        )?;
        let wanted = self.wanted(&plan.config);
        let bound = self.bind(&wanted, false)?;
        Ok((plan, warnings, wanted, bound))
    }

    fn wanted(&self, config: &Config) -> Vec<Wanted> {
        let wanted = |address: &Address, tls, udp| Wanted {
            id: listener_id(&self.ids, address, udp),
            address: address.clone(),
            tls,
            udp,
        };
        let listeners = config.listeners.iter();
        let listeners = listeners.map(|l| wanted(&l.address, l.tls, false));
        let streams = config.streams.iter().flat_map(|s| {
            let addresses = s.listen.iter();
            addresses.map(move |(a, _)| wanted(a, false, s.udp))
        });
        listeners.chain(streams).collect()
    }

    /// Binds what is not bound yet; nothing changes if one fails. An address that somebody else has is left out where the edge is
    /// patient: at its start, and where it was left out before.
    fn bind(&self, wanted: &[Wanted], starting: bool) -> Result<Bindings, LoadError> {
        let live = self.live.lock();
        let mut sockets = HashMap::new();
        let before: Vec<u32> = self.missing.lock().iter().map(|(w, _)| w.id).collect();
        let mut missing = Vec::new();
        for listener in wanted.iter().filter(|w| !live.contains_key(&w.id)) {
            let count = match listener.address {
                Address::Unix(_) => 1,
                _ => self.threads.len(),
            };
            let bound = match (&listener.address, listener.udp) {
                (Address::Ip(address), true) => self.host.listen_udp(*address, count),
                (address, _) => self.host.listen(address, count),
            };
            let bound = match bound {
                Ok(bound) => bound,
                Err(e) if is_missing_ipv6(&listener.address, wanted, &e) => {
                    log_error!(
                        self.shared,
                        Warn,
                        0,
                        "{} is not listened on: this machine has no IPv6 ({e})",
                        crate::plan::pool::address_text(&listener.address)
                    );
                    continue;
                }
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse
                        && self.patient
                        && (starting || before.contains(&listener.id)) =>
                {
                    missing.push((listener.clone(), error.to_string()));
                    continue;
                }
                Err(error) => {
                    return Err(LoadError::Bind {
                        address: crate::plan::pool::address_text(&listener.address),
                        error,
                    });
                }
            };
            sockets.insert(listener.id, bound);
        }
        Ok((sockets, missing))
    }

    /// Addresses that somebody else has, each with what the kernel says and who that is.
    pub fn missing(&self) -> Vec<(String, String)> {
        let text = |(wanted, why): &(Wanted, String)| {
            (
                crate::plan::pool::address_text(&wanted.address),
                why.clone(),
            )
        };
        self.missing.lock().iter().map(text).collect()
    }

    /// Tries to listen on addresses that somebody else had.
    pub fn listen_missing(&self) {
        let plan = self.plan();
        let wanted = self.wanted(&plan.config);
        // What cannot be bound for another reason now is as missing as before.
        if let Ok((sockets, missing)) = self.bind(&wanted, true) {
            self.hand_out(&wanted, sockets, missing);
        }
    }

    fn hand_out(
        &self,
        wanted: &[Wanted],
        mut sockets: HashMap<u32, Vec<OwnedFd>>,
        missing: Vec<(Wanted, String)>,
    ) {
        let mut live = self.live.lock();
        let absent = |id: u32| missing.iter().any(|(w, _)| w.id == id);
        for listener in wanted.iter().filter(|w| !absent(w.id)) {
            for (thread, fd) in self
                .threads
                .iter()
                .zip(sockets.remove(&listener.id).unwrap_or_default())
            {
                let socket = match listener.address {
                    Address::Unix(_) => Socket::unix(fd),
                    _ if listener.udp => Socket::udp(fd),
                    _ => Socket::tcp(fd),
                };
                // A thread that has ended takes no commands; its sockets' siblings go on.
                let _ = thread.send(Command::Listen {
                    id: listener.id,
                    socket,
                    tls: listener.tls,
                });
            }
            live.insert(listener.id, (listener.address.clone(), listener.udp));
        }
        let gone: Vec<u32> = live
            .keys()
            .copied()
            .filter(|id| !wanted.iter().any(|w| w.id == *id))
            .collect();
        for id in gone {
            self.threads
                .iter()
                .for_each(|t| drop(t.send(Command::Unlisten(id))));
            live.remove(&id);
        }
        let (mut addresses, mut datagrams) = (Vec::new(), Vec::new());
        for (address, udp) in live.values() {
            match (address, udp) {
                (Address::Ip(address), true) => datagrams.push(*address),
                (address, _) => addresses.push(address.clone()),
            }
        }
        self.host.retain(&addresses, &datagrams);
        *self.missing.lock() = missing;
    }

    /// Purges, softly if it says so: what is purged is stale then instead of gone. `Some(true)` if something was dropped, `None` where
    /// that is not known: only a URL is looked up. Waits for a worker thread to route a URL, and for the disk.
    pub fn purge(&self, target: &PurgeTarget, soft: bool) -> Result<Option<bool>, PurgeError> {
        let manner = match soft {
            true => Manner::Soft,
            false => Manner::Hard,
        };
        let PurgeTarget::Url(url) = target else {
            return purge_everywhere(&self.plan(), target, manner).map(|()| None);
        };
        let (reply, answer) = std::sync::mpsc::channel();
        let sent = self
            .threads
            .first()
            .is_some_and(|t| t.send(Command::Purge(url.clone(), manner, reply)).is_ok());
        if !sent {
            return Err(PurgeError::Stopping);
        }
        let purged = answer
            .recv_timeout(PURGE_WAIT)
            .unwrap_or(Err(PurgeError::Stopping))?;
        let written = purged
            .durable
            .into_iter()
            .map(Durable::wait_blocking)
            .filter(|written| !written)
            .count()
            == 0;
        written
            .then_some(Some(purged.removed))
            .ok_or(PurgeError::NotDurable)
    }

    /// Looks at a URL in the caches as a request with these fields (`Name: value`) would, at every listener of its scheme.
    pub fn inspect(&self, url: &str, fields: &[String]) -> Result<Vec<Inspected>, PurgeError> {
        let (reply, answer) = std::sync::mpsc::channel();
        let command = Command::Inspect(url.to_owned(), fields.to_vec(), reply);
        let sent = self
            .threads
            .first()
            .is_some_and(|t| t.send(command).is_ok());
        if !sent {
            return Err(PurgeError::Stopping);
        }
        answer
            .recv_timeout(PURGE_WAIT)
            .unwrap_or(Err(PurgeError::Stopping))
    }

    /// Objects in the memory of the caches, each with the name of its cache.
    pub fn cached(
        &self,
        wanted: &CachedQuery,
    ) -> Result<Vec<(String, Arc<seawall_cache::Object>)>, PurgeError> {
        caching::list(&self.plan(), wanted)
    }

    /// Has the worker threads stop accepting, finish what runs and end, at the deadline in any case. Waits for nothing.
    /// `gentle`: where a successor takes new connections already, how long those without a request may still ask once more.
    pub fn drain(&self, limit: Duration, gentle: Duration) {
        let deadline = Instant::now() + limit.min(DRAIN_MAX);
        *self.shared.drain_by.lock() = Some(deadline);
        self.threads
            .iter()
            .for_each(|t| drop(t.send(Command::Drain { deadline, gentle })));
    }

    /// Waits until a [drain](Self::drain) is over and its logs are written: no longer than [`UNWIND`] past the deadline. What stands
    /// still by then is told in the log and left behind.
    pub fn drained(&self) {
        let mut running = std::mem::take(&mut *self.joins.lock());
        loop {
            let (ended, rest): (Vec<_>, Vec<_>) =
                running.into_iter().partition(JoinHandle::is_finished);
            running = rest;
            for join in ended {
                if join.join().is_err() {
                    log_error!(self.shared, Alert, 0, "a worker thread panicked");
                }
            }
            let by = self.shared.drain_by.lock().unwrap_or_else(Instant::now);
            if running.is_empty() || Instant::now() >= by + UNWIND {
                break;
            }
            std::thread::sleep(DRAIN_LOOK);
        }
        for thread in running {
            let name = thread
                .thread()
                .name()
                .unwrap_or("a worker thread")
                .to_owned();
            log_error!(
                self.shared,
                Alert,
                0,
                "{name} did not end within {UNWIND:?} of the drain's end: what it waits for stands still, it is left behind"
            );
        }
        if !self.shared.logs.flush_within(UNWIND) {
            log_error!(
                self.shared,
                Alert,
                0,
                "access logs could not be written within {UNWIND:?}: their disk stands still, the last lines are lost"
            );
        }
    }

    /// Shortens a drain that is under way.
    pub fn hurry(&self, limit: Duration) {
        let by = Instant::now() + limit.min(DRAIN_MAX);
        let mut drain_by = self.shared.drain_by.lock();
        *drain_by = Some(drain_by.map_or(by, |before| before.min(by)));
    }

    /// Opens the access logs anew (USR1).
    pub fn reopen_logs(&self) {
        self.tell_unopened(self.shared.logs.reopen(&|path| self.host.open_log(path)));
    }

    fn tell_unopened(&self, unopened: Unopened) {
        for (path, e) in unopened {
            log_error!(
                self.shared,
                Alert,
                0,
                "open() \"{}\" failed ({e})",
                path.display()
            );
        }
    }

    /// The live plan.
    pub fn plan(&self) -> Arc<Plan> {
        self.shared.plan.load_full()
    }

    /// What all threads share.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How long it has run.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Worker threads.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }
}

#[derive(Clone)]
struct Wanted {
    id: u32,
    address: Address,
    tls: bool,
    udp: bool,
}

/// How the worker threads are told what to do, and how their end is awaited.
type Threads = (Vec<mpsc::UnboundedSender<Command>>, Vec<JoinHandle<()>>);

/// Whether an address is the IPv6 half of a bare port on a machine that has no IPv6: the other half serves.
fn is_missing_ipv6(address: &Address, wanted: &[Wanted], error: &io::Error) -> bool {
    /// Linux: the address family is not supported, the address is not available (asm-generic/errno.h).
    const EAFNOSUPPORT: i32 = 97;
    const EADDRNOTAVAIL: i32 = 99;
    let Address::Ip(SocketAddr::V6(v6)) = address else {
        return false;
    };
    let other = Address::Ip((Ipv4Addr::UNSPECIFIED, v6.port()).into());
    // A host that speaks nginx's words says the number first: `97: Address family not supported by protocol`.
    let said = error.to_string();
    let said = said.split_once(':').and_then(|(n, _)| n.parse().ok());
    let number = error.raw_os_error().or(said);
    v6.ip().is_unspecified()
        && matches!(number, Some(EAFNOSUPPORT | EADDRNOTAVAIL))
        && wanted.iter().any(|w| w.address == other)
}

fn start_threads(shared: &Arc<Shared>, count: usize) -> io::Result<Threads> {
    let mut senders = Vec::new();
    let mut joins = Vec::new();
    for n in 0..count {
        let (sender, commands) = mpsc::unbounded_channel();
        let shared = shared.clone();
        joins.push(
            std::thread::Builder::new()
                .name(format!("worker-{n}"))
                .spawn(move || {
                    let errors = shared.clone();
                    if let Err(e) = thread::run(shared, commands) {
                        log_error!(errors, Alert, 0, "a worker thread ended: {e}");
                    }
                })?,
        );
        senders.push(sender);
    }
    Ok((senders, joins))
}

fn wait_for_names(plan: &Plan) {
    let until = Instant::now() + RESOLVE_WAIT;
    let missing = || {
        plan.pools.iter().any(|pool| {
            let is_asked = pool.found.as_ref().is_none_or(|f| f.is_asked());
            !is_asked || pool.peers.iter().any(|p| p.peer().is_none())
        })
    };
    while missing() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_serves_where_there_is_no_ipv6() {
        let wanted = |texts: &[&str]| -> Vec<Wanted> {
            let one = |text: &&str| Wanted {
                id: 0,
                address: Address::Ip(text.parse().unwrap()),
                tls: false,
                udp: false,
            };
            texts.iter().map(one).collect()
        };
        let missing = io::Error::from_raw_os_error(97);
        let in_use = io::Error::from_raw_os_error(98);
        let both = wanted(&["0.0.0.0:80", "[::]:80"]);
        assert!(is_missing_ipv6(&both[1].address, &both, &missing));
        assert!(!is_missing_ipv6(&both[1].address, &both, &in_use));
        assert!(!is_missing_ipv6(&both[0].address, &both, &missing));
        let alone = wanted(&["[::]:80"]);
        assert!(!is_missing_ipv6(&alone[0].address, &alone, &missing));
        let named = wanted(&["0.0.0.0:80", "[::1]:80"]);
        assert!(!is_missing_ipv6(&named[1].address, &named, &missing));
    }
}
