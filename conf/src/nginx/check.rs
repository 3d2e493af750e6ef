//! The shape of every directive against the table: known, allowed here, with the right arguments, not twice
//! (ngx_conf_handler). Messages are nginx's.

use super::not_yet::{NOT_YET, OFF_ALREADY};
use super::row::{Arity, Contexts, Row, Status};
use super::table::{TABLE, find};
use super::tree::{Directive, Item, directives};
use crate::suggest::nearest;
use seawall_diag::{Diagnostic, Diagnostics, Span};
use std::collections::HashMap;

/// Checks the items of a block and those within.
pub(crate) fn check(items: &[Item], context: Contexts, found: &mut Diagnostics) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for directive in directives(items) {
        let Some(row) = row(directive, context, found) else {
            continue;
        };
        if !shape(directive, row, context, found) {
            continue;
        }
        if let Some(first) = seen
            .insert(row.name, directive.at())
            .filter(|_| !row.repeats)
        {
            let d = Diagnostic::error(
                "nginx-duplicate",
                directive.at(),
                format!("\"{}\" directive is duplicate", row.name),
            );
            found.push(d.related(first, "first written here"));
        }
        if let (Some(items), Some(inner)) = (&directive.block, inner(row.name, context)) {
            check(items, inner, found);
        }
    }
}

/// What a block's directives stand in; `None` where its contents are no directives.
fn inner(name: &str, context: Contexts) -> Option<Contexts> {
    Some(match name {
        "events" => Contexts::EVENTS,
        "http" => Contexts::HTTP,
        "stream" => Contexts::STREAM,
        "server" if context.has(Contexts::STREAM) => Contexts::STREAM_SERVER,
        "server" => Contexts::SERVER,
        "location" => Contexts::LOCATION,
        "upstream" if context.has(Contexts::STREAM) => Contexts::STREAM_UPSTREAM,
        "upstream" => Contexts::UPSTREAM,
        "limit_except" => Contexts::LIMIT_EXCEPT,
        "if" if context.has(Contexts::SERVER) => Contexts::IF_SERVER,
        "if" => Contexts::IF_LOCATION,
        _ => return None,
    })
}

fn row(directive: &Directive, context: Contexts, found: &mut Diagnostics) -> Option<&'static Row> {
    let name = directive.name();
    match find(name, context) {
        (Some(row), _) => return Some(row),
        (None, Some(row)) if !(row.contexts.is_stream_only() && NOT_YET.contains(&name)) => {
            found.error(
                "nginx-context",
                directive.at(),
                format!("\"{name}\" directive is not allowed here"),
            );
        }
        (None, _) if NOT_YET.contains(&name) => {
            let is_off = directive.args.len() == 1
                && directive.arg(0) == "off"
                && OFF_ALREADY.contains(&name);
            if !is_off {
                found.error(
                    "not-yet",
                    directive.at(),
                    format!("\"{name}\" directive is not built yet"),
                );
            }
        }
        (None, _) => {
            let mut d = Diagnostic::error(
                "nginx-unknown",
                directive.at(),
                format!("unknown directive \"{name}\""),
            );
            let names = TABLE.iter().map(|r| r.name).chain(NOT_YET.iter().copied());
            d.help = nearest(name, names).map(|n| format!("did you mean \"{n}\"?"));
            found.push(d);
        }
    }
    None
}

fn shape(directive: &Directive, row: &Row, context: Contexts, found: &mut Diagnostics) -> bool {
    let (name, at) = (row.name, directive.at());
    match (&directive.block, row.block) {
        (None, true) => {
            found.error(
                "nginx-block",
                at,
                format!("directive \"{name}\" has no opening \"{{\""),
            );
            return false;
        }
        (Some(_), false) => {
            found.error(
                "nginx-block",
                at,
                format!("directive \"{name}\" is not terminated by \";\""),
            );
            return false;
        }
        _ => {}
    }
    let (from, to) = match row.arity {
        Arity::Range(from, to) => (usize::from(from), usize::from(to)),
        Arity::Flag => (1, 1),
    };
    let unbounded = to == usize::from(u8::MAX);
    if directive.args.len() < from || (!unbounded && directive.args.len() > to) {
        found.error(
            "nginx-arguments",
            at,
            format!("invalid number of arguments in \"{name}\" directive"),
        );
        return false;
    }
    if let (Arity::Flag, Some(word)) = (row.arity, directive.args.first())
        && !word.text.eq_ignore_ascii_case("on")
        && !word.text.eq_ignore_ascii_case("off")
    {
        let message = format!(
            "invalid value \"{}\" in \"{name}\" directive, it must be \"on\" or \"off\"",
            word.text
        );
        found.error("nginx-value", word.at, message);
        return false;
    }
    approximated(directive, row, context, found);
    true
}

/// Says what differs where an operator would notice.
fn approximated(directive: &Directive, row: &Row, context: Contexts, found: &mut Diagnostics) {
    let Status::Approximated(note) = row.status else {
        return;
    };
    let noticed = match row.name {
        "proxy_cache_path" => true,
        "error_log" => !context.has(Contexts::MAIN),
        "client_header_timeout" | "large_client_header_buffers" | "max_headers" => {
            context.has(Contexts::SERVER)
        }
        _ => false,
    };
    if noticed {
        let message = format!("\"{}\" is approximated: {note}", row.name);
        found.push(Diagnostic::warning("approximated", directive.at(), message));
    }
}
