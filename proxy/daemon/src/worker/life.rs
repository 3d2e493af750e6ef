//! A worker's life: start, reloads, drain.

use super::{
    WorkerOptions,
    admin::{self, AdminServers},
    certificates::{self, OwnZones},
    chores, configurations,
    dns::DnsServer,
    host::{EdgeLog, KeeperHost},
    idle,
    leave::{End, STOP_LIMIT, leave},
    signals::{self, Signals},
    taken::{self, Missing},
    turns::Turns,
    watch::FileWatch,
};
use crate::{
    configuration::{self, Source},
    keeper::{KeeperClient, protocol::OpenMode},
    log::ErrorLog,
    patience,
};
use anyhow::Context;
use arc_swap::ArcSwap;
use seawall_admin::{AuditLog, Codes, Tokens};
use seawall_conf::model::{LogLevel, Syntax};
use seawall_diag::{Diagnostics, SourceMap};
use seawall_edge::{Edge, LoadError};
use seawall_tls::acme::Issuer;
use std::{
    io,
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::runtime::{Handle, Runtime};

/// How long a reload waits for the one before it.
const TURN_PATIENCE: Duration = Duration::from_secs(30);

/// How long a reload may take: reading, compiling and binding what a configuration names.
const RELOAD_PATIENCE: Duration = Duration::from_secs(180);

/// How long the state directory may take to give the audit log, or to keep a revision.
pub(super) const STATE_PATIENCE: Duration = Duration::from_secs(5);

/// Everything a worker runs, for reloads and the API.
pub struct Worker {
    /// The edge.
    pub edge: Arc<Edge>,
    /// The DNS server.
    pub dns: DnsServer,
    zones: Arc<OwnZones>,
    /// What keeps certificates current.
    pub issuer: Issuer,
    /// Where the configuration comes from.
    pub source: Source,
    /// The error log.
    pub log: ErrorLog,
    /// Workers this keeper started before.
    pub generation: u64,
    /// When it started.
    pub started: SystemTime,
    pub(super) host: Arc<KeeperHost>,
    /// Who may use the API over TCP.
    pub tokens: Arc<ArcSwap<Tokens>>,
    /// Whether a configuration is live.
    serves: std::sync::atomic::AtomicBool,
    /// Where changes over the API are recorded; or why they cannot be.
    pub audit: ArcSwap<Result<Arc<AuditLog>, String>>,
    /// Samples of the last minutes.
    pub signals: Signals,
    /// One change of the configuration at a time.
    pub(super) changing: Mutex<()>,
    admin: Mutex<AdminServers>,
    watch: Option<FileWatch>,
    pub(super) control: Handle,
    last_failure: Mutex<Option<String>>,
    reloading: Arc<Turns>,
}

/// A reload that failed: the text for people, and the findings as JSON.
pub struct Refused {
    /// With carets.
    pub rendered: String,
    /// For the API.
    pub findings: serde_json::Value,
}

/// Serves until the keeper says otherwise. An error ends the worker with exit code 1, and the daemon if it is starting.
pub fn run(keeper: KeeperClient, options: WorkerOptions) -> anyhow::Result<ExitCode> {
    // Before anything speaks TLS: a library must not install another provider first.
    let _ = rustls::crypto::CryptoProvider::clone(&seawall_tls::provider()).install_default();
    let control = control_runtime()?;
    let (log, style) = (options.log.clone(), options.source.style);
    let worker = match start(&keeper, options, control.handle()) {
        Ok(worker) => worker,
        Err(StartError::Invalid(sources, diagnostics)) => {
            configuration::refuse(&log, style, &diagnostics, &sources);
            return Ok(ExitCode::FAILURE);
        }
        Err(StartError::Other(e)) => return Err(e),
    };
    let mut events = keeper.events().context("the keeper's events are taken")?;
    keeper.bound()?;
    let chores = chores::start(&worker, keeper)?;
    let end = loop {
        let event = events.blocking_recv();
        match (End::of(event.as_ref(), &worker), event) {
            (Some(end), _) => break end,
            // It ends with the worker.
            (None, Some(chore)) => drop(chores.send(chore)),
            (None, None) => {}
        }
    };
    leave(&worker, &end, events);
    control.shutdown_timeout(STOP_LIMIT);
    // What a drop would wait for, a thread at a disk that stands still, is left to the process's end.
    std::mem::forget(worker);
    Ok(ExitCode::SUCCESS)
}

fn control_runtime() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("control")
        .enable_all()
        .build()?)
}

/// Why there is no worker: what is wrong with the configuration, each at its place, or anything else in one line.
enum StartError {
    Invalid(SourceMap, Diagnostics),
    Other(anyhow::Error),
}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Invalid(sources, diagnostics) => StartError::Invalid(sources, diagnostics),
            other => StartError::Other(other.into()),
        }
    }
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> Self {
        StartError::Other(error)
    }
}

fn start(
    keeper: &KeeperClient,
    options: WorkerOptions,
    control: &Handle,
) -> Result<Arc<Worker>, StartError> {
    let WorkerOptions {
        source,
        log,
        generation,
        patient,
    } = options;
    let host = Arc::new(KeeperHost::new(keeper.clone()));
    let load = || {
        let loaded = source.load_by(host.reader());
        loaded.map_err(|e| StartError::Invalid(e.sources, e.diagnostics))
    };
    let (mut config, mut warnings) = load()?;
    if config.syntax == Syntax::Yaml
        && let Some(said) = recover(&source, &config.process.state)
    {
        log.line(LogLevel::Warn, 0, format_args!("{said}"));
        (config, warnings) = load()?;
    }
    if log.file().is_none() {
        // The keeper has said them already where the log is.
        warnings = Diagnostics::default();
    }
    let asking = keeper.clone();
    log.on_full(move |path| {
        let opened = asking.open(path, OpenMode::Rotate);
        opened.map_err(|e| io::Error::other(e.to_string()))
    });
    for problem in log.configure(&config.log.error, true) {
        log.line(LogLevel::Warn, 0, format_args!("{problem}"));
    }
    let errors = Arc::new(EdgeLog(log.clone()));
    let (edge, found) = Edge::start(config, host.clone(), errors, control.clone(), patient)?;
    warnings.extend(found);
    let plan = edge.plan();
    configuration::report_to_log(&warnings, &plan.config.sources, &log);
    let (watch, changes) = match plan.config.syntax {
        Syntax::Yaml => FileWatch::new()
            .map(|(w, c)| (Some(w), Some(c)))
            .unwrap_or_else(|e| {
                log.line(
                    LogLevel::Warn,
                    0,
                    format_args!("files are not watched: {e}"),
                );
                (None, None)
            }),
        // nginx reloads on a signal only, and so do we in its place.
        Syntax::Nginx => (None, None),
    };
    let dns = DnsServer::new(log.clone(), edge.shared().resolver.clone(), patient);
    let zones = Arc::new(OwnZones::new(dns.shared().clone()));
    // Requests that come before this are told to come again.
    let _ = edge.shared().dns.set(dns.shared().clone());
    let issuer = certificates::issuer(&edge, zones.clone(), &log, control);
    let worker = Arc::new(Worker {
        edge,
        dns,
        zones,
        issuer,
        source,
        log,
        generation,
        started: SystemTime::now(),
        host,
        // Codes of this moment may have been shown to a worker before this one.
        tokens: Arc::new(ArcSwap::from_pointee(
            Tokens::default().with_codes(Arc::new(Codes::from_now(SystemTime::now()))),
        )),
        serves: Default::default(),
        audit: ArcSwap::from_pointee(match plan.config.syntax {
            Syntax::Yaml => open_audit(&plan.config.process.state),
            // It has no state directory, and no admin API.
            Syntax::Nginx => Err("nginx.conf names no place for it".to_owned()),
        }),
        signals: Signals::default(),
        changing: Mutex::default(),
        admin: Mutex::default(),
        watch,
        control: control.clone(),
        last_failure: Mutex::default(),
        reloading: Arc::default(),
    });
    worker.apply_rest()?;
    worker.tell_missing(&Missing::new());
    if patient {
        control.spawn(taken::watch(Arc::downgrade(&worker)));
    }
    worker.note_revision("the file");
    worker.await_confirmation();
    control.spawn(signals::watch(Arc::downgrade(&worker)));
    control.spawn(idle::watch());
    control.spawn(certificates::watch(Arc::downgrade(&worker)));
    if let Some(mut changes) = changes {
        let watching = worker.clone();
        control.spawn(async move {
            while changes.settled().await.is_some() {
                let worker = watching.clone();
                // Compiling is not for a runtime's thread; its outcome is in the log.
                let _ =
                    tokio::task::spawn_blocking(move || drop(worker.reload("file change"))).await;
            }
        });
    }
    Ok(worker)
}

/// Puts back what was not confirmed in time, see [`configurations::recover`].
fn recover(source: &Source, state: &Path) -> Option<String> {
    let (source, state) = (source.clone(), state.to_owned());
    let look = move || configurations::recover(&source, &state);
    patience::within(STATE_PATIENCE, "looking for what was not confirmed", look)
        .unwrap_or_else(|stuck| Some(stuck.to_string()))
}

/// Opens the audit log; a daemon that cannot keep one serves all the same, and refuses changes over the API.
fn open_audit(state: &Path) -> Result<Arc<AuditLog>, String> {
    let state = state.to_owned();
    let open = move || {
        let made = seawall_sys::process::private_directory(&state, None);
        made.map_err(|e| e.to_string())?;
        let opened = AuditLog::open(&state.join("audit.log"));
        opened.map(Arc::new).map_err(|e| e.to_string())
    };
    let opened = patience::within(STATE_PATIENCE, "opening the audit log", open);
    opened.unwrap_or_else(|stuck| Err(stuck.to_string()))
}

impl Worker {
    /// Everything of the live plan that is not the edge's: zones, the API, what is watched.
    pub(super) fn apply_rest(self: &Arc<Self>) -> anyhow::Result<()> {
        let plan = self.edge.plan();
        let mut used = self.dns.apply(&plan, &self.host, &self.control)?;
        let is_first = !self.serves.swap(true, std::sync::atomic::Ordering::AcqRel);
        admin::exchange_tokens(self, admin::read_tokens(self, &plan), is_first);
        if let Ok(mut admin) = self.admin.lock() {
            used.extend(admin.apply(self, &plan, &self.host, &self.control)?);
        }
        self.host.retain_others(&used);
        // After the zones: a proof may be one of their records.
        certificates::apply(&self.issuer, &self.zones, &plan);
        if let Some(watch) = &self.watch {
            let mut files = plan.files.clone();
            let tokens = plan.config.admin_tokens.iter();
            files.extend(tokens.map(|(path, _)| path.clone()));
            watch.set(&files);
        }
        Ok(())
    }

    /// Addresses that somebody else has.
    pub fn missing(&self) -> Missing {
        let mut missing = self.edge.missing();
        missing.extend(self.dns.missing());
        missing
    }

    /// Says what has become of addresses that somebody else has, where it differs from before.
    pub(super) fn tell_missing(&self, before: &Missing) {
        let missing = self.missing();
        if missing == *before {
            return;
        }
        for (address, why) in missing.iter().filter(|m| !before.contains(m)) {
            self.log.line(
                LogLevel::Error,
                0,
                format_args!("not listening on {address} for now ({why}): it is tried again"),
            );
        }
        for (address, _) in before
            .iter()
            .filter(|(a, _)| !missing.iter().any(|(b, _)| a == b))
        {
            self.log.line(
                LogLevel::Notice,
                0,
                format_args!("listening on {address} at last"),
            );
        }
        self.host.tell_status(&taken::status_line(&missing));
    }

    /// Lets go of what only one process may have; a reload takes it back.
    pub(super) fn release(&self) {
        if let Ok(mut admin) = self.admin.lock() {
            *admin = AdminServers::default();
        }
        for cache in &self.edge.plan().caches {
            cache.cache.leave_disk();
        }
    }

    /// Loads the configuration again. If anything fails, or does not come to its end, the old one serves on, and the log says so.
    pub fn reload(self: &Arc<Self>, why: &str) -> Result<u64, Refused> {
        let turn = self.reloading.take(TURN_PATIENCE);
        let turn = turn.ok_or_else(|| {
            let text = format!(
                "the reload before this one ({why}) has not come to its end within {TURN_PATIENCE:?}"
            );
            self.refused(refusal_text(&text))
        })?;
        let (worker, why) = (self.clone(), why.to_owned());
        let reload = move || {
            let reloaded = worker.reload_now(&why);
            drop(turn);
            reloaded
        };
        patience::within(RELOAD_PATIENCE, "this reload", reload)
            .unwrap_or_else(|stuck| Err(self.refused(refusal_text(&stuck.to_string()))))
    }

    fn reload_now(self: &Arc<Self>, why: &str) -> Result<u64, Refused> {
        let missing = self.missing();
        self.log
            .line(LogLevel::Notice, 0, format_args!("reconfiguring ({why})"));
        self.open_audit_again();
        let result = match self.source.load_by(self.host.reader()) {
            Err(e) => {
                self.edge.shared().metrics.reload_failures.inc();
                Err(LoadError::Invalid(e.sources, e.diagnostics))
            }
            Ok((config, mut warnings)) => self.edge.reload(config).map(|found| {
                warnings.extend(found);
                warnings
            }),
        };
        let refused = match result {
            Ok(warnings) => {
                let plan = self.edge.plan();
                configuration::report_to_log(&warnings, &plan.config.sources, &self.log);
                for problem in self.log.configure(&plan.config.log.error, true) {
                    self.log.line(LogLevel::Warn, 0, format_args!("{problem}"));
                }
                match self.apply_rest() {
                    Ok(()) => {
                        self.tell_missing(&missing);
                        self.note_failure(None);
                        let generation = plan.generation;
                        self.log.line(
                            LogLevel::Notice,
                            0,
                            format_args!("configuration is live, generation {generation}"),
                        );
                        self.note_revision(why);
                        return Ok(generation);
                    }
                    Err(e) => refusal_text(&e.to_string()),
                }
            }
            Err(LoadError::Invalid(sources, diagnostics)) => refusal(&sources, &diagnostics),
            Err(other) => {
                self.log.line(LogLevel::Emerg, 0, format_args!("{other}"));
                refusal_text(&other.to_string())
            }
        };
        Err(self.refused(refused))
    }

    /// An audit log that could not be had is tried once more.
    fn open_audit_again(self: &Arc<Self>) {
        let plan = self.edge.plan();
        if plan.config.syntax != Syntax::Yaml || self.audit.load().is_ok() {
            return;
        }
        let opened = open_audit(&plan.config.process.state);
        if opened.is_ok()
            && let Ok(mut admin) = self.admin.lock()
        {
            // Begun anew they know of it.
            *admin = AdminServers::default();
        }
        self.audit.store(Arc::new(opened));
    }

    /// Says why a configuration is not live.
    fn refused(&self, refused: Refused) -> Refused {
        let said = "the configuration was not reloaded: the one before serves on";
        self.log.line(LogLevel::Error, 0, format_args!("{said}"));
        for line in refused.rendered.lines() {
            self.log.line(LogLevel::Error, 0, format_args!("{line}"));
        }
        self.note_failure(Some(refused.rendered.clone()));
        refused
    }

    fn note_failure(&self, failure: Option<String>) {
        if let Ok(mut last) = self.last_failure.lock() {
            *last = failure;
        }
    }

    /// Why the last reload failed, if it did.
    pub fn last_failure(&self) -> Option<String> {
        self.last_failure.lock().ok().and_then(|f| f.clone())
    }
}

fn refusal(sources: &SourceMap, diagnostics: &Diagnostics) -> Refused {
    Refused {
        rendered: diagnostics.render(sources, false),
        findings: diagnostics.to_json(sources),
    }
}

fn refusal_text(text: &str) -> Refused {
    Refused {
        rendered: text.to_owned(),
        findings: serde_json::json!([{ "message": text }]),
    }
}
