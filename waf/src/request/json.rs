//! JSON bodies (RFC 8259) as arguments, named as ModSecurity 3 names them: `json.cart.items.array_0.sku`.
//!
//! The parser is iterative, so that depth costs heap and not stack, and strict, so that what it reads is what the origin
//! reads. Of duplicate keys every one becomes an argument.

use super::{Store, TooManyArgs};
use crate::limits::Limits;
use crate::variable::Source;

/// Bytes of an argument's full name. Deep documents with long keys would else cost the square of their length.
const NAME_BYTES_MAX: usize = 4 << 10;

/// Why a body is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum JsonError {
    Syntax,
    TooDeep,
    NameTooLong,
    TooManyArgs,
}

impl From<TooManyArgs> for JsonError {
    fn from(_: TooManyArgs) -> Self {
        JsonError::TooManyArgs
    }
}

/// An object or array that is open.
struct Container {
    /// The length of the path before it was opened.
    outer: usize,
    is_array: bool,
    /// How many members or elements were begun.
    begun: usize,
}

struct Parser<'a> {
    store: &'a mut Store,
    text: &'a [u8],
    at: usize,
    /// The names of the open containers.
    path: Vec<u8>,
    open: Vec<Container>,
    limits: &'a Limits,
}

impl Store {
    /// Adds the leaves of a document. With `cut`, the document may end anywhere.
    pub(super) fn load_json(
        &mut self,
        text: &[u8],
        cut: bool,
        limits: &Limits,
    ) -> Result<(), JsonError> {
        match std::str::from_utf8(text) {
            Ok(_) => {}
            Err(e) if cut && e.error_len().is_none() => {}
            Err(_) => return Err(JsonError::Syntax),
        }
        let mut parser = Parser {
            store: self,
            text,
            at: 0,
            path: Vec::new(),
            open: Vec::new(),
            limits,
        };
        match parser.document() {
            // What was read up to the cut counts.
            Err(JsonError::Syntax) if cut && parser.at >= text.len() => Ok(()),
            result => result,
        }
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Takes the byte if it is next.
    fn take(&mut self, b: u8) -> bool {
        self.blanks();
        let taken = self.peek() == Some(b);
        self.at += usize::from(taken);
        taken
    }

    fn expect(&mut self, b: u8) -> Result<(), JsonError> {
        self.take(b).then_some(()).ok_or(JsonError::Syntax)
    }

    fn document(&mut self) -> Result<(), JsonError> {
        self.value(b"json")?;
        while let Some((is_array, begun)) = self.open.last().map(|c| (c.is_array, c.begun)) {
            if is_array {
                self.array_element(begun)?
            } else {
                self.object_member(begun)?
            }
        }
        self.blanks();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(JsonError::Syntax)
        }
    }

    /// The next element of the innermost array, or its end.
    fn array_element(&mut self, begun: usize) -> Result<(), JsonError> {
        if self.next_member(b']', begun)? {
            return Ok(());
        }
        let (length, depth) = (self.path.len(), self.open.len());
        self.path.extend_from_slice(begun.to_string().as_bytes());
        self.value(b"")?;
        if self.open.len() == depth {
            self.path.truncate(length);
        } else if let Some(inner) = self.open.last_mut() {
            // The element is a container: its end takes the number away, too.
            inner.outer = length;
        }
        Ok(())
    }

    /// The next member of the innermost object, or its end.
    fn object_member(&mut self, begun: usize) -> Result<(), JsonError> {
        if self.next_member(b'}', begun)? {
            return Ok(());
        }
        self.blanks();
        let mut key = Vec::new();
        self.string(&mut key)?;
        self.expect(b':')?;
        if key.is_empty() {
            key.extend_from_slice(b"empty-key");
        }
        self.value(&key)
    }

    /// Whether the innermost container ends here; if not, takes what stands before its next member.
    fn next_member(&mut self, end: u8, begun: usize) -> Result<bool, JsonError> {
        if self.take(end) {
            self.close();
            return Ok(true);
        }
        if begun > 0 {
            self.expect(b',')?;
        }
        if let Some(container) = self.open.last_mut() {
            container.begun += 1;
        }
        Ok(false)
    }

    fn close(&mut self) {
        if let Some(container) = self.open.pop() {
            self.path.truncate(container.outer);
        }
    }

    fn value(&mut self, key: &[u8]) -> Result<(), JsonError> {
        if self.path.len() + key.len() > NAME_BYTES_MAX {
            return Err(JsonError::NameTooLong);
        }
        self.blanks();
        let start = self.store.buffer.len();
        match self.peek() {
            Some(b'{') => return self.enter(key, false),
            Some(b'[') => return self.enter(key, true),
            Some(b'"') => {
                let mut buffer = std::mem::take(&mut self.store.buffer);
                let read = self.string(&mut buffer);
                self.store.buffer = buffer;
                // Of a string that is cut off, what is there is inspected.
                if read.is_err() && self.at < self.text.len() {
                    return read;
                }
                self.leaf(key, start)?;
                return read;
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.null()?,
            _ => return Err(JsonError::Syntax),
        }
        self.leaf(key, start)
    }

    fn enter(&mut self, key: &[u8], is_array: bool) -> Result<(), JsonError> {
        if self.open.len() >= self.limits.json_depth_max {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        self.open.push(Container {
            outer: self.path.len(),
            is_array,
            begun: 0,
        });
        self.path.extend_from_slice(key);
        self.path
            .extend_from_slice(if is_array { b".array_" } else { b"." });
        Ok(())
    }

    /// Adds the value that was written to the store's buffer from `start` on.
    fn leaf(&mut self, key: &[u8], start: usize) -> Result<(), JsonError> {
        let value = self.store.since(start);
        let start = self.store.buffer.len();
        self.store.buffer.extend_from_slice(&self.path);
        self.store.buffer.extend_from_slice(key);
        let name = self.store.since(start);
        Ok(self
            .store
            .push_arg(Source::ArgsPost, name, value, self.limits.args_max)?)
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        self.null_or(word)?;
        self.store.buffer.extend_from_slice(word);
        Ok(())
    }

    fn null(&mut self) -> Result<(), JsonError> {
        self.null_or(b"null")
    }

    /// Takes a word; a document that is cut off within it has come to its end.
    fn null_or(&mut self, word: &[u8]) -> Result<(), JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        if word.starts_with(rest) {
            self.at = self.text.len();
        }
        Err(JsonError::Syntax)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start {
            Ok(())
        } else {
            Err(JsonError::Syntax)
        }
    }

    /// A number, as it is written.
    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        self.store.buffer.extend_from_slice(text);
        Ok(())
    }

    /// A string, decoded to `out`.
    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return Err(JsonError::Syntax);
        }
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest
                .iter()
                .position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))
                .unwrap_or(rest.len());
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(out)?;
                }
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), JsonError> {
        let b = self.peek().ok_or(JsonError::Syntax)?;
        self.at += 1;
        out.push(match b {
            b'"' | b'\\' | b'/' => b,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let c = self.code_point()?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(JsonError::Syntax),
        });
        Ok(())
    }

    /// `HHHH`, or a pair of surrogates; a lone surrogate is U+FFFD.
    fn code_point(&mut self) -> Result<char, JsonError> {
        let high = self.unit()?;
        if !(0xd800..0xdc00).contains(&high)
            || !self
                .text
                .get(self.at..)
                .is_some_and(|r| r.starts_with(b"\\u"))
        {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let back = self.at;
        self.at += 2;
        let low = self.unit()?;
        if (0xdc00..0xe000).contains(&low) {
            let point = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            return Ok(char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        self.at = back;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn unit(&mut self) -> Result<u32, JsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self
                .peek()
                .and_then(|b| (b as char).to_digit(16))
                .ok_or(JsonError::Syntax)?;
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }
}

#[cfg(test)]
mod tests;
