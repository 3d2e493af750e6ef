//! Spans for a collector: the OpenTelemetry Protocol over HTTP, as JSON (OTLP 1.x, `/v1/traces`).
//!
//! A request that is to be kept leaves a span in a bounded queue when it has ended; a thread sends them on, many at once.
//! Nobody waits for a collector: what finds no room, or cannot be sent, is lost and counted. Arguments of a request are
//! left out, and of the client nothing is said.
//!
//! Limits: [`QUEUE`], [`BATCH`], [`PAUSE`], [`PATIENCE`].

use crate::{pipeline::Cx, plan::RoutePlan, trace::Trace};
use prometheus::IntCounter;
use seawall_conf::model::Collector;
use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::{
        OnceLock,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

/// Spans that wait.
pub const QUEUE: usize = 4096;
/// Spans of one message.
pub const BATCH: usize = 512;
/// How long spans are gathered.
pub const PAUSE: Duration = Duration::from_secs(1);
/// How long a collector may take for a message.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A request that has ended.
pub struct Span {
    /// Where it is in its trace.
    pub trace: Trace,
    /// Its first byte, milliseconds since 1970.
    pub started_ms: u64,
    /// The last of its answer.
    pub ended_ms: u64,
    /// Its method.
    pub method: String,
    /// Its path, without arguments.
    pub path: String,
    /// The site.
    pub site: String,
    /// The route's path as written.
    pub route: Option<String>,
    /// The status of its answer.
    pub status: u16,
}

impl Span {
    /// Of a request that has ended.
    pub fn of(cx: &Cx<'_>, route: Option<&RoutePlan>) -> Self {
        Self {
            trace: cx.tx.trace,
            started_ms: cx.tx.started_ms,
            ended_ms: cx.tx.ended_ms,
            method: String::from_utf8_lossy(cx.tx.method_text()).into_owned(),
            path: String::from_utf8_lossy(cx.tx.raw_path()).into_owned(),
            site: cx.site.name.clone(),
            route: route.map(|r| r.name.to_string()),
            status: cx.tx.status,
        }
    }
}

/// What becomes of spans.
#[derive(Clone)]
pub struct Counters {
    /// Taken by the collector.
    pub sent: IntCounter,
    /// Lost: no room, or no collector.
    pub lost: IntCounter,
}

/// Sends spans to one collector.
pub struct Exporter {
    to: Collector,
    counters: Counters,
    queue: OnceLock<Option<SyncSender<Span>>>,
}

impl Exporter {
    /// Nothing runs before the first span comes.
    pub fn new(to: Collector, counters: Counters) -> Self {
        Self {
            to,
            counters,
            queue: OnceLock::new(),
        }
    }

    /// Whether it sends there.
    pub fn is_for(&self, to: &Collector) -> bool {
        self.to == *to
    }

    /// Takes a span, if there is room.
    pub fn take(&self, span: Span) {
        let queue = self.queue.get_or_init(|| self.start());
        let taken = queue.as_ref().is_some_and(|q| q.try_send(span).is_ok());
        if !taken {
            self.counters.lost.inc();
        }
    }

    fn start(&self) -> Option<SyncSender<Span>> {
        let (queue, spans) = sync_channel(QUEUE);
        let (to, counters) = (self.to.clone(), self.counters.clone());
        std::thread::Builder::new()
            .name("otlp".into())
            .spawn(move || run(&to, &counters, &spans))
            .ok()?;
        Some(queue)
    }
}

fn run(to: &Collector, counters: &Counters, spans: &Receiver<Span>) {
    while let Ok(first) = spans.recv() {
        let until = Instant::now() + PAUSE;
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match spans.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(span) => batch.push(span),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        let sent = send(to, &message(&batch).to_string());
        let counter = if sent.is_ok() {
            &counters.sent
        } else {
            &counters.lost
        };
        counter.inc_by(batch.len() as u64);
    }
}

/// `ExportTraceServiceRequest`, in the JSON mapping of the protocol: ids in hexadecimal, 64 bits as text.
fn message(batch: &[Span]) -> Value {
    let spans: Vec<Value> = batch.iter().map(span).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": [
            text("service.name", "seawall"),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ] },
        "scopeSpans": [{ "scope": { "name": "seawall" }, "spans": spans }],
    }] })
}

/// A span of kind SERVER, with the names of the semantic conventions for HTTP.
fn span(span: &Span) -> Value {
    let mut attributes = vec![
        text("http.request.method", &span.method),
        text("url.path", &span.path),
        text("server.address", &span.site),
        json!({ "key": "http.response.status_code", "value": { "intValue": span.status.to_string() } }),
    ];
    let name = match &span.route {
        Some(route) => {
            attributes.push(text("http.route", route));
            format!("{} {route}", span.method)
        }
        None => span.method.clone(),
    };
    let nanos = |ms: u64| (u128::from(ms) * 1_000_000).to_string();
    let mut value = json!({
        "traceId": digits(&span.trace.id),
        "spanId": digits(&span.trace.span),
        "name": name,
        "kind": 2,
        "startTimeUnixNano": nanos(span.started_ms),
        "endTimeUnixNano": nanos(span.ended_ms),
        "attributes": attributes,
        // An error of the client's is none of the server's.
        "status": { "code": if span.status >= 500 { 2 } else { 0 } },
    });
    if span.trace.is_continued()
        && let Some(fields) = value.as_object_mut()
    {
        fields.insert("parentSpanId".into(), digits(&span.trace.parent).into());
    }
    value
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn digits(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One message on a connection of its own.
fn send(to: &Collector, body: &str) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in to.address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return post(stream, to, body),
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn post(mut stream: TcpStream, to: &Collector, body: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        to.path,
        to.address,
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut status = [0; 12];
    stream.read_exact(&mut status)?;
    match status {
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            b'1',
            b'.',
            _,
            b' ',
            b'2',
            _,
            _,
        ] => Ok(()),
        _ => Err(io::Error::other("the collector refused")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_place_in_the_trace_and_the_conventions_names() {
        let trace = Trace {
            id: *b"4bf92f3577b34da6a3ce929d0e0e4736",
            span: *b"00f067aa0ba902b7",
            ..Trace::default()
        };
        let mut one = Span {
            trace,
            started_ms: 1_700_000_000_000,
            ended_ms: 1_700_000_000_025,
            method: "GET".into(),
            path: "/a".into(),
            site: "a.test".into(),
            route: Some("/".into()),
            status: 502,
        };
        let value = span(&one);
        assert_eq!(value["name"], "GET /");
        assert_eq!(value["startTimeUnixNano"], "1700000000000000000");
        assert_eq!(value["endTimeUnixNano"], "1700000000025000000");
        assert_eq!(value["status"]["code"], 2);
        assert!(value.get("parentSpanId").is_none());
        one.trace.parent = *b"00f067aa0ba902b8";
        one.status = 404;
        let value = span(&one);
        assert_eq!(value["parentSpanId"], "00f067aa0ba902b8");
        assert_eq!(value["status"]["code"], 0);
    }
}
