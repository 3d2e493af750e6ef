//! Responses to a client: head in one piece with the first of the body, framing, pages for errors.

use super::{Client, ClientError};
use crate::{
    filter::{self, Then},
    local::Local,
    plan::{HeaderSet, RoutePlan, SitePlan},
    step::Step,
    template::Scope,
    tx::Tx,
    waf_response::{self, Held},
};
use seawall_http::{Version, encode};
use std::{borrow::Cow, io::Write};

/// Length of a response body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So many bytes.
    Known(u64),
    /// Not known: chunked, or until the end for HTTP/1.0.
    Unknown,
    /// The header lines say it already.
    Stated,
    /// The origin's answer to HEAD or a 304: the length is said, if known, but no body follows.
    Said(Option<u64>),
}

/// An answer made here.
#[derive(Clone, Copy)]
pub struct Reply<'a> {
    /// Status.
    pub status: u16,
    /// Body; `None` makes a page for the status.
    pub body: Option<&'a [u8]>,
    /// Location, for redirects.
    pub location: Option<&'a [u8]>,
    /// Content type of `body`.
    pub content_type: &'a [u8],
    /// One more sentence for the page.
    pub note: &'a str,
    /// More header lines, whole.
    pub lines: &'a [u8],
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
}

impl<'a> Reply<'a> {
    /// A page for a status.
    pub fn error(status: u16) -> Self {
        Self {
            status,
            body: None,
            location: None,
            content_type: b"",
            note: "",
            lines: b"",
            retry_after_s: None,
        }
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &'a [u8]) -> Self {
        Self {
            location: Some(location),
            ..Self::error(status)
        }
    }
}

/// Bodies up to this size are copied behind their head and leave in one write; larger ones are written beside it.
const TOGETHER_BYTES: usize = 16 * 1024;

/// Puts header lines of a reply into `tx.lines` and gives its body.
pub(super) fn compose<'a>(
    tx: &mut Tx,
    site: Option<&SitePlan>,
    route: Option<&RoutePlan>,
    reply: &Reply<'a>,
) -> Cow<'a, [u8]> {
    tx.lines.clear();
    tx.lines.extend_from_slice(reply.lines);
    if let Some(seconds) = reply.retry_after_s {
        let mut digits = itoa::Buffer::new();
        encode::field(
            &mut tx.lines,
            b"Retry-After",
            digits.format(seconds).as_bytes(),
        );
    }
    if let Some(location) = reply.location {
        encode::field(&mut tx.lines, b"Location", &in_one_line(location));
    }
    match reply.body {
        Some(body) => {
            if !reply.content_type.is_empty() {
                encode::field(&mut tx.lines, b"Content-Type", reply.content_type);
            }
            Cow::Borrowed(body)
        }
        None if matches!(reply.status, 204 | 304) => Cow::Borrowed(b""),
        None => {
            encode::field(&mut tx.lines, b"Content-Type", b"text/html");
            let style = PageStyle {
                with_id: site.is_some_and(|s| s.yaml),
                nginx: site.is_some_and(|s| !s.yaml),
                version: shows_version(site, route),
            };
            Cow::Owned(page(tx, &style, reply))
        }
    }
}

/// A location whose control characters are escaped: decoded paths and captures may hold CR and LF, which would end the
/// field and begin another.
fn in_one_line(location: &[u8]) -> Cow<'_, [u8]> {
    if encode::is_field_value(location) {
        return Cow::Borrowed(location);
    }
    let mut escaped = Vec::with_capacity(location.len() + 16);
    for &byte in location {
        match byte {
            0..=b' ' | 127 => escaped.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            _ => escaped.push(byte),
        }
    }
    Cow::Owned(escaped)
}

/// Our name, with and without the version.
const NAME: &str = "seawall";
const NAME_AND_VERSION: &str = concat!("seawall/", env!("CARGO_PKG_VERSION"));

fn shows_version(site: Option<&SitePlan>, route: Option<&RoutePlan>) -> bool {
    let rules = route.map(|r| &r.rules).or(site.map(|s| &s.rules));
    rules.is_some_and(|r| r.version_shown)
}

/// How the page of a status looks.
struct PageStyle {
    with_id: bool,
    /// The words are nginx's.
    nginx: bool,
    version: bool,
}

impl PageStyle {
    /// In the place of a response that the WAF refused: the id leads to the rules.
    const REFUSAL: Self = Self {
        with_id: true,
        nginx: false,
        version: false,
    };
}

/// What nginx's pages call a status otherwise than RFC 9110 does (ngx_http_special_response).
fn nginx_reason(status: u16) -> &'static str {
    match status {
        405 => "Not Allowed",
        408 => "Request Time-out",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        416 => "Requested Range Not Satisfiable",
        431 => "Request Header Or Cookie Too Large",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        other => encode::reason(other),
    }
}

/// The page of a status. Nothing of the request is repeated in it but the id.
fn page(tx: &Tx, style: &PageStyle, reply: &Reply<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let reason = match style.nginx {
        true => nginx_reason(reply.status),
        false => encode::reason(reply.status),
    };
    let status = reply.status;
    let _ = write!(
        out,
        "<html>\r\n<head><title>{status} {reason}</title></head>\r\n<body>\r\n<center><h1>{status} {reason}</h1></center>\r\n"
    );
    if !reply.note.is_empty() {
        let _ = write!(out, "<center><p>{}</p></center>\r\n", reply.note);
    }
    if style.with_id && tx.has_id && status >= 400 {
        let _ = write!(
            out,
            "<center><p>Request id: {}</p></center>\r\n",
            String::from_utf8_lossy(&tx.id)
        );
    }
    let name = if style.version {
        NAME_AND_VERSION
    } else {
        NAME
    };
    let _ = write!(out, "<hr><center>{name}</center>\r\n</body>\r\n</html>\r\n");
    out
}

impl Client {
    /// Composes the head of a response from `tx.lines` into `tx.out`; it leaves with the first of the body.
    pub fn head(
        &mut self,
        local: &Local,
        tx: &mut Tx,
        site: Option<&SitePlan>,
        route: Option<&RoutePlan>,
        status: u16,
        length: Length,
    ) {
        let status = match tx.redirected.status {
            0 => status,
            of_page => of_page,
        };
        if !tx.redirected.lines.is_empty() {
            carry(tx);
        }
        if tx.judging.is_some() {
            let bodiless = self.bodiless || matches!(length, Length::Said(_));
            waf_response::judge_head(tx, self.info.serial, status, bodiless);
        }
        self.apply_policy(local, tx, site, route, status);
        let length = match route.and_then(|r| r.compress.as_deref()) {
            Some(plan) => filter::plan_response(local, tx, plan, status, length),
            None => length,
        };
        tx.out.clear();
        encode::status_line(&mut tx.out, status);
        let lines = std::mem::take(&mut tx.lines);
        tx.out.extend_from_slice(&lines);
        tx.lines = lines;
        if !has_line(&tx.lines, b"server") {
            tx.out.extend_from_slice(match shows_version(site, route) {
                false => b"Server: seawall\r\n",
                true => concat!("Server: seawall/", env!("CARGO_PKG_VERSION"), "\r\n").as_bytes(),
            });
        }
        if !has_line(&tx.lines, b"date") {
            tx.out.extend_from_slice(b"Date: ");
            local.clock.http_date(tx.now_ms, &mut tx.out);
            tx.out.extend_from_slice(b"\r\n");
        }
        if let Some((name, ids)) = tx.waf_report.take() {
            encode::field(&mut tx.out, name.as_bytes(), ids.as_bytes());
        }
        tx.out.extend_from_slice(&tx.limit_lines);
        if let Some(granted) = &tx.granted {
            tx.out.extend_from_slice(&granted.response_lines);
        }
        self.frame(tx, site, status, length);
    }

    /// Composes the head of a response whose status line and header lines stand in `tx.out` already.
    fn frame(&mut self, tx: &mut Tx, site: Option<&SitePlan>, status: u16, length: Length) {
        tx.step = Step::Deliver;
        tx.status = status;
        self.bodiless |= matches!(status, 204 | 304) || matches!(length, Length::Said(_));
        match length {
            Length::Known(n) if !matches!(status, 204 | 304) => {
                encode::content_length(&mut tx.out, n)
            }
            Length::Said(Some(n)) if status != 204 => encode::content_length(&mut tx.out, n),
            Length::Unknown if self.bodiless || tx.head.version == Version::Http2 => {}
            Length::Unknown if tx.head.version == Version::Http11 => {
                self.chunked = true;
                tx.out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            }
            Length::Unknown => self.keep_alive = false,
            _ => {}
        }
        self.finish_head(tx, site);
    }

    /// Ends a head in `tx.out` that says its own length.
    pub fn stated(&mut self, tx: &mut Tx, site: Option<&SitePlan>, status: u16) {
        tx.step = Step::Deliver;
        tx.status = status;
        self.finish_head(tx, site);
    }

    /// Ends a head that says its own length.
    fn finish_head(&mut self, tx: &mut Tx, site: Option<&SitePlan>) {
        if tx.head.version == Version::Http2 {
            // Streams have no such fields (RFC 9113 §8.2.2).
        } else if !self.keep_alive {
            tx.out.extend_from_slice(b"Connection: close\r\n");
        } else if tx.head.version == Version::Http10 || site.is_some_and(|s| !s.yaml) {
            tx.out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        tx.out.extend_from_slice(b"\r\n");
        tx.out_head = tx.out.len();
    }

    pub(super) fn apply_policy(
        &self,
        local: &Local,
        tx: &mut Tx,
        site: Option<&SitePlan>,
        route: Option<&RoutePlan>,
        status: u16,
    ) {
        let Some(route) = route.filter(|r| !r.leaves_responses()) else {
            return;
        };
        tx.status = status;
        let mut lines = std::mem::take(&mut tx.lines);
        for name in &route.response_remove {
            remove_lines(&mut lines, name);
        }
        let mut value = std::mem::take(&mut tx.scratch);
        let mut add = |header: &HeaderSet, replaces: bool, lines: &mut Vec<u8>| {
            value.clear();
            let scope = Scope {
                tx,
                conn: &self.info,
                site,
                clock: &local.clock,
                process: &local.process,
            };
            header.value.render(&scope, &mut value);
            if replaces {
                remove_lines(lines, &header.name);
            }
            if !value.is_empty() && encode::is_field_value(&value) {
                encode::field(lines, &header.name, &value);
            }
        };
        for header in &route.response_set {
            add(header, true, &mut lines);
        }
        // Without `always` to these only (ngx_http_headers_module).
        let listed = matches!(status, 200 | 201 | 204 | 206 | 301..=304 | 307 | 308);
        if let Some(expires) = route.rules.expires.as_ref().filter(|_| listed) {
            super::expires::put(expires, &scope_of(tx, &self.info, local, site), &mut lines);
        }
        for (header, _) in route
            .response_add
            .iter()
            .filter(|(_, always)| *always || listed)
        {
            add(header, false, &mut lines);
        }
        tx.scratch = value;
        if let Some(exposure) = &route.exposure {
            exposure.apply(tx, self.info.tls, &mut lines);
        }
        tx.lines = lines;
    }

    /// Sends a piece of the body, with the head if that is still waiting.
    pub async fn send(&mut self, tx: &mut Tx, data: &[u8]) -> Result<(), ClientError> {
        if tx.judging.is_some() {
            return Box::pin(self.send_judged(tx, data, false)).await;
        }
        if data.is_empty() && tx.sent > 0 {
            return Ok(());
        }
        if !tx.filters.is_empty() {
            return Box::pin(self.filter(tx, data, Then::More)).await;
        }
        self.put(tx, data, false).await
    }

    /// Sends what filters hold back of a body that stands still for now.
    pub async fn flush(&mut self, tx: &mut Tx) -> Result<(), ClientError> {
        if tx.judging.is_some() {
            return Ok(());
        }
        Box::pin(self.filter(tx, b"", Then::Flush)).await
    }

    /// Sends the last piece of the body and ends the response.
    pub async fn last(&mut self, tx: &mut Tx, data: &[u8]) -> Result<(), ClientError> {
        if tx.judging.is_some() {
            return Box::pin(self.send_judged(tx, data, true)).await;
        }
        if !tx.filters.is_empty() {
            return Box::pin(self.filter(tx, data, Then::End)).await;
        }
        self.put(tx, data, true).await
    }

    /// As [`last`](Self::last), with trailers (whole lines) where there is a place for them: behind chunks, or on a stream.
    pub async fn last_with_trailers(
        &mut self,
        tx: &mut Tx,
        data: &[u8],
        lines: &[u8],
    ) -> Result<(), ClientError> {
        tx.trailers.clear();
        tx.trailers.extend_from_slice(lines);
        self.last(tx, data).await
    }

    /// Sends a piece of a response that the WAF judges: held back until it has, and replaced if it refuses.
    async fn send_judged(
        &mut self,
        tx: &mut Tx,
        data: &[u8],
        last: bool,
    ) -> Result<(), ClientError> {
        let serial = self.info.serial;
        match waf_response::judge_body(tx, serial, data, last).await {
            Held::Yes => Ok(()),
            Held::Release(body) if last => self.last(tx, &body).await,
            Held::Release(body) => self.send(tx, &body).await,
            Held::Refuse(status) => {
                self.replace(tx, status);
                let body = page(tx, &PageStyle::REFUSAL, &Reply::error(status));
                self.put(tx, &body, true).await
            }
        }
    }

    /// Composes the head of an error page in the place of a head that waits.
    fn replace(&mut self, tx: &mut Tx, status: u16) {
        let body_length = page(tx, &PageStyle::REFUSAL, &Reply::error(status)).len() as u64;
        self.chunked = false;
        tx.filters = filter::Chain::default();
        tx.out.clear();
        encode::status_line(&mut tx.out, status);
        encode::field(&mut tx.out, b"Server", b"seawall");
        encode::field(&mut tx.out, b"Content-Type", b"text/html");
        if let Some((name, ids)) = tx.waf_report.take() {
            encode::field(&mut tx.out, name.as_bytes(), ids.as_bytes());
        }
        self.frame(tx, None, status, Length::Known(body_length));
    }

    /// Sends what filters make of a piece. Boxed by its callers: most responses have none.
    async fn filter(
        &mut self,
        tx: &mut Tx,
        mut data: &[u8],
        then: Then,
    ) -> Result<(), ClientError> {
        let mut filters = std::mem::take(&mut tx.filters);
        loop {
            let (taken, out) = filters.run(data, then).await?;
            data = data.get(taken..).unwrap_or_default();
            let over = data.is_empty();
            if over && then == Then::End {
                // Its place among the encoders is free before the client can know of it.
                drop(filters);
                return self.put(tx, &out, true).await;
            }
            if !out.is_empty() {
                self.put(tx, &out, false).await?;
            }
            if over {
                tx.filters = filters;
                return Ok(());
            }
        }
    }

    async fn put(&mut self, tx: &mut Tx, data: &[u8], last: bool) -> Result<(), ClientError> {
        let data = if self.bodiless { &[] } else { data };
        match self.pace {
            None => self.put_now(tx, data, last).await,
            Some(pace) => Box::pin(self.put_paced(tx, pace, data, last)).await,
        }
    }

    pub(super) async fn put_now(
        &mut self,
        tx: &mut Tx,
        data: &[u8],
        last: bool,
    ) -> Result<(), ClientError> {
        if self.io.is_stream() {
            return self.put_stream(tx, data, last).await;
        }
        let first = tx.sent == 0;
        // The head stays in `tx.out` for the log; later frames use the scratch buffer.
        let mut out = std::mem::take(if first { &mut tx.out } else { &mut tx.scratch });
        if !first {
            out.clear();
        }
        let chunked = self.chunked && !self.bodiless;
        if chunked && !data.is_empty() {
            encode::chunk_head(&mut out, data.len());
        }
        let result = if data.len() + out.len() <= TOGETHER_BYTES {
            out.extend_from_slice(data);
            end_chunk(&mut out, chunked, !data.is_empty(), last, &tx.trailers);
            self.write(&out, b"").await.map(|()| out.len())
        } else {
            self.put_apart(&out, data, chunked, last, &tx.trailers)
                .await
        };
        if first {
            out.truncate(tx.out_head);
            tx.out = out;
        } else {
            tx.scratch = out;
        }
        tx.sent += result? as u64;
        tx.body_sent += data.len() as u64;
        Ok(())
    }

    /// As `put`, on a stream: h2 makes the frames, so only the bytes are handed on, as its windows take them.
    async fn put_stream(
        &mut self,
        tx: &mut Tx,
        data: &[u8],
        last: bool,
    ) -> Result<(), ClientError> {
        let crate::io::Io::Stream(stream) = &self.io else {
            return Ok(());
        };
        let ends = last && tx.trailers.is_empty();
        if tx.sent == 0 {
            let lines = memchr::memchr(b'\n', &tx.out).map_or(0, |at| at + 1);
            let lines = tx.out.get(lines..).unwrap_or_default();
            stream.respond(tx.status, lines, ends && data.is_empty())?;
            tx.sent += tx.out_head as u64;
        }
        let mut at = 0;
        while let Some(rest) = data.get(at..).filter(|rest| !rest.is_empty()) {
            self.timer.set(self.timeout);
            let wrote = self
                .timer
                .guard(std::future::poll_fn(|cx| stream.poll_write(cx, rest, ends)));
            let n = wrote.await.map_err(|_| ClientError::Timeout)??;
            at += n;
            tx.sent += n as u64;
            tx.body_sent += n as u64;
        }
        if last && (!ends || data.is_empty()) {
            stream.end(&tx.trailers)?;
        }
        Ok(())
    }

    /// Writes a large piece beside what goes before it, without copying it; gives the bytes written.
    async fn put_apart(
        &mut self,
        before: &[u8],
        data: &[u8],
        chunked: bool,
        last: bool,
        trailers: &[u8],
    ) -> Result<usize, ClientError> {
        self.write(before, data).await?;
        let mut end = Vec::new();
        end_chunk(&mut end, chunked, true, last, trailers);
        if !end.is_empty() {
            self.write(&end, b"").await?;
        }
        Ok(before.len() + data.len() + end.len())
    }
}

fn end_chunk(out: &mut Vec<u8>, chunked: bool, had_data: bool, last: bool, trailers: &[u8]) {
    if chunked {
        if had_data {
            out.extend_from_slice(encode::CHUNK_END);
        }
        if last && trailers.is_empty() {
            out.extend_from_slice(encode::LAST_CHUNK);
        } else if last {
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(trailers);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Lines that an internal redirect carries over take the place of the answer's own.
fn carry(tx: &mut Tx) {
    let carried = std::mem::take(&mut tx.redirected.lines);
    let mut lines = std::mem::take(&mut tx.lines);
    for line in carried.split_inclusive(|b| *b == b'\n') {
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        remove_lines(&mut lines, name);
    }
    lines.extend_from_slice(&carried);
    tx.lines = lines;
}

fn scope_of<'a>(
    tx: &'a Tx,
    conn: &'a crate::tx::ConnInfo,
    local: &'a Local,
    site: Option<&'a SitePlan>,
) -> Scope<'a> {
    Scope {
        tx,
        conn,
        site,
        clock: &local.clock,
        process: &local.process,
    }
}

pub fn has_line(lines: &[u8], name: &[u8]) -> bool {
    let mut at = 0;
    while let Some(line) = lines.get(at..).filter(|l| !l.is_empty()) {
        if let Some((key, rest)) = line.split_at_checked(name.len())
            && rest.first() == Some(&b':')
            && key.eq_ignore_ascii_case(name)
        {
            return true;
        }
        at += memchr::memchr(b'\n', line).map_or(line.len(), |n| n + 1);
    }
    false
}

/// Removes the lines of a field from a block of header lines.
pub fn remove_lines(lines: &mut Vec<u8>, name: &[u8]) {
    if !has_line(lines, name) {
        return;
    }
    let kept: Vec<u8> = lines
        .split_inclusive(|b| *b == b'\n')
        .filter(|line| {
            !line
                .split_at_checked(name.len())
                .is_some_and(|(key, rest)| {
                    rest.first() == Some(&b':') && key.eq_ignore_ascii_case(name)
                })
        })
        .flatten()
        .copied()
        .collect();
    *lines = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_and_removed_by_whole_name() {
        let mut lines = b"A: 1\r\nAB: 2\r\na: 3\r\n".to_vec();
        assert!(has_line(&lines, b"ab"));
        assert!(!has_line(&lines, b"b"));
        remove_lines(&mut lines, b"a");
        assert_eq!(lines, b"AB: 2\r\n");
    }

    #[test]
    fn an_error_page_repeats_nothing_of_the_request() {
        let mut tx = Tx::default();
        tx.ensure_id(|| 7);
        let style = PageStyle {
            with_id: true,
            nginx: false,
            version: false,
        };
        let body = page(
            &tx,
            &style,
            &Reply {
                note: "Blocked.",
                ..Reply::error(403)
            },
        );
        let text = String::from_utf8(body).unwrap();
        assert!(
            text.contains("403 Forbidden")
                && text.contains("Blocked.")
                && text.contains("Request id: 7000")
        );
    }
}
