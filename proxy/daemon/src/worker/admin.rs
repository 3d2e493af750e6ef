//! The admin API's listeners, and the daemon as the API sees it.

use super::{
    certificates,
    host::{KeeperHost, endpoint},
    life::Worker,
    status,
};
use crate::log::ErrorLog;
use anyhow::anyhow;
use seawall_admin::{
    AdminState, Control, PurgeOutcome, ReloadError, ReloadOutcome, ServerChange, serve_metrics,
    serve_tcp, serve_unix,
};
use seawall_conf::model::LogLevel;
use seawall_edge::plan::Plan;
use seawall_sys::listen::Endpoint;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    future::Future,
    os::{fd::OwnedFd, unix::net::UnixListener as StdUnix},
    sync::Arc,
};
use tokio::{runtime::Handle, sync::watch};

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
    let state = AdminState::new(Arc::new(Daemon(worker.clone())));
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

    fn metrics(&self) -> Vec<u8> {
        status::metrics(&self.0)
    }

    fn server(&self, pool: &str, server: &str, change: ServerChange) -> bool {
        let plan = self.0.edge.plan();
        let mut found = false;
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
                    ServerChange::Drain(draining) => {
                        live.balancer
                            .drain(std::time::Instant::now(), index, draining)
                    }
                    ServerChange::Weight(weight) => live.balancer.set_weight(index, weight),
                }
            }
        }
        if found {
            let line = format_args!("pool {pool}: server {server}: {change:?}, by the API");
            self.0.log.line(LogLevel::Notice, 0, line);
        }
        found
    }

    fn purge(&self, url: &str) -> Result<PurgeOutcome, String> {
        let removed = self.0.edge.purge(url).map_err(|e| e.to_string())?;
        self.0.log.line(
            LogLevel::Notice,
            0,
            format_args!(
                "purge {url}: {}",
                if removed { "removed" } else { "nothing stored" }
            ),
        );
        Ok(PurgeOutcome { removed })
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
