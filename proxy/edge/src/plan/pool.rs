//! Pools: the balancer's state beside what is needed to connect to each server.

use super::{
    CheckPlan, Plan,
    balancer::{self, RetryPlan},
    binding::Binding,
    found::{Found, distinct},
};
use crate::metrics::{Metrics, PoolMetrics};
use crate::template::UserVariables;
use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use seawall_balance as balance;
use seawall_conf::model::{self, Address};
use seawall_diag::Diagnostics;
use std::{
    hash::{BuildHasher, Hasher},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// All pools of a plan, in the order of the configuration.
pub type PoolPlans = [Arc<PoolPlan>];

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
    pub retry: RetryPlan,
    /// What the choice needs of a request: a key, a session.
    pub binding: Option<Box<Binding>>,
    /// Where servers come and go while the daemon runs.
    pub found: Option<Arc<Found>>,
    /// The active check.
    pub health: Option<Arc<CheckPlan>>,
    /// Idle connections kept for each thread.
    pub keepalive: usize,
    /// For how long.
    pub keepalive_timeout: Duration,
    /// What is spoken on its connections.
    pub wire: model::Wire,
    /// Its counters.
    pub metrics: PoolMetrics,
    /// TLS of active checks, the same as of requests.
    pub check_tls: Option<Arc<rustls::ClientConfig>>,
    /// What another generation is made of.
    seed: Arc<Seed>,
}

/// What all generations of a pool are made of.
struct Seed {
    from: model::Pool,
    tls: Option<PoolTls>,
    /// Keys the ids of servers in cookies.
    sticky_key: Arc<[u8]>,
}

/// A server of a generation.
#[derive(Clone)]
pub struct Member {
    /// The server.
    pub server: model::Server,
    /// The name it was found by: TLS asks for it.
    pub name: Option<String>,
    /// What is said of this one alone.
    pub own: Option<Box<model::Server>>,
}

impl Member {
    fn written(server: &model::Server) -> Self {
        Self {
            server: server.clone(),
            name: None,
            own: None,
        }
    }
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
    /// Why its last check failed.
    check_failure: Mutex<Option<Box<str>>>,
    /// An operator asks for a check at once.
    pub check_asked: tokio::sync::Notify,
}

impl PeerSlot {
    /// How to connect; `None` while its name does not resolve.
    pub fn peer(&self) -> Option<Arc<OriginPeer>> {
        self.resolved.load_full()
    }

    /// Notes what became of a check.
    pub fn note_check(&self, failure: Option<&str>) {
        *self.check_failure.lock() = failure.map(Box::from);
    }

    /// Why its last check failed; `None` when it did not.
    pub fn check_failure(&self) -> Option<String> {
        self.check_failure.lock().as_deref().map(str::to_owned)
    }

    /// The address its name has now.
    pub fn ip(&self) -> Option<IpAddr> {
        let peer = self.resolved.load();
        match &peer.as_ref()?.address {
            PeerAddress::Inet(address) => Some(address.ip()),
            PeerAddress::Unix(_) => None,
        }
    }

    /// Whether it is at one of these addresses.
    pub fn is_at(&self, addresses: &[IpAddr]) -> bool {
        self.ip().is_some_and(|ip| addresses.contains(&ip))
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
    /// Names that templates may use.
    pub user: &'a UserVariables,
    /// Keys the ids of servers in cookies.
    pub sticky_key: &'a Arc<[u8]>,
}

impl PoolPlan {
    /// Whether its servers are asked in plain HTTP/1, as far as the first of them tells. A hint: what becomes of a body is
    /// decided by the connection it comes on.
    pub fn is_plain(&self) -> bool {
        !self.wire.http2 && self.peers.first().is_none_or(|peer| peer.tls.is_none())
    }

    /// Compiles a pool; state of servers with the same address is carried over.
    pub fn compile(
        from: &model::Pool,
        previous: Option<&Plan>,
        context: &PoolContext<'_>,
        errors: &mut Diagnostics,
    ) -> Arc<Self> {
        let before = previous.and_then(|p| p.pools.iter().find(|p| p.name == from.name));
        let http2 = from.wire.http2;
        let tls = from
            .tls
            .as_ref()
            .map(|tls| pool_tls(tls, http2, context, errors));
        let found = (!from.sources.is_empty()).then(|| {
            let known = before.and_then(|b| Some((&*b.seed.from.sources, &**b.found.as_ref()?)));
            Arc::new(Found::new(&from.sources, known))
        });
        let written = from.servers.iter().map(Member::written);
        let seeded = found.as_ref().map(|f| f.members()).unwrap_or_default();
        let members = match &found {
            None => written.collect(),
            Some(_) => distinct(written.chain(seeded)),
        };
        let live = before.map(|b| b.live());
        let live = live.as_deref();
        let binding = Binding::compile(
            from,
            &members,
            live.and_then(|b| b.binding.as_deref()),
            context.sticky_key,
            context.user,
            errors,
        );
        let check_tls = tls.as_ref().and_then(|t| t.check.clone());
        let seed = Arc::new(Seed {
            from: from.clone(),
            tls,
            sticky_key: context.sticky_key.clone(),
        });
        let health = from.health.as_ref();
        let health = health.map(|h| CheckPlan::compile(h, errors));
        let options = balancer::options(from, &members);
        Arc::new(Self {
            name: from.name.clone(),
            key: {
                let mut hasher = hasher();
                hasher.write(from.name.as_bytes());
                hasher.finish()
            },
            balancer: balance::Pool::new(options, live.map(|b| &*b.balancer)),
            peers: seed.peers(&members, live, errors),
            retry: RetryPlan::compile(&from.retry),
            binding: binding.map(Box::new),
            found,
            health: health.map(Arc::new),
            keepalive: from.keepalive,
            keepalive_timeout: from.keepalive_timeout,
            wire: from.wire,
            metrics: context.metrics.pool(&from.name),
            check_tls,
            seed,
        })
    }

    /// Another generation: the same pool with these servers.
    pub fn with_members(self: &Arc<Self>, members: Vec<Member>) -> Arc<Self> {
        let from = &self.seed.from;
        let options = balancer::options(from, &members);
        let key = &self.seed.sticky_key;
        let binding = self.binding.as_ref();
        Arc::new(Self {
            name: self.name.clone(),
            key: self.key,
            balancer: balance::Pool::new(options, Some(&self.balancer)),
            // A name that TLS cannot ask for was refused with the configuration, or leaves its server unreached.
            peers: self
                .seed
                .peers(&members, Some(self), &mut Diagnostics::default()),
            retry: RetryPlan::compile(&from.retry),
            binding: binding.map(|b| Box::new(b.with_members(key, &members))),
            found: self.found.clone(),
            health: self.health.clone(),
            keepalive: self.keepalive,
            keepalive_timeout: self.keepalive_timeout,
            wire: self.wire,
            metrics: self.metrics.clone(),
            check_tls: self.check_tls.clone(),
            seed: self.seed.clone(),
        })
    }

    /// The servers that are written in the configuration.
    pub fn written(&self) -> Vec<Member> {
        self.seed.from.servers.iter().map(Member::written).collect()
    }

    /// Where its other servers are found.
    pub fn sources(&self) -> &[model::Source] {
        &self.seed.from.sources
    }

    /// Name servers that its sources are asked of; the system's where there are none.
    pub fn resolver(&self) -> &[SocketAddr] {
        &self.seed.from.resolver
    }
}

impl Seed {
    fn peers(
        &self,
        members: &[Member],
        before: Option<&Arc<PoolPlan>>,
        errors: &mut Diagnostics,
    ) -> Vec<PeerSlot> {
        let slot = |m: &Member| peer_slot(m, self.tls.as_ref(), before, errors);
        members.iter().map(slot).collect()
    }
}

struct PoolTls {
    config: Option<Arc<rustls::ClientConfig>>,
    check: Option<Arc<rustls::ClientConfig>>,
    sni: Option<String>,
}

fn pool_tls(
    from: &model::PoolTls,
    http2: bool,
    context: &PoolContext<'_>,
    errors: &mut Diagnostics,
) -> PoolTls {
    let mut read = |file: Option<&(PathBuf, seawall_diag::Span)>| {
        let (path, at) = file?;
        match (context.read)(path) {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                let message = format!("cannot read \"{}\": {e}", path.display());
                errors.error("unreadable", *at, message);
                None
            }
        }
    };
    let ca = read(from.ca.as_ref());
    let crl = read(from.crl.as_ref());
    let certificate = read(from.identity.as_ref().map(|i| &i.certificate));
    let key = read(from.identity.as_ref().map(|i| &i.key));
    let options = |http2: bool| seawall_tls::ClientOptions {
        ca_pem: ca.as_deref(),
        verify: from.verify,
        crl_pem: crl.as_deref(),
        identity_pem: certificate.as_deref().zip(key.as_deref()),
        nameless: from.nameless,
        alpn: if http2 { &[b"h2"] } else { &[b"http/1.1"] },
    };
    let mut made = |http2: bool| match seawall_tls::client_config(&options(http2)) {
        Ok(config) => Some(config),
        Err(e) => {
            let at = from.ca.as_ref().map(|(_, at)| *at);
            let at = at.or(from.identity.as_ref().map(|i| i.certificate.1));
            errors.error("bad-tls", at, e.to_string());
            None
        }
    };
    let config = made(http2);
    PoolTls {
        // Checks speak HTTP/1 whatever requests speak.
        check: if http2 && config.is_some() {
            made(false)
        } else {
            config.clone()
        },
        config,
        sni: from.sni.clone(),
    }
}

fn peer_slot(
    member: &Member,
    tls: Option<&PoolTls>,
    before: Option<&Arc<PoolPlan>>,
    errors: &mut Diagnostics,
) -> PeerSlot {
    let server = &member.server;
    let sni = tls.map(|tls| match (&tls.sni, &server.address) {
        (Some(name), _) => name.clone(),
        (None, Address::Name(name, _)) => name.clone(),
        (None, Address::Ip(a)) => match &member.name {
            Some(name) => name.clone(),
            None => a.ip().to_string(),
        },
        (None, Address::Unix(_)) => "localhost".to_owned(),
    });
    let text: Arc<str> = Arc::from(address_text(&server.address));
    let slot = PeerSlot {
        text: text.clone(),
        address: server.address.clone(),
        tls: peer_tls(server, sni.as_deref(), tls, errors),
        sni,
        resolved: ArcSwapOption::empty(),
        check_failure: Mutex::new(None),
        check_asked: tokio::sync::Notify::new(),
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
    errors: &mut Diagnostics,
) -> Option<PeerTls> {
    let (name, config) = (sni?, tls?.config.clone()?);
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
