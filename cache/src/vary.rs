//! Which request an answer was made for (RFC 9111 §4.1).
//!
//! The fields that Vary names are kept as the request had them, in a normal form: members without the white space around them.
//! Accept-Encoding is reduced to the set of codings that the client takes, or every browser version would have its own copy.

use crate::{key::hash_bytes, options::VARY_FIELDS_MAX};
use seawall_http::{Fields, Name, members};

/// A selecting field and what the request had in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Selecting {
    /// In lower case.
    name: Box<[u8]>,
    /// Normal form; `None` where the request had no such field.
    value: Option<Box<[u8]>>,
}

/// The selecting fields of an answer, by name. Empty for an answer that does not vary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vary(Box<[Selecting]>);

impl Vary {
    /// The selecting fields that `response` names, as `request` has them. `None` if it names `*` or too many.
    pub fn of(response: &Fields<'_>, request: &Fields<'_>) -> Option<Vary> {
        if !response.has(Name::Vary) {
            return Some(Vary::default());
        }
        let mut names: Vec<Box<[u8]>> = Vec::new();
        for member in response.list(Name::Vary) {
            if member == b"*" || names.len() == VARY_FIELDS_MAX {
                return None;
            }
            names.push(member.to_ascii_lowercase().into());
        }
        names.sort_unstable();
        names.dedup();
        let select = |name: Box<[u8]>| Selecting {
            value: normal_form(request, &name),
            name,
        };
        Some(Vary(names.into_iter().map(select).collect()))
    }

    /// Whether the answer does not vary.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request would get the same answer. Does not allocate.
    #[inline]
    pub fn matches(&self, request: &Fields<'_>) -> bool {
        self.0.iter().all(|selecting| selecting.matches(request))
    }

    /// What the selecting fields of a request hash to; 0 when nothing is selected by.
    pub fn hash_of(&self, request: &Fields<'_>) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        let mut all = Vec::new();
        for selecting in &self.0 {
            all.extend_from_slice(&normal_form(request, &selecting.name).unwrap_or_default());
            all.push(b'\n');
        }
        hash_bytes(&all) | 1
    }

    /// Bytes that it takes.
    pub fn weight(&self) -> u64 {
        let one = |selecting: &Selecting| {
            32 + selecting.name.len() + selecting.value.as_ref().map_or(0, |value| value.len())
        };
        self.0.iter().map(one).sum::<usize>() as u64
    }
}

impl Selecting {
    fn matches(&self, request: &Fields<'_>) -> bool {
        if *self.name == *b"accept-encoding" {
            return self.value.as_deref() == Some(&[codings(request)]);
        }
        let mut lines = request.find_all(&self.name).peekable();
        let Some(stored) = self.value.as_deref() else {
            return lines.peek().is_none();
        };
        if lines.peek().is_none() {
            return false;
        }
        let mut rest = stored;
        for member in lines.flat_map(members) {
            let Some(after) = rest
                .strip_prefix(member)
                .and_then(|rest| rest.strip_prefix(b","))
            else {
                return false;
            };
            rest = after;
        }
        rest.is_empty()
    }
}

/// The members of all lines, each followed by a comma.
fn normal_form(request: &Fields<'_>, name: &[u8]) -> Option<Box<[u8]>> {
    if name == b"accept-encoding" {
        return Some(Box::new([codings(request)]));
    }
    let mut lines = request.find_all(name).peekable();
    lines.peek()?;
    let mut value = Vec::new();
    for member in lines.flat_map(members) {
        value.extend_from_slice(member);
        value.push(b',');
    }
    Some(value.into())
}

/// The codings a client takes, as bits. A coding with a quality of 0 is not taken; those we do not know are left out.
fn codings(request: &Fields<'_>) -> u8 {
    let mut taken = 0;
    for member in request.list(Name::AcceptEncoding) {
        let mut parts = member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let coding = parts.next().unwrap_or_default();
        let refused = parts.any(is_quality_zero);
        let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
        taken |= match () {
            () if is("gzip") || is("x-gzip") => u8::from(!refused),
            () if is("br") => u8::from(!refused) << 1,
            () if is("zstd") => u8::from(!refused) << 2,
            () if is("deflate") => u8::from(!refused) << 3,
            () if is("*") => 1 << (4 + u8::from(refused)),
            () if is("identity") => u8::from(refused) << 6,
            () => 0,
        };
    }
    taken
}

/// `q=0`, `q=0.`, `q=0.000` (RFC 9110 §12.4.2).
fn is_quality_zero(parameter: &[u8]) -> bool {
    let Some(value) = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="))
    else {
        return false;
    };
    !value.is_empty() && value.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Head;

    fn vary(names: &str, request: &Head) -> Vary {
        Vary::of(&Head::new(&[("Vary", names)]).fields(), &request.fields()).unwrap()
    }

    #[test]
    fn a_request_selects_by_the_named_fields_only() {
        let asked = Head::new(&[("Accept-Language", "de, en;q=0.5"), ("User-Agent", "a")]);
        let vary = vary("accept-language", &asked);
        assert!(vary.matches(
            &Head::new(&[("accept-language", "de,en;q=0.5"), ("User-Agent", "b")]).fields()
        ));
        assert!(vary.matches(
            &Head::new(&[("Accept-Language", "de"), ("Accept-Language", "en;q=0.5")]).fields()
        ));
        assert!(!vary.matches(&Head::new(&[("Accept-Language", "de")]).fields()));
        assert!(!vary.matches(&Head::new(&[("Accept-Language", "de, en;q=0.5, fr")]).fields()));
        assert!(!vary.matches(&Head::new(&[]).fields()));
    }

    #[test]
    fn an_absent_field_selects_absent_ones_only() {
        let vary = vary("X-Kind", &Head::new(&[]));
        assert!(vary.matches(&Head::new(&[("Other", "1")]).fields()));
        assert!(!vary.matches(&Head::new(&[("X-Kind", "")]).fields()));
    }

    #[test]
    fn browsers_that_take_the_same_codings_share_a_variant() {
        let vary = vary(
            "Accept-Encoding",
            &Head::new(&[("Accept-Encoding", "gzip, deflate, br, zstd")]),
        );
        assert!(
            vary.matches(&Head::new(&[("Accept-Encoding", "zstd,br;q=0.9,deflate,gzip")]).fields())
        );
        assert!(
            !vary.matches(&Head::new(&[("Accept-Encoding", "zstd,br;q=0,deflate,gzip")]).fields())
        );
        assert!(!vary.matches(&Head::new(&[]).fields()));
    }

    #[test]
    fn star_and_too_many_names_select_nothing() {
        let none = Head::new(&[]);
        assert!(
            Vary::of(
                &Head::new(&[("Vary", "accept, *")]).fields(),
                &none.fields()
            )
            .is_none()
        );
        let many: Vec<String> = (0..=VARY_FIELDS_MAX).map(|n| format!("x-{n}")).collect();
        assert!(
            Vary::of(
                &Head::new(&[("Vary", &many.join(","))]).fields(),
                &none.fields()
            )
            .is_none()
        );
    }

    #[test]
    fn the_hash_tells_the_same_as_the_comparison() {
        let asked = Head::new(&[("Accept", "a, b")]);
        let vary = vary("Accept", &asked);
        assert_eq!(
            vary.hash_of(&asked.fields()),
            vary.hash_of(&Head::new(&[("Accept", "a,b")]).fields())
        );
        assert_ne!(
            vary.hash_of(&asked.fields()),
            vary.hash_of(&Head::new(&[("Accept", "b,a")]).fields())
        );
        assert_eq!(Vary::default().hash_of(&asked.fields()), 0);
    }
}
