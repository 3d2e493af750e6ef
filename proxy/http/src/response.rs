//! Response heads of origins, which are as hostile as clients: what two readers could frame differently is a [`BadResponse`], a 502 to the client,
//! and its connection is not used again.

use thiserror::Error;

use crate::{
    Field, Fields, Framing, HeadLimits, Method, Policy, Range32, Refusal, Version,
    framing::{self, ConnectionOptions},
    lines::{Lines, Scan, Seen, Stop},
    scan,
};

/// What of the request decides how its response is framed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ResponseTo {
    /// The method that was sent.
    pub method: Method,
    /// Whether `Upgrade` was sent, so that a 101 may come.
    pub upgrade_asked: bool,
}

/// Why a response head is not usable.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum BadResponse {
    /// A fault that requests have too: of lines, fields, lengths, codings and sizes.
    #[error("{0}")]
    Head(#[from] Refusal),
    /// The first line is no `HTTP/1.x NNN [reason]`.
    #[error("bad-status-line")]
    StatusLine,
    /// A status below 100.
    #[error("bad-status")]
    Status,
    /// A 101 that nobody asked for.
    #[error("unasked-upgrade")]
    UnaskedUpgrade,
    /// An interim response (1xx) that declares a body.
    #[error("body-forbidden")]
    BodyForbidden,
}

impl BadResponse {
    /// The reason in kebab-case, for a log line and a counter's label.
    pub fn as_str(self) -> &'static str {
        match self {
            BadResponse::Head(refusal) => refusal.as_str(),
            BadResponse::StatusLine => "bad-status-line",
            BadResponse::Status => "bad-status",
            BadResponse::UnaskedUpgrade => "unasked-upgrade",
            BadResponse::BodyForbidden => "body-forbidden",
        }
    }
}

/// A response head, made to be reused: [`parse_response`] clears and refills it.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// The status, 100 to 999.
    pub status: u16,
    /// The reason phrase; often empty.
    pub reason: Range32,
    /// The version.
    pub version: Version,
    /// The field lines in order.
    pub fields: Vec<Field>,
    /// The union of [`Name::bit`](crate::Name::bit) over `fields`.
    pub present: u128,
    /// Bytes of the whole head with the empty line after it.
    pub len: usize,
    /// How the body that follows is delimited. For HEAD and 304 it is [`Framing::None`] although a length may be declared.
    pub framing: Framing,
    /// Whether the connection may carry another request afterwards.
    pub keep_alive: bool,
}

impl Default for ResponseHead {
    fn default() -> ResponseHead {
        ResponseHead::new()
    }
}

impl ResponseHead {
    /// Makes these names (the union of their bits) unknown ones: their lines stay, and nobody heeds them.
    pub fn disregard(&mut self, names: u128) {
        for field in &mut self.fields {
            if field.id.bit() & names != 0 {
                field.id = crate::Name::Other;
                self.present |= crate::Name::Other.bit();
            }
        }
        self.present &= !names;
    }

    /// An empty head; it allocates with the first fields.
    pub fn new() -> ResponseHead {
        ResponseHead {
            status: 0,
            reason: Range32::default(),
            version: Version::Http11,
            fields: Vec::new(),
            present: 0,
            len: 0,
            framing: Framing::None,
            keep_alive: false,
        }
    }

    /// Empties the head and keeps its room.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = ResponseHead {
            fields,
            ..ResponseHead::new()
        };
    }

    /// The fields, over the buffer that was parsed.
    #[inline]
    pub fn fields<'a>(&'a self, buf: &'a [u8]) -> Fields<'a> {
        Fields {
            fields: &self.fields,
            buf,
            present: self.present,
        }
    }

    /// Whether another response head follows (1xx other than 101).
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }
}

/// Reads a response head from the start of `buf` into `head`; the contract of [`parse_request`](crate::parse_request). Lines are read as strictly as
/// under [`Policy::Rfc`]; a status line without the space before its missing reason is accepted.
pub fn parse_response(
    buf: &[u8],
    request: &ResponseTo,
    limits: &HeadLimits,
    head: &mut ResponseHead,
) -> Result<bool, BadResponse> {
    head.clear();
    let most = limits.head_bytes.min(u32::MAX as usize);
    let mut lines = Lines {
        buf: buf.get(..most).unwrap_or(buf),
        at: 0,
        policy: Policy::Rfc,
    };
    let seen = match read(&mut lines, limits, head) {
        Ok(seen) => seen?,
        Err(Stop::Partial) if buf.len() >= most => return Err(Refusal::HeadTooLarge.into()),
        Err(Stop::Partial) => return Ok(false),
        Err(Stop::Refused(refusal)) => return Err(refusal.into()),
    };
    head.present = seen.present;
    head.len = lines.at;
    settle(lines.buf, request, &seen, head)?;
    Ok(true)
}

/// The lines; the outer result is the scan's, the inner one the status line's.
fn read(
    lines: &mut Lines<'_>,
    limits: &HeadLimits,
    head: &mut ResponseHead,
) -> Scan<Result<Seen, BadResponse>> {
    if let Err(bad) = status_line(lines, head)? {
        return Ok(Err(bad));
    }
    lines.fields(limits.fields, &mut head.fields).map(Ok)
}

fn status_line(lines: &mut Lines<'_>, head: &mut ResponseHead) -> Scan<Result<(), BadResponse>> {
    const START: &[u8] = b"HTTP/1.";
    let arrived = lines.buf.get(..START.len()).unwrap_or(lines.buf);
    if !START.starts_with(arrived) {
        return Ok(Err(BadResponse::StatusLine));
    }
    head.version = match lines.byte(START.len())? {
        b'1' => Version::Http11,
        b'0' => Version::Http10,
        _ => return Ok(Err(BadResponse::StatusLine)),
    };
    if lines.byte(8)? != b' ' {
        return Ok(Err(BadResponse::StatusLine));
    }
    let mut status = 0;
    for at in 9..12 {
        let digit = lines.byte(at)?.wrapping_sub(b'0');
        if digit > 9 {
            return Ok(Err(BadResponse::StatusLine));
        }
        status = status * 10 + u16::from(digit);
    }
    if status < 100 {
        return Ok(Err(BadResponse::Status));
    }
    head.status = status;
    let reason_at = match lines.byte(12)? {
        b' ' => 13,
        b'\r' => 12,
        _ => return Ok(Err(BadResponse::StatusLine)),
    };
    let end = scan::value_end(lines.buf, reason_at);
    lines.end_line(end)?;
    head.reason = Range32::new(reason_at, end);
    Ok(Ok(()))
}

/// Framing (RFC 9112 §6.3) and persistence.
fn settle(
    buf: &[u8],
    request: &ResponseTo,
    seen: &Seen,
    head: &mut ResponseHead,
) -> Result<(), BadResponse> {
    let http11 = head.version == Version::Http11;
    let fields = Fields {
        fields: &head.fields,
        buf,
        present: seen.present,
    };
    let declared = match framing::declared(&fields, seen, http11) {
        // The end of such a body is the end of the connection (RFC 9112 §6.3).
        Err(Refusal::CodingUnknown) if framing::is_no_coding(&fields) => Some(Framing::UntilClose),
        declared => declared?,
    };
    let empty = matches!(declared, None | Some(Framing::Length(0)));
    let persists = ConnectionOptions::of(&fields).persists(http11);
    let (framing, keep_alive) = match head.status {
        101 if !request.upgrade_asked => return Err(BadResponse::UnaskedUpgrade),
        // The connection is another protocol's from here on.
        101 => (Framing::None, false),
        100..=199 if !empty => return Err(BadResponse::BodyForbidden),
        100..=199 => (Framing::None, persists),
        // A length that must not be there may be followed by a body that must not be there.
        204 => (Framing::None, persists && empty),
        304 => (Framing::None, persists),
        200..=299 if request.method == Method::Connect => (Framing::None, false),
        _ if request.method == Method::Head => (Framing::None, persists),
        _ => match declared {
            Some(framing) => (framing, persists && framing != Framing::UntilClose),
            None => (Framing::UntilClose, false),
        },
    };
    head.framing = framing;
    head.keep_alive = keep_alive;
    Ok(())
}
