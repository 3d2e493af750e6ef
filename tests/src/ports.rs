//! Addresses that nobody listens on.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the range from which Linux takes the ports of outgoing connections (32768 and up): none of the thousands of
/// connections that tests make can take an address between its choice and its use.
const LOWEST: u16 = 10_000;
const COUNT: u16 = 22_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback address free for TCP and UDP, given to no other test of this process.
///
/// # Panics
/// When there is none.
pub fn free_address() -> SocketAddr {
    // Processes begin at different places.
    let start = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let offset = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = LOWEST + ((u32::from(start) + u32::from(offset)) % u32::from(COUNT)) as u16;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port");
}
