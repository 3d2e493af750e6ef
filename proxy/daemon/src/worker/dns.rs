//! The DNS server: UDP on threads of its own, TCP on the control runtime. Zones are published with each plan.

use super::dnssec::ZoneSigners;
use super::host::{KeeperHost, udp};
use crate::log::ErrorLog;
use seawall_conf::model::LogLevel;
use seawall_dns::{AlwaysUp, Shared, TcpLimits, Zones, serve_tcp, serve_udp};
use seawall_edge::plan::Plan;
use seawall_sys::listen::Endpoint;
use std::{
    collections::HashMap,
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::{
        Arc, Mutex,
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
    live: Mutex<HashMap<SocketAddr, Listening>>,
    signers: Arc<ZoneSigners>,
    log: ErrorLog,
}

struct Listening {
    stop_udp: Arc<AtomicBool>,
    stop_tcp: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// A server without zones and addresses.
    pub fn new(log: ErrorLog) -> Self {
        let shared = Arc::new(Shared::new(Zones::new(Vec::new()), Arc::new(AlwaysUp)));
        let signers = ZoneSigners::new(shared.clone(), log.clone());
        Self {
            shared,
            live: Mutex::default(),
            signers,
            log,
        }
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
            self.signers
                .apply(dns, &plan.config.process.state.join("dnssec"));
        }
        let wanted: Vec<SocketAddr> = plan
            .config
            .dns
            .iter()
            .flat_map(|d| d.listen.iter().map(|(address, _)| *address))
            .collect();
        let Ok(mut live) = self.live.lock() else {
            return Ok(Vec::new());
        };
        for address in &wanted {
            if !live.contains_key(address) {
                let listening = self.listen(*address, host, control).map_err(|e| {
                    io::Error::new(e.kind(), format!("dns: bind() to {address} failed ({e})"))
                })?;
                live.insert(*address, listening);
            }
        }
        let gone: Vec<SocketAddr> = live
            .keys()
            .copied()
            .filter(|a| !wanted.contains(a))
            .collect();
        for address in gone {
            if let Some(listening) = live.remove(&address) {
                listening.stop();
            }
        }
        Ok(wanted
            .iter()
            .flat_map(|a| [udp(*a), Endpoint::Tcp(*a)])
            .collect())
    }

    fn listen(
        &self,
        address: SocketAddr,
        host: &KeeperHost,
        control: &Handle,
    ) -> io::Result<Listening> {
        let datagrams = host.sockets(&udp(address), udp_threads())?;
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

    /// Stops answering.
    pub fn stop(&self) {
        self.signers.stop();
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
