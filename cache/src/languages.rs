//! Accept-Language (RFC 9110 §12.5.4) as a set of languages with weights, in one order whatever order it was written in.

use crate::options::LANGUAGES_MAX;
use seawall_http::{Fields, Name, trim};

/// The field, in lower case.
pub(crate) const NAME: &[u8] = b"accept-language";

/// Languages and their weights in thousandths, the heaviest first and then by name.
pub(crate) struct Wanted<'a> {
    list: [(u16, &'a [u8]); LANGUAGES_MAX],
    len: usize,
}

impl<'a> Wanted<'a> {
    /// What a request wants; `None` where the field is absent, or has more members than are put in order. Does not allocate.
    pub fn of(request: &Fields<'a>) -> Option<Wanted<'a>> {
        if !request.has(Name::AcceptLanguage) {
            return None;
        }
        let mut wanted = Wanted {
            list: [(0, b""); LANGUAGES_MAX],
            len: 0,
        };
        for member in request.list(Name::AcceptLanguage) {
            *wanted.list.get_mut(wanted.len)? = weighed(member);
            wanted.len += 1;
        }
        let lower = |name: &[u8], at: usize| name.get(at).map(u8::to_ascii_lowercase);
        if let Some(list) = wanted.list.get_mut(..wanted.len) {
            list.sort_unstable_by(|(weight, a), (other, b)| {
                let names = (0..a.len().max(b.len())).map(|at| lower(a, at).cmp(&lower(b, at)));
                other
                    .cmp(weight)
                    .then(names.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then))
            });
        }
        Some(wanted)
    }

    fn list(&self) -> &[(u16, &'a [u8])] {
        self.list.get(..self.len).unwrap_or_default()
    }

    /// As it is kept and compared.
    pub fn normal_form(&self) -> Box<[u8]> {
        let mut form = Vec::new();
        for (weight, name) in self.list() {
            form.extend_from_slice(&weight.to_be_bytes());
            form.extend(name.iter().map(u8::to_ascii_lowercase));
            form.push(b',');
        }
        form.into()
    }

    /// Whether that is its normal form.
    pub fn is(&self, stored: &[u8]) -> bool {
        let mut rest = stored;
        for (weight, name) in self.list() {
            let Some((of_stored, after)) = rest.split_at_checked(2 + name.len()) else {
                return false;
            };
            let same = of_stored.starts_with(&weight.to_be_bytes())
                && of_stored
                    .get(2..)
                    .is_some_and(|n| n.eq_ignore_ascii_case(name));
            let Some(after) = after.strip_prefix(b",").filter(|_| same) else {
                return false;
            };
            rest = after;
        }
        rest.is_empty()
    }

    /// Whether a language is wanted more than every other.
    pub fn prefers(&self, language: &[u8]) -> bool {
        match self.list() {
            [(weight, first), rest @ ..] => {
                let next = rest.first().map_or(0, |(weight, _)| *weight);
                *weight > next && first.eq_ignore_ascii_case(language)
            }
            [] => false,
        }
    }
}

/// The language of an answer, if it is one.
pub(crate) fn of_answer(response: &Fields<'_>) -> Option<Box<[u8]>> {
    let mut lines = response.find_all(b"content-language");
    let language = lines.next()?;
    let is_one = lines.next().is_none() && !language.contains(&b',') && !language.is_empty();
    is_one.then(|| language.to_ascii_lowercase().into())
}

/// A member with its weight; one that cannot be read weighs 1 (RFC 9110 §12.4.2).
fn weighed(member: &[u8]) -> (u16, &[u8]) {
    let mut parts = member.split(|byte| *byte == b';').map(trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix(b"q=").or(part.strip_prefix(b"Q=")));
    (quality.and_then(thousandths).unwrap_or(1000), name)
}

fn thousandths(quality: &[u8]) -> Option<u16> {
    let (whole, digits) = match quality {
        [whole] | [whole, b'.'] => (whole, &b""[..]),
        [whole, b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let mut sum = digit(whole)? * 1000;
    for (digit, unit) in digits.iter().map(digit).zip([100, 10, 1]) {
        sum += digit? * unit;
    }
    (sum <= 1000).then_some(sum)
}
