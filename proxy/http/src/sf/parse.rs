//! Parsing, by the algorithms of RFC 9651 §4.2.

use super::{Bare, Dictionary, Item, List, MEMBERS, Member, PARAMETERS, Parameters, SfError};

/// Joins the lines of a field, as lists and dictionaries may be split over lines (RFC 9651 §4.2).
pub fn join<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut joined = Vec::new();
    for line in lines {
        if !joined.is_empty() {
            joined.extend_from_slice(b", ");
        }
        joined.extend_from_slice(line);
    }
    joined
}

/// Parses an item.
///
/// # Errors
/// When `text` is anything else; nothing of it counts then.
pub fn parse_item(text: &[u8]) -> Result<Item, SfError> {
    let mut parser = Parser::new(text);
    let item = parser.item()?;
    parser.end()?;
    Ok(item)
}

/// Parses a list; an empty value is an empty list.
///
/// # Errors
/// When `text` is anything else; nothing of it counts then.
pub fn parse_list(text: &[u8]) -> Result<List, SfError> {
    let mut parser = Parser::new(text);
    let mut list = List::new();
    while !parser.is_end() {
        if list.len() == MEMBERS {
            return Err(SfError::TooMany);
        }
        list.push(parser.member()?);
        parser.comma()?;
    }
    Ok(list)
}

/// Parses a dictionary; an empty value is an empty dictionary. A key that comes again takes the place of its first value.
///
/// # Errors
/// When `text` is anything else; nothing of it counts then.
pub fn parse_dictionary(text: &[u8]) -> Result<Dictionary, SfError> {
    let mut parser = Parser::new(text);
    let mut dictionary = Dictionary::new();
    while !parser.is_end() {
        let key = parser.key()?;
        let member = if parser.take(b'=') {
            parser.member()?
        } else {
            Member::Item(Item {
                bare: Bare::Boolean(true),
                parameters: parser.parameters()?,
            })
        };
        insert(&mut dictionary, key, member, MEMBERS)?;
        parser.comma()?;
    }
    Ok(dictionary)
}

fn insert<T>(
    pairs: &mut Vec<(String, T)>,
    key: String,
    value: T,
    most: usize,
) -> Result<(), SfError> {
    if let Some((_, old)) = pairs.iter_mut().find(|(name, _)| *name == key) {
        *old = value;
        return Ok(());
    }
    if pairs.len() == most {
        return Err(SfError::TooMany);
    }
    pairs.push((key, value));
    Ok(())
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    /// Over `text` without the spaces around it.
    fn new(text: &'a [u8]) -> Parser<'a> {
        let end = text.len() - text.iter().rev().take_while(|&&byte| byte == b' ').count();
        let mut parser = Parser {
            text: text.get(..end).unwrap_or_default(),
            at: 0,
        };
        parser.spaces();
        parser
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn is_end(&self) -> bool {
        self.at >= self.text.len()
    }

    fn fault<T>(&self) -> Result<T, SfError> {
        Err(SfError::Syntax(self.at))
    }

    fn end(&self) -> Result<(), SfError> {
        if self.is_end() { Ok(()) } else { self.fault() }
    }

    fn next(&mut self) -> Result<u8, SfError> {
        let Some(byte) = self.peek() else {
            return self.fault();
        };
        self.at += 1;
        Ok(byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), SfError> {
        if self.take(byte) {
            Ok(())
        } else {
            self.fault()
        }
    }

    fn spaces(&mut self) {
        while self.take(b' ') {}
    }

    /// Between members: white space, a comma, white space, and no end after the comma.
    fn comma(&mut self) -> Result<(), SfError> {
        self.white();
        if self.is_end() {
            return Ok(());
        }
        self.expect(b',')?;
        self.white();
        if self.is_end() { self.fault() } else { Ok(()) }
    }

    fn white(&mut self) {
        while self.take(b' ') || self.take(b'\t') {}
    }

    fn member(&mut self) -> Result<Member, SfError> {
        if !self.take(b'(') {
            return Ok(Member::Item(self.item()?));
        }
        let mut items = Vec::new();
        loop {
            self.spaces();
            if self.take(b')') {
                return Ok(Member::InnerList(items, self.parameters()?));
            }
            if items.len() == MEMBERS {
                return Err(SfError::TooMany);
            }
            items.push(self.item()?);
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return self.fault();
            }
        }
    }

    fn item(&mut self) -> Result<Item, SfError> {
        Ok(Item {
            bare: self.bare()?,
            parameters: self.parameters()?,
        })
    }

    fn parameters(&mut self) -> Result<Parameters, SfError> {
        let mut parameters = Parameters::new();
        while self.take(b';') {
            self.spaces();
            let key = self.key()?;
            let value = if self.take(b'=') {
                self.bare()?
            } else {
                Bare::Boolean(true)
            };
            insert(&mut parameters, key, value, PARAMETERS)?;
        }
        Ok(parameters)
    }

    fn key(&mut self) -> Result<String, SfError> {
        if !matches!(self.peek(), Some(b'a'..=b'z' | b'*')) {
            return self.fault();
        }
        Ok(self.run(is_key_byte))
    }

    /// The ASCII text of the bytes from here on that satisfy `belongs`.
    fn run(&mut self, belongs: impl Fn(u8) -> bool) -> String {
        let mut text = String::new();
        while let Some(byte) = self.peek().filter(|&byte| belongs(byte)) {
            text.push(char::from(byte));
            self.at += 1;
        }
        text
    }

    fn bare(&mut self) -> Result<Bare, SfError> {
        match self.peek() {
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'"') => self.string().map(Bare::String),
            Some(b'*' | b'a'..=b'z' | b'A'..=b'Z') => Ok(Bare::Token(self.run(is_token_byte))),
            Some(b':') => self.bytes(),
            Some(b'?') => self.boolean(),
            Some(b'@') => self.date(),
            Some(b'%') => self.display(),
            _ => self.fault(),
        }
    }

    fn number(&mut self) -> Result<Bare, SfError> {
        let sign = if self.take(b'-') { -1 } else { 1 };
        let whole = self.run(|byte| byte.is_ascii_digit());
        if whole.is_empty() {
            return self.fault();
        }
        if !self.take(b'.') {
            if whole.len() > 15 {
                return Err(SfError::Range);
            }
            return Ok(Bare::Integer(sign * digits(&whole)?));
        }
        let fraction = self.run(|byte| byte.is_ascii_digit());
        if fraction.is_empty() {
            return self.fault();
        }
        if whole.len() > 12 || fraction.len() > 3 {
            return Err(SfError::Range);
        }
        let thousandths = digits(&format!("{fraction:0<3}"))?;
        Ok(Bare::Decimal(sign * (digits(&whole)? * 1000 + thousandths)))
    }

    fn string(&mut self) -> Result<String, SfError> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            match self.next()? {
                b'"' => return Ok(text),
                b'\\' => match self.next()? {
                    byte @ (b'"' | b'\\') => text.push(char::from(byte)),
                    _ => return self.fault(),
                },
                byte @ 0x20..=0x7e => text.push(char::from(byte)),
                _ => return self.fault(),
            }
        }
    }

    fn bytes(&mut self) -> Result<Bare, SfError> {
        self.expect(b':')?;
        let mut bytes = Vec::new();
        let (mut bits, mut count) = (0u32, 0u32);
        loop {
            let byte = self.next()?;
            let value = match byte {
                b':' => return Ok(Bare::Bytes(bytes)),
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                // Padding; RFC 9651 §4.2.7 lets a parser be lenient about it and about the bits it covers, but it is the end.
                b'=' => {
                    while self.take(b'=') {}
                    self.expect(b':')?;
                    return Ok(Bare::Bytes(bytes));
                }
                _ => return self.fault(),
            };
            bits = (bits << 6 | u32::from(value)) & 0xffff;
            count += 6;
            if count >= 8 {
                count -= 8;
                bytes.push((bits >> count) as u8);
            }
        }
    }

    fn boolean(&mut self) -> Result<Bare, SfError> {
        self.expect(b'?')?;
        match self.next()? {
            b'0' => Ok(Bare::Boolean(false)),
            b'1' => Ok(Bare::Boolean(true)),
            _ => self.fault(),
        }
    }

    fn date(&mut self) -> Result<Bare, SfError> {
        self.expect(b'@')?;
        match self.number()? {
            Bare::Integer(seconds) => Ok(Bare::Date(seconds)),
            _ => self.fault(),
        }
    }

    fn display(&mut self) -> Result<Bare, SfError> {
        self.expect(b'%')?;
        self.expect(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'"' => break,
                b'%' => {
                    let (high, low) = (self.hex()?, self.hex()?);
                    text.push(high << 4 | low);
                }
                byte @ 0x20..=0x7e => text.push(byte),
                _ => return self.fault(),
            }
        }
        match String::from_utf8(text) {
            Ok(text) => Ok(Bare::Display(text)),
            Err(_) => self.fault(),
        }
    }

    /// A lower-case hexadecimal digit.
    fn hex(&mut self) -> Result<u8, SfError> {
        match self.next()? {
            byte @ b'0'..=b'9' => Ok(byte - b'0'),
            byte @ b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => self.fault(),
        }
    }
}

/// At most fifteen digits, which fit.
fn digits(text: &str) -> Result<i64, SfError> {
    text.parse().map_err(|_| SfError::Range)
}

pub(super) fn is_key_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*')
}

pub(super) fn is_token_byte(byte: u8) -> bool {
    crate::scan::is_token_byte(byte) || matches!(byte, b':' | b'/')
}
