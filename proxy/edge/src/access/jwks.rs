//! Sets of public keys (RFC 7517), from a file or from a URL that is asked in the background.
//!
//! What cannot be fetched changes nothing: the last good set goes on. A key that nobody knows has the set fetched before
//! its time, but not more often than every [`RETRY`], so that tokens with invented keys cannot make us ask.

use crate::{
    fetch::{Question, fetch},
    log_error,
    plan::PoolPlan,
    shared::Shared,
};
use arc_swap::ArcSwapOption;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Keys of a set that are looked at.
pub const KEYS_MAX: usize = 64;
/// Bytes of a set at most.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// How often a set is fetched again.
const REFRESH: Duration = Duration::from_secs(600);
/// How soon it is fetched again at the earliest: after a failure, or for a key that nobody knows.
pub const RETRY: Duration = Duration::from_secs(10);
/// The longest a fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// A key.
pub struct Key {
    /// `kid`
    pub id: Option<String>,
    /// Signatures it can verify.
    pub algorithms: Vec<Algorithm>,
    /// The key itself.
    pub key: DecodingKey,
}

/// A set of keys that may be exchanged for another.
pub struct KeySet {
    /// Where it is from, for logs and for being carried over.
    pub source: String,
    keys: ArcSwapOption<Vec<Key>>,
    wanted: Notify,
    fetched: Option<Fetched>,
}

/// Where a set is fetched.
struct Fetched {
    pool: Arc<PoolPlan>,
    request: String,
}

impl KeySet {
    /// A set that is there.
    pub fn of_file(source: String, keys: Vec<Key>) -> Self {
        Self {
            source,
            keys: ArcSwapOption::from_pointee(keys),
            wanted: Notify::new(),
            fetched: None,
        }
    }

    /// A set to be fetched; until it is, `before` counts.
    pub fn of_url(
        source: String,
        pool: Arc<PoolPlan>,
        authority: &str,
        path: &str,
        before: Option<&KeySet>,
    ) -> Self {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nAccept: application/json\r\nUser-Agent: seawall\r\nConnection: close\r\n\r\n"
        );
        Self {
            source,
            keys: ArcSwapOption::new(before.and_then(|b| b.keys.load_full())),
            wanted: Notify::new(),
            fetched: Some(Fetched { pool, request }),
        }
    }

    /// The keys; `None` while none were ever there.
    pub fn keys(&self) -> Option<Arc<Vec<Key>>> {
        self.keys.load_full()
    }

    /// Asks for the set to be fetched soon.
    pub fn want(&self) {
        self.wanted.notify_one();
    }

    /// Whether it is fetched from somewhere.
    pub fn is_fetched(&self) -> bool {
        self.fetched.is_some()
    }
}

/// Reads a set. Keys that can verify nothing here are passed over.
///
/// # Errors
/// What is no set, or one in which no key can be used.
pub fn parse(text: &[u8]) -> Result<Vec<Key>, String> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(format!("a key set has at most {DOCUMENT_BYTES_MAX} bytes"));
    }
    // Keys of a kind that is not known must not keep the others from being read (RFC 7517 §5).
    let document: serde_json::Value =
        serde_json::from_slice(text).map_err(|e| format!("no JSON: {e}"))?;
    let all = document
        .get("keys")
        .and_then(|k| k.as_array())
        .ok_or("a key set has a list `keys`")?;
    let keys: Vec<Key> = all
        .iter()
        .take(KEYS_MAX)
        .filter_map(|key| {
            let one = serde_json::json!({ "keys": [key] });
            let set: JwkSet = serde_json::from_value(one).ok()?;
            set.keys.first().and_then(usable)
        })
        .collect();
    if keys.is_empty() {
        return Err("no key in it can verify a signature".into());
    }
    Ok(keys)
}

fn usable(jwk: &jsonwebtoken::jwk::Jwk) -> Option<Key> {
    if !matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    ) {
        return None;
    }
    use Algorithm::*;
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(p) => match p.curve {
            EllipticCurve::P256 => vec![ES256],
            EllipticCurve::P384 => vec![ES384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(p) if p.curve == EllipticCurve::Ed25519 => vec![EdDSA],
        // A symmetric key verifies what anybody could have signed who has seen the set.
        _ => return None,
    };
    if let Some(said) = jwk.common.key_algorithm {
        algorithms.retain(|a| named(*a) == Some(said));
    }
    if algorithms.is_empty() {
        return None;
    }
    Some(Key {
        id: jwk.common.key_id.clone(),
        algorithms,
        key: DecodingKey::from_jwk(jwk).ok()?,
    })
}

fn named(algorithm: Algorithm) -> Option<KeyAlgorithm> {
    Some(match algorithm {
        Algorithm::RS256 => KeyAlgorithm::RS256,
        Algorithm::RS384 => KeyAlgorithm::RS384,
        Algorithm::RS512 => KeyAlgorithm::RS512,
        Algorithm::PS256 => KeyAlgorithm::PS256,
        Algorithm::PS384 => KeyAlgorithm::PS384,
        Algorithm::PS512 => KeyAlgorithm::PS512,
        Algorithm::ES256 => KeyAlgorithm::ES256,
        Algorithm::ES384 => KeyAlgorithm::ES384,
        Algorithm::EdDSA => KeyAlgorithm::EdDSA,
        _ => return None,
    })
}

/// Keeps a set fresh; ends with the task it runs in.
pub async fn refresh_forever(shared: Arc<Shared>, set: Arc<KeySet>) {
    let Some(from) = &set.fetched else { return };
    loop {
        let question = Question {
            request: &from.request,
            most: DOCUMENT_BYTES_MAX,
        };
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, fetch(&from.pool, &question)).await;
        let fetched =
            fetched.unwrap_or_else(|_| Err(format!("no answer within {FETCH_TIMEOUT:?}")));
        let next = match fetched.and_then(|text| parse(&text)) {
            Ok(keys) => {
                set.keys.store(Some(Arc::new(keys)));
                REFRESH
            }
            Err(e) => {
                shared.metrics.key_fetch_failures.inc();
                log_error!(
                    shared,
                    Error,
                    0,
                    "keys of {} were not fetched: {e}",
                    set.source
                );
                RETRY
            }
        };
        tokio::time::sleep(RETRY).await;
        if next > RETRY {
            // Whoever asked while it was too soon is heard now.
            let _ = tokio::time::timeout(next - RETRY, set.wanted.notified()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_prove_nothing_are_passed_over() {
        let ed = r#"{"kty":"OKP","crv":"Ed25519","kid":"e","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let oct = r#"{"kty":"oct","kid":"o","k":"c2VjcmV0"}"#;
        let encrypts = r#"{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let unknown = r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AAAA"}"#;
        let all = format!("{{\"keys\":[{oct},{unknown},{encrypts},{ed}]}}");
        let keys = parse(all.as_bytes()).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].algorithms, [Algorithm::EdDSA]);
        for bad in [
            "",
            "[]",
            "{}",
            "{\"keys\":[]}",
            &format!("{{\"keys\":[{oct}]}}"),
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let many = vec![ed; 1000].join(",");
        let keys = parse(format!("{{\"keys\":[{many}]}}").as_bytes()).unwrap();
        assert_eq!(keys.len(), KEYS_MAX);
        assert!(parse(&vec![b' '; DOCUMENT_BYTES_MAX + 1]).is_err());
    }
}
