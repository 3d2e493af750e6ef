//! The client's side, towards origins.

use crate::{certificate::certified_key, error::TlsError, provider::provider};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{
        CertificateDer, CertificateRevocationListDer, ServerName, UnixTime, pem::PemObject,
    },
    sign::SingleCertAndKey,
};
use std::sync::Arc;

/// What connections to origins need.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientOptions<'a> {
    /// The authorities trusted; the system's when `None`.
    pub ca_pem: Option<&'a [u8]>,
    /// Whether the origin's certificate must be valid for its name.
    pub verify: bool,
    /// Revocation lists of the authorities; a certificate on one of them is refused.
    pub crl_pem: Option<&'a [u8]>,
    /// The chain and the key shown to an origin that asks for a certificate.
    pub identity_pem: Option<(&'a [u8], &'a [u8])>,
    /// Whether the name is left out of the handshake.
    pub nameless: bool,
    /// Protocols offered (ALPN), the preferred one first.
    pub alpn: &'a [&'a [u8]],
}

/// The configuration for connections to origins. Sessions are resumed through it: one for each pool.
///
/// With `verify`, the origin's certificate must be valid for its name under the authorities in `ca_pem`, or the
/// system's when that is `None`. Without (nginx's default, `proxy_ssl_verify off`) any certificate will do, even one of
/// version 1, and an attacker in between goes unnoticed.
pub fn client_config(options: &ClientOptions<'_>) -> Result<Arc<ClientConfig>, TlsError> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = if options.verify {
        builder.with_webpki_verifier(verifier(options)?)
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
    };
    let mut config = match options.identity_pem {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key = certified_key(chain, key)?;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
        }
    };
    config.enable_sni = !options.nameless;
    config.alpn_protocols = options.alpn.iter().map(|p| p.to_vec()).collect();
    Ok(Arc::new(config))
}

fn verifier(options: &ClientOptions<'_>) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let roots = match options.ca_pem {
        Some(pem) => roots_from_pem(pem)?,
        None => system_roots()?,
    };
    let mut builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    if let Some(pem) = options.crl_pem {
        let mut lists = Vec::new();
        for (list, position) in CertificateRevocationListDer::pem_slice_iter(pem).zip(1..) {
            lists.push(list.map_err(|error| TlsError::BadCertificate {
                position,
                reason: error.to_string(),
            })?);
        }
        // As nginx: who is on no list is good, whether or not every authority has one.
        builder = builder.with_crls(lists).allow_unknown_revocation_status();
    }
    builder
        .build()
        .map_err(|error| TlsError::NoRoots(error.to_string()))
}

pub(crate) fn roots_from_pem(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for (certificate, position) in CertificateDer::pem_slice_iter(pem).zip(1..) {
        let bad = |reason: String| TlsError::BadCertificate { position, reason };
        let certificate = certificate.map_err(|error| bad(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(roots)
}

/// The system's authorities; the few that cannot be read are left out.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs()
        .map_err(|error| TlsError::NoRoots(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found);
    if roots.is_empty() {
        return Err(TlsError::NoRoots(
            "the system has none (install ca-certificates, or name a file)".into(),
        ));
    }
    Ok(roots)
}

/// Accepts whatever an origin shows. Its signature is not looked at either: without an identity it proves nothing, and
/// the check would refuse certificates of version 1.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
