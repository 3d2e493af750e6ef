//! Strings with variables, taken apart once.

use crate::model::{Part, Template};
use seawall_diag::Span;

/// What a `$` that begins no variable means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dollar {
    /// Itself (YAML); `$$` is one too.
    Literal,
    /// An error, as in nginx.
    Refused,
}

/// Takes a text apart. `exact` says that the text stands in the source byte for byte at `at`, so that each variable
/// gets a span of its own; otherwise each gets the whole.
///
/// The error is nginx's message (ngx_http_script_compile).
pub(crate) fn parse(text: &str, at: Span, exact: bool, dollar: Dollar) -> Result<Template, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(i) = rest.find('$') {
        let (before, from) = rest.split_at(i);
        literal.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        let (name, length) = match variable(after) {
            Ok(found) => found,
            Err(_) if dollar == Dollar::Literal => {
                literal.push('$');
                rest = after.strip_prefix('$').unwrap_or(after);
                continue;
            }
            Err(Unclosed(true)) => {
                return Err(format!(
                    "the closing bracket in \"{text}\" variable is missing"
                ));
            }
            Err(Unclosed(false)) => return Err("invalid variable name".into()),
        };
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal)));
        }
        let offset = text.len() - from.len();
        let at = if exact {
            Span {
                start: at.start + offset as u32,
                end: at.start + (offset + 1 + length) as u32,
                ..at
            }
        } else {
            at
        };
        parts.push(Part::Variable {
            name: name.to_owned(),
            at,
        });
        rest = after.get(length..).unwrap_or_default();
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Literal(literal));
    }
    Ok(Template { parts })
}

/// Whether a `{` was opened and not closed.
struct Unclosed(bool);

/// The variable at the start of a text that followed a `$`: its name and the bytes it takes.
fn variable(text: &str) -> Result<(&str, usize), Unclosed> {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    if let Some(inner) = text.strip_prefix('{') {
        let length = inner.bytes().take_while(|b| is_name(b)).count();
        return match (length, inner.as_bytes().get(length)) {
            (1.., Some(b'}')) => Ok((inner.get(..length).unwrap_or_default(), length + 2)),
            _ => Err(Unclosed(true)),
        };
    }
    // A capture is one digit: "$10" is the first one and a zero (ngx_http_script_compile).
    let length = match text.bytes().next() {
        Some(b'0'..=b'9') => 1,
        _ => text.bytes().take_while(|b| is_name(b)).count(),
    };
    if length == 0 {
        Err(Unclosed(false))
    } else {
        Ok((text.get(..length).unwrap_or_default(), length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let parts = parse(text, Span::default(), true, Dollar::Refused)
            .map(|t| t.parts)
            .unwrap_or_default();
        parts
            .into_iter()
            .map(|p| match p {
                Part::Literal(text) => text,
                Part::Variable { name, at } => format!("<{name}@{}-{}>", at.start, at.end),
            })
            .collect()
    }

    #[test]
    fn variables_and_literals_alternate_with_their_places() {
        assert_eq!(
            names("$scheme://${host}x$1"),
            ["<scheme@0-7>", "://", "<host@10-17>", "x", "<1@18-20>"]
        );
        assert_eq!(names("$10"), ["<1@0-2>", "0"]);
        assert_eq!(names("plain"), ["plain"]);
        assert!(names("").is_empty());
    }

    #[test]
    fn a_lone_dollar_is_refused_as_nginx_does_or_stands_for_itself() {
        for bad in ["a$", "$ x", "${", "${a", "${}"] {
            assert!(
                parse(bad, Span::default(), true, Dollar::Refused).is_err(),
                "{bad}"
            );
        }
        let literal = parse("5$ $$x", Span::default(), true, Dollar::Literal);
        assert_eq!(
            literal.ok().and_then(|t| t.as_literal().map(str::to_owned)),
            Some("5$ $x".into())
        );
    }
}
