//! Certificates asked of clients.

use crate::{
    client::roots_from_pem, error::TlsError, limits::SESSIONS_MAX, provider::provider,
    resolver::Resolver,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::Ticketer,
    server::{ServerSessionMemoryCache, WebPkiClientVerifier},
};
use std::sync::Arc;

/// That a client must show a certificate of certain authorities. It has configurations and ticket keys of its own: a
/// session that began without a certificate cannot be resumed into it, nor one of other authorities.
#[derive(Debug)]
pub struct ClientPolicy {
    authorities_pem: Vec<u8>,
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

impl ClientPolicy {
    /// For listeners whose certificates `resolver` has.
    ///
    /// # Errors
    /// [`TlsError::NoCertificate`], [`TlsError::BadCertificate`], [`TlsError::NoRoots`]
    pub fn new(resolver: &Arc<Resolver>, authorities_pem: &[u8]) -> Result<Arc<Self>, TlsError> {
        let config = |alpn: &[&[u8]]| -> Result<Arc<ServerConfig>, TlsError> {
            let roots = Arc::new(roots_from_pem(authorities_pem)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                .build()
                .map_err(|error| TlsError::NoRoots(error.to_string()))?;
            let mut config = ServerConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()?
                .with_client_cert_verifier(verifier)
                .with_cert_resolver(Arc::<Resolver>::clone(resolver));
            config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
            config.ticketer = Ticketer::new()?;
            config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
            Ok(Arc::new(config))
        };
        Ok(Arc::new(Self {
            authorities_pem: authorities_pem.to_vec(),
            http1: config(&[b"http/1.1"])?,
            http2: config(&[b"h2", b"http/1.1"])?,
        }))
    }

    /// The authorities, as they were given.
    pub fn authorities_pem(&self) -> &[u8] {
        &self.authorities_pem
    }

    /// The configuration in place of a listener's: the one that speaks the same protocols.
    pub(crate) fn in_place_of(&self, base: &ServerConfig) -> &Arc<ServerConfig> {
        if base.alpn_protocols.iter().any(|protocol| protocol == b"h2") {
            return &self.http2;
        }
        &self.http1
    }
}
