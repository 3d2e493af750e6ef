//! How certificates of a CA are asked for.

use seawall_diag::Span;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// A CA that speaks ACME (RFC 8555), and how it is convinced.
#[derive(Clone, Debug)]
pub struct Acme {
    /// Where it was written.
    pub at: Span,
    /// The CA's directory, then those of CAs that are asked when it fails.
    pub directories: Vec<String>,
    /// Mail addresses for the account.
    pub email: Vec<String>,
    /// How control over a name is proved; wildcards by dns-01 whatever it says.
    pub challenge: AcmeChallenge,
    /// The authorities that the CA's own server is verified by (PEM); the system's when `None`.
    pub ca: Option<(PathBuf, Span)>,
    /// An account that the CA knows from elsewhere (RFC 8555 §7.3.4).
    pub eab: Option<AcmeAccount>,
    /// The kind of certificate, where the CA has several.
    pub profile: Option<String>,
    /// Name servers that are asked for aliases of `_acme-challenge`; the system's when there are none.
    pub name_servers: Vec<SocketAddr>,
    /// The first pause after a failure (default 2 minutes); it doubles with each, to a day.
    pub retry: Duration,
    /// The time for one request to the CA (default 30 s).
    pub timeout: Duration,
}

/// How control over a name is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcmeChallenge {
    /// In a handshake on port 443.
    TlsAlpn01,
    /// By a file on port 80.
    Http01,
    /// By a record in our own zone.
    Dns01,
}

/// An account that a CA knows from elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct AcmeAccount {
    /// The CA's name for it.
    pub key_id: String,
    /// The shared key, base64url as CAs hand it out, or the file that holds it.
    pub key: SecretText,
}

impl std::fmt::Debug for AcmeAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AcmeAccount")
            .field("key_id", &self.key_id)
            .field("key", &"***")
            .finish()
    }
}

/// A secret as it was written, or the file that holds it.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretText {
    /// As written (from the environment, one hopes).
    Text(String, Span),
    /// A file.
    File(PathBuf, Span),
}
