//! `redirects` of a site: tried before its routes.

use super::layer::Layer;
use super::read::{Reader, Shape};
use super::rooms::Names;
use super::routes;
use super::tree::{Key, Node, Value};
use crate::model::{Content, Matcher, RedirectMap, Route};

pub(super) const FILE: Shape = Shape {
    what: "a file of redirects",
    fields: &["file", "status"],
    not_yet: &[],
};

/// `{ /old: /new }` by whole segments, answered with 302; or `{ file: redirects.map }`, exact paths.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    node: &Node,
    layer: &Layer,
    names: &Names<'_>,
    all: &mut Vec<Route>,
) -> Option<RedirectMap> {
    if matches!(&node.value, Value::Map(entries) if entries.iter().any(|(k, _)| k.name == "file")) {
        return file(reader, node);
    }
    for (key, node) in reader.entries(node, "`redirects`") {
        let Some(matcher) = from(reader, key) else {
            continue;
        };
        let Some((status, location)) = routes::redirect(reader, node) else {
            continue;
        };
        let content = Content::Redirect { status, location };
        let policy = layer.policy(reader, names);
        all.push(Route {
            at: key.at,
            matcher,
            when: Vec::new(),
            program: Vec::new(),
            content,
            policy,
        });
    }
    None
}

fn file(reader: &mut Reader<'_>, node: &Node) -> Option<RedirectMap> {
    let fields = reader.open(node, &FILE)?;
    let file = fields.get("file")?;
    let words = [
        ("301", 301),
        ("302", 302),
        ("303", 303),
        ("307", 307),
        ("308", 308),
    ];
    let status = fields
        .get("status")
        .map_or(Some(302), |n| reader.choice(n, &words, &[]))?;
    Some(RedirectMap {
        at: file.at,
        path: reader.path(file)?,
        status,
    })
}

fn from(reader: &mut Reader<'_>, key: &Key) -> Option<Matcher> {
    let starts = key.name.starts_with('/');
    if !starts {
        reader.invalid(
            key.at,
            format!("`{}` is no path", key.name),
            "a path begins with `/`",
        );
    }
    starts.then(|| Matcher::Segments(key.name.clone()))
}
