//! `GET /api/v1/tail`: requests as they end, as an event stream (WHATWG HTML, "Server-sent events").
//!
//! Each event is one request: a line of JSON under `data:`. A watcher that is too slow gets `event: missed` with how many it
//! has missed. A comment every 15 s keeps the connection and finds out whether anybody is still there. A stream ends with
//! its connection, after [`crate::STREAM_TIME_MAX`] at the latest: whoever watches asks again.

use crate::{Problem, answers::Ask};
use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::mpsc;

/// How often a silent stream says that it is there.
const COMMENT_EVERY: Duration = Duration::from_secs(15);

/// Events that wait for a client's connection.
const WAITING_MAX: usize = 64;

/// Where requests come from.
pub trait Watch: Send {
    /// The next request, or how many were missed; `None` when there will be no more.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Watched>> + Send + '_>>;
}

/// What a watcher sees.
#[derive(Clone, Debug)]
pub enum Watched {
    /// A request: a line of JSON.
    Request(Arc<str>),
    /// So many were missed.
    Missed(u64),
}

/// Which requests are wanted.
#[derive(Default)]
struct Filter {
    site: Option<String>,
    status: Option<String>,
    path: Option<String>,
    client: Option<String>,
}

impl Filter {
    fn is_empty(&self) -> bool {
        self.site.is_none() && self.status.is_none() && self.path.is_none() && self.client.is_none()
    }

    fn wants(&self, request: &str) -> bool {
        if self.is_empty() {
            return true;
        }
        let Ok(value) = serde_json::from_str::<Value>(request) else {
            return false;
        };
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let status = value
            .get("status")
            .and_then(Value::as_u64)
            .unwrap_or(0)
            .to_string();
        let is_status = |wanted: &String| match wanted.strip_suffix("xx") {
            Some(class) => status.starts_with(class) && status.len() == 3,
            None => status == *wanted,
        };
        self.site.as_ref().is_none_or(|s| text("site") == s)
            && self.client.as_ref().is_none_or(|c| text("client") == c)
            && self
                .path
                .as_ref()
                .is_none_or(|p| text("target").starts_with(p.as_str()))
            && self.status.as_ref().is_none_or(is_status)
    }
}

/// Answers with the stream.
pub(crate) fn stream(ask: &Ask) -> Result<Response, Problem> {
    let named = |name| ask.argument(name).map(str::to_owned);
    let filter = Filter {
        site: named("site"),
        status: named("status"),
        path: named("path"),
        client: named("client"),
    };
    let Some(mut watch) = ask.state.control.watch() else {
        let detail = "as many watch as may: close another one";
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too Many Watchers",
            detail,
        ));
    };
    let (sender, events) = mpsc::channel::<Bytes>(WAITING_MAX);
    tokio::spawn(async move {
        // The head of the answer goes out with the first bytes of its body.
        let mut said = Bytes::from_static(b": watching\n\n");
        loop {
            // It fails when the client is gone.
            if !said.is_empty() && sender.send(said).await.is_err() {
                return;
            }
            said = match tokio::time::timeout(COMMENT_EVERY, watch.next()).await {
                Err(_) => Bytes::from_static(b":\n\n"),
                Ok(None) => return,
                Ok(Some(Watched::Missed(n))) => format!("event: missed\ndata: {n}\n\n").into(),
                Ok(Some(Watched::Request(line))) if filter.wants(&line) => {
                    format!("data: {line}\n\n").into()
                }
                Ok(Some(Watched::Request(_))) if sender.is_closed() => return,
                Ok(Some(Watched::Request(_))) => Bytes::new(),
            };
        }
    });
    let head = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((head, Body::new(Events(events))).into_response())
}

/// The stream as a body.
struct Events(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let next = self.0.poll_recv(cx);
        next.map(|bytes| bytes.map(|b| Ok(hyper::body::Frame::data(b))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_what_fits_all_it_says() {
        let request = r#"{"site":"a.test","status":404,"target":"/x/y","client":"10.0.0.1"}"#;
        let filter = |site: Option<&str>, status: Option<&str>, path: Option<&str>| Filter {
            site: site.map(str::to_owned),
            status: status.map(str::to_owned),
            path: path.map(str::to_owned),
            client: None,
        };
        for (wanted, filter) in [
            (true, filter(None, None, None)),
            (true, filter(Some("a.test"), Some("4xx"), Some("/x"))),
            (true, filter(None, Some("404"), None)),
            (false, filter(None, Some("5xx"), None)),
            (false, filter(Some("b.test"), None, None)),
            (false, filter(None, None, Some("/z"))),
            (false, filter(None, Some("xx"), Some("/z"))),
        ] {
            assert_eq!(filter.wants(request), wanted);
        }
    }
}
