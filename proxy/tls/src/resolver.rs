//! The map in force, as rustls asks for it.

use crate::cert_map::CertMap;
use arc_swap::ArcSwap;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Answers each ClientHello from the map in force, which may be swapped at any time.
#[derive(Debug, Default)]
pub struct Resolver {
    map: ArcSwap<CertMap>,
    unrecognised: AtomicU64,
}

impl Resolver {
    /// A resolver with a first map.
    pub fn new(map: CertMap) -> Arc<Self> {
        Arc::new(Self {
            map: ArcSwap::from_pointee(map),
            unrecognised: AtomicU64::new(0),
        })
    }

    /// Puts another map in force for handshakes that begin from now on. Connections that are open keep theirs.
    pub fn store(&self, map: CertMap) {
        self.map.store(Arc::new(map));
    }

    /// The map in force.
    pub fn map(&self) -> Arc<CertMap> {
        self.map.load_full()
    }

    /// Handshakes refused because no certificate answers to the name asked for.
    pub fn unrecognised(&self) -> u64 {
        self.unrecognised.load(Relaxed)
    }

    pub(crate) fn note_unrecognised(&self) {
        self.unrecognised.fetch_add(1, Relaxed);
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let map = self.map.load();
        let key = map.resolve(hello.server_name(), hello.signature_schemes());
        if key.is_none() {
            self.note_unrecognised();
        }
        key
    }
}
