//! The admin API's listeners, and the daemon as the API sees it.

use super::{
    cached, certificates,
    host::{KeeperHost, endpoint},
    life::Worker,
    shown, status, waf, zones,
};
use crate::log::ErrorLog;
use anyhow::anyhow;
use seawall_admin::{
    AdminState, CacheQuery, ConfigRefusal, Control, PurgeOrder, PurgeOutcome, PurgeRefusal,
    PurgeWhat, PutConfig, ReloadError, ReloadOutcome, ServerChange, ShownConfig, Tokens, Watch,
    Watched, ZoneChange, ZoneRefusal, serve_metrics, serve_tcp, serve_unix,
};
use seawall_conf::model::LogLevel;
use seawall_edge::{CachedQuery, PurgeError, PurgeTarget, plan::Plan};
use seawall_sys::listen::Endpoint;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    future::Future,
    os::{fd::OwnedFd, unix::net::UnixListener as StdUnix},
    pin::Pin,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tokio::{
    runtime::Handle,
    sync::{broadcast::error::RecvError, watch},
};

/// The listeners of the API, by address and by whether they serve metrics alone.
#[derive(Default)]
pub struct AdminServers {
    live: HashMap<(Endpoint, bool), watch::Sender<bool>>,
}

impl AdminServers {
    /// Listens where the plan says, and stops where it does not. Tells the addresses used.
    pub fn apply(
        &mut self,
        worker: &Arc<Worker>,
        plan: &Plan,
        host: &KeeperHost,
        control: &Handle,
    ) -> anyhow::Result<Vec<Endpoint>> {
        let api = plan
            .config
            .admin
            .iter()
            .filter_map(|a| endpoint(&a.address))
            .map(|e| (e, false));
        let metrics = plan
            .config
            .metrics
            .iter()
            .map(|a| (Endpoint::Tcp(*a), true));
        let wanted: Vec<(Endpoint, bool)> = api.chain(metrics).collect();
        for place in &wanted {
            if !self.live.contains_key(place) {
                let (endpoint, metrics_only) = place;
                let sockets = host
                    .sockets(endpoint, 1)
                    .map_err(|e| anyhow!("admin: bind() to {} failed ({e})", address(endpoint)))?;
                let (stop, stopped) = watch::channel(false);
                for socket in sockets {
                    listen(
                        worker,
                        endpoint,
                        *metrics_only,
                        socket,
                        stopped.clone(),
                        control,
                    )?;
                }
                self.live.insert(place.clone(), stop);
            }
        }
        // Dropping the sender is what a listener waits for.
        self.live.retain(|place, _| wanted.contains(place));
        Ok(wanted.into_iter().map(|(endpoint, _)| endpoint).collect())
    }
}

fn address(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(a) | Endpoint::Udp(a) => a.to_string(),
        Endpoint::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn listen(
    worker: &Arc<Worker>,
    endpoint: &Endpoint,
    metrics_only: bool,
    socket: OwnedFd,
    mut stopped: watch::Receiver<bool>,
    control: &Handle,
) -> anyhow::Result<()> {
    let audit = worker.audit.load();
    let state = AdminState {
        tokens: worker.tokens.clone(),
        audit: audit.as_ref().as_ref().ok().cloned(),
        audit_failure: audit.as_ref().as_ref().err().cloned(),
        ..AdminState::new(Arc::new(Daemon(worker.clone())))
    };
    let stop = async move {
        // Either word or silence: both say that this listener is over.
        let _ = stopped.changed().await;
    };
    let log = worker.log.clone();
    let name = address(endpoint);
    let _inside = control.enter();
    if let Endpoint::Unix(_) = endpoint {
        let socket = StdUnix::from(socket);
        socket.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(socket)?;
        control.spawn(watched(log, name, serve_unix(listener, state, stop)));
        return Ok(());
    }
    let socket = std::net::TcpListener::from(socket);
    socket.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(socket)?;
    if metrics_only {
        control.spawn(watched(log, name, serve_metrics(listener, state, stop)));
    } else {
        control.spawn(watched(log, name, serve_tcp(listener, state, stop)));
    }
    Ok(())
}

async fn watched(
    log: ErrorLog,
    name: String,
    served: impl Future<Output = Result<(), seawall_admin::Error>>,
) {
    if let Err(e) = served.await {
        log.line(
            LogLevel::Alert,
            0,
            format_args!("admin: serving {name} ended: {e}"),
        );
    }
}

struct Daemon(Arc<Worker>);

fn wanted_check(change: ServerChange) -> bool {
    change == ServerChange::CheckNow
}

/// Requests as they end, for one watcher.
struct Watching(seawall_edge::Watcher);

impl Watch for Watching {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Watched>> + Send + '_>> {
        Box::pin(async move {
            match self.0.events.recv().await {
                Ok(line) => Some(Watched::Request(line)),
                Err(RecvError::Lagged(n)) => Some(Watched::Missed(n)),
                Err(RecvError::Closed) => None,
            }
        })
    }
}

/// nginx's words.
const LEVELS: [(&str, LogLevel); 8] = [
    ("emerg", LogLevel::Emerg),
    ("alert", LogLevel::Alert),
    ("crit", LogLevel::Crit),
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("notice", LogLevel::Notice),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
];

/// The tokens of the configuration; what cannot be read or used is in the log, and counts as none of them being good.
pub(super) fn read_tokens(worker: &Worker, plan: &Plan) -> Tokens {
    let Some((path, _)) = &plan.config.admin_tokens else {
        return Tokens::default();
    };
    let read = seawall_edge::Host::read(&*worker.host, path);
    let text = read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let codes = worker.tokens.load().codes();
    let (tokens, bad) = match text {
        Ok(text) => Tokens::read(&text),
        Err(e) => {
            let line = format_args!("admin: {}: {e}: no token is good", path.display());
            worker.log.line(LogLevel::Error, 0, line);
            return Tokens::none_good().with_codes(codes);
        }
    };
    let tokens = tokens.with_codes(codes);
    for line in bad {
        let line = format_args!("admin: {}: {line}", path.display());
        worker.log.line(LogLevel::Error, 0, line);
    }
    match tokens.is_empty() {
        true => Tokens::none_good().with_codes(tokens.codes()),
        false => tokens,
    }
}

/// Puts tokens in the place of others. That some came, changed or went is recorded as a change of its own: a rotation
/// needs no restart, and leaves its line.
pub(super) fn exchange_tokens(worker: &Worker, tokens: Tokens, is_first: bool) {
    let before = worker.tokens.swap(Arc::new(tokens));
    let changes = worker.tokens.load().changes_since(&before);
    let audit = worker.audit.load();
    let Some(audit) = audit.as_ref().as_ref().ok().filter(|_| !is_first) else {
        return;
    };
    if changes.is_empty() {
        return;
    }
    let entry = seawall_admin::Entry {
        phase: "done",
        actor: "the tokens' file",
        action: "tokens",
        detail: &changes.join(", "),
        ..seawall_admin::Entry::default()
    };
    // The file has changed already: what cannot be recorded is at least in the log.
    if let Err(e) = audit.append(&entry) {
        let line = format_args!(
            "admin: tokens changed ({}), not recorded: {e}",
            entry.detail
        );
        worker.log.line(LogLevel::Error, 0, line);
    }
}

fn refusal(e: PurgeError) -> PurgeRefusal {
    match e.is_failure() {
        true => PurgeRefusal::Failed(e.to_string()),
        false => PurgeRefusal::Bad(e.to_string()),
    }
}

impl Control for Daemon {
    fn status(&self) -> Value {
        status::status(&self.0)
    }

    fn pools(&self) -> Value {
        status::pools(&self.0.edge.plan())
    }

    fn dnssec(&self) -> Value {
        self.0.dns.signers().status()
    }

    fn zones(&self) -> Value {
        zones::list(self.0.dns.shared())
    }

    fn zone(&self, zone: &str) -> Option<Value> {
        zones::show(self.0.dns.shared(), zone)
    }

    fn change_zone(&self, change: &ZoneChange) -> Result<u32, ZoneRefusal> {
        let folder = self.0.edge.plan().config.process.state.join("dns");
        let serial = zones::change(self.0.dns.shared(), &folder, change)?;
        let (name, rtype, zone) = (&change.name, &change.rtype, &change.zone);
        let line = format_args!(
            "dns: {zone} has other records at {name} {rtype}, by the API: serial number {serial}"
        );
        self.0.log.line(LogLevel::Notice, 0, line);
        Ok(serial)
    }

    fn certificates(&self) -> Value {
        certificates::list(&self.0.edge.plan())
    }

    fn certificate(&self, name: &str) -> Option<Value> {
        certificates::show(&self.0.edge.plan(), name)
    }

    fn renew_certificate(&self, name: &str) -> Result<bool, String> {
        let asked = certificates::renew(&self.0.edge.plan(), name)?;
        if asked {
            let line = format_args!("acme: a new certificate for {name} is asked for, by the API");
            self.0.log.line(LogLevel::Notice, 0, line);
        }
        Ok(asked)
    }

    fn explain_certificate(&self, name: &str) -> Option<Value> {
        let worker = &self.0;
        certificates::explain(&worker.edge.plan(), &worker.issuer, name, &worker.control)
    }

    fn signals(&self) -> Value {
        self.0.signals.to_json()
    }

    fn sites(&self) -> Value {
        shown::sites(&self.0.edge.plan())
    }

    fn limits(&self) -> Value {
        shown::limits(&self.0.edge.plan())
    }

    fn log_level(&self) -> String {
        let level = LEVELS
            .iter()
            .rev()
            .find(|(_, level)| self.0.log.enabled(*level));
        level.map_or("emerg", |(word, _)| word).to_owned()
    }

    fn set_log_level(&self, level: &str) -> bool {
        let found = LEVELS.iter().find(|(word, _)| *word == level);
        if let Some((_, level)) = found {
            self.0.log.set_level(*level);
        }
        found.is_some()
    }

    fn watch(&self) -> Option<Box<dyn Watch>> {
        let watcher = self.0.edge.shared().tail.watch()?;
        Some(Box::new(Watching(watcher)))
    }

    fn config(&self) -> Result<ShownConfig, ConfigRefusal> {
        self.0.shown_config()
    }

    fn put_config(&self, order: &PutConfig) -> Result<Value, ConfigRefusal> {
        self.0.put_config(order)
    }

    fn confirm_config(&self) -> Result<Value, ConfigRefusal> {
        self.0.confirm_config()
    }

    fn revert_config(&self, actor: &str) -> Result<Value, ConfigRefusal> {
        self.0.revert_config(actor)
    }

    fn revisions(&self) -> Result<Value, ConfigRefusal> {
        self.0.revisions()
    }

    fn revision(&self, number: u64) -> Result<Value, ConfigRefusal> {
        self.0.revision(number)
    }

    fn rollback(
        &self,
        revision: Option<u64>,
        confirm: Option<Duration>,
        actor: &str,
    ) -> Result<Value, ConfigRefusal> {
        self.0.rollback(revision, confirm, actor)
    }

    fn metrics(&self) -> Vec<u8> {
        status::metrics(&self.0)
    }

    fn server(&self, pool: &str, server: &str, change: ServerChange) -> bool {
        let plan = self.0.edge.plan();
        let mut found = false;
        let asked = wanted_check(change);
        // Pools of one name (in plain and over TLS) stand for the same servers.
        for live in plan
            .pools
            .iter()
            .filter(|p| p.name == pool)
            .map(|p| p.live())
        {
            let servers = live.balancer.servers().iter().enumerate();
            for (index, _) in servers.filter(|(_, s)| s.address() == server) {
                found = true;
                match change {
                    ServerChange::CheckNow => {}
                    ServerChange::Drain(draining) => {
                        live.balancer
                            .drain(std::time::Instant::now(), index, draining)
                    }
                    ServerChange::Weight(weight) => live.balancer.set_weight(index, weight),
                }
                if asked && let Some(slot) = live.peers.get(index) {
                    slot.check_asked.notify_one();
                }
            }
        }
        if found {
            let line = format_args!("pool {pool}: server {server}: {change:?}, by the API");
            self.0.log.line(LogLevel::Notice, 0, line);
        }
        found
    }

    fn purge(&self, order: &PurgeOrder) -> Result<PurgeOutcome, PurgeRefusal> {
        let target = match &order.what {
            PurgeWhat::Url(url) => PurgeTarget::Url(url.clone()),
            PurgeWhat::Prefix(prefix) => PurgeTarget::Prefix(prefix.clone()),
            PurgeWhat::Tag(tag) => PurgeTarget::Tag(tag.clone()),
            PurgeWhat::Site(site) => PurgeTarget::Site(site.clone()),
            PurgeWhat::All => PurgeTarget::All,
        };
        let purged = self.0.edge.purge(&target, order.soft);
        let softly = if order.soft { "softly, " } else { "" };
        let removed = match purged {
            Ok(removed) => removed,
            Err(e) => {
                if e.is_failure() {
                    let line = format_args!("purge {target:?}: {e}");
                    self.0.log.line(LogLevel::Alert, 0, line);
                }
                return Err(refusal(e));
            }
        };
        let outcome = match removed {
            Some(false) => "nothing stored",
            Some(true) => "removed",
            None => "done",
        };
        let line = format_args!("purge {target:?}: {softly}{outcome}");
        self.0.log.line(LogLevel::Notice, 0, line);
        Ok(PurgeOutcome { removed })
    }

    fn cache_object(&self, url: &str, fields: &[String]) -> Result<Value, PurgeRefusal> {
        let found = self.0.edge.inspect(url, fields).map_err(refusal)?;
        Ok(cached::inspected(url, &found))
    }

    fn cache_objects(&self, wanted: &CacheQuery) -> Result<Value, PurgeRefusal> {
        let wanted = CachedQuery {
            prefix: wanted.prefix.clone(),
            tag: wanted.tag.clone(),
            site: wanted.site.clone(),
            limit: wanted.limit,
        };
        let found = self.0.edge.cached(&wanted).map_err(refusal)?;
        let now_ms = UNIX_EPOCH.elapsed().map_or(0, |d| d.as_millis() as u64);
        Ok(cached::listed(&found, now_ms))
    }

    fn cache_stats(&self, site: Option<&str>) -> Value {
        let mut accounts = self.0.edge.shared().metrics.ledgers.accounts();
        accounts.retain(|a| site.is_none_or(|site| *a.owner.site == *site));
        cached::stats(&self.0.edge.plan().caches, &accounts)
    }

    fn waf_events(&self, limit: usize) -> Value {
        waf::events(&self.0.edge, limit)
    }

    fn waf_explain(&self, body: &Value) -> Result<Value, PurgeRefusal> {
        waf::explain(&self.0.edge, body)
    }

    fn waf_exclude(&self, body: &Value) -> Result<Value, PurgeRefusal> {
        let (answer, said) = waf::exclude(&self.0.edge, body)?;
        if let Some(line) = said {
            let line = format_args!("{line}, by the API");
            self.0.log.line(LogLevel::Notice, 0, line);
        }
        Ok(answer)
    }

    fn reload(&self) -> Result<ReloadOutcome, ReloadError> {
        match self.0.reload("API") {
            Ok(generation) => Ok(ReloadOutcome {
                warnings: json!({ "generation": generation }),
            }),
            Err(refused) => Err(ReloadError {
                rendered: refused.rendered,
                diagnostics: refused.findings,
            }),
        }
    }
}
