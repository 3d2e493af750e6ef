//! Who may ask what, by the way they came in.

use crate::Problem;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use std::net::{IpAddr, SocketAddr};

/// The way a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A unix socket, from a user who may do everything.
    Unix,
    /// A unix socket, from somebody else.
    Stranger {
        /// Who.
        uid: u32,
    },
    /// TCP, without tokens.
    Tcp {
        /// The address that was connected to.
        local: SocketAddr,
    },
    /// TCP, for metrics only.
    Metrics,
}

impl Door {
    /// The door of a unix socket for a peer's user.
    pub fn unix(uid: u32, own_uid: u32, allowed_uid: Option<u32>) -> Self {
        if uid == 0 || uid == own_uid || Some(uid) == allowed_uid {
            Door::Unix
        } else {
            Door::Stranger { uid }
        }
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// 403 with what to do instead.
    pub fn admit(self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        let reading = matches!(*method, Method::GET | Method::HEAD);
        match self {
            Door::Stranger { uid } => Err(forbidden(format!(
                "user {uid} may not use this socket; root and the daemon's own user may"
            ))),
            Door::Tcp { .. } | Door::Metrics if !reading => Err(forbidden(
                "over TCP without tokens only GET and HEAD are answered; use the unix socket",
            )),
            Door::Tcp { local } => {
                admit_host(local.ip(), headers).and_then(|()| admit_origin(headers))
            }
            Door::Unix => admit_origin(headers),
            Door::Metrics => Ok(()),
        }
    }
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "Forbidden", detail)
}

/// A name that somebody else controls may lead here (DNS rebinding), an address or `localhost` may not.
fn admit_host(local: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
    let host = only(headers, header::HOST).map(host_of);
    let trusted = host.is_some_and(|host| {
        let literal = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        let literal = literal.unwrap_or(host).parse::<IpAddr>();
        host.eq_ignore_ascii_case("localhost")
            || literal.is_ok_and(|ip| ip.is_loopback() || ip == local)
    });
    match trusted {
        true => Ok(()),
        false => Err(forbidden(
            "the Host header must be localhost or the address itself, so that no foreign name leads here",
        )),
    }
}

/// A browser says which page asks; only our own may.
fn admit_origin(headers: &HeaderMap) -> Result<(), Problem> {
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
    let host = only(headers, header::HOST);
    match (origin, host) {
        (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(forbidden(
            "requests from pages of another origin are refused",
        )),
    }
}

/// The value of a field that must not be repeated.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() {
        None
    } else {
        first.to_str().ok()
    }
}

/// Without the port.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: Door = Door::Tcp {
        local: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 9180),
    };

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_name_that_was_rebound_is_refused_and_an_address_is_not() {
        for host in [
            "localhost",
            "LOCALHOST:9180",
            "127.0.0.1:9180",
            "127.8.9.1",
            "[::1]:9180",
            "[::1]",
            "10.0.0.1:9180",
        ] {
            assert!(
                LOCAL
                    .admit(&Method::GET, &headers(&[("host", host)]))
                    .is_ok(),
                "{host}"
            );
        }
        for host in [
            "evil.test",
            "evil.test:9180",
            "localhost.evil.test",
            "10.0.0.2",
            "127.0.0.1.evil.test",
            "",
            "[::1",
            "::1:x",
            "127.0.0.1@evil.test",
        ] {
            let refused = LOCAL.admit(&Method::GET, &headers(&[("host", host)]));
            assert!(refused.is_err(), "{host}");
        }
        assert!(LOCAL.admit(&Method::GET, &headers(&[])).is_err());
        assert!(
            LOCAL
                .admit(
                    &Method::GET,
                    &headers(&[("host", "localhost"), ("host", "evil.test")])
                )
                .is_err()
        );
    }

    #[test]
    fn pages_of_another_origin_are_refused() {
        let with = |origin| headers(&[("host", "127.0.0.1:9180"), ("origin", origin)]);
        assert!(
            LOCAL
                .admit(&Method::GET, &with("http://127.0.0.1:9180"))
                .is_ok()
        );
        for origin in [
            "http://evil.test",
            "null",
            "",
            "https://127.0.0.1:9180",
            "http://127.0.0.1:8080",
        ] {
            assert!(
                LOCAL.admit(&Method::GET, &with(origin)).is_err(),
                "{origin}"
            );
            assert!(
                Door::Unix.admit(&Method::POST, &with(origin)).is_err(),
                "{origin}"
            );
        }
    }

    #[test]
    fn over_tcp_nothing_is_changed() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
            assert!(
                LOCAL
                    .admit(&method, &headers(&[("host", "localhost")]))
                    .is_err(),
                "{method}"
            );
            assert!(
                Door::Metrics.admit(&method, &headers(&[])).is_err(),
                "{method}"
            );
            assert!(Door::Unix.admit(&method, &headers(&[])).is_ok(), "{method}");
        }
        assert!(
            Door::Metrics
                .admit(&Method::GET, &headers(&[("host", "edge-1:9181")]))
                .is_ok()
        );
    }

    #[test]
    fn the_unix_socket_is_for_root_ourselves_and_one_more() {
        assert_eq!(Door::unix(0, 33, None), Door::Unix);
        assert_eq!(Door::unix(33, 33, None), Door::Unix);
        assert_eq!(Door::unix(1000, 33, Some(1000)), Door::Unix);
        let stranger = Door::unix(1001, 33, Some(1000));
        assert_eq!(stranger, Door::Stranger { uid: 1001 });
        assert!(
            stranger
                .admit(&Method::GET, &headers(&[("host", "localhost")]))
                .is_err()
        );
    }
}
