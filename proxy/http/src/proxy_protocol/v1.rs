//! Version 1: one line of text.

use super::{Header, ProxyError, Said, V1_BYTES_MAX, begins};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const START: &[u8] = b"PROXY ";

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    if !begins(bytes, START) {
        return Err(ProxyError::Missing);
    }
    let window = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', window) else {
        return match bytes.len() {
            V1_BYTES_MAX.. => Err(ProxyError::TooLong),
            _ => Ok(None),
        };
    };
    let line = window
        .get(START.len()..end)
        .and_then(|l| l.strip_suffix(b"\r"))
        .ok_or(ProxyError::Line)?;
    let line = std::str::from_utf8(line).map_err(|_| ProxyError::Line)?;
    let header = Header {
        version: 1,
        said: said(line)?,
        values: Box::default(),
    };
    Ok(Some((header, end + 1)))
}

fn said(line: &str) -> Result<Said, ProxyError> {
    // Control bytes end nothing here, but another reader could end its line at one.
    if line.bytes().any(|b| b.is_ascii_control()) {
        return Err(ProxyError::Line);
    }
    let mut words = line.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        // What follows must be ignored.
        return Ok(Said::Unknown);
    }
    if !matches!(family, "TCP4" | "TCP6") {
        return Err(ProxyError::Line);
    }
    let mut word = || {
        words
            .next()
            .filter(|w| !w.is_empty())
            .ok_or(ProxyError::Line)
    };
    let (source, destination) = (word()?, word()?);
    let (source_port, destination_port) = (word()?, word()?);
    if words.next().is_some() {
        return Err(ProxyError::Line);
    }
    let ip = |text: &str| -> Result<IpAddr, ProxyError> {
        let parsed = match family {
            "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::V4),
            _ => text
                .parse::<Ipv6Addr>()
                .map(|ip| IpAddr::V6(ip).to_canonical()),
        };
        parsed.map_err(|_| ProxyError::Address)
    };
    Ok(Said::Stream {
        source: SocketAddr::new(ip(source)?, port(source_port)?),
        destination: SocketAddr::new(ip(destination)?, port(destination_port)?),
    })
}

/// A decimal number without sign or leading zero.
fn port(text: &str) -> Result<u16, ProxyError> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse()
        .ok()
        .filter(|_| plain)
        .ok_or(ProxyError::Address)
}
