//! `set`, `rewrite`, `return`, `break` and `if`: a program in the order written (ngx_http_rewrite_module).

use super::lex::Word;
use super::read::{Reader, pattern};
use super::tree::{Directive, Item, directives};
use crate::model::{Condition, FileTest, Op, RewriteFlag, Route};
use seawall_diag::Span;

/// The program of a level. `route_of` makes what a true `if` puts in place of the location; in `server` nothing.
pub(crate) fn program(
    reader: &mut Reader<'_>,
    items: &[Item],
    route_of: &mut dyn FnMut(&mut Reader<'_>, &Directive) -> Option<Box<Route>>,
) -> Vec<Op> {
    let mut ops = Vec::new();
    for d in directives(items) {
        let op = match d.name() {
            "set" => set(reader, d),
            "rewrite" => rewrite(reader, d),
            "return" => ret(reader, d),
            "break" => Some(Op::Break),
            "if" => condition(reader, d).map(|condition| {
                let items = d.block.as_deref().unwrap_or_default();
                let then = program(reader, items, &mut |_, _| None);
                Op::If {
                    condition,
                    then,
                    route: route_of(reader, d),
                }
            }),
            _ => None,
        };
        ops.extend(op);
    }
    ops
}

fn set(reader: &mut Reader<'_>, d: &Directive) -> Option<Op> {
    let (name, value) = (d.args.first()?, d.args.get(1)?);
    let variable = name.text.strip_prefix('$').filter(|n| !n.is_empty());
    let Some(variable) = variable else {
        reader.error(name.at, format!("invalid variable name \"{}\"", name.text));
        return None;
    };
    Some(Op::Set {
        variable: variable.to_owned(),
        value: reader.template(value),
    })
}

fn is_redirect(text: &str) -> bool {
    ["http://", "https://", "$scheme"]
        .iter()
        .any(|s| text.starts_with(s))
}

fn rewrite(reader: &mut Reader<'_>, d: &Directive) -> Option<Op> {
    let (regex, replacement) = (d.args.first()?, d.args.get(1)?);
    let flag = match d.args.get(2) {
        None if is_redirect(&replacement.text) => RewriteFlag::Redirect,
        None => RewriteFlag::Continue,
        Some(word) => match word.text.as_str() {
            "last" => RewriteFlag::Last,
            "break" => RewriteFlag::Break,
            "redirect" => RewriteFlag::Redirect,
            "permanent" => RewriteFlag::Permanent,
            _ => {
                reader.invalid_parameter(word);
                return None;
            }
        },
    };
    // A replacement with a scheme redirects whatever the flag, but for `permanent`.
    let flag = if is_redirect(&replacement.text) && flag != RewriteFlag::Permanent {
        RewriteFlag::Redirect
    } else {
        flag
    };
    let pattern = pattern(regex, &regex.text, false, false);
    Some(Op::Rewrite {
        pattern,
        replacement: reader.template(replacement),
        flag,
    })
}

fn ret(reader: &mut Reader<'_>, d: &Directive) -> Option<Op> {
    let first = d.args.first()?;
    let Some(value) = d.args.get(1) else {
        if is_redirect(&first.text) {
            return Some(Op::Return {
                status: 302,
                value: Some(reader.template(first)),
            });
        }
        return Some(Op::Return {
            status: status(reader, first)?,
            value: None,
        });
    };
    let status = status(reader, first)?;
    Some(Op::Return {
        status,
        value: Some(reader.template(value)),
    })
}

fn status(reader: &mut Reader<'_>, word: &Word) -> Option<u16> {
    let status = word.text.parse::<u16>().ok().filter(|s| *s <= 999);
    if status.is_none() {
        reader.error(word.at, format!("invalid return code \"{}\"", word.text));
    }
    status
}

/// `($a)`, `($a = b)`, `($a ~* "b")`, `(-f $a)`, `(!-e $a)` (ngx_http_rewrite_if_condition).
fn condition(reader: &mut Reader<'_>, d: &Directive) -> Option<Condition> {
    let words = unwrap_parentheses(reader, d)?;
    let first = words.first()?;
    let operator = |reader: &mut Reader<'_>, word: &Word| {
        reader.error(
            word.at,
            format!("unexpected \"{}\" in condition", word.text),
        );
        None
    };
    if first.text.starts_with('$') && first.text.len() > 1 {
        let Some(op) = words.get(1) else {
            return Some(Condition::True(reader.template(first)));
        };
        let Some(right) = words.get(2).filter(|_| words.len() == 3) else {
            reader.error(op.at, format!("invalid condition \"{}\"", op.text));
            return None;
        };
        let left = reader.template(first);
        return match op.text.as_str() {
            "=" | "!=" => Some(Condition::Equal {
                left,
                right: reader.template(right),
                negated: op.text == "!=",
            }),
            "~" | "~*" | "!~" | "!~*" => {
                let (caseless, negated) = (op.text.ends_with('*'), op.text.starts_with('!'));
                Some(Condition::Match {
                    value: left,
                    pattern: pattern(right, &right.text, caseless, negated),
                })
            }
            _ => operator(reader, op),
        };
    }
    let (test, negated) = match first.text.strip_prefix('!') {
        Some(test) => (test, true),
        None => (first.text.as_str(), false),
    };
    let test = match test {
        "-f" => FileTest::File,
        "-d" => FileTest::Directory,
        "-e" => FileTest::Exists,
        "-x" => FileTest::Executable,
        _ => {
            reader.error(first.at, format!("invalid condition \"{}\"", first.text));
            return None;
        }
    };
    let Some(path) = words.get(1).filter(|_| words.len() == 2) else {
        reader.error(first.at, format!("invalid condition \"{}\"", first.text));
        return None;
    };
    Some(Condition::File {
        path: reader.template(path),
        test,
        negated,
    })
}

/// The words between the parentheses, which may stand alone or cling to the first and last word.
fn unwrap_parentheses(reader: &mut Reader<'_>, d: &Directive) -> Option<Vec<Word>> {
    let mut words = d.args.clone();
    let invalid = |reader: &mut Reader<'_>, at: Span, text: &str| {
        reader.error(at, format!("invalid condition \"{text}\""))
    };
    let first = words.first_mut()?;
    match first.text.strip_prefix('(') {
        Some(rest) if !first.quoted => {
            let rest = rest.to_owned();
            shift(first, 1);
            first.text = rest;
        }
        _ => {
            let (at, text) = (first.at, first.text.clone());
            invalid(reader, at, &text);
            return None;
        }
    }
    let last = words.last_mut()?;
    match last.text.strip_suffix(')') {
        Some(rest) if !last.quoted => {
            last.text = rest.to_owned();
            last.at.end = last.at.end.saturating_sub(1).max(last.at.start);
        }
        _ => {
            let (at, text) = (last.at, last.text.clone());
            invalid(reader, at, &text);
            return None;
        }
    }
    words.retain(|w| !w.text.is_empty() || w.quoted);
    if words.is_empty() {
        invalid(reader, d.at(), "()");
        return None;
    }
    Some(words)
}

fn shift(word: &mut Word, by: u32) {
    word.at.start = (word.at.start + by).min(word.at.end);
    if let Some(exact) = &mut word.exact {
        exact.start = (exact.start + by).min(exact.end);
    }
}
