//! Service parameters of SVCB and HTTPS records (RFC 9460 §2.1).

use super::fields::{Fields, Read, bad_escape, base64, unescape_all, unquoted};
use seawall_diag::{Diagnostic, Span};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Parameters with a name (RFC 9460 §14.3.2 and later).
pub(crate) const KEYS: [(&str, u16); 9] = [
    ("mandatory", 0),
    ("alpn", 1),
    ("no-default-alpn", 2),
    ("port", 3),
    ("ipv4hint", 4),
    ("ech", 5),
    ("ipv6hint", 6),
    ("dohpath", 7),
    ("ohttp", 8),
];

/// Reads `key=value` words to the end and writes them in the order of their keys.
pub(crate) fn read(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let mut found: BTreeMap<u16, (Vec<u8>, Span)> = BTreeMap::new();
    while let Some((text, at)) = fields.peek() {
        fields.at += 1;
        let (name, value) = text
            .split_once('=')
            .map_or((text, None), |(n, v)| (n, Some(v)));
        let key = key(name).ok_or_else(|| {
            Diagnostic::error(
                "unknown-parameter",
                at,
                format!("`{name}` is no service parameter"),
            )
            .help("a parameter without a name of its own is written keyNNNNN")
        })?;
        let value = encode(key, name, value, at)?;
        if let Some((_, first)) = found.insert(key, (value, at)) {
            let again = Diagnostic::error(
                "duplicate-parameter",
                at,
                format!("`{name}` is given twice"),
            );
            return Err(again.related(first, "first given here"));
        }
    }
    check(&found)?;
    for (key, (value, at)) in &found {
        let len =
            u16::try_from(value.len()).map_err(|_| bad(*at, "a value is at most 65535 bytes"))?;
        out.extend(key.to_be_bytes());
        out.extend(len.to_be_bytes());
        out.extend_from_slice(value);
    }
    Ok(())
}

fn key(name: &str) -> Option<u16> {
    if let Some((_, key)) = KEYS.iter().find(|(n, _)| *n == name) {
        return Some(*key);
    }
    let digits = name.strip_prefix("key")?;
    let plain =
        digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    plain
        .then(|| digits.parse().ok())
        .flatten()
        .filter(|k| *k != u16::MAX)
}

fn encode(key: u16, name: &str, value: Option<&str>, at: Span) -> Read<Vec<u8>> {
    let mut out = Vec::new();
    let mut bytes = Vec::new();
    unescape_all(value.unwrap_or_default(), &mut bytes).ok_or_else(|| bad_escape(at))?;
    if name.starts_with("key") {
        return Ok(bytes);
    }
    let missing = || bad(at, format!("`{name}` needs a value"));
    if !matches!(key, 2 | 8) && bytes.is_empty() {
        return Err(missing());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| bad(at, "this value is not UTF-8"));
    match key {
        0 => {
            let mut keys = Vec::new();
            for name in text?.split(',') {
                keys.push(
                    self::key(name)
                        .ok_or_else(|| bad(at, format!("`{name}` is no service parameter")))?,
                );
            }
            keys.sort_unstable();
            out.extend(keys.iter().flat_map(|k| k.to_be_bytes()));
        }
        1 => protocols(&bytes, &mut out).ok_or_else(|| bad(at, "a protocol has 1 to 255 bytes"))?,
        2 | 8 if value.is_some() => return Err(bad(at, format!("`{name}` takes no value"))),
        3 => out.extend(
            text?
                .parse::<u16>()
                .map_err(|_| bad(at, "a port is 0 to 65535"))?
                .to_be_bytes(),
        ),
        4 => addresses(text?, at, |a: Ipv4Addr| out.extend(a.octets()))?,
        5 => base64(unquoted(text?), &mut out).ok_or_else(|| bad(at, "`ech` is base64"))?,
        6 => addresses(text?, at, |a: Ipv6Addr| out.extend(a.octets()))?,
        _ => out = bytes,
    }
    Ok(out)
}

/// A comma separates protocols unless a backslash precedes it (RFC 9460 appendix A.1).
fn protocols(value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut id = Vec::new();
    let mut bytes = value.iter();
    loop {
        match bytes.next() {
            Some(b'\\') => id.push(*bytes.next()?),
            Some(byte) if *byte != b',' => id.push(*byte),
            end => {
                out.push(u8::try_from(id.len()).ok().filter(|n| *n > 0)?);
                out.append(&mut id);
                if end.is_none() {
                    return Some(());
                }
            }
        }
    }
}

fn addresses<T: std::str::FromStr>(text: &str, at: Span, mut put: impl FnMut(T)) -> Read<()> {
    for address in text.split(',') {
        put(address
            .parse()
            .map_err(|_| bad(at, format!("`{address}` is no address of this family")))?);
    }
    Ok(())
}

/// What only all parameters together show (RFC 9460 §7.1.1, §8).
fn check(found: &BTreeMap<u16, (Vec<u8>, Span)>) -> Read<()> {
    if let Some((_, at)) = found.get(&2).filter(|_| !found.contains_key(&1)) {
        return Err(bad(
            *at,
            "`no-default-alpn` without `alpn` leaves no protocol",
        ));
    }
    let Some((mandatory, at)) = found.get(&0) else {
        return Ok(());
    };
    let (keys, _) = mandatory.as_chunks::<2>();
    for (i, key) in keys.iter().enumerate() {
        let number = u16::from_be_bytes(*key);
        if number == 0 || keys.get(..i).unwrap_or_default().contains(key) {
            return Err(bad(
                *at,
                "`mandatory` names each key once, and never itself",
            ));
        }
        if !found.contains_key(&number) {
            return Err(bad(
                *at,
                format!("the mandatory key {number} is not among the parameters"),
            ));
        }
    }
    Ok(())
}

fn bad(at: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("bad-parameter", at, message)
}
