//! Datagrams: a session for each client address, with a socket of its own that is connected to the chosen server.
//!
//! The kernel gives a client's datagrams to one socket of the address's group, so a session belongs to one thread and
//! needs no lock. A session ends when it has been silent for `tunnel_idle`, or when as many datagrams came back as
//! `responses` promises. The table is bounded: a client too many is dropped, for a datagram is no promise.

use super::{
    Place, Session, Status,
    connect::{ip_of, report},
};
use crate::{
    local::Local,
    log_error,
    plan::{PoolPlan, StreamPlan},
    thread::watched,
    timer::Timer,
};
use seawall_balance::{Lease, Outcome, Tried};
use seawall_http::proxy_protocol::{Said, encode_v2};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tokio::{net::UdpSocket, task::spawn_local};

/// The largest datagram.
const DATAGRAM_BYTES: usize = 65_535;
/// Datagrams of a client that wait while its session begins; more are lost.
const EARLY_MAX: usize = 16;
/// After a receive that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// The sessions of one socket.
type Table = Rc<RefCell<HashMap<SocketAddr, Rc<Flow>>>>;

/// A session.
struct Flow {
    server: UdpSocket,
    timer: Rc<Timer>,
    /// What came before the new socket is known to take datagrams; `None` from then on.
    early: RefCell<Option<Vec<Vec<u8>>>>,
    requests: Cell<u64>,
    responses: Cell<u64>,
    received: Cell<u64>,
    sent: Cell<u64>,
}

/// Serves a socket of a stream until the task is dropped.
pub async fn serve(local: Rc<Local>, id: u32, socket: std::net::UdpSocket) {
    let made = socket
        .set_nonblocking(true)
        .and_then(|()| UdpSocket::from_std(socket));
    let socket = match made {
        Ok(socket) => Rc::new(socket),
        Err(e) => {
            log_error!(
                local.shared,
                Alert,
                0,
                "a datagram socket cannot be used: {e}"
            );
            return;
        }
    };
    let table = Table::default();
    let mut buf = vec![0; DATAGRAM_BYTES];
    loop {
        match socket.recv_from(&mut buf).await {
            Ok((n, client)) => {
                let datagram = buf.get(..n).unwrap_or_default();
                forward(&local, id, &socket, &table, client, datagram);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                log_error!(local.shared, Crit, 0, "recvfrom() failed ({e})");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Sends a datagram on within its session, which it may begin.
fn forward(
    local: &Rc<Local>,
    id: u32,
    socket: &Rc<UdpSocket>,
    table: &Table,
    client: SocketAddr,
    datagram: &[u8],
) {
    let known = table.borrow().get(&client).cloned();
    if let Some(flow) = known {
        flow.pass(datagram);
        return;
    }
    let plan = local.plan();
    let Some(stream) = plan.stream(id).cloned() else {
        return;
    };
    drop(plan);
    if let Some(flow) = begin(local, socket, table, &stream, client, datagram) {
        table.borrow_mut().insert(client, flow);
    }
}

fn begin(
    local: &Rc<Local>,
    socket: &Rc<UdpSocket>,
    table: &Table,
    stream: &Arc<StreamPlan>,
    client: SocketAddr,
    datagram: &[u8],
) -> Option<Rc<Flow>> {
    let canonical = SocketAddr::new(client.ip().to_canonical(), client.port());
    let mut session = Session {
        serial: local.shared.serial.fetch_add(1, Ordering::Relaxed) + 1,
        client: Some(canonical),
        client_text: canonical.ip().to_string(),
        server: socket.local_addr().ok(),
        udp: true,
        ..Session::default()
    };
    stream.metrics.connections.inc();
    let refuse = |session: &mut Session, status: Status| {
        session.status = status.code();
        stream.log(local, session);
        None
    };
    if !stream.admits(Some(canonical.ip())) {
        stream.metrics.forbidden.inc();
        return refuse(&mut session, Status::Forbidden);
    }
    let Some(place) = Place::take(&stream.open, stream.sessions_max) else {
        // Not a line for each: whoever can forge addresses would write the log full.
        stream.metrics.too_many.inc();
        stream.metrics.dropped.inc();
        return None;
    };
    let Some(Chosen {
        server,
        pool,
        lease,
    }) = connected(local, stream, &mut session)
    else {
        stream.metrics.unconnected.inc();
        return refuse(&mut session, Status::NoServer);
    };
    let flow = Rc::new(Flow {
        server,
        timer: local.timers.timer(),
        early: RefCell::new(Some(Vec::new())),
        requests: Cell::new(0),
        responses: Cell::new(0),
        received: Cell::new(0),
        sent: Cell::new(0),
    });
    flow.timer.set(stream.timeouts.idle);
    let header = stream.proxy_protocol.map(|_| {
        let mut first = Vec::with_capacity(64 + datagram.len());
        let said = session
            .server
            .map_or(Said::Unknown, |destination| Said::Datagram {
                source: canonical,
                destination,
            });
        encode_v2(said, &[], &mut first);
        first.extend_from_slice(datagram);
        first
    });
    flow.pass(header.as_deref().unwrap_or(datagram));
    let answers = Answers {
        local: local.clone(),
        socket: socket.clone(),
        table: table.clone(),
        stream: stream.clone(),
        client,
        flow: flow.clone(),
        _place: place,
    };
    let serial = session.serial;
    let local = local.clone();
    spawn_local(async move { watched(&local, serial, answers.run(&pool, lease, session)).await });
    Some(flow)
}

/// A session's server.
struct Chosen {
    server: UdpSocket,
    /// The generation of the pool that it was chosen from: the session reports to that one, whatever is found meanwhile.
    pool: Arc<PoolPlan>,
    lease: Lease,
}

/// A socket connected to a server of the pool as it is now. Nothing is sent yet, so this does not wait.
fn connected(local: &Local, stream: &StreamPlan, session: &mut Session) -> Option<Chosen> {
    let pool = stream.pool(None)?.live();
    pool.balancer.on_request();
    let mut tried = Tried::new();
    for _ in 0..pool.peers.len() {
        let lease = pool.balancer.pick(Instant::now(), local.random(), &tried)?;
        tried.insert(lease.index);
        let slot = pool.peers.get(lease.index)?;
        session.tried.push(slot.text.clone());
        let made = ip_of(slot)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "host not found"))
            .and_then(open);
        match made {
            Ok(server) => {
                let pool = pool.clone();
                return Some(Chosen {
                    server,
                    pool,
                    lease,
                });
            }
            Err(e) => {
                log_error!(
                    local.shared,
                    Error,
                    session.serial,
                    "connect() failed ({e}) while connecting to upstream, client: {}, upstream: \"{}\"",
                    session.client_text,
                    slot.text
                );
                report(local, &pool, lease.index, Outcome::ConnectFailed);
            }
        }
    }
    None
}

fn open(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = std::net::UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

impl Flow {
    /// Sends a client's datagram on. One that the kernel does not take now is lost, as on any full link.
    fn pass(&self, datagram: &[u8]) {
        self.requests.set(self.requests.get() + 1);
        self.received
            .set(self.received.get() + datagram.len() as u64);
        if let Some(early) = self.early.borrow_mut().as_mut() {
            if early.len() < EARLY_MAX {
                early.push(datagram.to_vec());
            }
            return;
        }
        // That nobody listens there comes back as an error of a later call, and ends the session.
        let _ = self.server.try_send(datagram);
    }

    /// Sends what came before the socket was ready.
    async fn begin(&self) -> io::Result<()> {
        self.server.writable().await?;
        let early = self.early.take();
        for datagram in early.into_iter().flatten() {
            // Lost, where the kernel has no room, as any datagram.
            let _ = self.server.try_send(&datagram);
        }
        Ok(())
    }
}

/// The way back, and the end of a session.
struct Answers {
    local: Rc<Local>,
    socket: Rc<UdpSocket>,
    table: Table,
    stream: Arc<StreamPlan>,
    client: SocketAddr,
    flow: Rc<Flow>,
    _place: Place,
}

impl Drop for Answers {
    fn drop(&mut self) {
        let mut table = self.table.borrow_mut();
        // Another session may have taken the client's place.
        if table
            .get(&self.client)
            .is_some_and(|f| Rc::ptr_eq(f, &self.flow))
        {
            table.remove(&self.client);
        }
    }
}

impl Answers {
    async fn run(self, pool: &PoolPlan, lease: Lease, mut session: Session) {
        let began = Instant::now();
        let stream = self.stream.clone();
        self.carry(pool, lease.index, began).await;
        drop(lease);
        session.received = self.flow.received.get();
        session.sent = self.flow.sent.get();
        session.ms = began.elapsed().as_millis() as u64;
        session.status = Status::Ended.code();
        self.stream.metrics.received.inc_by(session.received);
        self.stream.metrics.sent.inc_by(session.sent);
        let local = self.local.clone();
        // The table is free for the client's next datagram before the line is written.
        drop(self);
        stream.log(&local, &session);
    }

    async fn carry(&self, pool: &PoolPlan, index: usize, began: Instant) {
        if let Err(e) = self.flow.begin().await {
            return self.note(&e, pool, index);
        }
        if self.stream.responses == Some(0) {
            // Nothing will come back, and that is no failure: what was sent was all.
            let outcome = answered(began);
            report(&self.local, pool, index, outcome);
            return;
        }
        let mut buf = Vec::new();
        let mut first = true;
        loop {
            let idle = self.stream.timeouts.idle;
            match self.wait(&mut buf, idle).await {
                Ok(n) => {
                    if std::mem::take(&mut first) {
                        report(&self.local, pool, index, answered(began));
                    }
                    self.answer(buf.get(..n).unwrap_or_default());
                    buf = Vec::new();
                    if self.is_answered() {
                        return;
                    }
                }
                Err(e) => {
                    if e.kind() == io::ErrorKind::TimedOut {
                        self.stream.metrics.timeouts.inc();
                        // A server that answered once may well be silent now.
                        if first {
                            report(&self.local, pool, index, Outcome::TimedOut);
                        }
                    } else {
                        self.note(&e, pool, index);
                    }
                    return;
                }
            }
        }
    }

    fn note(&self, e: &io::Error, pool: &PoolPlan, index: usize) {
        report(&self.local, pool, index, Outcome::ConnectFailed);
        let text = pool.peers.get(index).map_or("", |p| &p.text);
        log_error!(
            self.local.shared,
            Error,
            0,
            "recv() failed ({e}) while carrying datagrams, client: {}, upstream: \"{text}\"",
            self.client
        );
    }

    /// Waits for a datagram of the server; datagrams of the client put the end off, too.
    async fn wait(&self, buf: &mut Vec<u8>, idle: Duration) -> io::Result<usize> {
        let flow = &self.flow;
        let mut heard = flow.requests.get();
        flow.timer.set(idle);
        loop {
            match flow.timer.guard(flow.server.readable()).await {
                Ok(ready) => ready?,
                Err(_) if flow.requests.get() != heard => {
                    heard = flow.requests.get();
                    flow.timer.set(idle);
                    continue;
                }
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
            // The room for a datagram is there only while one is.
            buf.resize(DATAGRAM_BYTES, 0);
            match flow.server.try_recv(buf) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => *buf = Vec::new(),
                received => return received,
            }
        }
    }

    fn answer(&self, datagram: &[u8]) {
        let flow = &self.flow;
        flow.responses.set(flow.responses.get() + 1);
        match self.socket.try_send_to(datagram, self.client) {
            Ok(n) => flow.sent.set(flow.sent.get() + n as u64),
            Err(_) => self.stream.metrics.dropped.inc(),
        }
    }

    fn is_answered(&self) -> bool {
        let flow = &self.flow;
        let promised = |each: u64| flow.responses.get() >= each.saturating_mul(flow.requests.get());
        self.stream.responses.is_some_and(promised)
    }
}

fn answered(began: Instant) -> Outcome {
    Outcome::Answered {
        status: 200,
        latency: began.elapsed(),
    }
}
