//! Listening sockets, one address many siblings.
//!
//! Each worker thread accepts from a socket of its own: the kernel spreads connections over a `SO_REUSEPORT` group by
//! a hash, with neither a lock nor a thundering herd. But `SO_REUSEPORT` from the start would let a second daemon of
//! the same user join the group in silence and steal half the connections. So the first socket of an address is bound
//! and listening *without* it (a second daemon gets `EADDRINUSE`), and only then is the option set and are the
//! siblings bound. The group lives as long as its sockets: closing one drops the connections in its queue, which is
//! why the keeper holds them and hands them on, and never binds again.
//!
//! A unix socket has one queue, so its siblings are duplicates of one descriptor.

use crate::Error;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::{
    fmt, fs, io,
    net::SocketAddr,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::{FileTypeExt, PermissionsExt},
            net::UnixStream,
        },
    },
    path::{Path, PathBuf},
};

/// Sockets of one address; far more than cores anybody has threads for.
pub const SIBLINGS_MAX: usize = 1024;

/// nginx's own backlog on Linux (`NGX_LISTEN_BACKLOG`).
pub const BACKLOG_DEFAULT: i32 = 511;

/// The most that is asked for; the kernel caps it at `net.core.somaxconn`.
pub const BACKLOG_MAX: i32 = 4096;

/// Bytes that datagrams wait in. The kernel doubles them and takes 768 for a small datagram: some 680 wait, more than twice
/// as many as by its default, and the last of them is answered within 5 ms. A larger buffer would lose fewer queries of
/// a flood, and keep those of everybody else waiting behind it.
pub const DATAGRAM_BUFFER_BYTES: usize = 256 << 10;

/// What is listened on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// TCP. Accepted sockets inherit `TCP_NODELAY`. An IPv6 address takes IPv6 only (`IPV6_V6ONLY`).
    Tcp(SocketAddr),
    /// UDP, unconnected.
    Udp(SocketAddr),
    /// A unix stream socket at this path.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => write!(f, "{address}"),
            Endpoint::Udp(address) => write!(f, "{address}/udp"),
            Endpoint::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How an endpoint is bound.
#[derive(Clone, Copy, Debug)]
pub struct BindOptions {
    /// Connections that may wait to be accepted.
    pub backlog: i32,
    /// Permissions of a unix socket's file (nginx: 0666; who may speak is then decided by its directory or peer uid).
    pub unix_mode: u32,
}

impl BindOptions {
    /// As nginx binds.
    pub const DEFAULT: Self = Self {
        backlog: BACKLOG_DEFAULT,
        unix_mode: 0o666,
    };
}

impl Default for BindOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The sockets of one endpoint, in the order they were bound; all are non-blocking and close-on-exec.
#[derive(Debug)]
pub struct Siblings {
    endpoint: Endpoint,
    options: BindOptions,
    sockets: Vec<OwnedFd>,
}

impl Siblings {
    /// Binds `count` sockets (at least one), the first without `SO_REUSEPORT`.
    ///
    /// `EADDRINUSE` when another socket has the address, also one of this user; a unix socket's file that nobody
    /// listens on any more is replaced. For port 0 the kernel's choice is shared by all siblings.
    pub fn bind(endpoint: Endpoint, count: usize, options: BindOptions) -> Result<Self, Error> {
        let first = match &endpoint {
            Endpoint::Tcp(address) => tcp(*address, false, options.backlog),
            Endpoint::Udp(address) => udp(*address, false),
            Endpoint::Unix(path) => return Self::bind_unix(path.clone(), count, options),
        }?;
        // From here on siblings may join; the address is already ours alone.
        first
            .set_reuse_port(true)
            .map_err(Error::call("setsockopt"))?;
        let mut siblings = Self {
            endpoint,
            options,
            sockets: vec![first.into()],
        };
        siblings.grow(count)?;
        Ok(siblings)
    }

    /// The sockets of an endpoint that another process has bound and handed over, in its order; `None` if there are none.
    pub fn inherited(
        endpoint: Endpoint,
        options: BindOptions,
        sockets: Vec<OwnedFd>,
    ) -> Option<Self> {
        (!sockets.is_empty()).then_some(Self {
            endpoint,
            options,
            sockets,
        })
    }

    fn bind_unix(path: PathBuf, count: usize, options: BindOptions) -> Result<Self, Error> {
        let socket = unix(&path, options)?;
        let mut siblings = Self {
            endpoint: Endpoint::Unix(path),
            options,
            sockets: vec![socket.into()],
        };
        siblings.grow(count)?;
        Ok(siblings)
    }

    /// Binds more siblings until there are `count`; never closes one.
    pub fn grow(&mut self, count: usize) -> Result<(), Error> {
        if count > SIBLINGS_MAX {
            return Err(Error::TooManySiblings(count));
        }
        let Some(first) = self.sockets.first() else {
            return Ok(());
        };
        let bound = local_address(first)?;
        while self.sockets.len() < count {
            let next: OwnedFd = match (&self.endpoint, bound) {
                (Endpoint::Tcp(_), Some(address)) => {
                    tcp(address, true, self.options.backlog)?.into()
                }
                (Endpoint::Udp(_), Some(address)) => udp(address, true)?.into(),
                _ => self.sockets[0].try_clone().map_err(Error::call("dup"))?,
            };
            self.sockets.push(next);
        }
        Ok(())
    }

    /// What they listen on, as asked for (port 0 stays 0).
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The first `count` sockets.
    pub fn sockets(&self, count: usize) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().take(count).map(AsFd::as_fd)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Never: there is at least one.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// The address that was bound (port 0 resolved); `None` for a unix socket.
    pub fn local_address(&self) -> Result<Option<SocketAddr>, Error> {
        self.sockets.first().map_or(Ok(None), local_address)
    }

    /// Closes the sockets and removes a unix socket's file, so that a client is refused at once.
    pub fn close(self) {
        if let Endpoint::Unix(path) = &self.endpoint {
            // Somebody else may have removed it already, which is what we want.
            let _ = fs::remove_file(path);
        }
    }
}

fn local_address(fd: &OwnedFd) -> Result<Option<SocketAddr>, Error> {
    let address = socket2::SockRef::from(fd)
        .local_addr()
        .map_err(Error::call("getsockname"))?;
    Ok(address.as_socket())
}

fn failed<'a>(
    call: &'static str,
    address: &'a impl ToString,
) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::Bind {
        call,
        address: address.to_string(),
        source,
    }
}

fn tcp(address: SocketAddr, sibling: bool, backlog: i32) -> Result<Socket, Error> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )
    .map_err(failed("socket", &address))?;
    prepare(&socket, address, sibling).map_err(Error::call("setsockopt"))?;
    // Connections of a predecessor in TIME_WAIT do not stop us; a listening one still does.
    socket
        .set_reuse_address(true)
        .map_err(Error::call("setsockopt"))?;
    socket
        .set_tcp_nodelay(true)
        .map_err(Error::call("setsockopt"))?;
    socket
        .bind(&address.into())
        .map_err(failed("bind", &address))?;
    socket
        .listen(backlog.clamp(1, BACKLOG_MAX))
        .map_err(failed("listen", &address))?;
    Ok(socket)
}

fn udp(address: SocketAddr, sibling: bool) -> Result<Socket, Error> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )
    .map_err(failed("socket", &address))?;
    // No SO_REUSEADDR: for UDP it would let a second daemon share the port.
    prepare(&socket, address, sibling).map_err(Error::call("setsockopt"))?;
    widen(&socket).map_err(Error::call("setsockopt"))?;
    socket
        .bind(&address.into())
        .map_err(failed("bind", &address))?;
    Ok(socket)
}

/// Asks for [`DATAGRAM_BUFFER_BYTES`]: past `net.core.rmem_max` where we may, up to it otherwise. A system that gives
/// more anyway is left alone.
fn widen(socket: &Socket) -> io::Result<()> {
    // The kernel counts twice what is asked for.
    if socket.recv_buffer_size()? >= 2 * DATAGRAM_BUFFER_BYTES {
        return Ok(());
    }
    match setsockopt(socket, sockopt::RcvBufForce, &DATAGRAM_BUFFER_BYTES) {
        Ok(()) => Ok(()),
        Err(_) => socket.set_recv_buffer_size(DATAGRAM_BUFFER_BYTES),
    }
}

fn prepare(socket: &Socket, address: SocketAddr, sibling: bool) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if sibling {
        socket.set_reuse_port(true)?;
    }
    Ok(())
}

fn unix(path: &Path, options: BindOptions) -> Result<Socket, Error> {
    let name = format!("unix:{}", path.display());
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed("socket", &name))?;
    socket.set_nonblocking(true).map_err(Error::call("fcntl"))?;
    let address = SockAddr::unix(path).map_err(failed("bind", &name))?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_abandoned(path)?;
            socket.bind(&address).map_err(failed("bind", &name))?;
        }
        other => other.map_err(failed("bind", &name))?,
    }
    fs::set_permissions(path, fs::Permissions::from_mode(options.unix_mode))
        .map_err(failed("chmod", &name))?;
    socket
        .listen(options.backlog.clamp(1, BACKLOG_MAX))
        .map_err(failed("listen", &name))?;
    Ok(socket)
}

/// Removes the file of a unix socket whose listener is dead; one that somebody answers stays, and so does any other file.
fn remove_abandoned(path: &Path) -> Result<(), Error> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    if !is_socket {
        return Err(Error::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(Error::call("unlink"))
        }
        // Alive, or not for us to judge: the second bind() then reports EADDRINUSE.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        collections::HashSet,
        net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
        os::unix::net::UnixListener,
    };

    const EADDRINUSE: i32 = 98;

    fn loopback() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    fn scratch(name: &str) -> PathBuf {
        let directory =
            std::env::temp_dir().join(format!("seawall-listen-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        directory.join("socket")
    }

    #[test]
    fn a_second_daemon_gets_eaddrinuse_even_though_siblings_share() {
        let ours = Siblings::bind(Endpoint::Tcp(loopback()), 3, BindOptions::default()).unwrap();
        let address = ours.local_address().unwrap().unwrap();
        let error = Siblings::bind(Endpoint::Tcp(address), 1, BindOptions::default()).unwrap_err();
        assert_eq!(error.errno(), Some(EADDRINUSE));
        assert_eq!(
            error.to_string(),
            format!("bind() to {address} failed (98: Address already in use)")
        );
    }

    #[test]
    fn a_second_daemon_gets_eaddrinuse_for_udp() {
        let ours = Siblings::bind(Endpoint::Udp(loopback()), 2, BindOptions::default()).unwrap();
        let address = ours.local_address().unwrap().unwrap();
        let error = Siblings::bind(Endpoint::Udp(address), 1, BindOptions::default()).unwrap_err();
        assert_eq!(error.errno(), Some(EADDRINUSE));
    }

    #[test]
    fn connections_are_spread_over_all_siblings() {
        let ours = Siblings::bind(Endpoint::Tcp(loopback()), 4, BindOptions::default()).unwrap();
        let address = ours.local_address().unwrap().unwrap();
        let listeners: Vec<TcpListener> = ours
            .sockets(4)
            .map(|fd| TcpListener::from(fd.try_clone_to_owned().unwrap()))
            .collect();
        // A connection is in a queue once connect() has returned; 256 of them miss a sibling once in 10^31 runs.
        let clients: Vec<TcpStream> = (0..256)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let mut accepted = 0;
        let mut used = HashSet::new();
        for (index, listener) in listeners.iter().enumerate() {
            while listener.accept().is_ok() {
                accepted += 1;
                used.insert(index);
            }
        }
        assert_eq!(accepted, clients.len());
        assert_eq!(used.len(), 4);
    }

    #[test]
    fn datagrams_are_spread_over_all_siblings() {
        let ours = Siblings::bind(Endpoint::Udp(loopback()), 2, BindOptions::default()).unwrap();
        let address = ours.local_address().unwrap().unwrap();
        let sockets: Vec<UdpSocket> = ours
            .sockets(2)
            .map(|fd| UdpSocket::from(fd.try_clone_to_owned().unwrap()))
            .collect();
        for _ in 0..64 {
            UdpSocket::bind("127.0.0.1:0")
                .unwrap()
                .send_to(b"q", address)
                .unwrap();
        }
        let mut buffer = [0; 8];
        let counts: Vec<usize> = sockets
            .iter()
            .map(|s| std::iter::from_fn(|| s.recv_from(&mut buffer).ok()).count())
            .collect();
        assert_eq!(counts.iter().sum::<usize>(), 64);
        assert!(counts.iter().all(|n| *n > 0), "{counts:?}");
    }

    #[test]
    fn datagrams_have_more_room_than_the_system_gives_by_itself() {
        let ours = Siblings::bind(Endpoint::Udp(loopback()), 2, BindOptions::default()).unwrap();
        let size = |fd: BorrowedFd<'_>| socket2::SockRef::from(&fd).recv_buffer_size().unwrap();
        let limit = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        for socket in ours.sockets(2) {
            assert!(size(socket) >= 2 * DATAGRAM_BUFFER_BYTES.min(limit));
        }
    }

    #[test]
    fn growing_keeps_the_sockets_there_are() {
        let mut ours =
            Siblings::bind(Endpoint::Tcp(loopback()), 1, BindOptions::default()).unwrap();
        let address = ours.local_address().unwrap();
        let _queued = TcpStream::connect(address.unwrap()).unwrap();
        ours.grow(3).unwrap();
        assert_eq!((ours.len(), ours.local_address().unwrap()), (3, address));
        let first = TcpListener::from(
            ours.sockets(1)
                .next()
                .unwrap()
                .try_clone_to_owned()
                .unwrap(),
        );
        assert!(
            first.accept().is_ok(),
            "the queue of the first socket was lost"
        );
        assert!(matches!(
            ours.grow(SIBLINGS_MAX + 1),
            Err(Error::TooManySiblings(_))
        ));
    }

    #[test]
    fn ipv6_and_ipv4_of_one_port_live_side_by_side() {
        let Ok(six) = Siblings::bind(
            Endpoint::Tcp("[::]:0".parse().unwrap()),
            1,
            BindOptions::default(),
        ) else {
            return; // a machine without IPv6
        };
        let port = six.local_address().unwrap().unwrap().port();
        let four: SocketAddr = (Ipv4Addr::UNSPECIFIED, port).into();
        Siblings::bind(Endpoint::Tcp(four), 1, BindOptions::default()).unwrap();
    }

    #[test]
    fn an_abandoned_unix_socket_is_replaced_and_a_live_one_is_not() {
        let path = scratch("abandoned");
        drop(UnixListener::bind(&path).unwrap()); // std leaves the file behind, as a killed daemon does
        let ours = Siblings::bind(Endpoint::Unix(path.clone()), 2, BindOptions::default()).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o666
        );
        UnixStream::connect(&path).unwrap();
        let error =
            Siblings::bind(Endpoint::Unix(path.clone()), 1, BindOptions::default()).unwrap_err();
        assert_eq!(error.errno(), Some(EADDRINUSE));
        ours.close();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_in_the_place_of_a_unix_socket_is_never_removed() {
        let path = scratch("file");
        fs::write(&path, "precious").unwrap();
        let error =
            Siblings::bind(Endpoint::Unix(path.clone()), 1, BindOptions::default()).unwrap_err();
        assert!(matches!(error, Error::NotASocket(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
