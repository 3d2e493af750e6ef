//! Request heads: one pass over the buffer, everything kept as ranges, every doubt a [`Refusal`].
//!
//! The scan is our own rather than httparse's because each rule wants its own reason, LF line ends and white space must be judged by policy, and the
//! framing fields are found on the way, in the time that httparse needs for its scan alone (`cargo run --release --example heads`).

use crate::{
    Field, Fields, Framing, HeadLimits, Method, Name, Policy, Range32, Refusal,
    framing::{self, ConnectionOptions},
    limits,
    lines::{Lines, Scan, Seen, Stop},
    scan, target,
};

/// The version of a request.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2. [`parse_request`] never says so: who makes a head of a stream's fields does.
    Http2,
}

/// A request head, made to be reused: [`parse_request`] clears and refills it.
///
/// Every range lies in the buffer that was parsed; the accessors take that buffer.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method, if known.
    pub method: Method,
    /// The method as written.
    pub method_text: Range32,
    /// The target as written.
    pub target: Range32,
    /// The authority of an absolute-form or CONNECT target, else empty.
    pub authority: Range32,
    /// Path and query of the target: `/a?b`. `*` for `OPTIONS *`; empty for CONNECT; empty or only a query when an absolute-form target has no path:
    /// [`RequestHead::path_only`] says `/` then.
    pub path: Range32,
    /// Where the target's `?` is in the buffer.
    pub query_at: Option<u32>,
    /// The host that was asked for, with its port: the target's authority, or else `Host`. Empty for HTTP/1.0 without one.
    pub host: Range32,
    /// The version; a later minor counts as 1.1.
    pub version: Version,
    /// The field lines in order.
    pub fields: Vec<Field>,
    /// The union of [`Name::bit`] over `fields`.
    pub present: u128,
    /// Bytes of the whole head: empty lines before it, and the empty line after it, included.
    pub len: usize,
    /// How the body is delimited; never [`Framing::UntilClose`].
    pub framing: Framing,
    /// Whether the client wants the connection to persist.
    pub keep_alive: bool,
    /// `Expect: 100-continue` in HTTP/1.1.
    pub expect_continue: bool,
    /// `Connection: upgrade` and `Upgrade` in HTTP/1.1.
    pub upgrade: bool,
}

impl Default for RequestHead {
    fn default() -> RequestHead {
        RequestHead::new()
    }
}

impl RequestHead {
    /// An empty head; it allocates with the first fields.
    pub fn new() -> RequestHead {
        RequestHead {
            method: Method::Other,
            method_text: Range32::default(),
            target: Range32::default(),
            authority: Range32::default(),
            path: Range32::default(),
            query_at: None,
            host: Range32::default(),
            version: Version::Http11,
            fields: Vec::new(),
            present: 0,
            len: 0,
            framing: Framing::None,
            keep_alive: false,
            expect_continue: false,
            upgrade: false,
        }
    }

    /// Empties the head and keeps its room.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = RequestHead {
            fields,
            ..RequestHead::new()
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

    /// The path without the query, as written; `/` when an absolute-form target has none.
    pub fn path_only<'a>(&self, buf: &'a [u8]) -> &'a [u8] {
        let end = self.query_at.unwrap_or(self.path.end);
        let path = Range32 { end, ..self.path };
        match path.of(buf) {
            b"" if self.method != Method::Connect => b"/",
            path => path,
        }
    }

    /// The query without its `?`; `None` when the target has no `?`.
    pub fn query<'a>(&self, buf: &'a [u8]) -> Option<&'a [u8]> {
        let query = Range32 {
            start: self.query_at? + 1,
            end: self.path.end,
        };
        Some(query.of(buf))
    }
}

/// Reads a request head from the start of `buf` into `head`. `Ok(false)` says that it is not complete: call again with more of the same bytes
/// from the start. After `Ok(true)`, `head.len` bytes belong to the head. After a refusal `head` is of no use.
///
/// A head that can no longer become acceptable is refused before it is complete.
pub fn parse_request(
    buf: &[u8],
    policy: Policy,
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<bool, Refusal> {
    head.clear();
    let most = limits.head_bytes.min(u32::MAX as usize);
    let mut lines = Lines {
        buf: buf.get(..most).unwrap_or(buf),
        at: 0,
        policy,
    };
    match read(&mut lines, limits, head) {
        Ok(()) => Ok(true),
        Err(Stop::Partial) if buf.len() >= most => Err(Refusal::HeadTooLarge),
        Err(Stop::Partial) => Ok(false),
        Err(Stop::Refused(refusal)) => Err(refusal),
    }
}

fn read(lines: &mut Lines<'_>, limits: &HeadLimits, head: &mut RequestHead) -> Scan<()> {
    skip_empty_lines(lines)?;
    method(lines, head)?;
    request_target(lines, limits, head)?;
    version(lines, head)?;
    let seen = lines.fields(limits.fields, &mut head.fields)?;
    head.present = seen.present;
    head.len = lines.at;
    settle_host(lines, &seen, head)?;
    settle_connection(lines.buf, &seen, head)?;
    Ok(())
}

/// Empty lines before a request are those of clients that end a body with one too many (RFC 9112 §2.2).
fn skip_empty_lines(lines: &mut Lines<'_>) -> Scan<()> {
    let mut skipped = 0;
    while let b'\r' | b'\n' = lines.byte(lines.at)? {
        if lines.policy == Policy::Nginx {
            lines.at += 1;
            continue;
        }
        if skipped == limits::EMPTY_LINES {
            return Err(Refusal::EmptyLines.into());
        }
        lines.end_line(lines.at)?;
        skipped += 1;
    }
    Ok(())
}

fn method(lines: &mut Lines<'_>, head: &mut RequestHead) -> Scan<()> {
    let start = lines.at;
    let end = scan::token_end(lines.buf, start);
    let text = lines.buf.get(start..end).unwrap_or_default();
    head.method = Method::lookup(text);
    let nginx_byte = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
    if head.method == Method::Other && lines.policy == Policy::Nginx && !text.iter().all(nginx_byte)
    {
        return Err(Refusal::BadMethod.into());
    }
    if lines.byte(end)? != b' ' || end == start {
        return Err(Refusal::BadMethod.into());
    }
    head.method_text = Range32::new(start, end);
    lines.at = end + 1;
    if lines.policy == Policy::Nginx {
        lines.at = scan::spaces_end(lines.buf, lines.at);
    }
    Ok(())
}

fn request_target(lines: &mut Lines<'_>, limits: &HeadLimits, head: &mut RequestHead) -> Scan<()> {
    let start = lines.at;
    let end = match lines.policy {
        Policy::Rfc => scan::target_end(lines.buf, start),
        Policy::Nginx => scan::loose_target_end(lines.buf, start),
    };
    if end - start > limits.target_bytes {
        return Err(Refusal::TargetTooLong.into());
    }
    match lines.byte(end)? {
        // Two spaces after the method, or a request line that ends here.
        b' ' if end == start => return Err(Refusal::SpaceInTarget.into()),
        b' ' => {}
        b'#' => return Err(Refusal::FragmentInTarget.into()),
        b'\r' | b'\n' => return Err(Refusal::BadVersion.into()),
        0 => return Err(Refusal::Nul.into()),
        _ => return Err(Refusal::TargetByte.into()),
    }
    let target = target::parse(lines.buf, start, end, head.method, lines.policy)?;
    head.target = Range32::new(start, end);
    head.authority = target.authority;
    head.path = target.path;
    head.query_at = target.query_at;
    lines.at = end + 1;
    if lines.policy == Policy::Nginx {
        lines.at = scan::spaces_end(lines.buf, lines.at);
    }
    Ok(())
}

fn version(lines: &mut Lines<'_>, head: &mut RequestHead) -> Scan<()> {
    let start = lines.at;
    // Nearly every request: one comparison.
    if let Some(b"HTTP/1.1\r\n") = lines.buf.get(start..start + 10) {
        lines.at = start + 10;
        return Ok(());
    }
    let end = scan::value_end(lines.buf, start);
    lines.end_line(end)?;
    let mut text = lines.buf.get(start..end).unwrap_or_default();
    if lines.policy == Policy::Nginx {
        text = text.trim_ascii_end();
    }
    head.version = match text {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => other_version(text, lines.policy)?,
    };
    Ok(())
}

#[cold]
fn other_version(text: &[u8], policy: Policy) -> Result<Version, Refusal> {
    let digits = match text.strip_prefix(b"HTTP/") {
        Some(digits) => digits,
        None if text.contains(&b' ') => return Err(Refusal::SpaceInTarget),
        None => return Err(Refusal::BadVersion),
    };
    match digits {
        [b'1', b'.', minor @ ..]
            if policy == Policy::Nginx
                && matches!(minor.len(), 1..=3)
                && minor.iter().all(u8::is_ascii_digit) =>
        {
            let zero = minor.iter().all(|&digit| digit == b'0');
            Ok(if zero {
                Version::Http10
            } else {
                Version::Http11
            })
        }
        [b'2'..=b'9', b'.', b'0'..=b'9'] | [b'2'..=b'9'] => Err(Refusal::VersionUnsupported),
        _ => Err(Refusal::BadVersion),
    }
}

/// `Host` and the target's authority (RFC 9112 §3.2.2, §3.3): the authority wins, but `Host` must be there and valid all the same.
fn settle_host(lines: &Lines<'_>, seen: &Seen, head: &mut RequestHead) -> Result<(), Refusal> {
    let host = head.fields.iter().find(|field| field.id == Name::Host);
    let Some(host) = host else {
        if head.version == Version::Http11 {
            return Err(Refusal::HostMissing);
        }
        head.host = head.authority;
        return Ok(());
    };
    if seen.repeated & Name::Host.bit() != 0 {
        return Err(Refusal::HostRepeated);
    }
    if target::host_of(host.value.of(lines.buf), lines.policy).is_none() {
        return Err(Refusal::HostInvalid);
    }
    head.host = match head.authority.is_empty() {
        true => host.value,
        false => head.authority,
    };
    Ok(())
}

fn settle_connection(buf: &[u8], seen: &Seen, head: &mut RequestHead) -> Result<(), Refusal> {
    let http11 = head.version == Version::Http11;
    let fields = Fields {
        fields: &head.fields,
        buf,
        present: seen.present,
    };
    let framing = framing::declared(&fields, seen, http11)?.unwrap_or(Framing::None);
    let options = ConnectionOptions::of(&fields);
    let upgrade = http11 && options.upgrade && fields.has(Name::Upgrade);
    let expect_continue = http11
        && fields
            .get(Name::Expect)
            .is_some_and(|expect| expect.eq_ignore_ascii_case(b"100-continue"));
    head.framing = framing;
    head.keep_alive = options.persists(http11);
    head.upgrade = upgrade;
    head.expect_continue = expect_continue;
    Ok(())
}
