//! Who has an address that we cannot have.
//!
//! The kernel's tables name the socket and its user to everybody; the process behind it only to root and to its own user.

use crate::listen::Endpoint;
use std::{
    fmt, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Processes looked at, at most.
const PROCESSES_MAX: usize = 65_536;

/// The state of a listening TCP socket in `/proc/net/tcp`; UDP sockets that are bound have 07.
const LISTENING: [&str; 2] = ["0A", "07"];

/// Whoever listens on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process, where we may know it.
    pub process: Option<(u32, String)>,
    /// Its user.
    pub user: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some((pid, name)) => write!(f, "held by {name} (process {pid}, user {})", self.user),
            None => write!(
                f,
                "held by a process of user {}; `ss -lntup`, as root, names it",
                self.user
            ),
        }
    }
}

/// Who listens on an address, or on one that excludes it (`0.0.0.0` and `[::]` of the same port).
pub fn of(endpoint: &Endpoint) -> Option<Holder> {
    let (address, tables) = match endpoint {
        Endpoint::Tcp(address) => (address, ["tcp", "tcp6"]),
        Endpoint::Udp(address) => (address, ["udp", "udp6"]),
        Endpoint::Unix(_) => return None,
    };
    let (uid, inode) = tables.iter().find_map(|table| {
        let text = fs::read_to_string(format!("/proc/self/net/{table}")).ok()?;
        find(&text, *address)
    })?;
    Some(Holder {
        process: process_of(inode),
        user: user_name(uid),
    })
}

/// User and inode of the socket that has the address.
fn find(table: &str, wanted: SocketAddr) -> Option<(u32, u64)> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let local = fields.nth(1).and_then(parse_address)?;
        let state = fields.nth(1)?;
        let uid = fields.nth(3)?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        let same = local.port() == wanted.port()
            && (local.ip() == wanted.ip()
                || local.ip().is_unspecified()
                || wanted.ip().is_unspecified());
        (same && LISTENING.contains(&state)).then_some((uid, inode))
    })
}

/// `0100007F:1F90`: words of the address in the machine's order, the port in the network's.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok();
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (n, place) in bytes.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(n * 8)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The first process that has the socket open: of a server with several, the one that has opened it.
fn process_of(inode: u64) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .take(PROCESSES_MAX)
        .collect();
    pids.sort_unstable();
    let has = |pid: &u32| {
        fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|mut fds| {
            fds.any(|fd| {
                fd.is_ok_and(|fd| {
                    fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str())
                })
            })
        })
    };
    let pid = pids.into_iter().find(has)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some((pid, name.trim_end().to_owned()))
}

fn user_name(uid: u32) -> String {
    let known = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid));
    known
        .ok()
        .flatten()
        .map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    #[test]
    fn a_listening_process_is_named_by_whatever_address_it_excludes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        for ip in ["127.0.0.1", "0.0.0.0"] {
            let endpoint = Endpoint::Tcp(SocketAddr::new(ip.parse().unwrap(), port));
            let holder = of(&endpoint).unwrap();
            assert_eq!(holder.process.as_ref().unwrap().0, std::process::id());
            assert!(holder.to_string().contains("(process "), "{holder}");
        }
        let other = Endpoint::Tcp(SocketAddr::new("127.0.0.2".parse().unwrap(), port));
        assert_eq!(of(&other), None);
        drop(listener);
        let gone = Endpoint::Tcp(SocketAddr::new("127.0.0.1".parse().unwrap(), port));
        assert_eq!(of(&gone), None);
    }

    #[test]
    fn datagrams_have_a_holder_too() {
        let socket = UdpSocket::bind("[::1]:0").unwrap();
        let holder = of(&Endpoint::Udp(socket.local_addr().unwrap())).unwrap();
        assert_eq!(holder.process.unwrap().0, std::process::id());
    }

    #[test]
    fn addresses_of_the_kernels_tables_are_read() {
        assert_eq!(
            parse_address("0100007F:1F90"),
            "127.0.0.1:8080".parse().ok()
        );
        assert_eq!(
            parse_address("00000000000000000000000001000000:0035"),
            "[::1]:53".parse().ok()
        );
        for bad in [
            "",
            "0100007F",
            "0100:50",
            "xx00007F:1F90",
            "0100007F:1F90:3",
        ] {
            assert_eq!(parse_address(bad), None, "{bad}");
        }
    }
}
