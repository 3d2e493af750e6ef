//! Pools: the balancer's state beside what is needed to connect to each server.

use super::Plan;
use crate::metrics::{Metrics, PoolMetrics};
use arc_swap::ArcSwapOption;
use rustls::pki_types::ServerName;
use seawall_balance as balance;
use seawall_conf::model::{self, Address};
use std::{
    hash::{BuildHasher, Hasher},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// A pool.
pub struct PoolPlan {
    /// Its name.
    pub name: String,
    /// Its name as a number: idle connections are kept by it.
    pub key: u64,
    /// Who is chosen, who is healthy.
    pub balancer: Arc<balance::Pool>,
    /// Servers by the balancer's index.
    pub peers: Vec<PeerSlot>,
    /// Retries.
    pub retry: model::Retry,
    /// The active check.
    pub health: Option<model::HealthCheck>,
    /// Idle connections kept for each thread.
    pub keepalive: usize,
    /// For how long.
    pub keepalive_timeout: Duration,
    /// Its counters.
    pub metrics: PoolMetrics,
    /// TLS of active checks, the same as of requests.
    pub check_tls: Option<Arc<rustls::ClientConfig>>,
}

/// A server.
pub struct PeerSlot {
    /// As configured, for logs.
    pub text: Arc<str>,
    /// Where it is.
    pub address: Address,
    /// TLS and the name it is asked for.
    pub sni: Option<String>,
    tls: Option<PeerTls>,
    resolved: ArcSwapOption<OriginPeer>,
}

impl PeerSlot {
    /// How to connect; `None` while its name does not resolve.
    pub fn peer(&self) -> Option<Arc<OriginPeer>> {
        self.resolved.load_full()
    }

    /// Sets what its name resolves to.
    pub fn resolve(&self, address: SocketAddr) {
        let known = self.resolved.load();
        if matches!(known.as_deref(), Some(OriginPeer { address: PeerAddress::Inet(a), .. }) if *a == address)
        {
            return;
        }
        self.connect_to(PeerAddress::Inet(address));
    }

    fn connect_to(&self, address: PeerAddress) {
        let peer = OriginPeer::new(address, self.tls.clone());
        self.resolved.store(Some(Arc::new(peer)));
    }
}

/// Where a server is, once its name has been resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerAddress {
    /// TCP.
    Inet(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// TLS to a server.
#[derive(Clone)]
pub struct PeerTls {
    /// Whom to trust and who we are; one for a pool, so that its sessions are resumed.
    pub config: Arc<rustls::ClientConfig>,
    /// The name that is asked for and verified.
    pub name: ServerName<'static>,
}

/// How to connect to a server.
pub struct OriginPeer {
    /// Where it is.
    pub address: PeerAddress,
    /// Whether TLS is spoken.
    pub tls: Option<PeerTls>,
    hash: u64,
}

impl OriginPeer {
    fn new(address: PeerAddress, tls: Option<PeerTls>) -> Self {
        let mut hasher = hasher();
        std::hash::Hash::hash(&address, &mut hasher);
        if let Some(tls) = &tls {
            // A connection made under other rules of verification is not taken for one made under these. It holds its
            // rules, so that no others can come to stand at the same place while it lives.
            hasher.write_usize(Arc::as_ptr(&tls.config) as usize);
            hasher.write(tls.name.to_str().as_bytes());
        }
        let hash = hasher.finish();
        Self { address, tls, hash }
    }

    /// Which idle connections fit.
    pub fn reuse_hash(&self) -> u64 {
        self.hash
    }
}

/// The same numbers for the same names over all plans of a process.
fn hasher() -> ahash::AHasher {
    ahash::RandomState::with_seeds(1, 2, 3, 4).build_hasher()
}

/// What reading a pool's CA may need.
pub struct PoolContext<'a> {
    /// Counters.
    pub metrics: &'a Metrics,
    /// Reads a file, through the keeper where that is needed.
    pub read: &'a dyn Fn(&std::path::Path) -> std::io::Result<Vec<u8>>,
}

impl PoolPlan {
    /// Compiles a pool; state of servers with the same address is carried over.
    pub fn compile(
        from: &model::Pool,
        previous: Option<&Plan>,
        context: &PoolContext<'_>,
        errors: &mut seawall_diag::Diagnostics,
    ) -> Arc<Self> {
        let before = previous.and_then(|p| p.pools.iter().find(|p| p.name == from.name));
        let tls = from.tls.as_ref().map(|tls| pool_tls(tls, context, errors));
        let peers = from
            .servers
            .iter()
            .map(|s| peer_slot(s, tls.as_ref(), before, errors))
            .collect();
        let balancer = balance::Pool::new(balancer_options(from), before.map(|b| &*b.balancer));
        Arc::new(Self {
            name: from.name.clone(),
            key: {
                let mut hasher = hasher();
                hasher.write(from.name.as_bytes());
                hasher.finish()
            },
            balancer,
            peers,
            retry: from.retry,
            health: from.health.clone(),
            keepalive: from.keepalive,
            keepalive_timeout: from.keepalive_timeout,
            metrics: context.metrics.pool(&from.name),
            check_tls: tls.and_then(|t| t.check),
        })
    }
}

struct PoolTls {
    check: Option<Arc<rustls::ClientConfig>>,
    sni: Option<String>,
}

fn pool_tls(
    from: &model::PoolTls,
    context: &PoolContext<'_>,
    errors: &mut seawall_diag::Diagnostics,
) -> PoolTls {
    let mut read = |file: &Option<(PathBuf, seawall_diag::Span)>| {
        let (path, at) = file.as_ref()?;
        match (context.read)(path) {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                let message = format!("cannot read \"{}\": {e}", path.display());
                errors.error("unreadable", *at, message);
                None
            }
        }
    };
    let ca = read(&from.ca);
    let options = seawall_tls::ClientOptions {
        ca_pem: ca.as_deref(),
        verify: from.verify,
    };
    let check = match seawall_tls::client_config(&options) {
        Ok(config) => Some(config),
        Err(e) => {
            errors.error("bad-ca", from.ca.as_ref().map(|(_, at)| *at), e.to_string());
            None
        }
    };
    PoolTls {
        check,
        sni: from.sni.clone(),
    }
}

fn peer_slot(
    server: &model::Server,
    tls: Option<&PoolTls>,
    before: Option<&Arc<PoolPlan>>,
    errors: &mut seawall_diag::Diagnostics,
) -> PeerSlot {
    let sni = tls.map(|tls| match (&tls.sni, &server.address) {
        (Some(name), _) => name.clone(),
        (None, Address::Name(name, _)) => name.clone(),
        (None, Address::Ip(a)) => a.ip().to_string(),
        (None, Address::Unix(_)) => "localhost".to_owned(),
    });
    let text: Arc<str> = Arc::from(address_text(&server.address));
    let slot = PeerSlot {
        text: text.clone(),
        address: server.address.clone(),
        tls: peer_tls(server, sni.as_deref(), tls, errors),
        sni,
        resolved: ArcSwapOption::empty(),
    };
    match &server.address {
        Address::Ip(a) => slot.resolve(*a),
        Address::Unix(path) => slot.connect_to(PeerAddress::Unix(path.clone())),
        // A name goes on with what it resolved to until the resolver has looked again.
        Address::Name(..) => {
            let known = before
                .and_then(|b| b.peers.iter().find(|p| p.text == text))
                .and_then(|p| p.peer());
            if let Some(PeerAddress::Inet(a)) = known.as_deref().map(|p| &p.address) {
                slot.resolve(*a);
            }
        }
    }
    slot
}

fn peer_tls(
    server: &model::Server,
    sni: Option<&str>,
    tls: Option<&PoolTls>,
    errors: &mut seawall_diag::Diagnostics,
) -> Option<PeerTls> {
    let (name, config) = (sni?, tls?.check.clone()?);
    match ServerName::try_from(name.to_owned()) {
        Ok(name) => Some(PeerTls { config, name }),
        Err(_) => {
            let message = format!("`{name}` is no name that TLS could ask for");
            errors.error("bad-name", server.at, message);
            None
        }
    }
}

/// An address as an operator writes it.
pub fn address_text(address: &Address) -> String {
    match address {
        Address::Ip(a) => a.to_string(),
        Address::Name(name, port) => format!("{name}:{port}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn balancer_options(from: &model::Pool) -> balance::PoolOptions {
    let servers = from
        .servers
        .iter()
        .map(|s| balance::ServerOptions {
            address: address_text(&s.address),
            weight: s.weight,
            backup: s.backup,
            down: s.down,
            max_fails: s.max_fails,
            fail_timeout: s.fail_timeout,
            ..balance::ServerOptions::new("")
        })
        .collect();
    let algorithm = match from.balance {
        model::Balance::RoundRobin => balance::Algorithm::RoundRobin,
        model::Balance::P2c => balance::Algorithm::P2c,
    };
    balance::PoolOptions {
        checked: from.health.is_some(),
        rise: from.health.as_ref().map_or(2, |h| h.rise),
        fall: from.health.as_ref().map_or(2, |h| h.fall),
        eject: balance::Eject {
            after: from.eject.after,
            for_: from.eject.for_,
            at_most_percent: from.eject.at_most_percent,
            ..balance::Eject::default()
        },
        retry_budget_percent: from.retry.budget_percent,
        retry_attempts: from.retry.attempts,
        ..balance::PoolOptions::new(from.name.clone(), algorithm, servers)
    }
}
