//! `seawall fmt`: one way to lay a file out. Comments, order, quotes and line breaks stay; indentation, the inner space
//! of `{ }`, trailing space and runs of empty lines do not.
//!
//! YAML's meaning hangs on its layout, so what is laid out is read again and compared: a file of which that cannot be said
//! is left as it is ([`FormatError::Changed`]).

use super::tree::{Node, Value, parse};
use crate::load::LoadOptions;
use seawall_diag::{Diagnostics, SourceMap};
use serde_saphyr::granit_parser::{Event, Parser, Span};
use std::sync::Arc;

/// Columns of a level.
const STEP: usize = 2;

/// Why a file is not laid out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It is no YAML.
    #[error("{0}")]
    Syntax(String),
    /// It would mean something else afterwards: a fault of ours.
    #[error(
        "the layout of this file cannot be changed without changing its meaning; it is left as it is"
    )]
    Changed,
}

/// Lays a file out.
///
/// # Errors
/// See [`FormatError`].
pub fn format(text: &str) -> Result<String, FormatError> {
    let before = tree(text)?;
    let spaced = space_flows(text);
    let laid_out = indent(&spaced);
    let after = tree(&laid_out).map_err(|_| FormatError::Changed)?;
    match same(&before, &after) {
        true => Ok(laid_out),
        false => Err(FormatError::Changed),
    }
}

/// The tree with `${env:}` as it is written.
fn tree(text: &str) -> Result<Node, FormatError> {
    let mut sources = SourceMap::default();
    let file = sources.add("", text.to_owned());
    let options = LoadOptions {
        env: Arc::new(|name| Some(format!("${{env:{name}}}"))),
        ..LoadOptions::default()
    };
    let mut found = Diagnostics::default();
    parse(file, &sources, &options, &mut found)
        .ok_or_else(|| FormatError::Syntax(found.render(&sources, false)))
}

fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Scalar { text: a, plain: p }, Value::Scalar { text: b, plain: q }) => {
            a == b && p == q
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let entries = a.iter().zip(b);
            a.len() == b.len() && { entries }.all(|((k, a), (l, b))| k.name == l.name && same(a, b))
        }
        _ => false,
    }
}

fn events(text: &str) -> Vec<(Event<'_>, Span)> {
    // Read before: it is YAML.
    Parser::new_from_str(text).filter_map(Result::ok).collect()
}

/// `{a: 1}` becomes `{ a: 1 }`; an empty one stays.
fn space_flows(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut insert: Vec<usize> = Vec::new();
    let at = |i: usize| bytes.get(i).copied().unwrap_or(b'\n');
    for (event, span) in events(text) {
        let start = span.start.byte_offset().unwrap_or(0);
        match event {
            Event::MappingStart(..)
                if at(start) == b'{' && !b" \t\r\n}".contains(&at(start + 1)) =>
            {
                insert.push(start + 1);
            }
            Event::MappingEnd
                if at(start) == b'}' && start > 0 && !b" \t\r\n{".contains(&at(start - 1)) =>
            {
                insert.push(start);
            }
            _ => {}
        }
    }
    insert.sort_unstable();
    let mut out = String::with_capacity(text.len() + insert.len());
    let mut from = 0;
    for to in insert {
        out.push_str(text.get(from..to).unwrap_or_default());
        out.push(' ');
        from = to;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// An open block collection.
struct Block {
    column: usize,
    indent: usize,
    is_list: bool,
}

/// What a line is.
#[derive(Clone, Copy)]
enum Line {
    /// Empty, or a comment: goes with what follows.
    Free,
    /// Begins an entry: stands here.
    At(usize),
    /// Goes on with what began on another line: moves with it.
    With(usize),
}

fn indent(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let kinds = kinds(text, &lines);
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for (number, line) in lines.iter().enumerate() {
        let within = matches!(kinds.get(number), Some(Line::With(_)));
        let line = if within { line } else { line.trim_end() };
        if line.trim().is_empty() && !within {
            empty += 1;
            continue;
        }
        if empty > 0 && !out.is_empty() {
            out.push('\n');
        }
        empty = 0;
        let old = column(line);
        let new = place(&lines, &kinds, number, old);
        (0..new).for_each(|_| out.push(' '));
        let rest = line.get(old..).unwrap_or_default();
        match kinds.get(number) {
            Some(Line::At(_)) => out.push_str(&dashes(rest)),
            _ => out.push_str(rest),
        }
        out.push('\n');
    }
    out
}

/// `-   a` becomes `- a`.
fn dashes(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(after) = rest.strip_prefix("- ") {
        let inner = after.trim_start_matches(' ');
        if inner.is_empty() || inner.starts_with('#') {
            break;
        }
        out.push_str("- ");
        rest = inner;
    }
    out + rest
}

fn column(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Where a line goes.
fn place(lines: &[&str], kinds: &[Line], number: usize, old: usize) -> usize {
    match kinds.get(number) {
        Some(Line::At(new)) => *new,
        Some(Line::With(first)) => {
            let was = lines.get(*first).map_or(0, |l| column(l));
            moved(old, was, place(lines, kinds, *first, was))
        }
        _ => {
            // A comment belongs to what follows it, or to what is before it, whatever has its column.
            let entries = |n: &usize| matches!(kinds.get(*n), Some(Line::At(_)));
            let like = |n: &usize| entries(n) && lines.get(*n).is_some_and(|l| column(l) == old);
            let ahead = (number + 1..lines.len()).find(entries);
            let near = ahead
                .filter(like)
                .or_else(|| (0..number).rev().find(like))
                .or(ahead)
                .or_else(|| (0..number).rev().find(entries));
            match near {
                Some(near) => {
                    let was = lines.get(near).map_or(0, |l| column(l));
                    moved(old, was, place(lines, kinds, near, was))
                }
                None => old,
            }
        }
    }
}

fn moved(old: usize, was: usize, now: usize) -> usize {
    (old + now).saturating_sub(was)
}

fn kinds(text: &str, lines: &[&str]) -> Vec<Line> {
    let mut kinds = vec![Line::Free; lines.len()];
    let mut blocks: Vec<Option<Block>> = Vec::new();
    let mut flow_from: Option<usize> = None;
    let events = events(text);
    for (number, (event, span)) in events.iter().enumerate() {
        let line = span.start.line().saturating_sub(1);
        let byte = span.start.byte_offset().unwrap_or(0);
        let starts = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        let ends = matches!(event, Event::SequenceEnd | Event::MappingEnd);
        if starts {
            let is_list = matches!(event, Event::SequenceStart(..));
            // A list that stands in its parent's column is told as starting at its first thing, which may be `[` itself.
            let is_another = events.get(number + 1).is_some_and(|(next, at)| {
                matches!(next, Event::SequenceStart(..)) && at.start.byte_offset() == Some(byte)
            });
            let is_flow = match text.as_bytes().get(byte) {
                Some(b'[') => is_list && !is_another,
                Some(b'{') => !is_list,
                _ => false,
            };
            if is_flow {
                begin(&mut kinds, &blocks, lines, line);
                flow_from.get_or_insert(line);
                blocks.push(None);
            } else {
                let indent = blocks
                    .iter()
                    .rev()
                    .flatten()
                    .next()
                    .map_or(0, |b| b.indent + STEP);
                let byte = if is_list { dash(text, byte) } else { byte };
                let start = text.get(..byte).and_then(|t| t.rfind('\n'));
                let start = start.map_or(0, |n| n + 1);
                blocks.push(Some(Block {
                    column: byte - start,
                    indent,
                    is_list,
                }));
                if flow_from.is_none() {
                    begin(&mut kinds, &blocks, lines, line);
                }
            }
            continue;
        }
        if ends {
            if blocks.pop().is_some_and(|b| b.is_none()) && !blocks.iter().any(Option::is_none) {
                go_on(&mut kinds, flow_from.take(), line);
            }
            continue;
        }
        if matches!(event, Event::Scalar(..) | Event::Alias(..)) && flow_from.is_none() {
            begin(&mut kinds, &blocks, lines, line);
            let end = span.end.byte_offset().unwrap_or(byte);
            let held = text.get(byte..end).unwrap_or_default();
            let more = held.trim_end().matches('\n').count();
            go_on(&mut kinds, Some(line), line + more);
        }
    }
    kinds
}

/// The dash of a list that is told as starting there or behind it.
fn dash(text: &str, byte: usize) -> usize {
    let before = text.get(..byte).unwrap_or_default();
    if text.get(byte..).is_some_and(|t| t.starts_with('-')) {
        return byte;
    }
    match before.trim_end_matches([' ', '\t']) {
        held if held.ends_with('-') => held.len() - 1,
        _ => byte,
    }
}

/// The first thing of a line decides where it stands: with the innermost collection whose entries begin in its column.
fn begin(kinds: &mut [Line], blocks: &[Option<Block>], lines: &[&str], line: usize) {
    let (Some(kind), Some(text)) = (kinds.get_mut(line), lines.get(line)) else {
        return;
    };
    if !matches!(kind, Line::Free) {
        return;
    }
    let at = column(text);
    let is_item = text
        .get(at..)
        .is_some_and(|t| t == "-" || t.starts_with("- "));
    let mut open = blocks.iter().rev().flatten();
    if let Some(block) = open.find(|b| b.column == at && b.is_list == is_item) {
        *kind = Line::At(block.indent);
    }
}

fn go_on(kinds: &mut [Line], from: Option<usize>, to: usize) {
    let Some(from) = from else { return };
    for line in from + 1..=to {
        if let Some(kind) = kinds.get_mut(line) {
            *kind = Line::With(from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_laid_out_and_then_stays_as_it_is() {
        let text = "# top\nversion:   1\nlisten:\n- {http: 80}\n\n\n\n-   {https: 443,\n     name: lan}\nsites:\n    # the shop\n    - host: a.test   \n      routes:\n          - path: /\n            respond: {status: 200, body: |\n              x}\n";
        // A block scalar inside a flow is no YAML; the rest is what people write.
        assert!(format(text).is_err());
        let text = "# top\nversion:   1\nlisten:\n- {http: 80}\n\n\n\n-   {https: 443,\n     name: lan}\nsites:\n    # the shop\n    - host: a.test   \n      routes:\n          - path: /\n            respond:\n                status: 200\n                body: |\n                    one\n                      two\n\n                    three\n    # the end\n";
        let laid_out = format(text).unwrap();
        assert_eq!(
            laid_out,
            "# top\nversion:   1\nlisten:\n  - { http: 80 }\n\n  - { https: 443,\n       name: lan }\nsites:\n  # the shop\n  - host: a.test\n    routes:\n      - path: /\n        respond:\n          status: 200\n          body: |\n              one\n                two\n\n              three\n  # the end\n"
        );
        assert_eq!(format(&laid_out).unwrap(), laid_out);
    }

    #[test]
    fn quotes_anchors_and_empty_values_stay() {
        let text = "a: &x { b: '1', c: \"{\" }\nd: *x\ne:\nf: {}\ng: []\n";
        assert_eq!(format(text).unwrap(), text);
        assert_eq!(format("").unwrap(), "");
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_place() {
        let error = format("a: [1\nb: 2\n").unwrap_err().to_string();
        assert!(error.contains('^'), "{error}");
    }
}
