//! Hosts: of `Host`, of an absolute-form target, of a CONNECT (RFC 3986 §3.2.2, RFC 9110 §7.2).

use std::net::Ipv6Addr;

/// Splits `host[:port]`. `None` when the port is not a number up to 65535, or an IPv6 literal is not closed. `host:` has no port.
/// The host itself is judged by [`valid_host`].
pub fn split_host_port(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_len = match text.first() {
        Some(b'[') => memchr::memchr(b']', text)? + 1,
        _ => memchr::memchr(b':', text).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_len)?;
    match rest {
        [] | [b':'] => Some((host, None)),
        [b':', digits @ ..] => Some((host, Some(port(digits)?))),
        _ => None,
    }
}

fn port(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0u16, |port, &byte| {
        let digit = byte.is_ascii_digit().then(|| u16::from(byte - b'0'))?;
        port.checked_mul(10)?.checked_add(digit)
    })
}

/// Whether `host` (without a port) is a registered name, an IPv4 address or a bracketed IPv6 address.
///
/// A name has the characters of RFC 3986's `reg-name`, no empty label inside (a final dot is allowed) and is not empty, which is nginx's
/// rule too.
pub fn valid_host(host: &[u8]) -> bool {
    match host {
        [b'[', inner @ .., b']'] => {
            std::str::from_utf8(inner).is_ok_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
        }
        _ => valid_name(host),
    }
}

/// As [`valid_host`], but anything may stand in brackets that nginx lets stand there.
pub(crate) fn valid_host_loose(host: &[u8]) -> bool {
    match host {
        [b'[', inner @ .., b']'] => {
            inner
                .iter()
                .all(|&byte| byte == b':' || (is_name_byte(byte) && byte != b'%'))
                && !has_empty_label(inner)
        }
        _ => valid_name(host),
    }
}

fn valid_name(host: &[u8]) -> bool {
    let mut valid = !host.is_empty() && host != b".";
    let mut previous = 0;
    for &byte in host {
        valid &= NAME[usize::from(byte)] && !(byte == b'.' && previous == b'.');
        previous = byte;
    }
    valid
}

fn has_empty_label(host: &[u8]) -> bool {
    host.windows(2).any(|pair| pair == b"..")
}

fn is_name_byte(byte: u8) -> bool {
    NAME[usize::from(byte)]
}

/// Characters of a registered name (RFC 3986 §3.2.2).
static NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%'
            | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=');
        byte += 1;
    }
    table
};

/// Puts the form of `host` that names are compared in into `out`, which is cleared: lower case, without a final dot.
pub fn normal_host(host: &[u8], out: &mut Vec<u8>) {
    let host = host.strip_suffix(b".").unwrap_or(host);
    out.clear();
    out.extend(host.iter().map(u8::to_ascii_lowercase));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_split_off() {
        assert_eq!(split_host_port(b"a.test"), Some((&b"a.test"[..], None)));
        assert_eq!(split_host_port(b"a.test:"), Some((&b"a.test"[..], None)));
        assert_eq!(
            split_host_port(b"a.test:65535"),
            Some((&b"a.test"[..], Some(65535)))
        );
        assert_eq!(
            split_host_port(b"[::1]:80"),
            Some((&b"[::1]"[..], Some(80)))
        );
        for bad in ["a:65536", "a:b", "a:1:2", "[::1", "[::1]80", "a:-1", "a: 1"] {
            assert_eq!(split_host_port(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for good in [
            "a",
            "a.test.",
            "192.0.2.1",
            "[::1]",
            "[2001:db8::10]",
            "x_y",
            "xn--bcher-kva.test",
        ] {
            assert!(valid_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ".",
            "a..b",
            "a b",
            "a/b",
            "u@a",
            "[]",
            "[x]",
            "[::1%eth0]",
            "a\0",
            "b\u{fc}cher",
            "a?b",
            "a#b",
            "a\\b",
            "a:80",
        ] {
            assert!(!valid_host(bad.as_bytes()), "{bad}");
        }
        assert!(valid_host_loose(b"[x]") && !valid_host_loose(b"[x"));
    }

    #[test]
    fn the_normal_form_is_lower_case_without_the_final_dot() {
        let mut out = b"old".to_vec();
        normal_host(b"Shop.TEST.", &mut out);
        assert_eq!(out, b"shop.test");
    }
}
