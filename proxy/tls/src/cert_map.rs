//! Which certificate a name gets.

use crate::{
    acme::LiveCertificate, certificate::is_rsa, client_policy::ClientPolicy, limits::NAME_BYTES_MAX,
};
use rustls::{SignatureScheme, sign::CertifiedKey};
use smallvec::SmallVec;
use std::{collections::HashMap, sync::Arc};

/// A certificate that is served.
#[derive(Clone, Debug)]
pub enum Served {
    /// The same one as long as the map.
    Fixed(Arc<CertifiedKey>),
    /// One that is exchanged meanwhile.
    Live(Arc<LiveCertificate>),
}

impl Served {
    fn get(&self) -> Option<Arc<CertifiedKey>> {
        match self {
            Self::Fixed(key) => Some(Arc::clone(key)),
            Self::Live(live) => live.get(),
        }
    }

    /// What is exchanged is never RSA: we make its key.
    fn is_rsa(&self) -> bool {
        matches!(self, Self::Fixed(key) if is_rsa(key))
    }
}

/// What one name gets: usually one certificate, two where there is an ECDSA and an RSA one; and what its clients must
/// show.
#[derive(Debug, Default)]
struct Keys {
    keys: SmallVec<[Served; 1]>,
    clients: Option<Arc<ClientPolicy>>,
}

/// Certificates by name. Immutable: see [`Resolver`](crate::Resolver).
#[derive(Debug, Default)]
pub struct CertMap {
    exact: HashMap<Box<str>, Keys>,
    /// `*.a.test` under `a.test`.
    wildcard: HashMap<Box<str>, Keys>,
    /// `.a.test` under `a.test`.
    below: HashMap<Box<str>, Keys>,
    default: Keys,
}

/// Builds a [`CertMap`].
#[derive(Debug, Default)]
pub struct CertMapBuilder {
    map: CertMap,
}

impl CertMapBuilder {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a certificate for a name, in any case:
    ///
    /// - `a.test`: this name;
    /// - `*.a.test`: names one label below, as certificates mean it (RFC 6125 §6.4.3);
    /// - `.a.test`: names any number of labels below, as nginx's `*.a.test` means it;
    /// - `*`: every other name, and clients that name no server.
    ///
    /// The first certificate of a kind (RSA or not) for a name stays; further ones are ignored.
    pub fn add(&mut self, name: &str, key: Arc<CertifiedKey>) -> &mut Self {
        self.add_served(name, Served::Fixed(key), None)
    }

    /// [`add`](Self::add), for certificates that are exchanged, and for names whose clients must show one: what the first
    /// one added for a name says of them counts.
    pub fn add_served(
        &mut self,
        name: &str,
        key: Served,
        clients: Option<&Arc<ClientPolicy>>,
    ) -> &mut Self {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let keys = if name == "*" {
            &mut self.map.default
        } else if let Some(parent) = name.strip_prefix("*.") {
            self.map.wildcard.entry(parent.into()).or_default()
        } else if let Some(parent) = name.strip_prefix('.') {
            self.map.below.entry(parent.into()).or_default()
        } else {
            self.map.exact.entry(name.into()).or_default()
        };
        if keys.keys.is_empty() {
            keys.clients = clients.cloned();
        }
        let keys = &mut keys.keys;
        if !keys.iter().any(|known| known.is_rsa() == key.is_rsa()) {
            // ECDSA signs far faster: it is asked first.
            let at = if key.is_rsa() { keys.len() } else { 0 };
            keys.insert(at, key);
        }
        self
    }

    /// The map.
    pub fn build(self) -> CertMap {
        self.map
    }
}

impl CertMap {
    /// Whether some certificate answers to this name.
    pub fn covers(&self, name: Option<&str>) -> bool {
        self.find(name).is_some()
    }

    /// What clients must show who ask for this name; `None` where no certificate answers to it.
    pub(crate) fn served(&self, name: Option<&str>) -> Option<Option<Arc<ClientPolicy>>> {
        self.find(name).map(|keys| keys.clients.clone())
    }

    /// How many names it knows, the default aside.
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcard.len() + self.below.len()
    }

    /// Whether it has no certificate at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.default.keys.is_empty()
    }

    /// The certificate for a client: of the most specific name, and of a kind the client can verify by its signature
    /// schemes, from which rustls has taken those that the cipher suites of TLS 1.2 rule out.
    pub(crate) fn resolve(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let keys = &self.find(name)?.keys;
        let fits = |key: &Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        // With none that fits, the first: rustls then says what is missing, in its alert.
        let mut all = keys.iter().filter_map(Served::get);
        let first = all.next()?;
        if fits(&first) {
            return Some(first);
        }
        all.find(fits).or(Some(first))
    }

    fn find(&self, name: Option<&str>) -> Option<&Keys> {
        let default = || Some(&self.default).filter(|keys| !keys.keys.is_empty());
        let Some(name) = name else { return default() };
        // Lower case on the stack: a handshake allocates nothing here.
        let mut buffer = [0; NAME_BYTES_MAX];
        let name = name.strip_suffix('.').unwrap_or(name);
        let Some(lower) = buffer.get_mut(..name.len()) else {
            return default();
        };
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        let Ok(name) = std::str::from_utf8(lower) else {
            return default();
        };
        self.named(name).or_else(default)
    }

    fn named(&self, name: &str) -> Option<&Keys> {
        if let Some(keys) = self.exact.get(name) {
            return Some(keys);
        }
        let (_, parent) = name.split_once('.')?;
        if let Some(keys) = self.wildcard.get(parent) {
            return Some(keys);
        }
        if self.below.is_empty() {
            return None;
        }
        let parents = std::iter::successors(Some(parent), |parent| {
            parent.split_once('.').map(|(_, parent)| parent)
        });
        parents
            .into_iter()
            .find_map(|parent| self.below.get(parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    fn key() -> Arc<CertifiedKey> {
        let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
        let secret = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        certificate::from_der(vec![made.cert.der().clone()], PrivateKeyDer::Pkcs8(secret)).unwrap()
    }

    fn map(names: &[&str]) -> CertMap {
        let mut map = CertMapBuilder::new();
        for name in names {
            map.add(name, key());
        }
        map.build()
    }

    #[test]
    fn case_and_a_final_dot_do_not_matter() {
        let map = map(&["A.Test.", "*.B.test"]);
        assert_eq!(map.len(), 2);
        for name in ["a.test", "A.TEST", "a.test.", "x.b.TEST", "X.B.test."] {
            assert!(map.covers(Some(name)), "{name}");
        }
    }

    #[test]
    fn a_wildcard_covers_one_label_and_not_its_parent() {
        let map = map(&["*.a.test"]);
        for name in ["a.test", "x.y.a.test", "xa.test", "test", ""] {
            assert!(!map.covers(Some(name)), "{name:?}");
        }
        assert!(!map.covers(None));
    }

    #[test]
    fn a_name_past_the_limit_is_only_covered_by_the_default() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert!(!map(&[".test", &long]).covers(Some(&long)));
        assert!(map(&["*"]).covers(Some(&long)));
    }

    #[test]
    fn names_that_are_no_names_find_nothing() {
        let map = map(&["a.test"]);
        for name in [".", "..", "...", "a.test..", "\u{e4}.test", "*.a.test", "*"] {
            assert!(!map.covers(Some(name)), "{name:?}");
        }
    }

    #[test]
    fn the_first_certificate_of_a_kind_stays() {
        let (first, second) = (key(), key());
        let mut map = CertMapBuilder::new();
        map.add("a.test", Arc::clone(&first)).add("a.test", second);
        let map = map.build();
        assert!(Arc::ptr_eq(
            &map.resolve(Some("a.test"), &[]).unwrap(),
            &first
        ));
        assert!(!map.is_empty() && CertMap::default().is_empty());
    }
}
