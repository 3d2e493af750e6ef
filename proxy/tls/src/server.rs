//! The server's side of a listener.

use crate::{error::TlsError, limits::SESSIONS_MAX, provider::provider, resolver::Resolver};
use rustls::{ServerConfig, crypto::aws_lc_rs::Ticketer, server::ServerSessionMemoryCache};
use std::sync::Arc;

/// The configuration of a listener: TLS 1.2 and 1.3, certificates by `resolver`, protocols in order of preference (such
/// as `[b"h2", b"http/1.1"]`).
///
/// Session tickets are made with keys of this configuration that are replaced every six hours. All threads must share
/// the one `Arc`, and a reload keep it (certificates change in the resolver), or resumption fails. It is not shared
/// between listeners: a ticket must not carry a session from one policy to another.
pub fn server_config(
    resolver: Arc<Resolver>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config.ticketer = Ticketer::new()?;
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
    Ok(Arc::new(config))
}
