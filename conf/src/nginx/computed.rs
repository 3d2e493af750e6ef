//! `map`, `geo`, `split_clients`: variables that are computed from others.

use super::access::network;
use super::lex::Word;
use super::read::{Reader, pattern};
use super::tree::Directive;
use crate::model::{Computed, How, Part, Template};

/// Reads them, in the order written.
pub(crate) fn read(reader: &mut Reader<'_>, http: &Directive) -> Vec<Computed> {
    http.children()
        .filter_map(|d| match d.name() {
            "map" => map(reader, d),
            "geo" => geo(reader, d),
            "split_clients" => split(reader, d),
            _ => None,
        })
        .collect()
}

fn name(reader: &mut Reader<'_>, word: &Word) -> Option<String> {
    let name = word.text.strip_prefix('$').filter(|n| !n.is_empty());
    if name.is_none() {
        reader.error(word.at, format!("invalid variable name \"{}\"", word.text));
    }
    name.map(str::to_owned)
}

/// `source value;` of a block: what stands first, and the one argument behind it.
fn pair<'d>(reader: &mut Reader<'_>, entry: &'d Directive, of: &str) -> Option<&'d Word> {
    if entry.block.is_some() || entry.args.len() != 1 {
        reader.error(entry.at(), format!("invalid number of the {of} parameters"));
        return None;
    }
    entry.args.first()
}

fn map(reader: &mut Reader<'_>, d: &Directive) -> Option<Computed> {
    let (source, variable) = (d.args.first()?, d.args.get(1)?);
    let name = name(reader, variable)?;
    let source = reader.template(source);
    let (mut hostnames, mut default) = (false, Template::default());
    let (mut exact, mut regexes) = (Vec::new(), Vec::new());
    for entry in d.children() {
        match entry.name() {
            "hostnames" if entry.args.is_empty() => {
                hostnames = true;
                continue;
            }
            // Nothing is remembered of a value anyway.
            "volatile" if entry.args.is_empty() => continue,
            _ => {}
        }
        let Some(value) = pair(reader, entry, "map") else {
            continue;
        };
        let value = reader.template(value);
        let key = &entry.name;
        match key.text.strip_prefix('~') {
            _ if key.text == "default" => default = value,
            Some(rest) => {
                let (text, caseless) = match rest.strip_prefix('*') {
                    Some(text) => (text, true),
                    None => (rest, false),
                };
                regexes.push((pattern(key, text, caseless, false), value));
            }
            // A backslash takes the meaning from a word that has one.
            None => {
                let text = key.text.strip_prefix('\\').unwrap_or(&key.text);
                exact.push((text.to_ascii_lowercase(), value));
            }
        }
    }
    Some(Computed {
        at: variable.at,
        name,
        how: How::Map {
            source,
            hostnames,
            exact,
            regexes,
            default,
        },
    })
}

fn geo(reader: &mut Reader<'_>, d: &Directive) -> Option<Computed> {
    let variable = d.args.last()?;
    let source = match d.args.as_slice() {
        [address, _] => reader.template(address),
        _ => Template {
            parts: vec![Part::Variable {
                name: "remote_addr".into(),
                at: variable.at,
            }],
        },
    };
    let name = name(reader, variable)?;
    let (mut nets, mut default) = (Vec::new(), String::new());
    for entry in d.children() {
        if matches!(
            entry.name(),
            "ranges" | "proxy" | "proxy_recursive" | "delete"
        ) {
            reader.not_yet(entry.at(), &format!("\"{}\" of \"geo\"", entry.name()));
            continue;
        }
        let Some(value) = pair(reader, entry, "geo") else {
            continue;
        };
        match (entry.name(), network(entry.name())) {
            ("default", _) => default = value.text.clone(),
            (_, Some(net)) => nets.push((net, value.text.clone())),
            (other, None) => reader.error(entry.at(), format!("invalid network \"{other}\"")),
        }
    }
    Some(Computed {
        at: variable.at,
        name,
        how: How::Geo {
            source,
            nets,
            default,
        },
    })
}

fn split(reader: &mut Reader<'_>, d: &Directive) -> Option<Computed> {
    let (source, variable) = (d.args.first()?, d.args.get(1)?);
    let name = name(reader, variable)?;
    let source = reader.template(source);
    let (mut parts, mut rest, mut sum) = (Vec::new(), String::new(), 0);
    for entry in d.children() {
        let Some(value) = pair(reader, entry, "split_clients") else {
            continue;
        };
        if entry.name() == "*" {
            rest = value.text.clone();
            continue;
        }
        match entry.name().strip_suffix('%').and_then(hundredths) {
            Some(share) if share > 0 && sum + share <= 10_000 => {
                sum += share;
                parts.push((share, value.text.clone()));
            }
            Some(share) if share > 0 => {
                reader.error(entry.at(), "percent total is greater than 100%")
            }
            _ => reader.error(
                entry.at(),
                format!("invalid percent value \"{}\"", entry.name()),
            ),
        }
    }
    Some(Computed {
        at: variable.at,
        name,
        how: How::Split {
            source,
            parts,
            rest,
        },
    })
}

/// `12.5` as 1250; at most two digits behind the point.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 2 || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let whole: u32 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let part: u32 = format!("{part:0<2}").parse().ok()?;
    whole.checked_mul(100)?.checked_add(part)
}
