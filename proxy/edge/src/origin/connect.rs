//! Connections to origins: pingora-core connects, speaks TLS and keeps idle connections, a connector for each thread.

use crate::plan::OriginPeer;
use crate::plan::pool::PeerHandle;
use pingora_core::{
    connectors::{ConnectorOptions, TransportConnector},
    protocols::Stream,
};
use std::{sync::Arc, time::Duration};

/// Idle connections of one thread over all pools. A pool's own `keepalive` says how long; this says how many.
const IDLE_MAX: usize = 1024;

/// The connections of one thread.
pub struct Origins {
    connector: TransportConnector,
}

impl Default for Origins {
    fn default() -> Self {
        Self {
            connector: TransportConnector::new(Some(ConnectorOptions::new(IDLE_MAX))),
        }
    }
}

impl Origins {
    /// An idle connection, or a new one; true if it was used before.
    pub async fn get(&self, peer: &Arc<OriginPeer>, fresh: bool) -> Result<(Stream, bool), String> {
        let handle = PeerHandle(peer.clone());
        if !fresh && let Some(stream) = self.connector.reused_stream(&handle).await {
            return Ok((stream, true));
        }
        // Boxed: the state of a connect is ten times that of a request, and most requests need none.
        let made = Box::pin(self.connector.new_stream(&handle)).await;
        made.map(|s| (s, false)).map_err(|e| e.to_string())
    }

    /// Keeps a connection for the next request.
    pub fn give(&self, stream: Stream, peer: &OriginPeer, idle: Duration) {
        self.connector
            .release_stream(stream, peer.reuse_hash(), Some(idle));
    }
}
