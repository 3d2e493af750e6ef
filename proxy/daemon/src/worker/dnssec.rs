//! Zones that are signed here: signed when a plan is applied, and from then on by a thread that sleeps until something is
//! due. Queries never wait for it.

use crate::log::ErrorLog;
use seawall_conf::model::LogLevel;
use seawall_dns::{
    Denial, KeyFile, Name, Shared, Signer, SignerStatus, SigningOptions, Zone, ZoneSet, Zones,
    ds_answer, ds_query,
};
use seawall_edge::plan::{DnsPlan, ZoneToSign};
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
/// How often a parent is asked for its DS at most, in seconds.
const PARENT_EVERY_S: u64 = 600;
/// How long after a failure signing is tried again, in seconds.
const RETRY_S: u64 = 300;
/// How long a server may take to say what the parent's DS is.
const PARENT_TIME: Duration = Duration::from_secs(3);

/// What signs zones, and keeps them signed.
pub struct ZoneSigners {
    shared: Arc<Shared>,
    log: ErrorLog,
    /// One at a time signs and publishes.
    work: Mutex<BTreeMap<String, Work>>,
    /// What people see; never held while something is signed.
    seen: Mutex<BTreeMap<String, Seen>>,
    failures: AtomicU64,
    stopped: Mutex<bool>,
    wake: Condvar,
}

/// A zone and what signs it.
struct Work {
    signer: Signer,
    zone: Zone,
    parent: Vec<SocketAddr>,
    served: Option<Arc<ZoneSet>>,
    parent_asked: u64,
    not_before: u64,
}

#[derive(Clone)]
struct Seen {
    status: Option<SignerStatus>,
    problem: Option<String>,
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
    pub fn apply(&self, plan: DnsPlan, keys: &Path) {
        let DnsPlan {
            mut zones,
            to_sign,
            health,
            policies,
            guard,
            ..
        } = plan;
        let mut work = locked(&self.work);
        let names: Vec<String> = to_sign
            .iter()
            .map(|z| z.zone.origin().to_string())
            .collect();
        work.retain(|name, _| names.contains(name));
        locked(&self.seen).retain(|name, _| names.contains(name));
        for to_sign in to_sign {
            let name = to_sign.zone.origin().clone();
            match self.take(&mut work, to_sign, keys) {
                Ok(()) => {
                    if let Some(entry) = work.get_mut(&name.to_string()) {
                        self.sign(entry);
                        if let Some(served) = &entry.served {
                            zones.insert(&name, served.clone());
                        }
                    }
                }
                Err(problem) => self.failed(&name.to_string(), None, problem),
            }
        }
        self.shared
            .publish_with(zones, health, policies, Arc::new(guard));
        work.values_mut().for_each(|entry| self.published(entry));
        self.wake.notify_all();
    }

    fn take(
        &self,
        work: &mut BTreeMap<String, Work>,
        to_sign: ZoneToSign,
        keys: &Path,
    ) -> Result<(), String> {
        let ZoneToSign {
            zone,
            options,
            parent,
        } = to_sign;
        let name = zone.origin().to_string();
        if let Some(entry) = work.get_mut(&name) {
            entry.signer.set_options(options);
            (entry.zone, entry.parent, entry.not_before) = (zone, parent, 0);
            return Ok(());
        }
        let signer = open(&zone, options, keys)?;
        let entry = Work {
            signer,
            zone,
            parent,
            served: None,
            parent_asked: 0,
            not_before: 0,
        };
        work.insert(name, entry);
        Ok(())
    }

    /// Signs a zone as it is now. Tells whether there is something new to publish.
    fn sign(&self, entry: &mut Work) -> bool {
        let name = entry.signer.origin().to_string();
        match entry.signer.sign(&entry.zone, now()) {
            Ok((signed, events)) => {
                for event in events {
                    self.say(LogLevel::Notice, format_args!("{name} {event}"));
                }
                entry.served = Some(Arc::new(ZoneSet::new(vec![signed])));
                let status = Some(entry.signer.status());
                locked(&self.seen).insert(
                    name,
                    Seen {
                        status,
                        problem: None,
                    },
                );
                true
            }
            Err(e) => {
                entry.not_before = now() + RETRY_S;
                self.failed(&name, Some(entry.signer.status()), e.to_string());
                false
            }
        }
    }

    fn published(&self, entry: &mut Work) {
        if entry.served.is_none() {
            return;
        }
        let name = entry.signer.origin().to_string();
        if let Err(e) = entry.signer.published(now()) {
            self.failed(&name, Some(entry.signer.status()), e.to_string());
            return;
        }
        if let Some(seen) = locked(&self.seen).get_mut(&name) {
            seen.status = Some(entry.signer.status());
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
        let mut work = locked(&self.work);
        let mut next = now() + SLEEP_MAX.as_secs();
        for (name, entry) in work.iter_mut() {
            self.ask_parent(name, entry);
            let due = entry.signer.next().max(entry.not_before);
            if due > now() {
                next = next.min(due);
                continue;
            }
            if self.sign(entry)
                && let Some(served) = &entry.served
            {
                let serving = self.shared.serving();
                let mut zones = Zones::clone(&serving.zones);
                zones.insert(entry.signer.origin(), served.clone());
                self.shared.publish(zones, serving.health.clone());
                self.published(entry);
            }
            next = next.min(now() + 1);
        }
        Duration::from_secs(next.saturating_sub(now()).max(1))
    }

    fn ask_parent(&self, name: &str, entry: &mut Work) {
        if !entry.signer.wants_parent() || entry.parent_asked + PARENT_EVERY_S > now() {
            return;
        }
        entry.parent_asked = now();
        let servers = if entry.parent.is_empty() {
            system_servers()
        } else {
            entry.parent.clone()
        };
        // Every one of them has to lead to the new key before the old one may go.
        let mut common: Option<Vec<Box<[u8]>>> = None;
        for server in servers {
            match ask(server, entry.signer.origin()) {
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
        match entry.signer.parent(&common.unwrap_or_default(), now()) {
            Ok(events) => events
                .iter()
                .for_each(|event| self.say(LogLevel::Notice, format_args!("{name} {event}"))),
            Err(e) => self.failed(name, Some(entry.signer.status()), e.to_string()),
        }
        if let Some(seen) = locked(&self.seen).get_mut(name) {
            seen.status = Some(entry.signer.status());
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

fn open(zone: &Zone, options: SigningOptions, keys: &Path) -> Result<Signer, String> {
    let store = KeyFile::of(keys, &zone.origin().to_string());
    Signer::open(zone.origin(), options, Box::new(store)).map_err(|e| e.to_string())
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
