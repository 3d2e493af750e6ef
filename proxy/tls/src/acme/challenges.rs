//! The proofs of control that are up now, where listeners find them.

use crate::{certificate, error::TlsError, provider::provider};
use arc_swap::ArcSwap;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// The protocol name of tls-alpn-01 (RFC 8737 §4).
pub(crate) const ALPN: &[u8] = b"acme-tls/1";

/// The path below which http-01 is answered (RFC 8555 §8.3).
const WELL_KNOWN: &[u8] = b"/.well-known/acme-challenge/";

/// Our own zones, as dns-01 needs them.
pub trait Zones: Send + Sync {
    /// Whether a name is in a zone that we answer for.
    fn holds(&self, name: &str) -> bool;

    /// Adds a TXT record; every answer has it when this returns.
    ///
    /// # Errors
    /// Why not, in a sentence.
    fn put(&self, name: &str, value: &str) -> Result<(), String>;

    /// Takes it away again.
    fn remove(&self, name: &str, value: &str);
}

/// The proofs that are up now.
#[derive(Default)]
pub struct Challenges {
    /// By token.
    http: ArcSwap<HashMap<String, String>>,
    /// By name.
    alpn: ArcSwap<HashMap<String, Arc<CertifiedKey>>>,
    /// How many of the first there are: a request looks at this and no further.
    http_count: AtomicUsize,
}

/// A proof that is up until this is dropped.
pub struct Held {
    take_down: Option<Box<dyn FnOnce() + Send>>,
}

impl Held {
    pub(super) fn of(take_down: impl FnOnce() + Send + 'static) -> Self {
        Self {
            take_down: Some(Box::new(take_down)),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(take_down) = self.take_down.take() {
            take_down();
        }
    }
}

impl Challenges {
    /// Has a file served below the well-known path.
    pub fn put_http(self: &Arc<Self>, token: &str, content: &str) -> Held {
        let (token, content) = (token.to_owned(), content.to_owned());
        self.change_http(|all| drop(all.insert(token.clone(), content.clone())));
        let this = Arc::clone(self);
        Held::of(move || this.change_http(|all| drop(all.remove(&token))))
    }

    fn change_http(&self, change: impl Fn(&mut HashMap<String, String>)) {
        self.http.rcu(|all| {
            let mut all = HashMap::clone(all);
            change(&mut all);
            all
        });
        self.http_count
            .store(self.http.load().len(), Ordering::Release);
    }

    /// The content for a path of a request, if it is a proof's.
    pub fn http(&self, path: &[u8]) -> Option<String> {
        if self.http_count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let token = std::str::from_utf8(path.strip_prefix(WELL_KNOWN)?).ok()?;
        self.http.load().get(token).cloned()
    }

    /// Has a certificate shown that proves control over a name by the digest of its key authorization (RFC 8737 §3).
    ///
    /// # Errors
    /// [`TlsError::BadName`], [`TlsError::Issue`]
    pub fn put_alpn(self: &Arc<Self>, name: &str, digest: &[u8]) -> Result<Held, TlsError> {
        let name = name.to_ascii_lowercase();
        let key = proof(&name, digest)?;
        self.change_alpn(|all| drop(all.insert(name.clone(), Arc::clone(&key))));
        let this = Arc::clone(self);
        Ok(Held::of(move || {
            // A later order for the name may have put up its own meanwhile.
            this.change_alpn(|all| {
                if all.get(&name).is_some_and(|held| Arc::ptr_eq(held, &key)) {
                    all.remove(&name);
                }
            });
        }))
    }

    fn change_alpn(&self, change: impl Fn(&mut HashMap<String, Arc<CertifiedKey>>)) {
        self.alpn.rcu(|all| {
            let mut all = HashMap::clone(all);
            change(&mut all);
            all
        });
    }

    /// The certificate that proves control over a name.
    pub(crate) fn alpn(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.alpn.load().get(&name.to_ascii_lowercase()).cloned()
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenges")
            .field("http", &self.http.load().len())
            .field("alpn", &self.alpn.load().len())
            .finish()
    }
}

/// Self-signed, for the one name, with the digest in a critical extension.
fn proof(name: &str, digest: &[u8]) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let made = params.self_signed(&key)?;
    let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    certificate::from_der(vec![made.der().clone()], secret)
}

/// Shows one certificate.
#[derive(Debug)]
struct Shown(Arc<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// The configuration for one handshake of tls-alpn-01. Nothing is spoken after it.
pub(crate) fn proving(key: Arc<CertifiedKey>) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shown(key)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A proof is not resumed: the CA is to see the certificate.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_served_while_it_is_held_and_only_below_its_path() {
        let challenges = Arc::new(Challenges::default());
        let path = b"/.well-known/acme-challenge/tok";
        assert_eq!(challenges.http(path), None);
        let held = challenges.put_http("tok", "tok.print");
        let other = challenges.put_http("other", "x");
        assert_eq!(challenges.http(path).as_deref(), Some("tok.print"));
        for no in [
            &b"/tok"[..],
            b"/.well-known/acme-challenge/",
            b"/.well-known/acme-challenge/no",
            b"/.well-known/acme-challenge/\xff",
        ] {
            assert_eq!(challenges.http(no), None);
        }
        drop(held);
        assert_eq!(challenges.http(path), None);
        drop(other);
        assert_eq!(challenges.http_count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_later_proof_for_the_same_name_outlives_the_end_of_the_first() {
        let challenges = Arc::new(Challenges::default());
        let first = challenges.put_alpn("A.test", &[1; 32]).unwrap();
        let second = challenges.put_alpn("a.test", &[2; 32]).unwrap();
        drop(first);
        assert!(challenges.alpn("a.TEST").is_some());
        drop(second);
        assert!(challenges.alpn("a.test").is_none());
    }
}
