//! From the text of a file to words with spans: comments, line continuations, quotes.
//!
//! A word's text is what SecLang means (continuations and the backslash of `\"` are gone), yet every byte of it knows
//! where it stood, so that an error in the middle of an action list of thirty lines has its caret at the right place.

use std::ops::Range;

use seawall_diag::{Diagnostics, FileId, Span};

/// A word of a directive.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// What it says, without its quotes.
    pub(crate) text: String,
    /// Where it stands, with its quotes.
    pub(crate) at: Span,
    /// Where runs of text begin: (offset in `text`, offset in the file), ascending.
    runs: Vec<(usize, usize)>,
}

impl Word {
    /// Where a part of the word stands in the file.
    pub(crate) fn span(&self, range: Range<usize>) -> Span {
        if range.start >= range.end {
            let at = self.place(range.start);
            return Span::new(self.at.file, at, at + 1);
        }
        Span::new(
            self.at.file,
            self.place(range.start),
            self.place(range.end - 1) + 1,
        )
    }

    /// A part of it as a word of its own.
    pub(crate) fn cut(&self, range: Range<usize>) -> Word {
        let first = self.place(range.start);
        let inner = self
            .runs
            .iter()
            .filter(|(offset, _)| *offset > range.start && *offset < range.end)
            .map(|(offset, source)| (offset - range.start, *source));
        Word {
            text: self.text.get(range.clone()).unwrap_or_default().to_owned(),
            at: self.span(range.clone()),
            runs: std::iter::once((0, first)).chain(inner).collect(),
        }
    }

    fn place(&self, offset: usize) -> usize {
        let run = self.runs.partition_point(|(o, _)| *o <= offset);
        match run.checked_sub(1).and_then(|i| self.runs.get(i)) {
            Some((o, source)) => source + (offset - o),
            None => self.at.start as usize,
        }
    }
}

/// A directive: its name and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The words; the first is the directive's name.
    pub(crate) words: Vec<Word>,
}

/// Cuts a file into directives.
pub(crate) fn lines(file: FileId, text: &str, found: &mut Diagnostics) -> Vec<Line> {
    let mut cutter = Cutter {
        file,
        text: text.as_bytes(),
        source: text,
        at: 0,
    };
    let mut lines = Vec::new();
    while cutter.at < cutter.text.len() {
        let words = cutter.line(found);
        if !words.is_empty() {
            lines.push(Line { words });
        }
    }
    lines
}

struct Cutter<'a> {
    file: FileId,
    text: &'a [u8],
    source: &'a str,
    at: usize,
}

impl Cutter<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// The length of a continuation (a backslash before the end of the line) that begins here.
    fn continuation(&self) -> Option<usize> {
        match self.text.get(self.at..)? {
            [b'\\', b'\n', ..] => Some(2),
            [b'\\', b'\r', b'\n', ..] => Some(3),
            _ => None,
        }
    }

    fn line(&mut self, found: &mut Diagnostics) -> Vec<Word> {
        let mut words = Vec::new();
        loop {
            if let Some(n) = self.continuation() {
                self.at += n;
                continue;
            }
            match self.peek() {
                None => return words,
                Some(b'\n') => {
                    self.at += 1;
                    return words;
                }
                // A form feed, too: what ends a bare word must not begin one, or nothing is ever taken.
                Some(b) if b.is_ascii_whitespace() => self.at += 1,
                Some(b'#') if words.is_empty() => self.comment(),
                Some(quote @ (b'"' | b'\'')) => words.push(self.quoted(quote, found)),
                Some(_) => words.push(self.bare()),
            }
        }
    }

    /// A comment ends with its line, unless it is a directive that was commented out with its continuations.
    fn comment(&mut self) {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let directive = rest.trim_ascii_start().starts_with(b"Sec");
        while let Some(b) = self.peek() {
            match self.continuation() {
                Some(n) if directive => self.at += n,
                _ if b == b'\n' => return,
                _ => self.at += 1,
            }
        }
    }

    fn quoted(&mut self, quote: u8, found: &mut Diagnostics) -> Word {
        let start = self.at;
        self.at += 1;
        let mut bytes = Bytes::default();
        loop {
            if let Some(n) = self.continuation() {
                self.at += n;
                bytes.cut();
                continue;
            }
            match self.peek() {
                None | Some(b'\n') => {
                    let at = Span::new(self.file, start, start + 1);
                    found.error("unterminated-quote", at, "this quote is never closed");
                    break;
                }
                Some(b) if b == quote => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') if self.text.get(self.at + 1) == Some(&quote) => {
                    self.at += 1;
                    bytes.cut();
                    self.take(&mut bytes);
                }
                Some(b'\\') if self.text.get(self.at + 1) == Some(&b'\\') => {
                    // Both stay: a pattern wants them. Taken together, so that `\\"` ends the word.
                    self.take(&mut bytes);
                    self.take(&mut bytes);
                }
                Some(_) => self.take(&mut bytes),
            }
        }
        self.word(start, bytes)
    }

    fn bare(&mut self) -> Word {
        let start = self.at;
        let mut bytes = Bytes::default();
        while let Some(b) = self.peek() {
            if b.is_ascii_whitespace() || self.continuation().is_some() {
                break;
            }
            self.take(&mut bytes);
        }
        self.word(start, bytes)
    }

    fn take(&mut self, bytes: &mut Bytes) {
        if let Some(b) = self.peek() {
            bytes.push(b, self.at);
            self.at += 1;
        }
    }

    fn word(&self, start: usize, bytes: Bytes) -> Word {
        // Only whole ASCII characters are ever left out, so this is UTF-8 as the file was.
        let text = String::from_utf8(bytes.text).unwrap_or_else(|_| self.source.to_owned());
        Word {
            text,
            at: Span::new(self.file, start, self.at),
            runs: bytes.runs,
        }
    }
}

#[derive(Default)]
struct Bytes {
    text: Vec<u8>,
    runs: Vec<(usize, usize)>,
    cut: bool,
}

impl Bytes {
    fn push(&mut self, b: u8, at: usize) {
        if self.runs.is_empty() || self.cut {
            self.runs.push((self.text.len(), at));
            self.cut = false;
        }
        self.text.push(b);
    }

    /// What follows stands elsewhere in the file.
    fn cut(&mut self) {
        self.cut = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> (Vec<Vec<String>>, Diagnostics) {
        let mut found = Diagnostics::default();
        let lines = lines(FileId(0), text, &mut found);
        (
            lines
                .into_iter()
                .map(|l| l.words.into_iter().map(|w| w.text).collect())
                .collect(),
            found,
        )
    }

    #[test]
    fn words_are_cut_at_blanks_and_kept_together_by_quotes() {
        let (lines, found) = cut("# c\nSecRule ARGS \"@rx a b\" 'id:1, deny'\n\n  SecMarker X\r\n");
        assert!(found.is_empty());
        assert_eq!(
            lines,
            [
                vec!["SecRule", "ARGS", "@rx a b", "id:1, deny"],
                vec!["SecMarker", "X"]
            ]
        );
    }

    #[test]
    fn every_byte_is_taken_a_form_feed_as_a_blank() {
        let (lines, _) = cut("SecMarker\x0cX\x0c\r\n\x0c\x0b\n");
        assert_eq!(lines, [vec!["SecMarker", "X"], vec!["\x0b"]]);
        for byte in 0..0x80u8 {
            cut(&format!("{}a{}", byte as char, byte as char));
        }
    }

    #[test]
    fn a_continued_word_knows_where_its_parts_stand() {
        let text = "SecAction \"id:1,\\\n  bogus\"";
        let mut found = Diagnostics::default();
        let lines = lines(FileId(0), text, &mut found);
        let word = &lines[0].words[1];
        assert_eq!(word.text, "id:1,  bogus");
        let at = word.text.find("bogus").unwrap();
        let span = word.span(at..at + 5);
        assert_eq!(&text[span.start as usize..span.end as usize], "bogus");
    }

    #[test]
    fn an_escaped_quote_belongs_to_the_word_and_an_escaped_backslash_does_not_escape_it() {
        let (lines, _) = cut(r#"SecRule ARGS "a\"b" "c\\" d"#);
        assert_eq!(lines[0], ["SecRule", "ARGS", "a\"b", r"c\\", "d"]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_and_ends_with_its_line() {
        let (lines, found) = cut("SecRule \"ARGS\nSecMarker X");
        assert_eq!(
            found.iter().map(|d| d.code).collect::<Vec<_>>(),
            ["unterminated-quote"]
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn a_rule_that_was_commented_out_stays_so_over_its_continuations() {
        let (lines, _) = cut("#SecRule ARGS a \\\n  \"id:1\"\n# prose ends here \\\nSecMarker X");
        assert_eq!(lines, [["SecMarker", "X"]]);
    }
}
