//! Who may ask what, by the way they came in.

use crate::{AdminState, Bearer, Problem, Scope, tokens::Refused};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::SystemTime,
};
use tokio::sync::Semaphore;

/// The way a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A unix socket, from a user who may do everything.
    Unix {
        /// Who.
        uid: u32,
    },
    /// A unix socket, from somebody else.
    Stranger {
        /// Who.
        uid: u32,
    },
    /// TCP.
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
            Door::Unix { uid }
        } else {
            Door::Stranger { uid }
        }
    }

    /// Lets a request in as somebody, or says why not.
    ///
    /// # Errors
    /// 403 or 401 with what to do instead.
    pub async fn admit(
        self,
        state: &AdminState,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Caller, Problem> {
        match self {
            Door::Unix { uid } => {
                admit_origin(headers)?;
                Ok(Caller::Local { uid })
            }
            Door::Stranger { uid } => Err(forbidden(format!(
                "user {uid} may not use this socket; root and the daemon's own user may"
            ))),
            Door::Metrics if !is_reading(method) => Err(forbidden(READ_ONLY)),
            Door::Metrics => Ok(Caller::Anybody { needs_token: false }),
            Door::Tcp { local } => {
                admit_origin(headers)?;
                if let Some(bearer) = bearer(state, headers).await? {
                    // Whoever holds a token is no page that was led here.
                    return Ok(Caller::Token(bearer));
                }
                let needs_token = !state.tokens.load().is_empty();
                if !is_reading(method) && !needs_token {
                    return Err(forbidden(READ_ONLY));
                }
                admit_host(local.ip(), headers)?;
                if needs_token && path == "/metrics" {
                    return Err(unauthorized(
                        "this needs a token: Authorization: Bearer swt_...",
                    ));
                }
                Ok(Caller::Anybody { needs_token })
            }
        }
    }
}

const READ_ONLY: &str = "over TCP without tokens only GET and HEAD are answered; use the unix socket, or `admin: { tokens: FILE }`";

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A user of this machine who may do everything.
    Local {
        /// Who, by the kernel.
        uid: u32,
    },
    /// The holder of a token.
    Token(Bearer),
    /// Somebody.
    Anybody {
        /// Even reading is for holders of tokens.
        needs_token: bool,
    },
}

impl Caller {
    /// Whether this may be done.
    ///
    /// # Errors
    /// 401 without a token, 403 where it is not good for this.
    pub fn may(&self, scope: Scope) -> Result<(), Problem> {
        match self {
            Caller::Local { .. } => Ok(()),
            Caller::Token(bearer) if scope != Scope::Read && bearer.lacks_code => {
                Err(unauthorized(&format!(
                    "the token \"{}\" changes something only with the code of the moment: {CODE_FIELD}: 123456",
                    bearer.name
                )))
            }
            Caller::Token(bearer) if scope == Scope::Read || bearer.scopes.contains(&scope) => {
                Ok(())
            }
            Caller::Token(bearer) => Err(forbidden(format!(
                "the token \"{}\" is not good for `{}`",
                bearer.name,
                scope.as_str()
            ))),
            Caller::Anybody { needs_token: false } if scope == Scope::Read => Ok(()),
            Caller::Anybody { .. } => Err(unauthorized(
                "this needs a token: Authorization: Bearer swt_...",
            )),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caller::Local { uid } => write!(f, "uid {uid}"),
            Caller::Token(bearer) => write!(f, "token {}", bearer.name),
            Caller::Anybody { .. } => f.write_str("anybody"),
        }
    }
}

/// The field that carries the code of a token that asks for one.
const CODE_FIELD: &str = "Seawall-Code";

/// Verifications at once: each takes memory and some tens of milliseconds of a processor.
static VERIFYING: Semaphore = Semaphore::const_new(2);

/// Whom a token belongs to, where there is one.
async fn bearer(state: &AdminState, headers: &HeaderMap) -> Result<Option<Bearer>, Problem> {
    if !headers.contains_key(header::AUTHORIZATION) {
        return Ok(None);
    }
    let token = only(headers, header::AUTHORIZATION)
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim().to_owned());
    let token = token
        .ok_or_else(|| unauthorized("credentials are a token: Authorization: Bearer swt_..."))?;
    let tokens = state.tokens.load_full();
    let code = HeaderName::from_static("seawall-code");
    let code = match headers.contains_key(&code) {
        true => Some(only(headers, code).unwrap_or_default().trim().to_owned()),
        false => None,
    };
    // The semaphore is never closed.
    let _one = VERIFYING.acquire().await.ok();
    let verified = tokio::task::spawn_blocking(move || {
        tokens.verify(&token, code.as_deref(), SystemTime::now())
    })
    .await;
    match verified {
        Ok(Ok(bearer)) => Ok(Some(bearer)),
        Ok(Err(Refused::Code(why))) => Err(unauthorized(&why.to_string())),
        Ok(Err(Refused::Expired)) => Err(unauthorized("the token has expired")),
        _ => Err(unauthorized("the token is not known")),
    }
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized", detail)
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
    // Fetch Metadata: also where no Origin is sent (a GET of an image, for one).
    let site = headers
        .contains_key("sec-fetch-site")
        .then(|| only(headers, HeaderName::from_static("sec-fetch-site")));
    let navigates = only(headers, HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
    if site.is_some_and(|site| !matches!(site, Some("same-origin" | "none"))) && !navigates {
        return Err(forbidden("requests from pages of another site are refused"));
    }
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

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

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
                admit_host(LOCAL, &headers(&[("host", host)])).is_ok(),
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
            assert!(
                admit_host(LOCAL, &headers(&[("host", host)])).is_err(),
                "{host}"
            );
        }
        assert!(admit_host(LOCAL, &headers(&[])).is_err());
        let two = headers(&[("host", "localhost"), ("host", "evil.test")]);
        assert!(admit_host(LOCAL, &two).is_err());
    }

    #[test]
    fn pages_of_another_origin_are_refused() {
        let with = |origin| headers(&[("host", "127.0.0.1:9180"), ("origin", origin)]);
        assert!(admit_origin(&with("http://127.0.0.1:9180")).is_ok());
        for origin in [
            "http://evil.test",
            "null",
            "",
            "https://127.0.0.1:9180",
            "http://127.0.0.1:8080",
        ] {
            assert!(admit_origin(&with(origin)).is_err(), "{origin}");
        }
        let fetched = |site, mode| headers(&[("sec-fetch-site", site), ("sec-fetch-mode", mode)]);
        assert!(admit_origin(&fetched("same-origin", "cors")).is_ok());
        assert!(admit_origin(&fetched("none", "navigate")).is_ok());
        assert!(
            admit_origin(&fetched("cross-site", "navigate")).is_ok(),
            "a link to the console"
        );
        for site in ["cross-site", "same-site", "x"] {
            assert!(admit_origin(&fetched(site, "no-cors")).is_err(), "{site}");
        }
    }

    #[test]
    fn the_unix_socket_is_for_root_ourselves_and_one_more() {
        assert_eq!(Door::unix(0, 33, None), Door::Unix { uid: 0 });
        assert_eq!(Door::unix(33, 33, None), Door::Unix { uid: 33 });
        assert_eq!(Door::unix(1000, 33, Some(1000)), Door::Unix { uid: 1000 });
        assert_eq!(
            Door::unix(1001, 33, Some(1000)),
            Door::Stranger { uid: 1001 }
        );
    }

    #[test]
    fn a_token_is_good_for_its_scopes_and_for_reading() {
        let token = Caller::Token(Bearer {
            name: "ci".into(),
            scopes: vec![Scope::Cache],
            lacks_code: false,
        });
        let may = |caller: &Caller| Scope::ALL.map(|scope| caller.may(scope).is_ok());
        assert_eq!(may(&token), [true, true, false, false, false, false]);
        assert_eq!(
            may(&Caller::Anybody { needs_token: false }),
            [true, false, false, false, false, false]
        );
        assert_eq!(may(&Caller::Anybody { needs_token: true }), [false; 6]);
        assert_eq!(may(&Caller::Local { uid: 0 }), [true; 6]);
    }
}
