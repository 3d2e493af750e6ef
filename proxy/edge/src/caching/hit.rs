//! A stored response on its way to a client: its head was serialised when it was stored, so a hit copies it, adds what
//! belongs to this moment (Age, Cache-Status) and writes head and body together.

use crate::{
    client::{ClientError, Length},
    pipeline::Cx,
    plan::{CacheUse, RoutePlan},
};
use seawall_cache::{CacheStatus, Hit, Request, not_modified};
use seawall_http::{Name, encode};

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
    route: &RoutePlan,
    cache: &CacheUse,
    hit: &Hit,
    told: &Told,
) -> Result<(), ClientError> {
    let object = &hit.object;
    let request = Request {
        method: cx.tx.head.method,
        fields: cx.tx.fields(),
        now_ms: cx.tx.now_ms,
    };
    if cx.tx.head.method == seawall_http::Method::Get && not_modified(object, &request) {
        return send_304(cx, route, cache, hit, told).await;
    }
    // With policies on the response the head is taken apart again; without, it is copied as it stands.
    let plain = route.leaves_responses() && cx.tx.waf_report.is_none() && cx.tx.granted.is_none();
    if plain {
        cx.tx.out.clear();
        cx.tx.out.extend_from_slice(object.head());
        moment(cache, hit, told, &mut cx.tx.out);
        cx.client.stated(cx.tx, Some(cx.site), object.status());
    } else {
        cx.tx.lines.clear();
        cx.tx.lines.extend_from_slice(field_lines(object.head()));
        moment(cache, hit, told, &mut cx.tx.lines);
        cx.client.head(
            cx.local,
            cx.tx,
            Some(cx.site),
            Some(route),
            object.status(),
            Length::Stated,
        );
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

fn moment(cache: &CacheUse, hit: &Hit, told: &Told, out: &mut Vec<u8>) {
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
