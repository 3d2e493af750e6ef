//! How long a body is (RFC 9112 §6), decided once with the head.

use crate::{Name, Refusal, field::Fields, limits, lines::Seen};

/// How a message's body is delimited.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// The chunked coding (RFC 9112 §7.1).
    Chunked,
    /// Everything up to the end of the connection; responses only.
    UntilClose,
}

/// The value of a `Content-Length`: digits alone, at most [`limits::LENGTH`].
pub(crate) fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() {
        return Err(Refusal::LengthInvalid);
    }
    let mut length = 0u64;
    for &byte in value {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(Refusal::LengthInvalid);
        }
        length = length
            .checked_mul(10)
            .and_then(|length| length.checked_add(u64::from(digit)))
            .filter(|&length| length <= limits::LENGTH)
            .ok_or(Refusal::LengthInvalid)?;
    }
    Ok(length)
}

/// The framing that `Content-Length` and `Transfer-Encoding` declare; `None` when neither is there. Anything that two readers could take
/// differently is refused, for both directions alike.
pub(crate) fn declared(
    fields: &Fields<'_>,
    seen: &Seen,
    http11: bool,
) -> Result<Option<Framing>, Refusal> {
    const BOTH: u128 = (1 << Name::ContentLength as u8) | (1 << Name::TransferEncoding as u8);
    if seen.present & BOTH == 0 {
        return Ok(None);
    }
    if seen.present & BOTH == BOTH {
        return Err(Refusal::LengthWithCoding);
    }
    if let Some(value) = fields.get(Name::ContentLength) {
        if seen.repeated & BOTH != 0 {
            return Err(Refusal::LengthRepeated);
        }
        return content_length(value).map(|length| Some(Framing::Length(length)));
    }
    if !http11 {
        return Err(Refusal::CodingInHttp10);
    }
    if seen.repeated & BOTH != 0 {
        return Err(Refusal::CodingRepeated);
    }
    match fields.get(Name::TransferEncoding) {
        Some(coding) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Some(Framing::Chunked)),
        _ => Err(Refusal::CodingUnknown),
    }
}

/// Whether `Transfer-Encoding` of a response is one token that names no coding there is: then nothing was coded. What names one (RFC 9112 §7)
/// was coded, unasked, and would be passed on as garbage.
pub(crate) fn is_no_coding(fields: &Fields<'_>) -> bool {
    const CODINGS: [&str; 8] = [
        "chunked",
        "compress",
        "x-compress",
        "deflate",
        "gzip",
        "x-gzip",
        "identity",
        "trailers",
    ];
    let known = |coding: &[u8]| {
        CODINGS
            .iter()
            .any(|known| coding.eq_ignore_ascii_case(known.as_bytes()))
    };
    fields
        .get(Name::TransferEncoding)
        .is_some_and(|coding| crate::encode::is_token(coding) && !known(coding))
}

/// What `Connection` lists, as far as we act on it (RFC 9112 §9.3, RFC 9110 §7.8).
#[derive(Copy, Clone, Debug, Default)]
pub(crate) struct ConnectionOptions {
    pub close: bool,
    pub keep_alive: bool,
    pub upgrade: bool,
}

impl ConnectionOptions {
    pub fn of(fields: &Fields<'_>) -> ConnectionOptions {
        let mut options = ConnectionOptions::default();
        if !fields.has(Name::Connection) {
            return options;
        }
        // What nearly everyone sends needs no list.
        if let Some(b"keep-alive" | b"Keep-Alive") = fields.get(Name::Connection)
            && fields.all(Name::Connection).count() == 1
        {
            options.keep_alive = true;
            return options;
        }
        for option in fields.list(Name::Connection) {
            options.close |= option.eq_ignore_ascii_case(b"close");
            options.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            options.upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
        options
    }

    /// Whether the connection persists after this message.
    pub fn persists(&self, http11: bool) -> bool {
        !self.close && (http11 || self.keep_alive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_length_is_digits_up_to_the_limit() {
        assert_eq!(content_length(b"0"), Ok(0));
        assert_eq!(content_length(b"0042"), Ok(42));
        assert_eq!(content_length(b"9223372036854775807"), Ok(limits::LENGTH));
        for value in [
            "",
            "+1",
            "-1",
            "1 ",
            "1,1",
            "1.0",
            "0x1",
            "9223372036854775808",
            "18446744073709551616",
            "99999999999999999999999999",
        ] {
            assert_eq!(
                content_length(value.as_bytes()),
                Err(Refusal::LengthInvalid),
                "{value}"
            );
        }
    }
}
