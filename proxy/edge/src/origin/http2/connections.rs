//! The connections of one thread, each shared by many requests.

use super::{CONNECTION_WINDOW_BYTES, HEAD_BYTES, STREAMS_MAX, UPLOAD_BYTES, WINDOW_BYTES};
use crate::{origin::io::OriginIo, plan::OriginPeer};
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

/// Connections by peer.
#[derive(Default)]
pub struct Connections {
    peers: RefCell<HashMap<u64, Rc<Peer>, ahash::RandomState>>,
}

#[derive(Default)]
struct Peer {
    open: RefCell<Vec<Connection>>,
    /// Held by whoever connects: the others wait for that connection instead of opening theirs.
    connecting: tokio::sync::Mutex<()>,
}

struct Connection {
    send: SendRequest<Bytes>,
    state: Rc<State>,
    keep: Duration,
}

/// What is known of a connection.
pub struct State {
    streams: Cell<usize>,
    /// Takes no more requests: it ended, is about to, or stood still.
    spent: Cell<bool>,
    idle_since: Cell<Instant>,
}

/// A place on a connection; given back when dropped.
pub struct Place {
    state: Rc<State>,
}

impl Place {
    fn new(state: Rc<State>) -> Self {
        state.streams.set(state.streams.get() + 1);
        Self { state }
    }

    /// No further request is to take this connection.
    pub fn spend(&self) {
        self.state.spent.set(true);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.state.streams.get().saturating_sub(1);
        self.state.streams.set(left);
        self.state.idle_since.set(Instant::now());
    }
}

impl Connections {
    /// A place on a connection to this peer, and whether the connection was there already. `fresh` asks for a new one.
    pub async fn place(
        &self,
        peer: &OriginPeer,
        keep: Duration,
        fresh: bool,
    ) -> Result<(SendRequest<Bytes>, Place, bool), String> {
        let known = self
            .peers
            .borrow_mut()
            .entry(peer.reuse_hash())
            .or_default()
            .clone();
        if !fresh && let Some((send, place)) = known.free() {
            return Ok((send, place, true));
        }
        let connecting = known.connecting.lock().await;
        if !fresh && let Some((send, place)) = known.free() {
            return Ok((send, place, true));
        }
        let (send, state) = connect(peer).await?;
        drop(connecting);
        let place = Place::new(state.clone());
        known.open.borrow_mut().push(Connection {
            send: send.clone(),
            state,
            keep,
        });
        Ok((send, place, false))
    }

    /// Closes what has ended and what was kept long enough without a request.
    pub fn sweep(&self, now: Instant) {
        self.peers.borrow_mut().retain(|_, peer| {
            let mut open = peer.open.borrow_mut();
            open.retain(|connection| {
                let state = &connection.state;
                let idle = now.saturating_duration_since(state.idle_since.get());
                state.streams.get() > 0 || !(state.spent.get() || idle > connection.keep)
            });
            !open.is_empty() || Rc::strong_count(peer) > 1
        });
    }
}

impl Peer {
    fn free(&self) -> Option<(SendRequest<Bytes>, Place)> {
        let open = self.open.borrow();
        let connection = open.iter().find(|c| {
            let allowed = c.send.current_max_send_streams().min(STREAMS_MAX);
            !c.state.spent.get() && c.state.streams.get() < allowed
        })?;
        Some((
            connection.send.clone(),
            Place::new(connection.state.clone()),
        ))
    }
}

async fn connect(peer: &OriginPeer) -> Result<(SendRequest<Bytes>, Rc<State>), String> {
    let io = OriginIo::connect(peer, b"").await?;
    if peer.tls.is_some() && io.alpn() != Some(b"h2") {
        return Err("the origin does not speak HTTP/2 (ALPN)".to_owned());
    }
    let shaken = Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES)
        .max_send_buffer_size(UPLOAD_BYTES)
        .enable_push(false)
        .handshake::<_, Bytes>(io)
        .await;
    let (send, connection) = shaken.map_err(|e| format!("HTTP/2 preface failed ({e})"))?;
    let state = Rc::new(State {
        streams: Cell::new(0),
        spent: Cell::new(false),
        idle_since: Cell::new(Instant::now()),
    });
    let ended = state.clone();
    tokio::task::spawn_local(async move {
        // Its streams tell their requests why it ended.
        let _ = connection.await;
        ended.spent.set(true);
    });
    Ok((send, state))
}
