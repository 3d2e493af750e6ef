//! Basic authentication (RFC 7617): a name and a password with each request.

use super::{
    Proof,
    challenge::{Challenge, quoted},
    htpasswd::Htpasswd,
    request_of,
};
use crate::{log_error, metrics::AccessResult, pipeline::Cx, template::Template};
use base64::{Engine, engine::general_purpose};
use seawall_http::Name;
use std::{sync::Arc, time::Instant};

/// Credentials that are looked at, in bytes before decoding.
pub const CREDENTIALS_BYTES_MAX: usize = 4096;

/// A compiled `basic`.
pub struct BasicPlan {
    /// Names and hashes.
    pub users: Arc<Htpasswd>,
    /// A sum of the file: what was verified against another text of it counts no more.
    pub version: [u8; 32],
    /// The file as written, for logs.
    pub file: String,
    /// What a client is asked for.
    pub realm: Template,
}

/// Looks at a request's credentials.
pub(crate) async fn check(cx: &mut Cx<'_>, plan: &BasicPlan) -> Proof {
    let Some((name, password)) = credentials(cx) else {
        return refused(cx, plan);
    };
    let passwords = &cx.local.shared.passwords;
    let sum = passwords.sum(&[&plan.version, &name, &password]);
    if passwords.knows(&sum, Instant::now()) {
        return Proof::Passed;
    }
    let right = match passwords.verify(plan.users.clone(), &name, &password).await {
        Ok(right) => right,
        Err(busy) => {
            log_error!(
                cx.local.shared,
                Error,
                cx.client.info.serial,
                "{busy}, {}",
                request_of(cx)
            );
            return Proof::Refused(Challenge::Unavailable(503));
        }
    };
    if right {
        cx.local.shared.passwords.remember(sum, Instant::now());
        return Proof::Passed;
    }
    cx.site.metrics.access(AccessResult::BadPassword);
    // nginx's words, for the filters that watch for them.
    let (name, shared) = (name.escape_ascii(), &cx.local.shared);
    if plan.users.knows(&name_bytes(cx)) {
        log_error!(
            shared,
            Error,
            cx.client.info.serial,
            "user \"{name}\": password mismatch, {}",
            request_of(cx)
        );
    } else {
        log_error!(
            shared,
            Error,
            cx.client.info.serial,
            "user \"{name}\" was not found in \"{}\", {}",
            plan.file,
            request_of(cx)
        );
    }
    refused(cx, plan)
}

fn name_bytes(cx: &Cx<'_>) -> Vec<u8> {
    credentials(cx).map(|(name, _)| name).unwrap_or_default()
}

/// Name and password of a request. Several `Authorization` fields are none: which one would count?
fn credentials(cx: &Cx<'_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut values = cx.tx.fields().all(Name::Authorization);
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") || rest.len() > CREDENTIALS_BYTES_MAX {
        return None;
    }
    let mut pair = general_purpose::STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = memchr::memchr(b':', &pair)?;
    let password = pair.get(colon + 1..)?.to_vec();
    pair.truncate(colon);
    Some((pair, password))
}

fn refused(cx: &Cx<'_>, plan: &BasicPlan) -> Proof {
    let mut realm = Vec::new();
    plan.realm.render(&cx.scope(), &mut realm);
    let mut value = b"Basic realm=".to_vec();
    quoted(&realm, &mut value);
    if cx.site.yaml {
        // Names and passwords are UTF-8 (RFC 7617 §2.1).
        value.extend_from_slice(b", charset=\"UTF-8\"");
    }
    Proof::Refused(Challenge::Credentials(value))
}
