//! The cryptography, as an explicit value.

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::{Arc, LazyLock};

/// The house's cryptography: aws-lc-rs with its AEAD suites, key exchange with X25519MLKEM768 first, so that what is
/// recorded today stays closed to tomorrow's quantum computers, then X25519, P-256 and P-384.
///
/// Also to be installed as the process default before any library can install another one:
/// `CryptoProvider::clone(&provider()).install_default()`.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            kx_groups: vec![
                aws_lc_rs::kx_group::X25519MLKEM768,
                aws_lc_rs::kx_group::X25519,
                aws_lc_rs::kx_group::SECP256R1,
                aws_lc_rs::kx_group::SECP384R1,
            ],
            ..aws_lc_rs::default_provider()
        })
    });
    Arc::clone(&PROVIDER)
}

/// SHA-256, from the same library.
pub(crate) fn sha256(bytes: &[u8]) -> Vec<u8> {
    match aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13() {
        Some(suite) => suite.common.hash_provider.hash(bytes).as_ref().to_vec(),
        None => Vec::new(),
    }
}
