//! Addresses as they are written: to listen on, and of origins.

use crate::model::Address;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// The greatest number of addresses taken from one name in `listen`.
pub const LISTEN_NAME_ADDRESSES_MAX: usize = 16;

/// The longest path of a unix socket that the kernel takes (sockaddr_un, without its final NUL).
pub const UNIX_PATH_MAX: usize = 107;

/// Addresses to listen on: a bare port is every IPv4 and every IPv6 address; a name is looked up now, since a socket
/// needs an address.
pub(crate) fn listen(text: &str) -> Result<Vec<Address>, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path).map(|a| vec![a]);
    }
    if let Ok(port) = text.parse::<u16>() {
        let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        return Ok(any
            .map(|ip| Address::Ip(SocketAddr::new(ip, port)))
            .to_vec());
    }
    match host_port(text, None)? {
        Address::Name(host, port) if host == "*" => {
            Ok(vec![Address::Ip((Ipv4Addr::UNSPECIFIED, port).into())])
        }
        Address::Name(host, port) => {
            let found: Vec<Address> = (host.as_str(), port)
                .to_socket_addrs()
                .map_err(|_| format!("host not found in \"{text}\""))?
                .take(LISTEN_NAME_ADDRESSES_MAX)
                .map(Address::Ip)
                .collect();
            if found.is_empty() {
                Err(format!("host not found in \"{text}\""))
            } else {
                Ok(found)
            }
        }
        address => Ok(vec![address]),
    }
}

/// `host:port`, `[v6]:port`, or without the port where there is a default one.
pub fn host_port(text: &str, default_port: Option<u16>) -> Result<Address, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path);
    }
    let (host, port) = match text.rsplit_once(':') {
        // "[::1]" ends in a bracket: the last colon is its own.
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse::<u16>().ok().filter(|p| *p > 0);
            (
                host,
                Some(port.ok_or_else(|| format!("invalid port in \"{text}\""))?),
            )
        }
        _ => (text, None),
    };
    let port = port
        .or(default_port)
        .ok_or_else(|| format!("no port in \"{text}\""))?;
    if let Some(v6) = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        let ip: Ipv6Addr = v6
            .parse()
            .map_err(|_| format!("invalid IPv6 address in \"{text}\""))?;
        return Ok(Address::Ip((ip, port).into()));
    }
    if host.is_empty() {
        return Err(format!("no host in \"{text}\""));
    }
    if host.contains(':') {
        return Err(format!("invalid port in \"{text}\""));
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(Address::Ip((ip, port).into()));
    }
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'*');
    if !host.bytes().all(named) || host.len() > 253 {
        return Err(format!("invalid host in \"{text}\""));
    }
    Ok(Address::Name(host.to_ascii_lowercase(), port))
}

/// A unix socket's path.
fn unix(path: &str) -> Result<Address, String> {
    match path.len() {
        0 => Err("the unix socket has no path".into()),
        1..=UNIX_PATH_MAX => Ok(Address::Unix(PathBuf::from(path))),
        _ => Err(format!(
            "the path of the unix socket is longer than {UNIX_PATH_MAX} bytes"
        )),
    }
}

/// An origin's address with what its scheme says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Where it listens.
    pub(crate) address: Address,
    /// Whether TLS is spoken to it.
    pub(crate) tls: bool,
    /// Whether HTTP/2 is spoken to it.
    pub(crate) http2: bool,
    /// What follows the address, from its `/` or `?` on.
    pub(crate) uri: String,
    /// The text between scheme and URI, as nginx's `$proxy_host` shows it.
    pub(crate) authority: String,
}

/// Why an origin is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginError {
    /// The scheme's room is not built.
    NotYet(&'static str),
    /// It cannot be read.
    Invalid(String),
}

/// `host:port`, `http://host`, `https://host/uri`, `h2c://host`, `grpc://host`, `grpcs://host`, `http://unix:/path:/uri`, `unix:/path`.
///
/// Without a scheme a port is needed, unless `default_port` says which.
pub(crate) fn origin(text: &str, default_port: Option<u16>) -> Result<Origin, OriginError> {
    if text.starts_with("fastcgi:") {
        return Err(OriginError::NotYet("FastCGI"));
    }
    let scheme = SCHEMES
        .iter()
        .find_map(|(scheme, tls, http2)| Some((strip_scheme(text, scheme)?, *tls, *http2)));
    let (rest, tls, http2, port) = match scheme {
        Some((rest, tls, http2)) => (rest, tls, http2, Some(if tls { 443 } else { 80 })),
        None if text.contains("://") => {
            return Err(OriginError::Invalid(format!(
                "invalid scheme in \"{text}\""
            )));
        }
        None => (text, false, false, default_port),
    };
    if let Some(path) = rest.strip_prefix("unix:") {
        // A second colon parts the socket from the URI (ngx_parse_unix_domain_url).
        let (path, uri) = path.split_once(':').unwrap_or((path, ""));
        let address = unix(path).map_err(OriginError::Invalid)?;
        return Ok(Origin {
            address,
            tls,
            http2,
            uri: uri.into(),
            authority: "localhost".into(),
        });
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, uri) = rest.split_at(end);
    let address = host_port(authority, port).map_err(OriginError::Invalid)?;
    Ok(Origin {
        address,
        tls,
        http2,
        uri: uri.into(),
        authority: authority.into(),
    })
}

/// Schemes of origins: whether TLS and whether HTTP/2 is spoken.
const SCHEMES: [(&str, bool, bool); 5] = [
    ("http://", false, false),
    ("https://", true, false),
    ("h2c://", false, true),
    ("grpc://", false, true),
    ("grpcs://", true, true),
];

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    head.eq_ignore_ascii_case(scheme)
        .then(|| text.get(scheme.len()..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_listens_on_both_families() {
        let both = listen("80").map(|a| a.len());
        assert_eq!(both, Ok(2));
        assert_eq!(
            listen("[::1]:80"),
            Ok(vec![Address::Ip("[::1]:80".parse().unwrap())])
        );
        assert_eq!(
            listen("*:80"),
            Ok(vec![Address::Ip("0.0.0.0:80".parse().unwrap())])
        );
        for bad in [
            "99999", "1.2.3.4", "::1:80", "[::g]:80", "a b:80", "unix:", "host:0", ":80",
        ] {
            assert!(listen(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_takes_scheme_port_and_uri_apart() {
        let parsed = origin("https://vault.lan", None).unwrap();
        assert!(parsed.tls);
        assert_eq!(parsed.address, Address::Name("vault.lan".into(), 443));
        let parsed = origin("http://127.0.0.1:3000/x?y", None).unwrap();
        assert_eq!(
            (parsed.uri.as_str(), parsed.authority.as_str()),
            ("/x?y", "127.0.0.1:3000")
        );
        let parsed = origin("http://unix:/run/a.sock:/u", None).unwrap();
        assert_eq!(
            (parsed.address, parsed.uri.as_str()),
            (Address::Unix("/run/a.sock".into()), "/u")
        );
        assert!(matches!(
            origin("fastcgi:unix:/x", None),
            Err(OriginError::NotYet(_))
        ));
        for bad in ["ftp://x", "127.0.0.1", "http://", "http://:80"] {
            assert!(
                matches!(origin(bad, None), Err(OriginError::Invalid(_))),
                "{bad}"
            );
        }
    }
}
