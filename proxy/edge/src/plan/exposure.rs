//! Response fields that a route's policy says, ready to be copied.

use crate::{
    access::cors::CorsPlan,
    client::{has_line, remove_lines},
    tx::Tx,
};
use seawall_conf::model::{Hsts, RoutePolicy};
use seawall_http::{Version, encode};
use std::sync::Arc;

/// Response fields of a route.
pub struct ExposurePlan {
    /// Set where a response has none of that name: name and line.
    defaults: Vec<(&'static [u8], Box<[u8]>)>,
    /// Strict-Transport-Security, in the place of an origin's own.
    hsts: Option<Box<[u8]>>,
    /// The name in `Via`.
    via: Option<Box<[u8]>>,
    /// What pages of other origins may read.
    cors: Option<Arc<CorsPlan>>,
}

impl ExposurePlan {
    /// Compiles it; `None` when nothing is said.
    pub fn compile(policy: &RoutePolicy, cors: Option<Arc<CorsPlan>>) -> Option<Box<Self>> {
        let defaults: Vec<_> = policy
            .security
            .fields()
            .iter()
            .map(|(name, value)| {
                let mut line = Vec::new();
                encode::field(&mut line, name.as_bytes(), value.as_bytes());
                (name.as_bytes(), line.into_boxed_slice())
            })
            .collect();
        let hsts = policy.hsts.map(hsts);
        let via = policy.via_response.as_ref().map(|v| v.as_bytes().into());
        let says = !defaults.is_empty() || hsts.is_some() || via.is_some() || cors.is_some();
        says.then(|| {
            Box::new(Self {
                defaults,
                hsts,
                via,
                cors,
            })
        })
    }

    /// Says it in a response whose header lines stand in `lines`.
    pub fn apply(&self, tx: &Tx, tls: bool, lines: &mut Vec<u8>) {
        for (name, line) in &self.defaults {
            if !has_line(lines, name) {
                lines.extend_from_slice(line);
            }
        }
        // Over plain HTTP a browser ignores it, and must (RFC 6797 §7.2, §8.1).
        if let Some(line) = self.hsts.as_ref().filter(|_| tls) {
            remove_lines(lines, b"strict-transport-security");
            lines.extend_from_slice(line);
        }
        if let Some(name) = &self.via {
            let version: &[u8] = match &tx.origin.head {
                Some(head) if head.version == Version::Http10 => b"Via: 1.0 ",
                _ => b"Via: 1.1 ",
            };
            lines.extend_from_slice(version);
            lines.extend_from_slice(name);
            lines.extend_from_slice(b"\r\n");
        }
        if let Some(cors) = &self.cors {
            cors.apply(tx, lines);
        }
    }
}

fn hsts(from: Hsts) -> Box<[u8]> {
    let mut value = format!("max-age={}", from.max_age.as_secs());
    if from.include_subdomains {
        value.push_str("; includeSubDomains");
    }
    if from.preload {
        value.push_str("; preload");
    }
    let mut line = Vec::new();
    encode::field(&mut line, b"Strict-Transport-Security", value.as_bytes());
    line.into()
}
