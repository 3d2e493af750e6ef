//! Zones that are copied from other servers, each by a task of its own.

use super::catalog;
use super::incoming::{Copied, TransferError, refresh};
use crate::edit::serial_of;
use crate::policy::{Peer, Secondary};
use crate::serve::Shared;
use crate::{Name, Zone};
use seawall_diag::SourceMap;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

/// Bounds of the timers in a SOA, so that a mistake there neither floods the primary nor forgets it.
const TIMER_MIN: Duration = Duration::from_secs(1);
const TIMER_MAX: Duration = Duration::from_secs(86_400);
/// The first wait of a copy that does not exist yet; it doubles up to a minute.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const FIRST_RETRY_MAX: Duration = Duration::from_secs(60);

/// Says what happened to copies: a zone, and what.
pub type Report = Arc<dyn Fn(&Name, std::fmt::Arguments<'_>) + Send + Sync>;

/// All copies of a daemon.
pub struct Secondaries {
    shared: Arc<Shared>,
    runtime: Handle,
    report: Report,
    tasks: Mutex<HashMap<Name, Task>>,
}

struct Task {
    options: Secondary,
    /// The catalog that lists it.
    catalog: Option<Name>,
    stop: watch::Sender<bool>,
}

impl Secondaries {
    /// Copies nothing yet. Tasks run on `runtime`.
    pub fn new(shared: Arc<Shared>, runtime: Handle, report: Report) -> Arc<Self> {
        Arc::new(Self {
            shared,
            runtime,
            report,
            tasks: Mutex::default(),
        })
    }

    /// Copies these zones from now on, and stops with all others, but for the members of their catalogs.
    pub fn apply(self: &Arc<Self>, wanted: Vec<Secondary>) {
        let names: Vec<Name> = wanted.iter().map(|s| s.zone.lower()).collect();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = |name: &Name, task: &Task| names.contains(task.catalog.as_ref().unwrap_or(name));
        let gone: Vec<Name> = tasks
            .iter()
            .filter(|(n, t)| !kept(n, t))
            .map(|(n, _)| n.clone())
            .collect();
        for name in gone {
            self.end(&mut tasks, &name);
        }
        for options in wanted {
            self.begin(&mut tasks, options, None);
        }
    }

    /// Copies what a catalog lists, and no longer what it does not.
    fn follow_catalog(self: &Arc<Self>, catalog: &Secondary, members: &[Name]) {
        let name = catalog.zone.lower();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = |zone: &Name| members.iter().any(|m| m.lower() == *zone);
        let gone: Vec<Name> = tasks
            .iter()
            .filter(|(zone, task)| task.catalog.as_ref() == Some(&name) && !listed(zone))
            .map(|(zone, _)| zone.clone())
            .collect();
        for zone in gone {
            (self.report)(&zone, format_args!("is no longer in the catalog {name}"));
            self.end(&mut tasks, &zone);
            self.shared.withdraw(&zone);
        }
        for member in members {
            // What is configured here is not a catalog's to change.
            if tasks.contains_key(&member.lower())
                || self.shared.serving_now().zones.get(member).is_some()
            {
                continue;
            }
            let file = catalog
                .file
                .as_ref()
                .and_then(|f| f.parent())
                .map(|folder| folder.join(file_name(member)));
            let options = Secondary {
                zone: member.clone(),
                primaries: catalog.primaries.clone(),
                file,
                catalog: false,
            };
            self.begin(&mut tasks, options, Some(name.clone()));
        }
    }

    fn begin(
        self: &Arc<Self>,
        tasks: &mut HashMap<Name, Task>,
        options: Secondary,
        catalog: Option<Name>,
    ) {
        let name = options.zone.lower();
        if tasks.get(&name).is_some_and(|t| same(&t.options, &options)) {
            return;
        }
        self.end(tasks, &name);
        let addresses = options.primaries.iter().map(|p| p.address.ip()).collect();
        let notified = self.shared.follow(&name, addresses);
        let (stop, stopped) = watch::channel(false);
        let follower = Follower {
            all: Arc::downgrade(self),
            shared: Arc::clone(&self.shared),
            options: options.clone(),
            report: Arc::clone(&self.report),
        };
        self.runtime.spawn(follower.run(notified, stopped));
        tasks.insert(
            name,
            Task {
                options,
                catalog,
                stop,
            },
        );
    }

    fn end(&self, tasks: &mut HashMap<Name, Task>, name: &Name) {
        if let Some(task) = tasks.remove(name) {
            let _ = task.stop.send(true);
            self.shared.unfollow(name);
        }
    }
}

fn same(a: &Secondary, b: &Secondary) -> bool {
    // A key with the same name may have another secret by now.
    let peer = |a: &Peer, b: &Peer| a.address == b.address && a.key == b.key;
    a.catalog == b.catalog
        && a.file == b.file
        && a.primaries.len() == b.primaries.len()
        && a.primaries
            .iter()
            .zip(&b.primaries)
            .all(|(a, b)| peer(a, b))
}

/// The file of a zone's copy. A name has no slash but an escaped one.
pub(crate) fn file_name(zone: &Name) -> String {
    let name = zone.lower().to_string();
    let safe: String = name
        .chars()
        .map(|c| if c == '/' { '_' } else { c })
        .collect();
    format!("{}zone", if safe == "." { "root." } else { &safe })
}

/// One zone's copy.
struct Follower {
    all: Weak<Secondaries>,
    shared: Arc<Shared>,
    options: Secondary,
    report: Report,
}

impl Follower {
    async fn run(self, mut notified: watch::Receiver<u64>, mut stop: watch::Receiver<bool>) {
        let mut zone = self.load().await;
        let mut succeeded = Instant::now();
        let mut first = FIRST_RETRY;
        loop {
            notified.mark_unchanged();
            let wait = tokio::select! {
                refreshed = self.refresh(zone.as_deref()) => match refreshed {
                    Ok(newer) => {
                        zone = newer.or(zone);
                        succeeded = Instant::now();
                        timer(zone.as_deref(), 16)
                    }
                    Err(()) if zone.is_none() => {
                        first = (first * 2).min(FIRST_RETRY_MAX);
                        first
                    }
                    Err(()) => timer(zone.as_deref(), 12),
                },
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let mut wake = Instant::now() + wait;
            let expires = zone
                .as_deref()
                .map(|z| succeeded + timer(Some(z), 8).max(wait));
            let is_expiring = expires.is_some_and(|e| e <= wake);
            wake = expires.map_or(wake, |e| e.min(wake));
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {
                    if is_expiring && zone.is_some() && Instant::now() >= succeeded + timer(zone.as_deref(), 8) {
                        (self.report)(&self.options.zone, format_args!("has expired: no primary answered for as long as its SOA allows"));
                        self.shared.expire(&self.options.zone);
                        zone = None;
                    }
                }
                changed = notified.changed() => if changed.is_err() { return },
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// Asks each primary in turn.
    async fn refresh(&self, have: Option<&Zone>) -> Result<Option<Arc<Zone>>, ()> {
        let name = &self.options.zone;
        for peer in &self.options.primaries {
            match refresh(name, have, peer).await {
                Ok(None) => return Ok(None),
                Ok(Some(copied)) => return self.publish(copied).await.map(Some),
                Err(e) => self.failed(&e, peer.address),
            }
        }
        Err(())
    }

    fn failed(&self, error: &TransferError, from: std::net::SocketAddr) {
        (self.report)(
            &self.options.zone,
            format_args!("was not copied from {from}: {error}"),
        );
    }

    /// Serves a new version and keeps it on disk.
    async fn publish(&self, copied: Copied) -> Result<Arc<Zone>, ()> {
        let Copied { zone, difference } = copied;
        let (shared, file) = (Arc::clone(&self.shared), self.options.file.clone());
        let zone = Arc::new(zone);
        let published = Arc::clone(&zone);
        let written = tokio::task::spawn_blocking(move || {
            let written = file.map_or(Ok(()), |file| write(&file, &published.to_text()));
            shared.replace((*published).clone(), difference);
            written
        });
        if let Ok(Err(e)) = written.await {
            (self.report)(
                &self.options.zone,
                format_args!("is served but could not be written: {e}"),
            );
        }
        (self.report)(
            &self.options.zone,
            format_args!("has serial number {}", zone.serial().unwrap_or(0)),
        );
        self.list(&zone);
        Ok(zone)
    }

    fn list(&self, zone: &Zone) {
        if let Some(all) = self.all.upgrade().filter(|_| self.options.catalog)
            && let Some(members) = catalog::members(zone)
        {
            all.follow_catalog(&self.options, &members);
        }
    }

    /// The copy on disk, served until the primary has said something.
    async fn load(&self) -> Option<Arc<Zone>> {
        let (file, name) = (self.options.file.clone()?, self.options.zone.clone());
        let shared = Arc::clone(&self.shared);
        let loaded = tokio::task::spawn_blocking(move || {
            let text = std::fs::read_to_string(&file).ok()?;
            let mut sources = SourceMap::default();
            let id = sources.add(&file, text);
            let zone = Arc::new(Zone::parse(&name.to_string(), &mut sources, id).ok()?);
            shared.replace((*zone).clone(), None);
            Some(zone)
        });
        let zone = loaded.await.ok()??;
        self.list(&zone);
        Some(zone)
    }
}

/// A timer of the SOA, so many bytes before its end: 16 refresh, 12 retry, 8 expire.
fn timer(zone: Option<&Zone>, from_end: usize) -> Duration {
    let seconds = zone.and_then(Zone::soa_record).and_then(|soa| {
        serial_of(&soa.data)?;
        let at = soa.data.len().checked_sub(from_end)?;
        soa.data
            .get(at..)?
            .first_chunk()
            .map(|n| u32::from_be_bytes(*n))
    });
    let most = if from_end == 8 {
        Duration::MAX
    } else {
        TIMER_MAX
    };
    Duration::from_secs(u64::from(seconds.unwrap_or(60))).clamp(TIMER_MIN, most)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)
}
