//! Reading along with a fill, whoever leads it: the whole, or the part that this client asked for.

use super::{
    hit::{self, Told},
    ranges,
};
use crate::{
    client::{ClientError, Length, remove_lines},
    content::ranges::{Ranges, Span},
    origin,
    pipeline::Cx,
    plan::{CacheUse, RoutePlan},
};
use bytes::Bytes;
use seawall_cache::{CacheStatus, FillChunk, FillHead, FillReader, FillStart, Hit};
use seawall_http::Name;
use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

/// What reading along came to.
pub enum Joined {
    /// The client was served.
    Served,
    /// It is stored with its body in slices or in a file: serve that.
    Elsewhere(Hit),
    /// What is fetched is not for this client, or not to be waited for: go to the origin yourself.
    Pass,
    /// The fetching ended before a head came.
    Aborted,
}

/// What is said to whom reads along with another client's fill.
pub fn told() -> Told {
    Told(CacheStatus {
        fwd: Some("miss"),
        collapsed: true,
        ..CacheStatus::default()
    })
}

/// Reads along with another client's fill.
pub async fn join(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    cache: &CacheUse,
    reader: FillReader,
) -> Result<Joined, ClientError> {
    read_along(cx, route, cache, reader, told()).await
}

/// Waits for the head of another client's fill: whether it is stored in slices. What is fetched as a whole is nothing to wait for.
pub async fn join_far(cx: &Cx<'_>, route: &RoutePlan, mut reader: FillReader) -> Option<Hit> {
    let timer = cx.client.timer.clone();
    timer.set(route.timeouts.first_byte);
    match timer.guard(reader.head()).await {
        Ok(FillStart::Elsewhere(object)) => Some(Hit::new(object, cx.tx.now_ms)),
        _ => None,
    }
}

/// Sends a fill as it comes.
pub async fn read_along(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    cache: &CacheUse,
    mut reader: FillReader,
    told: Told,
) -> Result<Joined, ClientError> {
    let timer = cx.client.timer.clone();
    // A fill that takes longer than an origin may is no reason to wait longer; nginx.conf may say how long (proxy_cache_lock_timeout).
    let first_byte = route.timeouts.first_byte;
    timer.set(cache.lock_timeout.map_or(first_byte, |t| t.min(first_byte)));
    let head = match timer.guard(reader.head()).await {
        Ok(FillStart::Head(head)) => head,
        Ok(FillStart::Elsewhere(object)) => {
            return Ok(Joined::Elsewhere(Hit::new(object, cx.tx.now_ms)));
        }
        Ok(FillStart::Aborted) => return Ok(Joined::Aborted),
        Ok(FillStart::Pass) | Err(_) => return Ok(Joined::Pass),
    };
    cx.tx.lines.clear();
    cx.tx.lines.extend_from_slice(hit::field_lines(head.head()));
    origin::adjust(cx, route);
    if cache.reports {
        seawall_http::encode::field(
            &mut cx.tx.lines,
            b"Age",
            itoa::Buffer::new().format(head.age_s()).as_bytes(),
        );
        told.line(&mut cx.tx.lines);
    }
    let mut length = if head.content_length().is_some() {
        Length::Stated
    } else {
        Length::Unknown
    };
    let part = part_of(cx, &head);
    if let (Some(span), Some(whole)) = (part, head.content_length()) {
        remove_lines(&mut cx.tx.lines, b"content-length");
        let line = ranges::content_range(span, whole);
        cx.tx.lines.extend_from_slice(line.as_bytes());
        length = Length::Known(span.1 - span.0);
    }
    let status = if part.is_some() { 206 } else { head.status() };
    cx.client
        .head(cx.local, cx.tx, Some(cx.site), Some(route), status, length);
    if cx.tx.is_head() {
        // The body is for the store.
        cx.client.last(cx.tx, b"").await?;
        return Ok(Joined::Served);
    }
    let mut held: Option<Bytes> = None;
    let mut at = 0;
    loop {
        // Without readers' pace there is the origin's: between two pieces at most its own timeout.
        let limit = route.timeouts.between_bytes + route.timeouts.client;
        let mut chunk = pin!(reader.chunk());
        let next = match poll_fn(|task| Poll::Ready(chunk.as_mut().poll(task))).await {
            Poll::Ready(next) => Ok(next),
            Poll::Pending => {
                // Nothing follows at once: what was held for the last write goes now.
                if let Some(before) = held.take() {
                    cx.client.send(cx.tx, &before).await?;
                }
                timer.set(limit);
                timer.guard(chunk).await
            }
        };
        match next {
            Ok(FillChunk::Data(mut data)) => {
                if let Some(span) = part {
                    let piece = Bytes::copy_from_slice(ranges::overlap(&data, at, span));
                    at += data.len() as u64;
                    data = piece;
                    if at >= span.1 {
                        // The rest is for others.
                        if let Some(before) = held {
                            cx.client.send(cx.tx, &before).await?;
                        }
                        cx.client.last(cx.tx, &data).await?;
                        return Ok(Joined::Served);
                    }
                    if data.is_empty() {
                        continue;
                    }
                }
                if let Some(before) = held.replace(data) {
                    cx.client.send(cx.tx, &before).await?;
                }
            }
            Ok(FillChunk::End) => {
                cx.client
                    .last(cx.tx, held.as_deref().unwrap_or_default())
                    .await?;
                return Ok(Joined::Served);
            }
            Ok(FillChunk::Aborted) | Err(_) => {
                if let Some(before) = held {
                    cx.client.send(cx.tx, &before).await?;
                }
                cx.client.keep_alive = false;
                return Err(ClientError::Truncated);
            }
        }
    }
}

/// The one part that a client wants of an answer that is on its way. Several, and none, are answered with the whole.
fn part_of(cx: &Cx<'_>, head: &FillHead) -> Option<Span> {
    if !cx.tx.fields().has(Name::Range) {
        return None;
    }
    match ranges::wanted(cx, head.status(), &head.fields(), head.content_length()?) {
        Ranges::Parts(spans) if spans.len() == 1 => spans.first().copied(),
        _ => None,
    }
}
