//! From PCRE's syntax to the `regex` crate's, which differ where rules are written with care for neither.

use super::PatternError;

const BACK_REFERENCE: &str = "a back-reference";

/// What becomes of look-around and back-references.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Around {
    Refuse,
    /// They are left out: what remains matches wherever the pattern does.
    Drop,
    Keep,
}

/// Rewrites what means something else there.
///
/// Possessive quantifiers become plain ones: the language they leave is a subset, so a rule can only match more.
pub(super) fn translate(pattern: &str, around: Around) -> Result<String, PatternError> {
    let mut rewriter = Rewriter {
        around,
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
    around: Around,
    pattern: &'a str,
    bytes: &'a [u8],
    at: usize,
    out: String,
}

impl Rewriter<'_> {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// A brace: it begins a quantifier if it looks like one (`{2}`, `{2,}`, `{2,5}`), else it is a character.
    fn brace(&mut self) {
        let rest = self.rest().get(1..).unwrap_or_default();
        let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
        let first = digits(rest);
        let mut length = first;
        if rest.get(length) == Some(&b',') {
            length += 1 + digits(rest.get(length + 1..).unwrap_or_default());
        }
        if first == 0 || rest.get(length) != Some(&b'}') {
            self.replace(1, r"\{");
            return;
        }
        (0..length + 2).for_each(|_| self.copy());
        // Possessive.
        if self.rest().first() == Some(&b'+') {
            self.at += 1;
        }
    }

    /// Copies the next character; one beyond ASCII by its bytes, which is what it is to PCRE without UTF.
    fn copy(&mut self) {
        if let Some(c) = self
            .pattern
            .get(self.at..)
            .and_then(|rest| rest.chars().next())
        {
            if c.is_ascii() {
                self.out.push(c);
            } else {
                let mut bytes = [0; 4];
                for b in c.encode_utf8(&mut bytes).bytes() {
                    self.out.push_str(&format!(r"\x{b:02x}"));
                }
            }
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
            [b'{', ..] => {
                self.brace();
                Ok(())
            }
            [b'*' | b'+' | b'?', b'+', ..] => {
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

    /// Look-around, or a back-reference: refused, kept as it is, or passed over.
    fn around(&mut self, what: &'static str, length: usize) -> Result<(), PatternError> {
        match self.around {
            Around::Refuse => Err(PatternError::Around(what, self.at..self.at + length)),
            Around::Keep => {
                (0..length).for_each(|_| self.copy());
                Ok(())
            }
            Around::Drop if what == BACK_REFERENCE => {
                self.replace(length, r"[\x00-\xff]*");
                Ok(())
            }
            Around::Drop => {
                self.at += self.group_length();
                self.out.push_str("(?:)");
                Ok(())
            }
        }
    }

    /// The length of the group that begins here.
    fn group_length(&self) -> usize {
        let (mut depth, mut in_class, mut i) = (0usize, false, 0);
        let rest = self.rest();
        while let Some(b) = rest.get(i) {
            match b {
                b'\\' => i += 1,
                b']' if in_class => in_class = false,
                b'[' => in_class = true,
                b'(' if !in_class => depth += 1,
                b')' if !in_class => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return i + 1;
                    }
                }
                _ => {}
            }
            i += 1;
        }
        rest.len()
    }

    fn unsupported(&self, what: &'static str, length: usize) -> PatternError {
        PatternError::Unsupported(what, self.at..self.at + length)
    }

    fn group(&mut self) -> Result<(), PatternError> {
        match self.rest() {
            [_, _, b'=' | b'!', ..] => self.around("a look-ahead", 3),
            [_, _, b'<', b'=' | b'!', ..] => self.around("a look-behind", 4),
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
            [_, b'1'..=b'9', ..] if !in_class => self.around(BACK_REFERENCE, 2),
            [_, b'k' | b'g', ..] if !in_class => Err(self.unsupported("a named reference", 2)),
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
            // A code point in braces is a byte, as long as it is one.
            [_, b'x', b'{', digits @ ..] if let Some((byte, length)) = braced(digits) => {
                self.replace(3 + length, &format!(r"\x{byte:02x}"));
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

/// The byte of `HH}`, and the length of that.
fn braced(text: &[u8]) -> Option<(u8, usize)> {
    let end = text.iter().take(8).position(|b| *b == b'}')?;
    let digits = std::str::from_utf8(text.get(..end)?).ok()?;
    Some((u8::from_str_radix(digits, 16).ok()?, end + 1))
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use super::*;

    fn found(pattern: &str, text: &str) -> bool {
        let pattern = Pattern::rx(pattern, false).unwrap();
        pattern.find(&mut None, text.as_bytes(), None).is_some()
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
        assert!(found("^{{a}}$", "{{a}}") && found(r"a{2}+b{,3}", "aab{,3}") && found("x{", "x{"));
        assert!(found(r"\x{e9}|[\x7f-\x{ff}]{2}$", "é") && found(r"^\x{41}[\x{42}]", "AB"));
        assert!(found("[´a]", "´") && found("´+", "´") && !found("^[´a]$", "´"));
        assert!(found("a++b", "aab") && found("(?>a|b)c", "bc") && found("a(?#note)b", "ab"));
    }

    #[test]
    fn what_looks_around_or_back_is_found_step_by_step() {
        assert!(found("a(?=b)", "ab") && !found("a(?=b)", "ac"));
        assert!(found("a(?![b)])c", "ac") && !found(r"(?<!x)y", "xy") && found(r"(?<!x)y", "zy"));
        assert!(found("(['`])a\\1", "'a'") && !found("(['`])a\\1", "'a`"));
    }

    #[test]
    fn what_no_matcher_has_is_refused_by_name() {
        for pattern in [r"(?(1)a)", r"(?<n>a)\k<n>"] {
            assert!(
                matches!(
                    translate(pattern, Around::Keep),
                    Err(PatternError::Unsupported(..))
                ),
                "{pattern}"
            );
        }
    }
}
