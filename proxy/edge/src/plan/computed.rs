//! Variables computed from others when they are asked for (ngx_http_map_module, ngx_http_geo_module,
//! ngx_http_split_clients_module). Nothing is computed that nobody asks for, and nothing is remembered.

use super::pattern;
use crate::template::{Scope, Template, UserVariables};
use ipnet::IpNet;
use regex::bytes::Regex;
use seawall_conf::model::{self, How, Part};
use seawall_diag::{Diagnostic, Diagnostics};
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// A computed variable.
#[derive(Debug)]
pub struct Computed {
    source: Template,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Map {
        hostnames: bool,
        exact: HashMap<Box<[u8]>, Template, ahash::RandomState>,
        regexes: Vec<(Regex, Vec<Piece>)>,
        default: Template,
    },
    Geo {
        /// Networks by the length of their prefixes, the longest first.
        v4: Nets,
        v6: Nets,
        default: Box<[u8]>,
    },
    /// What a named group of a map's expression took.
    Group { map: Arc<Computed>, name: String },
    Split {
        /// Up to which hash, and the value.
        parts: Vec<(u32, Box<[u8]>)>,
        rest: Box<[u8]>,
    },
}

type Nets = Vec<(u8, HashMap<IpAddr, Box<[u8]>, ahash::RandomState>)>;

/// A piece of a value beside an expression: its groups are known only here.
#[derive(Debug)]
enum Piece {
    Group(usize),
    Template(Template),
}

/// Compiles all, each after those it is computed from. One that comes back to itself is an error.
pub fn compile(all: &[model::Computed], user: &mut UserVariables, errors: &mut Diagnostics) {
    let mut states = vec![State::New; all.len()];
    for at in 0..all.len() {
        visit(all, at, &mut states, user, errors);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

fn visit(
    all: &[model::Computed],
    at: usize,
    states: &mut [State],
    user: &mut UserVariables,
    errors: &mut Diagnostics,
) {
    let (Some(one), Some(state)) = (all.get(at), states.get_mut(at)) else {
        return;
    };
    match state {
        State::Done => return,
        State::Open => {
            let message = format!("cycle while evaluating variable \"{}\"", one.name);
            errors.push(Diagnostic::error("variable-cycle", one.at, message));
            return;
        }
        State::New => *state = State::Open,
    }
    for name in names_in(one) {
        if let Some(other) = all.iter().position(|c| c.name == name) {
            visit(all, other, states, user, errors);
        }
    }
    let computed = Computed::compile(one, user, errors);
    let computed = Arc::new(computed);
    for name in computed.groups() {
        if user.computed(&name).is_none() && !all.iter().any(|c| c.name == name) {
            let group = Computed {
                source: computed.source.clone(),
                rule: Rule::Group {
                    map: computed.clone(),
                    name: name.clone(),
                },
            };
            user.define_computed(&name, Arc::new(group));
        }
    }
    user.define_computed(&one.name, computed);
    if let Some(state) = states.get_mut(at) {
        *state = State::Done;
    }
}

/// The variables that one is computed from.
fn names_in(one: &model::Computed) -> Vec<&str> {
    let mut templates = Vec::new();
    match &one.how {
        How::Map {
            source,
            exact,
            regexes,
            default,
            ..
        } => {
            templates.extend([source, default]);
            templates.extend(exact.iter().map(|(_, v)| v));
            templates.extend(regexes.iter().map(|(_, v)| v));
        }
        How::Geo { source, .. } | How::Split { source, .. } => templates.push(source),
    }
    let parts = templates.into_iter().flat_map(|t| &t.parts);
    parts
        .filter_map(|p| match p {
            Part::Variable { name, .. } => Some(name.as_str()),
            Part::Literal(_) => None,
        })
        .collect()
}

impl Computed {
    fn compile(from: &model::Computed, user: &UserVariables, errors: &mut Diagnostics) -> Self {
        match &from.how {
            How::Map {
                source,
                hostnames,
                exact,
                regexes,
                default,
            } => Self {
                source: Template::compile(source, user, errors),
                rule: Rule::Map {
                    hostnames: *hostnames,
                    exact: exact
                        .iter()
                        .map(|(key, value)| {
                            let value = Template::compile(value, user, errors);
                            (key.as_bytes().into(), value)
                        })
                        .collect(),
                    regexes: regexes
                        .iter()
                        .filter_map(|(p, value)| {
                            let regex = pattern::compile(p, errors)?;
                            let value = pieces(value, &regex, user, errors);
                            Some((regex, value))
                        })
                        .collect(),
                    default: Template::compile(default, user, errors),
                },
            },
            How::Geo {
                source,
                nets,
                default,
            } => Self {
                source: Template::compile(source, user, errors),
                rule: Rule::Geo {
                    v4: by_length(nets.iter().filter(|(n, _)| n.addr().is_ipv4())),
                    v6: by_length(nets.iter().filter(|(n, _)| n.addr().is_ipv6())),
                    default: default.as_bytes().into(),
                },
            },
            How::Split {
                source,
                parts,
                rest,
            } => {
                let mut sum = 0;
                let bounds = parts.iter().map(|(share, value)| {
                    sum += u64::from(*share);
                    let bound = sum * u64::from(u32::MAX) / 10_000;
                    (bound as u32, value.as_bytes().into())
                });
                Self {
                    source: Template::compile(source, user, errors),
                    rule: Rule::Split {
                        parts: bounds.collect(),
                        rest: rest.as_bytes().into(),
                    },
                }
            }
        }
    }

    /// Names of the groups of its expressions: each is a variable, too.
    fn groups(&self) -> Vec<String> {
        let Rule::Map { regexes, .. } = &self.rule else {
            return Vec::new();
        };
        let names = regexes
            .iter()
            .flat_map(|(r, _)| r.capture_names().flatten());
        names.map(str::to_owned).collect()
    }

    /// Appends what a named group took, where the expression that fits has one of this name.
    fn render_group(&self, source: &[u8], name: &str, out: &mut Vec<u8>) {
        let Rule::Map {
            hostnames,
            exact,
            regexes,
            ..
        } = &self.rule
        else {
            return;
        };
        if look_up(exact, &source.to_ascii_lowercase(), *hostnames).is_some() {
            return;
        }
        let found = regexes.iter().find_map(|(r, _)| r.captures(source));
        if let Some(group) = found.as_ref().and_then(|f| f.name(name)) {
            out.extend_from_slice(group.as_bytes());
        }
    }

    /// Whether the request id is asked for.
    pub fn wants_id(&self) -> bool {
        self.source.wants_id()
    }

    /// Whether it is computed from a claim of a token.
    pub fn names_claims(&self) -> bool {
        self.source.names_claims()
    }

    /// Whether it speaks of where files lie.
    pub fn names_files(&self) -> bool {
        self.source.names_files()
            || match &self.rule {
                Rule::Map {
                    exact,
                    regexes,
                    default,
                    ..
                } => {
                    let pieces = || regexes.iter().flat_map(|(_, pieces)| pieces);
                    default.names_files()
                        || exact.values().any(Template::names_files)
                        || pieces().any(|p| matches!(p, Piece::Template(t) if t.names_files()))
                }
                Rule::Geo { .. } | Rule::Split { .. } | Rule::Group { .. } => false,
            }
    }

    /// Appends the value.
    pub fn render(&self, scope: &Scope<'_>, out: &mut Vec<u8>) {
        let mut source = Vec::new();
        self.source.render(scope, &mut source);
        match &self.rule {
            Rule::Map {
                hostnames,
                exact,
                regexes,
                default,
            } => {
                let lower = source.to_ascii_lowercase();
                if let Some(value) = look_up(exact, &lower, *hostnames) {
                    return value.render(scope, out);
                }
                for (regex, value) in regexes {
                    if let Some(captures) = regex.captures(&source) {
                        return render_pieces(value, &captures, scope, out);
                    }
                }
                default.render(scope, out);
            }
            Rule::Geo { v4, v6, default } => {
                let ip = std::str::from_utf8(&source)
                    .ok()
                    .and_then(|t| t.parse::<IpAddr>().ok())
                    .map(|ip| ip.to_canonical());
                let nets = if ip.is_some_and(|ip| ip.is_ipv4()) {
                    v4
                } else {
                    v6
                };
                let found = ip.and_then(|ip| {
                    nets.iter()
                        .find_map(|(length, all)| all.get(&IpNet::new(ip, *length).ok()?.network()))
                });
                out.extend_from_slice(found.unwrap_or(default));
            }
            Rule::Group { map, name } => map.render_group(&source, name, out),
            Rule::Split { parts, rest } => {
                let hash = murmur2(&source);
                let found = parts.iter().find(|(bound, _)| hash < *bound);
                out.extend_from_slice(found.map_or(rest, |(_, value)| value));
            }
        }
    }
}

fn by_length<'a>(nets: impl Iterator<Item = &'a (IpNet, String)>) -> Nets {
    let mut all: Nets = Vec::new();
    for (net, value) in nets {
        let at = match all
            .iter()
            .position(|(length, _)| *length == net.prefix_len())
        {
            Some(at) => at,
            None => {
                all.push((net.prefix_len(), HashMap::default()));
                all.len() - 1
            }
        };
        if let Some((_, of_length)) = all.get_mut(at) {
            // The last of a network counts, as in nginx.
            of_length.insert(net.network(), value.as_bytes().into());
        }
    }
    all.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    all
}

/// A text as it is; with `hostnames` also under `*.name`, `.name` and `name.*`, the longest first.
fn look_up<'m>(
    exact: &'m HashMap<Box<[u8]>, Template, ahash::RandomState>,
    text: &[u8],
    hostnames: bool,
) -> Option<&'m Template> {
    if let Some(found) = exact.get(text) {
        return Some(found);
    }
    if !hostnames {
        return None;
    }
    let text = text.strip_suffix(b".").unwrap_or(text);
    let mut key = Vec::with_capacity(text.len() + 2);
    let mut find = |before: &[u8], middle: &[u8], after: &[u8]| {
        key.clear();
        key.extend_from_slice(before);
        key.extend_from_slice(middle);
        key.extend_from_slice(after);
        exact.get(key.as_slice())
    };
    if let Some(found) = find(b".", text, b"").or_else(|| find(b"", text, b"")) {
        return Some(found);
    }
    let dots: Vec<usize> = memchr::memchr_iter(b'.', text).collect();
    for at in &dots {
        let rest = text.get(at + 1..).unwrap_or_default();
        if let Some(found) = find(b"*.", rest, b"").or_else(|| find(b".", rest, b"")) {
            return Some(found);
        }
    }
    dots.iter()
        .rev()
        .find_map(|at| find(b"", text.get(..*at).unwrap_or_default(), b".*"))
}

fn pieces(
    value: &model::Template,
    regex: &Regex,
    user: &UserVariables,
    errors: &mut Diagnostics,
) -> Vec<Piece> {
    let group = |name: &str| {
        let named = regex.capture_names().position(|n| n == Some(name));
        named.or_else(|| name.parse().ok())
    };
    let piece = |part: &Part| match part {
        Part::Variable { name, .. } if group(name).is_some() => {
            Piece::Group(group(name).unwrap_or_default())
        }
        part => {
            let one = model::Template {
                parts: vec![part.clone()],
            };
            Piece::Template(Template::compile(&one, user, errors))
        }
    };
    value.parts.iter().map(piece).collect()
}

fn render_pieces(
    pieces: &[Piece],
    captures: &regex::bytes::Captures<'_>,
    scope: &Scope<'_>,
    out: &mut Vec<u8>,
) {
    for piece in pieces {
        match piece {
            Piece::Group(n) => {
                out.extend_from_slice(captures.get(*n).map_or(b"", |m| m.as_bytes()))
            }
            Piece::Template(t) => t.render(scope, out),
        }
    }
}

/// MurmurHash2 with the seed 0, as nginx splits clients by it.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (n, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * n);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_found_from_the_whole_to_the_widest() {
        let names = ["a.test", "*.a.test", ".b.test", "www.c.*", "*.test"];
        let exact = names
            .iter()
            .map(|n| {
                (
                    n.as_bytes().into(),
                    Template::compile(
                        &model::Template::literal(*n),
                        &UserVariables::default(),
                        &mut Diagnostics::default(),
                    ),
                )
            })
            .collect();
        for (text, found) in [
            ("a.test", Some("a.test")),
            ("x.a.test", Some("*.a.test")),
            ("x.y.a.test", Some("*.a.test")),
            ("b.test", Some(".b.test")),
            ("x.b.test", Some(".b.test")),
            ("www.c.example", Some("www.c.*")),
            ("other.test", Some("*.test")),
            ("other.example", None),
        ] {
            let value = look_up(&exact, text.as_bytes(), true).and_then(|t| t.as_literal());
            assert_eq!(value, found.map(str::as_bytes), "{text}");
        }
    }
}
