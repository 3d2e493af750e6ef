//! Version 2: binary, with values behind the addresses.

use super::{Header, ProxyError, Said, V2_BYTES_MAX, V2_SIGNATURE, begins, value};
use std::net::{IpAddr, SocketAddr};

/// Signature, command, family, length.
const FIXED: usize = 16;
/// Two paths of `sun_path`.
const UNIX_BYTES: usize = 216;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    if !begins(bytes, V2_SIGNATURE) {
        return Err(ProxyError::Missing);
    }
    let Some((&[.., command, family, high, low], rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED + length > V2_BYTES_MAX {
        return Err(ProxyError::TooLong);
    }
    if !matches!(command, 0x20 | 0x21) {
        return Err(ProxyError::Kind);
    }
    let Some(payload) = rest.get(..length) else {
        return Ok(None);
    };
    let (said, values) = match command {
        // The proxy speaks for itself: the rest is skipped.
        0x20 => (Said::Local, &[][..]),
        _ => addresses(family, payload)?,
    };
    let mut reader = Values(values);
    let mut sum = None;
    for (kind, held) in reader.by_ref() {
        if kind == value::CRC32C {
            let held: [u8; 4] = held.try_into().map_err(|_| ProxyError::Length)?;
            sum = Some(held);
        }
    }
    if !reader.0.is_empty() {
        return Err(ProxyError::Length);
    }
    let whole = bytes.get(..FIXED + length).unwrap_or_default();
    if let Some(sum) = sum
        && crc32c(&without_sum(whole, values)) != u32::from_be_bytes(sum)
    {
        return Err(ProxyError::Checksum);
    }
    let header = Header {
        version: 2,
        said,
        values: values.into(),
    };
    Ok(Some((header, FIXED + length)))
}

fn addresses(family: u8, payload: &[u8]) -> Result<(Said, &[u8]), ProxyError> {
    let (ends, values) = match family {
        0x00 => return Ok((Said::Unknown, payload)),
        0x11 | 0x12 => {
            let (&[a, b, c, d, e, f, g, h, ports @ ..], values) = payload
                .split_first_chunk::<12>()
                .ok_or(ProxyError::Length)?;
            (
                ends([a, b, c, d].into(), [e, f, g, h].into(), ports),
                values,
            )
        }
        0x21 | 0x22 => {
            let (source, rest) = payload
                .split_first_chunk::<16>()
                .ok_or(ProxyError::Length)?;
            let (destination, rest) = rest.split_first_chunk::<16>().ok_or(ProxyError::Length)?;
            let (ports, values) = rest.split_first_chunk::<4>().ok_or(ProxyError::Length)?;
            (
                ends((*source).into(), (*destination).into(), *ports),
                values,
            )
        }
        0x31 | 0x32 => {
            let values = payload.get(UNIX_BYTES..).ok_or(ProxyError::Length)?;
            return Ok((Said::Unknown, values));
        }
        _ => return Err(ProxyError::Kind),
    };
    let (source, destination) = ends;
    let said = match family & 0x0f {
        1 => Said::Stream {
            source,
            destination,
        },
        _ => Said::Datagram {
            source,
            destination,
        },
    };
    Ok((said, values))
}

fn ends(source: IpAddr, destination: IpAddr, ports: [u8; 4]) -> (SocketAddr, SocketAddr) {
    let [a, b, c, d] = ports;
    (
        SocketAddr::new(source.to_canonical(), u16::from_be_bytes([a, b])),
        SocketAddr::new(destination.to_canonical(), u16::from_be_bytes([c, d])),
    )
}

/// Type, length, value, one after the other; stops at what is cut off.
pub(super) struct Values<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[kind, high, low], rest) = self.0.split_first_chunk::<3>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        self.0 = rest;
        Some((kind, value))
    }
}

/// The header as the sum is made of it: with zeros where the sum stands.
fn without_sum(whole: &[u8], values: &[u8]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let mut at = whole.len().saturating_sub(values.len());
    for (kind, held) in Values(values) {
        let end = at + 3 + held.len();
        if kind == value::CRC32C
            && let Some(sum) = bytes.get_mut(at + 3..end)
        {
            sum.fill(0);
        }
        at = end;
    }
    bytes
}

/// CRC-32C (RFC 9260, appendix A), a bit at a time: headers are short, and few carry one.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let mask = (crc & 1).wrapping_neg();
            crc = (crc >> 1) ^ (0x82f6_3b78 & mask);
        }
    }
    !crc
}
