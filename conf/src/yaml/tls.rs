//! How a site is reached: its listeners, its certificate, and whether plain HTTP leads to HTTPS.

use super::acme::Issuing;
use super::listen::Listeners;
use super::pools::Pools;
use super::read::{Fields, Reader, Shape};
use super::tree::{Node, Value};
use crate::model::{CertificateFiles, Content, HostName, Route, SiteTls};
use seawall_diag::{Diagnostic, Span};
use std::path::PathBuf;

pub(super) const PAIR: Shape = Shape {
    what: "`tls`",
    fields: &["certificate", "key", "ocsp", "clients"],
    not_yet: &["versions"],
};

/// Top-level names under which no public CA issues (RFC 6761, RFC 6762, RFC 8375, and `internal` and `lan`).
const LOCAL_SUFFIXES: &[&str] = &[
    "test",
    "localhost",
    "internal",
    "lan",
    "home.arpa",
    "local",
    "example",
    "invalid",
    "onion",
];

/// Names in one certificate of a CA: Let's Encrypt's bound.
const ACME_NAMES_MAX: usize = 100;

/// How a site is reached.
pub(crate) struct Reach {
    pub(crate) tls: SiteTls,
    pub(crate) clients: Option<(PathBuf, Span)>,
    pub(crate) listeners: Vec<usize>,
    pub(crate) redirect_to_https: bool,
}

/// What `tls` says.
enum Wanted {
    /// By the CA where a name is public.
    Auto,
    /// By the CA whatever the name.
    Acme,
    Internal,
    Passthrough,
    Off,
    Files(Vec<CertificateFiles>, Option<(PathBuf, Span)>),
    /// An error is reported.
    Refused,
}

/// Works out a site's `listen` and `tls` together: one says which sockets there are, the other which are wanted.
pub(crate) fn reach(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    names: &[HostName],
    listeners: &Listeners,
    issuing: Issuing<'_>,
    at: Span,
) -> Reach {
    let asked = match fields.get("listen") {
        Some(node) => asked(reader, node, listeners),
        None => listeners.unnamed(),
    };
    let any_tls = listeners.any_tls(&asked);
    let node = fields.get("tls");
    let wanted = node.map_or(Wanted::Auto, |n| read(reader, n));
    let mut clients = None;
    let tls = match wanted {
        Wanted::Off | Wanted::Refused => SiteTls::Off,
        Wanted::Auto | Wanted::Acme if !any_tls => SiteTls::Off,
        Wanted::Auto => issued(reader, names, issuing, false, node.map_or(at, |n| n.at)),
        Wanted::Acme => issued(reader, names, issuing, true, node.map_or(at, |n| n.at)),
        Wanted::Internal => SiteTls::Internal,
        Wanted::Passthrough => SiteTls::Passthrough,
        Wanted::Files(pairs, asked) => {
            clients = asked;
            if pairs.is_empty() {
                issued(reader, names, issuing, false, node.map_or(at, |n| n.at))
            } else {
                SiteTls::Files(pairs)
            }
        }
    };
    let is_off = matches!(tls, SiteTls::Off);
    if !is_off && !any_tls && !listeners.all.is_empty() {
        let at = node.map_or(at, |n| n.at);
        let d = Diagnostic::warning(
            "unused",
            at,
            "`tls` has no effect: the site has no `https` listener",
        );
        reader
            .found
            .push(d.help("write `listen: [{ https: 443 }]` at the top"));
    }
    let is_carried = matches!(tls, SiteTls::Passthrough);
    let kept: Vec<usize> = if (is_off || is_carried) && any_tls {
        // What is carried undecrypted is on TLS listeners alone, what is plain on the others.
        asked
            .iter()
            .copied()
            .filter(|i| listeners.all.get(*i).is_some_and(|l| l.tls == is_carried))
            .collect()
    } else {
        asked
    };
    if kept.is_empty()
        && !listeners.all.is_empty()
        && fields.get("listen").is_none()
        && node.is_none_or(Node::is_off)
    {
        let d = Diagnostic::warning("unreachable", at, "no listener leads to this site");
        reader
            .found
            .push(d.help("a site without TLS needs an `http` listener without a name"));
    }
    Reach {
        tls: if any_tls { tls } else { SiteTls::Off },
        clients: clients.filter(|_| any_tls),
        listeners: kept,
        redirect_to_https: any_tls && !is_off && !is_carried,
    }
}

fn asked(reader: &mut Reader<'_>, node: &Node, listeners: &Listeners) -> Vec<usize> {
    let mut indexes = Vec::new();
    for node in reader.list(node) {
        let Some(name) = reader.string(node) else {
            continue;
        };
        let found = listeners.named(name);
        if found.is_empty() {
            reader.resolve(node.at, name, "listener", &listeners.names());
        }
        indexes.extend(found);
    }
    indexes
}

fn read(reader: &mut Reader<'_>, node: &Node) -> Wanted {
    if node.is_off() {
        return Wanted::Off;
    }
    if let Value::Scalar { .. } = node.value {
        // `auto` is what an unset `tls` means.
        let words = [
            ("auto", 0),
            ("acme", 1),
            ("internal", 2),
            ("passthrough", 3),
        ];
        return match reader.choice(node, &words, &[]) {
            Some(0) => Wanted::Auto,
            Some(1) => Wanted::Acme,
            Some(2) => Wanted::Internal,
            Some(_) => Wanted::Passthrough,
            None => Wanted::Refused,
        };
    }
    let mut clients = None;
    let (mut pairs, mut is_refused) = (Vec::new(), false);
    for node in reader.list(node) {
        match pair(reader, node, &mut clients) {
            Some(Some(pair)) => pairs.push(pair),
            Some(None) => {}
            None => is_refused = true,
        }
    }
    if is_refused || (pairs.is_empty() && clients.is_none()) {
        return Wanted::Refused;
    }
    Wanted::Files(pairs, clients)
}

/// Who issues: the CA for public names where there is one, the internal CA for the others.
fn issued(
    reader: &mut Reader<'_>,
    names: &[HostName],
    issuing: Issuing<'_>,
    is_forced: bool,
    at: Span,
) -> SiteTls {
    let public: Vec<String> = names
        .iter()
        .filter(|name| is_forced || public_name(name).is_some())
        .filter_map(certified_name)
        .collect();
    let Some(first) = public.first() else {
        if is_forced {
            reader.invalid(
                at,
                "a CA issues for names, and this site has none",
                "write host: shop.example.com",
            );
        }
        return SiteTls::Internal;
    };
    if issuing.acme.is_none() {
        let message = format!(
            "`{first}` is a public name, and the internal CA, which no browser knows, issues for it"
        );
        let help = "write `acme: { email: you@example.com, agree_tos: true }` at the top for a certificate of Let's Encrypt, or `tls: internal`";
        let found = if is_forced {
            Diagnostic::error("missing-field", at, "`tls: acme` without `acme` at the top")
        } else {
            Diagnostic::warning("no-acme", at, message)
        };
        reader.found.push(found.help(help));
        return SiteTls::Internal;
    }
    let wild = public.iter().find(|name| name.starts_with("*."));
    if let Some(wild) = wild.filter(|_| !issuing.has_zones) {
        let message = format!("`{wild}` needs dns-01, and no zone is served here");
        let help = "serve the zone, or just `_acme-challenge` of it, under `dns: { zones: [...] }`; until then the internal CA issues";
        reader
            .found
            .push(Diagnostic::warning("no-zone", at, message).help(help));
        return SiteTls::Internal;
    }
    if public.len() > ACME_NAMES_MAX {
        let message = format!("a certificate has at most {ACME_NAMES_MAX} names");
        reader.invalid(at, message, "make two sites of it");
    }
    SiteTls::Acme(public)
}

/// What `tls: passthrough` needs, and what it leaves nothing to do for: nobody here reads the requests.
pub(crate) fn carried(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    at: Span,
    content: Option<&Route>,
    pools: &Pools,
) {
    const READ_ON_THE_WAY: &[&str] = &[
        "waf",
        "cache",
        "redirects",
        "routes",
        "respond",
        "redirect",
        "root",
        "rewrite",
        "headers",
        "body_limit",
    ];
    for name in READ_ON_THE_WAY {
        if let Some(at) = fields
            .key(name)
            .filter(|_| fields.get(name).is_some_and(|n| !n.is_off()))
        {
            let message =
                format!("`{name}` has nothing to work on: the site is passed through undecrypted");
            reader.invalid(at, message, "leave it out, or give the site a certificate");
        }
    }
    let pool = match content.map(|r| &r.content) {
        Some(Content::Proxy(proxy)) => pools.all.get(proxy.pool),
        _ => {
            if fields.get("to").is_none() {
                reader.missing(at, "a site with `tls: passthrough`", "to");
            }
            return;
        }
    };
    if let (Some(pool), Some(at)) = (pool.filter(|p| p.tls.is_some()), fields.key("to")) {
        let message = format!(
            "the servers of `{}` are asked over TLS of our own",
            pool.name
        );
        reader.invalid(at, message, "write the address alone: 10.0.0.9:443");
    }
}

/// Two files, with what may be stapled to them; `Some(None)` where only `clients` is said.
#[allow(clippy::option_option)]
fn pair(
    reader: &mut Reader<'_>,
    node: &Node,
    clients: &mut Option<(PathBuf, Span)>,
) -> Option<Option<CertificateFiles>> {
    let fields = reader.open(node, &PAIR)?;
    let path = |reader: &mut Reader<'_>, name: &str| {
        let node = fields.get(name)?;
        Some((reader.path(node)?, node.at))
    };
    if let Some(asked) = path(reader, "clients") {
        *clients = Some(asked);
    }
    let ocsp = path(reader, "ocsp");
    if ["certificate", "key", "ocsp"]
        .iter()
        .all(|name| fields.get(name).is_none())
        && clients.is_some()
    {
        return Some(None);
    }
    let certificate = file(reader, &fields, "certificate");
    let key = file(reader, &fields, "key");
    Some(Some(CertificateFiles {
        certificate: certificate?,
        key: key?,
        ocsp,
    }))
}

fn file(reader: &mut Reader<'_>, fields: &Fields<'_>, name: &str) -> Option<(PathBuf, Span)> {
    let Some(node) = fields.get(name) else {
        reader.missing(fields.at, "`tls`", name);
        return None;
    };
    reader.secret_file(node)
}

/// A name for which a public CA would issue.
fn public_name(name: &HostName) -> Option<&str> {
    let (HostName::Exact(name) | HostName::Suffix(name)) = name else {
        return None;
    };
    let is_local = !name.contains('.')
        || name.contains(':')
        || name.parse::<std::net::IpAddr>().is_ok()
        || LOCAL_SUFFIXES.iter().any(|s| {
            name.strip_suffix(s)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        });
    (!is_local).then_some(name)
}

/// A name as a certificate has it.
fn certified_name(name: &HostName) -> Option<String> {
    match name {
        HostName::Exact(name) => Some(name.clone()),
        HostName::Suffix(name) => Some(format!("*.{name}")),
        _ => None,
    }
}
