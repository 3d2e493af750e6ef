//! A certificate that is exchanged while it is served.

use arc_swap::ArcSwapOption;
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// What the SNI map holds for a certificate that changes by itself. Handshakes that began with the old one finish on it.
#[derive(Debug, Default)]
pub struct LiveCertificate(ArcSwapOption<CertifiedKey>);

impl LiveCertificate {
    /// The certificate in force; `None` before there is any.
    pub fn get(&self) -> Option<Arc<CertifiedKey>> {
        self.0.load_full()
    }

    /// Puts another one in force.
    pub fn set(&self, key: Arc<CertifiedKey>) {
        self.0.store(Some(key));
    }

    /// Puts one in force if there is none.
    pub(crate) fn set_first(&self, key: Arc<CertifiedKey>) {
        if self.0.load().is_none() {
            self.0.store(Some(key));
        }
    }
}
