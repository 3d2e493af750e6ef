//! Included files: lists join, named things join, and a name defined twice shows both lines.

use super::read::{Reader, directory};
use super::tree::{Key, Node, Value, parse};
use crate::load::{LoadOptions, read};
use crate::nginx::glob;
use seawall_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use std::path::PathBuf;

/// The most files one configuration is made of.
pub const FILES_MAX: usize = 1024;

/// Fields whose lists are joined.
const LISTS: &[&str] = &["listen", "sites", "streams", "trusted_proxies"];
/// Fields whose entries are joined by name.
const MAPS: &[&str] = &["caches", "wafs", "pools", "lists"];

/// The root file's tree with everything it includes. Included files include nothing themselves.
pub(crate) fn load_tree(
    sources: &mut SourceMap,
    file: FileId,
    options: &LoadOptions,
    found: &mut Diagnostics,
    files: &mut Vec<PathBuf>,
) -> Option<Node> {
    let mut root = parse(file, sources, options, found)?;
    files.push(sources.name(file).to_path_buf());
    let patterns = patterns(&root, sources, options, found);
    for (pattern, at) in patterns {
        let pattern = directory(sources.name(file)).join(pattern);
        let paths = match glob::expand(&pattern) {
            Ok(paths) => paths,
            Err(message) => {
                found.error("include", at, message);
                continue;
            }
        };
        for path in paths {
            if files.len() >= FILES_MAX {
                found.error("include", at, format!("more than {FILES_MAX} files"));
                return Some(root);
            }
            match read(&path, options) {
                Ok(text) => {
                    let id = sources.add(path.clone(), text);
                    files.push(path);
                    if let Some(part) = parse(id, sources, options, found) {
                        join(&mut root, part, found);
                    }
                }
                Err(message) => found.error("include", at, message),
            }
        }
    }
    Some(root)
}

fn patterns(
    root: &Node,
    sources: &SourceMap,
    options: &LoadOptions,
    found: &mut Diagnostics,
) -> Vec<(String, Span)> {
    let Value::Map(entries) = &root.value else {
        return Vec::new();
    };
    let Some((_, node)) = entries.iter().find(|(k, _)| k.name == "include") else {
        return Vec::new();
    };
    let mut reader = Reader {
        sources,
        found,
        env: &options.env,
    };
    reader
        .list(node)
        .iter()
        .filter_map(|n| Some((reader.string(n)?.to_owned(), n.at)))
        .collect()
}

fn join(root: &mut Node, part: Node, found: &mut Diagnostics) {
    let Value::Map(added) = part.value else {
        found.error(
            "wrong-type",
            part.at,
            format!("a configuration is a mapping, but this is {}", part.kind()),
        );
        return;
    };
    let Value::Map(entries) = &mut root.value else {
        return;
    };
    for (key, node) in added {
        if key.name == "include" {
            found.error("include", key.at, "an included file cannot include others");
        } else if let Some((first, existing)) = entries.iter_mut().find(|(k, _)| k.name == key.name)
        {
            join_field(first, existing, &key, node, found);
        } else {
            entries.push((key, node));
        }
    }
}

fn join_field(first: &Key, existing: &mut Node, key: &Key, node: Node, found: &mut Diagnostics) {
    let name = key.name.as_str();
    if name == "version" && existing.scalar() == node.scalar() {
        return;
    }
    if LISTS.contains(&name) {
        let mut items = into_list(
            std::mem::replace(&mut existing.value, Value::List(Vec::new())),
            existing.at,
        );
        items.extend(into_list(node.value, node.at));
        existing.value = Value::List(items);
        return;
    }
    match (&mut existing.value, node.value) {
        // A name that stands in both is reported where the room is read: as written twice, with both places.
        (Value::Map(entries), Value::Map(added)) if MAPS.contains(&name) => entries.extend(added),
        _ => found.push(
            Diagnostic::error(
                "duplicate",
                key.at,
                format!("`{name}` is written in two files"),
            )
            .related(first.at, "first written here"),
        ),
    }
}

fn into_list(value: Value, at: Span) -> Vec<Node> {
    match value {
        Value::List(items) => items,
        value => {
            let node = Node { at, value };
            if node.is_null() {
                Vec::new()
            } else {
                vec![node]
            }
        }
    }
}
