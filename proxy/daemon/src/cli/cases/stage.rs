//! The configuration as it would serve, between a client and origins of our own.

use super::{
    client::Door,
    origin::{Origins, Recording},
    said::Said,
};
use crate::configuration::Source;
use seawall_conf::{
    cases::Request,
    model::{
        Address, Config, Content, Listener, Op, ProxyProtocol, Route, Server, SiteTls, SourceKind,
        Template, Wire,
    },
};
use seawall_diag::{Diagnostics, SourceMap};
use seawall_edge::{Edge, Host, LoadError};
use seawall_tls::{ClientOptions, client_config};
use std::{
    fs::File,
    io,
    net::{SocketAddr, TcpListener},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tempfile::TempDir;
use tokio::runtime::Handle;

/// Everything that a test asks.
pub struct Stage {
    /// The pipeline.
    pub edge: Arc<Edge>,
    /// What stands behind it.
    pub origins: Arc<Origins>,
    /// What it wrote to its log.
    pub log: Arc<Said>,
    /// How a client speaks TLS.
    pub tls: Arc<rustls::ClientConfig>,
    doors: Arc<Doors>,
    /// Sockets and keys lie here.
    _directory: TempDir,
}

/// Why there is none.
pub enum Refused {
    /// The configuration is wrong.
    Invalid(SourceMap, Diagnostics),
    /// Anything else.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Refused::Other(error.into())
    }
}

impl Stage {
    /// Loads and compiles the configuration, and lets it serve.
    pub fn start(source: &Source, control: &Handle) -> Result<Self, Refused> {
        let loaded = source.load();
        let (mut config, _) =
            loaded.map_err(|e| Refused::Invalid(e.sources.clone(), e.diagnostics))?;
        // Only its owner may enter: what origins are sent may hold secrets.
        let directory = tempfile::Builder::new().prefix("seawall-").tempdir()?;
        let recordings = rewrite(&mut config, directory.path());
        let origins = Arc::new(Origins::new(recordings));
        origins.clone().listen(control)?;
        let doors = Arc::new(Doors {
            directory: directory.path().to_owned(),
            bound: Mutex::default(),
        });
        let log = Arc::new(Said::default());
        let started = Edge::start(config, doors.clone(), log.clone(), control.clone(), false);
        let (edge, _) = started.map_err(|e| match e {
            LoadError::Invalid(sources, found) => Refused::Invalid(sources, found),
            other => Refused::Other(other.into()),
        })?;
        let options = ClientOptions {
            ca_pem: None,
            verify: false,
            crl_pem: None,
            identity_pem: None,
            nameless: false,
            alpn: &[b"http/1.1"],
        };
        Ok(Self {
            edge,
            origins,
            log,
            tls: client_config(&options)?,
            doors,
            _directory: directory,
        })
    }

    /// Where a request comes in: the listener of its scheme, its name if it says one, and its port.
    pub fn door(&self, request: &Request) -> Option<Door> {
        let plan = self.edge.plan();
        let written = request.authority.rsplit_once(':');
        let port = written.and_then(|(_, port)| port.parse::<u16>().ok());
        let named = request.listen.as_ref().map(|l| l.value.as_str());
        let fits = |l: &&Listener| {
            let is_named = named.is_none_or(|name| l.name.as_deref() == Some(name));
            l.tls == request.tls && is_named
        };
        let all: Vec<&Listener> = plan.config.listeners.iter().filter(fits).collect();
        let on = |port: u16| {
            let mut all = all.iter();
            all.find(|l| matches!(l.address, Address::Ip(a) if a.port() == port))
        };
        let found = match port {
            Some(port) => on(port),
            // Without a port: the scheme's own, else whatever listens; named listeners last.
            None => on(if request.tls { 443 } else { 80 })
                .or_else(|| all.iter().find(|l| named.is_some() || l.name.is_none()))
                .or(all.first()),
        };
        self.doors.door(&found?.address)
    }
}

/// Where listeners are bound instead: a port of the loopback for each address, a socket in our directory for each unix one.
struct Doors {
    directory: PathBuf,
    bound: Mutex<Vec<(Address, Door)>>,
}

impl Doors {
    fn door(&self, address: &Address) -> Option<Door> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let found = bound.iter().find(|(a, _)| a == address);
        found.map(|(_, door)| door.clone())
    }
}

impl Host for Doors {
    fn open_log(&self, _: &Path) -> io::Result<File> {
        File::options().append(true).open("/dev/null")
    }

    fn rotate_log(&self, path: &Path) -> io::Result<File> {
        self.open_log(path)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn listen(&self, address: &Address, count: usize) -> io::Result<Vec<OwnedFd>> {
        let mut bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        let (door, socket): (Door, OwnedFd) = match address {
            Address::Unix(_) => {
                let path = self.directory.join(format!("in-{}.sock", bound.len()));
                let listener = UnixListener::bind(&path)?;
                listener.set_nonblocking(true)?;
                (Door::Unix(path), listener.into())
            }
            _ => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                listener.set_nonblocking(true)?;
                (Door::Tcp(listener.local_addr()?), listener.into())
            }
        };
        bound.push((address.clone(), door));
        (0..count).map(|_| socket.try_clone()).collect()
    }

    fn listen_udp(&self, _: SocketAddr, _: usize) -> io::Result<Vec<OwnedFd>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn retain(&self, _: &[Address], _: &[SocketAddr]) {}
}

/// Replaces what lies outside of the pipeline. Gives what stands in the place of servers.
fn rewrite(config: &mut Config, directory: &Path) -> Vec<Recording> {
    config.process.threads = 1;
    config.process.user = None;
    config.process.state = directory.join("state");
    config.admin.clear();
    config.admin_tokens = None;
    config.metrics = None;
    config.acme = None;
    config.dns = None;
    // Nobody's decisions change what a test expects.
    config.crowdsec = None;
    config.streams.clear();
    config.caches.iter_mut().for_each(|c| c.disk = None);
    for listener in &mut config.listeners {
        // Who the client is, a header says: not what is tested, and needs no address of its own.
        let ours = || vec!["127.0.0.0/8".parse().ok()].into_iter().flatten();
        listener.proxy_protocol = Some(ProxyProtocol {
            from: ours().collect(),
            believe: ours().collect(),
        });
    }
    for site in &mut config.sites {
        if matches!(site.tls, SiteTls::Files(_) | SiteTls::Acme(_)) {
            site.tls = SiteTls::Internal;
        }
        site.program.iter_mut().for_each(unname_op);
        site.routes.iter_mut().for_each(unname);
        site.fallback.iter_mut().for_each(|route| unname(route));
    }
    servers(config, directory)
}

/// An origin that a request names is not asked: nobody knows whose it is.
fn unname(route: &mut Route) {
    route.program.iter_mut().for_each(unname_op);
    let names = matches!(&route.content, Content::Proxy(p) if p.asking.dynamic.is_some());
    if names {
        route.content = Content::Fixed {
            status: 501,
            body: Template::literal("seawall test asks no origin that a request names\n"),
            content_type: None,
        };
    }
}

fn unname_op(op: &mut Op) {
    if let Op::If { then, route, .. } = op {
        then.iter_mut().for_each(unname_op);
        route.iter_mut().for_each(|route| unname(route));
    }
}

/// Puts a recording in the place of every server; no health but what a case says.
fn servers(config: &mut Config, directory: &Path) -> Vec<Recording> {
    let mut recordings = Vec::new();
    for pool in &mut config.pools {
        pool.tls = None;
        pool.wire = Wire::default();
        pool.health = None;
        pool.breaker = None;
        pool.eject.after = 0;
        pool.eject.ratio = None;
        let found: Vec<Server> = std::mem::take(&mut pool.sources)
            .into_iter()
            .map(|source| Server {
                address: match source.kind {
                    SourceKind::Name(name, port) => Address::Name(name, port),
                    SourceKind::Srv(name) => Address::Name(name, 0),
                    SourceKind::File(path) => Address::Unix(path),
                },
                ..source.server
            })
            .collect();
        pool.servers.extend(found);
        for server in &mut pool.servers {
            let path = directory.join(format!("o{}.sock", recordings.len()));
            recordings.push(Recording {
                pool: pool.name.clone(),
                server: address_text(&server.address),
                path: path.clone(),
                protocol: pool.protocol,
            });
            server.address = Address::Unix(path);
            server.max_fails = Some(0);
            server.slow_start = std::time::Duration::ZERO;
        }
    }
    recordings
}

fn address_text(address: &Address) -> String {
    match address {
        Address::Ip(a) => a.to_string(),
        Address::Name(name, port) => format!("{name}:{port}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}
