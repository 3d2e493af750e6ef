//! From PCRE's syntax to the `regex` crate's, which differ where rules are written with care for neither.

use super::PatternError;

/// Rewrites what means something else there, refuses what has no linear-time matcher.
///
/// Possessive quantifiers become plain ones: the language they leave is a subset, so a rule can only match more.
pub(super) fn translate(pattern: &str) -> Result<String, PatternError> {
    let mut rewriter = Rewriter {
        pattern,
        bytes: pattern.as_bytes(),
        at: 0,
        out: String::with_capacity(pattern.len()),
    };
    while rewriter.at < rewriter.bytes.len() {
        rewriter.step()?;
    }
    Ok(rewriter.out)
}

struct Rewriter<'a> {
    pattern: &'a str,
    bytes: &'a [u8],
    at: usize,
    out: String,
}

impl Rewriter<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Copies the next character.
    fn copy(&mut self) {
        if let Some(c) = self
            .pattern
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
        {
            self.out.push(c);
            self.at += c.len_utf8();
        } else {
            self.at += 1;
        }
    }

    fn replace(&mut self, length: usize, text: &str) {
        self.out.push_str(text);
        self.at += length;
    }

    fn step(&mut self) -> Result<(), PatternError> {
        match self.rest() {
            [b'\\', ..] => self.escape(false),
            [b'[', ..] => self.class(),
            [b'(', b'?', ..] => self.group(),
            [b'*' | b'+' | b'?' | b'}', b'+', ..] => {
                self.copy();
                self.at += 1;
                Ok(())
            }
            _ => {
                self.copy();
                Ok(())
            }
        }
    }

    fn unsupported(&self, what: &'static str, length: usize) -> PatternError {
        PatternError::Unsupported(what, self.at..self.at + length)
    }

    fn group(&mut self) -> Result<(), PatternError> {
        match self.rest() {
            [_, _, b'=' | b'!', ..] => Err(self.unsupported("a look-ahead", 3)),
            [_, _, b'<', b'=' | b'!', ..] => Err(self.unsupported("a look-behind", 4)),
            [_, _, b'(', ..] => Err(self.unsupported("a condition", 3)),
            [_, _, b'>', ..] => {
                self.replace(3, "(?:");
                Ok(())
            }
            [_, _, b'#', ..] => {
                let length = self
                    .rest()
                    .iter()
                    .position(|b| *b == b')')
                    .map_or(self.rest().len(), |i| i + 1);
                self.at += length;
                Ok(())
            }
            _ => {
                self.copy();
                self.copy();
                Ok(())
            }
        }
    }

    fn escape(&mut self, in_class: bool) -> Result<(), PatternError> {
        match self.rest() {
            [_, b'1'..=b'9', ..] | [_, b'k' | b'g', ..] if !in_class => {
                Err(self.unsupported("a back-reference", 2))
            }
            // Up to two octal digits more.
            [_, b'0', digits @ ..] => {
                let digits = digits
                    .iter()
                    .take(2)
                    .take_while(|b| matches!(b, b'0'..=b'7'));
                let (byte, length) =
                    digits.fold((0u8, 2), |(byte, n), b| (byte << 3 | (b - b'0'), n + 1));
                self.replace(length, &format!(r"\x{byte:02x}"));
                Ok(())
            }
            [_, b'h', ..] => {
                self.replace(2, if in_class { r"\t\x20" } else { r"[\t\x20]" });
                Ok(())
            }
            [_, b'e', ..] => {
                self.replace(2, r"\x1b");
                Ok(())
            }
            [_, b'R', ..] if !in_class => {
                self.replace(2, r"(?:\r\n|[\n\x0b\x0c\r])");
                Ok(())
            }
            [_, b'Z', ..] if !in_class => {
                self.replace(2, r"(?:\n?\z)");
                Ok(())
            }
            [_, b'b', ..] if in_class => {
                self.replace(2, r"\x08");
                Ok(())
            }
            // Word boundaries there, plain characters here.
            [
                _,
                b @ (b'<' | b'>' | b'"' | b'\'' | b'/' | b'@' | b',' | b';' | b':' | b'=' | b'!'
                | b'%' | b'`' | b'_'),
                ..,
            ] => {
                let text = format!(r"\x{b:02x}");
                self.replace(2, &text);
                Ok(())
            }
            _ => {
                self.copy();
                self.copy();
                Ok(())
            }
        }
    }

    /// A class in brackets: there `[` nests and `&&`, `--`, `~~` are operators; here they are characters.
    fn class(&mut self) -> Result<(), PatternError> {
        self.copy();
        if self.rest().first() == Some(&b'^') {
            self.copy();
        }
        if self.rest().first() == Some(&b']') {
            self.replace(1, r"\]");
        }
        loop {
            match self.rest() {
                [] => return Ok(()),
                [b']', ..] => {
                    self.copy();
                    return Ok(());
                }
                [b'\\', ..] => self.escape(true)?,
                [b'[', b':', ..] => self.posix(),
                [b'[', ..] => self.replace(1, r"\["),
                [b'&', ..] => self.replace(1, r"\&"),
                [b'~', ..] => self.replace(1, r"\~"),
                // A range may begin or end with it, an operator is two of them.
                [b'-', b'-', ..] => self.replace(1, r"\-"),
                _ => self.copy(),
            }
        }
    }

    /// `[:alpha:]`, copied as it is.
    fn posix(&mut self) {
        let length = self
            .rest()
            .windows(2)
            .position(|w| w == b":]")
            .map_or(1, |i| i + 2);
        for _ in 0..length {
            self.copy();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use super::*;

    fn found(pattern: &str, text: &str) -> bool {
        let pattern = Pattern::rx(pattern, false).unwrap();
        let mut cache = pattern.cache();
        pattern.find(&mut cache, text.as_bytes(), None).is_some()
    }

    #[test]
    fn what_pcre_takes_as_characters_stays_characters() {
        assert!(
            found(r"\<a\>", "<a>")
                && found("[[a]", "[")
                && found("[&&x]", "&")
                && found("[a-z--]", "-")
        );
        assert!(
            found("[]a]", "]")
                && found(r"\/\'\_", "/'_")
                && found("[[:alpha:]_]", "b")
                && !found("[[:alpha:]]", "1")
        );
        assert!(found(r"[\b]", "\u{8}") && found(r"\0", "\0") && found(r"\012", "\n"));
    }

    #[test]
    fn what_has_another_name_is_renamed() {
        assert!(
            found(r"a\hb", "a\tb")
                && found(r"a\Z", "a\n")
                && found(r"a\Rb", "a\r\nb")
                && found(r"\e", "\u{1b}")
        );
        assert!(found("a++b", "aab") && found("(?>a|b)c", "bc") && found("a(?#note)b", "ab"));
    }

    #[test]
    fn what_cannot_be_linear_is_refused_by_name() {
        for pattern in ["a(?=b)", "a(?!b)", "(?<=a)b", r"(a)\1", "(?(1)a)"] {
            assert!(
                matches!(translate(pattern), Err(PatternError::Unsupported(..))),
                "{pattern}"
            );
        }
    }
}
