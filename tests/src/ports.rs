//! Addresses that nobody listens on.

use nix::sys::socket::{Backlog, listen};
use std::{
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
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

/// An address that neither takes connections nor refuses them: a listener whose queue is full.
pub struct Deaf {
    listener: TcpListener,
    _waiting: Vec<TcpStream>,
}

impl Deaf {
    /// Fills the queue.
    ///
    /// # Panics
    /// When it has no end.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let none = Backlog::new(0).expect("a backlog");
        listen(&listener, none).expect("a shorter queue");
        let address = listener.local_addr().expect("its address");
        let mut waiting = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            waiting.push(stream);
            assert!(waiting.len() < 64, "the queue has an end");
        }
        Self {
            listener,
            _waiting: waiting,
        }
    }

    /// Its address.
    ///
    /// # Panics
    /// Never: a bound listener has one.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("its address")
    }
}
