//! Datagrams in batches: `recvmmsg`, an answer for each, `sendmmsg`.
//!
//! Two system calls for up to a batch of queries are what makes a UDP server cheap; nearly all else of its time is
//! the kernel's. On a socket bound to the wildcard address each datagram's destination is noted (`IP_PKTINFO`,
//! `IPV6_PKTINFO`) and its answer leaves from there, or a client with two routes to us would not know it.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

/// Bytes of a datagram that are received; of a longer one only the fact is reported.
pub const RECEIVE_BYTES: usize = 4096;
/// Bytes of room for an answer.
pub const SEND_BYTES: usize = 1500;
/// Room for one `in6_pktinfo` or `in_pktinfo` as a control message: 16 bytes of header and 20 or 12 of data, padded.
const CONTROL_BYTES: usize = 64;

/// A control buffer, aligned as `cmsghdr` asks.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// A datagram as it was received.
pub struct Datagram<'a> {
    /// Its bytes; of an oversize one the first [`RECEIVE_BYTES`].
    pub bytes: &'a [u8],
    /// The sender.
    pub from: SocketAddr,
    /// Whether it was longer than what is kept.
    pub oversize: bool,
}

/// What a call of [`UdpBatch::exchange`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// Datagrams taken.
    pub received: usize,
    /// Answers the kernel took.
    pub sent: usize,
    /// Answers it refused (no route, no buffer).
    pub refused: usize,
}

/// Buffers for a batch, allocated once.
pub struct UdpBatch {
    queries: Box<[[u8; RECEIVE_BYTES]]>,
    answers: Box<[[u8; SEND_BYTES]]>,
    peers: Box<[libc::sockaddr_storage]>,
    controls: Box<[Control]>,
    iovecs: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

/// Makes a socket ready for batches: waits at most `wake` for a datagram, notes destinations where it is bound to
/// the wildcard address, and leaves path MTU discovery alone, so that a forged ICMP message cannot make the kernel
/// fragment answers.
pub fn prepare(socket: &UdpSocket, wake: std::time::Duration) -> io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(wake))?;
    let local = socket.local_addr()?;
    let (level, discover, omit) = match local {
        SocketAddr::V4(_) => (
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_OMIT,
        ),
        SocketAddr::V6(_) => (
            libc::IPPROTO_IPV6,
            libc::IPV6_MTU_DISCOVER,
            libc::IPV6_PMTUDISC_OMIT,
        ),
    };
    set_option(socket, level, discover, omit)?;
    if local.ip().is_unspecified() {
        match local {
            SocketAddr::V4(_) => set_option(socket, level, libc::IP_PKTINFO, 1)?,
            SocketAddr::V6(_) => set_option(socket, level, libc::IPV6_RECVPKTINFO, 1)?,
        }
    }
    Ok(())
}

fn set_option(
    socket: &UdpSocket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `socket` is borrowed; the kernel reads `len` bytes of `value`, a local.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            len,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

impl UdpBatch {
    /// Room for `batch` datagrams (at least one).
    pub fn new(batch: usize) -> Self {
        let batch = batch.max(1);
        // SAFETY: these are plain C structures of integers and pointers, for which all zeros are a value.
        let (peer, header) = unsafe {
            (
                zeroed::<libc::sockaddr_storage>(),
                zeroed::<libc::mmsghdr>(),
            )
        };
        let iovec = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        Self {
            queries: vec![[0; RECEIVE_BYTES]; batch].into(),
            answers: vec![[0; SEND_BYTES]; batch].into(),
            peers: vec![peer; batch].into(),
            controls: vec![Control([0; CONTROL_BYTES]); batch].into(),
            iovecs: vec![iovec; batch].into(),
            headers: vec![header; batch].into(),
        }
    }

    /// Waits for datagrams, calls `answer` with each and a buffer for its answer, and sends those for which it gave a
    /// length. Fails with `WouldBlock` when nothing came for as long as [`prepare`] said, with `Interrupted` on a signal.
    pub fn exchange<F>(&mut self, socket: &UdpSocket, mut answer: F) -> io::Result<Exchanged>
    where
        F: FnMut(Datagram<'_>, &mut [u8]) -> Option<usize>,
    {
        let received = self.receive(socket)?;
        let mut ready = 0;
        for index in 0..received {
            let (Some(query), Some(header), Some(peer)) = (
                self.queries.get(index),
                self.headers.get(index),
                self.peers.get(index),
            ) else {
                break;
            };
            let Some(from) = address(peer) else { continue };
            let bytes = query.get(..header.msg_len as usize).unwrap_or(query);
            let oversize = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            let Some(room) = self.answers.get_mut(ready) else {
                break;
            };
            let Some(len) = answer(
                Datagram {
                    bytes,
                    from,
                    oversize,
                },
                room,
            ) else {
                continue;
            };
            let (control, peer_len) = (header.msg_hdr.msg_controllen, header.msg_hdr.msg_namelen);
            self.queue(ready, index, len.min(SEND_BYTES), control, peer_len);
            ready += 1;
        }
        let (sent, refused) = self.send(socket, ready);
        Ok(Exchanged {
            received,
            sent,
            refused,
        })
    }

    fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        let parts = self
            .headers
            .iter_mut()
            .zip(&mut self.iovecs)
            .zip(&mut self.queries);
        for (((header, iovec), query), (peer, control)) in
            parts.zip(self.peers.iter_mut().zip(&mut self.controls))
        {
            *iovec = libc::iovec {
                iov_base: query.as_mut_ptr().cast(),
                iov_len: RECEIVE_BYTES,
            };
            header.msg_len = 0;
            header.msg_hdr.msg_name = (&raw mut *peer).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_iov = iovec;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_BYTES;
            header.msg_hdr.msg_flags = 0;
        }
        let batch = self.headers.len() as libc::c_uint;
        let wait = libc::MSG_WAITFORONE as _;
        // SAFETY: each of the `batch` headers was just pointed at one iovec, query buffer, peer and control buffer of
        // its own, all owned by `self`, which is borrowed mutably for the call; the lengths are those of the buffers.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                batch,
                wait,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(got).map_err(|_| io::Error::last_os_error())
    }

    /// Makes header `to` the answer to query `from`. `to` is never past `from`, so no query that still has to be read
    /// loses its header, peer or control buffer.
    fn queue(
        &mut self,
        to: usize,
        from: usize,
        len: usize,
        control_len: usize,
        peer_len: libc::socklen_t,
    ) {
        self.peers.copy_within(from..from + 1, to);
        self.controls.copy_within(from..from + 1, to);
        let (Some(header), Some(iovec), Some(answer), Some(peer), Some(control)) = (
            self.headers.get_mut(to),
            self.iovecs.get_mut(to),
            self.answers.get_mut(to),
            self.peers.get_mut(to),
            self.controls.get_mut(to),
        ) else {
            return;
        };
        *iovec = libc::iovec {
            iov_base: answer.as_mut_ptr().cast(),
            iov_len: len,
        };
        let control_len = answer_from_destination(control, control_len);
        header.msg_hdr.msg_name = (&raw mut *peer).cast();
        header.msg_hdr.msg_namelen = peer_len;
        header.msg_hdr.msg_iov = iovec;
        header.msg_hdr.msg_iovlen = 1;
        header.msg_hdr.msg_control = if control_len == 0 {
            std::ptr::null_mut()
        } else {
            control.0.as_mut_ptr().cast()
        };
        header.msg_hdr.msg_controllen = control_len;
        header.msg_hdr.msg_flags = 0;
    }

    /// Sends the first `ready` headers. A datagram the kernel refuses does not keep back the ones behind it.
    fn send(&mut self, socket: &UdpSocket, ready: usize) -> (usize, usize) {
        let (mut done, mut refused) = (0, 0);
        while let Some(rest) = self
            .headers
            .get_mut(done..ready)
            .filter(|rest| !rest.is_empty())
        {
            let count = rest.len() as libc::c_uint;
            // SAFETY: `queue` pointed each of these headers at one iovec, answer, peer and control buffer of `self`,
            // which is borrowed mutably for the call and has not moved anything since; the lengths are within them.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), count, 0) };
            match usize::try_from(sent) {
                Ok(sent) if sent > 0 => done += sent,
                _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    done += 1;
                    refused += 1;
                }
            }
        }
        (done - refused, refused)
    }
}

/// Turns a received control message into one that sends from the address the datagram came to. Gives its length,
/// 0 where there is none.
fn answer_from_destination(control: &mut Control, received: usize) -> usize {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    if received < HEADER {
        return 0;
    }
    // SAFETY: the buffer is aligned for `cmsghdr` and holds at least one, which the kernel wrote.
    let header = unsafe { control.0.as_ptr().cast::<libc::cmsghdr>().read() };
    match (header.cmsg_level, header.cmsg_type) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // `in_pktinfo` is index, source address, destination address: any interface, from the destination.
            let Some(info) = control
                .0
                .get_mut(HEADER..HEADER + size_of::<libc::in_pktinfo>())
            else {
                return 0;
            };
            info[..4].fill(0);
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            // `in6_pktinfo` is address, index; a link-local address means nothing without its interface.
            let Some(info) = control
                .0
                .get_mut(HEADER..HEADER + size_of::<libc::in6_pktinfo>())
            else {
                return 0;
            };
            if info[..2] != [0xfe, 0x80] {
                info[16..20].fill(0);
            }
        }
        _ => return 0,
    }
    header.cmsg_len
}

fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: a `sockaddr_storage` is larger than a `sockaddr_in` and aligned for it, and says it is one.
            let a = unsafe { (&raw const *storage).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(a.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for a `sockaddr_in6`.
            let a = unsafe { (&raw const *storage).cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(a.sin6_addr.s6_addr);
            Some(
                SocketAddrV6::new(
                    ip,
                    u16::from_be(a.sin6_port),
                    a.sin6_flowinfo,
                    a.sin6_scope_id,
                )
                .into(),
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn pair(bind: &str) -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind(bind).unwrap();
        prepare(&socket, Duration::from_secs(5)).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[test]
    fn each_answer_goes_to_its_own_client() {
        let (server, address) = pair("127.0.0.1:0");
        let clients: Vec<_> = (0..5u8)
            .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
            .collect();
        for (i, client) in clients.iter().enumerate() {
            client.send_to(&[i as u8, 7], address).unwrap();
        }
        let (mut batch, mut received) = (UdpBatch::new(3), 0);
        while received < clients.len() {
            let done = batch.exchange(&server, |datagram, room| {
                assert_eq!(datagram.bytes.len(), 2);
                // The second client is not answered; the ones behind it move up.
                room[..1].copy_from_slice(&datagram.bytes[..1]);
                (datagram.bytes[0] != 1).then_some(1)
            });
            received += done.unwrap().received;
        }
        for (i, client) in clients.iter().enumerate().filter(|(i, _)| *i != 1) {
            client
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let mut reply = [0; 8];
            assert_eq!(client.recv(&mut reply).unwrap(), 1);
            assert_eq!(usize::from(reply[0]), i);
        }
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        for (bind, asked) in [
            ("0.0.0.0:0", "127.0.0.3"),
            ("[::]:0", "127.0.0.4"),
            ("[::]:0", "::1"),
        ] {
            let (server, address) = pair(bind);
            let asked = SocketAddr::new(asked.parse().unwrap(), address.port());
            let any = if asked.is_ipv4() {
                "127.0.0.1:0"
            } else {
                "[::1]:0"
            };
            let client = UdpSocket::bind(any).unwrap();
            client
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            client.send_to(b"q", asked).unwrap();
            let done = UdpBatch::new(4).exchange(&server, |_, room| {
                room[0] = b'a';
                Some(1)
            });
            assert_eq!(
                done.unwrap(),
                Exchanged {
                    received: 1,
                    sent: 1,
                    refused: 0
                },
                "{bind}"
            );
            let mut reply = [0; 8];
            assert_eq!(client.recv_from(&mut reply).unwrap(), (1, asked), "{bind}");
        }
    }

    #[test]
    fn an_oversize_datagram_is_marked_and_silence_wakes_the_thread() {
        let (server, address) = pair("127.0.0.1:0");
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(&[1; RECEIVE_BYTES + 1], address).unwrap();
        let mut batch = UdpBatch::new(2);
        let mut seen = (false, 0);
        let done = batch.exchange(&server, |datagram, _| {
            seen = (datagram.oversize, datagram.bytes.len());
            None
        });
        assert_eq!((done.unwrap().sent, seen), (0, (true, RECEIVE_BYTES)));
        server
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        assert_eq!(
            batch.exchange(&server, |_, _| None).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }
}
