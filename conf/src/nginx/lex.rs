//! nginx.conf as tokens (ngx_conf_read_token): words, quotes, escapes, comments.
//!
//! Lossless: every token has its bytes, and what lies between tokens is white space. Where nginx would stop at the
//! first odd character, this reports it in nginx's words and goes on, so that one run finds everything.

use seawall_diag::{Diagnostics, FileId, Span};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) at: Span,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Word(Word),
    Open,
    Close,
    Semicolon,
    /// From `#` to the end of the line.
    Comment,
}

/// A directive's name or argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// With quotes and escapes taken away.
    pub(crate) text: String,
    /// Where it stands, quotes included.
    pub(crate) at: Span,
    /// Whether it was quoted: `"if"` is no directive's name to a reader, but is to nginx.
    pub(crate) quoted: bool,
    /// Where its text stands byte for byte; `None` where escapes make it differ.
    pub(crate) exact: Option<Span>,
}

/// Takes a whole file apart.
pub(crate) fn lex(file: FileId, text: &str, found: &mut Diagnostics) -> Vec<Token> {
    let mut lexer = Lexer {
        file,
        text,
        bytes: text.as_bytes(),
        position: 0,
        found,
    };
    // A byte order mark is what an editor left, no word.
    if text.starts_with('\u{feff}') {
        lexer.position = 3;
    }
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next() {
        tokens.push(token);
    }
    tokens
}

struct Lexer<'a> {
    file: FileId,
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
    found: &'a mut Diagnostics,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.position + ahead).copied()
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.file, start, self.position)
    }

    fn next(&mut self) -> Option<Token> {
        while self.peek(0).is_some_and(is_space) {
            self.position += 1;
        }
        let start = self.position;
        let single = |kind| Some(kind);
        let kind = match self.peek(0)? {
            b';' => single(Kind::Semicolon),
            b'{' => single(Kind::Open),
            b'}' => single(Kind::Close),
            _ => None,
        };
        if let Some(kind) = kind {
            self.position += 1;
            return Some(Token {
                at: self.span(start),
                kind,
            });
        }
        match self.peek(0)? {
            b'#' => {
                while self.peek(0).is_some_and(|b| b != b'\n') {
                    self.position += 1;
                }
                Some(Token {
                    at: self.span(start),
                    kind: Kind::Comment,
                })
            }
            quote @ (b'"' | b'\'') => Some(self.quoted(quote)),
            _ => Some(self.word()),
        }
    }

    /// A quoted word: ends at the same quote, and something that ends a word must follow.
    fn quoted(&mut self, quote: u8) -> Token {
        let start = self.position;
        self.position += 1;
        let mut closed = false;
        while let Some(byte) = self.peek(0) {
            self.position += 1;
            if byte == b'\\' {
                self.skip_character();
            } else if byte == quote {
                closed = true;
                break;
            }
        }
        let inner_end = if closed {
            self.position - 1
        } else {
            self.position
        };
        let ends = |b: &u8| is_space(*b) || matches!(b, b';' | b'{' | b')');
        if closed && self.peek(0).is_some_and(|b| !ends(&b)) {
            let place = Span::new(self.file, self.position, self.position + 1);
            let rest = self.text.get(self.position..).unwrap_or_default();
            let shown: String = rest.chars().take(1).collect();
            self.found
                .error("nginx-syntax", place, format!("unexpected \"{shown}\""));
            // What clings to the quote is taken along: as a word of its own it would only make more errors.
            while self.peek(0).is_some_and(|b| !ends(&b)) {
                self.skip_character();
            }
        }
        let at = self.span(start);
        self.finish(at, start + 1, inner_end, true)
    }

    /// A word without quotes: `${` keeps its brace, a backslash its next character; `}`, `#` and quotes are its own.
    fn word(&mut self) -> Token {
        let start = self.position;
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => {
                    self.position += 1;
                    self.skip_character();
                    continue;
                }
                b'$' if self.peek(1) == Some(b'{') => self.position += 1,
                b';' | b'{' => break,
                _ if is_space(byte) => break,
                _ => {}
            }
            self.position += 1;
        }
        let at = self.span(start);
        self.finish(at, start, self.position, false)
    }

    /// Steps over one whole character, so that every span ends between characters.
    fn skip_character(&mut self) {
        self.position += self
            .text
            .get(self.position..)
            .and_then(|t| t.chars().next())
            .map_or(0, char::len_utf8);
    }

    fn finish(&self, at: Span, start: usize, end: usize, quoted: bool) -> Token {
        let raw = self.text.get(start..end).unwrap_or_default();
        let exact = (!raw.contains('\\')).then(|| Span::new(self.file, start, end));
        let text = if exact.is_some() {
            raw.to_owned()
        } else {
            unescape(raw)
        };
        Token {
            at,
            kind: Kind::Word(Word {
                text,
                at,
                quoted,
                exact,
            }),
        }
    }
}

/// `\"`, `\'`, `\\` lose the backslash, `\t`, `\r`, `\n` become the character, any other keeps it for a regex.
fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(c @ ('"' | '\'' | '\\')) => out.push(c),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('n') => out.push('\n'),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> (Vec<String>, Vec<String>) {
        let mut found = Diagnostics::default();
        let tokens = lex(FileId(0), text, &mut found);
        let words = tokens
            .iter()
            .map(|t| match &t.kind {
                Kind::Word(word) => word.text.clone(),
                Kind::Comment => "#".into(),
                Kind::Open => "{".into(),
                Kind::Close => "}".into(),
                Kind::Semicolon => ";".into(),
            })
            .collect();
        (words, found.iter().map(|d| d.message.clone()).collect())
    }

    #[test]
    fn quotes_escapes_and_braces_are_nginx_s() {
        let (found, errors) = words("a \"b \\\" c\" 'd\\n' e\\ f ${g}h;i{ # j\n}k}l#m;");
        assert_eq!(
            found,
            [
                "a", "b \" c", "d\n", "e\\ f", "${g}h", ";", "i", "{", "#", "}", "k}l#m", ";"
            ]
        );
        assert!(errors.is_empty());
    }

    #[test]
    fn what_follows_a_quote_is_reported_in_nginx_s_words() {
        assert_eq!(words("a \"b\"c;").1, ["unexpected \"c\""]);
        assert!(words("if ($a = \"b\") {").1.is_empty());
    }

    #[test]
    fn a_file_that_ends_within_a_word_still_ends() {
        for text in ["\"", "'a", "a\\", "\"\\", "$", "${", "\\é", "\u{feff}"] {
            words(text);
        }
    }

    proptest::proptest! {
        #[test]
        fn tokens_and_the_spaces_between_them_are_the_whole_text(text in "[a\"'{};#$\\\\ \n\u{e9}]{0,60}") {
            let mut found = Diagnostics::default();
            let mut end = 0;
            for token in lex(FileId(0), &text, &mut found) {
                let (start, stop) = (token.at.start as usize, token.at.end as usize);
                let between = text.get(end..start).expect("in order, between characters");
                proptest::prop_assert!(between.bytes().all(is_space));
                proptest::prop_assert!(stop > start);
                end = stop;
            }
            proptest::prop_assert!(text.get(end..).expect("between characters").bytes().all(is_space));
        }
    }
}
