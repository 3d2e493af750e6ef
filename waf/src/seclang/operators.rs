//! The operator of a rule: `@rx ^a`, `!@within GET HEAD`, or a bare pattern.

use seawall_diag::{Diagnostic, Diagnostics};

use super::ast::{OperatorKind, OperatorSyntax, Spanned};
use super::names::{self, Kind};
use super::text::Word;
use crate::byteset::ByteSet;

const OPERATORS: &[(&str, OperatorKind)] = &[
    ("beginsWith", OperatorKind::BeginsWith),
    ("contains", OperatorKind::Contains),
    ("containsWord", OperatorKind::ContainsWord),
    ("detectSQLi", OperatorKind::DetectSqli),
    ("detectXSS", OperatorKind::DetectXss),
    ("endsWith", OperatorKind::EndsWith),
    ("eq", OperatorKind::Eq),
    ("ge", OperatorKind::Ge),
    ("geoLookup", OperatorKind::Elsewhere("geoLookup")),
    ("gt", OperatorKind::Gt),
    ("ipMatch", OperatorKind::IpMatch),
    ("ipMatchF", OperatorKind::IpMatchFromFile),
    ("ipMatchFromFile", OperatorKind::IpMatchFromFile),
    ("le", OperatorKind::Le),
    ("lt", OperatorKind::Lt),
    ("noMatch", OperatorKind::NoMatch),
    ("pm", OperatorKind::Pm),
    ("pmf", OperatorKind::PmFromFile),
    ("pmFromFile", OperatorKind::PmFromFile),
    ("rbl", OperatorKind::Elsewhere("rbl")),
    ("rx", OperatorKind::Rx),
    ("rxGlobal", OperatorKind::Rx),
    ("streq", OperatorKind::Streq),
    ("strmatch", OperatorKind::Contains),
    ("unconditionalMatch", OperatorKind::UnconditionalMatch),
    ("validateUrlEncoding", OperatorKind::UrlEncoding),
    ("validateUtf8Encoding", OperatorKind::Utf8Encoding),
    ("verifyCC", OperatorKind::VerifyCreditCard),
    ("verifyCPF", OperatorKind::VerifyCpf),
    ("verifySSN", OperatorKind::VerifySsn),
    ("within", OperatorKind::Within),
];
impl OperatorSyntax {
    /// Its name as ModSecurity's logs have it: `Rx`, `PmFromFile`.
    pub(crate) fn name(&self) -> String {
        let known = OPERATORS.iter().find(|(_, kind)| *kind == self.kind);
        let name = known.map_or(BYTE_RANGE, |(name, _)| name);
        let mut name = name.to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        name
    }
}

/// Needs its argument to be built, so it stands apart from the table.
const BYTE_RANGE: &str = "validateByteRange";

/// Parses the operator of a rule.
pub(super) fn parse(word: &Word, found: &mut Diagnostics) -> Option<OperatorSyntax> {
    let text = word.text.as_str();
    let body = text.trim_start();
    let mut start = text.len() - body.len();
    let negated = body.starts_with('!');
    start += usize::from(negated);
    let body = text.get(start..)?;
    let Some(named) = body.strip_prefix('@') else {
        let argument = Spanned {
            value: body.to_owned(),
            at: word.span(start..text.len()),
        };
        return Some(OperatorSyntax {
            negated,
            kind: OperatorKind::Rx,
            argument,
        });
    };
    let name = named.split([' ', '\t']).next().unwrap_or_default();
    let name_at = word.span(start..start + 1 + name.len());
    let rest = named.get(name.len()..)?;
    let from = start + 1 + name.len() + (rest.len() - rest.trim_start().len());
    // ModSecurity keeps blanks at the end of a pattern: only those before it are no part of it.
    let argument = Spanned {
        value: rest.trim_start().to_owned(),
        at: if from < text.len() {
            word.span(from..text.len())
        } else {
            name_at
        },
    };
    let kind = if name.eq_ignore_ascii_case(BYTE_RANGE) {
        byte_range(&argument, found)?
    } else if let Some((_, kind)) = OPERATORS.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        *kind
    } else {
        let known: Vec<_> = OPERATORS
            .iter()
            .map(|(n, _)| *n)
            .chain([BYTE_RANGE])
            .collect();
        found.push(names::unknown(Kind::Operator, name, &known, name_at));
        return None;
    };
    if let OperatorKind::Elsewhere(name) = kind {
        let message = format!("`@{name}` is not supported: it never matches");
        let help = match name {
            "rbl" => {
                "no DNS is asked while a request is judged; address lists with @ipMatchFromFile are"
            }
            _ => "address lists with @ipMatchFromFile are",
        };
        found.push(Diagnostic::warning("never-matches", name_at, message).help(help));
    }
    Some(OperatorSyntax {
        negated,
        kind,
        argument,
    })
}

fn byte_range(argument: &Spanned<String>, found: &mut Diagnostics) -> Option<OperatorKind> {
    let mut allowed = ByteSet::default();
    for part in argument
        .value
        .split(',')
        .map(str::trim)
        .filter(|p| !p.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<u8>(), last.trim().parse::<u8>()) {
            (Ok(first), Ok(last)) if first <= last => {
                allowed = allowed.union(ByteSet::range(first, last))
            }
            _ => {
                let error = Diagnostic::error(
                    "byte-range",
                    argument.at,
                    format!("`{part}` is no range of bytes"),
                );
                found.push(
                    error.help("write numbers from 0 to 255 and ranges of them: `9,10,13,32-126`"),
                );
                return None;
            }
        }
    }
    Some(OperatorKind::ByteRange(allowed))
}
