//! Telling secondaries that a zone has changed (RFC 1996).

use crate::limits::NOTIFY_TRIES;
use crate::policy::Peer;
use crate::serve::Shared;
use crate::tsig::{now, sign_query};
use crate::wire::{Header, ask, count, put_record};
use crate::{Name, RType};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

/// NOTIFY with authority.
const FLAGS: u16 = 4 << 11 | 0x0400;

/// Tells the peers of each zone that changes, until `stop` becomes true.
pub async fn notify_peers(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut changes = shared.changes();
    loop {
        let zones = tokio::select! {
            changed = changes.recv() => match changed {
                Ok(zone) => vec![zone],
                // Too many at once to say which: all of them.
                Err(RecvError::Lagged(_)) => shared.serving_now().zones.iter().filter_map(|z| z.origin()).collect(),
                Err(RecvError::Closed) => return,
            },
            _ = stop.wait_for(|stop| *stop) => return,
        };
        for zone in zones {
            for peer in shared.notified_peers(&zone) {
                let (shared, zone) = (Arc::clone(&shared), zone.clone());
                tokio::spawn(async move {
                    // Who does not answer asks by itself when its timer ends.
                    let _ = tell(&shared, &zone, &peer).await;
                });
            }
        }
    }
}

async fn tell(shared: &Shared, zone: &Name, peer: &Peer) -> std::io::Result<bool> {
    let any: SocketAddr = if peer.address.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(peer.address).await?;
    let mut buffer = [0; 1024];
    let mut wait = Duration::from_secs(1);
    for id in 1..=NOTIFY_TRIES {
        let mut message = ask(id ^ (now() as u16), FLAGS, zone, RType::SOA);
        if let Some(soa) = shared
            .serving_now()
            .zones
            .get(zone)
            .and_then(|z| z.to_soa_record())
        {
            put_record(&mut message, zone, RType::SOA, 1, soa.ttl, &soa.data);
            count(&mut message, 1, 1);
        }
        if let Some(key) = &peer.key {
            sign_query(&mut message, key, now());
        }
        let sent = socket.send(&message).await;
        if sent.is_ok()
            && let Ok(Ok(len)) = tokio::time::timeout(wait, socket.recv(&mut buffer)).await
            && let Some(header) = buffer.get(..len).and_then(Header::read)
            && header.flags & 0x8000 != 0
        {
            return Ok(header.rcode() == 0);
        }
        if sent.is_err() {
            tokio::time::sleep(wait).await;
        }
        wait *= 2;
    }
    Ok(false)
}
