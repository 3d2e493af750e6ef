//! The fields of one entry, read from left to right.

use super::scan::Token;
use super::{location, params, signed, words};
use crate::name::unescape;
use crate::rdata::{self, Field};
use crate::{Name, RType};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use seawall_diag::{Diagnostic, FileId, Span};

/// The result of reading a field: what is wrong points at its token.
pub(crate) type Read<T> = Result<T, Diagnostic>;

/// A cursor over an entry's tokens.
pub(crate) struct Fields<'t> {
    pub text: &'t str,
    pub file: FileId,
    pub tokens: &'t [Token],
    pub at: usize,
    pub origin: Option<&'t Name>,
}

impl<'t> Fields<'t> {
    /// The next token, without moving on.
    pub fn peek(&self) -> Option<(&'t str, Span)> {
        let token = self.tokens.get(self.at)?;
        Some((self.text.get(token.start..token.end)?, self.span(token)))
    }

    /// The next token, or an error that says what is missing behind the last one.
    pub fn next(&mut self, what: &str) -> Read<(&'t str, Span)> {
        let found = self.peek().ok_or_else(|| {
            let at = self.tokens.last().map(|last| self.span(last));
            Diagnostic::error(
                "missing-field",
                at,
                format!("{what} is missing behind this"),
            )
        })?;
        self.at += 1;
        Ok(found)
    }

    /// The span of the whole entry.
    pub fn whole(&self) -> Span {
        let start = self.tokens.first().map_or(0, |t| t.start);
        Span::new(
            self.file,
            start,
            self.tokens.last().map_or(start, |t| t.end),
        )
    }

    /// Fails if anything is left.
    pub fn finish(&self) -> Read<()> {
        match self.peek() {
            None => Ok(()),
            Some((text, at)) => Err(Diagnostic::error(
                "extra-field",
                at,
                format!("`{text}` is one field too many"),
            )),
        }
    }

    /// A name, relative to the origin.
    pub fn name(&mut self, what: &str) -> Read<Name> {
        let (text, at) = self.next(what)?;
        Name::parse(unquoted(text), self.origin)
            .map_err(|e| Diagnostic::error("bad-name", at, e.to_string()))
    }

    /// A decimal number up to `max`.
    pub fn number(&mut self, what: &str, max: u32) -> Read<u32> {
        let (text, at) = self.next(what)?;
        decimal(text).filter(|n| *n <= max).ok_or_else(|| {
            Diagnostic::error(
                "bad-number",
                at,
                format!("{what} is a number from 0 to {max}, not `{text}`"),
            )
        })
    }

    /// A number of seconds, or a period such as `1h30m`.
    pub fn period(&mut self, what: &str) -> Read<u32> {
        let (text, at) = self.next(what)?;
        period(text).ok_or_else(|| {
            let message =
                format!("{what} is a number of seconds or a period such as 1h30m, not `{text}`");
            Diagnostic::error("bad-number", at, message)
        })
    }

    /// The data of a record: by the fields of its type, or generic.
    pub fn data(&mut self, rtype: RType) -> Read<Vec<u8>> {
        let mut out = Vec::new();
        if self.peek().is_some_and(|(text, _)| text == "\\#") {
            let at = self.whole();
            self.at += 1;
            self.generic(&mut out)?;
            if !rdata::is_well_formed(rtype, &out) {
                return Err(Diagnostic::error(
                    "bad-data",
                    at,
                    format!("these bytes are no data of type {rtype}"),
                ));
            }
            return Ok(out);
        }
        let Some(fields) = rdata::fields(rtype) else {
            let message = format!("data of type {rtype} is not read in words yet");
            return Err(Diagnostic::error("not-yet", self.whole(), message)
                .help("write it as \\# LENGTH HEX (RFC 3597)"));
        };
        for field in fields {
            self.field(*field, &mut out)?;
        }
        self.finish()?;
        if out.len() > usize::from(u16::MAX) {
            return Err(Diagnostic::error(
                "bad-data",
                self.whole(),
                "the data of a record is at most 65535 bytes",
            ));
        }
        Ok(out)
    }

    fn generic(&mut self, out: &mut Vec<u8>) -> Read<()> {
        let len = self.number("the length", u32::from(u16::MAX))?;
        let at = self.whole();
        while self.peek().is_some() {
            self.hex_word(out)?;
        }
        if out.len() == len as usize {
            return Ok(());
        }
        Err(Diagnostic::error(
            "bad-data",
            at,
            format!("the length says {len} bytes, but {} are written", out.len()),
        ))
    }

    fn hex_word(&mut self, out: &mut Vec<u8>) -> Read<()> {
        let (text, at) = self.next("hexadecimal data")?;
        hex(text, out).ok_or_else(|| {
            Diagnostic::error(
                "bad-data",
                at,
                format!("`{text}` is not bytes in hexadecimal"),
            )
        })
    }

    fn field(&mut self, field: Field, out: &mut Vec<u8>) -> Read<()> {
        match field {
            Field::V4 => out.extend(
                self.address::<std::net::Ipv4Addr>("an IPv4 address")?
                    .octets(),
            ),
            Field::V6 => out.extend(
                self.address::<std::net::Ipv6Addr>("an IPv6 address")?
                    .octets(),
            ),
            Field::Name | Field::Compressible => out.extend_from_slice(self.name("a name")?.wire()),
            Field::U8 => out.push(self.number("this field", 255)? as u8),
            Field::U16 => out.extend((self.number("this field", 65_535)? as u16).to_be_bytes()),
            Field::U32 => out.extend(self.number("this field", u32::MAX)?.to_be_bytes()),
            Field::Period => out.extend(self.period("this field")?.to_be_bytes()),
            Field::Text => self.text(out)?,
            Field::Texts => {
                self.text(out)?;
                while self.peek().is_some() {
                    self.text(out)?;
                }
            }
            Field::Tag => self.tag(out)?,
            Field::RestText => {
                let (text, at) = self.next("a text")?;
                unescape_all(text, out).ok_or_else(|| bad_escape(at))?;
            }
            Field::Hex => {
                self.hex_word(out)?;
                while self.peek().is_some() {
                    self.hex_word(out)?;
                }
            }
            Field::Base64 => self.base64(out)?,
            Field::Algorithm => out.push(self.algorithm()?),
            Field::Eui(len) => self.eui(len, out)?,
            Field::Params => params::read(self, out)?,
            Field::Location => location::read(self, out)?,
            Field::Type => out.extend(signed::rtype(self)?.0.to_be_bytes()),
            Field::Time => out.extend(signed::time(self)?.to_be_bytes()),
            Field::Types => signed::types(self, out)?,
            Field::Salt => signed::salt(self, out)?,
            Field::Hash => signed::hash(self, out)?,
            Field::OptionalText => {
                if self.peek().is_some() {
                    self.text(out)?;
                }
            }
            Field::Locator => words::locator(self, out)?,
            Field::CertificateKind => out.extend(words::certificate_kind(self)?.to_be_bytes()),
            Field::Scheme => out.push(words::scheme(self)?),
            Field::Prefixes => words::prefixes(self, out)?,
            Field::Nsap => words::nsap(self, out)?,
            Field::IpsecKey => words::ipsec_key(self, out)?,
            Field::Relay => words::relay(self, out)?,
            Field::Host => words::host(self, out)?,
            Field::Services => words::services(self, out)?,
            Field::OptionalBase64 => {
                if self.peek().is_some_and(|(text, _)| text == "-") {
                    self.at += 1;
                } else {
                    self.base64(out)?;
                }
            }
            Field::U64 => out.extend(words::long(self)?.to_be_bytes()),
        }
        Ok(())
    }

    pub fn address<T: std::str::FromStr>(&mut self, what: &str) -> Read<T> {
        let (text, at) = self.next(what)?;
        text.parse()
            .map_err(|_| Diagnostic::error("bad-address", at, format!("`{text}` is not {what}")))
    }

    fn text(&mut self, out: &mut Vec<u8>) -> Read<()> {
        let (text, at) = self.next("a text")?;
        let start = out.len();
        out.push(0);
        unescape_all(text, out).ok_or_else(|| bad_escape(at))?;
        let len = u8::try_from(out.len() - start - 1).map_err(|_| {
            Diagnostic::error(
                "text-too-long",
                at,
                "a character-string is at most 255 bytes",
            )
            .help("split it: \"first part\" \"second part\"; readers join them")
        })?;
        if let Some(place) = out.get_mut(start) {
            *place = len;
        }
        Ok(())
    }

    fn tag(&mut self, out: &mut Vec<u8>) -> Read<()> {
        let (text, at) = self.next("a tag such as issue")?;
        let tag = unquoted(text);
        if tag.is_empty() || tag.len() > 255 || !tag.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Diagnostic::error(
                "bad-data",
                at,
                format!("`{tag}` is no tag: letters and digits only"),
            ));
        }
        out.push(tag.len() as u8);
        out.extend_from_slice(tag.as_bytes());
        Ok(())
    }

    pub fn base64(&mut self, out: &mut Vec<u8>) -> Read<()> {
        let (first, at) = self.next("base64 data")?;
        // Deleted keys are announced with a single zero (RFC 8078 §4), which some write as a number.
        let mut joined = if first == "0" { "AA==" } else { first }.to_owned();
        while let Ok((text, _)) = self.next("") {
            joined.push_str(text);
        }
        base64(&joined, out)
            .ok_or_else(|| Diagnostic::error("bad-data", at, "this is not base64 (with padding)"))
    }

    pub fn algorithm(&mut self) -> Read<u8> {
        const MNEMONICS: [(&str, u8); 14] = [
            ("RSAMD5", 1),
            ("DH", 2),
            ("DSA", 3),
            ("RSASHA1", 5),
            ("RSASHA256", 8),
            ("RSASHA512", 10),
            ("ECDSAP256SHA256", 13),
            ("ECDSAP384SHA384", 14),
            ("ED25519", 15),
            ("ED448", 16),
            ("INDIRECT", 252),
            ("PRIVATEDNS", 253),
            ("PRIVATEOID", 254),
            ("NSEC3RSASHA1", 7),
        ];
        if let Some((_, number)) = self
            .peek()
            .and_then(|(text, _)| MNEMONICS.iter().find(|(m, _)| m.eq_ignore_ascii_case(text)))
        {
            self.at += 1;
            return Ok(*number);
        }
        Ok(self.number("an algorithm", 255)? as u8)
    }

    fn eui(&mut self, len: u8, out: &mut Vec<u8>) -> Read<()> {
        let (text, at) = self.next("an EUI")?;
        let start = out.len();
        let parts = text
            .split('-')
            .all(|part| part.len() == 2 && hex(part, out).is_some());
        if parts && out.len() - start == usize::from(len) {
            return Ok(());
        }
        Err(Diagnostic::error(
            "bad-data",
            at,
            format!("an EUI here is {len} bytes as in 00-00-5e-00-53-2a"),
        ))
    }

    fn span(&self, token: &Token) -> Span {
        Span::new(self.file, token.start, token.end)
    }
}

pub(crate) fn bad_escape(at: Span) -> Diagnostic {
    Diagnostic::error("bad-escape", at, crate::Error::BadEscape.to_string())
}

/// The text without the quotes around it.
pub(crate) fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'))
        .unwrap_or(text)
}

/// Appends the bytes that a text stands for; `None` for a broken escape.
pub(crate) fn unescape_all(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let mut rest = unquoted(text).as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'\\' {
            let (byte, tail) = unescape(rest)?;
            out.push(byte);
            rest = tail;
        } else {
            out.push(byte);
        }
    }
    Some(())
}

fn decimal(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// Seconds: `3600`, `1h`, `1w2d3h4m5s`.
pub(crate) fn period(text: &str) -> Option<u32> {
    if let Some(seconds) = decimal(text) {
        return Some(seconds);
    }
    let (mut total, mut number) = (0u32, None::<u32>);
    for byte in text.bytes() {
        let unit = match byte.to_ascii_lowercase() {
            digit @ b'0'..=b'9' => {
                number = Some(
                    number
                        .unwrap_or(0)
                        .checked_mul(10)?
                        .checked_add(u32::from(digit - b'0'))?,
                );
                continue;
            }
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    number.is_none().then_some(total)
}

/// Decodes hexadecimal; `None` unless it is whole bytes of it.
pub(crate) fn hex(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|d| d as u8);
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    for [high, low] in pairs {
        out.push(digit(*high)? << 4 | digit(*low)?);
    }
    rest.is_empty().then_some(())
}

/// Decodes base64 with padding.
pub(crate) fn base64(text: &str, out: &mut Vec<u8>) -> Option<()> {
    STANDARD.decode_vec(text, out).ok()
}
