//! How certificates of a CA are asked for, from the configuration.

use super::certificates::Read;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine};
use seawall_conf::model::{self, AcmeAccount, AcmeChallenge, SecretText};
use seawall_diag::{Diagnostic, Diagnostics};
use seawall_tls::acme::{AcmeOptions, Challenge, ExternalAccount};
use std::path::Path;

/// The options; `None` where a file is missing, which is said and asked for again at the next reload: nothing else waits
/// for it.
pub fn compile(
    acme: &model::Acme,
    state: &Path,
    read: Read<'_>,
    found: &mut Diagnostics,
) -> Option<AcmeOptions> {
    let mut options = AcmeOptions::new(state.join("acme"));
    options.directories.clone_from(&acme.directories);
    options.contact.clone_from(&acme.email);
    options.challenge = match acme.challenge {
        AcmeChallenge::TlsAlpn01 => Challenge::TlsAlpn01,
        AcmeChallenge::Http01 => Challenge::Http01,
        AcmeChallenge::Dns01 => Challenge::Dns01,
    };
    options.profile.clone_from(&acme.profile);
    options.name_servers.clone_from(&acme.name_servers);
    options.pause = acme.retry;
    options.request_time = acme.timeout;
    let mut missing = |at, path: &Path, e: std::io::Error| {
        let message = format!("cannot read \"{}\": {e}", path.display());
        let help = "no CA is asked until it is there; the internal CA issues meanwhile";
        found.push(Diagnostic::warning("no-acme", at, message).help(help));
    };
    if let Some((path, at)) = &acme.ca {
        match read(path) {
            Ok(pem) => options.roots_pem = Some(pem),
            Err(e) => {
                missing(*at, path, e);
                return None;
            }
        }
    }
    if let Some(AcmeAccount { key_id, key }) = &acme.eab {
        let (text, at) = match key {
            SecretText::Text(text, at) => (text.clone(), *at),
            SecretText::File(path, at) => match read(path) {
                Ok(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), *at),
                Err(e) => {
                    missing(*at, path, e);
                    return None;
                }
            },
        };
        let text = text.trim().trim_end_matches('=');
        let decoded = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .or_else(|_| BASE64_STANDARD_NO_PAD.decode(text));
        match decoded {
            Ok(key) if !key.is_empty() => {
                let key_id = key_id.clone();
                options.external_account = Some(ExternalAccount { key_id, key });
            }
            _ => {
                let message = "the key of the external account is no base64url";
                let help = "write it as the CA's web site shows it";
                found.push(Diagnostic::error("invalid-value", at, message).help(help));
            }
        }
    }
    Some(options)
}
