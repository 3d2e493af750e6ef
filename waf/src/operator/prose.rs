//! Texts that no fingerprint of an SQL injection can come of, told without making their fingerprint.
//!
//! libinjection cuts a text into tokens and compares the kinds of the first five with a list. No entry of that list is made
//! of names, numbers, functions, collations, commas and dots alone, be it together with strings or together with operators
//! and colons: an injection takes a word of another kind (`union`, `or`, `select`), a parenthesis, a comment, or strings and
//! operators at once. So a text that has none of these needs no fingerprint, and most of what people write has none. That
//! the list says so is tested, and that the two agree.

use std::sync::LazyLock;

use ahash::{AHashMap, AHashSet};
use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;

use crate::byteset::ByteSet;

/// Kinds of words in libinjection's table that an injection does not follow from: names, numbers, functions, collations.
const HARMLESS: &[u8] = b"n1fA";
/// The kind of what is no word but a fingerprint.
const FINGERPRINT: u8 = b'F';

/// What separates words in prose, beside quotes and operators.
const SEPARATORS: &[u8] = b" \t\r\n,.";
const QUOTES: &[u8] = b"'\"";
/// Each of these is a token alone but for `--`, a comment.
const OPERATORS: &[u8] = b"-/+:=";

struct Words {
    /// Words of other kinds, in upper case.
    telling: AHashSet<&'static [u8]>,
    /// Two words that become one with a kind of its own, by the first of them.
    pairs: AHashMap<&'static [u8], Vec<&'static [u8]>>,
    longest: usize,
    prose: ByteSet,
    quotes: ByteSet,
    operators: ByteSet,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let (mut telling, mut pairs) = (AHashSet::new(), AHashMap::<_, Vec<_>>::new());
    for keyword in SQL_KEYWORDS.iter().filter(|k| k.token_type != FINGERPRINT) {
        let mut parts = keyword.word.split([' ', '.']);
        let first = parts.next().unwrap_or_default().as_bytes();
        match parts.next() {
            Some(second) if keyword.word.contains(' ') => {
                pairs.entry(first).or_default().push(second.as_bytes());
            }
            None if HARMLESS.contains(&keyword.token_type) => {}
            // With a dot in it: its beginning tells.
            Some(_) | None => {
                telling.insert(first);
            }
        }
    }
    let known = telling
        .iter()
        .chain(pairs.keys())
        .chain(pairs.values().flatten());
    let longest = known.map(|word| word.len()).max().unwrap_or(0);
    let words = (0..=255u8).filter(|b| is_word(*b));
    let rest = [SEPARATORS, QUOTES, OPERATORS, &[NBSP]].concat();
    Words {
        longest,
        prose: words.chain(rest).collect(),
        quotes: ByteSet::of(QUOTES),
        operators: ByteSet::of(OPERATORS),
        telling,
        pairs,
    }
});

/// A blank to libinjection, and a part of characters in UTF-8.
const NBSP: u8 = 0xa0;

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || (b >= 0x80 && b != NBSP)
}

/// Whether libinjection finds no SQL in a text for certain. `bytes` are the bytes that occur in it.
pub(super) fn is_prose(text: &[u8], bytes: &ByteSet) -> bool {
    let words = &*WORDS;
    if !bytes.within(&words.prose) {
        return false;
    }
    if bytes.meets(&words.operators)
        && (bytes.meets(&words.quotes) || memchr::memmem::find(text, b"--").is_some())
    {
        return false;
    }
    let mut seconds: Option<&Vec<&'static [u8]>> = None;
    let mut upper = [0u8; 64];
    text.split(|b| !is_word(*b))
        .filter(|word| !word.is_empty())
        .all(|word| {
            // A number ends where letters begin, and what follows is a word of its own.
            if word.first().is_some_and(u8::is_ascii_digit) {
                seconds = None;
                return word.iter().all(u8::is_ascii_digit);
            }
            let room = upper.get_mut(..word.len());
            let Some(upper) = room.filter(|_| word.len() <= words.longest) else {
                seconds = None;
                // None that is known is as long.
                return word.len() > words.longest;
            };
            upper.copy_from_slice(word);
            upper.make_ascii_uppercase();
            let upper: &[u8] = upper;
            let joined = seconds.is_some_and(|list| list.contains(&upper));
            seconds = words.pairs.get(upper);
            !joined && !words.telling.contains(upper)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prose(text: &str) -> bool {
        is_prose(text.as_bytes(), &ByteSet::of(text.as_bytes()))
    }

    #[test]
    fn no_fingerprint_is_made_of_harmless_kinds_alone() {
        let prints = SQL_KEYWORDS.iter().filter(|k| k.token_type == FINGERPRINT);
        let mut count = 0;
        for print in prints {
            count += 1;
            let kinds = &print.word.as_bytes()[1..];
            let made_of = |set: &[u8]| kinds.iter().all(|k| set.contains(k));
            assert!(
                !made_of(b"N1FA,.S") && !made_of(b"N1FA,.O:"),
                "{}",
                print.word
            );
        }
        assert!(count > 8000, "{count}");
    }

    #[test]
    fn what_people_write_is_prose_and_what_may_be_sql_is_not() {
        for text in [
            "",
            "running shoes",
            "Some words of a form, number 3",
            "it's a gift for O'Brien",
            "2026-11-29",
            "https://shop.test/category/shoes",
            "A-12",
            "Gr\u{fc}\u{df}e \u{e0} la carte",
            "key=value",
            "session_1",
        ] {
            assert!(prose(text), "{text}");
        }
        for text in [
            "1 union select 2",
            "1union select 2",
            "a or b",
            "x--",
            "f(x)",
            "a;b",
            "it's a-b",
            "next value",
            "@x",
            "a#",
            "/* */",
            "1e1select",
            "utl_http.request",
        ] {
            assert!(!prose(text), "{text}");
        }
    }

    #[test]
    fn what_is_called_prose_is_never_an_injection() {
        let pieces: Vec<&str> = SQL_KEYWORDS
            .iter()
            .filter(|k| k.token_type != FINGERPRINT)
            .map(|k| k.word)
            .chain([
                "a", "b1", "x", "n", "q", "u", "0x1", "1", "23", "1.5", "1e5", "9d", "e", "'", "'",
                "\"", ",", ".", "-",
            ])
            .chain([
                "/",
                "+",
                ":",
                "=",
                " ",
                " ",
                " ",
                "\n",
                "\u{e0}",
                "\u{a0}",
                "A",
                "_",
                "sp_password",
                "true",
                "select",
            ])
            .collect();
        let mut seed = 11u64;
        let mut next = move |bound: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % bound
        };
        let mut told = 0;
        for _ in 0..60_000 {
            let small = next(4) > 0;
            let mut text = String::new();
            for _ in 0..1 + next(9) {
                // Mostly of the few at the end, which make prose.
                let from = if small { pieces.len() - 40 } else { 0 };
                text += pieces[from + next(pieces.len() - from)];
                if next(2) == 0 {
                    text.push(' ');
                }
            }
            if prose(&text) {
                told += 1;
                assert!(
                    !libinjectionrs::detect_sqli(text.as_bytes()).is_injection(),
                    "{text:?}"
                );
            }
        }
        assert!(told > 5000, "{told}");
    }
}
