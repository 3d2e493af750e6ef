//! TCP: two bytes of length before each message (RFC 1035 §4.2.2), many queries on a connection (RFC 7766 §6.2.1).

use super::clients::{Clients, Place};
use super::orders::{Order, is_order, order};
use super::{Proxies, Shared, Whence, guarded};
use crate::counters::Snapshot;
use crate::limits::{TCP_BYTES, TcpLimits};
use crate::transfer::Outgoing;
use crate::{Client, DropReason, Out, Transport, Verdict};
use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// How many bytes are read at once, and what an idle connection that has asked something keeps.
const READ_BYTES: usize = 1024;
/// How long accepting pauses when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

thread_local! {
    /// Where answers are written before they are gathered; one a thread, as writing one never waits.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; TCP_BYTES].into());
}

/// What a listener is like.
#[derive(Clone, Default)]
pub struct Front {
    /// The limits of its connections.
    pub limits: TcpLimits,
    /// TLS before the queries (RFC 7858). A handshake has to be done within the idle limit.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whose connections begin with a PROXY header, which has to come within the same limit. All others are clients
    /// themselves.
    pub proxies: Option<Arc<Proxies>>,
}

/// Serves a listener until `stop` becomes true, then lets each connection finish the answers it is writing.
pub async fn serve_tcp(
    listener: TcpListener,
    shared: Arc<Shared>,
    limits: TcpLimits,
    stop: watch::Receiver<bool>,
) {
    let front = Front {
        limits,
        ..Front::default()
    };
    serve_streams(listener, front, shared, stop).await;
}

/// The same over TLS.
pub async fn serve_tls(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    shared: Arc<Shared>,
    limits: TcpLimits,
    stop: watch::Receiver<bool>,
) {
    let front = Front {
        limits,
        tls: Some(tls),
        proxies: None,
    };
    serve_streams(listener, front, shared, stop).await;
}

/// Serves a listener of any kind.
pub async fn serve_streams(
    listener: TcpListener,
    front: Front,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let clients = Clients::default();
    let front = Arc::new(front);
    let limits = front.limits;
    let mut connections = JoinSet::new();
    while !*stop.borrow_and_update() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            changed = stop.changed() => if changed.is_err() { break } else { continue },
        };
        match accepted {
            Ok((stream, peer)) => {
                let peer = peer.ip().to_canonical();
                let proxied = front.proxies.as_ref().is_some_and(|p| p.admits(peer));
                // Behind a proxy the client that counts is known with the header.
                let place = if connections.len() >= limits.connections {
                    None
                } else if proxied {
                    Some(None)
                } else {
                    clients.enter(peer, limits.per_client).map(Some)
                };
                let Some(place) = place else {
                    count_drop(&shared, DropReason::ConnectionLimit);
                    continue;
                };
                let accepted = Accepted {
                    stream,
                    peer,
                    place,
                    clients: clients.clone(),
                };
                let (shared, stop, front) = (Arc::clone(&shared), stop.clone(), front.clone());
                connections.spawn(async move {
                    // A client that breaks off has nothing left to be told.
                    let _ = one_connection(accepted, &front, &shared, stop).await;
                });
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(limits.idle, drained).await;
}

/// A connection before anything was read of it.
struct Accepted {
    stream: TcpStream,
    peer: IpAddr,
    place: Option<Place>,
    clients: Clients,
}

/// What stands before the queries, then the queries.
async fn one_connection(
    accepted: Accepted,
    front: &Front,
    shared: &Arc<Shared>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let Accepted {
        mut stream,
        peer,
        place,
        clients,
    } = accepted;
    let limits = &front.limits;
    let _ = stream.set_nodelay(true);
    let deadline = Instant::now() + limits.idle;
    let place = match (place, &front.proxies) {
        (Some(place), _) => Some(place),
        (None, None) => None,
        (None, Some(proxies)) => {
            let header = timeout_at(deadline, proxies.client(&mut stream, peer)).await;
            let client = header.ok().flatten();
            client.and_then(|client| clients.enter(client, limits.per_client))
        }
    };
    let Some(place) = place else {
        count_drop(shared, DropReason::ConnectionLimit);
        return Ok(());
    };
    match &front.tls {
        None => {
            let from = (place.address, Transport::Tcp);
            connection(stream, from, shared, limits, stop).await
        }
        Some(tls) => {
            let acceptor = TlsAcceptor::from(Arc::clone(tls));
            let stream = timeout_at(deadline, acceptor.accept(stream)).await??;
            let from = (place.address, Transport::Tls);
            connection(stream, from, shared, limits, stop).await
        }
    }
}

/// Counts something that got no answer.
pub(super) fn count_drop(shared: &Shared, reason: DropReason) {
    let mut tally = Snapshot::default();
    tally.count_drop(reason);
    shared.counters.add(&tally);
}

/// Reads, answers all that is whole, writes once, reads again.
async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    from: Whence,
    shared: &Arc<Shared>,
    limits: &TcpLimits,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut received: Vec<u8> = Vec::new();
    let mut queries = 0;
    while queries < limits.queries && !*stop.borrow_and_update() {
        // One deadline for the next whole query, so that a byte now and then does not keep the connection.
        let deadline = Instant::now() + limits.idle;
        while frame(&received).is_none() {
            if expected(&received).is_some_and(|len| len > limits.query_bytes) {
                return Ok(());
            }
            received.reserve(READ_BYTES);
            let read = tokio::select! {
                read = timeout_at(deadline, stream.read_buf(&mut received)) => read,
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            };
            if !matches!(read, Ok(Ok(1..))) {
                return Ok(());
            }
        }
        if frame(&received).is_some_and(is_order) {
            let query = frame(&received).unwrap_or_default().to_vec();
            received.drain(..2 + query.len());
            queries += 1;
            ordered(&mut stream, query, from, shared, limits.idle).await?;
            continue;
        }
        let (answers, used, asked) =
            answer_all(&received, from, shared, limits, limits.queries - queries);
        received.drain(..used);
        queries += asked;
        let written = async {
            stream.write_all(&answers).await?;
            // TLS keeps back what is not flushed.
            stream.flush().await
        };
        timeout_at(Instant::now() + limits.idle, written).await??;
    }
    stream.shutdown().await
}

/// What is more than a question: transfers are sent message by message, changes are made where waiting is allowed.
pub(super) async fn ordered<S: AsyncWrite + Unpin>(
    stream: &mut S,
    query: Vec<u8>,
    from: Whence,
    shared: &Arc<Shared>,
    idle: Duration,
) -> io::Result<()> {
    let reply = match order(shared, &query, from.0, from.1) {
        // It looked like more.
        Order::Question => {
            let answer = answer_one(&query, from, shared).unwrap_or_default();
            return send(stream, &answer, idle).await;
        }
        Order::Reply(reply) => reply,
        Order::Change(change) => {
            let shared = Arc::clone(shared);
            tokio::task::spawn_blocking(move || change.run(&shared))
                .await
                .map_err(io::Error::other)?
        }
        Order::Transfer(outgoing) => return transfer(stream, outgoing, shared, idle).await,
    };
    let mut tally = Snapshot::default();
    tally.count(from.1, Verdict::Reply(reply.len()), &reply);
    shared.counters.add(&tally);
    send(stream, &reply, idle).await
}

/// Sends a message behind its length; of an empty one nothing.
pub(super) async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    message: &[u8],
    idle: Duration,
) -> io::Result<()> {
    if message.is_empty() {
        return Ok(());
    }
    let mut framed = (message.len() as u16).to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    let written = async {
        stream.write_all(&framed).await?;
        stream.flush().await
    };
    timeout_at(Instant::now() + idle, written).await?
}

/// Packs a zone on a thread that may compute, two messages ahead of the client.
async fn transfer<S: AsyncWrite + Unpin>(
    stream: &mut S,
    outgoing: Outgoing,
    shared: &Arc<Shared>,
    idle: Duration,
) -> io::Result<()> {
    let place = Arc::clone(&shared.transfers)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (sender, mut packed) = mpsc::channel(2);
    let packing = tokio::task::spawn_blocking(move || {
        outgoing.send(&mut |message| sender.blocking_send(message).is_ok());
        drop(place);
    });
    while let Some(message) = packed.recv().await {
        send(stream, &message, idle).await?;
    }
    packing.await.map_err(io::Error::other)
}

/// Answers one question and counts it. `None` where nothing is said to it.
pub(super) fn answer_one(
    query: &[u8],
    (address, transport): Whence,
    shared: &Shared,
) -> Option<Vec<u8>> {
    let serving = shared.serving();
    let client = Client {
        addr: address,
        transport,
        health: &*serving.health,
        guard: Some(&serving.guard),
    };
    let mut tally = Snapshot::default();
    let answer = SCRATCH.with_borrow_mut(|scratch| {
        let mut out = Out::new(scratch);
        let verdict = guarded(&serving.zones, query, &client, &mut out);
        let reply = if let Verdict::Reply(len) = verdict {
            out.written(len)
        } else {
            &[]
        };
        tally.count(transport, verdict, reply);
        serving.note(address, transport, reply);
        (!reply.is_empty()).then(|| reply.to_vec())
    });
    shared.counters.add(&tally);
    answer
}

/// The length that the message at the start says it has.
fn expected(received: &[u8]) -> Option<usize> {
    received
        .first_chunk()
        .map(|len| usize::from(u16::from_be_bytes(*len)))
}

/// The first message, if it is whole.
fn frame(received: &[u8]) -> Option<&[u8]> {
    received.get(2..)?.get(..expected(received)?)
}

/// Answers whole messages until the batch is large enough. Gives the answers, the bytes used up and the number of
/// queries.
fn answer_all(
    received: &[u8],
    from: Whence,
    shared: &Shared,
    limits: &TcpLimits,
    most: usize,
) -> (Vec<u8>, usize, usize) {
    let serving = shared.serving();
    let client = Client {
        addr: from.0,
        transport: from.1,
        health: &*serving.health,
        guard: Some(&serving.guard),
    };
    let mut tally = Snapshot::default();
    let (mut answers, mut used, mut asked) = (Vec::new(), 0, 0);
    SCRATCH.with_borrow_mut(|scratch| {
        let mut out = Out::new(scratch);
        while asked < most && answers.len() < limits.batch_bytes {
            let Some(query) = received.get(used..).and_then(frame) else {
                break;
            };
            if is_order(query) {
                break;
            }
            used += 2 + query.len();
            asked += 1;
            let verdict = guarded(&serving.zones, query, &client, &mut out);
            let reply = if let Verdict::Reply(len) = verdict {
                out.written(len)
            } else {
                &[]
            };
            tally.count(from.1, verdict, reply);
            serving.note(from.0, from.1, reply);
            if !reply.is_empty() {
                answers.extend((reply.len() as u16).to_be_bytes());
                answers.extend_from_slice(reply);
            }
        }
    });
    shared.counters.add(&tally);
    (answers, used, asked)
}
