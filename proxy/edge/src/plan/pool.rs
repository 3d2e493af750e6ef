//! Pools: the balancer's state beside what is needed to connect to each server.

use super::Plan;
use crate::metrics::{Metrics, PoolMetrics};
use arc_swap::ArcSwapOption;
use pingora_core::{
    protocols::l4::socket::SocketAddr as PingoraAddr,
    upstreams::peer::{Peer, PeerOptions},
};
use seawall_balance as balance;
use seawall_conf::model::{self, Address};
use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    net::SocketAddr,
    os::fd::AsRawFd,
    sync::Arc,
    time::Duration,
};

/// A pool.
pub struct PoolPlan {
    /// Its name.
    pub name: String,
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
    options: PeerOptions,
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
        if known
            .as_ref()
            .is_some_and(|p| p.address.as_inet() == Some(&address))
        {
            return;
        }
        self.resolved.store(Some(Arc::new(OriginPeer::new(
            PingoraAddr::Inet(address),
            self.sni.clone(),
            self.options.clone(),
        ))));
    }
}

/// A server as pingora-core connects to it.
pub struct OriginPeer {
    address: PingoraAddr,
    sni: Option<String>,
    options: PeerOptions,
    hash: u64,
}

/// The handle that pingora-core clones.
#[derive(Clone)]
pub struct PeerHandle(pub Arc<OriginPeer>);

impl OriginPeer {
    fn new(address: PingoraAddr, sni: Option<String>, options: PeerOptions) -> Self {
        let mut hasher = ahash::RandomState::with_seeds(1, 2, 3, 4).build_hasher();
        match &address {
            PingoraAddr::Inet(a) => hasher.write(a.to_string().as_bytes()),
            PingoraAddr::Unix(u) => hasher.write(
                u.as_pathname()
                    .map_or(&b""[..], |p| p.as_os_str().as_encoded_bytes()),
            ),
        }
        // Connections of one pool are not shared with a pool that verifies otherwise.
        hasher.write(sni.as_deref().unwrap_or("").as_bytes());
        hasher.write_u8(u8::from(sni.is_some()) | u8::from(options.verify_cert) << 1);
        hasher.write_usize(
            options
                .ca
                .as_ref()
                .map_or(0, |ca| Arc::as_ptr(ca) as *const () as usize),
        );
        let hash = hasher.finish();
        Self {
            address,
            sni,
            options,
            hash,
        }
    }

    /// Which idle connections fit.
    pub fn reuse_hash(&self) -> u64 {
        self.hash
    }
}

impl fmt::Display for PeerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.address)
    }
}

impl Peer for PeerHandle {
    fn address(&self) -> &PingoraAddr {
        &self.0.address
    }

    fn tls(&self) -> bool {
        self.0.sni.is_some()
    }

    fn sni(&self) -> &str {
        self.0.sni.as_deref().unwrap_or("")
    }

    fn reuse_hash(&self) -> u64 {
        self.0.hash
    }

    // The pool is keyed by address: a getpeername() for each reuse would tell nothing new.
    fn matches_fd<V: AsRawFd>(&self, _fd: V) -> bool {
        true
    }

    fn get_peer_options(&self) -> Option<&PeerOptions> {
        Some(&self.0.options)
    }
}

/// What reading a pool's CA may need.
pub struct PoolContext<'a> {
    /// Counters.
    pub metrics: &'a Metrics,
    /// Reads a file, through the keeper where that is needed.
    pub read: &'a dyn Fn(&std::path::Path) -> std::io::Result<Vec<u8>>,
    /// The longest a connection may take.
    pub connect_timeout: Duration,
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
            .map(|s| peer_slot(s, from, tls.as_ref(), context, before))
            .collect();
        let balancer = balance::Pool::new(balancer_options(from), before.map(|b| &*b.balancer));
        Arc::new(Self {
            name: from.name.clone(),
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
    ca: Option<Arc<pingora_core::protocols::tls::CaType>>,
    check: Option<Arc<rustls::ClientConfig>>,
    sni: Option<String>,
    verify: bool,
}

fn pool_tls(
    from: &model::PoolTls,
    context: &PoolContext<'_>,
    errors: &mut seawall_diag::Diagnostics,
) -> PoolTls {
    let mut pem = None;
    if let Some((path, at)) = &from.ca {
        match (context.read)(path) {
            Ok(bytes) => pem = Some(bytes),
            Err(e) => errors.error(
                "unreadable",
                *at,
                format!("cannot read \"{}\": {e}", path.display()),
            ),
        }
    }
    let check = match seawall_tls::client_config(pem.as_deref(), from.verify) {
        Ok(config) => Some(config),
        Err(e) => {
            errors.error("bad-ca", from.ca.as_ref().map(|(_, at)| *at), e.to_string());
            None
        }
    };
    let ca = pem.map(|pem| trusted(&pem)).filter(|ca| !ca.is_empty());
    PoolTls {
        ca,
        check,
        sni: from.sni.clone(),
        verify: from.verify,
    }
}

/// The certificates of a PEM text as pingora-core wants them. What does not parse is left out: it would panic there, and
/// rustls has complained of it already.
fn trusted(pem: &[u8]) -> Arc<[pingora_core::utils::tls::WrappedX509]> {
    use pingora_core::utils::tls::{WrappedX509, parse_x509};
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .filter(|der| x509_parser::parse_x509_certificate(der).is_ok())
        .map(|der| WrappedX509::new(der.to_vec(), parse_x509))
        .collect()
}

fn peer_slot(
    server: &model::Server,
    pool: &model::Pool,
    tls: Option<&PoolTls>,
    context: &PoolContext<'_>,
    before: Option<&Arc<PoolPlan>>,
) -> PeerSlot {
    let mut options = PeerOptions::new();
    options.connection_timeout = Some(context.connect_timeout);
    options.total_connection_timeout = Some(context.connect_timeout * 2);
    options.idle_timeout = Some(pool.keepalive_timeout);
    let mut sni = None;
    if let Some(tls) = tls {
        options.verify_cert = tls.verify;
        options.verify_hostname = tls.verify;
        options.ca = tls.ca.clone();
        sni = Some(match (&tls.sni, &server.address) {
            (Some(name), _) => name.clone(),
            (None, Address::Name(name, _)) => name.clone(),
            (None, Address::Ip(a)) => a.ip().to_string(),
            (None, Address::Unix(_)) => "localhost".to_owned(),
        });
    }
    let text: Arc<str> = Arc::from(address_text(&server.address));
    let slot = PeerSlot {
        text: text.clone(),
        address: server.address.clone(),
        sni: sni.clone(),
        options,
        resolved: ArcSwapOption::empty(),
    };
    match &server.address {
        Address::Ip(a) => slot.resolve(*a),
        Address::Unix(path) => {
            if let Ok(address) = std::os::unix::net::SocketAddr::from_pathname(path) {
                let peer = OriginPeer::new(PingoraAddr::Unix(address), sni, slot.options.clone());
                slot.resolved.store(Some(Arc::new(peer)));
            }
        }
        // A name goes on with what it resolved to until the resolver has looked again.
        Address::Name(..) => {
            let known = before
                .and_then(|b| b.peers.iter().find(|p| p.text == text))
                .and_then(|p| p.peer());
            if let Some(PingoraAddr::Inet(a)) = known.as_deref().map(|p| &p.address) {
                slot.resolve(*a);
            }
        }
    }
    slot
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
