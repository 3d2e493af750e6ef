//! Requests to a CA: over our own TLS, bounded in time and bytes, each on a connection of its own.
//!
//! An order is a dozen requests in a quarter of a year: a pool would be state without use.

use super::limits::ANSWER_BYTES_MAX;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use parking_lot::Mutex;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The answers of a CA beyond what the client library tells: for explanations, and for `Retry-After` of refusals.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Last>>);

#[derive(Clone, Debug, Default)]
struct Last {
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl Seen {
    /// The status of the last answer; `None` when none came.
    pub(super) fn status(&self) -> Option<u16> {
        self.0.lock().status
    }

    /// What the last answer said in `Retry-After`.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.0.lock().retry_after
    }
}

/// A way to ask CAs.
#[derive(Clone)]
pub(super) struct Https {
    tls: Arc<ClientConfig>,
    time_max: Duration,
    seen: Seen,
}

impl Https {
    pub(super) fn new(tls: Arc<ClientConfig>, time_max: Duration) -> (Self, Seen) {
        let seen = Seen::default();
        let https = Self {
            tls,
            time_max,
            seen: seen.clone(),
        };
        (https, seen)
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        *self.seen.0.lock() = Last::default();
        let asked = tokio::time::timeout(self.time_max, exchange(&self.tls, request));
        let response = match asked.await {
            Ok(response) => response.map_err(|reason| Error::Other(reason.into()))?,
            Err(_) => {
                let reason = format!("no answer within {} ms", self.time_max.as_millis());
                return Err(Error::Other(reason.into()));
            }
        };
        *self.seen.0.lock() = Last {
            status: Some(response.status().as_u16()),
            retry_after: retry_after(response.headers().get(header::RETRY_AFTER)),
        };
        Ok(BytesResponse::from(response.map(Full::new)))
    }
}

impl HttpClient for Https {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().ask(request))
    }
}

/// One request and its answer. Errors are sentences: they end in a timeline.
async fn exchange(
    tls: &Arc<ClientConfig>,
    request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Bytes>, String> {
    let (mut parts, body) = request.into_parts();
    let uri = parts.uri.clone();
    if uri.scheme_str() != Some("https") {
        return Err(format!(
            "{uri} is not https: a CA is asked over nothing else"
        ));
    }
    let host = uri.host().ok_or_else(|| format!("{uri} names no host"))?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(443);
    let stream = TcpStream::connect((bare, port))
        .await
        .map_err(|e| format!("cannot connect to {host}:{port}: {e}"))?;
    let name = ServerName::try_from(bare.to_owned()).map_err(|e| format!("{host}: {e}"))?;
    let stream = TlsConnector::from(Arc::clone(tls))
        .connect(name, stream)
        .await
        .map_err(|e| format!("TLS with {host}:{port} failed: {e}"))?;
    let broken = |e: hyper::Error| format!("the connection to {host}:{port} broke: {e}");
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    parts.uri = path
        .parse()
        .map_err(|_| format!("{uri} has no usable path"))?;
    let authority = uri.authority().map_or(host, |a| a.as_str());
    let authority = HeaderValue::from_str(authority).map_err(|e| format!("{uri}: {e}"))?;
    parts.headers.insert(header::HOST, authority);
    let conversation = async {
        let response = sender
            .send_request(Request::from_parts(parts, body))
            .await
            .map_err(broken)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|e| {
            format!(
                "the answer of {host} is cut short or longer than {ANSWER_BYTES_MAX} bytes: {e}"
            )
        })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    tokio::pin!(conversation);
    // The connection is driven here and not in a task of its own: it ends with the question.
    tokio::pin!(connection);
    tokio::select! {
        biased;
        answer = &mut conversation => answer,
        ended = &mut connection => match ended {
            Err(e) => Err(broken(e)),
            // Closed behind the last byte: the answer is there, or never will be.
            Ok(()) => conversation.await,
        },
    }
}

/// Seconds or a date (RFC 9110 §10.2.3).
fn retry_after(value: Option<&HeaderValue>) -> Option<Duration> {
    let text = value?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let format = time::format_description::parse_borrowed::<2>(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT",
    )
    .ok()?;
    let date = time::PrimitiveDateTime::parse(text, &format).ok()?;
    let date = SystemTime::from(date.assume_utc());
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text: &str| retry_after(Some(&HeaderValue::from_str(text).unwrap()));
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert!(read("Wed, 06 Nov 2999 08:49:37 GMT").unwrap() > Duration::from_secs(1 << 30));
        for nonsense in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
        assert_eq!(retry_after(None), None);
    }
}
