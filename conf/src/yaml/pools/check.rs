//! A check that stands alone: is this address up? It is a pool of one server that nobody is led to.

use super::health::{check_of, http};
use super::{Pools, anonymous};
use crate::model::{CheckKind, HttpCheck, PoolTls};
use crate::yaml::read::{Reader, Shape};
use crate::yaml::tree::Node;

const CHECK: Shape = Shape {
    what: "a check",
    fields: &["url", "host", "interval", "timeout", "fall", "rise"],
    not_yet: &[],
};

impl Pools {
    /// The pool that `check` means: `https://192.0.2.1/ready`, `tcp://192.0.2.1:25`, or a mapping with such a `url`.
    /// The same check written twice is made once.
    pub(crate) fn check(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<usize> {
        let fields = match node.scalar() {
            Some(_) => None,
            None => Some(reader.open(node, &CHECK)?),
        };
        let Some(url) = fields.as_ref().map_or(Some(node), |f| f.get("url")) else {
            reader.missing(node.at, "a check", "url");
            return None;
        };
        let text = reader.string(url)?;
        let mut check = match &fields {
            Some(fields) => check_of(reader, fields),
            None => super::health::default(),
        };
        let (origin, path) = parts(text);
        let address = match text.strip_prefix("tcp://") {
            Some(address) => {
                check.kind = CheckKind::Tcp;
                address
            }
            None => {
                let host = fields.as_ref().and_then(|f| f.get("host"));
                check.kind = CheckKind::Http(HttpCheck {
                    path: path.to_owned(),
                    host: host.and_then(|n| reader.string(n)).map(str::to_owned),
                    ..http()
                });
                origin
            }
        };
        let (address, scheme) = super::servers::origin(reader, url.at, address)?;
        let name = format!("check {text}");
        let mut pool = anonymous(url.at, &name, address);
        pool.wire.http2 = scheme.http2;
        // A check asks whether it works, not who it is: addresses have few certificates.
        pool.tls = scheme.tls.then(PoolTls::default);
        pool.health = Some(check);
        self.all.push(pool);
        Some(self.all.len() - 1)
    }
}

/// `https://192.0.2.1:8443/ready?x` as origin and path.
fn parts(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(host..).unwrap_or_default();
    match rest.find('/') {
        Some(at) => url.split_at(host + at),
        None => (url, "/"),
    }
}
