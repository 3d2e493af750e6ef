//! Active checks and the resolver: on the control runtime, never on a worker thread.
//!
//! A check speaks plain HTTP/1.1 over a connection of its own. Its result goes to the balancer's server, the one object
//! that requests, the API and the DNS answers look at.

use crate::{
    log_error,
    plan::{PeerSlot, Plan, PoolPlan},
    shared::Shared,
};
use seawall_balance::CheckSchedule;
use seawall_conf::model::{Address, HealthCheck};
use seawall_http::{HeadLimits, Method, ResponseHead, ResponseTo, parse_response};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::JoinSet,
};

/// Bytes of a check's response head at most.
const HEAD_BYTES: usize = 16 * 1024;
/// How often names are looked up again. Addresses of a name that stops resolving stay.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// How soon a name that never resolved is looked up again.
const RESOLVE_RETRY: Duration = Duration::from_secs(2);

/// Starts the checks of a plan. They end when the set is dropped.
pub fn start(shared: &Arc<Shared>, plan: &Plan, runtime: &tokio::runtime::Handle) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for pool in &plan.pools {
        for index in 0..pool.peers.len() {
            if let Some(check) = &pool.health {
                tasks.spawn_on(
                    check_forever(shared.clone(), pool.clone(), index, check.clone()),
                    runtime,
                );
            }
            if pool
                .peers
                .get(index)
                .is_some_and(|p| matches!(p.address, Address::Name(..)))
            {
                tasks.spawn_on(
                    resolve_forever(shared.clone(), pool.clone(), index),
                    runtime,
                );
            }
        }
    }
    for set in &plan.key_sets {
        let task = crate::access::jwks::refresh_forever(shared.clone(), set.clone());
        tasks.spawn_on(task, runtime);
    }
    tasks
}

async fn resolve_forever(shared: Arc<Shared>, pool: Arc<PoolPlan>, index: usize) {
    let mut complained = false;
    loop {
        let Some(slot) = pool.peers.get(index) else {
            return;
        };
        match lookup(slot).await {
            Ok(()) => complained = false,
            Err(e) if !complained => {
                complained = true;
                log_error!(
                    shared,
                    Error,
                    0,
                    "host not found in upstream \"{}\": {} ({e})",
                    pool.name,
                    slot.text
                );
            }
            Err(_) => {}
        }
        tokio::time::sleep(if slot.peer().is_some() {
            RESOLVE_EVERY
        } else {
            RESOLVE_RETRY
        })
        .await;
    }
}

async fn lookup(slot: &PeerSlot) -> io::Result<()> {
    let Address::Name(name, port) = &slot.address else {
        return Ok(());
    };
    let found: Vec<_> = tokio::net::lookup_host((name.as_str(), *port))
        .await?
        .collect();
    // An address that is still among them stays: connections are kept for it.
    let best = found.iter().find(|a| a.is_ipv4()).or(found.first());
    match best {
        Some(address) => {
            slot.resolve(*address);
            Ok(())
        }
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

fn random() -> u64 {
    ahash::RandomState::new().hash_one(Instant::now())
}

async fn check_forever(shared: Arc<Shared>, pool: Arc<PoolPlan>, index: usize, check: HealthCheck) {
    let mut schedule = CheckSchedule::new(Instant::now(), check.interval, random());
    // The first check is made at once: a server that is down is found before a request finds it.
    loop {
        let Some(slot) = pool.peers.get(index) else {
            return;
        };
        let result = tokio::time::timeout(check.timeout, probe(&pool, slot, &check)).await;
        let failure = match result {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(e),
            Err(_) => Some(format!("no answer within {:?}", check.timeout)),
        };
        let ok = failure.is_none();
        if let Some(transition) = pool.balancer.check_result(Instant::now(), index, ok) {
            let why = failure.unwrap_or_default();
            let colon = if why.is_empty() { "" } else { ": " };
            let sentence = transition.sentence(&pool.name, &slot.text);
            log_error!(shared, Warn, 0, "{sentence}{colon}{why}");
        }
        let next = schedule.checked(Instant::now(), ok, random());
        tokio::time::sleep_until(next.into()).await;
    }
}

async fn probe(pool: &PoolPlan, slot: &PeerSlot, check: &HealthCheck) -> Result<(), String> {
    let host = check.host.as_deref().unwrap_or(&slot.text);
    let host = if host.starts_with("unix:") {
        "localhost"
    } else {
        host
    };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: seawall-check\r\nConnection: close\r\n\r\n",
        check.path
    );
    let text = |e: io::Error| e.to_string();
    match &slot.address {
        Address::Unix(path) => ask(UnixStream::connect(path).await.map_err(text)?, &request).await,
        address => {
            let stream = match address {
                Address::Ip(a) => TcpStream::connect(a).await,
                Address::Name(name, port) => TcpStream::connect((name.as_str(), *port)).await,
                Address::Unix(_) => Err(io::ErrorKind::InvalidInput.into()),
            }
            .map_err(text)?;
            match (&slot.sni, &pool.check_tls) {
                (Some(sni), Some(config)) => {
                    let name = rustls::pki_types::ServerName::try_from(sni.clone())
                        .map_err(|e| e.to_string())?;
                    let connector = tokio_rustls::TlsConnector::from(config.clone());
                    ask(
                        connector.connect(name, stream).await.map_err(text)?,
                        &request,
                    )
                    .await
                }
                _ => ask(stream, &request).await,
            }
        }
    }
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    request: &str,
) -> Result<(), String> {
    let text = |e: io::Error| e.to_string();
    stream.write_all(request.as_bytes()).await.map_err(text)?;
    stream.flush().await.map_err(text)?;
    let mut buf = Vec::with_capacity(1024);
    let mut head = ResponseHead::new();
    let to = ResponseTo {
        method: Method::Get,
        upgrade_asked: false,
    };
    loop {
        if stream.read_buf(&mut buf).await.map_err(text)? == 0 {
            return Err("connection closed before a response".into());
        }
        match parse_response(&buf, &to, &HeadLimits::default(), &mut head) {
            Ok(true) if (200..400).contains(&head.status) => return Ok(()),
            Ok(true) => return Err(format!("status {}", head.status)),
            Ok(false) if buf.len() > HEAD_BYTES => return Err("response head too large".into()),
            Ok(false) => {}
            Err(e) => return Err(format!("not HTTP: {}", e.as_str())),
        }
    }
}
