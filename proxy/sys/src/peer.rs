//! What a connected socket tells about its other end, and keep-alive probes.

use crate::Error;
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, getsockopt, recv, sockopt::PeerCredentials},
};
use socket2::{SockRef, TcpKeepalive};
use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    time::Duration,
};

/// Who connected to a unix socket: what the kernel noted at `connect()`, which the peer cannot forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Process id, in our namespace.
    pub pid: i32,
}

/// Asks who is at the other end of a unix socket.
pub fn credentials(socket: &impl AsFd) -> Result<Credentials, Error> {
    let peer =
        getsockopt(&socket.as_fd(), PeerCredentials).map_err(Error::errno_of("getsockopt"))?;
    Ok(Credentials {
        uid: peer.uid(),
        gid: peer.gid(),
        pid: peer.pid(),
    })
}

/// Lets the kernel find out about a peer that vanished: first probe after `idle`, then every `interval`, `count` times.
pub fn set_keepalive(
    socket: &impl AsFd,
    idle: Duration,
    interval: Duration,
    count: u32,
) -> Result<(), Error> {
    let fd = socket.as_fd();
    let keepalive = TcpKeepalive::new()
        .with_time(idle)
        .with_interval(interval)
        .with_retries(count);
    SockRef::from(&fd)
        .set_tcp_keepalive(&keepalive)
        .map_err(Error::call("setsockopt"))
}

/// Whether a connected socket has nothing to read, not even its end. Nothing is taken from it.
pub fn is_silent(socket: BorrowedFd<'_>) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    matches!(
        recv(socket.as_raw_fd(), &mut [0], flags),
        Err(Errno::EAGAIN)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        net::{TcpListener, TcpStream},
        os::unix::net::UnixStream,
    };

    #[test]
    fn the_peer_of_a_pair_is_ourselves() {
        let (a, _b) = UnixStream::pair().unwrap();
        let peer = credentials(&a).unwrap();
        assert_eq!(peer.uid, crate::privileges::effective_uid());
        assert_eq!(peer.pid, std::process::id() as i32);
    }

    #[test]
    fn a_socket_is_silent_until_its_peer_speaks_or_goes() {
        use std::io::{Read, Write};
        let (mut a, mut b) = UnixStream::pair().unwrap();
        assert!(is_silent(a.as_fd()));
        b.write_all(b"x").unwrap();
        assert!(!is_silent(a.as_fd()));
        a.read_exact(&mut [0]).unwrap();
        assert!(is_silent(a.as_fd()));
        drop(b);
        assert!(!is_silent(a.as_fd()));
    }

    #[test]
    fn keepalive_is_what_was_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        set_keepalive(&client, Duration::from_secs(60), Duration::from_secs(10), 6).unwrap();
        let socket = SockRef::from(&client);
        assert!(socket.keepalive().unwrap());
        assert_eq!(
            socket.tcp_keepalive_time().unwrap(),
            Duration::from_secs(60)
        );
    }
}
