//! Certificates and keys from PEM, and what can be read from them.

use crate::{
    acme::Validity,
    error::TlsError,
    limits::{CHAIN_MAX, OCSP_BYTES_MAX},
    provider::{provider, sha256},
};
use rustls::{
    SignatureAlgorithm,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::{CertifiedKey, SigningKey},
};
use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, prelude::FromDer,
    x509::SubjectPublicKeyInfo,
};

/// A certificate chain (PEM, leaf first) with its private key (PEM: PKCS#8, PKCS#1 or SEC1), which must be the leaf's.
///
/// Certificates of version 1 are accepted: what a certificate has to say is the client's business, here only its public
/// key counts.
pub fn certified_key(chain_pem: &[u8], key_pem: &[u8]) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = chain(chain_pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| key_error(key_pem, error))?;
    from_der(chain, key)
}

/// The same certificate with an OCSP response (DER) that is stapled to it (RFC 6066 §8).
///
/// # Errors
/// [`TlsError::BadOcsp`]
pub fn stapled(key: &CertifiedKey, ocsp: Vec<u8>) -> Result<Arc<CertifiedKey>, TlsError> {
    // A SEQUENCE whose first element is the status `successful` (RFC 6960 §4.2.1); clients look at the rest.
    let body = match ocsp.as_slice() {
        [0x30, short, body @ ..] if *short < 0x80 => body,
        [0x30, 0x81, _, body @ ..] | [0x30, 0x82, _, _, body @ ..] => body,
        _ => return Err(TlsError::BadOcsp),
    };
    if ocsp.len() > OCSP_BYTES_MAX || !body.starts_with(&[0x0a, 1, 0]) {
        return Err(TlsError::BadOcsp);
    }
    let mut key = key.clone();
    key.ocsp = Some(ocsp);
    Ok(Arc::new(key))
}

/// The same from DER.
pub(crate) fn from_der(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = provider()
        .key_provider
        .load_private_key(key)
        .map_err(|error| TlsError::BadKey(error.to_string()))?;
    let leaf = chain.first().ok_or(TlsError::NoCertificate)?;
    belongs(&parse(leaf, 1)?, &*key)?;
    Ok(Arc::new(CertifiedKey::new(chain, key)))
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let position = chain.len() + 1;
        let bad = |error: rustls::pki_types::pem::Error| TlsError::BadCertificate {
            position,
            reason: error.to_string(),
        };
        let certificate = certificate.map_err(bad)?;
        parse(&certificate, position)?;
        chain.push(certificate);
    }
    match chain.len() {
        0 => Err(TlsError::NoCertificate),
        1..=CHAIN_MAX => Ok(chain),
        count => Err(TlsError::ChainTooLong(count)),
    }
}

fn key_error(pem: &[u8], error: rustls::pki_types::pem::Error) -> TlsError {
    let text = String::from_utf8_lossy(pem);
    if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return TlsError::EncryptedKey;
    }
    match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError::NoKey,
        error => TlsError::BadKey(error.to_string()),
    }
}

fn parse<'a>(
    der: &'a CertificateDer<'_>,
    position: usize,
) -> Result<X509Certificate<'a>, TlsError> {
    let bad = |reason: String| TlsError::BadCertificate { position, reason };
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(bad("bytes follow after its end".into())),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// Whether the key is the certificate's: the same bits of a public key. The algorithm identifier around them may be
/// written in more than one way.
fn belongs(certificate: &X509Certificate<'_>, key: &dyn SigningKey) -> Result<(), TlsError> {
    let spki = key
        .public_key()
        .ok_or_else(|| TlsError::BadKey("its public half cannot be derived".into()))?;
    let (_, public) = SubjectPublicKeyInfo::from_der(&spki)
        .map_err(|error| TlsError::BadKey(error.to_string()))?;
    let certified = certificate.public_key();
    if public.subject_public_key.data == certified.subject_public_key.data {
        return Ok(());
    }
    Err(TlsError::KeyMismatch {
        key: describe(&public),
        certificate: format!(
            "{} ({})",
            names_of(certificate).join(", "),
            describe(certified)
        ),
    })
}

/// A public key in a few words, such as `ECDSA, SHA-256 1f2e3d4c5b6a7988`.
fn describe(key: &SubjectPublicKeyInfo<'_>) -> String {
    let algorithm = match key.algorithm.algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.1" => "RSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.10045.2.1" => "ECDSA",
        "1.3.101.112" => "Ed25519",
        _ => "another algorithm",
    };
    let digest = sha256(&key.subject_public_key.data);
    let fingerprint: String = digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{algorithm}, SHA-256 {fingerprint}")
}

/// The names a certificate is for: its DNS names (in lower case) and IP addresses, or its common name where it has
/// none of them.
pub fn names(key: &CertifiedKey) -> Vec<String> {
    let parsed = key.cert.first().and_then(|leaf| parse(leaf, 1).ok());
    parsed
        .map(|certificate| names_of(&certificate))
        .unwrap_or_default()
}

fn names_of(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternatives = certificate.subject_alternative_name().ok().flatten();
    let alternatives = alternatives
        .iter()
        .flat_map(|extension| &extension.value.general_names);
    let names: Vec<String> = alternatives.filter_map(general_name).collect();
    if !names.is_empty() {
        return names;
    }
    let common_names = certificate.subject().iter_common_name();
    common_names
        .filter_map(|name| name.as_str().ok())
        .map(str::to_ascii_lowercase)
        .collect()
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|octets| IpAddr::from(octets).to_string()),
            16 => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|octets| IpAddr::from(octets).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// When the leaf expires; `None` when it says something absurd.
pub fn not_after(key: &CertifiedKey) -> Option<SystemTime> {
    validity(key).map(|validity| validity.not_after)
}

/// From when to when the leaf is valid; `None` when it says something absurd.
pub fn validity(key: &CertifiedKey) -> Option<Validity> {
    let certificate = parse(key.cert.first()?, 1).ok()?;
    let time = |seconds: i64| {
        let seconds = u64::try_from(seconds).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    };
    Some(Validity {
        not_before: time(certificate.validity().not_before.timestamp())?,
        not_after: time(certificate.validity().not_after.timestamp())?,
    })
}

/// Whether a key signs with RSA: the dearer one for the server where a site has both.
pub(crate) fn is_rsa(key: &CertifiedKey) -> bool {
    key.key.algorithm() == SignatureAlgorithm::RSA
}
