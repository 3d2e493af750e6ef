//! Cache-Control, and its targeted relative, as values.

use crate::options::{DELTA_SECONDS_MAX, DIRECTIVES_MAX};
use seawall_http::{
    Fields, Name, members,
    sf::{self, Bare},
    trim,
};

/// What a response's Cache-Control says (RFC 9111 §5.2.2, RFC 5861, RFC 8246 is of no use to a shared cache).
///
/// Where a directive is repeated the more cautious one holds (RFC 9111 §4.2.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub max_age_s: Option<u64>,
    pub s_maxage_s: Option<u64>,
    pub stale_while_revalidate_s: Option<u64>,
    pub stale_if_error_s: Option<u64>,
    pub no_store: bool,
    pub no_cache: bool,
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub must_understand: bool,
    /// Fields named by `no-cache="..."` and `private="..."`: not to be stored.
    pub withheld: Vec<Box<[u8]>>,
}

impl Directives {
    /// Reads the Cache-Control lines of a response.
    pub fn of_response(fields: &Fields<'_>) -> Directives {
        let mut all = Directives::default();
        fields
            .list(Name::CacheControl)
            .take(DIRECTIVES_MAX)
            .for_each(|member| {
                let (name, value) = split(member);
                all.add(name, value);
            });
        all
    }

    fn add(&mut self, name: &[u8], value: Option<&[u8]>) {
        let is = |directive: &str| name.eq_ignore_ascii_case(directive.as_bytes());
        if is("max-age") {
            shorten(&mut self.max_age_s, lifetime(value));
        } else if is("s-maxage") {
            shorten(&mut self.s_maxage_s, lifetime(value));
        } else if is("stale-while-revalidate") {
            shorten(&mut self.stale_while_revalidate_s, lifetime(value));
        } else if is("stale-if-error") {
            shorten(&mut self.stale_if_error_s, lifetime(value));
        } else if is("no-store") {
            self.no_store = true;
        } else if is("public") {
            self.public = true;
        } else if is("must-revalidate") || is("proxy-revalidate") {
            self.must_revalidate = true;
        } else if is("must-understand") {
            self.must_understand = true;
        } else if is("no-cache") {
            self.no_cache |= !self.withhold(value);
        } else if is("private") {
            self.private |= !self.withhold(value);
        }
    }

    /// Notes the named fields; false if there are none, when the directive holds for the whole response.
    fn withhold(&mut self, value: Option<&[u8]>) -> bool {
        let before = self.withheld.len();
        let names = members(unquote(value.unwrap_or_default())).take(DIRECTIVES_MAX);
        self.withheld.extend(names.map(Box::from));
        self.withheld.len() > before
    }

    /// Reads CDN-Cache-Control (RFC 9213 §2.1: a dictionary whose members are directives). `None` when it is absent, empty or
    /// not a dictionary: then it is as if it were not there (RFC 9213 §2.2).
    pub fn targeted(fields: &Fields<'_>) -> Option<Directives> {
        if !fields.has(Name::CdnCacheControl) {
            return None;
        }
        let text = sf::join(fields.all(Name::CdnCacheControl));
        let dictionary = sf::parse_dictionary(&text)
            .ok()
            .filter(|members| !members.is_empty())?;
        let mut all = Directives::default();
        for (name, member) in &dictionary {
            if let Some(item) = member.as_item() {
                all.add_targeted(name, &item.bare);
            }
        }
        Some(all)
    }

    /// A directive whose value is of the wrong type is ignored (RFC 9213 §2.1).
    fn add_targeted(&mut self, name: &str, value: &Bare) {
        let wants_number = matches!(
            name,
            "max-age" | "s-maxage" | "stale-while-revalidate" | "stale-if-error"
        );
        match value {
            Bare::Integer(seconds) if wants_number => {
                self.add(name.as_bytes(), Some(seconds.to_string().as_bytes()));
            }
            Bare::Boolean(true) if !wants_number => self.add(name.as_bytes(), None),
            Bare::String(names) if !wants_number => {
                self.add(name.as_bytes(), Some(names.as_bytes()));
            }
            _ => {}
        }
    }
}

/// What a request's Cache-Control asks (RFC 9111 §5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demands {
    pub no_cache: bool,
    pub no_store: bool,
    pub only_if_cached: bool,
    pub max_age_s: Option<u64>,
    pub min_fresh_s: Option<u64>,
    /// `Some(u64::MAX)`: however stale.
    pub max_stale_s: Option<u64>,
}

impl Demands {
    /// Reads a request's Cache-Control, or its Pragma where there is none (RFC 9111 §5.4).
    pub fn of_request(fields: &Fields<'_>) -> Demands {
        let mut demands = Demands::default();
        if !fields.has(Name::CacheControl) {
            demands.no_cache = fields
                .list(Name::Pragma)
                .any(|member| member.eq_ignore_ascii_case(b"no-cache"));
            return demands;
        }
        for member in fields.list(Name::CacheControl).take(DIRECTIVES_MAX) {
            let (name, value) = split(member);
            let is = |directive: &str| name.eq_ignore_ascii_case(directive.as_bytes());
            if is("no-cache") {
                demands.no_cache = true;
            } else if is("no-store") {
                demands.no_store = true;
            } else if is("only-if-cached") {
                demands.only_if_cached = true;
            } else if is("max-age") {
                shorten(&mut demands.max_age_s, lifetime(value));
            } else if is("min-fresh") {
                demands.min_fresh_s = delta_seconds(value.unwrap_or_default());
            } else if is("max-stale") {
                demands.max_stale_s = value.map_or(Some(u64::MAX), delta_seconds);
            }
        }
        demands
    }
}

/// `name=value` or `name`.
fn split(member: &[u8]) -> (&[u8], Option<&[u8]>) {
    match member.iter().position(|&byte| byte == b'=') {
        Some(at) => {
            let (name, value) = member.split_at(at);
            (trim(name), Some(trim(value.get(1..).unwrap_or_default())))
        }
        None => (member, None),
    }
}

/// Keeps the shorter of two.
fn shorten(slot: &mut Option<u64>, value: u64) {
    *slot = Some(slot.map_or(value, |old| old.min(value)));
}

/// A lifetime that cannot be read has passed (RFC 9111 §4.2.1).
fn lifetime(value: Option<&[u8]>) -> u64 {
    delta_seconds(value.unwrap_or_default()).unwrap_or(0)
}

/// RFC 9111 §1.2.2; both the token and the quoted form are read (§5.2).
pub(crate) fn delta_seconds(value: &[u8]) -> Option<u64> {
    let digits = unquote(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    };
    Some(digits.iter().fold(0, add).min(DELTA_SECONDS_MAX))
}

fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}
