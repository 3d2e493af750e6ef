//! What can go wrong, and what to do about it.

use std::{io, path::PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The PEM text has no certificate.
    #[error("no certificate found: expected PEM with a `-----BEGIN CERTIFICATE-----` section")]
    NoCertificate,
    /// A certificate of the chain cannot be read.
    #[error("certificate {position} of the chain cannot be read: {reason}")]
    BadCertificate {
        /// Counted from 1, which is the leaf.
        position: usize,
        /// What the parser says.
        reason: String,
    },
    /// The chain is longer than [`CHAIN_MAX`](crate::limits::CHAIN_MAX).
    #[error("the chain has {0} certificates, at most {max} are accepted: give the leaf and its intermediates only", max = crate::limits::CHAIN_MAX)]
    ChainTooLong(usize),
    /// The PEM text has no private key.
    #[error(
        "no private key found: expected PEM with `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` or `EC PRIVATE KEY`"
    )]
    NoKey,
    /// The key is encrypted.
    #[error(
        "the private key is protected by a passphrase: decrypt it first (openssl pkey -in KEY -out KEY.plain)"
    )]
    EncryptedKey,
    /// The key cannot be used.
    #[error("the private key cannot be used: {0}")]
    BadKey(String),
    /// The key is not the certificate's.
    #[error("the private key ({key}) does not belong to the certificate of {certificate}")]
    KeyMismatch {
        /// Algorithm and fingerprint of the key's public half.
        key: String,
        /// The certificate's names, algorithm and fingerprint of its public key.
        certificate: String,
    },
    /// A name that cannot stand in a certificate.
    #[error("`{0}` is neither a DNS name, a wildcard like `*.example.test` nor an IP address")]
    BadName(String),
    /// A certificate was asked for with no or too many names.
    #[error("a certificate needs between 1 and {max} names, {0} were given", max = crate::limits::LEAF_NAMES_MAX)]
    NameCount(usize),
    /// A client asked for a name that has no certificate; it got the alert `unrecognized_name` (RFC 6066 §3).
    #[error("no certificate for {}", .0.as_deref().unwrap_or("a client that names no server"))]
    UnrecognisedName(Option<String>),
    /// No error: a CA was shown its proof (RFC 8737), and nothing more is spoken on the connection.
    #[error("a proof of control was shown to a CA")]
    ChallengeShown,
    /// A stapled OCSP response is none.
    #[error("no OCSP response: expected DER as `openssl ocsp -respout FILE` writes it, of at most {max} bytes", max = crate::limits::OCSP_BYTES_MAX)]
    BadOcsp,
    /// The internal CA's file cannot be used. It is never replaced unasked: clients may trust its root.
    #[error("the internal CA in {} cannot be used: {reason}; restore it, or remove it to have a new CA made", path.display())]
    BadCa {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The internal CA's root has expired, ten years after it was made.
    #[error("the root of the internal CA in {} has expired: remove it and `ca-key.pem` beside it to have a new CA made", .0.display())]
    RootExpired(PathBuf),
    /// A file could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was attempted.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No certificate authority to verify origins by.
    #[error("no certificate authority to verify origins by: {0}")]
    NoRoots(String),
    /// A certificate could not be made.
    #[error("cannot issue a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// The TLS library refuses.
    #[error("TLS: {0}")]
    Rustls(#[from] rustls::Error),
}
