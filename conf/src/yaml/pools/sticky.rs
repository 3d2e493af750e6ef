//! Sessions that stay with their server.

use crate::model::{LearnFrom, Sticky, StickyBy, StickyCookie, Template};
use crate::yaml::read::{Fields, Reader, Shape};
use crate::yaml::tree::{Node, Value};
use std::time::Duration;

pub(in crate::yaml) const STICKY: Shape = Shape {
    what: "`sticky`",
    fields: &[
        "cookie",
        "ttl",
        "secure",
        "http_only",
        "same_site",
        "path",
        "domain",
        "route",
        "learn",
        "while_draining",
    ],
    not_yet: &[],
};
pub(in crate::yaml) const LEARN: Shape = Shape {
    what: "`learn`",
    fields: &["create", "lookup", "ttl", "sessions"],
    not_yet: &[],
};

/// Fields of the cookie alone.
const OF_COOKIE: &[&str] = &["ttl", "secure", "http_only", "same_site", "path", "domain"];

pub(super) fn sticky(reader: &mut Reader<'_>, node: &Node) -> Option<Sticky> {
    let fields = reader.open(node, &STICKY)?;
    let kinds: Vec<&str> = ["cookie", "route", "learn"]
        .into_iter()
        .filter(|k| fields.get(k).is_some())
        .collect();
    let &[kind] = kinds.as_slice() else {
        reader.invalid(
            node.at,
            "`sticky` has one of `cookie`, `route` and `learn`",
            "write sticky: { cookie: srv }",
        );
        return None;
    };
    if kind != "cookie" {
        for field in OF_COOKIE {
            if let Some(at) = fields.key(field) {
                reader.invalid(
                    at,
                    format!("`{field}` is the cookie's, and there is none"),
                    "leave it out",
                );
            }
        }
    }
    let node = fields.get(kind)?;
    let by = match kind {
        "cookie" => StickyBy::Cookie(cookie(reader, node, &fields)?),
        "route" => StickyBy::Route(templates(reader, node)),
        _ => learn(reader, node)?,
    };
    let while_draining = fields
        .get("while_draining")
        .and_then(|n| reader.boolean(n))
        .unwrap_or(false);
    Some(Sticky { by, while_draining })
}

fn cookie(reader: &mut Reader<'_>, node: &Node, fields: &Fields<'_>) -> Option<StickyCookie> {
    let name = reader.string(node)?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        reader.invalid(
            node.at,
            format!("`{name}` is no name of a cookie"),
            "write sticky: { cookie: srv }",
        );
        return None;
    }
    let words = [
        ("strict", "Strict"),
        ("lax", "Lax"),
        ("none", "None"),
        ("Strict", "Strict"),
        ("Lax", "Lax"),
        ("None", "None"),
        ("off", ""),
        ("false", ""),
    ];
    let same_site = fields
        .get("same_site")
        .and_then(|n| reader.choice(n, &words, &[]));
    let mut attribute = |field: &str| {
        let node = fields.get(field)?;
        let text = reader.string(node)?;
        if text.bytes().any(|b| b.is_ascii_control() || b == b';') {
            reader.invalid(
                node.at,
                format!("`{field}` of a cookie has no `;`"),
                "write one value",
            );
            return None;
        }
        Some(text.to_owned())
    };
    Some(StickyCookie {
        name: name.to_owned(),
        path: attribute("path").unwrap_or_else(|| "/".into()),
        domain: attribute("domain"),
        ttl: fields.get("ttl").and_then(|n| reader.duration(n)),
        secure: fields.get("secure").and_then(|n| reader.boolean(n)),
        http_only: fields
            .get("http_only")
            .and_then(|n| reader.boolean(n))
            .unwrap_or(true),
        same_site: same_site.unwrap_or("Lax"),
    })
}

fn learn(reader: &mut Reader<'_>, node: &Node) -> Option<StickyBy> {
    let fields = reader.open(node, &LEARN)?;
    let (Some(create), Some(lookup)) = (fields.get("create"), fields.get("lookup")) else {
        reader.missing(node.at, "`learn`", "create` and `lookup");
        return None;
    };
    let mut from = Vec::new();
    for template in templates(reader, create) {
        match LearnFrom::parse(&template) {
            Some(learn) => from.push(learn),
            None => reader.invalid(
                create.at,
                "a session is learned from one value of the answer",
                "write create: $upstream_cookie_session or $upstream_http_x_session",
            ),
        }
    }
    let lookup = templates(reader, lookup);
    let ttl = fields.get("ttl").and_then(|n| reader.duration(n));
    let sessions = fields
        .get("sessions")
        .and_then(|n| reader.integer(n, 1, 16_777_216));
    Some(StickyBy::Learn {
        create: from,
        lookup,
        ttl: ttl.unwrap_or(Duration::from_secs(600)),
        sessions: sessions.map_or(65_536, |n| n as usize),
    })
}

fn templates(reader: &mut Reader<'_>, node: &Node) -> Vec<Template> {
    let all = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    all.iter().filter_map(|n| reader.template(n)).collect()
}
