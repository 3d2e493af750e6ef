//! Parts of a stored answer (RFC 9110 §14, RFC 9111 §3.3): single ones, several, and what `If-Range` says to them.

use super::{
    filed,
    hit::{Told, field_lines, moment},
    slices::Slices,
};
use crate::{
    client::{ClientError, Length, Reply, remove_lines},
    content::ranges::{Ranges, Span, parse},
    pipeline::Cx,
    plan::{CacheUse, RoutePlan},
};
use bytes::Bytes;
use seawall_cache::{Hit, Object};
use seawall_http::{Fields, Method, Name, date, encode, etag};

/// More ranges than these are answered with the whole: each costs a head of its own.
const RANGES_MAX: usize = 16;

/// What of an answer with these fields and of that length a request wants.
pub fn wanted(cx: &Cx<'_>, status: u16, fields: &Fields<'_>, length: u64) -> Ranges {
    let request = cx.tx.fields();
    let Some(value) = request.get(Name::Range) else {
        return Ranges::Whole;
    };
    let one_field = request.all(Name::Range).count() == 1;
    if status != 200 || cx.tx.head.method != Method::Get || !one_field {
        return Ranges::Whole;
    }
    let holds = match request.get(Name::IfRange) {
        None => true,
        Some(tag) if etag::is_etag(tag) => fields
            .get(Name::ETag)
            .is_some_and(|current| etag::strong_eq(tag, current)),
        Some(when) => date::parse(when).is_some() && fields.get(Name::LastModified) == Some(when),
    };
    if !holds {
        return Ranges::Whole;
    }
    parse(value, length, RANGES_MAX)
}

/// Whether a request that nothing is stored for asks for a part that the beginning of the answer does not hold, or of which nobody
/// knows where it begins: to fetch the whole for it would keep its client waiting.
pub fn is_far(cx: &Cx<'_>, cache: &CacheUse) -> bool {
    let range = cx.tx.fields().get(Name::Range);
    let (Some(value), Some(ahead)) = (range, cache.ahead_bytes_max) else {
        return false;
    };
    let Some((_, list)) = value.split_at_checked(6) else {
        return false;
    };
    let first = list.split(|b| *b == b'-').next().unwrap_or_default();
    let first = std::str::from_utf8(first).ok().map(str::trim);
    // What is no number is a suffix or nonsense, which the origin answers.
    first
        .and_then(|digits| digits.parse::<u64>().ok())
        .is_none_or(|first| first >= ahead)
}

/// Where the slice begins that tells most of an answer nobody knows yet: the one that the first part begins in, or the first where nobody
/// knows where that is. `None` where these are no ranges of bytes.
pub fn first_slice(cx: &Cx<'_>, slice_bytes: u64) -> Option<u64> {
    let request = cx.tx.fields();
    let value = request.get(Name::Range)?;
    let (unit, list) = value.split_at_checked(6)?;
    let is_one = unit.eq_ignore_ascii_case(b"bytes=") && request.all(Name::Range).count() == 1;
    let first = list.split(|b| *b == b'-').next().filter(|_| is_one)?;
    let first = std::str::from_utf8(first).ok()?.trim();
    let first = match first {
        "" => 0,
        digits => digits.parse::<u64>().ok()?,
    };
    Some(first - first % slice_bytes.max(1))
}

/// `Content-Range` of a part.
pub fn content_range(span: Span, length: u64) -> String {
    format!(
        "Content-Range: bytes {}-{}/{length}\r\n",
        span.0,
        span.1.saturating_sub(1)
    )
}

/// Sends parts of a stored answer.
pub async fn send(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    cache: &CacheUse,
    hit: &Hit,
    told: &Told,
    spans: &[Span],
    body: &mut Body<'_>,
) -> Result<(), ClientError> {
    let object = &hit.object;
    begin(cx, object);
    moment(cache, hit, told, &mut cx.tx.lines);
    if let [span] = spans {
        let line = content_range(*span, object.content_length());
        cx.tx.lines.extend_from_slice(line.as_bytes());
        head(cx, route, span.1 - span.0);
        body.send(cx, *span).await?;
        return cx.client.last(cx.tx, b"").await;
    }
    let boundary = format!("{:032x}", cx.local.random_id());
    let kind = object.fields().get(Name::ContentType).unwrap_or_default();
    let before = |span: Span| {
        let mut head = format!("\r\n--{boundary}\r\n").into_bytes();
        if !kind.is_empty() {
            encode::field(&mut head, b"Content-Type", kind);
        }
        head.extend_from_slice(content_range(span, object.content_length()).as_bytes());
        head.extend_from_slice(b"\r\n");
        head
    };
    let end = format!("\r\n--{boundary}--\r\n");
    let length: u64 = spans
        .iter()
        .map(|span| before(*span).len() as u64 + (span.1 - span.0))
        .sum();
    remove_lines(&mut cx.tx.lines, b"content-type");
    let of_all = format!("multipart/byteranges; boundary={boundary}");
    encode::field(&mut cx.tx.lines, b"Content-Type", of_all.as_bytes());
    head(cx, route, length + end.len() as u64);
    for span in spans {
        cx.client.send(cx.tx, &before(*span)).await?;
        body.send(cx, *span).await?;
    }
    cx.client.last(cx.tx, end.as_bytes()).await
}

/// Says that there is no such part.
pub async fn refuse(cx: &mut Cx<'_>, route: &RoutePlan, length: u64) -> Result<(), ClientError> {
    let lines = format!("Content-Range: bytes */{length}\r\n");
    let reply = Reply {
        lines: lines.as_bytes(),
        ..Reply::error(416)
    };
    cx.reply(Some(route), reply).await
}

fn begin(cx: &mut Cx<'_>, object: &Object) {
    cx.tx.lines.clear();
    cx.tx.lines.extend_from_slice(field_lines(object.head()));
    remove_lines(&mut cx.tx.lines, b"content-length");
}

fn head(cx: &mut Cx<'_>, route: &RoutePlan, length: u64) {
    crate::origin::adjust(cx, route);
    let (local, site) = (cx.local, cx.site);
    let length = Length::Known(length);
    cx.client
        .head(local, cx.tx, Some(site), Some(route), 206, length);
}

/// Where the bytes of a stored answer come from.
pub enum Body<'a> {
    /// They are all here, in memory or in a file.
    Stored(&'a CacheUse, &'a Hit),
    /// They come slice by slice.
    Sliced(Slices<'a>),
}

impl Body<'_> {
    async fn send(&mut self, cx: &mut Cx<'_>, span: Span) -> Result<(), ClientError> {
        match self {
            Body::Stored(cache, hit) => stored(cx, cache, hit, 0, span).await,
            Body::Sliced(slices) => slices.send(cx, span).await,
        }
    }
}

/// Sends what of a stored body that begins at an offset lies in a span.
pub async fn stored(
    cx: &mut Cx<'_>,
    cache: &CacheUse,
    hit: &Hit,
    at: u64,
    span: Span,
) -> Result<(), ClientError> {
    let Some(body) = &hit.file else {
        return part(cx, hit.object.chunks(), at, span).await;
    };
    let end = hit.object.content_length();
    let own = (
        span.0.saturating_sub(at),
        span.1.saturating_sub(at).min(end),
    );
    filed::send(cx, cache, hit, body, own).await
}

/// Sends what of chunks that begin at an offset lies in a span.
async fn part(
    cx: &mut Cx<'_>,
    chunks: &[Bytes],
    mut at: u64,
    span: Span,
) -> Result<(), ClientError> {
    for chunk in chunks {
        let piece = overlap(chunk, at, span);
        at += chunk.len() as u64;
        if !piece.is_empty() {
            cx.client.send(cx.tx, piece).await?;
        }
        if at >= span.1 {
            break;
        }
    }
    Ok(())
}

/// What of a chunk that begins at an offset lies in a part.
pub fn overlap(chunk: &Bytes, at: u64, span: Span) -> &[u8] {
    let end = at + chunk.len() as u64;
    let (from, to) = (span.0.max(at), span.1.min(end));
    if from >= to {
        return b"";
    }
    chunk
        .get((from - at) as usize..(to - at) as usize)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_out_of_the_chunks_it_lies_in() {
        let chunk = Bytes::from_static(b"01234");
        for (at, span, expected) in [
            (0, (0, 5), "01234"),
            (0, (1, 3), "12"),
            (5, (1, 7), "01"),
            (5, (9, 20), "4"),
            (5, (0, 5), ""),
            (5, (10, 20), ""),
        ] {
            assert_eq!(overlap(&chunk, at, span), expected.as_bytes());
        }
    }
}
