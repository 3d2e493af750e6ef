//! The client's side, towards origins.

use crate::{error::TlsError, provider::provider};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::sync::Arc;

/// What a connection to origins needs.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientOptions<'a> {
    /// The authorities trusted; the system's when `None`.
    pub ca_pem: Option<&'a [u8]>,
    /// Whether the origin's certificate must be valid for its name.
    pub verify: bool,
}

/// The configuration for connections to origins. Sessions are resumed through it: one for each pool.
///
/// With `verify`, the origin's certificate must be valid for its name under the authorities in `ca_pem`, or the
/// system's when that is `None`. Without (nginx's default, `proxy_ssl_verify off`) any certificate will do, even one of
/// version 1, and an attacker in between goes unnoticed.
pub fn client_config(options: &ClientOptions<'_>) -> Result<Arc<ClientConfig>, TlsError> {
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let config = if options.verify {
        let roots = match options.ca_pem {
            Some(pem) => roots_from_pem(pem)?,
            None => system_roots()?,
        };
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth()
    };
    Ok(Arc::new(config))
}

fn roots_from_pem(pem: &[u8]) -> Result<RootCertStore, TlsError> {
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
