//! Tokens and entries: comments, quotes, and parentheses that carry an entry over lines.

/// A token's bytes in the text, quotes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub start: usize,
    pub end: usize,
}

/// What stands between two line ends that count.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub tokens: Vec<Token>,
    /// Whether it began with a blank: the owner is the one before.
    pub continues_owner: bool,
}

/// A text that is no entry; scanning goes on behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub at: Token,
    pub message: &'static str,
}

pub(crate) struct Scanner<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Scanner<'t> {
    pub fn new(text: &'t str) -> Self {
        // A byte order mark is an editor's, not a name's.
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Self {
            text: text.as_bytes(),
            at,
        }
    }

    /// Reads the next entry that holds anything. `None` at the end.
    pub fn next(&mut self, entry: &mut Entry) -> Option<Result<(), Broken>> {
        entry.tokens.clear();
        entry.continues_owner = matches!(self.peek(), Some(b' ' | b'\t'));
        let mut open: Option<usize> = None;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' if open.is_none() => {
                    self.at += 1;
                    if !entry.tokens.is_empty() {
                        return Some(Ok(()));
                    }
                    entry.continues_owner = matches!(self.peek(), Some(b' ' | b'\t'));
                }
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b';' => self.skip_line(),
                b'(' if open.is_some() => return Some(Err(self.give_up("`(` inside of `(`"))),
                b'(' => {
                    open = Some(self.at);
                    self.at += 1;
                }
                b')' if open.is_none() => return Some(Err(self.give_up("`)` without `(`"))),
                b')' => {
                    open = None;
                    self.at += 1;
                }
                _ => match self.token() {
                    Ok(token) => entry.tokens.push(token),
                    Err(broken) => return Some(Err(broken)),
                },
            }
        }
        if let Some(start) = open {
            return Some(Err(Broken {
                at: Token {
                    start,
                    end: start + 1,
                },
                message: "`(` is never closed",
            }));
        }
        (!entry.tokens.is_empty()).then_some(Ok(()))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// One token: a quoted string, or a word that may hold quotes (`alpn="h2,h3"`).
    fn token(&mut self) -> Result<Token, Broken> {
        let start = self.at;
        let quoted = self.peek() == Some(b'"');
        let mut quote: Option<usize> = None;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' if self.text.get(self.at + 1) != Some(&b'\n') => self.at += 1,
                b'"' if quote.is_some() => {
                    quote = None;
                    if quoted {
                        self.at += 1;
                        break;
                    }
                }
                b'"' => quote = Some(self.at),
                b'\n' => break,
                b' ' | b'\t' | b'\r' | b';' | b'(' | b')' if quote.is_none() => break,
                _ => {}
            }
            self.at = (self.at + 1).min(self.text.len());
        }
        match quote {
            Some(at) => {
                self.skip_line();
                Err(Broken {
                    at: Token {
                        start: at,
                        end: at + 1,
                    },
                    message: "this quote is not closed on its line",
                })
            }
            None => Ok(Token {
                start,
                end: self.at,
            }),
        }
    }

    fn give_up(&mut self, message: &'static str) -> Broken {
        let at = Token {
            start: self.at,
            end: self.at + 1,
        };
        self.skip_line();
        Broken { at, message }
    }

    fn skip_line(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Vec<Result<(bool, Vec<&str>), &'static str>> {
        let (mut scanner, mut entry, mut found) =
            (Scanner::new(text), Entry::default(), Vec::new());
        while let Some(result) = scanner.next(&mut entry) {
            let words = entry.tokens.iter().map(|t| &text[t.start..t.end]).collect();
            found.push(
                result
                    .map(|()| (entry.continues_owner, words))
                    .map_err(|b| b.message),
            );
        }
        found
    }

    #[test]
    fn parentheses_carry_an_entry_over_lines_and_comments() {
        let found = scan("a SOA ( 1 ; one\n 2\n)\n\n ; nothing\n\tb c\n");
        assert_eq!(
            found,
            [
                Ok((false, vec!["a", "SOA", "1", "2"])),
                Ok((true, vec!["b", "c"]))
            ]
        );
    }

    #[test]
    fn quotes_hold_what_would_end_a_token() {
        let found = scan("a \"x; (y\" \"\" b\\;c k=\"v w\" \"q\\\"r\"\"s\"");
        assert_eq!(
            found,
            [Ok((
                false,
                vec![
                    "a",
                    "\"x; (y\"",
                    "\"\"",
                    "b\\;c",
                    "k=\"v w\"",
                    "\"q\\\"r\"",
                    "\"s\""
                ]
            ))]
        );
    }

    #[test]
    fn a_broken_line_does_not_hide_the_next() {
        let found = scan("a \"x\nb ) c\nd\ne (");
        assert_eq!(found.len(), 4);
        assert_eq!(found[2], Ok((false, vec!["d"])));
        assert_eq!(found[3], Err("`(` is never closed"));
    }
}
