//! Which request an answer was made for (RFC 9111 §4.1).
//!
//! The fields that Vary names are kept as the request had them, in a normal form: members without the white space around them.
//! Accept-Encoding is reduced to the set of codings that the client takes, or every browser version would have its own copy, and the
//! members of Accept-Language are put in the order of their weights.

use crate::{
    key::hash_bytes,
    languages,
    options::VARY_FIELDS_MAX,
    store::{Reading, write_bytes},
};
use seawall_http::{Fields, Name, members};

const ACCEPT_ENCODING: &[u8] = b"accept-encoding";

/// A selecting field and what the request had in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Selecting {
    /// In lower case.
    name: Box<[u8]>,
    /// Normal form; `None` where the request had no such field.
    value: Option<Box<[u8]>>,
    /// The language of the answer, where the origin is known to choose by preference: then whoever prefers it to all others gets it.
    language: Option<Box<[u8]>>,
}

/// The selecting fields of an answer, by name. Empty for an answer that does not vary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vary(Box<[Selecting]>);

impl Vary {
    /// The selecting fields that `response` names, as `request` has them. `None` if it names `*` or too many.
    ///
    /// An answer with a coding varies on Accept-Encoding whether it says so or not: it would be garbage to whoever does not take it.
    pub fn of(response: &Fields<'_>, request: &Fields<'_>, by_preference: bool) -> Option<Vary> {
        let coded = response.has(Name::ContentEncoding);
        if !response.has(Name::Vary) && !coded {
            return Some(Vary::default());
        }
        let mut names: Vec<Box<[u8]>> = Vec::new();
        if coded {
            names.push(ACCEPT_ENCODING.into());
        }
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
            language: (by_preference && *name == *languages::NAME)
                .then(|| languages::of_answer(response))
                .flatten(),
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

    /// For a person to read.
    pub fn describe(&self) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let one = |selecting: &Selecting| {
            let value = selecting.value.as_deref().map(|value| {
                match *selecting.name == *b"accept-encoding" {
                    true => text(value.first().map_or("", |set| names_of(*set)).as_bytes()),
                    false => text(value.strip_suffix(b",").unwrap_or(value)),
                }
            });
            (text(&selecting.name), value)
        };
        self.0.iter().map(one).collect()
    }

    /// Appends it for a disk.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.0.len() as u8);
        for selecting in &self.0 {
            write_bytes(&selecting.name, out);
            for value in [&selecting.value, &selecting.language] {
                out.push(u8::from(value.is_some()));
                write_bytes(value.as_deref().unwrap_or_default(), out);
            }
        }
    }

    /// Reads it back.
    pub fn read(from: &mut Reading<'_>) -> Option<Vary> {
        let count = from.u8()?;
        let mut all = Vec::new();
        for _ in 0..count {
            let name = from.bytes()?.into();
            let mut value = || {
                let is_there = from.u8()? == 1;
                let value = from.bytes()?;
                Some(is_there.then(|| value.into()))
            };
            all.push(Selecting {
                name,
                value: value()?,
                language: value()?,
            });
        }
        Some(Vary(all.into()))
    }

    /// Bytes that it takes.
    pub fn weight(&self) -> u64 {
        let one = |selecting: &Selecting| {
            let length = |value: &Option<Box<[u8]>>| value.as_ref().map_or(0, |value| value.len());
            48 + selecting.name.len() + length(&selecting.value) + length(&selecting.language)
        };
        self.0.iter().map(one).sum::<usize>() as u64
    }
}

impl Selecting {
    fn matches(&self, request: &Fields<'_>) -> bool {
        if *self.name == *ACCEPT_ENCODING {
            return self.value.as_deref() == Some(&[codings(request)]);
        }
        if *self.name == *languages::NAME
            && let Some(wanted) = languages::Wanted::of(request)
        {
            let stored = self.value.as_deref();
            return stored.is_some_and(|stored| wanted.is(stored))
                || self.language.as_deref().is_some_and(|l| wanted.prefers(l));
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
    if name == ACCEPT_ENCODING {
        return Some(Box::new([codings(request)]));
    }
    if name == languages::NAME
        && let Some(wanted) = languages::Wanted::of(request)
    {
        return Some(wanted.normal_form());
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

/// Appends the line that asks for the codings a client takes, in the one form that the key knows; nothing where it said nothing.
pub fn push_accept_encoding(request: &Fields<'_>, out: &mut Vec<u8>) {
    if !request.has(Name::AcceptEncoding) {
        return;
    }
    let taken = codings(request);
    const FORMS: [&str; 7] = [
        "gzip",
        "br",
        "zstd",
        "deflate",
        "*",
        "*;q=0",
        "identity;q=0",
    ];
    out.extend_from_slice(b"Accept-Encoding: ");
    let mut separator = "";
    for (bit, form) in FORMS.iter().enumerate() {
        if taken & 1 << bit != 0 {
            out.extend_from_slice(separator.as_bytes());
            out.extend_from_slice(form.as_bytes());
            separator = ", ";
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The codings that are commonly taken together, for a person to read.
fn names_of(taken: u8) -> &'static str {
    match taken & 0b111 {
        0 => "(none of gzip, br, zstd)",
        1 => "gzip",
        2 => "br",
        3 => "gzip, br",
        4 => "zstd",
        5 => "gzip, zstd",
        6 => "br, zstd",
        _ => "gzip, br, zstd",
    }
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
        Vary::of(
            &Head::new(&[("Vary", names)]).fields(),
            &request.fields(),
            false,
        )
        .unwrap()
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
                &none.fields(),
                false
            )
            .is_none()
        );
        let many: Vec<String> = (0..=VARY_FIELDS_MAX).map(|n| format!("x-{n}")).collect();
        assert!(
            Vary::of(
                &Head::new(&[("Vary", &many.join(","))]).fields(),
                &none.fields(),
                false
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

    #[test]
    fn languages_select_by_their_weights_and_not_by_their_order() {
        let asked = Head::new(&[("Accept-Language", "en, De")]);
        let vary = vary("Accept-Language", &asked);
        let takes = |value| vary.matches(&Head::new(&[("Accept-Language", value)]).fields());
        for same in ["de, en", "  EN;q=1.0 ,de", "en,,de;q=1"] {
            assert!(takes(same), "{same}");
        }
        for other in ["de;q=0.9, en", "en", "en, de, fr", "en-GB, de", "*", ""] {
            assert!(!takes(other), "{other}");
        }
        assert!(!vary.matches(&Head::new(&[]).fields()));
    }

    #[test]
    fn more_languages_than_are_put_in_order_select_as_they_stand() {
        let many = |from: usize| {
            let names: Vec<String> = (from..from + 20).map(|n| format!("l{n}")).collect();
            Head::new(&[("Accept-Language", &names.join(", "))])
        };
        let vary = vary("Accept-Language", &many(0));
        assert!(vary.matches(&many(0).fields()) && !vary.matches(&many(1).fields()));
    }

    #[test]
    fn who_prefers_the_language_of_the_answer_gets_it_where_the_origin_chooses_by_preference() {
        let asked = Head::new(&[("Accept-Language", "en, de")]);
        let answered = Head::new(&[("Vary", "Accept-Language"), ("Content-Language", "De")]);
        let of =
            |by_preference| Vary::of(&answered.fields(), &asked.fields(), by_preference).unwrap();
        let takes =
            |vary: &Vary, value| vary.matches(&Head::new(&[("Accept-Language", value)]).fields());
        assert!(takes(&of(true), "fr;q=0.5, de"));
        for other in ["fr, de", "de-AT", "fr, de;q=0.9", "de;q=0", "*"] {
            assert!(!takes(&of(true), other), "{other}");
        }
        assert!(!takes(&of(false), "fr;q=0.5, de"));
    }

    #[test]
    fn a_coded_answer_varies_on_the_codings_whether_it_says_so_or_not() {
        let asked = Head::new(&[("Accept-Encoding", "gzip")]);
        let answered = Head::new(&[("Content-Encoding", "gzip")]);
        let vary = Vary::of(&answered.fields(), &asked.fields(), false).unwrap();
        assert!(vary.matches(&asked.fields()));
        assert!(!vary.matches(&Head::new(&[]).fields()));
    }
}
