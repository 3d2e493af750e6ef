//! The DNS server: UDP on threads of its own, TCP on the control runtime. Zones are published with each plan.

use super::dnssec::ZoneSigners;
use super::host::{KeeperHost, udp};
use super::taken::Missing;
use crate::log::ErrorLog;
use seawall_conf::model::LogLevel;
use seawall_dns::{
    AlwaysUp, Name, Secondaries, Shared, TcpLimits, Zones, notify_peers, serve_tcp, serve_tls,
    serve_udp,
};
use seawall_edge::plan::{DnsPlan, Plan};
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
    live: Mutex<HashMap<(SocketAddr, bool), Listening>>,
    /// Zones that are copied, and the task that tells others of changes; both begin with the first zones.
    copies: OnceLock<Arc<Secondaries>>,
    stop_telling: watch::Sender<bool>,
    /// The certificates of the sites, which DNS over TLS shows, too.
    resolver: Arc<seawall_tls::Resolver>,
    log: ErrorLog,
    /// Whether an address that somebody else has is waited for.
    patient: bool,
    missing: Mutex<Missing>,
}

struct Listening {
    stop_udp: Arc<AtomicBool>,
    stop_tcp: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// A server without zones and addresses.
    pub fn new(log: ErrorLog, resolver: Arc<seawall_tls::Resolver>, patient: bool) -> Self {
        let shared = Arc::new(Shared::new(Zones::new(Vec::new()), Arc::new(AlwaysUp)));
        let signers = ZoneSigners::new(shared.clone(), log.clone());
        Self {
            shared,
            live: Mutex::default(),
            signers,
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
        // Plain addresses, then those of TLS.
        let mut wanted: Vec<(SocketAddr, bool)> = Vec::new();
        if let Some(dns) = &plan.config.dns {
            wanted.extend(dns.listen.iter().map(|(address, _)| (*address, false)));
            wanted.extend(dns.dot.iter().map(|(address, _)| (*address, true)));
        }
        let configured = plan.config.dns.as_ref().and_then(|d| d.threads);
        let threads = configured.unwrap_or_else(udp_threads);
        let mut missing = Missing::new();
        let Ok(mut live) = self.live.lock() else {
            return Ok(Vec::new());
        };
        for (address, over_tls) in &wanted {
            let Entry::Vacant(place) = live.entry((*address, *over_tls)) else {
                continue;
            };
            let listening = if *over_tls {
                self.listen_tls(*address, host, control)
            } else {
                self.listen(*address, threads, host, control)
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
        let gone: Vec<(SocketAddr, bool)> = live
            .keys()
            .copied()
            .filter(|a| !wanted.contains(a))
            .collect();
        for address in gone {
            if let Some(listening) = live.remove(&address) {
                listening.stop();
            }
        }
        let datagrams = wanted.iter().filter(|(_, tls)| !tls).map(|(a, _)| udp(*a));
        let streams = wanted.iter().map(|(a, _)| Endpoint::Tcp(*a));
        Ok(datagrams.chain(streams).collect())
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
            if let Err(e) = self.shared.keep_journal(zone, &folder) {
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
        self.signers.apply(dns, &state.join("dnssec"));
    }

    fn listen(
        &self,
        address: SocketAddr,
        threads: usize,
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
            let socket = TcpListener::from(socket);
            socket.set_nonblocking(true)?;
            let _inside = control.enter();
            let listener = tokio::net::TcpListener::from_std(socket)?;
            control.spawn(serve_tcp(
                listener,
                self.shared.clone(),
                TcpLimits::default(),
                stopped.clone(),
            ));
        }
        Ok(Listening {
            stop_udp,
            stop_tcp,
            threads,
        })
    }

    fn listen_tls(
        &self,
        address: SocketAddr,
        host: &KeeperHost,
        control: &Handle,
    ) -> io::Result<Listening> {
        let tls = seawall_tls::server_config(self.resolver.clone(), &[b"dot"])
            .map_err(io::Error::other)?;
        let (stop_tcp, stopped) = watch::channel(false);
        for socket in host.sockets(&Endpoint::Tcp(address), 1)? {
            let socket = TcpListener::from(socket);
            socket.set_nonblocking(true)?;
            let _inside = control.enter();
            control.spawn(serve_tls(
                tokio::net::TcpListener::from_std(socket)?,
                tls.clone(),
                self.shared.clone(),
                TcpLimits::default(),
                stopped.clone(),
            ));
        }
        Ok(Listening {
            stop_udp: Arc::default(),
            stop_tcp,
            threads: Vec::new(),
        })
    }

    /// Stops answering.
    pub fn stop(&self) {
        self.signers.stop();
        let _ = self.stop_telling.send(true);
        if let Some(copies) = self.copies.get() {
            copies.apply(Vec::new());
        }
        if let Ok(mut live) = self.live.lock() {
            live.drain().for_each(|(_, listening)| listening.stop());
        }
    }
}

impl Listening {
    fn stop(self) {
        self.stop_udp.store(true, Ordering::Release);
        // Nobody listens any more where the last connection has ended.
        let _ = self.stop_tcp.send(true);
        for thread in self.threads {
            // A panic there has been said by the panic hook.
            let _ = thread.join();
        }
    }
}
