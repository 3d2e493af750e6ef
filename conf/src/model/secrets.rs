//! The files that hold secrets, in one list: for those who must keep them from others.

use super::{Auth, Config, SecretText, SiteTls};
use seawall_diag::{Diagnostic, Diagnostics, Span};
use std::{os::unix::fs::PermissionsExt, path::Path};

/// Read by everybody (chmod(2)).
const OTHERS_READ: u32 = 0o004;

impl Config {
    /// Every file that holds a secret, with the place that names it: keys, passwords, tokens.
    pub fn secret_files(&self) -> Vec<(&Path, Span)> {
        let mut all: Vec<(&Path, Span)> = Vec::new();
        if let Some((path, at)) = &self.admin_tokens {
            all.push((path, *at));
        }
        for site in &self.sites {
            if let SiteTls::Files(pairs) = &site.tls {
                all.extend(pairs.iter().map(|p| (p.key.0.as_path(), p.key.1)));
            }
            for route in site.routes.iter().chain(site.fallback.as_deref()) {
                for auth in &route.policy.access.auth {
                    if let Auth::Basic(basic) = auth {
                        all.push((&basic.users, basic.at));
                    }
                }
            }
        }
        let identities = self
            .pools
            .iter()
            .filter_map(|p| p.tls.as_ref()?.identity.as_ref());
        all.extend(identities.map(|i| (i.key.0.as_path(), i.key.1)));
        if let Some(crowdsec) = &self.crowdsec {
            all.push((&crowdsec.key.0, crowdsec.key.1));
        }
        if let Some(dns) = &self.dns {
            for zone in &dns.zones {
                let access = zone.transfer.iter().chain(&zone.update);
                let keys = access.filter_map(|a| a.key.as_ref());
                let copied = zone.secondary.iter().filter_map(|s| s.key.as_ref());
                all.extend(keys.chain(copied).map(|(path, at)| (path.as_path(), *at)));
            }
            let cookies = dns.cookie_secrets.iter();
            all.extend(cookies.map(|(path, at)| (path.as_path(), *at)));
        }
        let account = self.acme.as_ref().and_then(|a| a.eab.as_ref());
        if let Some(SecretText::File(path, at)) = account.map(|a| &a.key) {
            all.push((path, *at));
        }
        all.sort_by_key(|(_, at)| (at.file, at.start));
        all.dedup();
        all
    }

    /// Warns of secrets that everybody on this machine may read. Looks at the files: one that is not there, or that we may
    /// not look at, is none of this function's business.
    pub fn exposed_secrets(&self) -> Diagnostics {
        let mut found = Diagnostics::default();
        for (path, at) in self.secret_files() {
            let Ok(metadata) = path.metadata() else {
                continue;
            };
            if metadata.permissions().mode() & OTHERS_READ == 0 {
                continue;
            }
            let message = format!("everybody may read the secret in {}", path.display());
            let help = format!("chmod o-rwx {}", path.display());
            found.push(Diagnostic::warning("world-readable", at, message).help(help));
        }
        found
    }
}
