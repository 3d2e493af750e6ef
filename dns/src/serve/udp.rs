//! UDP: the body of a thread that owns a socket.

use super::{Shared, guarded};
use crate::counters::Snapshot;
use crate::limits::{UDP_BATCH, UDP_WAKE};
use crate::{Client, DropReason, Out, Transport, Verdict};
use seawall_sys::udp::{Datagram, UdpBatch, prepare};
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Answers on a socket until `stop` is set, which is noticed within 250 ms. Run it on a thread of its own, one for
/// each socket of a SO_REUSEPORT group. Fails only where the socket cannot be used at all.
pub fn serve_udp(socket: UdpSocket, shared: Arc<Shared>, stop: Arc<AtomicBool>) -> io::Result<()> {
    prepare(&socket, UDP_WAKE)?;
    let mut batch = UdpBatch::new(UDP_BATCH);
    while !stop.load(Ordering::Relaxed) {
        let mut tally = Snapshot::default();
        let mut serving = None;
        let done = batch.exchange(&socket, |datagram, room| {
            // Loaded once there is something to answer: the thread may have slept through a reload.
            let serving = serving.get_or_insert_with(|| shared.serving());
            one(
                &datagram,
                room,
                &serving.zones,
                &*serving.health,
                &mut tally,
            )
        });
        match done {
            Ok(_) => shared.counters.add(&tally),
            Err(e) if is_passing(&e) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn one(
    datagram: &Datagram<'_>,
    room: &mut [u8],
    zones: &crate::Zones,
    health: &dyn crate::Health,
    tally: &mut Snapshot,
) -> Option<usize> {
    if datagram.oversize || datagram.from.port() == 0 {
        tally.count_drop(if datagram.oversize {
            DropReason::Oversize
        } else {
            DropReason::NoPort
        });
        return None;
    }
    let client = Client {
        addr: datagram.from.ip().to_canonical(),
        transport: Transport::Udp,
        health,
    };
    let mut out = Out::new(room);
    let verdict = guarded(zones, datagram.bytes, &client, &mut out);
    let len = if let Verdict::Reply(len) = verdict {
        Some(len)
    } else {
        None
    };
    tally.count(Transport::Udp, verdict, out.written(len.unwrap_or(0)));
    len
}

/// Nothing came, a signal came, or an ICMP error about an earlier answer did: none of them is the socket's end.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    let icmp = matches!(
        error.kind(),
        ConnectionRefused | HostUnreachable | NetworkUnreachable | NetworkDown
    );
    icmp || matches!(
        error.kind(),
        WouldBlock | TimedOut | Interrupted | OutOfMemory
    )
}
