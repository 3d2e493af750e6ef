//! DNS over QUIC (RFC 9250): each query on a stream of its own, its answer on the same one.
//!
//! What a client may do wrong is few things, and each closes its connection: an ID that is not 0, a stream with less or
//! more than one query, an EDNS option that is TCP's. A query that is too long costs only its stream.
//!
//! There is no 0-RTT: it saves one round trip of a connection that lives for many queries, and whoever recorded it could
//! play it again. A connection stays with the address that it was opened from (no migration): an address is what
//! transfers and updates are allowed to, and QUIC takes a packet's word for a new one before it has checked it.

use super::clients::{Clients, Place};
use super::orders::is_order;
use super::tcp::{answer_one, count_drop, ordered, send};
use super::{Shared, Whence};
use crate::limits::{
    QUIC_INCOMING_BYTES, QUIC_INCOMING_BYTES_TOTAL, QUIC_RECEIVE_BYTES, QUIC_SEND_BYTES, QuicLimits,
};
use crate::query::{HEADER, Query};
use crate::{DropReason, Transport};
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, ReadExactError, RecvStream,
    SendStream, ServerConfig, TokioRuntime, TransportConfig, VarInt,
};
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::rustls;

/// Codes that streams and connections end with (RFC 9250 §4.3).
mod code {
    use quinn::VarInt;
    pub const NO_ERROR: VarInt = VarInt::from_u32(0);
    pub const INTERNAL_ERROR: VarInt = VarInt::from_u32(1);
    pub const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
    pub const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);
}

/// A socket that speaks QUIC.
pub struct QuicServer {
    endpoint: Endpoint,
    limits: QuicLimits,
}

impl QuicServer {
    /// Takes a UDP socket, within a tokio runtime that the connections are to live on. The protocol by ALPN is the
    /// configuration's to name: `doq`.
    ///
    /// # Errors
    /// The socket's, or that of a configuration without TLS 1.3.
    pub fn new(
        socket: UdpSocket,
        tls: Arc<rustls::ServerConfig>,
        limits: QuicLimits,
    ) -> io::Result<Self> {
        let tls = QuicServerConfig::try_from(tls).map_err(io::Error::other)?;
        let mut server = ServerConfig::with_crypto(Arc::new(tls));
        server
            .transport_config(Arc::new(transport(&limits)?))
            .migration(false)
            .max_incoming(limits.connections)
            .incoming_buffer_size(QUIC_INCOMING_BYTES)
            .incoming_buffer_size_total(QUIC_INCOMING_BYTES_TOTAL);
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            Some(server),
            socket,
            Arc::new(TokioRuntime),
        )?;
        Ok(Self { endpoint, limits })
    }

    /// Answers until `stop` becomes true, then lets each stream take the answer that it waits for and closes the
    /// connections, so that clients come again to whoever has the socket next.
    pub async fn serve(self, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
        let Self { endpoint, limits } = self;
        let mut door = Door {
            limits: Arc::new(limits),
            clients: Clients::default(),
            handshakes: Arc::default(),
            connections: JoinSet::new(),
        };
        while !*stop.borrow_and_update() {
            tokio::select! {
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) => door.admit(incoming, &shared, &stop),
                    None => break,
                },
                Some(_) = door.connections.join_next() => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        // Who knocks now is not answered, and knocks again at whoever serves then.
        endpoint.set_server_config(None);
        let drained = async { while door.connections.join_next().await.is_some() {} };
        let _ = timeout(limits.idle, drained).await;
        endpoint.close(code::NO_ERROR, b"");
        let _ = timeout(limits.idle, endpoint.wait_idle()).await;
    }
}

/// What a connection may hold.
fn transport(limits: &QuicLimits) -> io::Result<TransportConfig> {
    let mut transport = TransportConfig::default();
    let number = |n: usize| VarInt::try_from(n as u64).map_err(io::Error::other);
    transport
        .max_concurrent_bidi_streams(number(limits.streams)?)
        // RFC 9250 §4.2: nobody opens these.
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(number(limits.query_bytes + 2)?)
        .receive_window(number(QUIC_RECEIVE_BYTES)?)
        .send_window(QUIC_SEND_BYTES as u64)
        // Whoever is still there is told by a code, and before that.
        .max_idle_timeout(Some(
            IdleTimeout::try_from(limits.idle * 2).map_err(io::Error::other)?,
        ))
        // RFC 9250 §5.4: the length of an answer tells what was asked.
        .pad_to_mtu(true);
    Ok(transport)
}

/// Decides who comes in.
struct Door {
    limits: Arc<QuicLimits>,
    clients: Clients,
    /// Handshakes under way.
    handshakes: Arc<AtomicUsize>,
    connections: JoinSet<()>,
}

/// A handshake under way.
struct Handshake(Arc<AtomicUsize>);

impl Handshake {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Door {
    fn admit(&mut self, incoming: Incoming, shared: &Arc<Shared>, stop: &watch::Receiver<bool>) {
        let peer = incoming.remote_address().ip().to_canonical();
        let limits = &self.limits;
        // Anybody can send a first packet in anybody's name: where that could take places from others, who it is has to
        // be shown first, which costs a round trip (RFC 9000 §8.1.2).
        let unsure = !incoming.remote_address_validated();
        let crowded = self.handshakes.load(Ordering::Relaxed) >= limits.handshakes
            || self.clients.of(peer) >= limits.per_client / 2;
        if unsure && crowded {
            // It fails only for who has been asked already.
            let _ = incoming.retry();
            return;
        }
        let place = (self.connections.len() < limits.connections)
            .then(|| self.clients.enter(peer, limits.per_client))
            .flatten();
        let Some(place) = place else {
            count_drop(shared, DropReason::ConnectionLimit);
            incoming.refuse();
            return;
        };
        let handshake = Handshake::begin(&self.handshakes);
        let (shared, limits, stop) = (Arc::clone(shared), Arc::clone(limits), stop.clone());
        self.connections.spawn(async move {
            let connected = async { incoming.accept()?.await };
            if let Ok(Ok(connection)) = timeout(limits.idle, connected).await {
                drop(handshake);
                serve_connection(connection, place, &shared, limits, stop).await;
            }
        });
    }
}

/// Takes a connection's streams, and closes it once it has been idle or has asked enough.
async fn serve_connection(
    connection: Connection,
    place: Place,
    shared: &Arc<Shared>,
    limits: Arc<QuicLimits>,
    mut stop: watch::Receiver<bool>,
) {
    let from = (place.address, Transport::Quic);
    let mut streams = JoinSet::new();
    let mut last = Instant::now();
    for _ in 0..limits.queries {
        let accepted = loop {
            tokio::select! {
                accepted = connection.accept_bi() => break accepted.ok(),
                Some(_) = streams.join_next() => last = Instant::now(),
                () = sleep_until(last + limits.idle), if streams.is_empty() => break None,
                _ = stop.wait_for(|stop| *stop) => break None,
            }
        };
        let Some((send, receive)) = accepted else {
            break;
        };
        let (shared, limits) = (Arc::clone(shared), Arc::clone(&limits));
        let connection = connection.clone();
        streams.spawn(async move {
            let mut stream = Stream { send, receive };
            if let Err(failed) = stream.serve(from, &shared, &limits).await {
                stream.fail(failed, &connection, &shared);
            }
        });
    }
    while streams.join_next().await.is_some() {}
    connection.close(code::NO_ERROR, b"");
}

/// A stream's two directions.
struct Stream {
    send: SendStream,
    receive: RecvStream,
}

/// Why a stream has no answer.
enum Failed {
    /// The client has broken off, or takes too long.
    Gone,
    /// The connection cannot go on (RFC 9250 §4.3.3).
    Protocol(&'static str),
    /// The query is longer than what is taken.
    TooLong,
    /// There is nothing to be said to such a message.
    Unanswered,
}

impl From<ReadExactError> for Failed {
    fn from(error: ReadExactError) -> Self {
        match error {
            ReadExactError::FinishedEarly(_) => Self::Protocol("a stream ended within its query"),
            ReadExactError::ReadError(_) => Self::Gone,
        }
    }
}

impl Stream {
    async fn serve(
        &mut self,
        from: Whence,
        shared: &Arc<Shared>,
        limits: &QuicLimits,
    ) -> Result<(), Failed> {
        let query = timeout(limits.idle, self.query(limits)).await;
        let query = query.map_err(|_| Failed::Gone)??;
        match query.first_chunk::<HEADER>() {
            Some([0, 0, flags, ..]) if flags & 0x80 == 0 => {}
            Some([0, 0, ..]) | None => return Err(Failed::Protocol("no query")),
            Some(_) => return Err(Failed::Protocol("the ID of a query is not 0")),
        }
        let edns = Query::read(&query).and_then(|q| q.edns.ok().flatten());
        if edns.is_some_and(|e| e.keepalive) {
            return Err(Failed::Protocol("edns-tcp-keepalive is TCP's"));
        }
        if is_order(&query) {
            ordered(&mut self.send, query, from, shared, limits.idle)
                .await
                .map_err(|_| Failed::Gone)?;
        } else {
            let answer = answer_one(&query, from, shared).ok_or(Failed::Unanswered)?;
            send(&mut self.send, &answer, limits.idle)
                .await
                .map_err(|_| Failed::Gone)?;
        }
        self.send.finish().map_err(|_| Failed::Gone)?;
        // A connection that is closed forgets what has not arrived.
        let _ = timeout(limits.idle, self.send.stopped()).await;
        Ok(())
    }

    /// One message behind its length, then the end (RFC 9250 §4.2).
    async fn query(&mut self, limits: &QuicLimits) -> Result<Vec<u8>, Failed> {
        let mut len = [0; 2];
        self.receive.read_exact(&mut len).await?;
        let len = usize::from(u16::from_be_bytes(len));
        if len > limits.query_bytes {
            return Err(Failed::TooLong);
        }
        let mut query = vec![0; len];
        self.receive.read_exact(&mut query).await?;
        match self.receive.read(&mut [0]).await {
            Ok(None) => Ok(query),
            Ok(Some(_)) => Err(Failed::Protocol("a stream goes on behind its query")),
            Err(_) => Err(Failed::Gone),
        }
    }

    /// Ends the stream, or the whole connection. What the client has ended already needs no end.
    fn fail(&mut self, failed: Failed, connection: &Connection, shared: &Shared) {
        let code = match failed {
            Failed::Gone => code::NO_ERROR,
            Failed::Protocol(why) => {
                count_drop(shared, DropReason::Protocol);
                return connection.close(code::PROTOCOL_ERROR, why.as_bytes());
            }
            Failed::TooLong => {
                count_drop(shared, DropReason::Oversize);
                code::EXCESSIVE_LOAD
            }
            Failed::Unanswered => code::INTERNAL_ERROR,
        };
        let _ = self.receive.stop(code);
        let _ = self.send.reset(code);
    }
}
