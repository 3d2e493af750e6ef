//! What is asked of a value, where it is no pattern.

mod address;
mod checked;
mod effort;
mod injection;
mod phrases;
mod prose;
mod validate;

pub(crate) use address::Addresses;
pub(crate) use checked::check;
pub(crate) use injection::{Detector, Fingerprints, Libinjection, may_be_markup};
pub(crate) use phrases::{PhraseSet, Phrases};
pub(crate) use validate::{is_broken_url_encoding, is_broken_utf8};

use crate::byteset::ByteSet;
use crate::program::{ByteTest, NumberTest, TextTest};

/// Compares texts.
pub(crate) fn text_test(test: TextTest, text: &[u8], argument: &[u8]) -> bool {
    match test {
        TextTest::Equal => text == argument,
        TextTest::Contains => memchr::memmem::find(text, argument).is_some(),
        TextTest::ContainsWord => contains_word(text, argument),
        TextTest::BeginsWith => text.starts_with(argument),
        TextTest::EndsWith => text.ends_with(argument),
        TextTest::Within => memchr::memmem::find(argument, text).is_some(),
    }
}

fn contains_word(text: &[u8], word: &[u8]) -> bool {
    let inner = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    memchr::memmem::find_iter(text, word).any(|at| {
        let before = at.checked_sub(1).and_then(|i| text.get(i));
        !inner(before) && !inner(text.get(at + word.len()))
    })
}

/// Compares numbers.
pub(crate) fn number_test(test: NumberTest, value: i64, argument: i64) -> bool {
    match test {
        NumberTest::Eq => value == argument,
        NumberTest::Ge => value >= argument,
        NumberTest::Gt => value > argument,
        NumberTest::Le => value <= argument,
        NumberTest::Lt => value < argument,
    }
}

/// A level in the argument of a gate; 0 is none.
pub(crate) fn number_of_level(text: &[u8]) -> u8 {
    u8::try_from(crate::tx::number(text)).unwrap_or(0)
}

impl ByteTest {
    /// Whether it matches a text whose bytes these are.
    pub(crate) fn matches(
        &self,
        text: &[u8],
        bytes: &ByteSet,
        fingerprints: &mut Fingerprints,
    ) -> bool {
        match self {
            Self::Outside(allowed) => !bytes.within(allowed),
            Self::Sqli => fingerprints.sqli(text, bytes).is_some(),
            Self::Xss => Libinjection.xss(text, bytes),
            Self::BrokenUrlEncoding => bytes.contains(b'%') && is_broken_url_encoding(text),
            Self::BrokenUtf8 => bytes.meets(&ByteSet::range(0x80, 0xff)) && is_broken_utf8(text),
        }
    }

    /// What it takes at most to tell.
    pub(crate) fn effort(&self, text: &[u8], bytes: &ByteSet) -> u64 {
        match self {
            Self::Sqli if !prose::is_prose(text, bytes) => effort::sql(text),
            _ => self.work(text, bytes),
        }
    }

    /// What it takes to tell, in bytes looked at.
    pub(crate) fn work(&self, text: &[u8], bytes: &ByteSet) -> u64 {
        let length = text.len() as u64;
        match self {
            // Its set of bytes tells.
            Self::Outside(_) => 0,
            Self::Xss if !may_be_markup(bytes) => 0,
            Self::Xss => effort::markup(text, bytes),
            // The rest is counted when it is done.
            Self::Sqli => length,
            Self::BrokenUrlEncoding | Self::BrokenUtf8 => 4 * length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stands_alone() {
        assert!(contains_word(b"a union b", b"union") && contains_word(b"union", b"union"));
        assert!(!contains_word(b"reunion x", b"union") && !contains_word(b"union_", b"union"));
        assert!(contains_word(b"unionx union", b"union"));
    }
}
