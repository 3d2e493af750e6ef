//! Files that are only a part: a `server` or a `location` without `http` around it, as they lie in `conf.d`.

use super::lex::Word;
use super::table::{Contexts, find};
use super::tree::{Directive, Item, directives};
use seawall_diag::{Diagnostics, FileId, Span};

/// Puts `http`, and `server` where it is needed, around a fragment; a whole file stays as it is.
pub(crate) fn wrap(items: Vec<Item>, file: FileId, found: &mut Diagnostics) -> Vec<Item> {
    let whole = ["http", "events", "stream", "mail"];
    if directives(&items).any(|d| whole.contains(&d.name())) {
        return items;
    }
    let has = |names: &[&str]| directives(&items).any(|d| names.contains(&d.name()));
    let is_http = has(&[
        "server",
        "upstream",
        "map",
        "geo",
        "proxy_cache_path",
        "log_format",
    ]);
    let is_server = !is_http && has(&["location", "listen", "server_name"]);
    if !is_http && !is_server {
        return items;
    }
    found.push(seawall_diag::Diagnostic::warning(
        "fragment",
        Span::new(file, 0, 0),
        if is_http {
            "only a part of a configuration: read as if in \"http\""
        } else {
            "only a part of a configuration: read as if in \"server\""
        },
    ));
    // What stands in main alone stays there: -g directives come before a fragment's own.
    let (main, inner): (Vec<Item>, Vec<Item>) = items.into_iter().partition(|item| match item {
        Item::Directive(d) => is_main_only(d),
        Item::Comment(_) => false,
    });
    let inner = if is_server {
        vec![block("server", file, inner)]
    } else {
        inner
    };
    let mut out = main;
    out.push(block("events", file, Vec::new()));
    out.push(block("http", file, inner));
    out
}

fn is_main_only(d: &Directive) -> bool {
    let main = find(d.name(), Contexts::MAIN).0.is_some();
    main && find(d.name(), Contexts::HTTP).0.is_none()
}

fn block(name: &str, file: FileId, items: Vec<Item>) -> Item {
    let at = Span::new(file, 0, 0);
    Item::Directive(Directive {
        name: Word {
            text: name.to_owned(),
            at,
            quoted: false,
            exact: None,
        },
        args: Vec::new(),
        block: Some(items),
    })
}

/// nginx refuses a file without `events`.
pub(crate) fn needs_events(items: &[Item], found: &mut Diagnostics) {
    if !directives(items).any(|d| d.name() == "events") {
        found.error(
            "nginx-events",
            None,
            "no \"events\" section in configuration",
        );
    }
}
