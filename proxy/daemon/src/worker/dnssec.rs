//! Zones that are signed here: signed when a plan is applied, and from then on by a thread that sleeps until something is
//! due. Queries never wait for it.

use crate::log::ErrorLog;
use seawall_conf::model::LogLevel;
use seawall_dns::{
    Denial, Finish, KeyFile, Name, Shared, Signer, SignerStatus, SigningOptions, Zone, ZoneSet,
    ds_answer, ds_query,
};
use seawall_edge::plan::DnsPlan;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long the thread sleeps at most.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// How often a parent is asked for its DS at most, in seconds; more often where what it says holds less than four times as long.
const PARENT_EVERY_S: u64 = 600;
/// How long after a failure signing is tried again, in seconds.
const RETRY_S: u64 = 300;
/// How long a server may take to say what the parent's DS is.
const PARENT_TIME: Duration = Duration::from_secs(3);

/// What signs zones, and keeps them signed.
///
/// A zone is signed wherever it is published: by a reload, an update, a token, the API, or here when something is due.
/// The lock on a zone's [`Work`] is taken last, and nothing is published under it.
pub struct ZoneSigners {
    shared: Arc<Shared>,
    log: ErrorLog,
    work: Mutex<BTreeMap<String, Arc<Mutex<Work>>>>,
    /// What people see; never held while something is signed.
    seen: Mutex<BTreeMap<String, Seen>>,
    failures: AtomicU64,
    stopped: Mutex<bool>,
    wake: Condvar,
}

/// What signs a zone.
struct Work {
    signer: Signer,
    parent: Vec<SocketAddr>,
    parent_every_s: u64,
    parent_asked: u64,
    not_before: u64,
    /// What was signed last is not served yet.
    unpublished: bool,
}

#[derive(Clone)]
struct Seen {
    status: Option<SignerStatus>,
    problem: Option<String>,
}

/// Signs one zone for the server.
struct Signing {
    signers: Weak<ZoneSigners>,
    work: Arc<Mutex<Work>>,
}

impl Finish for Signing {
    fn finish(&self, zone: &Zone) -> Result<Zone, String> {
        let signers = self.signers.upgrade().ok_or("the server is stopping")?;
        signers.sign(&mut locked(&self.work), zone)
    }

    fn published(&self) {
        if let Some(signers) = self.signers.upgrade() {
            signers.published(&mut locked(&self.work));
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind them is replaced whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| d.as_secs())
}

impl ZoneSigners {
    /// Signs nothing yet.
    pub fn new(shared: Arc<Shared>, log: ErrorLog) -> Arc<Self> {
        let signers = Arc::new(Self {
            shared,
            log,
            work: Mutex::default(),
            seen: Mutex::default(),
            failures: AtomicU64::new(0),
            stopped: Mutex::new(false),
            wake: Condvar::new(),
        });
        let weak = Arc::downgrade(&signers);
        let spawned = std::thread::Builder::new()
            .name("dnssec".to_owned())
            .spawn(move || keep(&weak));
        if let Err(e) = spawned {
            signers.say(
                LogLevel::Alert,
                format_args!("no thread to sign zones: {e}"),
            );
        }
        signers
    }

    /// Signs the zones of a plan and publishes it all. A zone that cannot be signed is answered from as it was before, or
    /// not at all: without signatures it would be refused by everybody who validates.
    pub fn apply(self: &Arc<Self>, plan: DnsPlan, keys: &Path) {
        let DnsPlan {
            mut zones,
            to_sign,
            health,
            policies,
            guard,
            ..
        } = plan;
        let names: Vec<String> = to_sign
            .iter()
            .map(|z| z.zone.origin().to_string())
            .collect();
        self.forget_others(&names);
        for to_sign in to_sign {
            let name = to_sign.zone.origin().clone();
            let compiled = Arc::new(ZoneSet::new(vec![to_sign.zone]));
            match self.take(&name, to_sign.options, to_sign.parent, keys) {
                Ok(work) => {
                    let signers = Arc::downgrade(self);
                    let signing = Signing { signers, work };
                    self.shared.finish_with(&name, Some(Arc::new(signing)));
                    zones.insert(&name, compiled);
                }
                Err(problem) => {
                    self.failed(&name.to_string(), None, problem);
                    let serving = self.shared.serving();
                    if let Some(before) = serving.zones.get(&name) {
                        zones.insert(&name, before.clone());
                    }
                }
            }
        }
        self.shared
            .publish_with(zones, health, policies, Arc::new(guard));
        self.wake.notify_all();
    }

    /// Signs no longer what a plan does not sign.
    fn forget_others(&self, names: &[String]) {
        let gone: Vec<Name> = locked(&self.work)
            .iter()
            .filter(|(name, _)| !names.contains(name))
            .map(|(_, work)| locked(work).signer.origin().clone())
            .collect();
        gone.iter()
            .for_each(|name| self.shared.finish_with(name, None));
        locked(&self.work).retain(|name, _| names.contains(name));
        locked(&self.seen).retain(|name, _| names.contains(name));
    }

    fn take(
        &self,
        zone: &Name,
        options: SigningOptions,
        parent: Vec<SocketAddr>,
        keys: &Path,
    ) -> Result<Arc<Mutex<Work>>, String> {
        let name = zone.to_string();
        let parent_every_s = (options.keys.parent_ttl_s / 4).clamp(1, PARENT_EVERY_S);
        let known = locked(&self.work).get(&name).cloned();
        if let Some(known) = known {
            let mut work = locked(&known);
            work.signer.set_options(options);
            (work.parent, work.parent_every_s, work.not_before) = (parent, parent_every_s, 0);
            drop(work);
            return Ok(known);
        }
        let store = KeyFile::of(keys, &name);
        let signer = Signer::open(zone, options, Box::new(store)).map_err(|e| e.to_string())?;
        let work = Arc::new(Mutex::new(Work {
            signer,
            parent,
            parent_every_s,
            parent_asked: 0,
            not_before: 0,
            unpublished: false,
        }));
        locked(&self.work).insert(name, work.clone());
        Ok(work)
    }

    /// Signs a zone as it is now.
    fn sign(&self, work: &mut Work, zone: &Zone) -> Result<Zone, String> {
        let name = work.signer.origin().to_string();
        match work.signer.sign(zone, now()) {
            Ok((signed, events)) => {
                for event in events {
                    self.say(LogLevel::Notice, format_args!("{name} {event}"));
                }
                work.unpublished = true;
                let status = Some(work.signer.status());
                let problem = None;
                locked(&self.seen).insert(name, Seen { status, problem });
                Ok(signed)
            }
            Err(e) => {
                work.not_before = now() + RETRY_S;
                self.failed(&name, Some(work.signer.status()), e.to_string());
                Err(format!("{name} cannot be signed: {e}"))
            }
        }
    }

    fn published(&self, work: &mut Work) {
        if !std::mem::take(&mut work.unpublished) {
            return;
        }
        let name = work.signer.origin().to_string();
        if let Err(e) = work.signer.published(now()) {
            self.failed(&name, Some(work.signer.status()), e.to_string());
            return;
        }
        if let Some(seen) = locked(&self.seen).get_mut(&name) {
            seen.status = Some(work.signer.status());
        }
    }

    fn failed(&self, name: &str, status: Option<SignerStatus>, problem: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.say(
            LogLevel::Alert,
            format_args!("{name} cannot be signed: {problem}"),
        );
        let problem = Some(problem);
        locked(&self.seen).insert(name.to_owned(), Seen { status, problem });
    }

    fn say(&self, level: LogLevel, what: fmt::Arguments<'_>) {
        self.log.line(level, 0, format_args!("dnssec: {what}"));
    }

    /// Does what is due. Gives how long there is nothing to do.
    fn due(&self) -> Duration {
        let all: Vec<(String, Arc<Mutex<Work>>)> = locked(&self.work)
            .iter()
            .map(|(name, work)| (name.clone(), work.clone()))
            .collect();
        let mut next = now() + SLEEP_MAX.as_secs();
        for (name, work) in all {
            self.ask_parent(&name, &work);
            let (origin, due, ask_again) = {
                let work = locked(&work);
                let due = work.signer.next().max(work.not_before);
                let ask_again = work.signer.wants_parent();
                let ask_again = ask_again.then_some(work.parent_asked + work.parent_every_s);
                (work.signer.origin().clone(), due, ask_again)
            };
            next = ask_again.map_or(next, |at| next.min(at));
            if due > now() {
                next = next.min(due);
                continue;
            }
            if self.shared.finish_again(&origin).is_err() {
                // Why is in the log; a zone that is not published yet is signed when it is.
                let mut work = locked(&work);
                work.not_before = work.not_before.max(now() + 1);
            }
            next = next.min(now() + 1);
        }
        Duration::from_secs(next.saturating_sub(now()).max(1))
    }

    fn ask_parent(&self, name: &str, work: &Mutex<Work>) {
        let (servers, origin) = {
            let mut work = locked(work);
            if !work.signer.wants_parent() || work.parent_asked + work.parent_every_s > now() {
                return;
            }
            work.parent_asked = now();
            (work.parent.clone(), work.signer.origin().clone())
        };
        let servers = if servers.is_empty() {
            system_servers()
        } else {
            servers
        };
        // Every one of them has to lead to the new key before the old one may go.
        let mut common: Option<Vec<Box<[u8]>>> = None;
        for server in servers {
            match ask(server, &origin) {
                Ok(ds) => {
                    common = Some(match common {
                        Some(before) => before.into_iter().filter(|d| ds.contains(d)).collect(),
                        None => ds,
                    });
                }
                Err(e) => {
                    let what = format_args!("{name} {server} was asked for the parent's DS: {e}");
                    self.say(LogLevel::Info, what);
                    return;
                }
            }
        }
        let mut work = locked(work);
        match work.signer.parent(&common.unwrap_or_default(), now()) {
            Ok(events) => events
                .iter()
                .for_each(|event| self.say(LogLevel::Notice, format_args!("{name} {event}"))),
            Err(e) => self.failed(name, Some(work.signer.status()), e.to_string()),
        }
        if let Some(seen) = locked(&self.seen).get_mut(name) {
            seen.status = Some(work.signer.status());
        }
    }

    /// Ends the thread.
    pub fn stop(&self) {
        *locked(&self.stopped) = true;
        self.wake.notify_all();
    }

    /// `GET /api/v1/dns/dnssec`
    pub fn status(&self) -> Value {
        let seen = locked(&self.seen).clone();
        seen.iter()
            .map(|(name, seen)| {
                let status = seen.status.as_ref();
                json!({
                    "zone": name,
                    "problem": seen.problem,
                    "ds": status.map(|s| s.ds.clone()),
                    "denial": status.map(|s| match s.denial {
                        Denial::Nsec3 => "nsec3",
                        _ => "nsec",
                    }),
                    "signatures": status.map(|s| s.signatures.0),
                    "expires_unix_s": status.and_then(|s| s.expires),
                    "next_unix_s": status.map(|s| s.next),
                    "waits_for_parent": status.map(|s| s.waits_for_parent),
                    "keys": status.map(|s| s.keys.iter().map(|k| json!({
                        "role": k.role.name(), "tag": k.tag, "algorithm": k.algorithm.to_string(),
                        "state": k.state.name(), "since_unix_s": k.since, "until_unix_s": k.next,
                        "delegated": k.delegated,
                    })).collect::<Vec<_>>()),
                })
            })
            .collect()
    }

    /// When signatures end, and what failed.
    pub fn metrics(&self, out: &mut String) -> fmt::Result {
        let seen = locked(&self.seen).clone();
        writeln!(
            out,
            "# HELP seawall_dnssec_signature_expiry_seconds When the first signature of a zone ends, in seconds since 1970\n\
             # TYPE seawall_dnssec_signature_expiry_seconds gauge"
        )?;
        for (name, seen) in &seen {
            if let Some(expires) = seen.status.as_ref().and_then(|s| s.expires) {
                writeln!(
                    out,
                    "seawall_dnssec_signature_expiry_seconds{{zone=\"{name}\"}} {expires}"
                )?;
            }
        }
        writeln!(
            out,
            "# HELP seawall_dnssec_failures_total Zones that could not be signed, or keys that could not be kept\n\
             # TYPE seawall_dnssec_failures_total counter\nseawall_dnssec_failures_total {}",
            self.failures.load(Ordering::Relaxed)
        )
    }
}

/// The thread's body. Ends with the signers.
fn keep(signers: &Weak<ZoneSigners>) {
    while let Some(signers) = signers.upgrade() {
        let sleep = signers.due();
        let stopped = locked(&signers.stopped);
        if *stopped {
            return;
        }
        let woken = signers.wake.wait_timeout(stopped, sleep);
        if woken.is_ok_and(|(stopped, _)| *stopped) {
            return;
        }
    }
}

/// Asks one server for a zone's DS, over TCP.
fn ask(server: SocketAddr, zone: &Name) -> io::Result<Vec<Box<[u8]>>> {
    let mut stream = TcpStream::connect_timeout(&server, PARENT_TIME)?;
    stream.set_read_timeout(Some(PARENT_TIME))?;
    stream.set_write_timeout(Some(PARENT_TIME))?;
    let id = (now() as u16) ^ (std::process::id() as u16);
    let query = ds_query(zone, id);
    stream.write_all(&(query.len() as u16).to_be_bytes())?;
    stream.write_all(&query)?;
    let mut len = [0; 2];
    stream.read_exact(&mut len)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(len))];
    stream.read_exact(&mut answer)?;
    ds_answer(zone, id, &answer).ok_or_else(|| io::Error::other("its answer says nothing about it"))
}

/// The system's resolvers.
fn system_servers() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let lines = text
        .lines()
        .filter_map(|l| l.trim().strip_prefix("nameserver"));
    let addresses = lines.filter_map(|l| l.trim().parse::<IpAddr>().ok());
    addresses.take(1).map(|a| SocketAddr::new(a, 53)).collect()
}
