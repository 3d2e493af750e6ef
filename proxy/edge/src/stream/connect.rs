//! A connection to a server of a pool: chosen by the balancer, tried on another where it cannot be made.

use super::Session;
use crate::{
    accept::{Socket, Wire},
    local::Local,
    log_error,
    plan::{PeerAddress, PeerSlot, PoolPlan},
    timer::Timer,
};
use seawall_balance::{Lease, Outcome, Tried};
use seawall_conf::model::Address;
use std::{
    io,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};
use tokio::net::{TcpStream, UnixStream};

/// A server's connection, and its hold on the server.
pub(super) struct Connected {
    pub(super) wire: Wire,
    /// Counted in flight while it lasts.
    pub(super) _lease: Lease,
}

/// Where a server is; `None` while its name does not resolve.
pub(super) fn ip_of(slot: &PeerSlot) -> Option<SocketAddr> {
    match &slot.peer()?.address {
        PeerAddress::Inet(address) => Some(*address),
        PeerAddress::Unix(_) => None,
    }
}

/// Connects to a server of the pool, to another one where that fails: as often as the pool's `retry` says.
pub(super) async fn connect(
    local: &Local,
    timer: &Timer,
    pool: &PoolPlan,
    timeout: Duration,
    session: &mut Session,
) -> Option<Connected> {
    pool.balancer.on_request();
    let mut tried = Tried::new();
    for n in 1..=pool.retry.attempts.max(1) {
        if n > 1 && !may_try_another(local, pool, &tried) {
            break;
        }
        let Some(lease) = pool.balancer.pick(Instant::now(), local.random(), &tried) else {
            break;
        };
        tried.insert(lease.index);
        let Some(slot) = pool.peers.get(lease.index) else {
            break;
        };
        session.tried.push(slot.text.clone());
        let began = Instant::now();
        timer.set(timeout);
        let made = match timer.guard(Box::pin(to(slot))).await {
            Ok(made) => made,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        session.connect_ms = began.elapsed().as_millis() as u64;
        match made {
            Ok(socket) => {
                pool.metrics.connects.inc();
                let outcome = Outcome::Answered {
                    status: 200,
                    latency: began.elapsed(),
                };
                report(local, pool, lease.index, outcome);
                return Some(Connected {
                    wire: Wire::new(socket, Vec::new()),
                    _lease: lease,
                });
            }
            Err(e) => {
                pool.metrics.connect_failures.inc();
                log_error!(
                    local.shared,
                    Error,
                    session.serial,
                    "connect() failed ({e}) while connecting to upstream, client: {}, upstream: \"{}\"",
                    session.client_text,
                    slot.text
                );
                report(local, pool, lease.index, Outcome::ConnectFailed);
            }
        }
    }
    if tried.is_empty() {
        log_error!(
            local.shared,
            Error,
            session.serial,
            "no live upstreams while connecting to upstream \"{}\", client: {}",
            pool.name,
            session.client_text
        );
    }
    None
}

fn may_try_another(local: &Local, pool: &PoolPlan, tried: &Tried) -> bool {
    if !pool.retry.on.connect || tried.len() >= pool.peers.len() {
        return false;
    }
    let allowed = pool.balancer.allow_retry(Instant::now());
    let metrics = &local.shared.metrics;
    match allowed {
        true => metrics.retries.inc(),
        false => metrics.retries_denied.inc(),
    }
    allowed
}

/// Notes what became of a server.
pub(super) fn report(local: &Local, pool: &PoolPlan, index: usize, outcome: Outcome) {
    if let Some(transition) = pool.balancer.report(Instant::now(), index, outcome) {
        let text = pool.peers.get(index).map_or("", |p| &p.text);
        log_error!(
            local.shared,
            Warn,
            0,
            "{}",
            transition.sentence(&pool.name, text)
        );
    }
}

async fn to(slot: &PeerSlot) -> io::Result<Socket> {
    if let Address::Unix(path) = &slot.address {
        return unix(path).await;
    }
    let Some(address) = ip_of(slot) else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "host not found"));
    };
    let stream = TcpStream::connect(address).await?;
    // Bytes go on as they come: waiting for more would add its delay to every exchange.
    let _ = stream.set_nodelay(true);
    Ok(Socket::Tcp(stream))
}

async fn unix(path: &Path) -> io::Result<Socket> {
    Ok(Socket::Unix(UnixStream::connect(path).await?))
}
