//! Who the client is, when a trusted proxy brings its request: the last address of `X-Forwarded-For`, of `Forwarded`
//! (RFC 7239) or of a field of another name that is not a trusted proxy's itself (ngx_http_realip_module).

use crate::{plan::when::is_in, tx::Tx};
use seawall_conf::model::{ClientIdentity, IdentityHeader};
use seawall_http::{Name, members};
use std::net::{IpAddr, SocketAddr};

/// Addresses of one request that are looked at.
const HOPS_MAX: usize = 64;

/// Puts the client that a trusted proxy names in the place of the proxy.
pub fn apply(tx: &mut Tx, identity: &ClientIdentity) {
    let trusts = |ip: Option<IpAddr>| match ip {
        Some(ip) => is_in(&identity.trusted, ip),
        None => identity.trusts_unix,
    };
    if !trusts(tx.client) {
        return;
    }
    let mut found = None;
    for address in addresses(tx, &identity.header).iter().rev() {
        let Some(ip) = *address else { break };
        found = Some(ip);
        if !identity.recursive || !trusts(Some(ip)) {
            break;
        }
    }
    if let Some(ip) = found {
        tx.client = Some(ip);
        tx.client_text = ip.to_string();
    }
}

/// The last addresses of a field, in order; `None` for what is none.
fn addresses(tx: &Tx, header: &IdentityHeader) -> Vec<Option<IpAddr>> {
    let mut all: Vec<Option<IpAddr>> = match header {
        IdentityHeader::XForwardedFor => {
            tx.fields().list(Name::XForwardedFor).map(address).collect()
        }
        IdentityHeader::Forwarded => tx
            .fields()
            .all(Name::Forwarded)
            .flat_map(elements)
            .map(|element| address(forwarded_for(element)))
            .collect(),
        IdentityHeader::Named(name) => tx
            .fields()
            .find_all(name.as_bytes())
            .flat_map(members)
            .map(address)
            .collect(),
    };
    let skip = all.len().saturating_sub(HOPS_MAX);
    all.drain(..skip);
    all
}

/// An address with or without a port, with or without brackets and quotes.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim().trim_matches('"');
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// The elements of a `Forwarded` field: commas within quotes part nothing.
fn elements(value: &[u8]) -> Vec<&[u8]> {
    split(value, b',')
}

/// `for=` of an element.
fn forwarded_for(element: &[u8]) -> &[u8] {
    split(element, b';')
        .into_iter()
        .find_map(|pair| {
            let (name, value) = pair.trim_ascii().split_at_checked(4)?;
            name.eq_ignore_ascii_case(b"for=").then_some(value)
        })
        .unwrap_or_default()
}

fn split(text: &[u8], by: u8) -> Vec<&[u8]> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b if *b == by && !quoted => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_spelling() {
        let ip = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        for (text, expected) in [
            ("192.0.2.1", ip("192.0.2.1")),
            (" 192.0.2.1:80 ", ip("192.0.2.1")),
            ("2001:db8::1", ip("2001:db8::1")),
            ("[2001:db8::1]", ip("2001:db8::1")),
            ("\"[2001:db8::1]:443\"", ip("2001:db8::1")),
            ("::ffff:192.0.2.1", ip("192.0.2.1")),
            ("unknown", None),
            ("_hidden", None),
            ("", None),
        ] {
            assert_eq!(address(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn elements_of_forwarded_are_parted_outside_of_quotes() {
        let value = br#"for=192.0.2.1;proto=http, For="[2001:db8::1]";by="a,b;c", secret=x"#;
        let found: Vec<_> = elements(value)
            .into_iter()
            .map(|e| String::from_utf8(forwarded_for(e).to_vec()).unwrap())
            .collect();
        assert_eq!(found, ["192.0.2.1", "\"[2001:db8::1]\"", ""]);
    }
}
