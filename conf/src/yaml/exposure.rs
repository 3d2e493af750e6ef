//! `forwarded`, `cors`, `hsts`, `security_headers`: what is told across the edge.

use super::layer::is_field_name;
use super::read::{Fields, Reader, Shape};
use super::tree::{Node, Value};
use super::when::methods;
use crate::model::{
    ClientIdentity, Cors, Forwarding, Hsts, IdentityHeader, RoutePolicy, SecurityHeaders,
};
use std::time::Duration;

pub(super) const FORWARDED: Shape = Shape {
    what: "`forwarded`",
    fields: &["x", "rfc7239", "via", "via_response", "real_ip"],
    not_yet: &[],
};
pub(super) const CORS: Shape = Shape {
    what: "`cors`",
    fields: &[
        "origins",
        "methods",
        "headers",
        "expose",
        "credentials",
        "max_age",
    ],
    not_yet: &[],
};
pub(super) const HSTS: Shape = Shape {
    what: "`hsts`",
    fields: &["max_age", "include_subdomains", "preload"],
    not_yet: &[],
};
pub(super) const TRUSTED: Shape = Shape {
    what: "`trusted_proxies`",
    fields: &["from", "header"],
    not_yet: &[],
};

/// What the browsers' list asks for at least: a year (hstspreload.org).
const PRELOAD_MIN: Duration = Duration::from_secs(31_536_000);

/// What one level says of it.
#[derive(Clone, Default)]
pub(crate) struct ExposureLayer {
    x: Option<bool>,
    rfc7239: Option<bool>,
    real_ip: Option<bool>,
    via: Option<Option<String>>,
    via_response: Option<bool>,
    cors: Option<Option<Cors>>,
    hsts: Option<Option<Hsts>>,
    security: Option<SecurityHeaders>,
}

impl ExposureLayer {
    /// Reads it from a route, a site or `defaults`.
    pub(crate) fn read(reader: &mut Reader<'_>, fields: &Fields<'_>) -> Self {
        let mut layer = Self::default();
        if let Some(node) = fields.get("forwarded") {
            layer.forwarded(reader, node);
        }
        layer.cors = fields.get("cors").and_then(|node| {
            if node.is_off() {
                Some(None)
            } else {
                cors(reader, node).map(Some)
            }
        });
        layer.hsts = fields.get("hsts").and_then(|node| {
            if node.is_off() {
                Some(None)
            } else {
                hsts(reader, node).map(Some)
            }
        });
        let words = [
            ("off", SecurityHeaders::Off),
            ("false", SecurityHeaders::Off),
            ("basic", SecurityHeaders::Basic),
            ("strict", SecurityHeaders::Strict),
        ];
        layer.security = fields
            .get("security_headers")
            .and_then(|n| reader.choice(n, &words, &[]));
        layer
    }

    fn forwarded(&mut self, reader: &mut Reader<'_>, node: &Node) {
        if node.is_off() {
            self.x = Some(false);
            self.rfc7239 = Some(false);
            self.real_ip = Some(false);
            self.via = Some(None);
            self.via_response = Some(false);
            return;
        }
        let Some(fields) = reader.open(node, &FORWARDED) else {
            return;
        };
        let mut switch = |name: &str| fields.get(name).and_then(|n| reader.boolean(n));
        self.x = switch("x");
        self.rfc7239 = switch("rfc7239");
        self.real_ip = switch("real_ip");
        self.via_response = switch("via_response");
        self.via = fields.get("via").and_then(|node| {
            if node.is_off() {
                return Some(None);
            }
            let text = reader.string(node)?;
            if matches!(text, "true" | "on") {
                return Some(Forwarding::built_in().via);
            }
            // A pseudonym, or a host with a port (RFC 9110 §7.6.3).
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
            if text.is_empty() || !text.bytes().all(fits) {
                let help = "write a name such as edge1 or edge1.example:443";
                reader.invalid(node.at, format!("`{text}` is no name of a proxy"), help);
                return None;
            }
            Some(Some(text.to_owned()))
        });
    }

    /// This level over the one around it.
    pub(crate) fn over(self, outer: &Self) -> Self {
        Self {
            x: self.x.or(outer.x),
            rfc7239: self.rfc7239.or(outer.rfc7239),
            real_ip: self.real_ip.or(outer.real_ip),
            via: self.via.or_else(|| outer.via.clone()),
            via_response: self.via_response.or(outer.via_response),
            cors: self.cors.or_else(|| outer.cors.clone()),
            hsts: self.hsts.or(outer.hsts),
            security: self.security.or(outer.security),
        }
    }

    /// What an origin is told.
    pub(crate) fn forwarding(&self) -> Forwarding {
        let built_in = Forwarding::built_in();
        Forwarding {
            x: self.x.unwrap_or(built_in.x),
            rfc7239: self.rfc7239.unwrap_or(built_in.rfc7239),
            real_ip: self.real_ip.unwrap_or(built_in.real_ip),
            via: self.via.clone().unwrap_or(built_in.via),
            guarded: true,
        }
    }

    /// Puts it into a route's policy.
    pub(crate) fn apply(&self, policy: &mut RoutePolicy) {
        policy.cors = self.cors.clone().flatten();
        policy.hsts = self.hsts.flatten();
        policy.security = self.security.unwrap_or_default();
        policy.via_response = self
            .via_response
            .unwrap_or(false)
            .then(|| self.forwarding().via)
            .flatten();
    }
}

fn hsts(reader: &mut Reader<'_>, node: &Node) -> Option<Hsts> {
    if let Value::Scalar { .. } = node.value {
        return Some(Hsts {
            max_age: reader.duration(node)?,
            include_subdomains: false,
            preload: false,
        });
    }
    let fields = reader.open(node, &HSTS)?;
    let Some(age) = fields.get("max_age") else {
        reader.missing(node.at, "`hsts`", "max_age");
        return None;
    };
    let mut switch = |name: &str| {
        fields
            .get(name)
            .and_then(|n| reader.boolean(n))
            .unwrap_or(false)
    };
    let (include_subdomains, preload) = (switch("include_subdomains"), switch("preload"));
    let max_age = reader.duration(age)?;
    if preload && (!include_subdomains || max_age < PRELOAD_MIN) {
        reader.invalid(
            node.at,
            "the browsers' list takes names with all below them, for a year at least",
            "write { max_age: 365d, include_subdomains: true, preload: true }",
        );
    }
    Some(Hsts {
        max_age,
        include_subdomains,
        preload,
    })
}

fn cors(reader: &mut Reader<'_>, node: &Node) -> Option<Cors> {
    let fields = reader.open(node, &CORS)?;
    let Some(origins_node) = fields.get("origins") else {
        reader.missing(node.at, "`cors`", "origins");
        return None;
    };
    let origins = origins(reader, origins_node)?;
    let methods = fields.get("methods").map_or_else(
        || Some(["GET", "HEAD", "POST"].map(str::to_owned).to_vec()),
        |n| methods(reader, n),
    )?;
    let mut names = |field: &str| -> Option<Vec<String>> {
        let mut all = Vec::new();
        if let Some(node) = fields.get(field) {
            for node in reader.list(node) {
                let name = reader.string(node)?;
                if is_field_name(reader, node.at, name) {
                    all.push(name.to_owned());
                }
            }
        }
        Some(all)
    };
    let (headers, expose) = (names("headers")?, names("expose")?);
    let credentials = match fields.get("credentials") {
        Some(node) => reader.boolean(node)?,
        None => false,
    };
    if credentials && origins.is_empty() {
        reader.invalid(
            origins_node.at,
            "with credentials any site could act as its visitor",
            "name the origins: [\"https://app.example\"]",
        );
        return None;
    }
    Some(Cors {
        origins,
        methods,
        headers,
        expose,
        credentials,
        max_age: match fields.get("max_age") {
            Some(node) => reader.duration(node)?,
            None => Duration::from_secs(600),
        },
    })
}

/// Origins as a browser writes them (RFC 6454 §6.2); empty for `*`.
fn origins(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<String>> {
    let nodes = reader.list(node);
    if let [one] = nodes
        && one.scalar() == Some("*")
    {
        return Some(Vec::new());
    }
    let mut all = Vec::new();
    for node in nodes {
        let text = reader.string(node)?;
        let authority = text.split_once("://").map(|(_, a)| a);
        let wrong = match authority {
            // Any sandboxed page says `null`.
            _ if text == "null" => {
                Some("`null` is every sandboxed page's origin, also an attacker's")
            }
            _ if text == "*" => Some("`*` stands alone"),
            None => Some("an origin has a scheme"),
            Some(a) if a.is_empty() || a.contains(['/', '?', '#', '@']) => {
                Some("an origin has no path and no user")
            }
            Some(a) if a.strip_prefix("*.").unwrap_or(a).contains('*') => {
                Some("only the first label may be left open")
            }
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            let help = "write https://app.example, https://*.app.example, or \"*\"";
            reader.invalid(node.at, wrong, help);
            return None;
        }
        all.push(text.to_ascii_lowercase());
    }
    if all.is_empty() {
        reader.invalid(node.at, "`origins` names none", "`cors: off` answers none");
        return None;
    }
    Some(all)
}

/// `trusted_proxies`: networks, or networks with the field that names the client.
pub(crate) fn trusted_proxies(reader: &mut Reader<'_>, node: &Node) -> ClientIdentity {
    let mut identity = ClientIdentity {
        trusted: Vec::new(),
        trusts_unix: false,
        header: IdentityHeader::XForwardedFor,
        recursive: true,
    };
    let Value::Map(_) = node.value else {
        identity.trusted = super::document::networks(reader, node);
        return identity;
    };
    let Some(fields) = reader.open(node, &TRUSTED) else {
        return identity;
    };
    if let Some(node) = fields.get("from") {
        identity.trusted = super::document::networks(reader, node);
    }
    if let Some((node, name)) = fields
        .get("header")
        .and_then(|n| Some((n, reader.string(n)?)))
        && is_field_name(reader, node.at, name)
    {
        identity.header = IdentityHeader::named(name);
    }
    identity
}
