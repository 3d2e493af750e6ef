//! Fields of rarer types that are written in words of their own: locators, prefixes, gateways, services.

use super::fields::{Fields, Read, hex};
use seawall_diag::{Diagnostic, Span};
use std::net::{Ipv4Addr, Ipv6Addr};

fn bad(at: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error("bad-data", at, message)
}

/// The date of a time, as a zone file writes it.
pub(crate) fn date(seconds: u32) -> String {
    let (days, rest) = (i64::from(seconds) / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted - era * 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

/// `0014:4fff:ff20:ee64`: all four groups are written.
pub(crate) fn locator(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let (text, at) = fields.next("a locator")?;
    let groups: Vec<u16> = text
        .split(':')
        .filter(|g| (1..=4).contains(&g.len()))
        .filter_map(|g| u16::from_str_radix(g, 16).ok())
        .collect();
    if groups.len() != 4 || text.split(':').count() != 4 {
        return Err(bad(
            at,
            "this is four groups of hexadecimal digits with colons between",
        ));
    }
    out.extend(groups.iter().flat_map(|g| g.to_be_bytes()));
    Ok(())
}

/// Mnemonics of RFC 4398 §2.1.
pub(crate) const CERTIFICATE_KINDS: [(&str, u16); 10] = [
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];

pub(crate) fn certificate_kind(fields: &mut Fields<'_>) -> Read<u16> {
    let mnemonic = fields.peek().and_then(|(text, _)| {
        CERTIFICATE_KINDS
            .iter()
            .find(|(m, _)| m.eq_ignore_ascii_case(text))
    });
    if let Some((_, number)) = mnemonic {
        fields.at += 1;
        return Ok(*number);
    }
    Ok(fields.number("the kind of a certificate", 65_535)? as u16)
}

pub(crate) fn scheme(fields: &mut Fields<'_>) -> Read<u8> {
    if fields
        .peek()
        .is_some_and(|(text, _)| text.eq_ignore_ascii_case("NOTIFY"))
    {
        fields.at += 1;
        return Ok(1);
    }
    Ok(fields.number("a scheme", 255)? as u8)
}

pub(crate) fn long(fields: &mut Fields<'_>) -> Read<u64> {
    let (text, at) = fields.next("a number")?;
    text.parse()
        .map_err(|_| bad(at, "this is no number of 64 bits"))
}

/// `1:192.0.2.0/24 !2:2001:db8::/32`: trailing zeros of an address are left out (RFC 3123 §4).
pub(crate) fn prefixes(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    while let Some((text, at)) = fields.peek() {
        fields.at += 1;
        let wrong = || bad(at, format!("`{text}` is no prefix such as 1:192.0.2.0/24"));
        let (negated, rest) = text.strip_prefix('!').map_or((0, text), |t| (0x80, t));
        let (family, rest) = rest.split_once(':').ok_or_else(wrong)?;
        let (address, len) = rest.split_once('/').ok_or_else(wrong)?;
        let len: u8 = len.parse().map_err(|_| wrong())?;
        let (family, bytes) = match family {
            "1" => (
                1u16,
                address
                    .parse::<Ipv4Addr>()
                    .map_err(|_| wrong())?
                    .octets()
                    .to_vec(),
            ),
            "2" => (
                2,
                address
                    .parse::<Ipv6Addr>()
                    .map_err(|_| wrong())?
                    .octets()
                    .to_vec(),
            ),
            _ => return Err(wrong()),
        };
        if usize::from(len) > bytes.len() * 8 {
            return Err(wrong());
        }
        let kept = bytes
            .iter()
            .rposition(|b| *b != 0)
            .map_or(0, |last| last + 1);
        out.extend(family.to_be_bytes());
        out.extend([len, negated | kept as u8]);
        out.extend(bytes.iter().take(kept));
    }
    Ok(())
}

pub(crate) fn nsap(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let (text, at) = fields.next("an NSAP address")?;
    let wrong = || bad(at, "an NSAP address begins with 0x and is hexadecimal");
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .ok_or_else(wrong)?;
    let digits: String = digits.chars().filter(|c| *c != '.').collect();
    if digits.is_empty() {
        return Err(wrong());
    }
    hex(&digits, out).ok_or_else(wrong)
}

fn gateway(fields: &mut Fields<'_>, kind: u32, out: &mut Vec<u8>) -> Read<()> {
    match kind {
        0 => {
            let (text, at) = fields.next("`.`, as there is no gateway")?;
            if text != "." {
                return Err(bad(at, "kind 0 has no gateway: write `.`"));
            }
        }
        1 => out.extend(fields.address::<Ipv4Addr>("an IPv4 address")?.octets()),
        2 => out.extend(fields.address::<Ipv6Addr>("an IPv6 address")?.octets()),
        _ => out.extend_from_slice(fields.name("a gateway's name")?.wire()),
    }
    Ok(())
}

pub(crate) fn ipsec_key(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let precedence = fields.number("the precedence", 255)?;
    let kind = fields.number("the kind of gateway", 3)?;
    let algorithm = fields.number("the algorithm", 255)?;
    out.extend([precedence as u8, kind as u8, algorithm as u8]);
    gateway(fields, kind, out)?;
    if fields.peek().is_some() {
        fields.base64(out)?;
    }
    Ok(())
}

pub(crate) fn relay(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let precedence = fields.number("the precedence", 255)?;
    let discovery = fields.number("the discovery bit", 1)?;
    let kind = fields.number("the kind of relay", 3)?;
    out.extend([precedence as u8, (discovery << 7 | kind) as u8]);
    gateway(fields, kind, out)
}

pub(crate) fn host(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    let algorithm = fields.number("the algorithm", 255)?;
    let (text, at) = fields.next("an identity")?;
    let mut identity = Vec::new();
    hex(text, &mut identity).ok_or_else(|| bad(at, "an identity is hexadecimal"))?;
    let identity_len =
        u8::try_from(identity.len()).map_err(|_| bad(at, "an identity is at most 255 bytes"))?;
    let (text, at) = fields.next("a key")?;
    let mut key = Vec::new();
    super::fields::base64(text, &mut key).ok_or_else(|| bad(at, "a key is base64 in one word"))?;
    let key_len = u16::try_from(key.len()).map_err(|_| bad(at, "a key is at most 65535 bytes"))?;
    out.extend([identity_len, algorithm as u8]);
    out.extend(key_len.to_be_bytes());
    out.extend(identity);
    out.extend(key);
    while fields.peek().is_some() {
        out.extend_from_slice(fields.name("a rendezvous server")?.wire());
    }
    Ok(())
}

/// Ports that have been written by name in such records.
const SERVICES: [(&str, u16); 10] = [
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("domain", 53),
    ("http", 80),
    ("pop3", 110),
    ("ntp", 123),
    ("imap", 143),
    ("https", 443),
];

pub(crate) fn services(fields: &mut Fields<'_>, out: &mut Vec<u8>) -> Read<()> {
    out.extend(fields.address::<Ipv4Addr>("an IPv4 address")?.octets());
    let protocol = match fields.peek() {
        Some((text, _)) if text.eq_ignore_ascii_case("tcp") => 6,
        Some((text, _)) if text.eq_ignore_ascii_case("udp") => 17,
        _ => fields.number("a protocol", 255)? as u8,
    };
    if matches!(protocol, 6 | 17)
        && fields
            .peek()
            .is_some_and(|(t, _)| t.starts_with(['t', 'T', 'u', 'U']))
    {
        fields.at += 1;
    }
    out.push(protocol);
    let mut bits: Vec<u8> = Vec::new();
    while let Some((text, _)) = fields.peek() {
        let named = SERVICES
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(text))
            .map(|(_, p)| *p);
        let port = match named {
            Some(port) => {
                fields.at += 1;
                port
            }
            None => fields.number("a port", 65_535)? as u16,
        };
        let byte = usize::from(port / 8);
        if bits.len() <= byte {
            bits.resize(byte + 1, 0);
        }
        if let Some(place) = bits.get_mut(byte) {
            *place |= 0x80 >> (port % 8);
        }
    }
    out.append(&mut bits);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "19700101000000"),
            (951_782_400, "20000229000000"),
            (1_893_456_000, "20300101000000"),
            (4_294_967_295, "21060207062815"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}
