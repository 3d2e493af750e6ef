//! JSON Web Tokens (RFC 7519), signed with a key of a set.
//!
//! How a signature is verified is the configuration's word, never the token's (RFC 8725 §3.1): its `alg` must be a listed
//! one and one of the key's own kind. A token expires (`exp` is asked for), `nbf` is looked at, `crit` is refused. What
//! was verified is remembered until it expires.

use super::{
    Granted, Proof,
    challenge::{Challenge, quoted},
    jwks::{Key, KeySet},
    request_of,
};
use crate::{log_error, metrics::AccessResult, pipeline::Cx, template::cookie, tx::Tx};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, errors::ErrorKind};
use parking_lot::Mutex;
use seawall_conf::model::TokenSource;
use seawall_http::{Name, encode};
use serde_json::Value;
use std::{collections::HashMap, sync::Arc};

/// A longer token is none.
pub const TOKEN_BYTES_MAX: usize = 8192;
/// Verified tokens of one route that are remembered.
pub const VERIFIED_MAX: usize = 4096;
/// Keys tried for a token that names none.
const NAMELESS_KEYS_MAX: usize = 8;

/// A compiled `jwt`.
pub struct JwtPlan {
    /// The keys.
    pub keys: Arc<KeySet>,
    /// What is asked of a token, by its algorithm.
    pub validations: Vec<(Algorithm, Validation)>,
    /// Seconds of tolerance.
    pub leeway_s: u64,
    /// Claims by path, and the fields the origin gets them in.
    pub claims: Vec<(Vec<String>, Box<[u8]>)>,
    /// Where the token is.
    pub from: TokenSource,
    /// Whether a request without one is refused.
    pub required: bool,
    /// What was verified.
    pub verified: Mutex<HashMap<[u8; 32], Arc<Verified>, ahash::RandomState>>,
}

/// A token that was verified.
pub struct Verified {
    /// When it expires, with the tolerance (seconds since 1970).
    until_s: u64,
    /// The keys it was verified with, to be verified anew with others.
    keys: Arc<Vec<Key>>,
    fields: Vec<(Box<[u8]>, Vec<u8>)>,
    /// See [`Granted::claims`].
    claims: Vec<Option<Box<[u8]>>>,
}

/// Why a token does not count.
enum Flaw {
    /// It is none, or not a good one.
    Invalid(&'static str),
    /// Nobody knows its key.
    UnknownKey,
    /// There are no keys yet.
    NoKeys,
}

/// Looks at a request's token.
pub(crate) fn check(cx: &mut Cx<'_>, plan: &JwtPlan) -> Proof {
    let token = match token(cx.tx, &plan.from) {
        Ok(Some(token)) => token.to_vec(),
        Ok(None) if !plan.required => return Proof::Passed,
        // RFC 6750 §3.1: who sent nothing is told nothing but how.
        Ok(None) => return Proof::Refused(challenge(cx, None)),
        Err(why) => return invalid(cx, why),
    };
    match verified(cx, plan, &token) {
        Ok(found) => {
            cx.tx.grant(Granted {
                request: found.fields.clone(),
                response_lines: Vec::new(),
                claims: found.claims.clone(),
            });
            Proof::Passed
        }
        Err(Flaw::Invalid(why)) => invalid(cx, why),
        Err(Flaw::UnknownKey) => {
            plan.keys.want();
            invalid(cx, "the key is unknown")
        }
        Err(Flaw::NoKeys) => {
            plan.keys.want();
            log_error!(
                cx.local.shared,
                Error,
                cx.client.info.serial,
                "there are no keys of {} yet, {}",
                plan.keys.source,
                request_of(cx)
            );
            Proof::Refused(Challenge::Unavailable(503))
        }
    }
}

fn invalid(cx: &mut Cx<'_>, why: &'static str) -> Proof {
    cx.site.metrics.access(AccessResult::BadToken);
    log_error!(
        cx.local.shared,
        Info,
        cx.client.info.serial,
        "token refused: {why}, {}",
        request_of(cx)
    );
    Proof::Refused(challenge(cx, Some(why)))
}

fn challenge(cx: &Cx<'_>, why: Option<&str>) -> Challenge {
    let mut value = b"Bearer realm=".to_vec();
    quoted(cx.site.name.as_bytes(), &mut value);
    if let Some(why) = why {
        value.extend_from_slice(b", error=\"invalid_token\", error_description=");
        quoted(why.as_bytes(), &mut value);
    }
    Challenge::Credentials(value)
}

/// The token of a request, where there is one. Two are none: which one would count?
fn token<'a>(tx: &'a Tx, from: &TokenSource) -> Result<Option<&'a [u8]>, &'static str> {
    let fields = tx.fields();
    let (first, second) = match from {
        TokenSource::Bearer => {
            let mut all = fields.all(Name::Authorization);
            (all.next(), all.next())
        }
        TokenSource::Header(name) => {
            let mut all = fields.find_all(name.as_bytes());
            (all.next(), all.next())
        }
        TokenSource::Cookie(name) => (cookie(tx, name.as_bytes()), None),
    };
    let Some(value) = first else { return Ok(None) };
    if second.is_some() {
        return Err("there are two tokens");
    }
    let value = match from {
        TokenSource::Bearer => match value.split_at_checked(7) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest.trim_ascii(),
            // Another scheme is no token: another way of the route may look at it.
            _ => return Ok(None),
        },
        _ => value.trim_ascii(),
    };
    match value.len() {
        0 => Ok(None),
        1..=TOKEN_BYTES_MAX => Ok(Some(value)),
        _ => Err("the token is too long"),
    }
}

fn verified(cx: &Cx<'_>, plan: &JwtPlan, token: &[u8]) -> Result<Arc<Verified>, Flaw> {
    let keys = plan.keys.keys().ok_or(Flaw::NoKeys)?;
    let now_s = cx.tx.now_ms / 1000;
    let sum = cx.local.shared.passwords.sum(&[b"token", token]);
    let known = plan.verified.lock().get(&sum).cloned();
    if let Some(known) = known.filter(|k| k.until_s > now_s && Arc::ptr_eq(&k.keys, &keys)) {
        return Ok(known);
    }
    let claims = verify(plan, &keys, token)?;
    let exp = claims.get("exp").and_then(Value::as_f64).unwrap_or(0.0);
    let fresh = Arc::new(Verified {
        until_s: (exp.max(0.0) as u64).saturating_add(plan.leeway_s),
        keys: keys.clone(),
        fields: fields_of(plan, &claims),
        claims: cx
            .plan
            .claims
            .iter()
            .map(|name| Some(text_of(claims.get(&**name)?)?.into_bytes().into()))
            .collect(),
    });
    let mut all = plan.verified.lock();
    if all.len() >= VERIFIED_MAX {
        all.retain(|_, v| v.until_s > now_s && Arc::ptr_eq(&v.keys, &keys));
    }
    if all.len() >= VERIFIED_MAX {
        all.clear();
    }
    all.insert(sum, fresh.clone());
    Ok(fresh)
}

/// Verifies signature and claims.
fn verify(plan: &JwtPlan, keys: &[Key], token: &[u8]) -> Result<Value, Flaw> {
    let header = decode_header(token).map_err(|_| Flaw::Invalid("it is no signed token"))?;
    let validation = plan
        .validations
        .iter()
        .find(|(algorithm, _)| *algorithm == header.alg)
        .map(|(_, validation)| validation)
        .ok_or(Flaw::Invalid("its algorithm is not taken"))?;
    // RFC 7515 §4.1.11: what must be understood and is not. RFC 7516 tokens are encrypted, not signed.
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(Flaw::Invalid("it asks for what is not understood"));
    }
    let fits = |key: &&Key| {
        key.algorithms.contains(&header.alg) && (header.kid.is_none() || key.id == header.kid)
    };
    let mut flaw = Flaw::UnknownKey;
    for key in keys.iter().filter(fits).take(NAMELESS_KEYS_MAX) {
        match decode::<Value>(token, &key.key, validation) {
            Ok(data) => return Ok(data.claims),
            Err(e) => flaw = Flaw::Invalid(words(e.kind())),
        }
    }
    Err(flaw)
}

/// What is told of a token that is not good: the kind of the flaw, nothing of the token.
fn words(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidSignature => "the signature is wrong",
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "the issuer is another",
        ErrorKind::InvalidAudience => "it is for somebody else",
        ErrorKind::MissingRequiredClaim(_) => "a claim is missing",
        _ => "it is no good token",
    }
}

/// The claims that the origin gets.
fn fields_of(plan: &JwtPlan, claims: &Value) -> Vec<(Box<[u8]>, Vec<u8>)> {
    let mut fields = Vec::new();
    for (path, name) in &plan.claims {
        let found = path.iter().try_fold(claims, |at, key| at.get(key));
        if let Some(text) = found.and_then(text_of)
            && encode::is_field_value(text.as_bytes())
        {
            fields.push((name.clone(), text.into_bytes()));
        }
    }
    fields
}

/// A claim as the value of a field. A list is joined by commas, so that a member with a comma, which would become two,
/// is left out; an object has no such form.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Array(all) => {
            let texts: Vec<String> = all
                .iter()
                .filter(|v| !matches!(v, Value::Array(_)))
                .filter_map(text_of)
                .filter(|t| !t.contains(','))
                .collect();
            Some(texts.join(","))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_claim_cannot_become_two() {
        assert_eq!(
            text_of(&json!(["a", "b,admin", 3, {"x": 1}, ["y"], true])),
            Some("a,3,true".into())
        );
        assert_eq!(text_of(&json!("x")), Some("x".into()));
        assert_eq!(text_of(&json!({"a": 1})), None);
        assert_eq!(text_of(&json!(null)), None);
    }
}
