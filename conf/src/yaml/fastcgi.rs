//! `to: "fastcgi:..."`, pools with `protocol: fastcgi`, and the `fastcgi` object of a route or site.

use super::pools::{Pools, anonymous};
use super::read::{Fields, Reader, Shape};
use super::routes::Context;
use super::tree::{Node, Value};
use crate::address::{self, OriginError};
use crate::model::{
    Content, FastCgi, FastCgiParam, FindScripts, Part, Pattern, Protocol, Template,
};
use seawall_diag::Span;

pub(super) const FASTCGI: Shape = Shape {
    what: "`fastcgi`",
    fields: &[
        "params",
        "split_path",
        "index",
        "keep_conn",
        "must_exist",
        "fallback",
    ],
    not_yet: &[],
};

/// The address behind `fastcgi:`.
pub(crate) fn address_of(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("fastcgi:")?;
    Some(rest.strip_prefix("//").unwrap_or(rest))
}

/// Whether `to` means a FastCGI application: an address, or a pool that speaks it.
pub(crate) fn is_target(node: &Node, pools: &Pools) -> bool {
    node.scalar().is_some_and(|text| {
        address_of(text).is_some()
            || pools
                .all
                .iter()
                .any(|p| p.name == text && p.protocol == Protocol::FastCgi)
    })
}

/// The pool of an address: one server, named as it was written.
pub(crate) fn pool(
    reader: &mut Reader<'_>,
    at: Span,
    text: &str,
    pools: &mut Pools,
) -> Option<usize> {
    let Some(rest) = address_of(text) else {
        return pools.target(reader, at, text);
    };
    if let Some(known) = pools.all.iter().position(|p| p.name == text) {
        return Some(known);
    }
    match address::origin(rest, None) {
        Ok(origin) if origin.uri.is_empty() && !rest.contains("://") => {
            let address = reader.located(at, origin.address)?;
            let mut pool = anonymous(at, text, address);
            pool.protocol = Protocol::FastCgi;
            pools.all.push(pool);
            Some(pools.all.len() - 1)
        }
        Err(OriginError::Invalid(message)) => {
            reader.invalid(
                at,
                message,
                "write fastcgi:unix:/path or fastcgi:127.0.0.1:9000",
            );
            None
        }
        _ => {
            reader.invalid(
                at,
                format!("`{text}` is no address of an application"),
                "write fastcgi:unix:/path or fastcgi:127.0.0.1:9000",
            );
            None
        }
    }
}

/// Reads what an application is told, from a route's fields.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    context: &Context<'_>,
) -> Option<FastCgi> {
    let root = match fields.get("root") {
        Some(node) => {
            let directory = reader.path(node)?;
            Some(reader.template_text(&directory.to_string_lossy(), node.at)?)
        }
        None => context.site.and_then(|site| match &site.content {
            Content::Static { root, .. } => Some(root.path.clone()),
            Content::Proxy(proxy) => Some(proxy.fastcgi.as_ref()?.find.as_ref()?.root.clone()),
            _ => None,
        }),
    };
    let own = match fields.get("fastcgi") {
        Some(node) => Some(reader.open(node, &FASTCGI)?),
        None => None,
    };
    let get = |name: &str| own.as_ref().and_then(|o| o.get(name));
    let index = match get("index").or_else(|| fields.get("index")) {
        Some(node) => {
            let first = reader.list(node).first();
            first.and_then(|n| reader.string(n)).unwrap_or_default()
        }
        None if root.is_some() => "index.php",
        None => "",
    };
    let at = fields.get("to").map_or(fields.at, |n| n.at);
    let must_exist = get("must_exist").and_then(|n| reader.boolean(n));
    if must_exist == Some(true) && root.is_none() {
        let help = "write `root` beside `to`";
        reader.invalid(at, "without a root there is no file that could exist", help);
    }
    let fallback = match get("fallback") {
        Some(node) if node.is_off() => None,
        Some(node) => Some(path(reader, node)?),
        None => (!index.is_empty()).then(|| format!("/{index}")),
    };
    let split = match get("split_path") {
        Some(node) if node.is_off() => None,
        Some(node) => Some((reader.string(node)?.to_owned(), node.at)),
        None => root.is_some().then(|| (FastCgi::SPLIT.to_owned(), at)),
    };
    let params = params(reader, get("params"), root.as_ref(), at);
    Some(FastCgi {
        params,
        index: index.to_owned(),
        split: split.map(|(text, at)| Pattern {
            at,
            text,
            caseless: false,
            negated: false,
        }),
        keep: get("keep_conn")
            .and_then(|n| reader.boolean(n))
            .unwrap_or(false),
        find: root
            .filter(|_| must_exist != Some(false))
            .map(|root| FindScripts { root, fallback }),
        no_fields: false,
        hide: Vec::new(),
    })
}

fn path(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let text = reader.string(node)?;
    if !text.starts_with('/') {
        reader.invalid(
            node.at,
            format!("`{text}` is no path"),
            "a path begins with `/` and is below the root",
        );
        return None;
    }
    Some(text.to_owned())
}

/// The standard parameters with those of the configuration in their place.
fn params(
    reader: &mut Reader<'_>,
    node: Option<&Node>,
    root: Option<&Template>,
    at: Span,
) -> Vec<FastCgiParam> {
    let mut all: Vec<FastCgiParam> = Vec::new();
    let mut push = |name: &str, value: Template, if_not_empty: bool| {
        all.push(FastCgiParam {
            name: name.to_owned(),
            value,
            if_not_empty,
        });
    };
    let variable = |name: &str| Part::Variable {
        name: name.to_owned(),
        at,
    };
    if let Some(root) = root {
        let mut file = root.clone();
        file.parts.push(variable("fastcgi_script_name"));
        push("SCRIPT_FILENAME", file, false);
        push("DOCUMENT_ROOT", root.clone(), false);
    }
    for (name, value, if_not_empty) in FastCgi::PARAMS {
        let value = match (*name, root) {
            // An application without scripts is mounted at the root: all of the path is its own.
            ("SCRIPT_NAME", None) => Template::default(),
            ("PATH_INFO", None) => Template {
                parts: vec![variable("uri")],
            },
            _ => match value.strip_prefix('$') {
                Some(name) => Template {
                    parts: vec![variable(name)],
                },
                None => Template::literal(*value),
            },
        };
        push(name, value, *if_not_empty);
    }
    let Some(node) = node else { return all };
    if !matches!(node.value, Value::Map(_)) {
        reader.wrong_kind(node, "`params` is a mapping");
        return all;
    }
    for (key, node) in reader.entries(node, "`params`") {
        all.retain(|p| p.name != key.name);
        if node.is_off() {
            continue;
        }
        if let Some(value) = reader.template(node) {
            all.push(FastCgiParam {
                name: key.name.clone(),
                value,
                if_not_empty: false,
            });
        }
    }
    all
}
