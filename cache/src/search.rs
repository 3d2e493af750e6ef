//! No-Vary-Search: an origin says which parameters of a query its answers do not depend on.
//!
//! What an answer says holds for the queries of its path from then on, until an answer there says something else. It changes keys alone:
//! the origin is asked with the whole query, as the order of parameters may count where the header is not sent.

use crate::{
    cache::Cache,
    key::KeyRef,
    options::{SEARCH_NAMES_MAX, SEARCH_PATHS_MAX},
};
use moka::sync::Cache as Table;
use seawall_http::{
    Fields, Name,
    sf::{self, Bare, Member},
};
use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
};

/// What queries are compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoVarySearch {
    /// Whether the order of names counts.
    ordered: bool,
    /// Which parameters count.
    counts: Counts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Counts {
    /// All but these.
    AllBut(Vec<String>),
    /// None but these.
    Only(Vec<String>),
}

impl NoVarySearch {
    /// Reads the field of a response. `None` where it is absent, malformed, or says what holds anyway.
    pub fn of(response: &Fields<'_>) -> Option<NoVarySearch> {
        if !response.has(Name::NoVarySearch) {
            return None;
        }
        let text = sf::join(response.all(Name::NoVarySearch));
        let members = sf::parse_dictionary(&text).ok()?;
        let ordered = match sf::find(&members, "key-order") {
            None => true,
            Some(Member::Item(item)) => !item.bare.as_boolean()?,
            Some(_) => return None,
        };
        let except = match sf::find(&members, "except") {
            None => None,
            Some(member) => Some(names(member)?),
        };
        let counts = match (sf::find(&members, "params"), except) {
            (Some(Member::Item(item)), except) => match item.bare {
                Bare::Boolean(true) => Counts::Only(except.unwrap_or_default()),
                Bare::Boolean(false) if except.is_none() => Counts::AllBut(Vec::new()),
                _ => return None,
            },
            (Some(list), None) => Counts::AllBut(names(list)?),
            (None, None) => Counts::AllBut(Vec::new()),
            // Exceptions make sense only where there is a rule.
            (_, Some(_)) => return None,
        };
        let says_nothing = ordered && counts == Counts::AllBut(Vec::new());
        (!says_nothing).then_some(NoVarySearch { ordered, counts })
    }

    /// The query as it is compared.
    pub fn counted(&self, args: &[u8]) -> Vec<u8> {
        fn name(parameter: &[u8]) -> Cow<'_, [u8]> {
            decoded(parameter.split(|b| *b == b'=').next().unwrap_or_default())
        }
        let mut kept: Vec<&[u8]> = args
            .split(|b| *b == b'&')
            .filter(|p| !p.is_empty() && self.keeps(&name(p)))
            .collect();
        if !self.ordered {
            kept.sort_by(|a, b| name(a).cmp(&name(b)));
        }
        kept.join(&b'&')
    }

    fn keeps(&self, name: &[u8]) -> bool {
        let is_in = |names: &[String]| names.iter().any(|n| n.as_bytes() == name);
        match &self.counts {
            Counts::AllBut(names) => !is_in(names),
            Counts::Only(names) => is_in(names),
        }
    }
}

/// The names of a list.
fn names(member: &Member) -> Option<Vec<String>> {
    let Member::InnerList(items, _) = member else {
        return None;
    };
    if items.len() > SEARCH_NAMES_MAX {
        return None;
    }
    let text = |item: &sf::Item| match &item.bare {
        Bare::String(text) => String::from_utf8(decoded(text.as_bytes()).into_owned()).ok(),
        _ => None,
    };
    items.iter().map(text).collect()
}

/// As application/x-www-form-urlencoded is read.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let digit = |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, digit(after.first()), digit(after.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    Cow::Owned(out)
}

/// What is known of the paths, by the hash of a key without its query.
pub(crate) struct Searches {
    table: Table<u64, Arc<NoVarySearch>>,
    any: AtomicBool,
}

impl Searches {
    pub fn new() -> Searches {
        Searches {
            table: Table::builder().max_capacity(SEARCH_PATHS_MAX).build(),
            any: AtomicBool::new(false),
        }
    }
}

impl Cache {
    /// Whether any answer said what its query does not vary on: if not, nothing has to be looked up.
    #[inline]
    pub fn knows_searches(&self) -> bool {
        self.searches.any.load(Acquire)
    }

    /// What queries of a path are compared by; the key is one without a query.
    pub fn search_of(&self, path: KeyRef<'_>) -> Option<Arc<NoVarySearch>> {
        self.searches.table.get(&path.hash)
    }

    /// Takes note of what an answer says of its path, or that it says nothing any more.
    pub fn learn_search(&self, path: KeyRef<'_>, said: Option<NoVarySearch>) {
        match said {
            Some(said) => {
                self.searches.table.insert(path.hash, Arc::new(said));
                self.searches.any.store(true, Release);
            }
            None => self.searches.table.invalidate(&path.hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Head;

    fn of(value: &str) -> Option<NoVarySearch> {
        NoVarySearch::of(&Head::new(&[("No-Vary-Search", value)]).fields())
    }

    #[test]
    fn queries_are_compared_as_the_origin_says() {
        for (said, args, counted) in [
            ("key-order", "b=1&a=2&b=0", "a=2&b=1&b=0"),
            ("params", "a=1&b=2", ""),
            (
                "params=(\"utm\" \"fb id\")",
                "a=1&utm=2&fb%20id=3&fb+id=4",
                "a=1",
            ),
            ("params, except=(\"q\")", "q=1&a=2&%71=3", "q=1&%71=3"),
            (
                "params, except=(\"b\" \"a\"), key-order",
                "b=1&c&a=2",
                "a=2&b=1",
            ),
            ("key-order, params=?0", "b&a", "a&b"),
        ] {
            let rule = of(said).unwrap_or_else(|| panic!("{said}"));
            let got = rule.counted(args.as_bytes());
            assert_eq!(String::from_utf8(got).unwrap(), counted, "{said}");
        }
    }

    #[test]
    fn what_is_malformed_or_says_nothing_is_as_if_it_were_not_there() {
        for said in [
            "",
            "key-order=?0",
            "params=?0",
            "params=()",
            "params=\"a\"",
            "params=(a)",
            "params=(\"a\"), except=(\"b\")",
            "except=(\"b\")",
            "params=?0, except=(\"b\")",
            "params, except=\"b\"",
            "key-order=1",
            "params=(\"a\"",
        ] {
            assert_eq!(of(said), None, "{said}");
        }
        assert_eq!(NoVarySearch::of(&Head::new(&[]).fields()), None);
        let many: Vec<String> = (0..=SEARCH_NAMES_MAX)
            .map(|n| format!("\"p{n}\""))
            .collect();
        assert_eq!(of(&format!("params=({})", many.join(" "))), None);
    }
}
