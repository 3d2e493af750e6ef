//! Files that are only a part: a `server` or a `location` without `http` around it, as they lie in `conf.d`.

use super::lex::Word;
use super::row::Contexts;
use super::table::find;
use super::tree::{Directive, Item, directives};
use seawall_diag::{Diagnostic, Diagnostics, FileId, Span};

/// How much is missing around a fragment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Http,
    Server,
    Location,
}

/// Puts `http`, and `server` and `location` where they are needed, around a fragment; a whole file stays as it is.
pub(crate) fn wrap(items: Vec<Item>, file: FileId, found: &mut Diagnostics) -> Vec<Item> {
    const WHOLE: &[&str] = &["http", "events", "stream", "mail"];
    if directives(&items).any(|d| WHOLE.contains(&d.name())) {
        return items;
    }
    let Some(missing) = missing(&items) else {
        return items;
    };
    let place = match missing {
        Missing::Http => "http",
        Missing::Server => "server",
        Missing::Location => "location",
    };
    let message = format!("only a part of a configuration: read as if in \"{place}\"");
    found.push(Diagnostic::warning(
        "fragment",
        Span::new(file, 0, 0),
        message,
    ));
    // What stands in main alone stays there: -g directives come before a fragment's own.
    let (mut whole, mut inner): (Vec<Item>, Vec<Item>) =
        items.into_iter().partition(|item| match item {
            Item::Directive(d) => is_main_only(d),
            Item::Comment(_) => false,
        });
    if missing == Missing::Location {
        inner = vec![block("location", &["/"], file, inner)];
    }
    if missing != Missing::Http {
        inner = vec![block("server", &[], file, inner)];
    }
    whole.push(block("events", &[], file, Vec::new()));
    whole.push(block("http", &[], file, inner));
    whole
}

/// The place a fragment belongs to: the outermost one that one of its directives demands.
fn missing(items: &[Item]) -> Option<Missing> {
    let in_http = |d: &Directive| {
        let only_there = [
            "map",
            "geo",
            "split_clients",
            "limit_req_zone",
            "limit_conn_zone",
            "fastcgi_cache_path",
        ];
        find(d.name(), Contexts::HTTP).0.is_some() && find(d.name(), Contexts::SERVER).0.is_none()
            || only_there.contains(&d.name())
    };
    let allowed = |context: Contexts| move |d: &Directive| find(d.name(), context).0.is_some();
    let own = || directives(items).filter(|d| find(d.name(), Contexts::MAIN).0.is_none());
    if own().any(in_http) {
        Some(Missing::Http)
    } else if own().any(|d| {
        allowed(Contexts::SERVER)(d) && !allowed(Contexts::LOCATION)(d) || d.name() == "location"
    }) {
        Some(Missing::Server)
    } else if own().any(allowed(Contexts::LOCATION)) {
        Some(Missing::Location)
    } else {
        None
    }
}

fn is_main_only(d: &Directive) -> bool {
    let main = find(d.name(), Contexts::MAIN).0.is_some();
    main && find(d.name(), Contexts::HTTP).0.is_none()
}

fn block(name: &str, args: &[&str], file: FileId, items: Vec<Item>) -> Item {
    let at = Span::new(file, 0, 0);
    let word = |text: &str| Word {
        text: text.to_owned(),
        at,
        quoted: false,
        exact: None,
    };
    Item::Directive(Directive {
        name: word(name),
        args: args.iter().map(|a| word(a)).collect(),
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
