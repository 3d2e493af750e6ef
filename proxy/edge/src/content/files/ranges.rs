//! Ranges (RFC 9110 §14; ngx_http_range_filter_module).
//!
//! What nginx answers is answered here: ranges whose sum exceeds the file, and more ranges than allowed, get the whole file,
//! so that a request cannot be made to cost more than one without ranges; what is no range, or none that is there, is 416.

use smallvec::SmallVec;

/// Bytes from the first to before the second.
pub type Span = (u64, u64);

/// What `Range` comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Ranges {
    /// The whole file.
    Whole,
    /// These parts.
    Parts(SmallVec<[Span; 1]>),
    /// None of it is there: 416.
    Unsatisfiable,
}

/// Reads a `Range` field for a file of `size` bytes.
pub fn parse(value: &[u8], size: u64, max: usize) -> Ranges {
    let Some((unit, list)) = value.split_at_checked(6) else {
        return Ranges::Whole;
    };
    if max == 0 || list.is_empty() || !unit.eq_ignore_ascii_case(b"bytes=") {
        return Ranges::Whole;
    }
    let mut parts: SmallVec<[Span; 1]> = SmallVec::new();
    let mut sum = 0u64;
    for spec in list.split(|b| *b == b',') {
        match one(spec, size) {
            One::Nonsense => return Ranges::Unsatisfiable,
            // An empty file has no ranges, and is sent whole.
            One::Empty => return Ranges::Whole,
            One::Beyond => {}
            One::Span(span) => {
                if parts.len() == max {
                    return Ranges::Whole;
                }
                sum = sum.saturating_add(span.1 - span.0);
                parts.push(span);
            }
        }
    }
    if parts.is_empty() {
        Ranges::Unsatisfiable
    } else if sum > size {
        Ranges::Whole
    } else {
        Ranges::Parts(parts)
    }
}

enum One {
    Span(Span),
    /// Begins behind the end.
    Beyond,
    /// Begins where there is nothing at all.
    Empty,
    Nonsense,
}

fn one(spec: &[u8], size: u64) -> One {
    let Some(dash) = memchr::memchr(b'-', spec) else {
        return One::Nonsense;
    };
    let (first, last) = spec.split_at(dash);
    let (first, last) = (blanks(first), blanks(last.get(1..).unwrap_or_default()));
    let (start, end) = match (first, last) {
        (b"", last) => match number(last) {
            Some(suffix) => (size - suffix.min(size), size),
            None => return One::Nonsense,
        },
        (first, b"") => match number(first) {
            Some(start) => (start, size),
            None => return One::Nonsense,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(start), Some(last)) => (start, last.saturating_add(1).min(size)),
            _ => return One::Nonsense,
        },
    };
    if start < end {
        One::Span((start, end))
    } else if start == 0 {
        One::Empty
    } else {
        One::Beyond
    }
}

fn blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] | [rest @ .., b' '] = text {
        text = rest;
    }
    text
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    digits.iter().try_fold(0u64, |n, digit| {
        n.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    #[test]
    fn ranges_are_clipped_counted_and_summed() {
        let parts = |list: &[Span]| Ranges::Parts(list.iter().copied().collect());
        for (value, expected) in [
            ("bytes=0-0", parts(&[(0, 1)])),
            ("bytes=5-", parts(&[(5, 10)])),
            ("bytes=-3", parts(&[(7, 10)])),
            ("bytes=-30", parts(&[(0, 10)])),
            ("bytes=8-99", parts(&[(8, 10)])),
            ("Bytes= 1 - 2 , 4-4", parts(&[(1, 3), (4, 5)])),
            ("bytes=99-,0-1", parts(&[(0, 2)])),
            ("bytes=0-8,0-8", Ranges::Whole),
            ("bytes=0-0,1-1,2-2", Ranges::Whole),
            ("bytes=10-", Ranges::Unsatisfiable),
            ("bytes=-0", Ranges::Unsatisfiable),
            ("bytes=", Ranges::Whole),
            ("bytes=a-b", Ranges::Unsatisfiable),
            ("bytes=3-1", Ranges::Unsatisfiable),
            ("bytes=1-2-3", Ranges::Unsatisfiable),
            ("bytes=99999999999999999999-", Ranges::Unsatisfiable),
            ("lines=0-0", Ranges::Whole),
            ("", Ranges::Whole),
        ] {
            assert_eq!(parse(value.as_bytes(), 10, 2), expected, "{value}");
        }
        assert_eq!(parse(b"bytes=0-", 0, 2), Ranges::Whole);
        assert_eq!(parse(b"bytes=0-1", 10, 0), Ranges::Whole);
        let all: SmallVec<[Span; 1]> = smallvec![(0, 10)];
        assert_eq!(parse(b"bytes=0-", 10, 1), Ranges::Parts(all));
    }
}
