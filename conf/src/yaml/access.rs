//! `allow`, `deny`, `auth`, `satisfy`: who may pass.

use super::layer::is_field_name;
use super::lists::whom;
use super::pools::Pools;
use super::read::{Fields, Reader, Shape};
use super::rooms::Names;
use super::tree::{Node, Value};
use super::when::texts;
use crate::address;
use crate::model::{
    Access, AccessRule, Auth, BasicAuth, ForwardAuth, ForwardTarget, Forwarding, JwtAuth,
    KeySource, Part, PassOn, Proxy, ProxyUri, Template, TokenSource, Who,
};
use seawall_diag::Span;
use std::time::Duration;

pub(super) const AUTH: Shape = Shape {
    what: "`auth`",
    fields: &[
        "basic", "realm", "strip", "forward", "copy", "timeout", "jwt",
    ],
    not_yet: &[],
};
pub(super) const JWT: Shape = Shape {
    what: "`jwt`",
    fields: &[
        "jwks",
        "algorithms",
        "audience",
        "issuer",
        "leeway",
        "claims",
        "from",
        "required",
    ],
    not_yet: &[],
};
pub(super) const FROM: Shape = Shape {
    what: "where a token is",
    fields: &["header", "cookie"],
    not_yet: &[],
};

/// Ways to authenticate that one route may list.
const AUTH_MAX: usize = 8;

/// Signatures that prove something to who holds only a public key (RFC 7518 §3.1, RFC 8037).
const ALGORITHMS: &[&str] = &[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA",
];

/// What one level says of it.
#[derive(Clone, Default)]
pub(crate) struct AccessLayer {
    allow: Option<Vec<Who>>,
    deny: Option<Vec<Who>>,
    auth: Option<Vec<Auth>>,
    satisfy_any: Option<bool>,
}

impl AccessLayer {
    /// Reads it from a route, a site or `defaults`.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        fields: &Fields<'_>,
        names: &Names<'_>,
        pools: &mut Pools,
    ) -> Self {
        let mut nets = |name: &str| {
            let node = fields.get(name)?;
            if node.is_off() {
                return Some(Vec::new());
            }
            let nets = whom(reader, node, names);
            if nets.is_empty() {
                let help = format!("`{name}: off` takes the list away");
                reader.invalid(node.at, format!("`{name}` names nobody"), help);
            }
            Some(nets)
        };
        let (allow, deny) = (nets("allow"), nets("deny"));
        let auth = fields.get("auth").map(|node| auths(reader, node, pools));
        let words = [("all", false), ("any", true)];
        let satisfy_any = fields
            .get("satisfy")
            .and_then(|n| reader.choice(n, &words, &[]));
        Self {
            allow,
            deny,
            auth,
            satisfy_any,
        }
    }

    /// This level over the one around it.
    pub(crate) fn over(self, outer: &Self) -> Self {
        Self {
            allow: self.allow.or_else(|| outer.allow.clone()),
            deny: self.deny.or_else(|| outer.deny.clone()),
            auth: self.auth.or_else(|| outer.auth.clone()),
            satisfy_any: self.satisfy_any.or(outer.satisfy_any),
        }
    }

    /// Whoever is denied is refused; where some are allowed, all others are refused, too.
    pub(crate) fn policy(&self) -> Access {
        let rule = |allow: bool| {
            move |who: &Who| AccessRule {
                who: who.clone(),
                allow,
            }
        };
        let allowed = self.allow.as_deref().unwrap_or_default();
        let mut rules: Vec<AccessRule> = self.deny.iter().flatten().map(rule(false)).collect();
        rules.extend(allowed.iter().map(rule(true)));
        if !allowed.is_empty() {
            rules.push(AccessRule {
                who: Who::All,
                allow: false,
            });
        }
        Access {
            rules,
            auth: self.auth.clone().unwrap_or_default(),
            satisfy_any: self.satisfy_any.unwrap_or(false),
            except: None,
        }
    }
}

fn auths(reader: &mut Reader<'_>, node: &Node, pools: &mut Pools) -> Vec<Auth> {
    if node.is_off() {
        return Vec::new();
    }
    let nodes = reader.list(node);
    if nodes.is_empty() || nodes.len() > AUTH_MAX {
        let help = "`auth: off` asks nothing";
        let message = format!("`auth` lists from one to {AUTH_MAX} ways");
        reader.invalid(node.at, message, help);
    }
    let all: Vec<Auth> = nodes
        .iter()
        .filter_map(|n| auth(reader, n, pools))
        .collect();
    all
}

fn auth(reader: &mut Reader<'_>, node: &Node, pools: &mut Pools) -> Option<Auth> {
    let fields = reader.open(node, &AUTH)?;
    let written: Vec<&str> = ["basic", "forward", "jwt"]
        .into_iter()
        .filter(|f| fields.get(f).is_some())
        .collect();
    let &[kind] = written.as_slice() else {
        let help = "several ways are a list: auth: [{ basic: ... }, { jwt: ... }]";
        reader.invalid(
            node.at,
            "`auth` has one of `basic`, `forward` and `jwt`",
            help,
        );
        return None;
    };
    let own: &[&str] = match kind {
        "basic" => &["basic", "realm", "strip"],
        "forward" => &["forward", "copy", "timeout"],
        _ => &["jwt", "strip"],
    };
    for other in AUTH.fields.iter().filter(|f| !own.contains(f)) {
        if let Some(at) = fields.key(other) {
            let message = format!("`{other}` says nothing beside `{kind}`");
            reader.invalid(at, message, "leave it out");
        }
    }
    let strip = fields
        .get("strip")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(false);
    match kind {
        "basic" => basic(reader, &fields, strip).map(Auth::Basic),
        "forward" => forward(reader, &fields, pools).map(|f| Auth::Forward(Box::new(f))),
        _ => jwt(reader, fields.get("jwt")?, strip, pools).map(|j| Auth::Jwt(Box::new(j))),
    }
}

fn basic(reader: &mut Reader<'_>, fields: &Fields<'_>, strip: bool) -> Option<BasicAuth> {
    let node = fields.get("basic")?;
    Some(BasicAuth {
        at: node.at,
        users: reader.secret_file(node)?.0,
        realm: match fields.get("realm") {
            Some(node) => reader.template(node)?,
            None => Template {
                parts: vec![Part::Variable {
                    name: "server_name".into(),
                    at: node.at,
                }],
            },
        },
        strip,
        strict: true,
    })
}

/// A place to ask: a URL, or a pool's name with a path.
pub(super) struct Place {
    pub(super) pool: usize,
    pub(super) authority: String,
    pub(super) path: String,
}

pub(super) fn place(
    reader: &mut Reader<'_>,
    at: Span,
    text: &str,
    pools: &mut Pools,
) -> Option<Place> {
    let start = text.find("://").map_or(0, |i| i + 3);
    let end = text
        .get(start..)
        .and_then(|rest| rest.find(['/', '?']))
        .map_or(text.len(), |i| start + i);
    let (target, path) = text.split_at(end);
    let path = match path.as_bytes().first() {
        Some(b'/') => path.to_owned(),
        _ => format!("/{path}"),
    };
    if path.bytes().any(|b| b <= b' ' || b == 127 || b == b'#') {
        reader.invalid(
            at,
            format!("`{text}` is no URL"),
            "write http://127.0.0.1:9091/verify",
        );
        return None;
    }
    let pool = pools.target(reader, at, target)?;
    let authority =
        address::origin(target, None).map_or_else(|_| target.to_owned(), |o| o.authority);
    Some(Place {
        pool,
        authority,
        path,
    })
}

fn forward(reader: &mut Reader<'_>, fields: &Fields<'_>, pools: &mut Pools) -> Option<ForwardAuth> {
    let node = fields.get("forward")?;
    let text = reader.string(node)?;
    let place = place(reader, node.at, text, pools)?;
    let mut copy = Vec::new();
    if let Some(node) = fields.get("copy") {
        for node in reader.list(node) {
            let name = reader.string(node)?;
            if is_field_name(reader, node.at, name) {
                copy.push(name.to_owned());
            }
        }
    }
    let timeout = fields
        .get("timeout")
        .map_or(Some(Duration::from_secs(5)), |n| {
            reader.duration(n).filter(|d| {
                let some = !d.is_zero();
                if !some {
                    reader.invalid(n.at, "nothing answers in no time", "write timeout: 5s");
                }
                some
            })
        })?;
    let variable = |name: &str| Template {
        parts: vec![Part::Variable {
            name: name.into(),
            at: node.at,
        }],
    };
    let target = Proxy {
        split: None,
        mirror: None,
        at: node.at,
        pool: place.pool,
        host: Some(Template::literal(place.authority.clone())),
        proxy_host: place.authority,
        proxy_port: pools.port(place.pool),
        uri: ProxyUri::Template(Template::literal(place.path)),
        set_headers: vec![
            ("X-Forwarded-Method".into(), variable("request_method")),
            ("X-Forwarded-Uri".into(), variable("request_uri")),
        ],
        add_headers: Vec::new(),
        fastcgi: None,
        asking: Box::default(),
        passing: Box::default(),
        forwarding: Forwarding {
            via: None,
            ..Forwarding::built_in()
        },
        http11: true,
        pass_on: PassOn::nothing(),
        keepalive: true,
    };
    Some(ForwardAuth {
        at: node.at,
        target: ForwardTarget::Pool(Box::new(target)),
        copy,
        timeout,
        set: Vec::new(),
    })
}

fn jwt(reader: &mut Reader<'_>, node: &Node, strip: bool, pools: &mut Pools) -> Option<JwtAuth> {
    let fields = reader.open(node, &JWT)?;
    let Some(jwks) = fields.get("jwks") else {
        reader.missing(node.at, "`jwt`", "jwks");
        return None;
    };
    let keys = key_source(reader, jwks, pools);
    let algorithms = algorithms(reader, node.at, fields.get("algorithms"));
    let mut list = |name: &str| {
        fields
            .get(name)
            .map_or_else(|| Some(Vec::new()), |n| texts(reader, n))
    };
    let (audience, issuer) = (list("audience"), list("issuer"));
    let leeway = fields
        .get("leeway")
        .map_or(Some(Duration::from_secs(30)), |n| reader.duration(n));
    let claims = claims(reader, fields.get("claims"));
    let from = token_source(reader, fields.get("from"));
    if strip && matches!(from, Some(TokenSource::Cookie(_))) {
        let help = "leave `strip` out, or take the token from a header";
        reader.invalid(node.at, "a cookie cannot be taken out of the others", help);
    }
    let required = fields
        .get("required")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(true);
    Some(JwtAuth {
        at: node.at,
        keys: keys?,
        algorithms: algorithms?,
        audience: audience?,
        issuer: issuer?,
        leeway: leeway?,
        claims: claims?,
        from: from?,
        required,
        strip,
    })
}

fn key_source(reader: &mut Reader<'_>, node: &Node, pools: &mut Pools) -> Option<KeySource> {
    let text = reader.string(node)?;
    if !text.contains("://") {
        return reader.path(node).map(KeySource::File);
    }
    let place = place(reader, node.at, text, pools)?;
    Some(KeySource::Url {
        url: text.to_owned(),
        pool: place.pool,
        authority: place.authority,
        path: place.path,
    })
}

fn algorithms(reader: &mut Reader<'_>, at: Span, node: Option<&Node>) -> Option<Vec<String>> {
    let Some(node) = node else {
        // A token must not choose how it is verified (RFC 8725 §3.1).
        reader.missing(at, "`jwt`", "algorithms");
        return None;
    };
    let words: Vec<(&str, &str)> = ALGORITHMS.iter().map(|a| (*a, *a)).collect();
    let mut all = Vec::new();
    for node in reader.list(node) {
        match node.scalar() {
            Some(text) if text.starts_with("HS") || text.eq_ignore_ascii_case("none") => {
                let help = "keys of a JWKS are public: who knows them could sign with HS256";
                reader.invalid(node.at, format!("`{text}` proves nothing here"), help);
                return None;
            }
            _ => all.push(reader.choice(node, &words, &[])?.to_owned()),
        }
    }
    if all.is_empty() {
        reader.invalid(node.at, "no algorithm", "write algorithms: [RS256]");
        return None;
    }
    Some(all)
}

fn claims(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<Vec<(String, String)>> {
    let mut all = Vec::new();
    if let Some(node) = node {
        for (key, node) in reader.entries(node, "`claims`") {
            let name = reader.string(node)?;
            if is_field_name(reader, node.at, name) {
                all.push((key.name.clone(), name.to_owned()));
            }
        }
    }
    Some(all)
}

fn token_source(reader: &mut Reader<'_>, node: Option<&Node>) -> Option<TokenSource> {
    let Some(node) = node else {
        return Some(TokenSource::Bearer);
    };
    if let Value::Scalar { .. } = node.value {
        let name = reader.string(node)?;
        if !is_field_name(reader, node.at, name) {
            return None;
        }
        return Some(if name.eq_ignore_ascii_case("authorization") {
            TokenSource::Bearer
        } else {
            TokenSource::Header(name.to_owned())
        });
    }
    let fields = reader.open(node, &FROM)?;
    match (fields.get("header"), fields.get("cookie")) {
        (Some(node), None) => Some(TokenSource::Header(reader.string(node)?.to_owned())),
        (None, Some(node)) => Some(TokenSource::Cookie(reader.string(node)?.to_owned())),
        _ => {
            reader.invalid(
                node.at,
                "a token is in one `header` or in one `cookie`",
                "write from: { cookie: token }",
            );
            None
        }
    }
}
