//! Sites: names, how they are reached, and their routes in order.

use super::acme::Issuing;
use super::layer::{Layer, read_layer};
use super::listen::Listeners;
use super::pools::Pools;
use super::program;
use super::read::{Fields, Reader, Shape};
use super::redirects;
use super::rooms::Names;
use super::routes::{self, Context};
use super::tls;
use super::tree::Node;
use super::unreachable;
use crate::model::{HostName, Matcher, Route, Routing, Site, SiteTls};
use seawall_diag::{Diagnostic, Span};
use std::collections::HashMap;

pub(super) const SITE: Shape = Shape {
    what: "a site",
    fields: &[
        "host",
        "listen",
        "tls",
        "waf",
        "cache",
        "redirects",
        "routes",
        "to",
        "split_by",
        "mirror",
        "respond",
        "redirect",
        "root",
        "doh",
        "index",
        "try",
        "do",
        "rewrite",
        "headers",
        "compress",
        "rate_limit",
        "connection_limit",
        "challenge",
        "bad_agents",
        "crowdsec",
        "fastcgi",
        "timeouts",
        "body_limit",
        "buffering",
        "ignore_client_abort",
        "pace",
        "allow",
        "deny",
        "auth",
        "satisfy",
        "cors",
        "hsts",
        "security_headers",
        "forwarded",
        "errors",
        "expires",
        "symlinks",
        "open_cache",
        "etag",
        "precompressed",
        "listing",
        "ranges_max",
    ],
    not_yet: &["when", "rollout", "routing"],
};

/// Reads `sites`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    defaults: &Layer,
    listeners: &Listeners,
    names: &Names<'_>,
    pools: &mut Pools,
    issuing: Issuing<'_>,
) -> Vec<Site> {
    let mut sites = Vec::new();
    for node in reader.list(node) {
        let Some(fields) = reader.open(node, &SITE) else {
            continue;
        };
        let reach = (listeners, issuing);
        sites.push(site(reader, &fields, defaults, reach, names, pools));
    }
    names_once(reader, &sites);
    sites
}

fn site(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    defaults: &Layer,
    (listeners, issuing): (&Listeners, Issuing<'_>),
    names: &Names<'_>,
    pools: &mut Pools,
) -> Site {
    let at = fields.get("host").map_or(fields.at, |n| n.at);
    let hosts = match fields.get("host") {
        Some(node) => hosts(reader, node),
        None => {
            reader.missing(at, "a site", "host");
            Vec::new()
        }
    };
    let reach = tls::reach(reader, fields, &hosts, listeners, issuing, at);
    let layer = read_layer(reader, fields, names, pools).over(defaults);
    let mut context = Context {
        names,
        pools,
        site: None,
    };
    let everything = Matcher::Segments("/".into());
    let fallback =
        routes::content(reader, fields, &layer, &mut context, &everything).map(|answer| {
            let mut policy = layer.policy(reader, names);
            policy.content.tries = answer.tries;
            Route {
                at,
                matcher: everything,
                when: Vec::new(),
                program: answer.program,
                content: answer.content,
                policy,
            }
        });
    let mut all = Vec::new();
    let mut redirect_map = None;
    if let Some(node) = fields.get("redirects") {
        redirect_map = redirects::read(reader, node, &layer, names, &mut all);
    }
    let program = fields
        .get("do")
        .map_or_else(Vec::new, |n| program::read(reader, n));
    let policy = layer.policy(reader, names);
    context.site = fallback.as_ref();
    if let Some(node) = fields.get("routes") {
        for node in reader.list(node) {
            all.extend(routes::read(reader, node, &layer, &mut context));
        }
    } else if fallback.is_none()
        && all.is_empty()
        && !routes::names_content(fields)
        && fields.are_known(&SITE)
    {
        let d = Diagnostic::error("missing-field", at, "a site needs something to answer with");
        reader
            .found
            .push(d.help("write `to`, `respond`, `redirect`, `root` or `routes`"));
    }
    unreachable::report(reader, &all);
    if let SiteTls::Passthrough = reach.tls {
        tls::carried(reader, fields, at, fallback.as_ref(), context.pools);
    }
    Site {
        at,
        names: hosts,
        listeners: reach.listeners,
        tls: reach.tls,
        clients: reach.clients,
        redirect_to_https: reach.redirect_to_https,
        routing: Routing::FirstMatch,
        program,
        redirects: redirect_map,
        content: policy.content,
        routes: all,
        fallback: fallback.map(Box::new),
    }
}

fn hosts(reader: &mut Reader<'_>, node: &Node) -> Vec<HostName> {
    let nodes = reader.list(node);
    if nodes.is_empty() {
        reader.invalid(
            node.at,
            "a site without a name",
            "write host: shop.test, or \"*\" for every name",
        );
    }
    let mut names = Vec::new();
    for node in nodes {
        if let Some(text) = reader.string(node) {
            names.extend(host(reader, text, node.at));
        }
    }
    names
}

/// A name as sites and streams have it: whole, `*.name` for all below it, or `*`.
pub(crate) fn host(reader: &mut Reader<'_>, text: &str, at: Span) -> Option<HostName> {
    let text = text.trim_end_matches('.').to_ascii_lowercase();
    if text == "*" {
        return Some(HostName::Any);
    }
    let (name, wild) = match text.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (text.as_str(), false),
    };
    let v6 = name
        .strip_prefix('[')
        .and_then(|n| n.strip_suffix(']'))
        .is_some_and(|n| n.parse::<std::net::Ipv6Addr>().is_ok());
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if v6 && !wild || (name.len() <= 253 && name.split('.').all(label)) {
        let name = name.to_owned();
        return Some(if wild {
            HostName::Suffix(name)
        } else {
            HostName::Exact(name)
        });
    }
    let help = if !name.is_ascii() {
        "write an international name in its ASCII form (xn--...)"
    } else if text.contains("://") || text.contains('/') {
        "write the name alone: no scheme and no path"
    } else if text.contains(':') {
        "write the name alone: ports are said in `listen`"
    } else {
        "write shop.test, \"*.shop.test\" for all names below it, or \"*\" for every name"
    };
    reader.invalid(at, format!("`{text}` is no host name"), help);
    None
}

/// A name that two sites claim on one listener would be answered by chance.
fn names_once(reader: &mut Reader<'_>, sites: &[Site]) {
    let mut seen: HashMap<(usize, String), Span> = HashMap::new();
    for site in sites {
        for name in &site.names {
            let key = match name {
                HostName::Exact(name) => name.clone(),
                HostName::Suffix(name) => format!("*.{name}"),
                _ => "*".to_owned(),
            };
            for listener in &site.listeners {
                let Some(first) = seen.insert((*listener, key.clone()), site.at) else {
                    continue;
                };
                let d = Diagnostic::error(
                    "duplicate",
                    site.at,
                    format!("`{key}` belongs to another site already"),
                );
                reader.found.push(d.related(first, "first written here"));
                break;
            }
        }
    }
}
