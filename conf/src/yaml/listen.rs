//! Where clients, operators and scrapers connect.

use super::read::{Reader, Shape};
use super::tree::{Node, Value};
use crate::address;
use crate::model::{Address, AdminListener, Listener};
use seawall_diag::{Diagnostic, Span};
use std::net::SocketAddr;
use std::path::PathBuf;

pub(super) const LISTEN: Shape = Shape {
    what: "a listener",
    fields: &["http", "https", "name", "http2", "proxy_protocol"],
    not_yet: &["http3", "backlog"],
};

pub(super) const ADMIN: Shape = Shape {
    what: "`admin`",
    fields: &["listen", "tokens"],
    not_yet: &[],
};

pub(super) const METRICS: Shape = Shape {
    what: "`metrics`",
    fields: &["listen"],
    not_yet: &[],
};

/// The listeners, and which of them sites get that ask for none.
#[derive(Default)]
pub(crate) struct Listeners {
    pub(crate) all: Vec<Listener>,
}

impl Listeners {
    /// Whether an unnamed listener speaks TLS: then every site is HTTPS.
    pub(crate) fn any_tls(&self, indexes: &[usize]) -> bool {
        indexes
            .iter()
            .filter_map(|i| self.all.get(*i))
            .any(|l| l.tls)
    }

    /// Listeners without a name.
    pub(crate) fn unnamed(&self) -> Vec<usize> {
        self.all
            .iter()
            .enumerate()
            .filter(|(_, l)| l.name.is_none())
            .map(|(i, _)| i)
            .collect()
    }

    /// Listeners of a name.
    pub(crate) fn named(&self, name: &str) -> Vec<usize> {
        self.all
            .iter()
            .enumerate()
            .filter(|(_, l)| l.name.as_deref() == Some(name))
            .map(|(i, _)| i)
            .collect()
    }

    /// The names there are.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.all.iter().filter_map(|l| l.name.as_deref()).collect()
    }
}

/// Reads `listen`.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Listeners {
    let mut listeners = Listeners::default();
    for node in reader.list(node) {
        if matches!(node.value, Value::Scalar { .. }) {
            add(reader, &mut listeners, node, false, true, None);
            continue;
        }
        let Some(fields) = reader.open(node, &LISTEN) else {
            continue;
        };
        let name = fields
            .get("name")
            .and_then(|n| reader.string(n))
            .map(str::to_owned);
        let http2 = fields
            .get("http2")
            .and_then(|n| reader.boolean(n))
            .unwrap_or(true);
        let before = listeners.all.len();
        let (http, https) = (fields.get("http"), fields.get("https"));
        if http.is_none() && https.is_none() {
            reader.missing(fields.at, "a listener", "http` or `https");
        }
        if let Some(node) = http {
            add(reader, &mut listeners, node, false, http2, name.clone());
        }
        if let Some(node) = https {
            add(reader, &mut listeners, node, true, http2, name);
        }
        let wanted = fields.get("proxy_protocol").filter(|n| !n.is_off());
        if let Some(proxy) = wanted.and_then(|n| super::streams::proxy_protocol(reader, n)) {
            let new = listeners.all.iter_mut().skip(before);
            new.for_each(|l| l.proxy_protocol = Some(proxy.clone()));
        }
    }
    listeners
}

fn add(
    reader: &mut Reader<'_>,
    listeners: &mut Listeners,
    node: &Node,
    tls: bool,
    http2: bool,
    name: Option<String>,
) {
    for node in reader.list(node) {
        for address in addresses(reader, node) {
            if let Some(first) = listeners.all.iter().find(|l| l.address == address) {
                let d =
                    Diagnostic::error("duplicate", node.at, "this address is listened on already");
                reader.found.push(d.related(first.at, "first written here"));
                continue;
            }
            listeners.all.push(Listener {
                at: node.at,
                address,
                tls,
                http2,
                proxy_protocol: None,
                name: name.clone(),
                default_site: None,
            });
        }
    }
}

pub(crate) fn addresses(reader: &mut Reader<'_>, node: &Node) -> Vec<Address> {
    let Some(text) = reader.string(node) else {
        return Vec::new();
    };
    match address::listen(text) {
        Ok(addresses) => addresses
            .into_iter()
            .filter_map(|a| reader.located(node.at, a))
            .collect(),
        Err(message) => {
            reader.invalid(
                node.at,
                message,
                "write a port (8080), \"127.0.0.1:8080\", \"[::1]:8080\" or unix:/path",
            );
            Vec::new()
        }
    }
}

/// Reads `admin`: an address, a list of them, or `{ listen, tokens }`. Also the file of the tokens.
pub(crate) fn admin(
    reader: &mut Reader<'_>,
    node: &Node,
) -> (Vec<AdminListener>, Option<(PathBuf, Span)>) {
    let mut tokens = None;
    let node = match node.value {
        Value::Map(_) => {
            let Some(fields) = reader.open(node, &ADMIN) else {
                return (Vec::new(), None);
            };
            tokens = fields.get("tokens").and_then(|n| reader.secret_file(n));
            match fields.get("listen") {
                Some(node) => node,
                None => return (Vec::new(), tokens),
            }
        }
        _ => node,
    };
    let mut all = Vec::new();
    for node in reader.list(node) {
        all.extend(
            addresses(reader, node)
                .into_iter()
                .map(|address| AdminListener {
                    at: node.at,
                    address,
                }),
        );
    }
    (all, tokens)
}

/// Reads `metrics`: one TCP address.
pub(crate) fn metrics(reader: &mut Reader<'_>, node: &Node) -> Option<SocketAddr> {
    let node = match node.value {
        Value::Map(_) => reader.open(node, &METRICS).and_then(|f| f.get("listen"))?,
        _ => node,
    };
    match addresses(reader, node).into_iter().next()? {
        Address::Ip(address) => Some(address),
        _ => {
            reader.invalid(
                node.at,
                "metrics are served on a TCP address",
                "write \"127.0.0.1:9181\"",
            );
            None
        }
    }
}

/// Socket addresses for UDP and TCP, as DNS wants them.
pub(crate) fn sockets(reader: &mut Reader<'_>, node: &Node) -> Vec<(SocketAddr, Span)> {
    let mut all = Vec::new();
    for node in reader.list(node) {
        for address in addresses(reader, node) {
            match address {
                Address::Ip(address) => all.push((address, node.at)),
                _ => reader.invalid(
                    node.at,
                    "DNS needs an IP address and a port",
                    "write \"192.0.2.10:53\"",
                ),
            }
        }
    }
    all
}
