//! Lines for a syslog server: a datagram each, in RFC 3164's form as nginx writes it (ngx_syslog.c).
//!
//! `<190>Nov 23 18:32:51 host tag: text`. The sockets are not connected and do not block: a server that is away, or slower than
//! we are, loses lines, which are counted, and is found again by the next one. No request waits for it.

use parking_lot::Mutex;
use seawall_conf::model::{self, Address};
use seawall_sys::clock;
use std::{
    io::{self, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    os::unix::net::UnixDatagram,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

/// The longest datagram; a longer line is cut. What goes through UDP over IPv4.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;

/// A syslog server.
pub struct Syslog {
    from: model::Syslog,
    socket: Socket,
    hostname: String,
    lost: AtomicU64,
    /// A second and its text, which all lines of that second share.
    stamp: Mutex<(u64, [u8; STAMP_BYTES])>,
}

/// `Nov 23 18:32:51`
const STAMP_BYTES: usize = 15;

enum Socket {
    Udp(UdpSocket, SocketAddr),
    Unix(UnixDatagram, PathBuf),
}

impl Syslog {
    /// As a configuration says; a name is looked up now.
    ///
    /// # Errors
    /// When its name is unknown, or there is no socket for it.
    pub fn new(from: &model::Syslog) -> io::Result<Self> {
        let socket = match &from.server {
            Address::Ip(address) => Socket::udp(*address)?,
            Address::Name(name, port) => {
                let mut found = (name.as_str(), *port).to_socket_addrs()?;
                let unknown = || io::Error::new(io::ErrorKind::NotFound, "host not found");
                Socket::udp(found.next().ok_or_else(unknown)?)?
            }
            Address::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.set_nonblocking(true)?;
                Socket::Unix(socket, path.clone())
            }
        };
        Ok(Self {
            from: from.clone(),
            socket,
            hostname: crate::template::ProcessInfo::default().hostname,
            lost: AtomicU64::new(0),
            stamp: Mutex::new((u64::MAX, [b' '; STAMP_BYTES])),
        })
    }

    /// Whether it is what a configuration says.
    pub fn is(&self, from: &model::Syslog) -> bool {
        let place = model::Syslog {
            at: self.from.at,
            ..from.clone()
        };
        self.from == place
    }

    /// Sends a line (without newline) that `line` writes; `severity` in place of the server's. `datagram` is memory to use.
    pub fn send(
        &self,
        severity: Option<u8>,
        datagram: &mut Vec<u8>,
        line: impl FnOnce(&mut Vec<u8>),
    ) {
        datagram.clear();
        self.head(
            clock::now_s(),
            severity.unwrap_or(self.from.severity),
            datagram,
        );
        line(datagram);
        datagram.truncate(DATAGRAM_BYTES_MAX);
        let sent = match &self.socket {
            Socket::Udp(socket, to) => socket.send_to(datagram, to),
            Socket::Unix(socket, to) => socket.send_to(datagram, to),
        };
        if sent.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn head(&self, now_s: u64, severity: u8, out: &mut Vec<u8>) {
        let priority = u32::from(self.from.facility) * 8 + u32::from(severity);
        // Writing to memory does not fail.
        let _ = write!(out, "<{priority}>");
        let mut stamp = self.stamp.lock();
        if stamp.0 != now_s {
            *stamp = (now_s, text(now_s));
        }
        out.extend_from_slice(&stamp.1);
        drop(stamp);
        if self.from.hostname {
            out.push(b' ');
            out.extend_from_slice(self.hostname.as_bytes());
        }
        let _ = write!(out, " {}: ", self.from.tag);
    }

    /// Lines that were not sent.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Socket {
    fn udp(to: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        Ok(Socket::Udp(socket, to))
    }
}

/// In the machine's time zone, days with a space in front (RFC 3164 §4.1.2).
fn text(now_s: u64) -> [u8; STAMP_BYTES] {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let t = clock::local(now_s);
    let month = MONTHS
        .get(usize::from(t.month.wrapping_sub(1)))
        .unwrap_or(&"Jan");
    let mut out = [b' '; STAMP_BYTES];
    let mut rest = out.as_mut_slice();
    // Exactly as long, whatever the moment.
    let _ = write!(
        rest,
        "{month} {:2} {:02}:{:02}:{:02}",
        t.day, t.hour, t.minute, t.second
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use seawall_diag::Span;

    fn syslog(server: Address, hostname: bool) -> Syslog {
        Syslog::new(&model::Syslog {
            at: Span::default(),
            server,
            facility: 23,
            severity: 6,
            tag: "seawall".into(),
            hostname,
        })
        .unwrap()
    }

    #[test]
    fn a_line_is_what_rfc_3164_says() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = syslog(Address::Ip(server.local_addr().unwrap()), true);
        to.send(None, &mut Vec::new(), |out| out.extend_from_slice(b"GET /"));
        let mut buffer = [0; 512];
        let n = server.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
        let rest = text.strip_prefix("<190>").unwrap();
        let (stamp, rest) = rest.split_at(STAMP_BYTES);
        assert_eq!(rest, format!(" {} seawall: GET /", to.hostname));
        assert_eq!(stamp.as_bytes()[3], b' ');
        let bare = syslog(Address::Ip(server.local_addr().unwrap()), false);
        bare.send(Some(3), &mut Vec::new(), |out| out.extend_from_slice(b"x"));
        let n = server.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
        assert!(
            text.starts_with("<187>") && text.ends_with("seawall: x"),
            "{text}"
        );
        assert_eq!(
            text.len(),
            "<187>".len() + STAMP_BYTES + " seawall: x".len()
        );
        assert_eq!(to.lost() + bare.lost(), 0);
    }

    #[test]
    fn a_server_that_is_away_or_full_loses_lines_and_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let to = syslog(Address::Unix(path.clone()), true);
        to.send(None, &mut Vec::new(), |out| out.extend_from_slice(b"away"));
        assert_eq!(to.lost(), 1);
        let server = UnixDatagram::bind(&path).unwrap();
        for _ in 0..10_000 {
            to.send(None, &mut Vec::new(), |out| out.extend_from_slice(b"full"));
        }
        let lost = to.lost();
        assert!(lost > 1 && lost < 10_001, "{lost}");
        let mut buffer = [0; 512];
        assert!(server.recv(&mut buffer).unwrap() > 0);
        to.send(None, &mut Vec::new(), |out| {
            out.extend_from_slice(&[b'x'; 100_000])
        });
        assert!(
            to.lost() >= lost,
            "a line past the longest is cut, and sent or lost"
        );
    }

    #[test]
    fn a_single_digit_of_a_day_has_a_space() {
        // 1970-01-01T12:00:00Z is the first of January wherever one is, or nearly.
        let stamp = text(12 * 3600);
        assert_eq!(&stamp[4..6], b" 1", "{:?}", String::from_utf8_lossy(&stamp));
    }
}
