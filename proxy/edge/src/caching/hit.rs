//! A stored response on its way to a client: its head was serialised when it was stored, so a hit copies it, adds what
//! belongs to this moment (Age, Cache-Status) and writes head and body together.

use super::{filed, paged, ranges, slices};
use crate::{
    client::{ClientError, Length},
    content::ranges::Ranges,
    filter::Then,
    origin,
    pipeline::Cx,
    plan::{CacheUse, ProxyPlan, RoutePlan},
};
use bytes::Bytes;
use seawall_cache::{CacheStatus, Hit, Request, not_modified};
use seawall_http::{Coding, Name, encode};
use std::sync::Arc;

/// Bodies up to this size are kept in their coded forms, too; a larger one is coded as it is sent.
const CODED_BYTES_MAX: u64 = 1 << 20;

/// What is said in `Cache-Status`.
pub struct Told(pub CacheStatus<'static>);

impl Told {
    /// A fresh hit.
    pub fn hit(hit: &Hit) -> Self {
        Self(CacheStatus {
            hit: true,
            ttl_s: Some(hit.ttl_s),
            ..CacheStatus::default()
        })
    }

    /// A stale one.
    pub fn stale(hit: &Hit) -> Self {
        Self(CacheStatus {
            hit: true,
            ttl_s: Some(hit.ttl_s),
            detail: Some("stale"),
            ..CacheStatus::default()
        })
    }

    /// Forwarded, for a reason.
    pub fn forwarded(why: &'static str) -> Self {
        Self(CacheStatus {
            fwd: Some(why),
            ..CacheStatus::default()
        })
    }

    /// Appends the header line.
    pub fn line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Cache-Status: ");
        seawall_cache::status::write(out, &self.0);
        out.extend_from_slice(b"\r\n");
    }
}

/// Fields of a 304 (RFC 9110 §15.4.5).
const OF_304: [Name; 7] = [
    Name::CacheControl,
    Name::ContentLocation,
    Name::Date,
    Name::ETag,
    Name::Expires,
    Name::LastModified,
    Name::Vary,
];

/// Sends a stored response, or 304 where the client has it.
pub async fn send(
    cx: &mut Cx<'_>,
    route: &Arc<RoutePlan>,
    proxy: &ProxyPlan,
    cache: &CacheUse,
    hit: &Hit,
    told: &Told,
) -> Result<(), ClientError> {
    let object = &hit.object;
    if hit.is_lost() {
        // Its segment made room this very moment: nothing was said yet, and the client asks again.
        cx.client.keep_alive = false;
        return Err(ClientError::Truncated);
    }
    let request = Request {
        method: cx.tx.head.method,
        fields: cx.tx.fields(),
        now_ms: cx.tx.now_ms,
    };
    if not_modified(object, &request) {
        return send_304(cx, route, cache, hit, told).await;
    }
    if object.sliced().is_some() {
        return Box::pin(slices::send(cx, route, proxy, cache, hit, told)).await;
    }
    if request.fields.has(Name::Range) {
        let length = object.content_length();
        match ranges::wanted(cx, object.status(), &object.fields(), length) {
            Ranges::Whole => {}
            Ranges::Unsatisfiable => return Box::pin(ranges::refuse(cx, route, length)).await,
            Ranges::Parts(spans) => {
                let mut body = ranges::Body::Stored(cache, hit);
                let sent = ranges::send(cx, route, cache, hit, told, &spans, &mut body);
                return Box::pin(sent).await;
            }
        }
    }
    // With policies on the response the head is taken apart again; without, it is copied as it stands.
    let plain = origin::rules(route).is_none()
        && route.leaves_responses()
        && cx.tx.waf_report.is_none()
        && cx.tx.judging.is_none()
        && cx.tx.granted.is_none()
        && cx.tx.limit_lines.is_empty();
    if plain {
        cx.tx.out.clear();
        cx.tx.out.extend_from_slice(object.head());
        moment(cache, hit, told, &mut cx.tx.out);
        cx.client.stated(cx.tx, Some(cx.site), object.status());
    } else {
        cx.tx.lines.clear();
        cx.tx.lines.extend_from_slice(field_lines(object.head()));
        origin::adjust(cx, route);
        moment(cache, hit, told, &mut cx.tx.lines);
        // What is judged is judged as it was before it was coded.
        let keeps = route.compress.is_some()
            && cx.tx.judging.is_none()
            && object.content_length() <= CODED_BYTES_MAX;
        cx.tx.stored = keeps.then(|| object.clone());
        cx.client.head(
            cx.local,
            cx.tx,
            Some(cx.site),
            Some(route),
            object.status(),
            Length::Stated,
        );
        if let (Some(coding), Some(_)) = (cx.tx.coding, cx.tx.stored.take()) {
            return Box::pin(send_coded(cx, cache, hit, coding)).await;
        }
    }
    if let Some(body) = &hit.file {
        let all = (0, object.content_length());
        Box::pin(filed::send(cx, cache, hit, body, all)).await?;
        return cx.client.last(cx.tx, b"").await;
    }
    if let Some(pages) = paged::of(cx, object) {
        return Box::pin(paged::send(cx, pages)).await;
    }
    match object.body() {
        Some(body) => cx.client.last(cx.tx, body).await,
        None => {
            for piece in object.chunks() {
                cx.client.send(cx.tx, piece).await?;
            }
            cx.client.last(cx.tx, b"").await
        }
    }
}

/// Sends the body in a coding: as it is kept, or made now and kept for the next.
async fn send_coded(
    cx: &mut Cx<'_>,
    cache: &CacheUse,
    hit: &Hit,
    coding: Coding,
) -> Result<(), ClientError> {
    let object = &hit.object;
    if cx.tx.filters.is_empty() {
        let kept = object.coded(coding).map_or(&[][..], |kept| kept);
        return cx.client.last(cx.tx, kept).await;
    }
    let loaded = match &hit.file {
        Some(body) => vec![Bytes::from(filed::load(cache, hit, body).await?)],
        None => Vec::new(),
    };
    let mut filters = std::mem::take(&mut cx.tx.filters);
    let mut coded = Vec::new();
    for piece in object.chunks().iter().chain(&loaded) {
        let mut rest: &[u8] = piece;
        while !rest.is_empty() {
            let (taken, out) = filters.run(rest, Then::More).await?;
            coded.extend_from_slice(&out);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
    let (_, out) = filters.run(b"", Then::End).await?;
    coded.extend_from_slice(&out);
    let coded = Bytes::from(coded.into_boxed_slice());
    object.keep_coded(&cache.cache, coding, coded.clone());
    cx.client.last(cx.tx, &coded).await
}

async fn send_304(
    cx: &mut Cx<'_>,
    route: &RoutePlan,
    cache: &CacheUse,
    hit: &Hit,
    told: &Told,
) -> Result<(), ClientError> {
    cx.tx.lines.clear();
    for (id, name, value) in hit.object.fields().iter() {
        if OF_304.contains(&id) {
            encode::field(&mut cx.tx.lines, name, value);
        }
    }
    moment(cache, hit, told, &mut cx.tx.lines);
    cx.client.head(
        cx.local,
        cx.tx,
        Some(cx.site),
        Some(route),
        304,
        Length::Said(None),
    );
    cx.client.last(cx.tx, b"").await
}

/// Appends what belongs to this moment.
pub fn moment(cache: &CacheUse, hit: &Hit, told: &Told, out: &mut Vec<u8>) {
    if cache.reports {
        out.extend_from_slice(b"Age: ");
        out.extend_from_slice(itoa::Buffer::new().format(hit.age_s).as_bytes());
        out.extend_from_slice(b"\r\n");
        told.line(out);
    }
}

/// The field lines of a stored head, without its status line.
pub fn field_lines(head: &[u8]) -> &[u8] {
    let after = memchr::memchr(b'\n', head).map_or(0, |n| n + 1);
    head.get(after..).unwrap_or_default()
}
