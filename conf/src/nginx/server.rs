//! `server`: a site.

use super::content;
use super::listen::{self, Listen};
use super::location::{Builder, files};
use super::read::Reader;
use super::rewrite;
use super::scope::Scope;
use super::tree::Directive;
use crate::model::{CertificateFiles, HostName, Listener, Matcher, Route, Routing, Site, SiteTls};
use seawall_diag::{Diagnostic, Span};
use std::collections::HashSet;

/// Lowers one server; its listeners are known already.
pub(crate) fn site(
    builder: &mut Builder<'_, '_>,
    d: &Directive,
    http: &Scope,
    listens: &[Listen],
    any_tls: bool,
) -> Site {
    let items = d.block.as_deref().unwrap_or_default();
    let scope = http.enter(builder.reader, items, builder.named);
    let program = rewrite::program(builder.reader, items, &mut |_, _| None);
    let mut routes = Vec::new();
    builder.locations(items, &scope, None, &mut routes);
    let everything = Matcher::Prefix {
        path: String::new(),
        stop: false,
    };
    let mut policy = scope.policy();
    policy.content.tries = content::try_files(builder.reader, items, &scope);
    let fallback = Route {
        at: d.at(),
        matcher: everything,
        when: Vec::new(),
        program: Vec::new(),
        content: files(&scope),
        policy,
    };
    Site {
        at: d.at(),
        names: listen::names(builder.reader, d),
        listeners: listens.iter().map(|l| l.index).collect(),
        tls: tls(builder.reader, &scope, listens, any_tls),
        clients: None,
        redirect_to_https: false,
        routing: Routing::Nginx,
        program,
        redirects: None,
        content: scope.content_policy(),
        routes,
        fallback: Some(Box::new(fallback)),
    }
}

/// The certificates, where a listener speaks TLS.
fn tls(reader: &mut Reader<'_>, scope: &Scope, listens: &[Listen], any_tls: bool) -> SiteTls {
    if !any_tls {
        return SiteTls::Off;
    }
    if scope.certificates.is_empty() {
        // Where another server made the address TLS, this one may be without (then a handshake for it fails).
        if let Some(at) = listens.iter().find(|l| l.tls).map(|l| l.at) {
            let message = "no \"ssl_certificate\" is defined for the \"listen ... ssl\" directive";
            reader.error(at, message);
        }
        return SiteTls::Off;
    }
    let mut pairs = Vec::new();
    for (i, certificate) in scope.certificates.iter().enumerate() {
        let Some(key) = scope.certificate_keys.get(i) else {
            let message = format!(
                "no \"ssl_certificate_key\" is defined for certificate \"{}\"",
                certificate.text
            );
            reader.error(certificate.at, message);
            continue;
        };
        let special = |text: &str| {
            text.contains('$') || text.starts_with("data:") || text.starts_with("engine:")
        };
        if let Some(word) = [certificate, key].into_iter().find(|w| special(&w.text)) {
            reader.not_yet(word.at, "a certificate that is no file");
            continue;
        }
        pairs.push(CertificateFiles {
            certificate: (reader.conf_prefix.join(&certificate.text), certificate.at),
            key: (reader.conf_prefix.join(&key.text), key.at),
            ocsp: None,
        });
    }
    SiteTls::Files(pairs)
}

/// A name that an earlier server has on the same address is not looked at (ngx_http_add_server warns).
pub(crate) fn conflicts(reader: &mut Reader<'_>, sites: &[Site], listeners: &[Listener]) {
    let mut seen: HashSet<(usize, String)> = HashSet::new();
    for site in sites {
        for name in &site.names {
            let shown = match name {
                HostName::Exact(name) => name.clone(),
                HostName::Suffix(name) => format!("*.{name}"),
                HostName::Prefix(name) => format!("{name}.*"),
                HostName::Empty => String::new(),
                HostName::Regex(_) | HostName::Any => continue,
            };
            for index in &site.listeners {
                if !seen.insert((*index, shown.clone())) {
                    let address = listeners
                        .get(*index)
                        .map(|l| listen::show(&l.address))
                        .unwrap_or_default();
                    warn(
                        reader,
                        site.at,
                        format!("conflicting server name \"{shown}\" on {address}, ignored"),
                    );
                }
            }
        }
    }
}

fn warn(reader: &mut Reader<'_>, at: Span, message: String) {
    reader
        .found
        .push(Diagnostic::warning("nginx-conflict", at, message));
}
