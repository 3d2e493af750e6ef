//! How certificates are asked for.

use super::limits::{PAUSE_MIN, REQUEST_TIME_MAX};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// The directory of Let's Encrypt, which is asked unless the configuration says otherwise.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// How control over a name is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// In a handshake on port 443 (RFC 8737).
    TlsAlpn01,
    /// By a file on port 80 (RFC 8555 §8.3).
    Http01,
    /// By a record in our own zone (RFC 8555 §8.4); the only one for wildcards.
    Dns01,
}

impl Challenge {
    /// As the protocol calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
        }
    }
}

/// An account that the CA knows from elsewhere (RFC 8555 §7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The CA's name for it.
    pub key_id: String,
    /// The shared key, decoded.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalAccount")
            .field("key_id", &self.key_id)
            .field("key", &"***")
            .finish()
    }
}

/// How certificates are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeOptions {
    /// The CA's directory, then those that are asked when it fails.
    pub directories: Vec<String>,
    /// Mail addresses for the account.
    pub contact: Vec<String>,
    /// How control is proved. Wildcards are proved by dns-01 whatever it says.
    pub challenge: Challenge,
    /// The authorities that the CA's own server is verified by (PEM); the system's when `None`.
    pub roots_pem: Option<Vec<u8>>,
    /// For the first directory.
    pub external_account: Option<ExternalAccount>,
    /// The kind of certificate, where the CA has several.
    pub profile: Option<String>,
    /// Where accounts and certificates are kept.
    pub state: PathBuf,
    /// Name servers that are asked for aliases and addresses; the system's when there are none.
    pub name_servers: Vec<SocketAddr>,
    /// The first pause after a failure.
    pub pause: Duration,
    /// The time for one request to the CA.
    pub request_time: Duration,
}

impl AcmeOptions {
    /// Let's Encrypt by tls-alpn-01, with the default pauses, keeping everything in `state`.
    pub fn new(state: PathBuf) -> Self {
        Self {
            directories: vec![LETS_ENCRYPT.to_owned()],
            contact: Vec::new(),
            challenge: Challenge::TlsAlpn01,
            roots_pem: None,
            external_account: None,
            profile: None,
            state,
            name_servers: Vec::new(),
            pause: PAUSE_MIN,
            request_time: REQUEST_TIME_MAX,
        }
    }

    /// How control over these names is proved.
    pub fn challenge_for(&self, names: &[String]) -> Challenge {
        if names.iter().any(|name| name.starts_with("*.")) {
            return Challenge::Dns01;
        }
        self.challenge
    }
}
