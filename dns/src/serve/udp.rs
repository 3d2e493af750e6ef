//! UDP: the body of a thread that owns a socket.

use super::orders::{Change, Order, is_order, order};
use super::{Serving, Shared, guarded};
use crate::counters::Snapshot;
use crate::limits::{UDP_BATCH, UDP_UPDATES_MAX, UDP_WAKE};
use crate::{Client, DropReason, Out, Transport, Verdict};
use seawall_sys::udp::{Datagram, UdpBatch, prepare};
use std::io;
use std::net::{SocketAddr, UdpSocket};
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
            if !datagram.oversize && is_order(datagram.bytes) {
                return ordered(&shared, &socket, &datagram, room, &mut tally);
            }
            // Loaded once there is something to answer: the thread may have slept through a reload.
            let serving = serving.get_or_insert_with(|| shared.serving());
            one(&datagram, room, serving, &mut tally)
        });
        match done {
            Ok(_) => shared.counters.add(&tally),
            Err(e) if is_passing(&e) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// What is more than a question. An update is made by a thread of its own, so that queries do not wait for it.
fn ordered(
    shared: &Arc<Shared>,
    socket: &UdpSocket,
    datagram: &Datagram<'_>,
    room: &mut [u8],
    tally: &mut Snapshot,
) -> Option<usize> {
    let serving = shared.serving();
    let from = datagram.from.ip().to_canonical();
    let reply = match order(shared, datagram.bytes, from, Transport::Udp) {
        Order::Question | Order::Transfer(_) => {
            return one(datagram, room, &serving, tally);
        }
        Order::Reply(reply) => reply,
        Order::Change(change) => change_apart(shared, socket, datagram.from, change)?.refused(),
    };
    let place = room.get_mut(..reply.len())?;
    place.copy_from_slice(&reply);
    tally.count(Transport::Udp, Verdict::Reply(reply.len()), &reply);
    Some(reply.len())
}

fn change_apart(
    shared: &Arc<Shared>,
    socket: &UdpSocket,
    to: SocketAddr,
    change: Change,
) -> Option<Change> {
    if shared.udp_updates.fetch_add(1, Ordering::Relaxed) >= UDP_UPDATES_MAX {
        shared.udp_updates.fetch_sub(1, Ordering::Relaxed);
        return Some(change);
    }
    let Ok(socket) = socket.try_clone() else {
        shared.udp_updates.fetch_sub(1, Ordering::Relaxed);
        return Some(change);
    };
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        // Who gets no answer asks again: an update that was made is made again to no effect.
        let _ = socket.send_to(&change.run(&shared), to);
        shared.udp_updates.fetch_sub(1, Ordering::Relaxed);
    });
    None
}

fn one(
    datagram: &Datagram<'_>,
    room: &mut [u8],
    serving: &Serving,
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
        health: &*serving.health,
        guard: Some(&serving.guard),
    };
    let mut out = Out::new(room);
    let verdict = guarded(&serving.zones, datagram.bytes, &client, &mut out);
    let len = if let Verdict::Reply(len) = verdict {
        Some(len)
    } else {
        None
    };
    let reply = out.written(len.unwrap_or(0));
    tally.count(Transport::Udp, verdict, reply);
    serving.note(client.addr, Transport::Udp, reply);
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
