//! A worker thread: a single-threaded runtime with its own sockets of every listener.

use crate::{
    accept::{self, Wire},
    caching::{Inspected, PurgeError, UrlPurged, inspect, purge},
    client,
    io::{Io, ReadBuffer},
    local::Local,
    log_error,
    shared::Shared,
    stream,
    timer::TICK,
    tx::ConnInfo,
};
use std::{
    collections::HashMap,
    future::Future,
    io,
    os::fd::OwnedFd,
    panic::AssertUnwindSafe,
    pin::Pin,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::mpsc,
    task::{AbortHandle, LocalSet, spawn_local},
};

/// The longest a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// One of so many polls is timed for the stall detector.
const STALL_SAMPLE: u64 = 64;
/// A poll that takes longer is a stall.
const STALL: Duration = Duration::from_millis(1);
/// How long a thread that ends waits for what others read or write for it.
const BLOCKING_PATIENCE: Duration = Duration::from_millis(500);
/// After an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a worker thread is told.
pub enum Command {
    /// Take connections from a socket.
    Listen {
        /// Identity of the listener.
        id: u32,
        /// The socket: this thread's own of its group.
        socket: Socket,
        /// Whether TLS is spoken.
        tls: bool,
    },
    /// Take no more connections from a listener.
    Unlisten(u32),
    /// Purge a URL.
    Purge(
        String,
        seawall_cache::Manner,
        std::sync::mpsc::Sender<Result<UrlPurged, PurgeError>>,
    ),
    /// Look at a URL in the caches, as a request with these fields.
    Inspect(
        String,
        Vec<String>,
        std::sync::mpsc::Sender<Result<Vec<Inspected>, PurgeError>>,
    ),
    /// Finish what runs, then end; at the deadline end anyway.
    Drain {
        /// The deadline.
        deadline: Instant,
        /// How long connections without a request may still ask once more.
        gentle: Duration,
    },
}

/// A listening socket.
pub enum Socket {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// Unix.
    Unix(std::os::unix::net::UnixListener),
    /// Datagrams.
    Udp(std::net::UdpSocket),
}

impl Socket {
    /// A TCP socket that was handed over.
    pub fn tcp(fd: OwnedFd) -> Self {
        Socket::Tcp(fd.into())
    }

    /// A socket for datagrams that was handed over.
    pub fn udp(fd: OwnedFd) -> Self {
        Socket::Udp(fd.into())
    }

    /// A unix socket that was handed over.
    pub fn unix(fd: OwnedFd) -> Self {
        Socket::Unix(fd.into())
    }
}

/// Runs a worker thread until it has drained or its commands end.
pub fn run(shared: Arc<Shared>, mut commands: mpsc::UnboundedReceiver<Command>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()?;
    let set = LocalSet::new();
    set.block_on(&runtime, async move {
        let local = Local::new(shared);
        spawn_local(tick(local.clone()));
        let mut accepting: HashMap<u32, AbortHandle> = HashMap::new();
        while let Some(command) = commands.recv().await {
            match command {
                Command::Listen { id, socket, tls } => {
                    let task = spawn_local(accept(local.clone(), id, socket, tls));
                    if let Some(before) = accepting.insert(id, task.abort_handle()) {
                        before.abort();
                    }
                }
                Command::Unlisten(id) => {
                    if let Some(task) = accepting.remove(&id) {
                        task.abort();
                    }
                }
                Command::Purge(url, manner, reply) => drop(reply.send(purge(&local, &url, manner))),
                Command::Inspect(url, fields, reply) => {
                    drop(reply.send(inspect(&local, &url, &fields)))
                }
                Command::Drain { deadline, gentle } => {
                    accepting.drain().for_each(|(_, task)| task.abort());
                    drain(&local, deadline, gentle).await;
                    break;
                }
            }
        }
        local.logs.flush(true);
    });
    // What reads a disk that stands still is not waited for.
    runtime.shutdown_timeout(BLOCKING_PATIENCE);
    Ok(())
}

async fn tick(local: Rc<Local>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        local.timers.sweep();
        local.logs.flush(false);
        local.named_logs.sweep();
        for cache in &local.plan().caches {
            for alert in cache.take_alerts() {
                log_error!(local.shared, Alert, 0, "{alert}");
            }
        }
        if local.origins.sweep(Instant::now()) {
            local.http2.sweep(Instant::now());
        }
    }
}

/// For tunnels to say that they are over.
const GOODBYE: Duration = Duration::from_millis(100);

async fn drain(local: &Rc<Local>, deadline: Instant, gentle: Duration) {
    local.timers.drain(gentle);
    let ends = || {
        local
            .shared
            .drain_by
            .lock()
            .map_or(deadline, |by| by.min(deadline))
    };
    while local.connections.get() + local.background.get() > 0 && Instant::now() < ends() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = local.connections.get();
    if local.tunnels.get() > 0 {
        local.timers.cut();
        // What they say at their end is written in their own tasks.
        tokio::time::sleep(GOODBYE).await;
    }
    if left > 0 {
        log_error!(
            local.shared,
            Warn,
            0,
            "{left} connections were cut off at the end of the drain"
        );
    }
}

async fn accept(local: Rc<Local>, id: u32, socket: Socket, tls: bool) {
    let listening = match socket {
        Socket::Tcp(s) => s
            .set_nonblocking(true)
            .and_then(|()| TcpListener::from_std(s))
            .map(Listening::Tcp),
        Socket::Unix(s) => s
            .set_nonblocking(true)
            .and_then(|()| UnixListener::from_std(s))
            .map(Listening::Unix),
        Socket::Udp(s) => return stream::udp::serve(local, id, s).await,
    };
    let listening = match listening {
        Ok(listening) => listening,
        Err(e) => {
            log_error!(
                local.shared,
                Alert,
                0,
                "a listening socket cannot be used: {e}"
            );
            return;
        }
    };
    loop {
        match listening.accept(&local, id, tls).await {
            Ok((io, info)) => take(&local, io, info),
            Err(e) if is_of_one_connection(&e) => {}
            Err(e) => {
                log_error!(local.shared, Crit, 0, "accept() failed ({e})");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    async fn accept(&self, local: &Local, listener: u32, tls: bool) -> io::Result<(Io, ConnInfo)> {
        let mut info = ConnInfo {
            since_ms: crate::clock::now_ms(),
            serial: local.shared.serial.fetch_add(1, Ordering::Relaxed) + 1,
            requests: 0,
            proxied: None,
            peer: None,
            peer_text: "unix:".to_owned(),
            local: None,
            tls,
            listener,
            clients: None,
        };
        let io = match self {
            Listening::Tcp(l) => {
                let (stream, peer) = l.accept().await?;
                // Small writes leave at once; whole responses are written at once anyway.
                let _ = stream.set_nodelay(true);
                let peer = std::net::SocketAddr::new(peer.ip().to_canonical(), peer.port());
                info.peer_text = peer.ip().to_string();
                info.peer = Some(peer);
                info.local = stream.local_addr().ok();
                Io::Tcp(stream)
            }
            Listening::Unix(l) => Io::Unix(l.accept().await?.0),
        };
        Ok((io, info))
    }
}

fn take(local: &Rc<Local>, io: Io, info: ConnInfo) {
    let shared = &local.shared;
    let open = shared.connections.fetch_add(1, Ordering::Relaxed);
    if open >= shared.plan.load().connections_max {
        shared.connections.fetch_sub(1, Ordering::Relaxed);
        shared.metrics.connections_refused.inc();
        log_error!(
            shared,
            Alert,
            info.serial,
            "{open} connections are open: limits.connections is reached"
        );
        return;
    }
    shared.metrics.connections_total.inc();
    shared.metrics.connections.inc();
    local.connections.set(local.connections.get() + 1);
    let local = local.clone();
    let serial = info.serial;
    let open = Open(local.clone());
    let serving = connection(local.clone(), io, info);
    spawn_local(async move {
        watched(&local, serial, serving).await;
        drop(open);
    });
}

/// Counts an open connection, also when its task is dropped.
struct Open(Rc<Local>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0
            .connections
            .set(self.0.connections.get().saturating_sub(1));
        self.0.shared.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.shared.metrics.connections.dec();
    }
}

async fn connection(local: Rc<Local>, io: Io, mut info: ConnInfo) {
    let is_plain = local
        .plan()
        .listener(info.listener)
        .is_some_and(accept::is_plain);
    let io = match io {
        io if is_plain => io,
        // Boxed so that the state of a handshake does not stay with the connection.
        Io::Tcp(s) => match Box::pin(accept::open(&local, accept::Socket::Tcp(s), &mut info)).await
        {
            Some(io) => io,
            None => return,
        },
        Io::Unix(s) => {
            match Box::pin(accept::open(&local, accept::Socket::Unix(s), &mut info)).await {
                Some(io) => io,
                None => return,
            }
        }
        io => io,
    };
    if io.agreed_on_http2() {
        Box::pin(client::serve_http2(local, io, info, ReadBuffer::default())).await;
    } else {
        client::serve(local, io, info).await;
    }
}

/// The TLS handshake, with its deadline.
pub async fn handshake(local: &Rc<Local>, stream: Wire, info: &mut ConnInfo) -> Option<Io> {
    let timer = local.timers.timer();
    timer.set(HANDSHAKE_TIMEOUT);
    let http2 = local
        .plan()
        .listener(info.listener)
        .is_some_and(|l| l.http2);
    let accepted = timer.guard(seawall_tls::accept(
        stream,
        if http2 {
            &local.shared.tls_http2
        } else {
            &local.shared.tls
        },
        &local.shared.resolver,
        local.shared.acme.challenges(),
    ));
    match accepted.await {
        Ok(Ok(accepted)) => {
            info.clients = accepted.clients;
            return Some(Io::Tls(Box::new(accepted.stream)));
        }
        Ok(Err(e)) if seawall_tls::is_challenge(&e) => {
            log_error!(
                local.shared,
                Info,
                info.serial,
                "{e}, client: {}",
                info.peer_text
            );
        }
        Ok(Err(e)) => {
            local.shared.metrics.tls_failures.inc();
            log_error!(
                local.shared,
                Info,
                info.serial,
                "TLS handshake failed: {e}, client: {}",
                info.peer_text
            );
        }
        Err(_) => {
            local.shared.metrics.timeouts.tls.inc();
            let who = &info.peer_text;
            log_error!(
                local.shared,
                Info,
                info.serial,
                "client timed out in the TLS handshake, client: {who}"
            );
        }
    }
    None
}

/// Runs a task of a connection: a panic in it is a bug that is counted and logged and ends nothing else, and a sample
/// of its polls is timed.
pub fn watched<F: Future<Output = ()>>(local: &Rc<Local>, serial: u64, future: F) -> Watched<F> {
    Watched {
        local: local.clone(),
        serial,
        polls: 0,
        future: Box::pin(future),
    }
}

/// See [`watched`]. The future is boxed: as a field of an `async` block it would be held twice.
pub struct Watched<F> {
    local: Rc<Local>,
    serial: u64,
    polls: u64,
    future: Pin<Box<F>>,
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.polls += 1;
        let began = this.polls.is_multiple_of(STALL_SAMPLE).then(Instant::now);
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| this.future.as_mut().poll(cx)));
        let shared = &this.local.shared;
        if began.is_some_and(|t| t.elapsed() > STALL) {
            shared.metrics.stalls.inc();
        }
        polled.unwrap_or_else(|panic| {
            shared.metrics.panics.inc();
            log_error!(
                shared,
                Alert,
                this.serial,
                "panic, a bug: {}",
                panic_text(&*panic)
            );
            Poll::Ready(())
        })
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F, A>(_: fn(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_is_held_once_and_small() {
        let held = size(|(local, io, info): (Rc<Local>, Io, ConnInfo)| connection(local, io, info));
        assert!(held <= 1536, "{held} bytes");
        let task = size(|(local, future): (Rc<Local>, std::future::Pending<()>)| {
            watched(&local, 0, future)
        });
        assert!(task <= 64, "{task} bytes");
    }
}
