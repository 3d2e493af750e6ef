//! Records as a zone file writes them: what [`crate::Zone::parse`] reads back as the same bytes.

use crate::dnssec::base32hex;
use crate::master::{KEYS, words};
use crate::name::wire_len;
use crate::rdata::{Field, fields};
use crate::{Name, RType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The text of record data: by the fields of its type, or generic (RFC 3597 §5) where it does not fit them.
pub(crate) fn rdata(rtype: RType, data: &[u8]) -> String {
    fields(rtype)
        .and_then(|fields| by_fields(fields, data))
        .unwrap_or_else(|| generic(data))
}

fn generic(data: &[u8]) -> String {
    let mut out = format!("\\# {}", data.len());
    if !data.is_empty() {
        out.push(' ');
        hex(data, &mut out);
    }
    out
}

fn hex(data: &[u8], out: &mut String) {
    for byte in data {
        // Writing to a String does not fail.
        let _ = write!(out, "{byte:02X}");
    }
}

fn by_fields(fields: &[Field], data: &[u8]) -> Option<String> {
    let mut out = String::new();
    let mut rest = data;
    for field in fields {
        let before = out.len();
        if before > 0 {
            out.push(' ');
        }
        rest = field_text(*field, rest, &mut out)?;
        if out.len() == before + 1 && before > 0 {
            out.pop();
        }
    }
    rest.is_empty().then_some(out)
}

fn take<const N: usize>(data: &[u8]) -> Option<([u8; N], &[u8])> {
    data.split_first_chunk::<N>()
        .map(|(head, rest)| (*head, rest))
}

fn field_text<'d>(field: Field, data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let rest = match field {
        Field::V4 => put(take::<4>(data)?, out, Ipv4Addr::from),
        Field::V6 => put(take::<16>(data)?, out, Ipv6Addr::from),
        Field::U8 | Field::Algorithm => put(take::<1>(data)?, out, |[n]| n),
        Field::Scheme => put(take::<1>(data)?, out, |[n]| {
            if n == 1 {
                "NOTIFY".into()
            } else {
                n.to_string()
            }
        }),
        Field::U16 => put(take::<2>(data)?, out, u16::from_be_bytes),
        Field::Type => put(take::<2>(data)?, out, |n| RType(u16::from_be_bytes(n))),
        Field::CertificateKind => put(take::<2>(data)?, out, |n| {
            let n = u16::from_be_bytes(n);
            let known = words::CERTIFICATE_KINDS.iter().find(|(_, k)| *k == n);
            known.map_or_else(|| n.to_string(), |(name, _)| (*name).to_owned())
        }),
        Field::U32 | Field::Period => put(take::<4>(data)?, out, u32::from_be_bytes),
        Field::Time => put(take::<4>(data)?, out, |n| {
            words::date(u32::from_be_bytes(n))
        }),
        Field::U64 => put(take::<8>(data)?, out, u64::from_be_bytes),
        Field::Name | Field::Compressible => {
            let (name, rest) = data.split_at_checked(wire_len(data)?)?;
            write!(out, "{}", Name::from_wire(name)?).ok()?;
            rest
        }
        Field::Text => text(data, out)?,
        Field::OptionalText if data.is_empty() => data,
        Field::OptionalText => text(data, out)?,
        Field::Texts => {
            let mut rest = text(data, out)?;
            while !rest.is_empty() {
                out.push(' ');
                rest = text(rest, out)?;
            }
            rest
        }
        Field::Tag => {
            let (tag, rest) = counted(data)?;
            out.push_str(std::str::from_utf8(tag).ok()?);
            rest
        }
        Field::RestText => {
            quoted(data, out);
            &[]
        }
        Field::Hex => {
            hex(data, out);
            &[]
        }
        Field::Base64 => {
            STANDARD.encode_string(data, out);
            &[]
        }
        Field::OptionalBase64 => {
            if data.is_empty() {
                out.push('-')
            } else {
                STANDARD.encode_string(data, out)
            };
            &[]
        }
        Field::Eui(n) => eui(usize::from(n), data, out)?,
        Field::Locator => {
            let (groups, rest) = take::<8>(data)?;
            let (groups, _) = groups.as_chunks::<2>();
            let words: Vec<_> = groups
                .iter()
                .map(|g| format!("{:x}", u16::from_be_bytes(*g)))
                .collect();
            out.push_str(&words.join(":"));
            rest
        }
        Field::Salt => {
            let (salt, rest) = counted(data)?;
            if salt.is_empty() {
                out.push('-')
            } else {
                hex(salt, out)
            }
            rest
        }
        Field::Hash => {
            let (hash, rest) = counted(data)?;
            out.push_str(std::str::from_utf8(&base32hex::encode(hash)).ok()?);
            rest
        }
        Field::Types => bitmap(data, out)?,
        Field::Params => params(data, out)?,
        Field::Location => location(data, out)?,
        Field::Prefixes => prefixes(data, out)?,
        Field::Nsap => {
            out.push_str("0x");
            hex(data, out);
            &[]
        }
        Field::IpsecKey => {
            let ([precedence, kind, algorithm], rest) = take::<3>(data)?;
            write!(out, "{precedence} {kind} {algorithm} ").ok()?;
            let rest = gateway(kind, rest, out)?;
            if !rest.is_empty() {
                out.push(' ');
                STANDARD.encode_string(rest, out);
            }
            &[]
        }
        Field::Relay => {
            let ([precedence, kind], rest) = take::<2>(data)?;
            write!(out, "{precedence} {} {} ", kind >> 7, kind & 0x7F).ok()?;
            gateway(kind & 0x7F, rest, out)?
        }
        Field::Host => host(data, out)?,
        Field::Services => services(data, out)?,
    };
    Some(rest)
}

fn put<'d, const N: usize, T: std::fmt::Display>(
    (bytes, rest): ([u8; N], &'d [u8]),
    out: &mut String,
    value: impl Fn([u8; N]) -> T,
) -> &'d [u8] {
    let _ = write!(out, "{}", value(bytes));
    rest
}

/// Bytes behind their length.
fn counted(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

fn text<'d>(data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let (text, rest) = counted(data)?;
    quoted(text, out);
    Some(rest)
}

fn quoted(text: &[u8], out: &mut String) {
    out.push('"');
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\{byte:03}");
            }
        }
    }
    out.push('"');
}

fn eui<'d>(len: usize, data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let (bytes, rest) = data.split_at_checked(len)?;
    let words: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
    out.push_str(&words.join("-"));
    Some(rest)
}

fn bitmap<'d>(mut data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let mut first = true;
    while let Some((window, rest)) = data.split_first() {
        let (bits, rest) = counted(rest)?;
        for (index, byte) in bits.iter().enumerate() {
            for bit in (0..8).filter(|bit| byte & (0x80 >> bit) != 0) {
                let number = u16::from(*window) << 8 | (index * 8 + bit) as u16;
                if !std::mem::take(&mut first) {
                    out.push(' ');
                }
                write!(out, "{}", RType(number)).ok()?;
            }
        }
        data = rest;
    }
    Some(data)
}

/// RFC 9460 §2.1: every value in quotes, a comma within a protocol behind a backslash that is escaped itself.
fn params<'d>(mut data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let mut first = true;
    while let Some(([k0, k1, l0, l1], rest)) = take::<4>(data) {
        let key = u16::from_be_bytes([k0, k1]);
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        data = rest;
        if !std::mem::take(&mut first) {
            out.push(' ');
        }
        out.push_str(&key_name(key));
        if matches!(key, 2 | 8) || value.is_empty() {
            continue;
        }
        out.push('=');
        let text = param(key, value)?;
        quoted(&text, out);
    }
    Some(data)
}

fn key_name(key: u16) -> String {
    let known = KEYS.iter().find(|(_, k)| *k == key);
    known.map_or_else(|| format!("key{key}"), |(name, _)| (*name).to_owned())
}

fn param(key: u16, value: &[u8]) -> Option<Vec<u8>> {
    let join = |words: Vec<String>| words.join(",").into_bytes();
    Some(match key {
        0 => join(
            value
                .as_chunks::<2>()
                .0
                .iter()
                .map(|k| key_name(u16::from_be_bytes(*k)))
                .collect(),
        ),
        1 => {
            let (mut text, mut rest) = (Vec::new(), value);
            while !rest.is_empty() {
                let (id, tail) = counted(rest)?;
                if !text.is_empty() {
                    text.push(b',');
                }
                for byte in id {
                    if matches!(byte, b',' | b'\\') {
                        text.push(b'\\');
                    }
                    text.push(*byte);
                }
                rest = tail;
            }
            text
        }
        3 => u16::from_be_bytes(*value.first_chunk()?)
            .to_string()
            .into_bytes(),
        4 => join(
            value
                .as_chunks::<4>()
                .0
                .iter()
                .map(|a| Ipv4Addr::from(*a).to_string())
                .collect(),
        ),
        5 => STANDARD.encode(value).into_bytes(),
        6 => join(
            value
                .as_chunks::<16>()
                .0
                .iter()
                .map(|a| Ipv6Addr::from(*a).to_string())
                .collect(),
        ),
        _ => value.to_vec(),
    })
}

fn location<'d>(data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let ([version, sizes @ ..], rest) = take::<4>(data)?;
    let (latitude, rest) = take::<4>(rest)?;
    let (longitude, rest) = take::<4>(rest)?;
    let (altitude, rest) = take::<4>(rest)?;
    if version != 0 {
        return None;
    }
    for (angle, [plus, minus]) in [(latitude, ["N", "S"]), (longitude, ["E", "W"])] {
        let signed = i64::from(u32::from_be_bytes(angle)) - (1 << 31);
        let (n, side) = (signed.unsigned_abs(), if signed < 0 { minus } else { plus });
        write!(
            out,
            "{} {} {}.{:03} {side} ",
            n / 3_600_000,
            n / 60_000 % 60,
            n / 1000 % 60,
            n % 1000
        )
        .ok()?;
    }
    let metres = i64::from(u32::from_be_bytes(altitude)) - 10_000_000;
    let sign = if metres < 0 { "-" } else { "" };
    write!(
        out,
        "{sign}{}.{:02}m",
        metres.unsigned_abs() / 100,
        metres.unsigned_abs() % 100
    )
    .ok()?;
    for size in sizes {
        let (digit, power) = (u64::from(size >> 4), u32::from(size & 15));
        if digit > 9 || power > 9 {
            return None;
        }
        let centimetres = digit * 10u64.pow(power);
        if centimetres % 100 == 0 {
            write!(out, " {}m", centimetres / 100).ok()?;
        } else {
            write!(out, " {}.{:02}m", centimetres / 100, centimetres % 100).ok()?;
        }
    }
    Some(rest)
}

fn prefixes<'d>(mut data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let mut first = true;
    while let Some(([f0, f1, prefix, len], rest)) = take::<4>(data) {
        let (bytes, rest) = rest.split_at_checked(usize::from(len & 0x7F))?;
        let mut address = [0u8; 16];
        address.get_mut(..bytes.len())?.copy_from_slice(bytes);
        if !std::mem::take(&mut first) {
            out.push(' ');
        }
        if len & 0x80 != 0 {
            out.push('!');
        }
        match u16::from_be_bytes([f0, f1]) {
            1 if bytes.len() <= 4 => {
                let [a, b, c, d, ..] = address;
                write!(out, "1:{}/{prefix}", Ipv4Addr::new(a, b, c, d)).ok()?;
            }
            2 => write!(out, "2:{}/{prefix}", Ipv6Addr::from(address)).ok()?,
            _ => return None,
        }
        data = rest;
    }
    Some(data)
}

fn gateway<'d>(kind: u8, data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    match kind {
        0 => {
            out.push('.');
            Some(data)
        }
        1 => field_text(Field::V4, data, out),
        2 => field_text(Field::V6, data, out),
        3 => field_text(Field::Name, data, out),
        _ => None,
    }
}

fn host<'d>(data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let ([identity, algorithm, k0, k1], rest) = take::<4>(data)?;
    let (identity, rest) = rest.split_at_checked(usize::from(identity))?;
    let (key, mut rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([k0, k1])))?;
    write!(out, "{algorithm} ").ok()?;
    hex(identity, out);
    out.push(' ');
    STANDARD.encode_string(key, out);
    while !rest.is_empty() {
        out.push(' ');
        rest = field_text(Field::Name, rest, out)?;
    }
    Some(rest)
}

fn services<'d>(data: &'d [u8], out: &mut String) -> Option<&'d [u8]> {
    let rest = field_text(Field::V4, data, out)?;
    let (protocol, bits) = rest.split_first()?;
    write!(out, " {protocol}").ok()?;
    for (index, byte) in bits.iter().enumerate() {
        for bit in (0..8).filter(|bit| byte & (0x80 >> bit) != 0) {
            write!(out, " {}", index * 8 + bit).ok()?;
        }
    }
    Some(&[])
}
