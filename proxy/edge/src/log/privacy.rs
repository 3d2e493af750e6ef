//! What an access log does not say: secrets in arguments, credentials, and who exactly a client is.
//!
//! A log is read by more people, and for longer, than the request was meant for. On YAML sites the value of every argument
//! whose name speaks of a secret is `***` by default, and so are credentials and cookies; nginx.conf's lines stay to the
//! letter. Names are matched whole or by their last part (`reset_token`), without regard to case; it is by name, so a secret
//! under an innocent name is not found.

use std::{io::Write, net::IpAddr};

/// Names of arguments whose values are secrets.
const SECRETS: [&[u8]; 20] = [
    b"access_token",
    b"apikey",
    b"api_key",
    b"auth",
    b"authorization",
    b"code",
    b"credential",
    b"id_token",
    b"jwt",
    b"key",
    b"pass",
    b"passwd",
    b"password",
    b"pwd",
    b"secret",
    b"session",
    b"sessionid",
    b"sig",
    b"signature",
    b"token",
];

/// Fields that carry credentials.
const CREDENTIALS: [&[u8]; 6] = [
    b"authorization",
    b"cookie",
    b"proxy-authorization",
    b"set-cookie",
    b"x-api-key",
    b"x-auth-token",
];

/// What stands in place of a secret.
pub const COVER: &str = "***";

/// Bytes of an argument's name that are looked at.
const NAME_BYTES_MAX: usize = 64;

/// Whether an argument's value is a secret, by its name.
pub fn is_secret(name: &[u8]) -> bool {
    let last = name
        .rsplit(|b| matches!(b, b'_' | b'-' | b'.' | b'['))
        .next()
        .unwrap_or(name);
    let last = last.strip_suffix(b"]").unwrap_or(last);
    SECRETS
        .iter()
        .any(|s| name.eq_ignore_ascii_case(s) || last.eq_ignore_ascii_case(s))
}

/// Whether a field carries credentials.
pub fn is_credential(name: &[u8]) -> bool {
    CREDENTIALS.iter().any(|c| name.eq_ignore_ascii_case(c))
}

/// Covers all of a value.
pub fn cover(value: &mut Vec<u8>) {
    if !value.is_empty() {
        value.clear();
        value.extend_from_slice(COVER.as_bytes());
    }
}

/// Covers the values of arguments that are secrets, in a request line, a URL or arguments alone. Allocates only where it finds one.
pub fn scrub(text: &mut Vec<u8>) {
    let mut covered: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    // Most lines have no argument at all.
    while let Some(equals) = text.get(at..).and_then(|rest| memchr::memchr(b'=', rest)) {
        let equals = at + equals;
        // A name that is longer is judged by its end.
        let before = text
            .get(equals.saturating_sub(NAME_BYTES_MAX)..equals)
            .unwrap_or_default();
        let start = before
            .iter()
            .rposition(|b| matches!(b, b'?' | b'&' | b';' | b' ' | b'/'))
            .map_or(0, |n| n + 1);
        let secret = is_secret(before.get(start..).unwrap_or_default());
        let value = equals + 1;
        let rest = text.get(value..).unwrap_or_default();
        at = value;
        if !secret {
            continue;
        }
        let end = value
            + rest
                .iter()
                .position(|b| matches!(b, b'&' | b';' | b' ' | b'#'))
                .unwrap_or(rest.len());
        if end > value {
            let out = covered.get_or_insert_with(|| Vec::with_capacity(text.len()));
            out.extend_from_slice(text.get(copied..value).unwrap_or_default());
            out.extend_from_slice(COVER.as_bytes());
            copied = end;
            at = end;
        }
    }
    if let Some(mut out) = covered {
        out.extend_from_slice(text.get(copied..).unwrap_or_default());
        *text = out;
    }
}

/// A text for the error log, its secrets covered where they are to be.
pub fn shown(text: &[u8], is_scrubbed: bool) -> String {
    let mut text = text.to_vec();
    if is_scrubbed {
        scrub(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The network of an address: /24 of IPv4, /48 of IPv6; `unix:` stays.
pub fn network(address: &str, out: &mut Vec<u8>) {
    // Writing to memory does not fail.
    let _ = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            write!(out, "{a}.{b}.{c}.0")
        }
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, ..] = ip.segments();
            write!(out, "{}", std::net::Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
        Err(_) => out.write_all(address.as_bytes()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubbed(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        scrub(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn secrets_are_covered_by_the_names_of_their_arguments() {
        for (text, expected) in [
            ("GET /a?token=abc HTTP/1.1", "GET /a?token=*** HTTP/1.1"),
            (
                "GET /a?q=shoes&Password=x%20y&n=2 HTTP/1.1",
                "GET /a?q=shoes&Password=***&n=2 HTTP/1.1",
            ),
            (
                "reset_token=1;api-key=2&user[password]=3&a=b",
                "reset_token=***;api-key=***&user[password]=***&a=b",
            ),
            (
                "https://a.test/?code=abc#top",
                "https://a.test/?code=***#top",
            ),
            ("GET /a?token= HTTP/1.1", "GET /a?token= HTTP/1.1"),
            (
                "GET /tokens?monkey=1&donkey=2 HTTP/1.1",
                "GET /tokens?monkey=1&donkey=2 HTTP/1.1",
            ),
            ("", ""),
            ("===&=?=", "===&=?="),
        ] {
            assert_eq!(scrubbed(text), expected);
        }
    }

    #[test]
    fn a_long_line_of_secrets_takes_no_longer_than_a_line_of_others() {
        let text = "key=v&".repeat(5000);
        assert_eq!(scrubbed(&text), "key=***&".repeat(5000));
    }

    #[test]
    fn addresses_are_cut_to_their_networks() {
        for (address, expected) in [
            ("192.0.2.77", "192.0.2.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("unix:", "unix:"),
        ] {
            let mut out = Vec::new();
            network(address, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
