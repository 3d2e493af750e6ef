//! Writing a header.

use super::{Said, V2_SIGNATURE};
use std::{
    io::Write,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

/// Both ends in one family: where they differ, IPv4 is said as IPv6 (`::ffff:192.0.2.1`).
enum Ends {
    V4(SocketAddr, SocketAddr),
    V6(Ipv6Addr, u16, Ipv6Addr, u16),
}

fn one_family(source: SocketAddr, destination: SocketAddr) -> Ends {
    let (a, b) = (source.ip().to_canonical(), destination.ip().to_canonical());
    if a.is_ipv4() && b.is_ipv4() {
        return Ends::V4(
            SocketAddr::new(a, source.port()),
            SocketAddr::new(b, destination.port()),
        );
    }
    let six = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    Ends::V6(six(a), source.port(), six(b), destination.port())
}

/// Appends a header of version 1: the client and what it connected to, or `UNKNOWN`.
pub fn encode_v1(ends: Option<(SocketAddr, SocketAddr)>, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = match ends.map(|(source, destination)| one_family(source, destination)) {
        None => out.write_all(b"PROXY UNKNOWN\r\n"),
        Some(Ends::V4(a, b)) => write!(
            out,
            "PROXY TCP4 {} {} {} {}\r\n",
            a.ip(),
            b.ip(),
            a.port(),
            b.port()
        ),
        Some(Ends::V6(a, a_port, b, b_port)) => {
            write!(out, "PROXY TCP6 {a} {b} {a_port} {b_port}\r\n")
        }
    };
}

/// Appends a header of version 2 with these values. Values that do not fit 65,535 bytes together are left out.
pub fn encode_v2(said: Said, values: &[(u8, &[u8])], out: &mut Vec<u8>) {
    out.extend_from_slice(V2_SIGNATURE);
    let (command, transport, ends) = match said {
        Said::Local => (0x20, 0, None),
        Said::Unknown => (0x21, 0, None),
        Said::Stream {
            source,
            destination,
        } => (0x21, 1, Some(one_family(source, destination))),
        Said::Datagram {
            source,
            destination,
        } => (0x21, 2, Some(one_family(source, destination))),
    };
    let mut payload = Vec::with_capacity(64);
    let family = match &ends {
        None => 0,
        Some(Ends::V4(a, b)) => {
            for end in [a, b] {
                if let IpAddr::V4(ip) = end.ip() {
                    payload.extend_from_slice(&ip.octets());
                }
            }
            payload.extend_from_slice(&a.port().to_be_bytes());
            payload.extend_from_slice(&b.port().to_be_bytes());
            0x10
        }
        Some(Ends::V6(a, a_port, b, b_port)) => {
            payload.extend_from_slice(&a.octets());
            payload.extend_from_slice(&b.octets());
            payload.extend_from_slice(&a_port.to_be_bytes());
            payload.extend_from_slice(&b_port.to_be_bytes());
            0x20
        }
    };
    for (kind, value) in values {
        let fits = payload.len() + 3 + value.len() <= usize::from(u16::MAX);
        if let (true, Ok(length)) = (fits, u16::try_from(value.len())) {
            payload.push(*kind);
            payload.extend_from_slice(&length.to_be_bytes());
            payload.extend_from_slice(value);
        }
    }
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&[command, family | transport]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&payload);
}
