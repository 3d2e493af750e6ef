//! The variables of a rule: `ARGS|!ARGS:csrf|REQUEST_HEADERS:/^X-/|&REQUEST_COOKIES`.

use seawall_diag::Diagnostics;

use super::ast::{SelectorSyntax, Spanned, TargetSyntax, Variable};
use super::names::{self, Kind};
use super::text::Word;

/// What may be selected from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Single,
    Collection,
}

const VARIABLES: &[(&str, Variable, Shape)] = &[
    ("ARGS", Variable::Args, Shape::Collection),
    (
        "ARGS_COMBINED_SIZE",
        Variable::ArgsCombinedSize,
        Shape::Single,
    ),
    ("ARGS_GET", Variable::ArgsGet, Shape::Collection),
    ("ARGS_NAMES", Variable::ArgsNames, Shape::Collection),
    ("ARGS_POST", Variable::ArgsPost, Shape::Collection),
    ("MATCHED_VAR", Variable::MatchedVar, Shape::Single),
    ("MATCHED_VAR_NAME", Variable::MatchedVarName, Shape::Single),
    ("QUERY_STRING", Variable::QueryString, Shape::Single),
    ("REMOTE_ADDR", Variable::RemoteAddr, Shape::Single),
    ("REQBODY_ERROR", Variable::ReqbodyError, Shape::Single),
    ("REQUEST_BODY", Variable::RequestBody, Shape::Single),
    (
        "REQUEST_COOKIES",
        Variable::RequestCookies,
        Shape::Collection,
    ),
    (
        "REQUEST_COOKIES_NAMES",
        Variable::RequestCookiesNames,
        Shape::Collection,
    ),
    ("REQUEST_FILENAME", Variable::RequestFilename, Shape::Single),
    (
        "REQUEST_HEADERS",
        Variable::RequestHeaders,
        Shape::Collection,
    ),
    (
        "REQUEST_HEADERS_NAMES",
        Variable::RequestHeadersNames,
        Shape::Collection,
    ),
    ("REQUEST_LINE", Variable::RequestLine, Shape::Single),
    ("REQUEST_METHOD", Variable::RequestMethod, Shape::Single),
    ("REQUEST_PROTOCOL", Variable::RequestProtocol, Shape::Single),
    ("REQUEST_URI", Variable::RequestUri, Shape::Single),
    ("REQUEST_URI_RAW", Variable::RequestUriRaw, Shape::Single),
    ("TX", Variable::Tx, Shape::Collection),
];

/// The variable of a name, in any case.
pub(crate) fn variable(name: &str) -> Option<Variable> {
    VARIABLES
        .iter()
        .find(|(n, ..)| n.eq_ignore_ascii_case(name))
        .map(|(_, v, _)| *v)
}

/// Parses the variables of a rule.
pub(super) fn parse(word: &Word, found: &mut Diagnostics) -> Vec<TargetSyntax> {
    let parts = split(&word.text);
    let targets: Vec<TargetSyntax> = parts
        .iter()
        .filter_map(|(start, end)| one(word, *start, *end, found))
        .collect();
    // One that is wrong is reported already.
    if targets.len() == parts.len() && targets.iter().all(|t| t.exclude) {
        found.error(
            "no-variable",
            word.at,
            "a rule needs at least one variable that is not excluded",
        );
    }
    targets
}

/// Cuts at `|` (and at `,`, which ModSecurity takes too) outside `/.../` and quotes.
fn split(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut parts, mut start, mut i, mut regex) = (Vec::new(), 0, 0, false);
    while let Some(b) = bytes.get(i) {
        match b {
            b'\\' if regex => i += 1,
            b'/' if regex => regex = false,
            b'/' if i > 0 && matches!(bytes.get(i - 1), Some(b':' | b'\'')) => regex = true,
            b'|' | b',' if !regex => {
                parts.push((start, i));
                start = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    parts.push((start, text.len()));
    parts
}

fn one(
    word: &Word,
    mut start: usize,
    mut end: usize,
    found: &mut Diagnostics,
) -> Option<TargetSyntax> {
    let part = word.text.get(start..end)?;
    start += part.len() - part.trim_start().len();
    end -= part.len() - part.trim_end().len();
    let (mut count, mut exclude) = (false, false);
    while let Some(b) = word.text.as_bytes().get(start).filter(|_| start < end) {
        match b {
            b'&' => count = true,
            b'!' => exclude = true,
            _ => break,
        }
        start += 1;
    }
    let body = word.text.get(start..end)?;
    let name = body.split(':').next().unwrap_or_default();
    let name_at = word.span(start..start + name.len());
    let Some((_, variable, shape)) = VARIABLES
        .iter()
        .find(|(n, ..)| n.eq_ignore_ascii_case(name))
    else {
        let known: Vec<_> = VARIABLES.iter().map(|(n, ..)| *n).collect();
        found.push(names::unknown(Kind::Variable, name, &known, name_at));
        return None;
    };
    let selector = body.get(name.len() + 1..).map(|text| {
        let from = start + name.len() + 1;
        Spanned {
            value: selector(text),
            at: word.span(from..end),
        }
    });
    if let Some(s) = selector.as_ref().filter(|_| *shape == Shape::Single) {
        found.error(
            "no-selector",
            s.at,
            format!("`{name}` is a single value: nothing can be selected from it"),
        );
        return None;
    }
    Some(TargetSyntax {
        variable: *variable,
        selector,
        count,
        exclude,
    })
}

fn selector(text: &str) -> SelectorSyntax {
    let text = text
        .strip_prefix('\'')
        .and_then(|t| t.strip_suffix('\''))
        .unwrap_or(text);
    match text.strip_prefix('/').and_then(|t| t.strip_suffix('/')) {
        Some(pattern) => SelectorSyntax::Regex(pattern.to_owned()),
        None => SelectorSyntax::Name(text.to_owned()),
    }
}
