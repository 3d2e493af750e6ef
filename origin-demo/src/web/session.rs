//! Sessions: a random id in a signed cookie. The cart lives in the api under that id; nothing else is remembered.
//!
//! A form token is an HMAC of the session: a page elsewhere can neither read nor make it. The one form on cacheable
//! pages ("put in cart") cannot carry a token, for a cached page is everybody's; there the browser's own word decides
//! (Sec-Fetch-Site or Origin), and without any, only a request that has no session to abuse.

use crate::{limits::CART_KEPT, random};
use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

const COOKIE: &str = "session";
const KEY_BYTES: usize = 32;

/// The key that signs.
pub struct Sessions {
    key: Vec<u8>,
}

/// A visitor whose cookie we signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Hexadecimal.
    pub id: String,
    /// For hidden fields.
    pub token: String,
}

impl Sessions {
    /// The key of a state directory; made by whichever web process comes first, whole or not at all.
    pub fn open(state: &Path) -> io::Result<Self> {
        let path = state.join("session.key");
        if !path.exists() {
            let fresh = state.join(format!("session.key.{}", std::process::id()));
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(&random::secret::<KEY_BYTES>().map_err(io::Error::other)?)?;
            file.sync_all()?;
            // A link fails where a rename would replace the other process's key.
            let linked = fs::hard_link(&fresh, &path);
            fs::remove_file(&fresh)?;
            if let Err(error) = linked
                && error.kind() != io::ErrorKind::AlreadyExists
            {
                return Err(error);
            }
        }
        let key = fs::read(&path)?;
        if key.len() < KEY_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "session.key is too short: remove it",
            ));
        }
        Ok(Self { key })
    }

    /// The visitor of a request; a cookie we did not sign is no cookie.
    pub fn of(&self, headers: &HeaderMap) -> Option<Session> {
        cookies(headers).find_map(|(name, value)| {
            let (id, signature) = (name == COOKIE).then(|| value.split_once('.'))??;
            let signature = BASE64.decode(signature).ok()?;
            self.mac("session", id).verify_slice(&signature).ok()?;
            Some(self.session(id.to_owned()))
        })
    }

    /// A new visitor, and the cookie to set.
    pub fn begin(&self, headers: &HeaderMap) -> Result<(Session, String), getrandom::Error> {
        let id = random::hex(&random::secret::<16>()?);
        let signature = BASE64.encode(self.mac("session", &id).finalize().into_bytes());
        let max_age = CART_KEPT.as_secs();
        let cookie = format!(
            "{COOKIE}={id}.{signature}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{}",
            if is_https(headers) { "; Secure" } else { "" }
        );
        Ok((self.session(id), cookie))
    }

    /// Whether a form was made for this visitor.
    pub fn accepts(&self, session: &Session, token: &str) -> bool {
        BASE64
            .decode(token)
            .is_ok_and(|token| self.mac("form", &session.id).verify_slice(&token).is_ok())
    }

    fn session(&self, id: String) -> Session {
        let token = BASE64.encode(self.mac("form", &id).finalize().into_bytes());
        Session { id, token }
    }

    fn mac(&self, purpose: &str, text: &str) -> Hmac<Sha256> {
        // HMAC takes keys of any length, so the fallback is never taken; it would make every signature invalid.
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&self.key)
            .unwrap_or_else(|_| Mac::new(&Default::default()));
        mac.update(purpose.as_bytes());
        mac.update(b":");
        mac.update(text.as_bytes());
        mac
    }
}

/// The cookie our script reads for the badge: no secret, and on no cacheable page.
pub fn count_cookie(count: u32) -> String {
    let max_age = CART_KEPT.as_secs();
    format!("cart_count={count}; Path=/; Max-Age={max_age}; SameSite=Lax")
}

/// Whether a form without a token comes from one of our own pages.
pub fn is_own_form(headers: &HeaderMap, has_session: bool, edge_name: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    if let Some(origin) = text("origin") {
        let authority = origin
            .split_once("://")
            .map_or("", |(_, authority)| authority);
        let name = authority
            .rsplit_once(':')
            .map_or(authority, |(name, _)| name);
        return text("host") == Some(authority)
            || text("x-forwarded-host") == Some(authority)
            || name == edge_name;
    }
    !has_session
}

fn is_https(headers: &HeaderMap) -> bool {
    headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto == "https")
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_signed_session_is_known_again_by_both_processes_and_a_changed_one_is_not() {
        let state = tempfile::tempdir().unwrap();
        let (one, two) = (
            Sessions::open(state.path()).unwrap(),
            Sessions::open(state.path()).unwrap(),
        );
        let (session, cookie) = one.begin(&HeaderMap::new()).unwrap();
        let value = cookie.split(';').next().unwrap();
        assert_eq!(
            two.of(&headers(&[("cookie", &format!("a=b; {value}"))])),
            Some(session.clone())
        );
        assert_eq!(
            two.of(&headers(&[(
                "cookie",
                &value.replace("session=", "session=0")
            )])),
            None
        );
        assert_eq!(
            two.of(&headers(&[("cookie", "session=; session=.; session=x.y")])),
            None
        );
        assert!(two.accepts(&session, &session.token));
        let (other, _) = one.begin(&HeaderMap::new()).unwrap();
        assert!(!two.accepts(&other, &session.token));
        assert!(!two.accepts(&session, ""));
    }

    #[test]
    fn cookies_are_secure_when_the_edge_speaks_tls() {
        let state = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(state.path()).unwrap();
        let secure = |pairs: &[(&'static str, &str)]| {
            sessions
                .begin(&headers(pairs))
                .unwrap()
                .1
                .contains("Secure")
        };
        assert!(secure(&[("x-forwarded-proto", "https")]));
        assert!(!secure(&[]));
    }

    #[test]
    fn a_form_without_a_token_must_be_ours_by_the_browsers_word() {
        let own = |pairs: &[(&'static str, &str)], session| {
            is_own_form(&headers(pairs), session, "shop.test")
        };
        assert!(own(&[("sec-fetch-site", "same-origin")], true));
        assert!(!own(&[("sec-fetch-site", "cross-site")], false));
        assert!(own(
            &[
                ("origin", "http://shop.localhost:8080"),
                ("host", "shop.localhost:8080")
            ],
            true
        ));
        assert!(own(
            &[
                ("origin", "https://shop.test:8443"),
                ("host", "127.0.0.2:7001")
            ],
            true
        ));
        assert!(!own(
            &[("origin", "https://evil.test"), ("host", "shop.test")],
            true
        ));
        assert!(!own(&[("origin", "null"), ("host", "shop.test")], true));
        assert!(!own(&[], true), "a session and no word at all");
        assert!(own(&[], false), "curl, with nothing to abuse");
    }
}
