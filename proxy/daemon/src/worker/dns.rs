//! The DNS server: UDP on threads of its own, TCP and QUIC on the control runtime. Zones are published with each plan.

use super::aliases::Aliases;
use super::dnssec::ZoneSigners;
use super::host::{KeeperHost, udp};
use super::life::STATE_PATIENCE;
use super::query_log::QueryLogWriter;
use super::taken::Missing;
use crate::{log::ErrorLog, patience};
use seawall_conf::model::LogLevel;
use seawall_dns::{
    AlwaysUp, Front, Name, Net, Proxies, ProxyHeader, QuicLimits, QuicServer, Secondaries, Shared,
    Zones, notify_peers, serve_streams, serve_udp,
};
use seawall_edge::{
    log::LogFile,
    plan::{DnsPlan, Plan},
};
use seawall_http::proxy_protocol;
use seawall_sys::listen::Endpoint;
use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use tokio::{runtime::Handle, sync::watch};

/// UDP threads for each address: one where there are two cores, a half of them elsewhere.
fn udp_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| (n.get() / 2).max(1))
}

/// The DNS server of a worker.
pub struct DnsServer {
    shared: Arc<Shared>,
    signers: Arc<ZoneSigners>,
    aliases: Aliases,
    query_log: Mutex<Option<QueryLogWriter>>,
    live: Mutex<HashMap<(SocketAddr, Over), Listening>>,
    /// Zones that are copied, and the task that tells others of changes; both begin with the first zones.
    copies: OnceLock<Arc<Secondaries>>,
    stop_telling: watch::Sender<bool>,
    /// The certificates of the sites, which DNS over TLS and QUIC shows, too.
    resolver: Arc<seawall_tls::Resolver>,
    log: ErrorLog,
    /// Whether an address that somebody else has is waited for.
    patient: bool,
    missing: Mutex<Missing>,
}

/// What an address is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Over {
    /// UDP and TCP.
    Plain,
    Tls,
    Quic,
}

impl Over {
    fn endpoints(self, address: SocketAddr) -> impl Iterator<Item = Endpoint> {
        let datagrams = (self != Self::Tls).then(|| udp(address));
        let streams = (self != Self::Quic).then_some(Endpoint::Tcp(address));
        datagrams.into_iter().chain(streams)
    }
}

struct Listening {
    /// Whose connections begin with a PROXY header.
    proxies: Vec<Net>,
    stop_udp: Arc<AtomicBool>,
    stop_tcp: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// A server without zones and addresses.
    pub fn new(log: ErrorLog, resolver: Arc<seawall_tls::Resolver>, patient: bool) -> Self {
        let shared = Arc::new(Shared::new(Zones::new(Vec::new()), Arc::new(AlwaysUp)));
        let signers = ZoneSigners::new(shared.clone(), log.clone());
        let aliases = Aliases::new(shared.clone(), log.clone());
        Self {
            shared,
            live: Mutex::default(),
            signers,
            aliases,
            query_log: Mutex::default(),
            copies: OnceLock::new(),
            stop_telling: watch::channel(false).0,
            resolver,
            log,
            patient,
            missing: Mutex::default(),
        }
    }

    /// Addresses that somebody else has.
    pub fn missing(&self) -> Missing {
        self.missing.lock().map(|m| m.clone()).unwrap_or_default()
    }

    /// Counters.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Zones that are signed here.
    pub fn signers(&self) -> &ZoneSigners {
        &self.signers
    }

    /// Publishes the zones of a plan and listens where it says.
    pub fn apply(
        &self,
        plan: &Plan,
        host: &KeeperHost,
        control: &Handle,
    ) -> io::Result<Vec<Endpoint>> {
        if let Some(dns) = plan.dns.lock().take() {
            self.publish(dns, &plan.config.process.state, control);
        }
        let mut wanted: Vec<(SocketAddr, Over)> = Vec::new();
        if let Some(dns) = &plan.config.dns {
            wanted.extend(
                dns.listen
                    .iter()
                    .map(|(address, _)| (*address, Over::Plain)),
            );
            wanted.extend(dns.dot.iter().map(|(address, _)| (*address, Over::Tls)));
            wanted.extend(dns.doq.iter().map(|(address, _)| (*address, Over::Quic)));
        }
        let proxies: Vec<Net> = plan
            .config
            .dns
            .iter()
            .flat_map(|d| &d.proxies)
            .map(|net| Net {
                address: net.addr(),
                bits: net.prefix_len(),
            })
            .collect();
        let configured = plan.config.dns.as_ref().and_then(|d| d.threads);
        let threads = configured.unwrap_or_else(udp_threads);
        let mut missing = Missing::new();
        let Ok(mut live) = self.live.lock() else {
            return Ok(Vec::new());
        };
        // What a listener expects of its clients is said when it begins.
        live.retain(|_, listening| {
            let same = listening.proxies == proxies;
            if !same {
                listening.stop();
            }
            same
        });
        for (address, over) in &wanted {
            let Entry::Vacant(place) = live.entry((*address, *over)) else {
                continue;
            };
            let listening = match over {
                Over::Plain => self.listen(*address, threads, &proxies, host, control),
                Over::Tls => self.listen_tls(*address, &proxies, host, control),
                Over::Quic => self.listen_quic(*address, &proxies, host, control),
            };
            match listening {
                Ok(listening) => drop(place.insert(listening)),
                Err(e) if self.patient && e.kind() == io::ErrorKind::AddrInUse => {
                    missing.push((format!("{address} (dns)"), e.to_string()));
                }
                Err(e) => {
                    let text = format!("dns: bind() to {address} failed ({e})");
                    return Err(io::Error::new(e.kind(), text));
                }
            }
        }
        if let Ok(mut known) = self.missing.lock() {
            *known = missing;
        }
        let gone: Vec<(SocketAddr, Over)> = live
            .keys()
            .copied()
            .filter(|a| !wanted.contains(a))
            .collect();
        for address in gone {
            if let Some(mut listening) = live.remove(&address) {
                listening.stop();
            }
        }
        let endpoints = wanted.iter().flat_map(|(a, over)| over.endpoints(*a));
        Ok(endpoints.collect())
    }

    /// Serves the zones of a plan, with what was changed in them since, and copies others.
    fn publish(&self, mut dns: DnsPlan, state: &Path, control: &Handle) {
        let folder = state.join("dns");
        // What the API changed is in a journal, whether or not others may change the zone.
        let changeable = dns
            .kept
            .iter()
            .filter(|zone| dns.policies.may_change(zone) || Shared::has_journal(zone, &folder));
        for zone in changeable {
            let (shared, name, at) = (self.shared.clone(), zone.clone(), folder.clone());
            let kept = patience::within(STATE_PATIENCE, "opening the journal", move || {
                shared.keep_journal(&name, &at)
            });
            if let Err(e) = kept.unwrap_or_else(|stuck| Err(io::Error::other(stuck))) {
                self.log.line(
                    LogLevel::Error,
                    0,
                    format_args!("dns: changes of {zone} are not kept: {e}"),
                );
            }
        }
        let copies = self.copies.get_or_init(|| {
            control.spawn(notify_peers(
                self.shared.clone(),
                self.stop_telling.subscribe(),
            ));
            let log = self.log.clone();
            let report = move |zone: &Name, what: std::fmt::Arguments<'_>| {
                log.line(LogLevel::Notice, 0, format_args!("dns: {zone} {what}"));
            };
            Secondaries::new(self.shared.clone(), control.clone(), Arc::new(report))
        });
        // First who is copied from where: what is no longer a copy does not outlive the old zones.
        copies.apply(std::mem::take(&mut dns.secondaries));
        self.note_queries(dns.query_log.take());
        let aliases = std::mem::take(&mut dns.aliases);
        self.aliases.forget_others(&aliases);
        self.signers.apply(dns, &state.join("dnssec"));
        self.aliases.follow(aliases, control);
        seawall_sys::memory::give_back();
    }

    /// Notes queries there, or nowhere.
    fn note_queries(&self, wanted: Option<(Arc<LogFile>, u32)>) {
        let Ok(mut writer) = self.query_log.lock() else {
            return;
        };
        let is_same = match (&*writer, &wanted) {
            (Some(writer), Some((file, sample))) => writer.is(file, *sample),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        *writer = wanted.and_then(|(file, sample)| {
            let started = QueryLogWriter::start(file, sample);
            let failed = |e: &io::Error| {
                let text = format_args!("dns: no thread to log queries: {e}");
                self.log.line(LogLevel::Alert, 0, text);
            };
            started.inspect_err(failed).ok()
        });
        let log = writer.as_ref().map(|w| w.log.clone());
        self.shared.log_queries(log);
    }

    fn listen(
        &self,
        address: SocketAddr,
        threads: usize,
        proxies: &[Net],
        host: &KeeperHost,
        control: &Handle,
    ) -> io::Result<Listening> {
        let datagrams = host.sockets(&udp(address), threads)?;
        let streams = host.sockets(&Endpoint::Tcp(address), 1)?;
        let stop_udp = Arc::new(AtomicBool::new(false));
        let (stop_tcp, stopped) = watch::channel(false);
        let mut threads = Vec::new();
        for (n, socket) in datagrams.into_iter().enumerate() {
            let (shared, stop, log) = (self.shared.clone(), stop_udp.clone(), self.log.clone());
            let socket = UdpSocket::from(socket);
            threads.push(std::thread::Builder::new().name(format!("dns-{n}")).spawn(
                move || {
                    if let Err(e) = serve_udp(socket, shared, stop) {
                        log.line(
                            LogLevel::Alert,
                            0,
                            format_args!("dns: serving {address} over UDP ended: {e}"),
                        );
                    }
                },
            )?);
        }
        for socket in streams {
            let front = Front {
                proxies: proxies_of(proxies),
                ..Front::default()
            };
            self.accept(socket, front, &stopped, control)?;
        }
        Ok(Listening {
            proxies: proxies.to_vec(),
            stop_udp,
            stop_tcp,
            threads,
        })
    }

    /// Serves the connections of a socket until it is to stop.
    fn accept(
        &self,
        socket: std::os::fd::OwnedFd,
        front: Front,
        stopped: &watch::Receiver<bool>,
        control: &Handle,
    ) -> io::Result<()> {
        let socket = TcpListener::from(socket);
        socket.set_nonblocking(true)?;
        let _inside = control.enter();
        let listener = tokio::net::TcpListener::from_std(socket)?;
        let shared = self.shared.clone();
        control.spawn(serve_streams(listener, front, shared, stopped.clone()));
        Ok(())
    }

    fn listen_tls(
        &self,
        address: SocketAddr,
        proxies: &[Net],
        host: &KeeperHost,
        control: &Handle,
    ) -> io::Result<Listening> {
        let tls = seawall_tls::server_config(self.resolver.clone(), &[b"dot"])
            .map_err(io::Error::other)?;
        let (stop_tcp, stopped) = watch::channel(false);
        for socket in host.sockets(&Endpoint::Tcp(address), 1)? {
            let front = Front {
                tls: Some(tls.clone()),
                proxies: proxies_of(proxies),
                ..Front::default()
            };
            self.accept(socket, front, &stopped, control)?;
        }
        Ok(Listening {
            proxies: proxies.to_vec(),
            stop_udp: Arc::default(),
            stop_tcp,
            threads: Vec::new(),
        })
    }

    fn listen_quic(
        &self,
        address: SocketAddr,
        proxies: &[Net],
        host: &KeeperHost,
        control: &Handle,
    ) -> io::Result<Listening> {
        let tls = seawall_tls::server_config(self.resolver.clone(), &[b"doq"])
            .map_err(io::Error::other)?;
        let (stop_tcp, stopped) = watch::channel(false);
        for socket in host.sockets(&udp(address), 1)? {
            let _inside = control.enter();
            let server =
                QuicServer::new(UdpSocket::from(socket), tls.clone(), QuicLimits::default())?;
            control.spawn(server.serve(self.shared.clone(), stopped.clone()));
        }
        Ok(Listening {
            proxies: proxies.to_vec(),
            stop_udp: Arc::default(),
            stop_tcp,
            threads: Vec::new(),
        })
    }

    /// Has every listener stop; waits for nothing.
    pub fn stop_listening(&self) {
        if let Ok(mut live) = self.live.try_lock() {
            live.values_mut().for_each(|listening| listening.tell());
        }
    }

    /// Stops everything, and waits for the threads.
    pub fn stop(&self) {
        self.signers.stop();
        self.note_queries(None);
        let _ = self.stop_telling.send(true);
        if let Some(copies) = self.copies.get() {
            copies.apply(Vec::new());
        }
        if let Ok(mut live) = self.live.lock() {
            live.drain().for_each(|(_, mut listening)| listening.stop());
        }
    }
}

/// Those whose connections begin with a PROXY header, if there are any.
fn proxies_of(from: &[Net]) -> Option<Arc<Proxies>> {
    (!from.is_empty()).then(|| {
        Arc::new(Proxies {
            from: from.to_vec(),
            read: proxy_header,
        })
    })
}

fn proxy_header(bytes: &[u8]) -> ProxyHeader {
    match proxy_protocol::parse(bytes) {
        Ok(None) => ProxyHeader::More,
        Ok(Some((header, len))) => ProxyHeader::Whole(header.source().map(|s| s.ip()), len),
        Err(_) => ProxyHeader::None,
    }
}

impl Listening {
    fn tell(&self) {
        self.stop_udp.store(true, Ordering::Release);
        // Nobody listens any more where the last connection has ended.
        let _ = self.stop_tcp.send(true);
    }

    fn stop(&mut self) {
        self.tell();
        for thread in self.threads.drain(..) {
            // A panic there has been said by the panic hook.
            let _ = thread.join();
        }
    }
}
