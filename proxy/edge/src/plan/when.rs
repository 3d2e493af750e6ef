//! What a route asks of a request beside its path.

use super::pattern;
use crate::{template::cookie, tx::Tx};
use ipnet::IpNet;
use regex::bytes::Regex;
use seawall_conf::model;
use seawall_diag::Diagnostics;
use std::{borrow::Cow, net::IpAddr};

/// Conditions that must all hold.
#[derive(Default)]
pub struct When {
    tests: Vec<Test>,
}

enum Test {
    Method(Vec<Box<[u8]>>),
    Header(Box<[u8]>, Wanted),
    Query(Box<[u8]>, Wanted),
    Cookie(Box<[u8]>, Wanted),
    From(Vec<IpNet>),
    Not(When),
    /// An expression that did not compile, which is reported.
    Never,
}

enum Wanted {
    Present,
    Absent,
    OneOf(Vec<Box<[u8]>>),
    Regex(Regex),
}

impl When {
    /// Compiles the conditions of a route.
    pub fn compile(tests: &[model::Test], errors: &mut Diagnostics) -> Self {
        let tests = tests
            .iter()
            .map(|test| match test {
                model::Test::Method(methods) => {
                    Test::Method(methods.iter().map(|m| m.as_bytes().into()).collect())
                }
                model::Test::Header(name, w) => named(name, w, Test::Header, errors),
                model::Test::Query(name, w) => named(name, w, Test::Query, errors),
                model::Test::Cookie(name, w) => named(name, w, Test::Cookie, errors),
                model::Test::From(nets) => Test::From(nets.clone()),
                model::Test::Not(tests) => Test::Not(When::compile(tests, errors)),
            })
            .collect();
        Self { tests }
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Whether all of it holds.
    pub fn holds(&self, tx: &Tx) -> bool {
        self.tests.iter().all(|test| match test {
            Test::Method(methods) => methods.iter().any(|m| **m == *tx.method_text()),
            Test::Header(name, wanted) => wanted.by(tx.fields().find_all(name).map(Cow::Borrowed)),
            Test::Query(name, wanted) => wanted.by(arguments(tx.args(), name)),
            Test::Cookie(name, wanted) => {
                wanted.by(cookie(tx, name).map(Cow::Borrowed).into_iter())
            }
            Test::From(nets) => tx.client.is_some_and(|ip| is_in(nets, ip)),
            Test::Not(when) => !when.holds(tx),
            Test::Never => false,
        })
    }
}

fn named(
    name: &str,
    wanted: &model::Wanted,
    make: fn(Box<[u8]>, Wanted) -> Test,
    errors: &mut Diagnostics,
) -> Test {
    let wanted = match wanted {
        model::Wanted::Present => Wanted::Present,
        model::Wanted::Absent => Wanted::Absent,
        model::Wanted::OneOf(texts) => {
            Wanted::OneOf(texts.iter().map(|t| t.as_bytes().into()).collect())
        }
        model::Wanted::Regex(p) => match pattern::compile(p, errors) {
            Some(regex) => Wanted::Regex(regex),
            None => return Test::Never,
        },
    };
    make(name.as_bytes().into(), wanted)
}

impl Wanted {
    /// Whether one of the values is wanted.
    fn by<'a>(&self, mut values: impl Iterator<Item = Cow<'a, [u8]>>) -> bool {
        match self {
            Wanted::Present => values.next().is_some(),
            Wanted::Absent => values.next().is_none(),
            Wanted::OneOf(texts) => values.any(|v| texts.iter().any(|t| **t == *v)),
            Wanted::Regex(regex) => values.any(|v| regex.is_match(&v)),
        }
    }
}

/// Whether an address is in one of some networks. An IPv4 address within IPv6 counts as what it is.
pub fn is_in(nets: &[IpNet], ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    nets.iter().any(|net| net.contains(&ip))
}

/// The values of an argument, decoded as a form is (the URL standard, §5.1).
fn arguments<'a>(args: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> {
    args.split(|b| *b == b'&').filter_map(move |pair| {
        let at = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        let (key, value) = pair.split_at_checked(at)?;
        (!pair.is_empty() && *decoded(key) == *name)
            .then(|| decoded(value.get(1..).unwrap_or_default()))
    })
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return Cow::Borrowed(text);
    }
    let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        out.push(match byte {
            b'+' => b' ',
            b'%' => match (digit(text.get(at)), digit(text.get(at + 1))) {
                (Some(high), Some(low)) => {
                    at += 2;
                    (high << 4 | low) as u8
                }
                _ => b'%',
            },
            other => *other,
        });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_compared_decoded() {
        let found = |args: &'static [u8], name: &'static [u8]| -> Vec<Vec<u8>> {
            arguments(args, name).map(Cow::into_owned).collect()
        };
        assert_eq!(
            found(b"a=1&b=2&a=%33", b"a"),
            [b"1".to_vec(), b"3".to_vec()]
        );
        assert_eq!(found(b"de%62ug=x+y", b"debug"), [b"x y".to_vec()]);
        assert_eq!(found(b"flag", b"flag"), [b"".to_vec()]);
        assert_eq!(found(b"a=%zz%4", b"a"), [b"%zz%4".to_vec()]);
        assert!(found(b"", b"").is_empty());
    }

    #[test]
    fn a_mapped_address_is_in_its_ipv4_network() {
        let nets = ["10.0.0.0/8".parse().unwrap()];
        assert!(is_in(&nets, "::ffff:10.1.2.3".parse().unwrap()));
        assert!(!is_in(&nets, "11.0.0.1".parse().unwrap()));
    }
}
